"""The one table of published quantities: every outlet, page and documentation row follows from it.

A row says what is measured or computed, in which unit, and when it is recorded. It knows no outlet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["pack", "cell", "sensor", "bank", "gateway"]


@dataclass(frozen=True, slots=True)
class Field:
    """One published quantity.

    `record_s` is the period in seconds at which it is journalled; 0 means at every change only. A change larger than
    `step` is journalled at once, at most ten times a second, so that a fast event keeps its shape.
    """

    name: str
    unit: str
    help: str
    decimals: int
    low: float
    high: float
    level: Level
    record_s: float
    step: float | None = None


def _pack(name: str, unit: str, text: str, decimals: int, low: float, high: float, record_s: float = 1.0,
          step: float | None = None) -> Field:
    return Field(name, unit, text, decimals, low, high, "pack", record_s, step)


_ROWS = (
    _pack("pack_voltage_v", "V", "Voltage over all cells", 2, 0, 1310, 1, 0.2),
    _pack("link_voltage_v", "V", "Voltage outside the outputs", 2, 0, 1638, 1, 1.0),
    _pack("current_a", "A", "Pack current, positive when charging", 2, -1310, 1310, 1, 1.0),
    _pack("charge_in_ah", "Ah", "Charge taken in since the gateway first heard the pack", 3, 0, 1e9),
    _pack("charge_out_ah", "Ah", "Charge given out since the gateway first heard the pack", 3, 0, 1e9),
    _pack("soc", "1", "State of charge by coulomb count, 0 to 1", 4, 0, 1, 10),
    _pack("soc_sigma", "1", "Standard uncertainty of soc, 0 to 1", 4, 0, 1, 10),
    _pack("charge_allowed_a", "A", "Charge current allowed now: the smaller of node's and ours", 2, 0, 1024, 1, 1.0),
    _pack("discharge_allowed_a", "A", "Discharge current allowed now, positive", 2, 0, 1024, 1, 1.0),
    _pack("charge_allowed_v", "V", "Pack voltage to charge to at most", 2, 0, 819, 10, 0.1),
    _pack("cell_min_v", "V", "Lowest cell voltage", 3, 0, 8.2, 1, 0.01),
    _pack("cell_max_v", "V", "Highest cell voltage", 3, 0, 8.2, 1, 0.01),
    _pack("cell_spread_v", "V", "Highest minus lowest cell voltage", 3, 0, 8.2, 1, 0.01),
    _pack("temperature_min_c", "°C", "Lowest temperature in the pack", 1, -60, 150, 5, 1.0),
    _pack("temperature_max_c", "°C", "Highest temperature in the pack", 1, -60, 150, 5, 1.0),
    _pack("state_code", "", "State of the node as in PackState.State of dbc/node.dbc", 0, 0, 15, 60, 0),
    _pack("charge_path_closed", "", "Charge path measured closed (1) or open (0)", 0, 0, 1, 60, 0),
    _pack("discharge_path_closed", "", "Discharge path measured closed (1) or open (0)", 0, 0, 1, 60, 0),
    _pack("heater_on", "", "Heater relay measured on (1) or off (0)", 0, 0, 1, 60, 0),
    _pack("balancing", "", "Any cell is being balanced (1) or none (0)", 0, 0, 1, 60, 0),
    _pack("faults_active", "", "Limits beyond their limit or trip tier now", 0, 0, 48, 60, 0),
    _pack("faults_latched", "", "Trips remembered until they are cleared", 0, 0, 48, 60, 0),
    _pack("pack_age_s", "s", "Age of the oldest of the pack's safety messages", 1, 0, 1e9, 5),
    _pack("limit_cell_over_voltage_trip_v", "V", "Cell voltage above which the node opens", 3, 0, 8.2, 3600),
    _pack("limit_cell_under_voltage_trip_v", "V", "Cell voltage below which the node opens", 3, 0, 8.2, 3600),
    _pack("charge_limit_w", "W", "Charge power that a car's own BMS allows", 0, 0, 1e6),
    _pack("discharge_limit_w", "W", "Discharge power that a car's own BMS allows", 0, 0, 1e6),
    _pack("soh", "1", "State of health that a car's own BMS tells, 0 to 1", 3, 0, 1, 60),
    Field("cell_voltage_v", "V", "Voltage of one cell", 3, 0, 16.4, "cell", 1),
    Field("temperature_c", "°C", "Temperature of one sensor", 1, -60, 150, "sensor", 10),
    Field("bank_charge_allowed_a", "A", "Charge current allowed for the bank", 2, 0, 1e5, "bank", 1, 1.0),
    Field("bank_discharge_allowed_a", "A", "Discharge current allowed for the bank", 2, 0, 1e5, "bank", 1, 1.0),
    Field("bus_frames", "", "Frames received on all buses since start", 0, 0, 1e15, "gateway", 10),
    Field("bus_bad", "", "Frames dropped since start: damaged, short, out of sequence", 0, 0, 1e15, "gateway", 10),
    Field("journal_acknowledged", "", "Records acknowledged since start", 0, 0, 1e15, "gateway", 10),
    Field("journal_lost", "", "Records lost since start", 0, 0, 1e15, "gateway", 10, 0),
    Field("outlet_lag_s", "s", "How far the database is behind the journal", 1, 0, 1e9, "gateway", 10),
)

FIELDS: dict[str, Field] = {row.name: row for row in _ROWS}
