"""What the bench tells of a node: facts, readings, an output that was tried. V, A, degC; None is not available."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

OUTPUT_NAMES = {
    "precharge": "precharge relay", "charge": "charge contactor", "discharge": "discharge contactor",
    "both": "pack contactors", "heater": "heater relay", "light": "status light"}
_SILENT = {"charge": "charge FETs", "discharge": "discharge FETs", "both": "FETs"}


@dataclass(frozen=True)
class Facts:
    """What does not change while one checks. `bounds` are those of the pack's calibration row, in ppm, mV, mA, 0.1 K.

    `commissioned` is the id of the record that the node carries, "" without one.
    `places` say where each temperature sensor belongs, "" where that is not known. `by_tap`: the cells' gains are those
    of a divider bank's taps. `not_fitted` are rows of the limit table whose part the pack does not have,
    `silent_outputs` those that are FETs: nobody hears them.
    """

    board: str
    pack: str
    firmware: str
    limit_hash: str
    serial: str
    number: int
    sound: bool
    reason: str
    cells: int
    sensors: int
    outputs: tuple[str, ...]
    by_tap: bool
    bounds: Mapping[str, int]
    commissioned: str = ""
    places: tuple[str, ...] = ()
    not_fitted: frozenset[str] = frozenset()
    silent_outputs: frozenset[str] = frozenset()

    def output(self, which: str) -> str:
        """What people call this output."""
        return _SILENT.get(which, OUTPUT_NAMES[which]) if which in self.silent_outputs else OUTPUT_NAMES[which]

    def place(self, sensor: int) -> str:
        """Where sensor `sensor`, counted from 1, belongs: in brackets, or nothing."""
        return f" ({self.places[sensor - 1]})" if sensor <= len(self.places) else ""


@dataclass(frozen=True)
class Readings:
    """One fresh reading. `closed` are the outputs that are measured closed or on."""

    cells_v: tuple[float | None, ...]
    temps_c: tuple[float | None, ...]
    pack_v: float | None
    link_v: float | None
    current_a: float | None
    closed: frozenset[str] = frozenset()
    feedback_known: bool = True
    interlock_closed: bool = True
    estop_closed: bool = True
    clear_pressed: bool = False
    armed: bool = False
    open_wires: int = 0
    monitor_sound: bool = True
    fresh: bool = True


@dataclass(frozen=True)
class Attempt:
    """An output that was on for a second: what was measured closed before, during and after it.

    `stopped` is the node's word for what cut it short, "" when nothing did; `refused` its sentence when it did not try.
    """

    which: str
    before: frozenset[str] = frozenset()
    on: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    link_v: float | None = None
    current_a: float | None = None
    stopped: str = ""
    why: str = ""
    refused: str = ""


@dataclass(frozen=True)
class Calibration:
    """Values for the node's configuration, by its keys, in its units."""

    values: Mapping[str, Any] = field(default_factory=dict)


class BenchError(Exception):
    """The node did not do what was asked, or is silent; the text is its reason."""


class Bench(Protocol):
    """A node in service, as commissioning needs it."""

    def facts(self) -> Facts:
        """See Facts. Raises BenchError."""

    def readings(self, raw: bool) -> Readings:
        """Fresh readings, corrected by what is set, or as the sensors give them. Raises BenchError."""

    def attempt(self, which: str) -> Attempt:
        """Switches one output on for a second. A refusal is an Attempt too. Raises BenchError."""

    def calibrate(self, calibration: Calibration) -> None:
        """Sets, saves, reads back. Raises BenchError with the node's words."""

    def commission(self, record: str) -> None:
        """Tells the node that it may close: `record` is the id of the record; "" takes it back. Raises BenchError."""
