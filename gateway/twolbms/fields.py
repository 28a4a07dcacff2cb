"""The one table of published quantities: every outlet, page and documentation row follows from it.

A row says what is measured or computed, in which unit, and when it is recorded. It knows no outlet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["pack", "cell", "sensor", "bank", "gateway", "bus", "device"]
Minute = Literal["mean", "last", "max"]


@dataclass(frozen=True, slots=True)
class Field:
    """One published quantity.

    `record_s` is the period in seconds at which it is journalled; 0 means at every change only. A change larger than
    `step` is journalled at once, at most ten times a second, so that a fast event keeps its shape. `minute` is what
    stands for a minute of it: the mean of what is measured, the last of a count or a state, the worst of a trouble.
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
    minute: Minute = "mean"


def _pack(name: str, unit: str, text: str, decimals: int, low: float, high: float, record_s: float = 1.0,
          step: float | None = None, minute: Minute = "mean") -> Field:
    return Field(name, unit, text, decimals, low, high, "pack", record_s, step, minute)


def _bus(name: str, unit: str, text: str, high: float, minute: Minute, step: float | None = None,
         decimals: int = 0) -> Field:
    return Field(name, unit, text, decimals, 0, high, "bus", 10, step, minute)


def _device(name: str, unit: str, text: str, decimals: int, low: float, high: float, record_s: float = 1.0,
            step: float | None = None, minute: Minute = "mean") -> Field:
    return Field(name, unit, text, decimals, low, high, "device", record_s, step, minute)


