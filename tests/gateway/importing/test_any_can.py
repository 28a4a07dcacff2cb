"""`2lbms import --dbc`: every signal of a log in the database as the usual script would write it, and the account."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cantools
import pytest
from click.testing import CliRunner
from influxdb_client.client.write.point import Point

from servers.fake_influx import FakeInflux, answer, hang, store
from twolbms.cli.import_log import import_command
from twolbms.importing.any_can import run as any_can_run
from twolbms.importing.any_can.run import Request, Unfinished, import_any_can
from twolbms.importing.readers import log_file
from twolbms.journal import JournalReader
from twolbms.outlets.influx_target import InfluxTarget

DBC = """VERSION ""
NS_ :
BS_:
BU_: X
BO_ 256 Motor: 8 X
 SG_ Speed : 0|16@1+ (0.1,0) [0|0] "rpm" X
 SG_ Torque : 16|16@1- (0.25,-3) [0|0] "Nm" X
 SG_ Gear : 32|4@1+ (1,0) [0|0] "" X
BO_ 512 Pages: 3 X
 SG_ Page M : 0|8@1+ (1,0) [0|0] "" X
 SG_ One m1 : 8|16@1+ (1,0) [0|0] "" X
 SG_ Two m2 : 8|16@1- (0.5,0) [0|0] "" X
BO_ 2566848512 Node: 8 X
 SG_ Voltage : 7|16@0+ (0.01,0) [0|0] "V" X
VAL_ 256 Speed 65535 "NotAvailable" ;
"""
MASK = 0x1FFFFF00
COMMAND = "import sys; from twolbms.cli import main; main(['import', *sys.argv[1:]])"


def lines_of_log(count: int) -> list[str]:
    """Frames of all fates, in turn, 1 ms apart."""
    kinds = ("100#{a:04X}F0FF03000000", "100#FFFF0000{a:02X}000000", "200#01{a:04X}", "200#02{a:04X}",
             "18FF0007#{a:04X}00", "18FF0008#{a:04X}000000000000", "18FF0109#{a:04X}000000000000", "7FF#00",
             "200#09{a:04X}", "100#R8", "18FF00FE##1{a:04X}00000000000011223344")
    return [f"({1_700_000_000 + at // 1000}.{at % 1000:03d}000) can{at % 2} {kinds[at % len(kinds)].format(a=at % 251)}"
            for at in range(count)]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "drive.log"
    path.write_text("\n".join(lines_of_log(1100)) + "\n")
    (tmp_path / "car.dbc").write_text(DBC)
    (tmp_path / "token").write_text("t")
    return path


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def database() -> Iterator[FakeInflux]:
    with FakeInflux() as server:
        yield server


def request(log: Path, url: str | None = None, **more: Any) -> Request:
    folder = log.parent
    target = InfluxTarget("home", url, "o", "b", folder / "token", timeout_s=5) if url else None
    return Request(log, (folder / "car.dbc",), MASK, "home", target=target, **more)


def usual_lines(path: Path) -> set[str]:
    """What python-can, cantools and influxdb-client's Point make of the log, without values that are not there."""
    messages = {message.frame_id: message for message in cantools.database.load_string(DBC).messages}
    found = set()
    for text in path.read_text().splitlines():
        stamp, bus, frame = text.split(" ")
        name, data = frame.split("#", 1)
        can_id, data = int(name, 16), data[2:] if data.startswith("#") else data
        message = messages.get(can_id if can_id < 0x800 else can_id & MASK)
        if message is None or data.startswith("R") or len(data) // 2 < message.length or "200#09" in text:
            continue
        values = message.decode(bytes.fromhex(data)[: message.length], decode_choices=False)
        if values.get("Speed") == 6553.5:
            del values["Speed"]
        point = Point(message.name).tag("bus", bus).tag("site", "home").time(int(stamp[1:-1].replace(".", "")) * 1000)
        if can_id >= 0x800:
            point.tag("node", str(can_id & 0xFF))
        for key, value in values.items():
            point.field(key, value)
        found.add(point.to_line_protocol())
    return found


@pytest.mark.parametrize("bulk", [True, False])
@pytest.mark.parametrize("block", [2000, 1 << 20])
def test_the_database_gets_what_the_usual_script_writes(log: Path, database: FakeInflux, monkeypatch, bulk: bool,
                                                        block: int) -> None:
    """Every line is that of python-can, cantools and Point, byte for byte, and there is no other."""
    monkeypatch.setattr(log_file, "BLOCK_BYTES", block)
    account = import_any_can(request(log, database.url), bulk=bulk)
    stored = [line.decode() for line in database.stored]
    assert set(stored) == usual_lines(log) and len(stored) == len(set(stored)) == account.tally.stored == 600


