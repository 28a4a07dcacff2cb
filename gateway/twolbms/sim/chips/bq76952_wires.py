"""The sense wires of a simulated BQ76952: what lies at its inputs when some of them are off, and the chip's own check.

At each check the chip draws 55 uA (22 to 95) for 3 ms from every input but VC0. An input without its wire keeps what
its filter capacitors hold, and sinks. Inputs that carry no cell are taken for joined to the one below them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twolbms.sim.chips.bq76952 import Bq76952Chip

CHECK_TIME = 0x9314  # s, 0: never
FULL_SCALE_MV = 6_060  # five times the converter's reference
_CHECK_US = 3_000
_DIODE_MV = 600.0  # no input lies further below the one beneath it
_LOW_INPUTS = 3


class SenseWires:
    """`off` names the inputs whose wire has come off, 0 for VC0. `filter_nf` lies between each two inputs.

    `zero_drift_mv_s` is how fast VC0 rises when its wire is off: the maker does not say, and 0 is what hides it best.
    """

    def __init__(self, chip: Bq76952Chip) -> None:
        self.chip = chip
        self.off: set[int] = set()
        self.filter_nf = 220.0
        self.check_ua = 55.0
        self.zero_drift_mv_s = 0.0
        self._moved: dict[int, float] = {}
        self._since: dict[int, int] = {}
        self.next_check = 0

    def restart(self) -> None:
        """Scans begin anew; what the capacitors hold stays."""
        self._plan()

    def _plan(self) -> None:
        seconds = self.chip.u8(CHECK_TIME)
        self.next_check = self.chip.now_us + seconds * 1_000_000 if seconds else 1 << 62

    def step(self) -> None:
        """At the time of a check: every input is drawn from; what has its wire does not move."""
        if self.chip.now_us >= self.next_check:
            self._plan()
            for pin in sorted(self.off - {0}):
                self._moved[pin] = self._moved.get(pin, 0.0) - self._drop(pin)

    def _drop(self, pin: int) -> float:
        """In mV; an input near VSS, or a diode below its neighbour, is drawn from no more."""
        connected = self.chip.connected
        at = connected.index(pin - 1)
        capacitors = 1 if at == len(connected) - 1 else 2
        beneath = self.at_pin(connected[at - 1] + 1 if at else 0)
        lowest = max(beneath - _DIODE_MV, 800.0 if pin <= _LOW_INPUTS else 2_800.0)
        return max(0.0, min(self.check_ua * _CHECK_US / (capacitors * self.filter_nf), self.at_pin(pin) - lowest))

    def at_pin(self, pin: int) -> float:
        """Voltage to VSS of VC0, or of an input that carries a cell."""
        self._forget_sound()
        tap = sum(self.chip.cells_mv[n] for n in self.chip.connected if n < pin)
        if pin == 0 and 0 in self.off:
            since = self._since.setdefault(0, self.chip.now_us)
            return self.zero_drift_mv_s * (self.chip.now_us - since) / 1e6
        return tap + self._moved.get(pin, 0.0)

    def _forget_sound(self) -> None:
        for kept in (self._moved, self._since):
            for pin in [pin for pin in kept if pin not in self.off]:
                del kept[pin]

    def cell_mv(self, n: int) -> int:
        """What is read between input n + 1 and the one beneath it that carries a cell."""
        connected = self.chip.connected
        at = connected.index(n)
        mv = self.at_pin(n + 1) - self.at_pin(connected[at - 1] + 1 if at else 0)
        return max(-FULL_SCALE_MV, min(FULL_SCALE_MV, round(mv)))

    @property
    def stack_mv(self) -> float:
        """At the top input."""
        return self.at_pin(self.chip.connected[-1] + 1)
