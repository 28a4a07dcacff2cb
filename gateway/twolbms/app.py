"""The asyncio shell of the gateway: opens what the site names, feeds the engine, sends what it says, and stops cleanly.

Nothing in here decides anything about a battery. An outlet that fails is a status, never a reason to stop.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from twolbms.battery.requests import Ticket
from twolbms.battery.setup import PackSetup, SiteSetup
from twolbms.battery.telling import outcome
from twolbms.clock import Clock
from twolbms.config.pack import GuardedPack
from twolbms.config.site import Site
from twolbms.contract import node_contract
from twolbms.engine import Engine, Wish
from twolbms.journal import JournalReader, JournalWriter, Keep, Record, Retention
from twolbms.outlets.local_socket import LocalSocket
from twolbms.outlets.systemd import SystemdNotice
from twolbms.restart import last_marks
from twolbms.sources.can import CanSource, Received, open_bus

_LOG = logging.getLogger(__name__)

TICK_S = 0.02  # real seconds between ticks
STORY_TICK_S = 0.05  # and at most so many seconds of the clock's own time, when it runs faster
LOOK_OUTSIDE_NS = 500_000_000  # real time between looks at journal and outlets
_MOST_WAITING = 50_000  # frames: ten seconds of the fullest bus; older ones are dropped and counted
_FLUSH_WITHIN_S = 5.0
_STOP_OUTLET_WITHIN_S = 3.0
_POLL_TICKET_S = 0.01
_ASK_WITHIN_S = 45.0  # a person at a keyboard is told by then that nothing is decided yet
_ONCE_WITHIN_S = 15.0  # a whole picture needs NodeInfo, which comes every 10 s

Json = dict[str, Any]


class Outlet(Protocol):
    """What the shell needs of a database outlet."""

    def start(self) -> None:
        """Begins to send."""

    def stop(self, timeout: float) -> bool:
        """Ends it."""

    def status(self) -> Json:
        """How it is doing."""


def site_setup(site: Site, types: dict[str, GuardedPack]) -> SiteSetup:
    """What the engine is told of a site file and the types of its packs."""
    packs = tuple(PackSetup(entry.name, entry.node, entry.bus, types[entry.name], entry.keep_closed,
                            entry.wiring_mohm / 1000, entry.soc) for entry in site.packs)
    return SiteSetup(site.site, tuple(bus.name for bus in site.buses), packs, site.pack_names_by_bank,
                     site.requests.expire_s)


def retention(site: Site) -> Retention:
    """The site's rules for each family; what it leaves out stays the journal's own choice."""
    own, rules = Retention(), site.journal.keep
    return Retention(**{family: Keep(rule.size or own.of(family).bytes, rule.age or own.of(family).age_s)
                        for family, rule in ((name, getattr(rules, name)) for name in Retention._fields)})


class Gateway:
    """One running gateway. Raises JournalBusyError or OSError when the journal cannot be opened."""

    def __init__(self, site: Site, types: dict[str, GuardedPack], clock: Clock) -> None:
        self.site = site
        self.clock = clock
        folder = site.journal_folder
        folder.mkdir(parents=True, exist_ok=True)
        site.run.mkdir(parents=True, exist_ok=True)
        self.socket = LocalSocket(site.socket, self._snapshot, self._ask)
        self.journal = JournalWriter(folder, clock.boot_id, retention=retention(site), now_ns=clock.mono_ns,
                                     on_acknowledged=self._acknowledged)
        now_ns = clock.mono_ns()
        self.engine = Engine(site_setup(site, types), node_contract(), self.journal, now_ns)
        self.engine.restore(last_marks(folder, self.engine.packs, clock.wall_ns(now_ns)), now_ns)
        self._fix_wall()
        self.sources = {bus.name: CanSource(
            bus.name, partial(open_bus, bus.interface, bus.channel, bus.bitrate), clock, self._deliver,
            partial(self._bus_changed, bus.name)) for bus in site.buses}
        self._outlets: dict[str, Outlet | None] = {}
        self._outlet_errors: dict[str, str] = {}
        self._inbox: deque[Received] = deque()
        self._overrun = 0
        self._inbox_told = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._stop_reason = "asked to"
        self._systemd = SystemdNotice()
        self._look_due_ns = 0
        self._ill: str | None = None
        self.last_picture: Json = {}  # of the moment it stopped

    # --- life ---

    async def run(self, *, once: bool = False) -> bool:
        """Runs until it is told to stop, or once until every pack has been heard whole; whether that was reached."""
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop, signal.Signals(number).name)
        self._loop.add_signal_handler(signal.SIGHUP, lambda: None)
        heard = False
        try:
            await self.socket.start()
            self.engine.start(_version(), self.clock.mono_ns())
            self._start_outlets()
            for source in self.sources.values():
                source.start()
            self._systemd.tell("READY=1")
            heard = await self._tick_on(once)
        finally:
            await self._close()
        return heard

    def stop(self, reason: str) -> None:
        """Ends `run` in good order. Call it on the loop's thread."""
        self._stop_reason = reason
        self._stop.set()

    async def _tick_on(self, once: bool) -> bool:
        pause_s = min(TICK_S, STORY_TICK_S / self.clock.speed)
        until_s = time.monotonic() + _ONCE_WITHIN_S
        while not self._stop.is_set():
            self._tick()
            if once and self._all_heard():
                return True
            if once and time.monotonic() > until_s:
                return False
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause_s)
        return True

    def _all_heard(self) -> bool:
        now_ns = self.clock.mono_ns()
        return all(pack.heard.info.complete and not pack.heard.state.silent(now_ns) and pack.heard.cells.whole(now_ns)
                   for pack in self.engine.packs.values())

    def _tick(self) -> None:
        """One turn. A fault of ours in it is told once and the next turn tried; systemd is then not told "alive"."""
        try:
            self._drain()
            now_ns = self.clock.mono_ns()
            for frame in self.engine.tick(now_ns):
                self.sources[frame.bus].send(frame)
            host_ns = time.monotonic_ns()
            if host_ns >= self._look_due_ns:
                self._look_due_ns = host_ns + LOOK_OUTSIDE_NS
                self._look_outside(now_ns)
            self._systemd.alive(host_ns)
            self._ill = None
        except Exception as error:
            if self._ill != repr(error):
                _LOG.exception("a turn of the gateway failed; it goes on")
            self._ill = repr(error)

    async def _close(self) -> None:
        self._systemd.tell("STOPPING=1")
        for source in self.sources.values():
            source.stop()
        self.last_picture = self._snapshot()
        self.engine.stop(self._stop_reason, self.clock.mono_ns())
        await self.socket.stop()
        self.journal.flush(_FLUSH_WITHIN_S)
        for outlet in self._outlets.values():
            if outlet is not None:
                outlet.stop(_STOP_OUTLET_WITHIN_S)
        self.journal.close()

    # --- frames ---

    def _deliver(self, batch: list[Received]) -> None:
        """On a bus's thread: frames go over to the loop, which is woken once for all that wait."""
        self._inbox.extend(batch)
        if not self._inbox_told and self._loop is not None:
            self._inbox_told = True
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._inbox_told = False
        inbox, receive = self._inbox, self.engine.receive
        surplus = len(inbox) - _MOST_WAITING
        for _ in range(max(0, surplus)):
            inbox.popleft()
            self._overrun += 1
        while inbox:
            frame, time_ns = inbox.popleft()
            receive(frame, time_ns)

    def _bus_changed(self, name: str, up: bool, error: str | None) -> None:
        """On a bus's thread."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(lambda: self.engine.bus_state(name, up, error, self.clock.mono_ns()))

    # --- outside ---

    def _start_outlets(self) -> None:
        if self.site.influxdb is not None:
            try:
                self._outlets["influxdb"] = outlet = _influx(self.site, self.clock)
                outlet.start()
            except Exception as error:
                _LOG.exception("the outlet influxdb does not start")
                self._outlets["influxdb"] = None
                self._outlet_errors["influxdb"] = f"{error}" or type(error).__name__

    def _look_outside(self, now_ns: int) -> None:
        self._fix_wall()
        outlets = {name: outlet.status() if outlet is not None else
                   {"state": "stopped", "lag_s": None, "lines": 0, "refused": 0, "error": self._outlet_errors.get(name)}
                   for name, outlet in self._outlets.items()}
        for name, source in self.sources.items():
            self.engine.bus_counts(name, {**source.counts(), "overrun": self._overrun})
        self.engine.outside(self.journal.status()._asdict(), outlets, now_ns)

    def _fix_wall(self) -> None:
        """Wall time: what the journal fixed earlier in this boot, else what the clock finds out."""
        if self.engine.wall_offset_ns is not None:
            return
        fixed = self.journal.wall
        if fixed is not None:
            self.clock.adopt(fixed.offset_ns, fixed.quality)  # type: ignore[arg-type]
        else:
            self.clock.poll(self.clock.mono_ns())
        offset_ns = self.clock.wall_offset_ns
        if offset_ns is not None:
            self.journal.fix_wall(offset_ns, self.clock.quality)
            self.engine.set_wall(offset_ns, self.clock.quality)

    def _acknowledged(self, records: Sequence[Record]) -> None:
        self.socket.acknowledged(records)

    # --- people ---

    def _snapshot(self) -> Json:
        self._drain()
        return self.engine.snapshot(self.clock.mono_ns())

    async def _ask(self, request: Json, by: str) -> Json:
        """A person's request, from its JSON to its outcome."""
        wish, known = _wish(request), self.engine.packs
        if request["pack"] not in known:
            return {"error": f"no pack is called {request['pack']!r}; there is {', '.join(known)}"}
        if wish is None:
            return {"error": "expected limit as text and charge_a, discharge_a as numbers"}
        ticket = self.engine.ask(request["pack"], request["what"], by, self.clock.mono_ns(), wish)
        until_s = time.monotonic() + _ASK_WITHIN_S
        while not ticket.done and not self._stop.is_set() and time.monotonic() < until_s:
            await asyncio.sleep(_POLL_TICKET_S)
        return ticket_json(ticket, request["pack"])