@pytest.mark.parametrize("bulk", [True, False])
def test_every_frame_has_its_fate(log: Path, database: FakeInflux, bulk: bool) -> None:
    """Known, unknown, short, of a page that the DBC does not name, remote: the account adds up and names the ids."""
    told = import_any_can(request(log, database.url), bulk=bulk).as_json()
    assert [told[name] for name in ("frames", "decoded", "unknown_id", "short", "unknown_page")] == \
        [1000, 600, 200, 100, 100]
    assert (told["remote_frames"], told["lines"], told["lines_stored"], told["malformed_lines"]) == (100, 600, 600, 0)
    assert told["unknown_ids"] == [{"id": "7FF", "frames": 100}, {"id": "18FF0109", "frames": 100}]
    assert told["messages"] == {"Motor": 200, "Node": 300, "Pages": 300}
    assert (told["start_ns"], told["end_ns"]) == (1_700_000_000_000_000_000, 1_700_000_001_099_000_000)


def test_one_bus_and_a_start_of_its_own(log: Path, database: FakeInflux) -> None:
    """--bus takes its frames only, --start puts the first frame of the log where it says."""
    import_any_can(request(log, database.url, bus=1, start_ns=5_000_000_000))
    times = [int(line.rpartition(b" ")[2]) for line in database.stored]
    assert min(times) == 5_001_000_000 and all(b"bus=can1" in line for line in database.stored)


@pytest.mark.parametrize("bulk", [True, False])
def test_raw_frames_go_into_a_journal(log: Path, tmp_path: Path, bulk: bool) -> None:
    """Without a database the data frames of the log are in a journal, as the usual outlet can send them."""
    account = import_any_can(request(log, journal=tmp_path / "j"), bulk=bulk)
    frames: list[Any] = list(JournalReader(tmp_path / "j").records("frame"))
    assert len(frames) == 1000 == account.tally.frames
    assert (frames[0].time_ns, frames[0].bus, frames[0].can_id) == (1_700_000_000_000_000_000, "can0", 0x100)
    assert JournalReader(tmp_path / "j").verify() == []
    (event,) = JournalReader(tmp_path / "j").records("event")
    assert event.data == {"log": "drive.log", "frames": 1000}  # type: ignore[union-attr]


def run(log: Path, database: FakeInflux, *options: str) -> Any:
    return CliRunner().invoke(import_command, [
        str(log), "--dbc", str(log.parent / "car.dbc"), "--id-mask", hex(MASK), "--influx", database.url, "--org", "o",
        "--bucket", "b", "--token-file", str(log.parent / "token"), "--site", "home", *options])


def test_the_command_tells_the_account(log: Path, database: FakeInflux, monkeypatch) -> None:
    """A table for people, one object for programs, and no journal that nobody asked for."""
    monkeypatch.chdir(log.parent)
    done = run(log, database)
    assert done.exit_code == 0, done.output
    for words in ("1,000 frames", "600 lines made, 600 stored", "7FF (100)", "frames/s", "every signal in b at http"):
        assert words in done.stdout
    told = json.loads(run(log, database, "--json").stdout)
    assert told["decoded"] == 600 and told["resumed_at"] == 0 and told["problems"] == []
    assert not list(log.parent.glob("import-*"))


@pytest.mark.parametrize(("options", "says"), [
    ([], "either --pack NAME"),
    (["--pack", "leaf_ze0", "--dbc", "car.dbc"], "either --pack NAME"),
    (["--dbc", "none.dbc"], "none.dbc: no such file"),
    (["--dbc", "drive.log"], "no DBC but a recording (candump)"),
    (["--dbc", "car.dbc", "--dbc", "car.dbc"], "Motor"),
    (["--dbc", "car.dbc", "--id-mask", "0x100000000"], "expected bits of a 29-bit id"),
    (["--dbc", "car.dbc", "--influx", "http://127.0.0.1:1"], "--influx needs"),
])
def test_wrong_options_are_a_sentence(log: Path, monkeypatch, options: list[str], says: str) -> None:
    """What is missing or cannot be is said, with exit status 2, and nothing is begun."""
    monkeypatch.chdir(log.parent)
    done = CliRunner().invoke(import_command, [str(log), *options])
    assert done.exit_code == 2 and says in done.stderr
    assert not (log.parent / "import-drive-journal").exists()


