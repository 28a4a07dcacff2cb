"""The gateway's own reckoning beside the node's: the smaller holds, it falls at once and rises slowly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolbms.battery.allowance import Allowance, Bounds, Cap, Known, Own, Ramp, line
from voices.listening import World, pack_type

NS = 1_000_000_000
GOOD = Known(3.3, 3.3, 25.0, 25.0)

# LiFePO4 pack, typed from its text: (lowest V, highest V, coldest, hottest, charge A, why, discharge A, why)
LFP = [
    (3.30, 3.30, 25, 25, 200, "rating", 200, "rating"),
    (3.30, 3.50, 25, 25, 116, "derate_charge_voltage", 200, "rating"),  # half way from 200 to 32 A
    (3.30, 3.55, 25, 25, 32, "derate_charge_voltage", 200, "rating"),
    (3.30, 3.60, 25, 25, 0, "derate_charge_voltage", 200, "rating"),
    (3.30, 3.601, 25, 25, 0, "cell_over_voltage", 200, "rating"),
    (3.05, 3.30, 25, 25, 200, "rating", 150, "derate_discharge_voltage"),  # half way from 100 to 200 A
    (2.70, 3.30, 25, 25, 200, "rating", 0, "derate_discharge_voltage"),
    (2.699, 3.30, 25, 25, 200, "rating", 0, "cell_under_voltage"),
    (3.30, 3.30, 10, 25, 112, "derate_charge_temperature", 200, "rating"),  # half way from 64 to 160 A
    (3.30, 3.30, 0, 25, 0, "derate_charge_temperature", 200, "rating"),
    (3.30, 3.30, -0.1, 25, 0, "charge_under_temperature", 199.32, "derate_discharge_temperature"),
    (3.30, 3.30, 25, 52.5, 100, "derate_charge_temperature", 158.33, "derate_discharge_temperature"),
    (3.30, 3.30, 25, 60.1, 0, "charge_over_temperature", 0, "discharge_over_temperature"),
    (3.30, 3.30, -30, 25, 0, "charge_under_temperature", 0, "derate_discharge_temperature"),
]


@pytest.mark.parametrize("row", LFP, ids=str)
def test_own_reckoning(row: tuple[float, ...]) -> None:
    """Ratings, limits and derating of the pack's file give these currents for these readings."""
    known = Known(*row[:4])
    kind = pack_type()
    for charging, (current_a, by) in ((True, row[4:6]), (False, row[6:8])):
        cap = Own(kind, charging).cap(known)
        assert cap.current_a == pytest.approx(current_a, abs=0.01)
        assert cap.by == by


@pytest.mark.parametrize("missing", range(4))
def test_unknown_allows_nothing(missing: int) -> None:
    """Each of the four readings alone, when unknown, makes both directions 0 A."""
    known = Known(*(None if n == missing else value for n, value in enumerate(GOOD)))
    for charging in (True, False):
        assert Own(pack_type(), charging).cap(known) == Cap(0.0, "unknown_reading")


def test_common_outputs_block_both() -> None:
    """Where one pair of contactors switches both, what trips charging stops discharging too."""
    hot = Known(3.8, 3.8, 25.0, 50.1)  # leaf: charge trips above 50 degC, discharge limits above 50 degC
    cold = Known(3.8, 4.21, 20.0, 20.0)  # a cell above the 4.2 V trip
    assert Own(pack_type("leaf_2013_14s"), False).cap(hot).current_a == 0
    assert Own(pack_type("leaf_2013_14s"), False).cap(cold) == Cap(0.0, "cell_over_voltage")


@given(st.floats(-1e3, 1e3), st.lists(st.tuples(st.floats(-100, 100), st.floats(0, 500)), min_size=2, max_size=6,
                                      unique_by=lambda point: point[0]))
def test_line_stays_between_its_points(at: float, points: list[tuple[float, float]]) -> None:
    """Whatever is asked of a derating line lies between its smallest and largest current."""
    points.sort()
    currents = [current for _, current in points]
    assert min(currents) - 1e-6 <= line(points, at) <= max(currents) + 1e-6


