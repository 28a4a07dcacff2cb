"""Decoding and writing lines against cantools and influxdb-client's `Point`, on the workload of `workload.py`: frame by
frame and in bulk; live decode also of the node's own messages, with flags that rest as on a bus and with random ones.

All take the same frames in turn; the ratio of CPU times is taken round by round. Equal values, types and bytes are
asserted first. Bulk rows contain the grouping of frames by id, text rows the decoding.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cantools
import numpy as np
import workload
from influxdb_client import Point

from twolbms.decode import CompiledDatabase, compile_database
from twolbms.decode.columns import Column, read_columns
from twolbms.decode.line_columns import TableWriter
from twolbms.decode.lines import LineWriter
from twolbms.decode.table import FrameTable
from twolbms.files import data_path

SHORT = os.environ.get("TWOLBMS_BENCH") == "short"
ROUNDS = 7 if SHORT else 15
FRAMES = 10_000 if SHORT else 40_000  # of the peers, and of ours where it goes frame by frame
BULK_FRAMES = 1_000_000
TEXT_TABLE = 100_000
SECOND = workload.FRAMES_PER_S

# Frames a second of one node with 16 cells and 4 sensors, as the periods in dbc/node.dbc make them.
MIX = {"PackValues": 100, "PackAllowance": 100, "PackState": 100, "CellExtremes": 100, "NodeFaults": 25,
       "TempExtremes": 20, "NodeCharge": 10, "CellVoltages": 40, "CellTemperatures": 5, "NodeInfo": 3}
PAGES = {"CellVoltages": ("CellGroup", 4), "CellTemperatures": ("TemperatureGroup", 1), "NodeFaults": ("FaultPage", 4),
         "NodeInfo": ("InfoPage", 3)}

Frames = list[tuple[int, int, bytes]]


def run() -> list[dict[str, Any]]:
    """Ratios of the peers' CPU time per frame to ours."""
    theirs: Any = cantools.database.load_string(workload.dbc_text(), "dbc")
    ours = compile_database(workload.dbc_text())
    frames = workload.frames(FRAMES)
    return [live(theirs, ours, frames, False, "live decode", 6.0),
            node_live(True, "live decode of node.dbc, flags at rest", 3.5),
            node_live(False, "live decode of node.dbc, all bits random", 2.5),
            bulk(theirs, ours, frames), *texts(theirs, ours, frames)]


def live(theirs: Any, ours: CompiledDatabase, frames: Frames, extended: bool, name: str, goal: float) -> dict[str, Any]:
    """Numbers by name, frame by frame: what `CompiledDatabase.decode` gives."""
    for _, can_id, data in frames:
        want = theirs.decode_message(can_id, data, decode_choices=False)
        assert repr(want) == repr(ours.decode(can_id, extended, data)), data.hex()

    def peer() -> None:
        decode = theirs.decode_message
        for _, can_id, data in frames:
            decode(can_id, data, decode_choices=False)

    def own() -> None:
        decode = ours.decode
        for _, can_id, data in frames:
            decode(can_id, extended, data)

    return row(f"{name}: cantools CPU / ours", [cpu_s(peer) / cpu_s(own) for _ in range(ROUNDS)], goal)


def node_live(steady: bool, name: str, goal: float) -> dict[str, Any]:
    """Live decode of frames in the mix of one node's bus: numbers are random, and so are flags where not `steady`."""
    path = data_path("dbc", "node.dbc")
    theirs: Any = cantools.database.load_file(path)
    source = random.Random(1)
    resting = {each: source.getrandbits(64) for each in MIX}
    frames = []
    for each in source.choices(list(MIX), weights=list(MIX.values()), k=FRAMES):
        message = theirs.get_message_by_name(each)
        data = source.getrandbits(64)
        flags = sum(((1 << signal.length) - 1) << signal.start for signal in message.signals if signal.length <= 2)
        if steady and source.random() > 0.01:
            data = data & ~flags | resting[each] & flags
        if each in PAGES:
            signal = message.get_signal_by_name(PAGES[each][0])
            data &= ~(((1 << signal.length) - 1) << signal.start)
            data |= source.randrange(PAGES[each][1]) << signal.start
        frames.append((0, message.frame_id, data.to_bytes(8, "little")))
    return live(theirs, compile_database(path, id_mask=0x1FFFFF00), frames, True, name, goal)


