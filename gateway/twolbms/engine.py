"""The gateway's core without any I/O: frames and times in; frames to send, events, samples and snapshots out.

Nothing here waits, reads a clock or raises over what comes from a bus. The asyncio shell (`app`) owns the outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from twolbms.alarms import Alarms
from twolbms.battery.hearing import NodeWords
from twolbms.battery.latest import NS
from twolbms.battery.pack import Pack
from twolbms.battery.requests import Authority, Ticket
from twolbms.battery.setup import PackSetup, SiteSetup
from twolbms.build.columns import limit_image
from twolbms.contract import GATEWAY_EPOCH_S, Contract
from twolbms.devices.board import Devices
from twolbms.devices.kinds import DeviceSetup
from twolbms.diagnoses import DIAGNOSES
from twolbms.health.bus_alarms import BusAlarms
from twolbms.health.bus_traffic import BusTraffic
from twolbms.health.openness import Openness
from twolbms.health.storage_alarms import StorageAlarms
from twolbms.receiving import BusReceiver
from twolbms.recording import Recording, Sink
from twolbms.site.banks import Banks
from twolbms.snapshot import Json, bank_picture, pack_picture, wall
from twolbms.wire import BusFrame, Received, Sender

HEARTBEAT_EVERY_NS = NS // 4
HOUSEKEEPING_EVERY_NS = NS
BAD_FRAMES_TOLD_EVERY_NS = 60 * NS
OPENS_WITHIN_NS = 30 * NS  # longer than any driver of ours takes to say yes or no
_STRANGERS_NAMED = 5
_STRANGER_NS = 30 * NS  # not heard for this long: no longer worth an alarm
_MOST_MINUTES = 268_435_454
ASKABLE = ("open", "close", "clear", "allowance", "confirm-open")


class Wish(NamedTuple):
    """The details of a request from above: which limit to clear, which currents to allow at most."""

    limit: str | None = None
    charge_a: float | None = None
    discharge_a: float | None = None


class _Bus:
    """One bus as the engine sees it; `up` is None until the shell says so. On a bus without nodes nothing is said."""

    def __init__(self, name: str, contract: Contract, recording: Recording, alarms: Alarms, now_ns: int) -> None:
        self.receiver = BusReceiver(contract)
        self.traffic = BusTraffic(name, recording)
        self.alarms = BusAlarms(name, alarms)
        self.has_nodes = False
        self.up: bool | None = None
        self.openness = Openness()
        self.made_ns = now_ns
        self.error: str | None = None
        self.outside: Mapping[str, int] = {}
        self.heartbeat = Sender(name, contract.heartbeat_id, contract.message("GatewayHeartbeat").encode)
        self.told_bad = 0


class Engine:
    """One site at work. All times are monotonic nanoseconds of one boot."""

    def __init__(self, site: SiteSetup, contract: Contract, sink: Sink, now_ns: int,
                 devices: Sequence[DeviceSetup] = ()) -> None:
        self.site = site
        self.recording = Recording(sink, site.keep_frames)
        self.alarms = Alarms(self.recording)
        self._storage = StorageAlarms(self.alarms)
        self.wall_offset_ns: int | None = None
        self.clock_quality = "unknown"
        self.journal: Json = {}
        self.outlets: dict[str, Json] = {}
        self._buses = {name: _Bus(name, contract, self.recording, self.alarms, now_ns)
                       for name in site.buses}
        self.packs: dict[str, Pack] = {}
        self._requests: dict[str, Sender] = {}
        for setup in site.packs:
            self._add(setup, contract, now_ns)
        self.banks = Banks(site.banks, self.packs, self.recording)
        self.devices = Devices(devices, self.recording, self.alarms, now_ns)
        self._next_heartbeat_ns = self._next_housekeeping_ns = now_ns
        self._next_bad_ns = now_ns + BAD_FRAMES_TOLD_EVERY_NS

    def _add(self, setup: PackSetup, contract: Contract, now_ns: int) -> None:
        cycles = {name: contract.cycle_s(name) or 0.0 for name in contract.of_node}
        words = NodeWords(cycles, contract.states, contract.reasons, contract.answers, contract.info_words,
                          contract.update_states, contract.update_errors)
        own_hash = limit_image(setup.type).hash32
        pack = Pack(setup, own_hash, words, self.recording, self.alarms, self.site.expire_s, now_ns)
        request = contract.message("NodeRequest")
        self.packs[setup.name] = pack
        self._requests[setup.name] = Sender(setup.bus, request.frame_id | setup.node, request.encode)
        self._buses[setup.bus].receiver.add_node(setup.node, pack.take)
        self._buses[setup.bus].has_nodes = True

    # --- in and out ---

    def receive(self, frame: BusFrame, now_ns: int) -> None:
        """One data frame, received at `now_ns`."""
        self.receive_all(frame.bus, ((frame, now_ns),))

    def receive_all(self, bus: str, batch: Sequence[Received]) -> None:
        """The data frames of one bus that came together, in order, each with its time."""
        if self.recording.keep_frames:
            self.recording.frames([(now_ns, *frame) for frame, now_ns in batch])
        self._buses[bus].receiver.receive_all(batch)

    def tick(self, now_ns: int) -> list[BusFrame]:
        """Settles everything; the frames to send now. Call it every 20 to 50 ms."""
        for pack in self.packs.values():
            pack.settle(now_ns)
        self.banks.settle(now_ns)
        frames = self._heartbeats(now_ns)
        for name, pack in self.packs.items():
            asking = pack.requests.pending is not None or pack.wants_close(now_ns)
            refusal = self.banks.join_refusal(pack, now_ns) if asking else None
            asked = pack.step(refusal, now_ns)
            if self._buses[pack.setup.bus].up is not False:
                frames += [self._requests[name].frame(signals) for signals in asked]
        if now_ns >= self._next_housekeeping_ns:
            self._next_housekeeping_ns = now_ns + HOUSEKEEPING_EVERY_NS
            self._keep_house(now_ns)
        return frames

    def _heartbeats(self, now_ns: int) -> list[BusFrame]:
        if now_ns < self._next_heartbeat_ns:
            return []
        self._next_heartbeat_ns = max(self._next_heartbeat_ns + HEARTBEAT_EVERY_NS, now_ns)
        wall_ns = wall(now_ns, self.wall_offset_ns)
        minutes = None if wall_ns is None else (wall_ns // NS - GATEWAY_EPOCH_S) // 60
        known = minutes if minutes is not None and 0 <= minutes <= _MOST_MINUTES else None
        signals: dict[str, int | float | str | None] = {"BalancingAllowed": "On", "GatewayMinutes": known}
        return [bus.heartbeat.frame(signals) for bus in self._buses.values() if bus.has_nodes and bus.up is not False]

    # --- what the shell tells ---

    def start(self, version: str, now_ns: int) -> None:
        """The gateway starts."""
        self.recording.event(now_ns, "gateway_start", "", f"gateway {version} started: site {self.site.name}, "
                             f"packs {', '.join(self.packs) or 'none'}",
                             {"version": version, "packs": list(self.packs)})

    def stop(self, reason: str, now_ns: int) -> None:
        """The gateway stops in an orderly way; what the next run needs is journalled."""
        for pack in self.packs.values():
            pack.mark(now_ns)
        self.recording.event(now_ns, "gateway_stop", "", f"gateway stopped: {reason}", {"reason": reason})

    def set_wall(self, offset_ns: int, quality: str) -> None:
        """Wall time of this boot is known: monotonic time plus `offset_ns`."""
        self.wall_offset_ns, self.clock_quality = offset_ns, quality

    def bus_state(self, name: str, up: bool, error: str | None, now_ns: int) -> None:
        """A bus has opened, or why it has not."""
        bus = self._buses[name]
        bus.up, bus.error = up, error
        told = bus.openness.changed(up, bus.receiver.counts.frames, now_ns)
        self._tell_bus(name, bus, told, now_ns)

    def _tell_bus(self, name: str, bus: _Bus, told: bool, now_ns: int) -> None:
        up = bus.openness.told
        text = f"bus {name} is open" if up else f"bus {name} is down: {bus.error or 'it opens and fails'}"
        if told:
            self.recording.event(now_ns, "bus_up" if up else "bus_down", "", text, {"bus": name, "error": bus.error})
        self.alarms.set(f"bus {name}", "", None if up else text, now_ns)

    def _look_at_bus(self, name: str, bus: _Bus, now_ns: int) -> None:
        frames = bus.receiver.counts.frames
        if bus.openness.look(frames, now_ns):
            self._tell_bus(name, bus, True, now_ns)
        if bus.up is None and not frames and now_ns - bus.made_ns > OPENS_WITHIN_NS:
            self.alarms.set(f"bus {name}", "", f"bus {name} does not open: its driver hangs", now_ns)

    def bus_counts(self, name: str, counts: Mapping[str, int]) -> None:
        """Counts that only the source has: `error` frames, `send_errors`, `overrun`."""
        self._buses[name].outside = counts

    def outside(self, journal: Json, outlets: dict[str, Json], now_ns: int) -> None:
        """How journal and outlets are doing; control goes on whatever it is."""
        self.journal, self.outlets = journal, outlets
        track = self.recording.track
        track("journal_acknowledged").offer(journal.get("acknowledged"), now_ns)
        track("journal_lost").offer(journal.get("lost") or 0, now_ns)
        self._storage.look(journal, outlets, now_ns)
        for status in outlets.values():
            track("outlet_lag_s").offer(status.get("lag_s"), now_ns)

    def restore(self, marks: Mapping[str, tuple[Mapping[str, Any], float | None]], now_ns: int) -> None:
        """The last mark of each pack from the journal with its age in seconds, None when that is not known."""
        for name, (mark, age_s) in marks.items():
            if name in self.packs:
                self.packs[name].restore(mark, age_s, now_ns)

    def _keep_house(self, now_ns: int) -> None:
        self.devices.settle(now_ns)
        counts = [bus.receiver.counts for bus in self._buses.values()]
        self.recording.track("bus_frames").offer(sum(count.frames for count in counts), now_ns)
        self.recording.track("bus_bad").offer(sum(count.bad for count in counts), now_ns)
        for name, bus in self._buses.items():
            bus.traffic.look(bus.receiver.counts.frames, bus.outside, bus.up, now_ns)
            bus.alarms.look(bus.outside, now_ns)
            self._look_at_bus(name, bus, now_ns)
            self._look_around(name, bus.receiver, now_ns)
        for name, pack in self.packs.items():
            receiver = self._buses[pack.setup.bus].receiver
            failed = receiver.failed(pack.setup.node)
            text = f"damaged or out of sequence: {', '.join(failed)}" if failed else None
            self.alarms.set("protection", name, text, now_ns)
            two = receiver.two_answer(pack.setup.node, now_ns)
            self.alarms.set("twins", name, f"two nodes answer as node {pack.setup.node}" if two else None, now_ns)
        if now_ns >= self._next_bad_ns:
            self._next_bad_ns = now_ns + BAD_FRAMES_TOLD_EVERY_NS
            self._tell_bad_frames(now_ns)

    def _look_around(self, name: str, receiver: BusReceiver, now_ns: int) -> None:
        """Nodes that are not of this site, and another gateway."""
        near = sorted(node for node, heard_ns in receiver.strangers.items() if now_ns - heard_ns < _STRANGER_NS)
        self.alarms.set(f"strangers {name}", "", _strangers_text(name, near), now_ns)
        heard = receiver.other_gateway_ns
        text = f"another gateway speaks on bus {name}"
        self.alarms.set(f"gateway {name}", "", text if heard is not None and now_ns - heard < _STRANGER_NS else None,
                        now_ns)

    def _tell_bad_frames(self, now_ns: int) -> None:
        for name, bus in self._buses.items():
            counts = bus.receiver.counts
            new, bus.told_bad = counts.bad - bus.told_bad, counts.bad
            if new:
                text = f"bus {name}: {new} frames of our nodes dropped in the last minute"
                self.recording.event(now_ns, "bad_frames", "", text, {
                    "bus": name, "count": new, "bad_check": counts.bad_check, "bad_counter": counts.bad_counter,
                    "short": counts.short, "bad_page": counts.bad_page})

    # --- what people ask ---

    def ask(self, pack: str, what: str, by: str, now_ns: int, wish: Wish | None = None,
            authority: Authority = Authority.PERSON) -> Ticket:
        """A request from above; it only narrows. The ticket is done when the outcome is known, at once if refused."""
        wish = wish or Wish()
        found = self.packs.get(pack)
        refusal = f"no pack {pack}; there are {', '.join(self.packs)}" if found is None else \
            self._refusal(found, what, wish, authority, now_ns)
        if found is None or refusal is not None:
            ticket = Ticket(what, by, authority, now_ns, now_ns, accepted=False, note=refusal)
        else:
            ticket = self._take_up(found, what, by, wish, authority, now_ns)
        if found is not None:
            self._tell_asked(found, ticket, now_ns)
        return ticket

    def _refusal(self, pack: Pack, what: str, wish: Wish, authority: Authority, now_ns: int) -> str | None:
        if what not in ASKABLE:
            return f"cannot ask for {what!r}; possible are {', '.join(ASKABLE)}"
        if wish.limit is not None and wish.limit not in DIAGNOSES:
            return f"no limit {wish.limit!r}; there are {', '.join(DIAGNOSES)}"
        if what == "close":
            return pack.requests.close_hindrance(authority) or pack.close_refusal(now_ns) \
                or self.banks.join_refusal(pack, now_ns)
        if what == "clear":
            return self._clear_refusal(pack, now_ns)
        if what == "allowance":
            return _narrowing_refusal(wish)
        return pack.confirm_open_refusal(now_ns) if what == "confirm-open" else None

    @staticmethod
    def _clear_refusal(pack: Pack, now_ns: int) -> str | None:
        stop = pack.stop(now_ns)
        return None if stop in (None, "cells_unknown") else f"nothing is cleared now: {stop.replace('_', ' ')}"

    @staticmethod
    def _take_up(pack: Pack, what: str, by: str, wish: Wish, authority: Authority, now_ns: int) -> Ticket:
        requests = pack.requests
        if what == "open":
            return requests.open(by, authority, now_ns)
        if what == "close":
            return requests.close(by, authority, now_ns)
        if what == "clear":
            return requests.clear(None if wish.limit is None else DIAGNOSES[wish.limit].number, by, authority, now_ns)
        if what == "allowance":
            requests.narrow(wish.charge_a, wish.discharge_a, by, now_ns)
        else:
            pack.confirmed_open = True
        return Ticket(what, by, authority, now_ns, now_ns, accepted=True)

    @staticmethod
    def _tell_asked(pack: Pack, ticket: Ticket, now_ns: int) -> None:
        pack.news.asked(ticket, now_ns)
        if ticket.done:
            pack.news.ended(ticket, now_ns)
        if ticket.what in ("open", "close"):
            pack.mark(now_ns)  # a hold must survive whatever happens to this process
        pack.settle(now_ns, force=True)

    # --- the picture ---

    def snapshot(self, now_ns: int) -> Json:
        """Everything known at `now_ns`, settled for that moment."""
        for pack in self.packs.values():
            pack.settle(now_ns, force=True)
        self.banks.settle(now_ns)
        offset = self.wall_offset_ns
        return {
            "site": self.site.name, "time_ns": wall(now_ns, offset), "clock": self.clock_quality,
            "packs": {name: pack_picture(pack, now_ns, offset) for name, pack in self.packs.items()},
            "banks": {bank.name: bank_picture(bank) for bank in self.banks.all},
            "devices": self.devices.picture(now_ns),
            "buses": {name: self._bus_picture(bus) for name, bus in self._buses.items()},
            "journal": self.journal, "outlets": self.outlets,
            "alarms": [{**alarm, "since_ns": wall(alarm["since_ns"], offset)} for alarm in self.alarms.shown()],
        }

    @staticmethod
    def _bus_picture(bus: _Bus) -> Json:
        counts = bus.receiver.counts
        return {"frames": counts.frames, "bad_check": counts.bad_check, "bad_counter": counts.bad_counter,
                "unknown_id": counts.unknown_id, "short": counts.short, "bad_page": counts.bad_page,
                "up": bus.up, "down_because": bus.error, "error": 0, "load": bus.traffic.load,
                "frames_lost": bus.traffic.lost, **bus.outside}


def _narrowing_refusal(wish: Wish) -> str | None:
    currents = [current for current in (wish.charge_a, wish.discharge_a) if current is not None]
    if not currents:
        return "an allowance names a charge or a discharge current"
    return None if all(0 <= current < float("inf") for current in currents) else "a current of 0 A or more is expected"


def _strangers_text(bus: str, nodes: Sequence[int]) -> str | None:
    """One alarm for all: a device with ids near ours would raise one for every number."""
    if not nodes:
        return None
    if len(nodes) == 1:
        return f"node {nodes[0]} speaks on bus {bus} but stands in no pack of the site file"
    more = f" and {len(nodes) - _STRANGERS_NAMED} more" if len(nodes) > _STRANGERS_NAMED else ""
    named = ", ".join(map(str, nodes[:_STRANGERS_NAMED]))
    return f"nodes {named}{more} speak on bus {bus} but stand in no pack of the site file"
