"""Steps for what the node measures: at rest, and the order of sense wires and temperature sensors."""

from __future__ import annotations

from functools import partial

from twolbms.commissioning.conversation import Choice, Read, Ready, Talk, Tell, Watch, failed, passed
from twolbms.commissioning.judging import Values, around_wire, listed, lost, moved, named, risen, settled
from twolbms.commissioning.readings import Facts, Readings

SUM_SHARE = 0.03  # the pack's own divider, uncalibrated
ODD_CELL_V = 0.3  # cells of one pack at rest are nearer to each other than this
CELL_MOVES_V = 0.02  # a pulled wire moves more; noise and a meter's probe less
TEMPERATURE_RISES_K = 1.5  # a hand on a sensor: a few kelvin in a minute
BY_WIRE, BY_LOAD = "pull a sense wire, or its fuse", "load or charge one cell"


def at_rest(facts: Facts) -> Talk:
    """Everything is measured, plausible, and the cells add up to the pack."""
    now: Readings = yield Read(raw=True)
    measured = {"cells_v": now.cells_v, "temps_c": now.temps_c, "pack_v": now.pack_v}
    if trouble := _missing(now) or _implausible(now):
        return failed(trouble, **measured)
    cells = [value for value in now.cells_v if value is not None]
    return passed(f"{facts.cells} cells from {min(cells):.3f} to {max(cells):.3f} V, {facts.sensors} temperatures, "
                  f"{now.pack_v:.2f} V", **measured)


def _missing(now: Readings) -> str:
    if not now.fresh or not now.monitor_sound:
        return "the cell monitor gives no fresh readings, or did not take its configuration"
    if now.open_wires:
        return f"{now.open_wires} sense wires are open"
    if cells := lost(now.cells_v):
        return f"{named('cell', cells)} cannot be read"
    if sensors := lost(now.temps_c):
        return f"open or shorted: {named('temperature sensor', sensors)}"
    if now.pack_v is None or now.link_v is None or now.current_a is None:
        return "the pack's voltage, the link's or the current cannot be read"
    return ""


def _implausible(now: Readings) -> str:
    cells = [value for value in now.cells_v if value is not None]
    middle, total = sorted(cells)[len(cells) // 2], sum(cells)
    if odd := [number for number, value in enumerate(cells, 1) if abs(value - middle) > ODD_CELL_V]:
        return (f"more than {ODD_CELL_V} V from the others: {named('cell', odd)}; two wires are swapped, or a cell is "
                "empty or full")
    if now.pack_v is not None and abs(total - now.pack_v) > SUM_SHARE * total:
        return (f"the cells add up to {total:.2f} V, the pack shows {now.pack_v:.2f} V: a wire is off, or the pack's "
                "divider is another one")
    return ""


def sense_order(facts: Facts) -> Talk:
    """Each cell, or each wire, moves the cell it belongs to and no other."""
    way: str = yield Choice("How do you make a cell move?", (BY_WIRE, BY_LOAD))
    for number in range(1, facts.cells + 1):
        expected = around_wire(number, facts.cells) if way == BY_WIRE else [number]
        before: Readings = yield Read(raw=True)
        if cells := lost(before.cells_v):
            return failed(f"{named('cell', cells)} cannot be read before wire {number} was touched", way=way, at=number)
        what = (f"Pull the sense wire at the plus pole of cell {number}, or its fuse." if way == BY_WIRE
                else f"Put the load or charger on cell {number}.")
        now: Readings | None = yield Watch(what, partial(_cells_moved, before.cells_v))
        if now is None:
            return failed(f"no cell moved where {listed(expected)} should have", way=way, at=number)
        found = moved(before.cells_v, now.cells_v, CELL_MOVES_V)
        if number not in found or not set(found) <= set(expected):
            return failed(f"{named('cell', found)} moved where {listed(expected)} should have: wires are swapped",
                          way=way, at=number, moved=found)
        back: Readings | None = yield Watch(f"That was {named('cell', found)}, as it should. Put it back as it was.",
                                            partial(_cells_settled, before.cells_v))
        if back is None:
            return failed(f"{named('cell', found)} did not come back", way=way, at=number)
    return passed(f"each of {facts.cells} cells moved at its own place", way=way)


def _cells_moved(before: Values, now: Readings) -> bool:
    return bool(moved(before, now.cells_v, CELL_MOVES_V))


def _cells_settled(before: Values, now: Readings) -> bool:
    return settled(before, now.cells_v, CELL_MOVES_V / 2)


def sensor_placement(facts: Facts) -> Talk:
    """The sensor that a hand warms is the one that rises."""
    yield Tell("Warm one sensor at a time with your fingers, at least a minute, and let go when it is found.")
    for number in range(1, facts.sensors + 1):
        yield Ready(f"Put your fingers on temperature sensor {number}{facts.place(number)}.")
        before: Readings = yield Read(raw=True)
        if sensors := lost(before.temps_c):
            return failed(f"{named('temperature sensor', sensors)} cannot be read", at=number)
        now: Readings | None = yield Watch("Hold it.", partial(_sensor_rose, before.temps_c), 180.0)
        if now is None:
            return failed(f"no sensor rose by {TEMPERATURE_RISES_K} K; {number}{facts.place(number)} should have",
                          at=number)
        found = risen(before.temps_c, now.temps_c, TEMPERATURE_RISES_K)
        if found != [number]:
            return failed(f"{named('sensor', found)} rose, not {number}{facts.place(number)}: they are swapped",
                          at=number, rose=found)
    return passed(f"each of {facts.sensors} sensors is where it belongs")


def _sensor_rose(before: Values, now: Readings) -> bool:
    return bool(risen(before, now.temps_c, TEMPERATURE_RISES_K))
