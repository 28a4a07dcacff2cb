"""Lines of frames, one by one and in columns: influxdb-client's `Point` over cantools is the oracle."""

from __future__ import annotations

import math
import random
from collections import Counter
from pathlib import Path
from typing import Any

import cantools
import numpy as np
import pytest
from cantools.database.errors import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from influxdb_client import Point

from bench import workload
from gateway.decode.random_dbc import EXAMPLES, random_dbc
from twolbms.decode import CompiledDatabase, Refused, compile_database
from twolbms.decode import line_columns as columns_module
from twolbms.decode.line_columns import TableWriter
from twolbms.decode.lines import LineWriter
from twolbms.decode.table import FrameTable
from twolbms.files import data_path

Frame = tuple[str, int, bool, bytes, int]
HEAD = 'VERSION ""\nNS_ :\nBS_:\nBU_: X\n'
TIME_NS = 1_700_000_000_123_456_789


def expected(message: Any, compiled: Any, data: bytes, tags: dict[str, str], time_ns: int) -> str | None:
    """What `Point` writes of what cantools decodes, without what is not available; None when cantools refuses."""
    try:
        values = message.decode(data, decode_choices=False)
        raws = message.decode(data, decode_choices=False, scaling=False)
    except DecodeError:
        return None
    point = Point(message.name).time(time_ns)
    for key, tag in tags.items():
        point.tag(key, tag)
    for name, value in values.items():
        if raws[name] in compiled.signals[name].not_available:
            continue
        if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            value = float(value)
        point.field(name, value)
    return point.to_line_protocol()


def table_of(frames: list[Frame]) -> FrameTable:
    """The frames as a table, data padded to the longest."""
    buses = list(dict.fromkeys(frame[0] for frame in frames))
    width = max((len(frame[3]) for frame in frames), default=8) or 1
    padded = b"".join(frame[3].ljust(width, b"\0") for frame in frames)
    return FrameTable(
        time_ns=np.array([frame[4] for frame in frames], dtype=np.int64),
        bus=np.array([buses.index(frame[0]) for frame in frames], dtype=np.int32),
        can_id=np.array([frame[1] for frame in frames], dtype=np.int64),
        extended=np.array([frame[2] for frame in frames], dtype=bool),
        kind=np.zeros(len(frames), dtype=np.uint8),
        length=np.array([len(frame[3]) for frame in frames], dtype=np.int64),
        data=np.frombuffer(padded, dtype=np.uint8).reshape(len(frames), width),
        buses=buses,
    )


def one_by_one(database: CompiledDatabase, site: str, frames: list[Frame]) -> tuple[list[str], Counter[str]]:
    """The lines and the refusals of `LineWriter`."""
    writer = LineWriter(database, site)
    made = [writer.line(*frame) for frame in frames]
    return ([str(line) for line in made if not isinstance(line, Refused)],
            Counter(each.value for each in made if isinstance(each, Refused)))


def check_columns(database: CompiledDatabase, site: str, frames: list[Frame]) -> None:
    """`TableWriter` gives the same lines and refusals, and those of one message in the order of the frames."""
    lines, refused = one_by_one(database, site, frames)
    writer = TableWriter(database, site)
    for _ in range(2):  # with its texts to be made, and with them at hand
        made = writer.lines(table_of(frames))
        assert made.text.endswith(b"\n") or not made.count
        got = made.text.decode().split("\n")[:-1]
        assert (made.count, made.refused) == (len(lines), refused)
        assert sorted(got) == sorted(lines)


@pytest.fixture
def always_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns even for a single frame, in matrices of a few rows."""
    monkeypatch.setattr(columns_module, "_FEWEST", 1)
    monkeypatch.setattr(columns_module, "_FEWEST_OF_ALL", 1)
    monkeypatch.setattr(columns_module, "_AT_ONCE", 7)


@given(st.randoms(use_true_random=False), st.sampled_from([8, 64]))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_databases_are_written_as_point_writes_them(
    always_columns: None, source: random.Random, longest: int
) -> None:
    """Any frame of any database gives the line that cantools and `Point` give, one by one and in columns."""
    text = random_dbc(source, longest)
    theirs: Any = cantools.database.load_string(text, "dbc").messages[0]
    database = compile_database(text)
    writer = LineWriter(database, "my site")
    frames: list[Frame] = []
    for at in range(14):
        length = theirs.length if source.random() < 0.85 else source.randint(0, theirs.length)
        data = bytes(source.choice([0, 255, source.randrange(256), source.randrange(4)]) for _ in range(length))
        time_ns = source.choice([TIME_NS, 0, 5, 10**18 - 1, 10**18]) + at
        frames.append((source.choice(["can0", "can 1"]), 291, False, data, time_ns))
        want = expected(theirs, database.message("Any"), data, {"bus": frames[-1][0], "site": "my site"}, time_ns)
        got = writer.line(*frames[-1])
        if want is None:
            assert got in (Refused.SHORT, Refused.BAD_MULTIPLEXER)
        else:
            assert got == (want or Refused.NO_VALUES), data.hex()
    check_columns(database, "my site", frames)


FLOATS = HEAD + """BO_ 291 Odd: 16 X
 SG_ Big : 0|64@1+ (1,0) [0|0] "" X
 SG_ Double : 64|64@1- (1,0) [0|0] "" X

