"""What one node says, message by message: each handler keeps the facts, records them and tells what changed.

Judges nothing: what may flow and what is asked is `pack`'s part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from twolbms.battery.cells import GROUP, SENSOR_TOLERANCE_C, CellTable
from twolbms.battery.charge import ChargeCount
from twolbms.battery.faults import LATCHED_PAGE, Faults
from twolbms.battery.history import History
from twolbms.battery.info import NodeInfo
from twolbms.battery.latest import NS, Latest, Values
from twolbms.battery.news import News
from twolbms.battery.pack_state import OUTPUTS, PackState, PathWord, read
from twolbms.battery.setup import PackSetup
from twolbms.battery.tracks import PackTracks
from twolbms.estimation.coulomb import CoulombCount
from twolbms.recording import Recording, Track

_CLOSE_TOLD_NS = 15 * NS  # a closing within this time of an accepted close is its effect: precharge and margin


@dataclass(frozen=True)
class NodeWords:
    """What a pack needs of dbc/node.dbc: periods of the messages and the words of enumerated signals."""

    cycles_s: Mapping[str, float]
    states: Mapping[int, str]
    reasons: Mapping[int, str]
    answers: Mapping[int, str]
    info: Mapping[str, Mapping[int, str]]
    update_states: Mapping[int, str]
    update_errors: Mapping[int, str]


class Hearing:
    """The facts of one pack. `urgent` is set when one changed for the worse or may have; whoever settles clears it."""

    def __init__(self, setup: PackSetup, own_hash: int, node: NodeWords, recording: Recording, news: News,
                 now_ns: int) -> None:
        kind, cycles_s = setup.type, node.cycles_s
        self.words = node
        self._words = {"State": node.states, "OpenReason": node.reasons, "LastRefusal": node.answers}
        self.news = news
        self.state = PackState(cycles_s)
        self.cells = CellTable(kind.cells.series, cycles_s["CellVoltages"])
        self.sensors = CellTable(len(kind.sensors.temperatures), cycles_s["CellTemperatures"], SENSOR_TOLERANCE_C)
        self.faults = Faults(kind)
        self.fault_pages = Latest(cycles_s["NodeFaults"])
        self.info = NodeInfo(own_hash, cycles_s["NodeInfo"])
        self.history = History()
        self.update = Latest(cycles_s["UpdateStatus"])
        # No protection lets more flow than the trip for long; three times that also covers a short peak.
        self.charge = ChargeCount(3 * max(kind.limits[f"{way}_over_current"].trip or 0.0 for way in OUTPUTS))
        self.charge_frames = Latest(cycles_s["NodeCharge"])
        self.soc = CoulombCount(kind.cells.capacity_ah, kind.allowance.charge_v / kind.cells.series,
                                kind.limits["cell_under_voltage"].limit or 0.0, now_ns)
        self.tracks = PackTracks(setup, recording)
        self.first_heard_ns: int | None = None
        self.urgent = False
        self.open_asked_by: str | None = None
        self.close_accepted: tuple[str, int] | None = None  # who asked, and when the node accepted
        self.on_boot: Callable[[int], None] = lambda now_ns: None
        self.on_state: Callable[[], None] = lambda: None
        self._paths: dict[str, PathWord] | None = None
        self._heater: str | None = None
        self._state_code: int | None = None
        self.handlers: dict[str, Callable[[Values, int], None]] = {
            "PackValues": self._values, "PackAllowance": self._allowance, "PackState": self._state,
            "NodeFaults": self._faults, "CellExtremes": self._extremes, "TempExtremes": self._temperatures,
            "NodeCharge": self._charge, "CellVoltages": self._cells, "CellTemperatures": self._sensors,
            "NodeInfo": self._info, "NodeHistory": self._history,
            "UpdateStatus": self.update.take,
        }

    def take(self, message: str, values: Values, now_ns: int) -> None:
        """The signals of an accepted frame. Of a node with another protocol version only NodeInfo is taken."""
        if self.first_heard_ns is None:
            self.first_heard_ns = now_ns
        if message == "NodeInfo" or not self.info.foreign:
            self.handlers[message](values, now_ns)

    def word(self, signal: str, now_ns: int) -> str | None:
        """The word of State, OpenReason or LastRefusal, None when unknown now."""
        code = self.state.code(signal, now_ns)
        return None if code is None else self._words[signal].get(code)

    def last_state(self) -> str | None:
        """The word of the state last heard, however long ago: a node that sleeps has said so, then it is silent."""
        code = self.state.messages["PackState"].last("State")
        return None if code is None else self.words.states.get(int(code))

    def value(self, quantity: str, now_ns: int) -> float | None:
        """A received quantity, None when it is unknown now."""
        value = self.state.value(quantity, now_ns)
        return None if value is None else float(value)

    def cell_v(self, cell: int, now_ns: int) -> float | None:
        """One cell's voltage; unknown also while the protected extremes beside it are."""
        return self.cells.value(cell, now_ns) if self.state.messages["CellExtremes"].known(now_ns) else None

    def temperature_c(self, sensor: int, now_ns: int) -> float | None:
        """One sensor's temperature; unknown also while the protected extremes beside it are."""
        return self.sensors.value(sensor, now_ns) if self.state.messages["TempExtremes"].known(now_ns) else None

    def _keep(self, message: str, values: Values, now_ns: int) -> None:
        self.state.messages[message].take(values, now_ns)
        for row, track in self.tracks.of_message[message]:
            track.offer(read(row, values), now_ns)

    def _values(self, values: Values, now_ns: int) -> None:
        self._keep("PackValues", values, now_ns)

    def _allowance(self, values: Values, now_ns: int) -> None:
        self._keep("PackAllowance", values, now_ns)
        self.urgent = True  # it may have fallen

    def _state(self, values: Values, now_ns: int) -> None:
        self._keep("PackState", values, now_ns)
        self.on_state()
        self._note_state(now_ns)
        self._note_paths(now_ns)
        heater = self.state.switch("HeaterMeasured", now_ns)
        if heater != self._heater and self._heater is not None:
            self.news.heater(heater, self.value("temperature_min_c", now_ns), now_ns)
        self._heater = heater

    def _faults(self, values: Values, now_ns: int) -> None:
        self.fault_pages.take(values, now_ns)
        for change in self.faults.take(values, self.state.messages, now_ns):
            self.news.fault(change, self.faults, now_ns)
            self.urgent = True
        self.tracks.faults_active.offer(self.faults.count(1, 2), now_ns)
        self.tracks.faults_latched.offer(self.faults.count(LATCHED_PAGE), now_ns)

    def _extremes(self, values: Values, now_ns: int) -> None:
        self._keep("CellExtremes", values, now_ns)
        low, high = values["CellVoltageMin"], values["CellVoltageMax"]
        if not values["CellExtremesValid"]:
            low = high = None
            self.urgent = True
        self.cells.extremes.take(low, high, values["CellMinIndex"], values["CellMaxIndex"], now_ns)
        self.tracks.cell_spread.offer(None if low is None or high is None else high - low, now_ns)
        end = self.soc.look(low, high, self.value("current_a", now_ns), now_ns)
        if end is not None:
            self.news.tell(now_ns, "soc_set", f"counted as {end} from here", {"end": end, "soc": self.soc.soc})

    def _temperatures(self, values: Values, now_ns: int) -> None:
        self._keep("TempExtremes", values, now_ns)
        low, high = values["TemperatureMin"], values["TemperatureMax"]
        if not values["TempExtremesValid"]:
            low = high = None
            self.urgent = True
        self.sensors.extremes.take(low, high, values["TemperatureMinIndex"], values["TemperatureMaxIndex"], now_ns)

    def _cells(self, values: Values, now_ns: int) -> None:
        _take_group(self.cells, self.tracks.cells, values, now_ns)

    def _sensors(self, values: Values, now_ns: int) -> None:
        _take_group(self.sensors, self.tracks.sensors, values, now_ns)

    def _charge(self, values: Values, now_ns: int) -> None:
        boot_id = int(values["BootId"] or 0)
        if self.info.note_boot(boot_id):
            self._booted(now_ns)
        self.charge_frames.take(values, now_ns)
        gained = self.charge.take(values["ChargeIn"] or 0.0, values["ChargeOut"] or 0.0, boot_id, now_ns)
        self.soc.add(gained[0] / 1000, gained[1] / 1000)
        self.tracks.charge_in.offer(self.charge.in_mah / 1000, now_ns)
        self.tracks.charge_out.offer(self.charge.out_mah / 1000, now_ns)

    def _info(self, values: Values, now_ns: int) -> None:
        if self.info.take(values):
            self._booted(now_ns)
        self.urgent = True

    def _history(self, values: Values, now_ns: int) -> None:
        self.history.take(values)

    def _booted(self, now_ns: int) -> None:
        self.faults.forget()
        self.on_boot(now_ns)
        self.urgent = True
        self.news.rebooted(self.info.boot_id or 0, now_ns)

    def _note_state(self, now_ns: int) -> None:
        code = self.state.code("State", now_ns)
        before, self._state_code = self._state_code, code
        if before is not None and code != before:
            self.news.state(self.words.states.get(before), self.word("State", now_ns), now_ns)

    def _note_paths(self, now_ns: int) -> None:
        new = {path: self.state.path(path, now_ns) for path in OUTPUTS}
        old, self._paths = self._paths, new
        if old is None or old == new:
            return
        self.urgent = True
        changed = [path for path in OUTPUTS if new[path] != old[path]]
        if opened := [path for path in changed if new[path] == "open"]:
            why = self.news.opened_why(self.word("OpenReason", now_ns), self.faults, self.state, self.open_asked_by)
            self.news.opened(_both(opened), why, now_ns)
        if closed := [path for path in changed if new[path] == "closed"]:
            self.news.closed(_both(closed), self._closed_by(now_ns), now_ns)
        for path in changed:
            if new[path] in ("error", "unknown"):
                self.news.path_unclear(path, new[path], now_ns)

    def _closed_by(self, now_ns: int) -> str | None:
        asked = self.close_accepted
        return asked[0] if asked is not None and now_ns - asked[1] < _CLOSE_TOLD_NS else None


def _both(paths: Sequence[str]) -> str:
    return "both" if len(paths) == len(OUTPUTS) else paths[0]


def _take_group(table: CellTable, tracks: Sequence[Track], values: Values, now_ns: int) -> None:
    """A group's frame: its number first, then its values in order, as the DBC has them."""
    group, *own = values.values()
    first = int(group or 0) * GROUP
    for offset in range(table.take(int(group or 0), own, now_ns)):
        tracks[first + offset].offer(own[offset], now_ns)
