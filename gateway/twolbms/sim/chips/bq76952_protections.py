"""The protections of a simulated BQ76952: thresholds, delays, status bits, recovery, host watchdog.

Voltages and temperatures are judged as they were scanned, currents as they flow at the shunt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twolbms.sim.chips.bq76952 import Bq76952Chip

LETTERS = "ABC"
SCD_MV = (10, 20, 40, 60, 80, 100, 125, 150, 175, 200, 250, 300, 350, 400, 450, 500)
STEP_MV = 50.6
RECOVERED_MA = -200  # over-currents recover by themselves above (discharge) or below (charge) this
HWDF = 0x02


@dataclass(frozen=True, slots=True)
class Rule:
    """One protection: its bit in status `letter`, what is beyond its threshold, its delay, what lets it recover."""

    name: str
    letter: int
    bit: int
    beyond: Callable[[Bq76952Chip], bool]
    delay_us: Callable[[Bq76952Chip], float]
    well: Callable[[Bq76952Chip], bool]


def _cells(chip: Bq76952Chip) -> list[int]:
    """Cells as scanned; none before the first scan."""
    return [chip.measured[n] for n in chip.connected] if any(chip.measured) else []


def _voltage_delay(address: int) -> Callable[[Bq76952Chip], float]:
    return lambda chip: 3_300.0 * (chip.u16(address) + 2)


def _current_delay(address: int) -> Callable[[Bq76952Chip], float]:
    return lambda chip: 3_300.0 * (chip.u8(address) + 2)


def _shunt_mv(chip: Bq76952Chip) -> float:
    return chip.current_ma * chip.shunt_ohm


def _discharge(address: int) -> Callable[[Bq76952Chip], bool]:
    return lambda chip: -_shunt_mv(chip) > 2 * chip.u8(address)


def _no_load(chip: Bq76952Chip) -> bool:
    return chip.current_ma > RECOVERED_MA


def _temperatures(chip: Bq76952Chip, kind: str) -> list[float]:
    if kind == "die":
        return [chip.die_c]
    pins = chip.sensors(0x07 if kind == "cell" else 0x0F)
    return [chip.temperatures[pin] for pin in pins if pin in chip.temperatures]


def _hot(name: str, bit: int, address: int, kind: str = "cell") -> Rule:
    return Rule(name, 1, bit,
                lambda chip: any(c >= chip.i8(address) for c in _temperatures(chip, kind)),
                lambda chip: 1e6 * chip.u8(address + 1),
                lambda chip: all(c <= chip.i8(address + 2) for c in _temperatures(chip, kind)))


def _cold(name: str, bit: int, address: int) -> Rule:
    return Rule(name, 1, bit,
                lambda chip: any(c <= chip.i8(address) for c in _temperatures(chip, "cell")),
                lambda chip: 1e6 * chip.u8(address + 1),
                lambda chip: all(c >= chip.i8(address + 2) for c in _temperatures(chip, "cell")))


RULES = (
    Rule("CUV", 0, 2, lambda chip: any(mv < chip.u8(0x9275) * STEP_MV for mv in _cells(chip)), _voltage_delay(0x9276),
         lambda chip: all(mv >= (chip.u8(0x9275) + chip.u8(0x927B)) * STEP_MV for mv in _cells(chip))),
    Rule("COV", 0, 3, lambda chip: any(mv > chip.u8(0x9278) * STEP_MV for mv in _cells(chip)), _voltage_delay(0x9279),
         lambda chip: all(mv <= (chip.u8(0x9278) - chip.u8(0x927C)) * STEP_MV for mv in _cells(chip))),
    Rule("OCC", 0, 4, lambda chip: _shunt_mv(chip) > 2 * chip.u8(0x9280), _current_delay(0x9281),
         lambda chip: chip.current_ma <= RECOVERED_MA),
    Rule("OCD1", 0, 5, _discharge(0x9282), _current_delay(0x9283), _no_load),
    Rule("OCD2", 0, 6, _discharge(0x9284), _current_delay(0x9285), _no_load),
    Rule("SCD", 0, 7, lambda chip: -_shunt_mv(chip) > SCD_MV[chip.u8(0x9286)],
         lambda chip: 15.0 * (chip.u8(0x9287) - 1), _no_load),
    _cold("UTC", 0, 0x92A6), _cold("UTD", 1, 0x92A9), _hot("OTC", 4, 0x929A), _hot("OTD", 5, 0x929D),
    _hot("OTINT", 6, 0x92A3, "die"), _hot("OTF", 7, 0x92A0, "fet"))

_BY_NAME = {rule.name: rule for rule in RULES}


class Protections:
    """`status` and `alert` are the bytes A, B, C. With `scd_waits` a short circuit stays until its own command."""

    def __init__(self, chip: Bq76952Chip) -> None:
        self.chip = chip
        self.scd_waits = False
        self.forget()

    def forget(self) -> None:
        self.status = [0, 0, 0]
        self.alert = [0, 0, 0]
        self._since: dict[str, int] = {}
        self._well: dict[str, int] = {}
        self._inputs: tuple[float, ...] = ()
        self._events: list[int] = []

    def step(self) -> None:
        """Brings every status up to the chip's time. Settings that change are noticed with the next scan."""
        silent = self.chip.now_us >= self._watchdog_us()
        if self.chip.u8(0x9263) & HWDF:
            self.status[2] = self.status[2] & ~HWDF | (HWDF if silent else 0)
        inputs = (self.chip.scans, self.chip.current_ma, self.chip.die_c)
        if inputs != self._inputs or self.chip.now_us >= min(self._events, default=1 << 62):
            self._inputs = inputs
            self._judge_all()
            self._events = self._changes()

    def _judge_all(self) -> None:
        for rule in RULES:
            if not self.chip.u8(0x9261 + rule.letter) >> rule.bit & 1:
                self._clear(rule)
            elif self.status[rule.letter] >> rule.bit & 1:
                self._recover(rule)
            else:
                self._judge(rule)

    def _judge(self, rule: Rule) -> None:
        now = self.chip.now_us
        if not rule.beyond(self.chip):
            self._clear(rule)
            return
        self.alert[rule.letter] |= 1 << rule.bit
        if now - self._since.setdefault(rule.name, now) >= rule.delay_us(self.chip):
            self._clear(rule)
            self.status[rule.letter] |= 1 << rule.bit

    def _recover(self, rule: Rule) -> None:
        now = self.chip.now_us
        if not rule.well(self.chip) or (rule.name == "SCD" and self.scd_waits):
            self._well.pop(rule.name, None)
        elif now - self._well.setdefault(rule.name, now) >= self._recovery_us(rule):
            self._clear(rule)

    def _recovery_us(self, rule: Rule) -> int:
        return self.chip.u8(0x9294 if rule.name == "SCD" else 0x92AF) * 1_000_000

    def _clear(self, rule: Rule) -> None:
        self._since.pop(rule.name, None)
        self._well.pop(rule.name, None)
        self.alert[rule.letter] &= ~(1 << rule.bit)
        self.status[rule.letter] &= ~(1 << rule.bit)

    def recover(self, code: int) -> None:
        """0x009C, or 0x009B: what tripped is forgotten if it has gone."""
        for rule in RULES:
            wanted = rule.name == "SCD" if code == 0x009C else rule.name.startswith("OCD")
            if wanted and not rule.beyond(self.chip):
                self._clear(rule)
        self._events = self._changes()

    def _watchdog_us(self) -> int:
        return self.chip.heard_us + self.chip.u16(0x92B2) * 1_000_000

    def _changes(self) -> list[int]:
        """Times at which something trips or recovers if nothing changes."""
        trips = [since + int(_BY_NAME[name].delay_us(self.chip)) + 1 for name, since in self._since.items()]
        return trips + [since + self._recovery_us(_BY_NAME[name]) for name, since in self._well.items()]

    def events(self) -> list[int]:
        return [*self._events, self._watchdog_us()]