def _version() -> str:
    try:
        return version("2lbms")
    except PackageNotFoundError:  # a source tree that was never installed
        return "unknown"


def ticket_json(ticket: Ticket, pack: str) -> Json:
    """What a person who asked is told."""
    answer = ticket.answer
    return {"pack": pack, "what": ticket.what, "by": ticket.by, "accepted": bool(ticket.accepted),
            "text": outcome(ticket) if ticket.done else "no outcome yet",
            "answer": answer.answer if answer else None, "limit": answer.limit if answer else None,
            "hold_s": answer.hold_s if answer else None}


def _wish(request: Json) -> Wish | None:
    limit, charge_a, discharge_a = request.get("limit"), request.get("charge_a"), request.get("discharge_a")
    numbers = all(value is None or (isinstance(value, int | float) and not isinstance(value, bool))
                  for value in (charge_a, discharge_a))
    return Wish(limit, charge_a, discharge_a) if numbers and (limit is None or isinstance(limit, str)) else None


def _influx(site: Site, clock: Clock) -> Outlet:
    """The outlet of the site's `influxdb:` section; imported only where there is one."""
    from twolbms.outlets.influx import InfluxOutlet
    from twolbms.outlets.influx_target import target_of
    assert site.influxdb is not None
    cursor: Path = site.run / "influxdb.cursor"
    return InfluxOutlet(JournalReader(site.journal_folder), target_of(site, site.influxdb), cursor, clock)
