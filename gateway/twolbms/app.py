"""The asyncio shell of the gateway: opens what the site names, feeds the engine, sends what it says, and stops cleanly.

Nothing in here decides anything about a battery. An outlet that fails is a status, never a reason to stop.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from twolbms.battery.requests import Ticket
from twolbms.battery.setup import PackSetup, SiteSetup
from twolbms.battery.telling import outcome
from twolbms.clock import Clock
from twolbms.config.pack import GuardedPack
from twolbms.config.site import Site
from twolbms.contract import node_contract
from twolbms.devices.kinds import KINDS, DeviceSetup
from twolbms.engine import Engine, Wish
from twolbms.journal import JournalWriter, Keep, Record, Retention
from twolbms.outlets.local_socket import LocalSocket
from twolbms.outlets.systemd import SystemdNotice
from twolbms.restart import last_marks
from twolbms.sources.can import CanSource, Received, open_bus
from twolbms.sources.serial_device import Heard, SerialDevice

_LOG = logging.getLogger(__name__)

TICK_S = 0.04  # real seconds between ticks: well within every period of the bus, and half the wake-ups of 20 ms
STORY_TICK_S = 0.05  # and at most so many seconds of the clock's own time, when it runs faster
LOOK_OUTSIDE_NS = 500_000_000  # real time between looks at journal and outlets
_ILL_FOR_NS = 60_000_000_000
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
                     site.requests.expire_s, site.journal.record_frames)


def device_setups(site: Site) -> list[DeviceSetup]:
    """What engine and sources are told of the devices of a site file."""
    return [DeviceSetup(device.name, KINDS[device.kind], device.port, device.pack or "", device.max_age_s)
            for device in site.devices]


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
        devices = device_setups(site)
        self.engine = Engine(site_setup(site, types), node_contract(), self.journal, now_ns, devices)
        self.engine.restore(last_marks(folder, self.engine.packs, clock.wall_ns(now_ns)), now_ns)
        self._fix_wall()
        self.sources = {bus.name: CanSource(
            bus.name, partial(open_bus, bus.name, bus.interface, bus.channel, bus.bitrate, clock), clock,
            partial(self._deliver, bus.name), partial(self._bus_changed, bus.name)) for bus in site.buses}
        self.devices = {device.name: SerialDevice(
            device, clock, partial(self._device_heard, device.name), partial(self._device_changed, device.name))
            for device in devices}
        self._outlets: dict[str, Outlet | None] = {}
        self._without_outlet: dict[str, tuple[str, str]] = {}  # state and why, of one that is not (yet) there
        self._inbox: deque[tuple[str, Sequence[Received]]] = deque()
        self._overrun: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._stop_reason = "asked to"
        self._systemd = SystemdNotice()
        self._look_due_ns = 0
        self._ill: str | None = None
        self._ill_ns = 0
        self.last_picture: Json = {}  # of the moment it stopped

    # --- life ---

    async def run(self, *, once: bool = False) -> bool:
        """Runs until it is told to stop, or once until every pack and device was heard; whether that was reached."""
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop, signal.Signals(number).name)
        self._loop.add_signal_handler(signal.SIGHUP, lambda: None)
        heard = False
        try:
            await self.socket.start()
            self.engine.start(_version(), self.clock.mono_ns())
            for source in self._all_sources():
                source.start()
            self._start_outlets()
            self._systemd.tell("READY=1")
            heard = await self._tick_on(once)
        finally:
            await self._close()
        return heard

    def _all_sources(self) -> list[CanSource | SerialDevice]:
        return [*self.sources.values(), *self.devices.values()]

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
            await asyncio.sleep(pause_s)  # a third of what waiting for the stop as well would cost, 50 times a second
        return True

    def _all_heard(self) -> bool:
        now_ns = self.clock.mono_ns()
        return self.engine.devices.all_heard(now_ns) and all(
            pack.heard.info.complete and not pack.heard.state.silent(now_ns) and pack.heard.cells.whole(now_ns)
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
            if self._ill is not None and host_ns - self._ill_ns > _ILL_FOR_NS:
                self._tell_ill(None, now_ns)
        except Exception as error:
            self._ill_ns = time.monotonic_ns()
            if self._ill != repr(error):
                _LOG.exception("a turn of the gateway failed; it goes on")
                self._tell_ill(repr(error), self.clock.mono_ns())

    def _tell_ill(self, error: str | None, now_ns: int) -> None:
        """Told until a minute after the last time: what fails each second is one alarm, not one a second."""
        self._ill = error
        text = f"a part of the gateway fails, the rest goes on: {error}" if error else None
        with suppress(Exception):  # it may be the telling that fails
            self.engine.alarms.set("gateway_ill", "", text, now_ns)

    async def _close(self) -> None:
        self._systemd.tell("STOPPING=1")
        for source in self._all_sources():
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

    def _deliver(self, bus: str, batch: Sequence[Received]) -> None:
        """On a bus's thread: frames wait for the loop's next turn, which is at most a tick away."""
        self._inbox.append((bus, batch))

    def _drain(self) -> None:
        inbox, receive_all = self._inbox, self.engine.receive_all
        surplus = sum(len(batch) for _, batch in list(inbox)) - _MOST_WAITING
        while surplus > 0:
            bus, batch = inbox.popleft()
            surplus -= len(batch)
            self._overrun[bus] += len(batch)
        while inbox:
            receive_all(*inbox.popleft())

    def _bus_changed(self, name: str, up: bool, error: str | None) -> None:
        """On a bus's thread."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(lambda: self.engine.bus_state(name, up, error, self.clock.mono_ns()))

    # --- devices ---

    def _device_heard(self, name: str, batch: list[Heard]) -> None:
        """On a device's thread."""
        def take() -> None:
            for reading, time_ns in batch:
                self.engine.devices.take(name, reading, time_ns)
        self._on_loop(take)

    def _device_changed(self, name: str, up: bool, error: str | None) -> None:
        """On a device's thread."""
        self._on_loop(lambda: self.engine.devices.state(name, up, error, self.clock.mono_ns()))

    def _on_loop(self, call: Callable[[], None]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(call)

    # --- outside ---

    def _start_outlets(self) -> None:
        """Makes the outlets on a thread, for compiling DBC files takes seconds where they are met the first time."""
        if self.site.influxdb is not None:
            self._outlets["influxdb"] = None
            self._without_outlet["influxdb"] = ("waiting", "it is being made ready")
            threading.Thread(target=self._start_influx, name="start-influxdb", daemon=True).start()

    def _start_influx(self) -> None:
        try:
            outlet = _influx(self.site, self.clock)
            if not self._stop.is_set():
                self._outlets["influxdb"] = outlet
                outlet.start()
        except Exception as error:
            _LOG.exception("the outlet influxdb does not start")
            self._without_outlet["influxdb"] = ("stopped", f"{error}" or type(error).__name__)

    def _look_outside(self, now_ns: int) -> None:
        self._fix_wall()
        outlets = {name: outlet.status() if outlet is not None else self._missing_status(name)
                   for name, outlet in self._outlets.items()}
        for name, source in self.sources.items():
            self.engine.bus_counts(name, {**source.counts(), "overrun": self._overrun[name]})
        for name, device in self.devices.items():
            self.engine.devices.counts(name, device.counts())
        self.engine.outside(self.journal.status()._asdict(), outlets, now_ns)

    def _missing_status(self, name: str) -> Json:
        state, why = self._without_outlet[name]
        return {"state": state, "lag_s": None, "lines": 0, "refused": 0, "error": why}

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
    from twolbms.outlets.influx_of_site import influx_outlet
    from twolbms.site_databases import site_databases
    return influx_outlet(site, clock, site_databases(site))