def test_ramp() -> None:
    """Falls at once, rises 20 A/s, and not while it may not."""
    ramp = Ramp(20.0)
    assert ramp.follow(100, True, 0) == 0
    assert ramp.follow(100, True, NS) == 20
    assert ramp.follow(100, False, 2 * NS) == 20
    assert ramp.follow(100, True, 3 * NS) == 40
    assert ramp.follow(5, False, 3 * NS) == 5


def settled(allowance: Allowance, node: Cap | None, bounds: Bounds = Bounds(), seconds: int = 30,  # noqa: B008
            known: Known = GOOD) -> Cap:
    for second in range(seconds):
        allowance.settle(known, node, bounds, second * NS)
    return allowance.allowed


# (node's allowance, bounds, current, who says so)
TOLD = {
    "the node's is smaller": (Cap(50, "derate_charge_voltage"), Bounds(), Cap(50, "derate_charge_voltage")),
    "our own is smaller": (Cap(900, "rating"), Bounds(), Cap(200, "rating")),
    "the node's is unknown": (None, Bounds(), Cap(0, "unknown_reading")),
    "narrowed from above": (Cap(150, "rating"), Bounds(None, 30), Cap(30, "person_request")),
    "a request that is no narrowing": (Cap(150, "rating"), Bounds(None, 900), Cap(150, "rating")),
    "stopped": (Cap(150, "rating"), Bounds("hash_mismatch"), Cap(0, "hash_mismatch")),
    "stopped and open": (Cap(0, "path_open"), Bounds("pack_silent"), Cap(0, "pack_silent")),
    "open": (Cap(0, "path_open"), Bounds(), Cap(0, "path_open")),
    "never fresh": (Cap(150, "rating"), Bounds(None, None, False), Cap(0, "rating")),
}


@pytest.mark.parametrize(("node", "bounds", "told"), TOLD.values(), ids=TOLD.keys())
def test_what_is_told(node: Cap | None, bounds: Bounds, told: Cap) -> None:
    """The smaller of both allowances, with the reason of whoever sets it."""
    assert settled(Allowance(pack_type(), True), node, bounds) == told


def test_the_own_allowance_does_not_follow_the_nodes() -> None:
    """What is asked of the node is our own reckoning: an open pack's 0 A must not be asked back of it."""
    allowance = Allowance(pack_type(), True)
    settled(allowance, Cap(0, "path_open"))
    assert allowance.own == Cap(200, "rating")


def test_a_starting_gateway_takes_up_what_the_node_allows() -> None:
    """Beside closed packs the first allowance is the node's own, not 0 A that climbs; later it climbs from 0 A."""
    allowance = Allowance(pack_type(), True)
    assert settled(allowance, Cap(120, "rating"), seconds=1).current_a == 120
    settled(allowance, Cap(120, "rating"), Bounds("pack_silent"), seconds=1)
    allowance.settle(GOOD, Cap(120, "rating"), Bounds(), NS)
    assert allowance.allowed.current_a == 20


@pytest.mark.parametrize(("charge_a", "charge", "discharge"), [(30.0, 30.0, 180.0), (0.0, 0.0, 180.0)])
def test_narrowing_expires(charge_a: float, charge: float, discharge: float) -> None:
    """A person's smaller allowance holds for 30 s, in its direction only, is asked of the node, and ends by itself."""
    from twolbms.engine import Wish
    world = World()
    world.run(20)
    assert world.engine.ask("north", "allowance", "Ann", world.now_ns, Wish(charge_a=charge_a)).accepted
    world.run(29)
    assert world.allowed() == (charge, discharge)
    assert world.requests("Allowance")[-1]["ChargeCurrentAsked"] == charge_a
    world.run(12)
    assert world.allowed() == (150.0, 180.0)


def test_falls_with_the_very_next_frame() -> None:
    """When the node allows less, so does the gateway at the next tick of 20 ms."""
    world = World()
    world.run(20)
    world.voice.say("PackAllowance", ChargeCurrentAllowed=12.5, ChargeLimitedBy=51)
    world.hear(world.voice.frame("PackAllowance", world.voice.said["PackAllowance"]))
    world.engine.tick(world.now_ns)
    assert world.pack.allowances["charge"].allowed == Cap(12.5, "derate_charge_voltage")
