"""The running gateway of a site: does one answer, does one hang, and what it says through its local socket."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from twolbms.config.path_state import Closed, closed_to_me, state_of
from twolbms.doctor.people import me, owner_of
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.doctor.sketch import Sketch
from twolbms.outlets.local_client import GatewayAbsentError, LocalClient
from twolbms.outlets.local_socket import answers

Json = dict[str, Any]

ANSWER_WITHIN_S = 2.0
APART_S = 1.5
"""Between the two snapshots by which silence is told from traffic; a node speaks ten times a second."""

told = Rules(
    Rule("gateway.good", "good", "runs and answers on {socket}"),
    Rule("gateway.absent", "warn", "none runs: buses and devices are opened and looked at directly",
         "start it when everything else is good: 2lbms run {site}"),
    Rule("gateway.died", "warn", "none runs, and the last one did not close its journal (killed, or power lost)",
         "start it again: 2lbms run {site}; nothing acknowledged is lost"),
    Rule("gateway.hangs", "bad", "{holder} holds the journal, and nobody answers on {socket}: it hangs, or it runs "
         "with another site file",
         "look what it does: ps -fp {pid}; a service is restarted with: sudo systemctl restart twolbms-gateway"),
    Rule("gateway.mute", "bad", "something listens on {socket} and does not answer as a gateway: it hangs, or "
         "it is none",
         "see what it is: sudo fuser -v {socket}; then restart it"),
    Rule("gateway.forbidden", "unknown", "one may run, but {socket} belongs to {owner}, and {me} may not ask it",
         "run this as that user: sudo -u {owner} 2lbms doctor {site}"),
    Rule("gateway.hidden", "unknown", "one may run, and that cannot be seen: {folder} is closed to {me}",
         "run this as that user: sudo -u {owner} 2lbms doctor {site}"),
    Rule("gateway.other_site", "bad", "the gateway on {socket} is that of the site {found}, not of {name}",
         "give each site a `run` folder of its own"),
    Rule("gateway.alarm", "bad", "{text}", "type: 2lbms why --site {site}"),
    Rule("gateway.no_clock", "warn", "it does not know yet what time it is: it records, and the database waits",
         "give the machine network time; type: timedatectl; after ten minutes the system's time is taken as it is"),
    Rule("gateway.clock", "warn", "its clock is {quality}: records are stamped with a time that may be wrong",
         "give the machine network time before the gateway starts; type: timedatectl"),
    Rule("gateway.another", "bad", "{text}", "stop one of the two: their requests contradict each other"),
    Rule("gateway.stranger", "warn", "{text}", "add it to packs in {site}, or correct the node's number"),
)

_TOLD_ELSEWHERE = ("bus ", "bus_lost ", "bus_state ", "outlet ", "device ", "protection", "twins")


class Asked(NamedTuple):
    """What a gateway said. `first` and `second` are snapshots `APART_S` apart; both None when none answers.

    `held`: some gateway has the buses, whether it answers or not; `seen` is False where that is only possible, and
    cannot be seen from here. `findings` are about the gateway itself.
    """

    first: Json | None
    second: Json | None
    held: bool
    findings: tuple[Finding, ...]
    seen: bool = True


def ask_gateway(sketch: Sketch) -> Asked:
    """Asks for two snapshots. Takes no longer than their distance and a few answers."""
    facts = {"socket": sketch.socket, "site": sketch.file, "me": me()}
    if isinstance(state := state_of(sketch.socket), Closed):
        return _hidden(state, facts)
    if state == "there" and not os.access(sketch.socket, os.W_OK, effective_ids=True):
        owner = owner_of(os.stat(sketch.socket).st_uid)
        return Asked(None, None, True, (told("gateway.forbidden", "gateway", owner=owner, **facts),), seen=False)
    first = _snapshot(sketch.socket)
    if first is None:
        return _without_answer(sketch, facts)
    time.sleep(APART_S)
    second = _snapshot(sketch.socket)
    return Asked(first, second, True, tuple(_answered(first, sketch, facts)))


def _hidden(closed: Closed, facts: Json) -> Asked:
    finding = told("gateway.hidden", "gateway", folder=closed.folder, owner=closed.owner, **facts)
    return Asked(None, None, True, (finding,), seen=False)


def _without_answer(sketch: Sketch, facts: Json) -> Asked:
    lock = read_lock(sketch.journal_folder)
    if lock.held:
        holder = f"process {lock.pid}" if lock.pid else "a process"
        finding = told("gateway.hangs", "gateway", holder=holder, pid=lock.pid or "PID", **facts)
    elif answers(sketch.socket):
        return Asked(None, None, True, (told("gateway.mute", "gateway", **facts),))
    elif (closed := closed_to_me(sketch.journal_folder / "lock")) is not None:
        return _hidden(closed, facts)
    else:
        finding = told("gateway.died" if lock.state == "open" else "gateway.absent", "gateway", **facts)
    return Asked(None, None, lock.held, (finding,))


def _answered(snapshot: Json, sketch: Sketch, facts: Json) -> Iterator[Finding]:
    if snapshot.get("site") != sketch.name:
        yield told("gateway.other_site", "gateway", found=snapshot.get("site"), name=sketch.name, **facts)
        return
    yield told("gateway.good", "gateway", **facts)
    if (quality := snapshot.get("clock")) not in ("network", "rtc", "demo", None):
        yield told("gateway.no_clock" if quality == "unknown" else "gateway.clock", "gateway", quality=quality, **facts)
    for alarm in snapshot.get("alarms") or []:
        yield from _alarm(alarm, facts)


def _alarm(alarm: Json, facts: Json) -> Iterator[Finding]:
    key, text, pack = str(alarm.get("alarm", "")), str(alarm.get("text")), alarm.get("pack")
    if key.startswith(_TOLD_ELSEWHERE):
        return
    rule = {"gateway": "gateway.another", "strangers": "gateway.stranger"}.get(key.partition(" ")[0], "gateway.alarm")
    yield told(rule, "gateway", text=f"{pack}: {text}" if pack and pack not in text else text, **facts)


def _snapshot(socket: Path) -> Json | None:
    """The picture of now; None when nobody gives one in time or what comes is none."""
    given: list[Json] = []

    def ask() -> None:
        with suppress(GatewayAbsentError, ValueError):
            given.append(LocalClient(socket).snapshot())

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_WITHIN_S)
    found = next(iter(given), None)
    return found if isinstance(found, dict) and "packs" in found else None


class Lock(NamedTuple):
    """What the journal's lock tells: "open" or "closed" as its last writer left it, who that was, does it live."""

    state: str | None
    pid: int | None
    held: bool


def read_lock(folder: Path) -> Lock:
    """The journal's lock. One that says "closed" is not tried, so that a gateway which starts now is not refused."""
    try:
        fd = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return Lock(None, None, False)
    try:
        words = os.read(fd, 200).decode(errors="replace").split()
        state = words[0] if words else None
        pid = int(words[1]) if len(words) > 1 and words[1].isdecimal() else None
        return Lock(state, pid, state != "closed" and _locked(fd))
    except OSError:
        return Lock(None, None, False)
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False
