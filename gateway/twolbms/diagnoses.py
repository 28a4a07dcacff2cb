"""The diagnoses a node can make: one row each, its number is the fault bit in dbc/node.dbc.

A row fixes what is compared and what it may block; how much and how long stands in the pack's YAML. It knows no pack.
"""

from __future__ import annotations

from dataclasses import dataclass

CHARGE = 1
DISCHARGE = 2
BOTH = 3


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One row. `beyond` is +1 when a value above the threshold is bad and -1 when one below is.

    `counts` is how many of the node's integer counts make one `unit`; time counts are the node's cycles.
    `trip_blocks` and `limit_blocks` are what the tiers block: CHARGE, DISCHARGE, BOTH or 0.
    """

    number: int
    name: str
    unit: str
    counts: int
    beyond: int
    trip_blocks: int
    limit_blocks: int
    means: str
    advice: str

    @property
    def signal(self) -> str:
        """The name as the DBC spells it, without its tier."""
        return "".join(word.capitalize() for word in self.name.split("_"))


CYCLE_MS = 100
_CYCLES_PER_S = 1000 // CYCLE_MS

_ROWS = (
    Diagnosis(0, "cell_over_voltage", "V", 1000, +1, CHARGE, CHARGE, "the highest cell is too high",
              "stop charging, let the cell relax or balance; a cell that is always first is weak or unbalanced"),
    Diagnosis(1, "cell_under_voltage", "V", 1000, -1, DISCHARGE, DISCHARGE, "the lowest cell is too low",
              "switch loads off and charge; a cell that is always first is weak"),
    Diagnosis(2, "charge_over_current", "A", 1000, +1, CHARGE, 0, "more charge current than the parts carry",
              "lower the charger's setting"),
    Diagnosis(3, "discharge_over_current", "A", 1000, +1, DISCHARGE, 0, "more discharge current than the parts carry",
              "switch loads off; check the inverter's limit"),
    Diagnosis(4, "charge_over_temperature", "degC", 10, +1, CHARGE, CHARGE, "too hot to charge",
              "let the pack cool; check fans and the heater relay"),
    Diagnosis(5, "charge_under_temperature", "degC", 10, -1, CHARGE, CHARGE, "too cold to charge",
              "wait for the heater; charging below this plates lithium"),
    Diagnosis(6, "discharge_over_temperature", "degC", 10, +1, DISCHARGE, DISCHARGE, "too hot to discharge",
              "let the pack cool; look for a bad joint"),
    Diagnosis(7, "discharge_under_temperature", "degC", 10, -1, DISCHARGE, DISCHARGE, "too cold to discharge",
              "warm the room"),
    Diagnosis(8, "stale_reading", "s", _CYCLES_PER_S, +1, BOTH, BOTH, "the cell monitor gives no new conversion",
              "check the monitor's supply and wiring"),
    Diagnosis(9, "implausible_reading", "1", 1, +1, BOTH, BOTH, "readings are missing or contradict each other",
              "check the sense wires and sensors named in the cell page"),
    Diagnosis(10, "gateway_silent", "s", _CYCLES_PER_S, +1, 0, 0, "no heartbeat from the gateway",
              "check the Pi and the bus; the node protects the cells alone"),
    Diagnosis(11, "path_feedback", "1", 1, +1, BOTH, 0, "an output does not do what it is told",
              "open the main switch; look for a welded or stuck contactor"),
    Diagnosis(12, "precharge_failed", "1", 1, +1, BOTH, BOTH, "the link did not charge up in time",
              "look for a short or a load on the link, then ask for close again"),
    Diagnosis(13, "interlock", "1", 1, +1, BOTH, BOTH, "the interlock loop is open",
              "close the cover or the service plug"),
    Diagnosis(14, "charge_while_blocked", "A", 1000, +1, BOTH, 0, "charge current flows although none is allowed",
              "make the charger obey the allowance"),
    Diagnosis(15, "discharge_while_blocked", "A", 1000, +1, BOTH, 0, "discharge current flows although none is allowed",
              "make the load obey the allowance"),
    Diagnosis(16, "break_overload", "1", 1, +1, BOTH, BOTH, "an output had to open above what it can break",
              "inspect the contactor or FETs before clearing at the node"),
)

DIAGNOSES: dict[str, Diagnosis] = {row.name: row for row in _ROWS}
BY_NUMBER: dict[int, Diagnosis] = {row.number: row for row in _ROWS}
COUNT = len(_ROWS)
