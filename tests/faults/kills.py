"""kill -9 of the gateway and of the database at random moments: nothing acknowledged is lost, nothing is wrong."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from faults.books import Acked, Database, Difference, Followed, Journal, compare_acknowledged, compare_database
from faults.bus_user import FeederProcess
from faults.home import AckListener, Home, Site, wait_until
from faults.sink import GOOD, Sink, slow
from faults.table import Row, skipped
from servers.influx_server import ORG, InfluxServer
from servers.recipes import find_influxd
from twolbms.clock import StoryClock
from twolbms.outlets.influx_setup import SetupPlan, set_up

PHASES = ("normal", "outage", "drain")
KILLS_A_PHASE = 5
STARTING_SHARE = 0.15  # of the kills fall before the gateway answers
_START_S = (0.05, 0.8)
_LIFE_S = (0.0, 1.5)
_ANSWER_S = 0.25  # of a draining database, so that kills fall between storing and the answer
KILLS_A_BOOT = 100
FRAMES_A_S = 300
DRAINED_WITHIN_S = 120.0


def wall_clock() -> StoryClock:
    """A clock in real time whose boot is a new one, and whose wall time is the real one from the start."""
    now_ns, host_ns = time.time_ns(), time.monotonic_ns()
    return StoryClock(host_ns, host_ns, 1.0, now_ns - host_ns)


def taken_by(sink: Sink) -> Database:
    """What a sink holds now."""
    database = Database()
    database.take(sink.taken())
    return database


def drained(home: Home, ask: Callable[[], Database]) -> tuple[Database, Difference]:
    """Waits until the database holds all that the journal holds now, or for DRAINED_WITHIN_S."""
    assert home.clock is not None
    until_ns = home.clock.wall_ns(home.clock.mono_ns()) or 0
    end_s = time.monotonic() + DRAINED_WITHIN_S
    while True:
        time.sleep(1.0)
        database = ask()  # first: what it holds must be in a journal that is read later
        book = Journal.read(home.reader())
        difference = compare_database(book, database, until_ns, home.site.decoded)
        if not difference.missing or time.monotonic() > end_s:
            return database, difference


class Killing:
    """One long life of a site whose gateway is killed again and again."""

    def __init__(self, home: Home, feeder: FeederProcess, sink: Sink, seed: int) -> None:
        self.home, self.feeder, self.sink = home, feeder, sink
        self.random = random.Random(seed)
        self.acks = AckListener(home)
        self.frames = Followed(home.reader())
        self.kills: Counter[str] = Counter()
        self.lost_at_once = 0

    def kill_once(self, phase: str) -> None:
        """One life and its end."""
        starting = self.random.random() < STARTING_SHARE
        self.home.start()
        if starting:
            time.sleep(self.random.uniform(*_START_S))
        else:
            wait_until(self.home.up, "the gateway answers", look_s=0.01)
            time.sleep(self.random.uniform(*_LIFE_S))
        self.frames.look()
        self.kills["with a POST in flight"] += self.sink.busy > 0
        self.home.kill()
        self.kills[phase] += 1
        self.kills["while starting"] += starting
        self.frames.look()  # before the next writer repairs the tail

    def run(self, count: int, phase_kills: int) -> None:
        """So many kills, in turn in normal run, outage and drain."""
        self.feeder.ask(rate=FRAMES_A_S)
        for number in range(count):
            phase = PHASES[number // phase_kills % len(PHASES)]
            if phase == "outage":
                self.sink.down()
            else:
                self.sink.up(GOOD if phase == "normal" else slow(_ANSWER_S))
            if number % KILLS_A_BOOT == KILLS_A_BOOT - 1:
                self.home.clock = wall_clock()  # as if the machine had been restarted
            self.kill_once(phase)

    def drained(self) -> tuple[Database, Difference]:
        """A last life that is left in peace until the database holds all that the journal held when it began."""
        self.sink.up(GOOD)
        self.home.started()
        self.feeder.ask(rate=0)
        return drained(self.home, lambda: taken_by(self.sink))


def kill_gateway(folder: Path, count: int, *, phase_kills: int = KILLS_A_PHASE, seed: int = 20261124) -> Row:
    """The gateway is killed `count` times over one journal and one database."""
    with FeederProcess() as feeder, Sink() as sink, \
            Home(folder, Site(feeder.port, sink.url, decoded=True, timeout_s=5.0), wall_clock()) as home:
        killing = Killing(home, feeder, sink, seed)
        killing.run(count, phase_kills)
        database, difference = killing.drained()
        home.kill()  # before the journal is read for the last time: what is acknowledged until then must be in it
        killing.acks.stop()
        book = Journal.read(home.reader())
        return _row(f"kill -9 of the gateway ({', '.join(PHASES)})", killing, book, database, difference, home)


def _row(fault: str, killing: Killing, book: Journal, database: Database, difference: Difference, home: Home) -> Row:
    acked: Acked = compare_acknowledged(killing.acks.lines, book)
    seen, frames_lost = len(killing.frames.numbers), killing.frames.numbers - set(book.numbers)
    wrong = book.wrong_frames + book.damaged + len(difference.wrong) + len(database.bad) + len(database.changed)
    problems = {
        "acknowledged lost": len(acked.missing) + len(frames_lost), "wrong": wrong,
        "twice in the journal": book.doubled,
        "missing in the database": len(difference.missing), "only in the database": len(difference.extra),
        "complaints": len(home.complaints())}
    minutes = Database()
    minutes.take(killing.sink.taken_elsewhere())
    figures: dict[str, float | int | str | None] = {
        "minute points": len(minutes.points), "minute values sent anew": len(minutes.changed),
        "first minute value sent anew": repr(minutes.changed[:3]),
        **{f"kills {name}": count for name, count in killing.kills.items()}, "acknowledged": acked.told,
        "frames seen": seen, "points": difference.held, "resent": database.repeated, **problems}
    for what, found in (("acknowledged", acked.missing), ("missing", difference.missing), ("extra", difference.extra),
                        ("wrong", difference.wrong), ("changed", database.changed), ("bad", database.bad)):
        if found:
            figures[f"first {what}"] = repr(found[:3])
    total = sum(killing.kills[phase] for phase in PHASES)
    kinds = ", ".join(f"{count} {name}" for name, count in killing.kills.items())
    return Row(fault, f"{total} times: {kinds}", (
        f"{acked.told} samples and events and {seen} frames acknowledged, {difference.held} values in the database, "
        f"{database.repeated} sent twice; " + ", ".join(f"{count} {name}" for name, count in problems.items())),
        acked.told > 0 and seen > 0 and difference.held > 0 and not any(problems.values()), figures)


def _points_of(plan: SetupPlan) -> Database:
    """Everything that a bucket of a real server holds, by InfluxQL, because Flux's client cuts nanoseconds."""
    query = urlencode({"db": plan.target.bucket, "epoch": "ns", "q": "SELECT * FROM /.*/ GROUP BY *"})
    request = Request(f"{plan.target.url}/query?{query}",
                      headers={"Authorization": f"Token {plan.read_token_file.read_text().strip()}"})
    with urlopen(request, timeout=120) as answer:
        (result,) = json.load(answer)["results"]
    database = Database()
    for series in result.get("series", []):
        tags = frozenset((key, value) for key, value in series.get("tags", {}).items() if value)
        for time_ns, *values in series["values"]:
            fields = {name: str(value) for name, value in zip(series["columns"][1:], values, strict=True)
                      if value is not None}
            database.points[series["name"], tags, time_ns] = fields
    return database


