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
    Diagnosis(17, "deep_discharge", "V", 1000, -1, BOTH, BOTH,
              "a cell was emptied so far that charging it may be unsafe",
              "measure the cell at rest; charge it by hand and slowly, or replace it, before clearing at the node"),
    Diagnosis(18, "charge_peak_current", "A", 1000, +1, CHARGE, 0, "far more charge current than the parts carry",
              "find what pushed it; inspect fuse and cable"),
    Diagnosis(19, "discharge_peak_current", "A", 1000, +1, DISCHARGE, 0,
              "far more discharge current than the parts carry", "look for a near short; inspect fuse and cable"),
    Diagnosis(20, "short_circuit", "1", 1, +1, BOTH, BOTH, "the cell monitor has cut a short circuit",
              "find and remove the short, then clear at the node"),
    Diagnosis(21, "temperature_spread", "K", 10, +1, BOTH, 0, "one place is much hotter than another",
              "look for a bad joint or a failing cell at the hottest sensor"),
    Diagnosis(22, "voltage_spread", "V", 1000, +1, BOTH, 0, "the cells are far apart",
              "balance at rest; a cell that drifts away again is failing"),
    Diagnosis(23, "open_wire", "1", 1, +1, BOTH, BOTH, "a sense wire has come off",
              "refit the wire the cell page names, with the pack isolated"),
    Diagnosis(24, "monitor_communication", "s", _CYCLES_PER_S, +1, BOTH, BOTH, "the cell monitor does not answer",
              "check the monitor's supply and its bus"),
    Diagnosis(25, "current_disagreement", "A", 1000, +1, BOTH, 0, "the two current sensors disagree",
              "calibrate or replace the one that a clamp meter contradicts"),
    Diagnosis(26, "insulation", "kOhm", 1, -1, BOTH, BOTH, "the pack leaks to its enclosure",
              "isolate the pack and look for water, a pinched wire or a leaking cell"),
    Diagnosis(27, "emergency_stop", "1", 1, +1, BOTH, BOTH, "the emergency stop is pressed",
              "make the place safe, pull the button out, then clear at the node"),
    Diagnosis(28, "smoke", "1", 1, +1, BOTH, BOTH, "smoke in the enclosure",
              "do not open the enclosure: call the fire service and keep away"),
    Diagnosis(29, "leak", "1", 1, +1, BOTH, BOTH, "liquid in the enclosure",
              "isolate the pack and find where the water comes from, then clear at the node"),
    Diagnosis(30, "humidity", "%", 1, +1, BOTH, BOTH, "the air in the enclosure is close to dew",
              "dry and seal the enclosure"),
    Diagnosis(31, "supply_voltage", "V", 1000, -1, BOTH, BOTH, "the node's own supply is too low for its coils",
              "check the node's converter and its fuse"),
    Diagnosis(32, "cycle_overrun", "s", 1000, +1, BOTH, 0, "the node's cycle comes too late",
              "update the firmware; a cell monitor that hangs on its bus is the usual cause"),
    Diagnosis(33, "contactor_welded", "1", 1, +1, BOTH, BOTH, "current flows, or contacts are closed, although open",
              "open the main switch and replace the contactor"),
    Diagnosis(34, "contactor_life", "%", 1, +1, 0, 0, "the contactor has opened under load too often",
              "replace the contactor and reset its count"),
    Diagnosis(35, "heater_stuck", "1", 1, +1, BOTH, BOTH, "the heater is on although it is switched off",
              "pull the heater's fuse and replace its relay"),
    Diagnosis(36, "heater_no_rise", "1", 1, +1, 0, 0, "the heater does not warm the cells",
              "check the heater's fuse, relay and pads"),
    Diagnosis(37, "monitor_configuration", "1", 1, +1, BOTH, BOTH,
              "the cell monitor has lost or changed its own limits",
              "the node writes them again; if it stays, replace it"),
    Diagnosis(38, "node_memory", "1", 1, +1, BOTH, BOTH,
              "the node's configuration or its memory of faults is not sound",
              "write the node's configuration again at the enclosure"),
    Diagnosis(39, "restart_loop", "1", 1, +1, BOTH, BOTH,
              "the node has restarted several times without a healthy minute",
              "read the reset causes; update or replace the node"),
    Diagnosis(40, "monitor_protection", "1", 1, +1, BOTH, BOTH,
              "the cell monitor's own protection has opened: the node came too late, or measures otherwise",
              "compare the node's readings with a meter before clearing at the node"),
)

DIAGNOSES: dict[str, Diagnosis] = {row.name: row for row in _ROWS}
BY_NUMBER: dict[int, Diagnosis] = {row.number: row for row in _ROWS}
COUNT = len(_ROWS)