def bulk(theirs: Any, ours: CompiledDatabase, frames: Frames) -> dict[str, Any]:
    """All signals of many frames as columns, from ids and data in the order of the log."""
    assert_equal_columns(theirs, ours, frames)
    _, ids, data = workload.columns(BULK_FRAMES)

    def peer() -> None:
        decode = theirs.decode_message
        for _, can_id, each in frames:
            decode(can_id, each, decode_choices=False)

    ratios = [cpu_s(peer) / len(frames) / cpu_s(lambda: decode_columns(ours, ids, data)) * BULK_FRAMES
              for _ in range(ROUNDS)]
    return row(f"bulk decode of {BULK_FRAMES:,} frames: cantools CPU / ours", ratios, 30.0)


def decode_columns(ours: CompiledDatabase, ids: Any, data: Any) -> dict[int, tuple[Any, dict[str, Column]]]:
    """For each id the rows of its frames and the columns of its signals."""
    order = np.argsort(ids.astype(np.uint16), kind="stable")
    found = {}
    for rows in np.split(order, np.flatnonzero(np.diff(ids[order])) + 1):
        can_id = int(ids[rows[0]])
        message = ours.find(can_id, False)
        assert message
        found[can_id] = (rows, read_columns(message, data[rows]))
    return found


def assert_equal_columns(theirs: Any, ours: CompiledDatabase, frames: Frames) -> None:
    """0 differences in value and type."""
    wanted = [theirs.decode_message(can_id, data, decode_choices=False) for _, can_id, data in frames]
    _, ids, data = workload.columns(len(frames))
    seen = 0
    for rows, columns in decode_columns(ours, ids, data).values():
        for name, column in columns.items():
            for at, value in zip(rows[column.rows].tolist(), column.values.tolist(), strict=True):
                assert repr(wanted[at][name]) == repr(value), name
                seen += 1
    assert seen == sum(map(len, wanted))


def texts(theirs: Any, ours: CompiledDatabase, frames: Frames) -> list[dict[str, Any]]:
    """Lines from raw frames: one by one, a second of a bus at a time, and in a large table."""
    names = {message.frame_id: message.name for message in theirs.messages}

    def peer() -> list[str]:
        decode, lines = theirs.decode_message, []
        for time_ns, can_id, data in frames:
            point = Point(names[can_id]).tag("bus", "can0").tag("site", "home").time(time_ns)
            for name, value in decode(can_id, data, decode_choices=False).items():
                point.field(name, value)
            lines.append(point.to_line_protocol())
        return lines

    def own() -> list[str]:
        line = writer.line
        return [line("can0", can_id, False, data, time_ns) for time_ns, can_id, data in frames]  # type: ignore[misc]

    def in_tables(tables: list[FrameTable]) -> float:
        return cpu_s(lambda: [columns.lines(table) for table in tables]) / sum(len(each.kind) for each in tables)

    writer, columns = LineWriter(ours, "home"), TableWriter(ours, "home")
    seconds = [table_of(SECOND, at * SECOND) for at in range(20)]
    large = table_of(TEXT_TABLE, 0)
    want = peer()
    assert want == own()
    assert sorted(columns.lines(table_of(FRAMES, 0)).text.decode().splitlines()) == sorted(want)
    columns.lines(large)
    ratios: list[tuple[float, float, float]] = []
    for _ in range(ROUNDS):
        of_peer = cpu_s(peer) / FRAMES
        ratios.append((of_peer / cpu_s(own) * FRAMES, of_peer / in_tables(seconds), of_peer / in_tables([large])))
    one, second, table = zip(*ratios, strict=True)
    return [
        row("frame to line, one by one: cantools + Point CPU / ours", list(one), 14.0),
        row(f"frame to line, {SECOND:,} frames a call: cantools + Point CPU / ours", list(second), 14.0),
        row(f"frame to line, {TEXT_TABLE:,} frames a call: cantools + Point CPU / ours", list(table), 26.0),
    ]


def table_of(count: int, first: int) -> FrameTable:
    """Frames of the workload as a table."""
    time_ns, ids, data = workload.columns(count, first)
    zeros = np.zeros(count, dtype=np.int32)
    kind, length = zeros.astype(np.uint8), np.full(count, 8)
    return FrameTable(time_ns, zeros, ids, zeros.astype(bool), kind, length, data, ["can0"])


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of one run."""
    before = time.process_time()
    work()
    return time.process_time() - before


def row(metric: str, ratios: list[float], goal: float) -> dict[str, Any]:
    """One figure."""
    return {
        "metric": metric,
        "ratio_median": round(statistics.median(ratios), 2),
        "ratio_min": round(min(ratios), 2),
        "goal": goal,
        "better": "higher",
    }


if __name__ == "__main__":
    for line in run():
        print(line)