def kill_database(folder: Path, count: int, seed: int = 20261124) -> Row:
    """A real InfluxDB 2 is killed `count` times in the middle of being written, now and then the gateway as well."""
    fault = "kill -9 of InfluxDB in mid-write"
    program = find_influxd()
    if program is None:
        return skipped(fault, "influxd")
    chance, both = random.Random(seed), 0
    server = InfluxServer(program, folder / "influxd")
    server.start()
    plan = server.plan("bms")
    set_up(plan)
    site = Site(0, server.url, org=ORG, token_file=plan.target.token_file, timeout_s=5.0)
    try:
        with FeederProcess() as feeder:
            site.port, site.decoded = feeder.port, True
            with Home(folder / "home", site, wall_clock()) as home:
                acks = AckListener(home)
                home.started()
                feeder.ask(rate=FRAMES_A_S)
                for number in range(count):
                    time.sleep(chance.uniform(0.5, 3.0))
                    server.kill()
                    if number % 5 == 4:
                        home.kill()
                        both += 1
                    time.sleep(chance.uniform(0.0, 1.0))
                    server.start()
                    if home.process is None:
                        home.started()
                feeder.ask(rate=0)
                _, difference = drained(home, lambda: _points_of(plan))
                home.kill()
                acks.stop()
                book = Journal.read(home.reader())
                acked = compare_acknowledged(acks.lines, book)
    finally:
        server.kill()
    problems = {"acknowledged lost": len(acked.missing), "wrong": book.wrong_frames + book.damaged
                + len(difference.wrong), "missing in the database": len(difference.missing),
                "only in the database": len(difference.extra), "complaints": len(home.complaints())}
    return Row(fault, f"{count} times, {both} of them with the gateway", (
        f"{acked.told} acknowledged, {difference.held} values in the real database; "
        + ", ".join(f"{n} {name}" for name, n in problems.items())),
        difference.held > 0 and not any(problems.values()),
        {**problems, "first missing": repr(difference.missing[:3]), "first wrong": repr(difference.wrong[:3]),
         "first extra": repr(difference.extra[:3])})
