"""What the node last said of its pack as a whole: values with their age, paths as measured, and whether all is heard.

Five messages are judged each on its own (design, silence). Knows no limit and no allowance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from twolbms.battery.latest import Latest

SAFETY = ("PackValues", "CellExtremes", "TempExtremes", "PackAllowance", "PackState")

OUTPUTS = ("charge", "discharge")
PathWord = Literal["open", "closed", "error", "unknown"]

_PATH_SIGNALS = {"charge": "ChargePath", "discharge": "DischargePath", "precharge": "PrechargePath"}
_PATH_WORDS: dict[float | None, PathWord] = {0: "open", 1: "closed", 2: "error"}
_SWITCH_WORDS: dict[float | None, str] = {0: "off", 1: "on", 2: "error"}
ON_OFF = (0, 1)  # a two-bit state that is an error or not available has no value


class Quantity(NamedTuple):
    """Where a published quantity stands: message, signal, and the flag that says whether it is measured."""

    name: str
    message: str
    signal: str
    valid: str | None = None
    on_off: bool = False


QUANTITIES = (
    Quantity("pack_voltage_v", "PackValues", "PackVoltage", "PackVoltageValid"),
    Quantity("link_voltage_v", "PackValues", "LinkVoltage", "LinkVoltageValid"),
    Quantity("current_a", "PackValues", "PackCurrent", "PackCurrentValid"),
    Quantity("cell_min_v", "CellExtremes", "CellVoltageMin", "CellExtremesValid"),
    Quantity("cell_max_v", "CellExtremes", "CellVoltageMax", "CellExtremesValid"),
    Quantity("temperature_min_c", "TempExtremes", "TemperatureMin", "TempExtremesValid"),
    Quantity("temperature_max_c", "TempExtremes", "TemperatureMax", "TempExtremesValid"),
    Quantity("state_code", "PackState", "State"),
    Quantity("charge_path_closed", "PackState", "ChargePath", on_off=True),
    Quantity("discharge_path_closed", "PackState", "DischargePath", on_off=True),
    Quantity("heater_on", "PackState", "HeaterMeasured", on_off=True),
    Quantity("balancing", "PackState", "Balancing", on_off=True),
)
OF_MESSAGE: Mapping[str, tuple[Quantity, ...]] = {
    message: tuple(row for row in QUANTITIES if row.message == message) for message in SAFETY}
_BY_NAME = {row.name: row for row in QUANTITIES}


def read(row: Quantity, values: Mapping[str, int | float | None]) -> int | float | None:
    """The quantity in one message's values, None when the node does not know it."""
    value = values.get(row.signal)
    if row.valid is not None and not values.get(row.valid):
        return None
    return None if row.on_off and value not in ON_OFF else value


class PackState:
    """The five safety messages of one pack. `cycles_s` are their periods."""

    def __init__(self, cycles_s: Mapping[str, float]) -> None:
        self.messages = {name: Latest(cycles_s[name]) for name in SAFETY}
        self._state = self.messages["PackState"]

    def value(self, quantity: str, now_ns: int) -> int | float | None:
        """A quantity of the table above, None when it is unknown now."""
        row = _BY_NAME[quantity]
        latest = self.messages[row.message]
        return read(row, latest.values) if latest.known(now_ns) else None

    def signal(self, message: str, signal: str, now_ns: int) -> int | float | None:
        """A raw signal of a safety message, None when it is unknown now."""
        return self.messages[message].get(signal, now_ns)

    def age_s(self, now_ns: int) -> float | None:
        """Age of the oldest of the five, None while one was never heard."""
        ages = [latest.age_s(now_ns) for latest in self.messages.values()]
        return None if None in ages else max(age for age in ages if age is not None)

    def fresh(self, now_ns: int) -> bool:
        """Whether all five are young enough to raise an allowance."""
        return all(latest.fresh(now_ns) for latest in self.messages.values())

    def speaks(self, now_ns: int) -> bool:
        """Whether any of the five is still fresh."""
        return any(latest.fresh(now_ns) for latest in self.messages.values())

    def silent(self, now_ns: int) -> list[str]:
        """The messages that are unknown by age, or were never heard."""
        return [name for name, latest in self.messages.items() if not latest.known(now_ns)]

    def path(self, path: str, now_ns: int) -> PathWord:
        """A path as measured now."""
        return _PATH_WORDS.get(self._state.get(_PATH_SIGNALS[path], now_ns), "unknown")

    def last_path(self, path: str) -> PathWord:
        """A path as last heard, however long ago; a pack leaves its bank only by this being "open"."""
        return _PATH_WORDS.get(self._state.last(_PATH_SIGNALS[path]), "unknown")

    def last_open(self) -> bool:
        """Whether both paths were last heard measured open."""
        return self.last_path("charge") == self.last_path("discharge") == "open"

    def any_closed(self, now_ns: int) -> bool:
        """Whether a path is measured closed now."""
        return "closed" in (self.path("charge", now_ns), self.path("discharge", now_ns))

    def switch(self, signal: str, now_ns: int) -> str:
        """on, off, error or unknown of a two-bit state such as HeaterMeasured."""
        return _SWITCH_WORDS.get(self._state.get(signal, now_ns), "unknown")

    def code(self, signal: str, now_ns: int) -> int | None:
        """The number of an enumerated signal of PackState, None when unknown now."""
        value = self._state.get(signal, now_ns)
        return None if value is None else int(value)