BO_ 292 Half: 4 X
 SG_ First : 0|8@1+ (0.5,0) [0|0] "" X
 SG_ Middle : 8|8@1+ (1,0) [0|0] "" X
 SG_ Rest : 16|16@1- (0.1,0) [0|0] "" X

BO_ 293 Sure: 1 X
 SG_ Aware : 0|1@1+ (1,0) [0|0] "" X
 SG_ Sure : 1|1@1+ (1,0) [0|0] "" X
 SG_ There : 2|1@1+ (1,0) [0|0] "" X

SIG_VALTYPE_ 291 Double : 2;
VAL_ 292 First 255 "Not available" ;
VAL_ 292 Middle 255 "Not available" ;
VAL_ 292 Rest -1 "Not available" ;
VAL_ 293 Aware 1 "Not available" ;
VAL_ 293 There 1 "Not available" ;
"""


def odd(big: int, double: float) -> bytes:
    return big.to_bytes(8, "little") + np.float64(double).tobytes()


@pytest.mark.parametrize(
    ("can_id", "data", "fields"),
    [
        (291, odd((1 << 63) - 1, 1.0), "Big=9223372036854775807i,Double=1"),
        (291, odd(1 << 63, -0.0), "Big=9.223372036854776e+18,Double=-0"),
        (291, odd(7, math.nan), "Big=7i"),
        (291, odd(7, -math.inf), "Big=7i"),
        (291, odd(7, 1e300), "Big=7i,Double=1e+300"),
        (292, bytes([3, 4, 5, 0]), "First=1.5,Middle=4i,Rest=0.5"),
        (292, bytes([255, 4, 255, 255]), "Middle=4i"),
        (292, bytes([255, 255, 5, 0]), "Rest=0.5"),
        (292, bytes([4, 255, 255, 255]), "First=2"),
        (292, bytes([255] * 4), None),
        (293, bytes([0b010]), "Aware=0i,Sure=1i,There=0i"),
        (293, bytes([0b101]), "Sure=0i"),
        (293, bytes([0b111]), "Sure=1i"),
    ],
)
def test_what_no_server_takes_is_left_out(always_columns: None, can_id: int, data: bytes, fields: str | None) -> None:
    """No NaN, no infinity, no "not available", nothing beyond 64 bits as an integer; with no field left, no line."""
    database = compile_database(FLOATS)
    message = database.find(can_id, False)
    assert message
    line = f"{message.name},bus=can0,site=home {fields} {TIME_NS}"
    frames: list[Frame] = [("can0", can_id, False, data, TIME_NS)]
    lines, refused = one_by_one(database, "home", frames)
    assert (lines, refused) == (([line], Counter()) if fields else ([], Counter({"no_values": 1})))
    check_columns(database, "home", frames)


def test_names_are_escaped_as_point_escapes_them(always_columns: None) -> None:
    """Blanks, commas, equal signs, quotes and letters beyond ASCII in a site's or a bus's name arrive whole."""
    database = compile_database(FLOATS)
    for name in ["a b,c=d", 'q"uote', "Häuschen °", "back\\", "line\nend", "tab\t"]:
        point = Point("Sure").tag("site", name).tag("bus", name).field("Aware", 0).field("Sure", 1).field("There", 0)
        frames: list[Frame] = [(name, 293, False, b"\x02", TIME_NS)]
        assert one_by_one(database, name, frames)[0] == [point.time(TIME_NS).to_line_protocol()]
        check_columns(database, name, frames)


def test_a_bus_may_have_another_tag_than_its_name() -> None:
    """`buses` gives the tag; a bus without an entry keeps its name, and an empty site is no tag."""
    database = compile_database(FLOATS)
    writer = LineWriter(database, "", {"can0": "garage"})
    assert str(writer.line("can0", 293, False, b"\0", 5)).startswith("Sure,bus=garage Aware=")
    assert str(writer.line("can1", 293, False, b"\0", 5)).startswith("Sure,bus=can1 Aware=")


def test_node_numbers_are_tags_under_a_mask(always_columns: None) -> None:
    """With an id mask, the bits outside it are the tag `node`, and nodes and buses never mix."""
    database = compile_database(data_path("dbc", "node.dbc"), id_mask=0x1FFFFF00)
    source = random.Random(4)
    base = [message.frame_id for message in database.all_messages]
    frames: list[Frame] = [
        (source.choice(["can0", "can1"]), source.choice(base) & ~0xFF | source.randrange(1, 20), True,
         source.randbytes(source.choice([8, 8, 8, 3])), TIME_NS + at) for at in range(400)]
    frames.append(("can0", 0x123, False, bytes(8), TIME_NS))
    lines, refused = one_by_one(database, "home", frames)
    assert len(lines) > 200 and refused["unknown_id"] == 1 and refused["short"] > 10
    node_at = {frame[4]: frame[1] & 0xFF for frame in frames}
    assert all(f",node={node_at[int(line.rpartition(' ')[2])]},site=home " in line for line in lines)
    check_columns(database, "home", frames)


def test_only_data_frames_give_lines() -> None:
    """Error and remote frames are counted, in small tables and large ones."""
    for many in (10, 3000):
        table = table_of([("can0", 293, False, b"\x02", TIME_NS + at) for at in range(many)])
        table.kind[::5] = 1
        made = TableWriter(compile_database(FLOATS), "home").lines(table)
        assert (made.count, made.refused) == (many - many // 5, Counter({"not_data": many // 5}))
        assert made.text.count(b"\n") == made.count


def test_the_bench_workload_in_columns_and_one_by_one() -> None:
    """A large table of 112 messages gives each line once, and those of one page of a message in the order of time."""
    database = compile_database(workload.dbc_text())
    frames: list[Frame] = [("can0", can_id, False, data, time_ns) for time_ns, can_id, data in workload.frames(6000)]
    lines, refused = one_by_one(database, "home", frames)
    made = TableWriter(database, "home").lines(table_of(frames))
    got = made.text.decode().splitlines()
    assert sorted(got) == sorted(lines) and made.count == 6000 and not refused and not made.refused
    of_one = [int(line.rpartition(" ")[2]) for line in got if line.startswith("Pack03Values,")]
    assert of_one == sorted(of_one) and len(of_one) > 30


def test_a_flood_of_ids_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch, always_columns: None) -> None:
    """When too many series or texts are known they are forgotten, and the lines stay the same."""
    monkeypatch.setattr(columns_module, "_MOST_SERIES", 50)
    monkeypatch.setattr("twolbms.decode.lines._MOST_SERIES", 50)
    monkeypatch.setattr("twolbms.decode.text_tables._MOST_TEXTS", 40)
    monkeypatch.setattr("twolbms.decode.text_columns._MOST_OF_A_LONG", 5)
    text = HEAD + """BO_ 2566914048 Long: 8 X
 SG_ Plain : 0|32@1+ (1,0) [0|0] "" X
 SG_ Scaled : 32|32@1- (0.1,0) [0|0] "" X
