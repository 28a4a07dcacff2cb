"""A database that is slow, down, hanging, refusing or talking nonsense: control and journal do not notice."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from faults.books import Followed, Journal, compare_acknowledged
from faults.bus_user import FeederProcess, beats
from faults.home import AckListener, Home, Site, may_charge
from faults.kills import drained, taken_by, wall_clock
from faults.sink import BUSY, GARBAGE, HANGS, NO_TOKEN, Sink, Step, slow
from faults.table import Row

_FRAMES_A_S = 100
_TIMEOUT_S = 2.0
_REQUESTS_S = 3.0  # an allowance is asked for each second; a shorter stretch may have none


class Fault(NamedTuple):
    """What the database does, and the word that the snapshot must say; None: whatever it likes."""

    name: str
    behaviour: Step | None
    state: str | None


FAULTS = (
    Fault("database answers after 1.5 s", slow(1.5), None),
    Fault("database answers too late", slow(_TIMEOUT_S * 2), "waiting"),
    Fault("database down", None, "waiting"),
    Fault("database talks garbage", GARBAGE, "waiting"),
    Fault("database refuses the token", NO_TOKEN, "refused"),
    Fault("database busy, Retry-After 2", BUSY, "waiting"),
    Fault("database hangs", HANGS, "waiting"),
)


def one(folder: Path, fault: Fault, seconds: float) -> Row:
    """The database misbehaves for so long, then is well again."""
    with FeederProcess() as feeder, Sink() as sink, \
            Home(folder, Site(feeder.port, sink.url, timeout_s=_TIMEOUT_S), wall_clock()) as home:
        acks, frames = AckListener(home), Followed(home.reader())
        home.started()
        home.shows(may_charge, "the pack may be charged")
        home.shows(lambda picture: picture["outlets"]["influxdb"]["lines"] > 0, "the database is written")
        feeder.ask(rate=_FRAMES_A_S)
        began_ns = time.monotonic_ns()
        sink.down() if fault.behaviour is None else sink.up(fault.behaviour)
        told = None
        if fault.state is not None:
            told = home.shows(lambda picture: picture["outlets"]["influxdb"]["state"] == fault.state,
                              f"{fault.name}: told")["outlets"]["influxdb"]["error"]
        time.sleep(max(0.0, seconds - (time.monotonic_ns() - began_ns) / 1e9))
        heard = beats(feeder.listen(), began_ns, time.monotonic_ns())
        frames.look()
        sick = home.picture()
        sink.down()  # a hanging server would hang on
        sink.up()
        well_s = time.monotonic()
        database, difference = drained(home, lambda: taken_by(sink))
        back_s = time.monotonic() - well_s
        home.kill()
        acks.stop()
        book = Journal.read(home.reader())
        acked = compare_acknowledged(acks.lines, book)
    problems = {
        "acknowledged lost": len(acked.missing) + len(frames.numbers - set(book.numbers)),
        "journal lost": sick["journal"]["lost"], "wrong": len(difference.wrong) + len(database.bad)
        + len(database.changed) + book.wrong_frames + book.doubled,
        "missing in the database": len(difference.missing), "complaints": len(home.complaints())}
    said = "" if told is None else f'told "{fault.state}: {told}"; '
    return Row(fault.name, f"once, for {seconds:.0f} s", (
        f"{heard}; {said}{acked.told} acknowledged, {difference.held} values stored {back_s:.0f} s after it was well; "
        + ", ".join(f"{count} {name}" for name, count in problems.items())),
        heard.kept and (heard.requests > 0 or seconds < _REQUESTS_S) and may_charge(sick)
        and not any(problems.values()),
        {**problems, "longest_s": round(heard.longest_s, 3), "back_s": round(back_s, 1),
         "first missing": repr(difference.missing[:2]), "first wrong": repr((difference.wrong + database.changed)[:2])})


def all_databases(folder: Path, size: int) -> list[Row]:
    """Every fault of a database for `size` seconds, three at a time."""
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(lambda at: one(folder / str(at), FAULTS[at], size), range(len(FAULTS))))