def test_lines_that_the_database_refuses_are_quarantined(log: Path, database: FakeInflux, tmp_path: Path) -> None:
    """A bad line costs itself; it is counted, kept with the reason, and the exit status is 1."""
    database.poison = b"Gear=7i"
    done = run(log, database, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1 and told["lines_refused"] > 0
    assert told["lines_stored"] + told["lines_refused"] == 600 == told["lines_stored"] + 600 - len(database.stored)
    (quarantine,) = (tmp_path / "state" / "twolbms" / "import").glob("*.quarantine.log")
    assert "Gear=7i" in quarantine.read_text() and str(quarantine) in done.stderr


@pytest.mark.parametrize(("step", "reason"), [(answer(401, "unauthorized access"), "unauthorized access"),
                                              (answer(404, "bucket \"b\" not found"), "not found")])
def test_a_server_that_refuses_everything_ends_the_import(log: Path, database: FakeInflux, step: Any,
                                                          reason: str) -> None:
    """A wrong token or a missing bucket is said at once, with its own words."""
    database.otherwise = step
    done = run(log, database)
    assert done.exit_code == 2 and reason in done.stderr


@pytest.mark.parametrize("bulk", [True, False])
def test_after_an_outage_the_same_import_goes_on(log: Path, database: FakeInflux, monkeypatch, bulk: bool) -> None:
    """The server goes away in the middle: what it has is not sent again, the rest is; the account is of the whole."""
    monkeypatch.setattr(log_file, "BLOCK_BYTES", 2000)
    database.script = [store] * 5
    database.otherwise = answer(503, "too busy")
    with pytest.raises(Unfinished, match=r"lines are in the database, then: 503.*goes on after frame"):
        import_any_can(request(log, database.url, patience_s=0.2), bulk=bulk)
    before = len(database.stored)
    assert 0 < before < 600
    database.otherwise = store
    told: list[int] = []
    account = import_any_can(request(log, database.url), bulk=bulk, told_resumed=told.append)
    assert told == [account.resumed_at] and account.resumed_at > 0
    assert {line.decode() for line in database.stored} == usual_lines(log) and len(database.stored) == 600
    assert account.as_json()["decoded"] == 600 and account.tally.stored == 600
    assert import_any_can(request(log, database.url)).resumed_at == 0  # what ended well is forgotten


def test_restart_and_other_destinations_begin_anew(log: Path, database: FakeInflux, monkeypatch) -> None:
    """--restart forgets an earlier run; another bucket, DBC or log was never begun."""
    monkeypatch.setattr(log_file, "BLOCK_BYTES", 2000)

    def cut_off() -> None:
        database.script, database.otherwise = [store] * 5, answer(503)
        with pytest.raises(Unfinished):
            import_any_can(request(log, database.url, patience_s=0.2))
        database.otherwise = store

    cut_off()
    (log.parent / "car.dbc").write_text(DBC + "\n")
    assert import_any_can(request(log, database.url)).resumed_at == 0
    cut_off()
    assert run(log, database, "--bucket", "other", "--json").exit_code == 0
    done = run(log, database, "--restart", "--json")
    assert json.loads(done.stdout)["resumed_at"] == 0 and json.loads(done.stdout)["lines_stored"] == 600


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_import_goes_on_where_the_server_last_said_yes(log: Path, tmp_path: Path, how: signal.Signals) -> None:
    """kill -9 or Ctrl-C of the real process: no line is missing afterwards, and the account is of the whole log."""
    log.write_text("\n".join(lines_of_log(110_000)) + "\n")
    environment = dict(os.environ)
    with FakeInflux(*[store] * 6, otherwise=hang) as server:
        options = ["--dbc", str(tmp_path / "car.dbc"), "--id-mask", hex(MASK), "--influx", server.url, "--org", "o",
                   "--bucket", "b", "--token-file", str(tmp_path / "token"), "--site", "home", "--json"]
        code = COMMAND.replace("main([", "from twolbms.importing.readers import log_file\n"
                               "log_file.BLOCK_BYTES = 100_000\nmain([")
        process = subprocess.Popen([sys.executable, "-c", code, str(log), *options], stderr=subprocess.PIPE, text=True,
                                   env=environment)
        server.wait_for_requests(7)
        process.send_signal(how)
        _, words = process.communicate(timeout=60)
        before = len(server.stored)
        port = server.server_address[1]
    assert process.returncode == (-9 if how == signal.SIGKILL else 130)
    with FakeInflux(port=port) as server:
        done = subprocess.run([sys.executable, "-c", code, str(log), *options], capture_output=True, text=True,
                              timeout=120, check=False, env=environment)
        after = len(server.stored)
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["lines_stored"] == 60_000 and told["decoded"] == 60_000
    assert before + after >= 60_000
    if how == signal.SIGINT:
        assert "goes on after frame" in words and "Traceback" not in words
        assert told["resumed_at"] > 0 and "going on there" in done.stderr and before + after == 60_000


PEAK = """
import atexit, re, sys
from pathlib import Path
from twolbms.cli import main
# Not ru_maxrss, which is that of the parent where that was larger.
status = Path("/proc/self/status").read_text
atexit.register(lambda: print(re.search(r"VmHWM:\\s*(\\d+)", status())[1], file=sys.stderr))
main(["import", *sys.argv[1:]])
"""


def test_memory_does_not_grow_with_the_log(log: Path, database: FakeInflux, tmp_path: Path) -> None:
    """Ten times the frames, packed: the peak of the real process stays far below 200 MiB and where it was."""
    database.otherwise = answer(204)  # keeps nothing
    peaks_mib = []
    for count in (1_100, 44_000, 440_000):  # the first one fills the cache of the DBC
        (tmp_path / "big.log.gz").write_bytes(gzip.compress("\n".join(lines_of_log(count)).encode() + b"\n", 1))
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(tmp_path / "big.log.gz"), "--dbc", str(tmp_path / "car.dbc"), "--influx",
             database.url, "--org", "o", "--bucket", "b", "--token-file", str(tmp_path / "token"), "--id-mask",
             hex(MASK), "--json"], capture_output=True, text=True, timeout=120, check=True)
        peaks_mib.append(int(done.stderr.split()[-1]) / 1024)
        assert json.loads(done.stdout)["frames"] == count // 11 * 10
    assert peaks_mib[2] < 120 and peaks_mib[2] < 1.25 * peaks_mib[1], peaks_mib


