"""The wall clock steps by hours under a running gateway, or is not known at its start: records keep one offset a boot.

The machine's own clock is left alone. A library loaded into the gateway's process shifts what it is told of
CLOCK_REALTIME (a time namespace cannot: it has offsets for the monotonic clocks only), and a mount namespace holds the
mark by which a time service says that it has set the clock.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from itertools import pairwise
from pathlib import Path

from faults.books import Database, Difference, Journal, compare_database
from faults.bus_user import HEARTBEAT_ID, FeederProcess, Heard, beats
from faults.home import Home, Site, may_charge, wait_until
from faults.kills import taken_by
from faults.mounts import missing
from faults.sink import Sink
from faults.table import Row, skipped
from twolbms.journal import Event, Frame, Sample
from voices.node_voice import database as node_database

_HOUR_NS = 3600 * 10**9
_STEPS_NS = (3 * _HOUR_NS, -5 * _HOUR_NS, 26 * _HOUR_NS, -_HOUR_NS)
_SLACK_NS = 3 * 10**9
_UNSHARED = ('mount -t tmpfs none /run && mkdir -p /run/systemd/timesync && mount --bind "$0" /run/systemd/timesync '
             '&& exec "$@"')


class WallClock:
    """What a gateway's process is told of the wall clock: `step(ns)` holds at once, `synchronised()` sets the mark."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "offset"
        self._marks = folder / "timesync"
        self._marks.mkdir()
        self.offset_ns = 0
        self.step(0)
        self._library = folder / "clock_shim.so"
        source = Path(__file__).with_name("clock_shim.c")
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", str(self._library), str(source), "-ldl"], check=True)

    @property
    def environment(self) -> dict[str, str]:
        """For the process."""
        return {"LD_PRELOAD": str(self._library), "FAULTS_CLOCK": str(self._file)}

    @property
    def wrapper(self) -> tuple[str, ...]:
        """In front of the process's command."""
        return "unshare", "-m", "sh", "-c", _UNSHARED, str(self._marks)

    def step(self, offset_ns: int) -> None:
        """The clock is so much ahead of the true time from now on. Written in place: the process maps the file."""
        self.offset_ns = offset_ns
        with self._file.open("r+b" if self._file.exists() else "w+b", buffering=0) as file:
            file.write(struct.pack("=q", offset_ns))

    def synchronised(self) -> None:
        """A time service says that it has set the clock."""
        (self._marks / "synchronized").touch()


def _lacking() -> str | None:
    return next((name for name in ("gcc", "unshare") if shutil.which(name) is None), None) or missing()


def _outside(home: Home, from_ns: int, to_ns: int) -> tuple[int, int]:
    """How many records there are, and how many of them lie outside a stretch of true wall time."""
    times = [record.time_ns for family in ("sample", "event", "frame") for block in home.reader().blocks(family)
             for record in block.records if isinstance(record, Sample | Event | Frame)]
    return len(times), sum(not from_ns - _SLACK_NS <= time_ns <= to_ns + _SLACK_NS for time_ns in times)


def _minutes(heard: list[Heard]) -> list[int]:
    """The gateway's minutes as the heartbeats tell them, without those that do not know."""
    message = node_database().get_message_by_name("GatewayHeartbeat")
    told = [message.decode(frame.data)["GatewayMinutes"] for frame in heard if frame.can_id == HEARTBEAT_ID]
    return [int(value) for value in told if isinstance(value, int | float)]


def steps(folder: Path, seconds: float) -> Row:
    """The clock steps four times, and once more over kill -9 and a new start of the same boot."""
    fault = "wall clock steps by hours"
    if lacking := _lacking():
        return skipped(fault, lacking)
    wall = WallClock(folder / "clock")
    wall.synchronised()
    with FeederProcess() as feeder, Sink() as sink, Home(folder / "home", Site(feeder.port, sink.url)) as home:
        began_ns = time.time_ns()
        home.started(wall.environment, wrapper=wall.wrapper)
        quality = home.shows(may_charge, "the pack may be charged")["clock"]
        feeder.ask(rate=50)
        from_ns = time.monotonic_ns()
        for step_ns in _STEPS_NS:
            wall.step(wall.offset_ns + step_ns)
            time.sleep(seconds)
        heard = beats(feeder.listen(), from_ns, time.monotonic_ns())
        home.kill()
        wall.step(7 * _HOUR_NS)
        home.started(wall.environment, wrapper=wall.wrapper)
        home.shows(may_charge, "the pack may be charged")
        difference, database = _drained(home, sink)
        home.stop()
        count, outside = _outside(home, began_ns, time.time_ns())
        minutes = _minutes(feeder.listen())
        leaps = sum(not 0 <= b - a <= 1 for a, b in pairwise(minutes))
    boots = (home.journal / "boots").read_text().splitlines()
    problems = {"records outside their true time": outside, "leaps of the minutes told to nodes": leaps,
                "missing in the database": len(difference.missing), "wrong": len(difference.wrong)
                + len(database.changed) + len(database.bad), "complaints": len(home.complaints())}
    hours = ", ".join(f"{step / _HOUR_NS:+.0f}" for step in _STEPS_NS)
    return Row(fault, f"{hours} h, and +7 h over a kill -9", (
        f"clock {quality}, {len(boots)} offset for the boot; {count} records; {heard}; "
        + ", ".join(f"{n} {name}" for name, n in problems.items())),
        quality == "network" and len(boots) == 1 and heard.kept and count > 0 and not any(problems.values()),
        {**problems, "records": count})


def not_set(folder: Path, seconds: float) -> Row:
    """The machine starts in 1970; time comes later, and everything recorded before gets its true wall time."""
    fault = "wall clock not set at boot"
    if lacking := _lacking():
        return skipped(fault, lacking)
    wall = WallClock(folder / "clock")
    wall.step(1000 * 10**9 - time.time_ns())
    with FeederProcess() as feeder, Sink() as sink, Home(folder / "home", Site(feeder.port, sink.url)) as home:
        began_ns, from_ns = time.time_ns(), time.monotonic_ns()
        home.started(wall.environment, wrapper=wall.wrapper)
        before = home.shows(may_charge, "the pack may be charged")
        time.sleep(seconds)
        taken_early = len(sink.taken())
        wall.step(0)
        wall.synchronised()
        wait_until(lambda: home.picture().get("clock") == "network", "the clock is known")
        difference, database = _drained(home, sink)
        heard = beats(feeder.listen(), max(from_ns, next(f.time_ns for f in feeder.heard)), time.monotonic_ns())
        home.stop()
        count, outside = _outside(home, began_ns, time.time_ns())
    problems = {"records outside their true time": outside, "sent before the time was known": taken_early,
                "missing in the database": len(difference.missing),
                "wrong": len(difference.wrong) + len(database.changed) + len(database.bad),
                "complaints": len(home.complaints())}
    return Row(fault, f"once, for {seconds:.0f} s", (
        f"clock {before['clock']}, then network; {count} records; {heard}; "
        + ", ".join(f"{n} {name}" for name, n in problems.items())),
        before["clock"] == "unknown" and heard.kept and count > 0 and not any(problems.values()), dict(problems))


def _drained(home: Home, sink: Sink) -> tuple[Difference, Database]:
    """Waits until the database holds all that the journal holds now, for at most a minute."""
    until_ns, end = time.time_ns() - 10**9, time.monotonic() + 60
    while True:
        time.sleep(1.0)
        database = taken_by(sink)
        difference = compare_database(Journal.read(home.reader()), database, until_ns)
        if not difference.missing or time.monotonic() > end:
            return difference, database