_ROWS = (
    _pack("pack_voltage_v", "V", "Voltage over all cells", 2, 0, 1310, 1, 0.2),
    _pack("link_voltage_v", "V", "Voltage outside the outputs", 2, 0, 1638, 1, 1.0),
    _pack("current_a", "A", "Pack current, positive when charging", 2, -1310, 1310, 1, 1.0),
    _pack("charge_in_ah", "Ah", "Charge taken in since the gateway first heard the pack", 3, 0, 1e9, minute="last"),
    _pack("charge_out_ah", "Ah", "Charge given out since the gateway first heard the pack", 3, 0, 1e9, minute="last"),
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
    _pack("state_code", "", "State of the node as in PackState.State of dbc/node.dbc", 0, 0, 15, 60, 0, minute="last"),
    _pack("charge_path_closed", "", "Charge path measured closed (1) or open (0)", 0, 0, 1, 60, 0, minute="last"),
    _pack("discharge_path_closed", "", "Discharge path measured closed (1) or open (0)", 0, 0, 1, 60, 0, minute="last"),
    _pack("heater_on", "", "Heater relay measured on (1) or off (0)", 0, 0, 1, 60, 0, minute="max"),
    _pack("balancing", "", "Any cell is being balanced (1) or none (0)", 0, 0, 1, 60, 0, minute="max"),
    _pack("faults_active", "", "Limits beyond their limit or trip tier now", 0, 0, 48, 60, 0, minute="max"),
    _pack("faults_latched", "", "Trips remembered until they are cleared", 0, 0, 48, 60, 0, minute="max"),
    _pack("pack_age_s", "s", "Age of the oldest of the pack's safety messages", 1, 0, 1e9, 5, minute="max"),
    _pack("limit_cell_over_voltage_trip_v", "V", "Cell voltage above which the node opens", 3, 0, 8.2, 3600,
          minute="last"),
    _pack("limit_cell_under_voltage_trip_v", "V", "Cell voltage below which the node opens", 3, 0, 8.2, 3600,
          minute="last"),
    _pack("charge_limit_w", "W", "Charge power that a car's own BMS allows", 0, 0, 1e6),
    _pack("discharge_limit_w", "W", "Discharge power that a car's own BMS allows", 0, 0, 1e6),
    _pack("soh", "1", "State of health that a car's own BMS tells, 0 to 1", 3, 0, 1, 60, minute="last"),
    Field("cell_voltage_v", "V", "Voltage of one cell", 3, 0, 16.4, "cell", 1),
    Field("temperature_c", "°C", "Temperature of one sensor", 1, -60, 150, "sensor", 10),
    Field("bank_charge_allowed_a", "A", "Charge current allowed for the bank", 2, 0, 1e5, "bank", 1, 1.0),
    Field("bank_discharge_allowed_a", "A", "Discharge current allowed for the bank", 2, 0, 1e5, "bank", 1, 1.0),
    Field("bus_frames", "", "Frames received on all buses since start", 0, 0, 1e15, "gateway", 10, minute="last"),
    Field("bus_bad", "", "Frames dropped since start: damaged, short, out of sequence", 0, 0, 1e15, "gateway", 10,
          minute="last"),
    Field("journal_acknowledged", "", "Records acknowledged since start", 0, 0, 1e15, "gateway", 10, minute="last"),
    Field("journal_lost", "", "Records lost since start", 0, 0, 1e15, "gateway", 10, 0, minute="max"),
    Field("outlet_lag_s", "s", "How far the database is behind the journal", 1, 0, 1e9, "gateway", 10, minute="max"),
    _bus("can_frames", "", "Frames received on this bus since start", 1e15, "last"),
    _bus("can_dropped", "", "Frames lost since start before they were read: kernel, adapter or gateway too slow",
         1e15, "last", 0),
    _bus("can_error_frames", "", "Error frames of this bus since start", 1e15, "last"),
    _bus("can_load", "1", "Share of the bit rate that is in use, 0 to 1", 1, "mean", decimals=4),
    _bus("can_state", "", "0 well, 1 warning, 2 error passive, 3 bus off, 4 not open", 4, "max", 0),
    _device("shunt_voltage_v", "V", "Voltage at the battery monitor", 3, 0, 400, 1, 0.2),
    _device("shunt_current_a", "A", "Current at the battery monitor, positive when charging", 3, -10000, 10000, 1, 1.0),
    _device("shunt_power_w", "W", "Power at the battery monitor, positive when charging", 0, -4e6, 4e6),
    _device("shunt_soc", "1", "State of charge by the battery monitor's own count, 0 to 1", 3, 0, 1, 10),
    _device("shunt_consumed_ah", "Ah", "Charge since the monitor saw the battery full, negative: taken out", 3,
            -1e6, 1e6, 10, minute="last"),
    _device("shunt_time_to_go_s", "s", "Time until the monitor's discharge floor at the present current; none while "
            "nothing is drawn", 0, 0, 1e8, 10, minute="last"),
    _device("shunt_temperature_c", "°C", "Temperature of the battery monitor's sensor", 0, -60, 150, 10, 1.0),
    _device("shunt_mid_voltage_v", "V", "Voltage at the middle of the bank", 3, 0, 400, 5, 0.1),
    _device("shunt_mid_deviation", "1", "Deviation of the middle from half the voltage, as a share of it", 3, -1, 1, 5),
    _device("shunt_starter_voltage_v", "V", "Voltage of a starter battery, slightly negative when none is there", 3,
            -1, 400, 10, 0.2),
    _device("shunt_energy_in_kwh", "kWh", "Energy charged over the monitor's life", 2, 0, 1e9, 60, minute="last"),
    _device("shunt_energy_out_kwh", "kWh", "Energy discharged over the monitor's life", 2, 0, 1e9, 60, minute="last"),
    _device("shunt_charge_out_ah", "Ah", "Charge discharged over the monitor's life", 3, 0, 1e9, 60, minute="last"),
    _device("shunt_cycles", "", "Charge cycles over the monitor's life", 0, 0, 1e9, 60, 0, "last"),
    _device("shunt_deepest_discharge_ah", "Ah", "Most that was ever taken out, negative", 3, -1e6, 0, 60,
            minute="last"),
    _device("shunt_since_full_s", "s", "Time since the monitor saw the battery full", 0, 0, 1e10, 60, minute="last"),
    _device("shunt_voltage_min_v", "V", "Lowest voltage over the monitor's life", 3, -1, 400, 60, 0, "last"),
    _device("shunt_voltage_max_v", "V", "Highest voltage over the monitor's life", 3, -1, 400, 60, 0, "last"),
    # Reasons are bits: the largest number of a minute did stand in it, so that no minute with an alarm looks quiet.
    _device("shunt_alarm", "", "The battery monitor reports an alarm (1) or none (0)", 0, 0, 1, 60, 0, "max"),
    _device("shunt_alarm_reason", "", "Its reasons as bits: 1 low voltage, 2 high voltage, 4 low state of charge, …", 0,
            0, 65535, 60, 0, "max"),
    _device("shunt_relay_on", "", "Relay of the battery monitor on (1) or off (0)", 0, 0, 1, 60, 0, "last"),
)

FIELDS: dict[str, Field] = {row.name: row for row in _ROWS}