def test_a_log_without_calendar_time_is_said(log: Path, database: FakeInflux) -> None:
    """Points of 1970 surprise: the account says what to do."""
    log.write_text("(0.5) can0 200#010000\n")
    account = import_any_can(request(log, database.url))
    assert "--start" in account.notes[0] and account.problems == []
    assert database.stored == [b"Pages,bus=can0,site=home One=0i,Page=1i 0"]


def test_a_state_that_cannot_be_kept_stops_nothing(log: Path, database: FakeInflux, tmp_path: Path) -> None:
    """Where the state folder cannot be, the import goes on and says that it could not be taken up again."""
    (tmp_path / "state").write_text("a file")
    account = import_any_can(request(log, database.url))
    assert account.tally.stored == 600 and any("begin anew" in note for note in account.notes)


def test_a_damaged_state_counts_as_none(log: Path, database: FakeInflux, tmp_path: Path, monkeypatch) -> None:
    """Whatever stands in the file of an earlier run, the import begins or goes on, and all lines are there."""
    names: list[Path] = []
    whole = any_can_run.Resume.load
    monkeypatch.setattr(any_can_run.Resume, "load", lambda self: names.append(self.path) or whole(self))
    import_any_can(request(log, database.url))
    for content in (b"", b"{}", b"[1]", b"\xff", b'{"format": 1, "tally": {"rows": 5}}', b'{"format": 9}'):
        names[0].write_bytes(content)
        database.stored.clear()
        assert import_any_can(request(log, database.url)).resumed_at == 0 and len(database.stored) == 600


def test_a_real_influxdb_holds_every_value(log: Path, influxd: Any, tmp_path: Path) -> None:
    """Against InfluxDB 2 itself: each signal's count, types that it takes, tags that tell buses and nodes apart."""
    plan = influxd.fresh_bucket()
    target = InfluxTarget("home", plan.target.url, plan.target.org, plan.target.bucket, plan.target.token_file)
    account = import_any_can(Request(log, (tmp_path / "car.dbc",), MASK, "home", target=target))
    assert account.tally.stored == 600 and account.problems == []
    (series,) = influxd.influxql(plan, 'SELECT count("Voltage") FROM "Node"')
    assert series["values"][0][1] == 200
    (series,) = influxd.influxql(plan, 'SELECT count("Speed"), count("Torque") FROM "Motor"')
    assert series["values"][0][1:] == [100, 200]
    nodes = influxd.influxql(plan, 'SELECT count("Voltage") FROM "Node" GROUP BY "node"')
    assert {each["tags"]["node"] for each in nodes} == {"8", "254"}


