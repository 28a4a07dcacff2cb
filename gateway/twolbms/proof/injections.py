"""For each row of the limit table, what has to happen to a closed pack so that the row's value passes its trip.

Knows the bench's keys and no times. A row that is missing here has no reaction time, and the table says so loudly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from twolbms.config.pack import GuardedPack

Change = dict[str, Any]
AT_REST_C = 25.0


class Injection(NamedTuple):
    """`change(value, pack)` is what is set; `value` lies one count beyond the threshold, in the row's unit.

    `flows`: the fault is a current itself. `before` is set until the node has seen it. `age` says that the value counts
    time since the change. `opens_first`: the row comes up only after the outputs have been opened, and proves that.
    `late`: the cycles themselves come late.
    """

    change: Callable[[float, GuardedPack], Change]
    flows: int = 0
    before: Callable[[GuardedPack], Change] | None = None
    age: bool = False
    opens_first: bool = False
    late: bool = False


def _cell(value: float, _pack: GuardedPack) -> Change:
    return {"cell_v": {3: value}}


def _sensor(value: float, _pack: GuardedPack) -> Change:
    return {"temperature_c": {2: value}}


def _always(**change: Any) -> Callable[[float, GuardedPack], Change]:
    return lambda _value, _pack: change


def _cells_apart(value: float, pack: GuardedPack) -> Change:
    """Apart by `value` below the upper warn, where no other row of the voltages trips."""
    top = pack.limits["cell_over_voltage"].warn
    assert top is not None  # the loader asks for it
    return {"cells_v": top, "cell_v": {3: round(top - value, 3)}}


def _limited(row: str, inside: float) -> Callable[[GuardedPack], Change]:
    """Beyond the limit tier of a cell's row and short of its trip: that direction is forbidden and stays closed."""
    def change(pack: GuardedPack) -> Change:
        limit = pack.limits[row].limit
        assert limit is not None  # the loader asks for it
        return {"cell_v": {3: round(limit + inside, 3)}}
    return change


INJECTIONS: Mapping[str, Injection] = {
    "cell_over_voltage": Injection(_cell),
    "cell_under_voltage": Injection(_cell),
    "charge_over_current": Injection(lambda value, _: {"current_a": value}, flows=1),
    "discharge_over_current": Injection(lambda value, _: {"current_a": -value}, flows=-1),
    "charge_over_temperature": Injection(_sensor),
    "charge_under_temperature": Injection(_sensor),
    "discharge_over_temperature": Injection(_sensor),
    "discharge_under_temperature": Injection(_sensor),
    "stale_reading": Injection(_always(conversions="stopped"), age=True),
    "implausible_reading": Injection(_always(cell_v={3: "missing"})),
    "gateway_silent": Injection(_always(gateway="silent"), age=True),
    "path_feedback": Injection(_always(feedback="all_open")),
    "precharge_failed": Injection(_always(link_v=0, request={"ask": "close"}), opens_first=True,
                                  before=lambda _: {"request": {"ask": "open"}}),
    "interlock": Injection(_always(interlock="open")),
    "charge_while_blocked": Injection(lambda value, _: {"current_a": value}, flows=1,
                                      before=_limited("cell_over_voltage", 0.02)),
    "discharge_while_blocked": Injection(lambda value, _: {"current_a": -value}, flows=-1,
                                         before=_limited("cell_under_voltage", -0.02)),
    "break_overload": Injection(lambda _, pack: {"current_a": -pack.contactor.break_max_a - 1,
                                                 "emergency_stop": "pressed"}, opens_first=True),
    "deep_discharge": Injection(_cell),
    "charge_peak_current": Injection(lambda value, _: {"current_a": value}, flows=1),
    "discharge_peak_current": Injection(lambda value, _: {"current_a": -value}, flows=-1),
    "short_circuit": Injection(_always(short_circuit="on")),
    "temperature_spread": Injection(lambda value, _: {"temperature_c": {2: round(AT_REST_C + value, 1)}}),
    "voltage_spread": Injection(_cells_apart),
    "open_wire": Injection(_always(open_wires=1)),
    "monitor_communication": Injection(_always(monitor="silent"), age=True),
    "current_disagreement": Injection(lambda value, _: {"second_a": value}),
    "insulation": Injection(lambda value, _: {"insulation_kohm": value}),
    "emergency_stop": Injection(_always(emergency_stop="pressed")),
    "smoke": Injection(_always(smoke="on")),
    "leak": Injection(_always(leak="on")),
    "humidity": Injection(lambda value, _: {"humidity_percent": round(value)}),
    "supply_voltage": Injection(lambda value, _: {"supply_v": value}),
    "cycle_overrun": Injection(lambda value, _: {"pause_ms": round(value * 1000) - 100}, late=True),
    "contactor_welded": Injection(_always(request={"ask": "open"}, feedback="all_closed"), opens_first=True),
    "contactor_life": Injection(lambda value, _: {"wear_percent": round(value)}),
    "heater_stuck": Injection(_always(heater_feedback="on")),
    "heater_no_rise": Injection(_always()),
    "monitor_configuration": Injection(_always(monitor_configuration="lost")),
    "node_memory": Injection(_always(memory="bad")),
    "restart_loop": Injection(lambda value, _: {"restarts": round(value)}),
    "monitor_protection": Injection(_always(monitor_protection="on")),
}