"""
    database = compile_database(text, id_mask=0x1FFF0000)
    source = random.Random(6)
    base = database.message("Long").frame_id
    frames: list[Frame] = [("can0", base & ~0xFFFF | source.randrange(1 << 16), True, source.randbytes(8), TIME_NS + at)
                           for at in range(200)]
    check_columns(database, "home", frames[:40])
    check_columns(database, "home", frames)


def test_recorded_frames_of_a_car(reference_folder: Path) -> None:
    """A recorded drive of a Leaf: each line as `Point` and cantools write it."""
    database = compile_database(data_path("dbc", "ev", "leaf_aze0.dbc"))
    theirs: Any = cantools.database.load_file(data_path("dbc", "ev", "leaf_aze0.dbc"))
    frames: list[Frame] = []
    log = reference_folder / "can_logs" / "leaf_aze0_with_40kwh_pack.log"
    for at, line in enumerate(log.read_text().splitlines()[:4000]):
        can_id, _, data = line.split()[2].partition("#")
        if len(can_id) == 3 and not data.startswith("R"):
            frames.append(("can0", int(can_id, 16), False, bytes.fromhex(data), TIME_NS + at))
    want = []
    for _, can_id, _, data, time_ns in frames:
        compiled = database.find(can_id, False)
        if compiled:
            message = theirs.get_message_by_frame_id(can_id)
            want.append(expected(message, compiled, data, {"bus": "can0", "site": "home"}, time_ns))
    lines, _ = one_by_one(database, "home", frames)
    assert lines == [line for line in want if line] and len(lines) > 100
    check_columns(database, "home", frames)
