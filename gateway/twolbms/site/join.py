"""Whether an open pack may join the closed packs of its bank: the current that the difference in voltage drives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from twolbms.site.bank import Share, bank_allowance

MOST_DIFFERENCE_V = 1.5  # design, packs join a bank


class Side(NamedTuple):
    """A pack as the rule sees it; None is unknown. Currents are what the pack is allowed or would be when closed."""

    pack: str
    voltage_v: float | None
    resistance_ohm: float
    charge_a: float
    discharge_a: float


def join_refusal(joining: Side, closed: Sequence[Side]) -> str | None:
    """Why `joining` may not close onto the `closed` packs, None when it may.

    The equalising current is the largest difference in voltage over both resistances, wiring included; the higher
    side discharges into the lower, and both must be allowed that.
    """
    if not closed:
        return None
    voltages = [side.voltage_v for side in closed if side.voltage_v is not None]
    if joining.voltage_v is None or len(voltages) < len(closed):
        return "a pack voltage is unknown"
    difference_v = max((joining.voltage_v - voltage_v for voltage_v in voltages), key=abs)
    if abs(difference_v) > MOST_DIFFERENCE_V:
        return f"{difference_v:+.2f} V to the bank, at most {MOST_DIFFERENCE_V:g} V"
    bank_ohm = 1 / sum(1 / side.resistance_ohm for side in closed)
    current_a = abs(difference_v) / (joining.resistance_ohm + bank_ohm)
    most_a = min(_current(joining, difference_v > 0), _bank_current(closed, difference_v < 0))
    if current_a > most_a:
        return f"{difference_v:+.2f} V to the bank would drive {current_a:.0f} A, allowed are {most_a:.0f} A"
    return None


def _current(side: Side, discharging: bool) -> float:
    return side.discharge_a if discharging else side.charge_a


def _bank_current(closed: Sequence[Side], discharging: bool) -> float:
    return bank_allowance([Share(side.pack, _current(side, discharging), "", side.resistance_ohm, open=False)
                           for side in closed]).current_a
