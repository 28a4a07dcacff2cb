"""The bars: precharge curve, charger and load inside their ranges, allowances, two packs on one link."""

from __future__ import annotations

import math

import pytest

from twolbms.sim.link import Link, LinkParameters
from twolbms.sim.pack_plant import OutputKind, Outputs, PackParameters, PackPlant
from twolbms.sim.profile import Profile

CLOSED = Outputs(charge=True, discharge=True)
BARS = LinkParameters(charger_v=28.4, capacitance_f=10e-3, bleed_ohm=10_000.0)


def make_plant(outputs: OutputKind = "common", soc: float = 0.5, **options: float) -> PackPlant:
    return PackPlant(PackParameters(cells=8, capacity_ah=320, initial_soc=soc, outputs=outputs, **options))


def make_link(*plants: PackPlant, parameters: LinkParameters = BARS) -> Link:
    link = Link(parameters)
    link.packs.extend(plants)
    return link


def run(link: Link, seconds: float, step_s: float = 0.1) -> None:
    for step in range(round(seconds / step_s)):
        link.step((step + 1) * step_s, step_s)


def test_precharge_curve() -> None:
    """Through 47 Ω a capacitor of 10 mF rises to 63 % of the pack after 0.47 s and to 99 % after 2.2 s."""
    plant = make_plant()
    link = make_link(plant)
    plant.outputs = Outputs(precharge=True)
    share = {}
    for step in range(1, 301):
        link.step(step * 0.01, 0.01)
        share[step] = link.bar_v / plant.emf_v
    for step in (10, 47, 94, 141, 220):
        assert share[step] == pytest.approx(1 - math.exp(-step / 47), abs=0.006)
    assert share[300] == pytest.approx(0.995 * (1 - math.exp(-300 / 47)), abs=1e-3)  # the bleed holds it lower


def test_precharge_current_charges_the_capacitor() -> None:
    """The charge that the pack gave is that of the capacitor and of the bleed resistor."""
    plant = make_plant()
    link = make_link(plant)
    plant.outputs = Outputs(precharge=True)
    run(link, 0.5)
    assert plant.charge_out_as == pytest.approx(10e-3 * link.bar_v, rel=0.02)
    assert plant.peak_a == pytest.approx(26.464 / 47, rel=0.01)


def test_precharge_curve_in_cycles() -> None:
    """In steps of a node's cycle the curve is the same: the step is solved, not approximated."""
    plant = make_plant()
    link = make_link(plant)
    plant.outputs = Outputs(precharge=True)
    run(link, 0.5)
    assert link.bar_v / plant.emf_v == pytest.approx((1 - math.exp(-0.5 / 0.47)) * 10_000 / 10_047, rel=0.003)


def test_closing_without_precharge_is_seen() -> None:
    """A contactor closed on an empty capacitor leaves a peak of thousands of amperes in the truth."""
    plant = make_plant()
    plant.outputs = CLOSED
    run(make_link(plant), 0.1)
    assert plant.peak_a > 5000


def test_open_pack_carries_nothing() -> None:
    """With all paths open no request makes a current."""
    for current_a in (50.0, -50.0):
        plant = make_plant()
        link = make_link(plant)
        link.ask(Profile.constant(current_a), 0.0)
        run(link, 2.0)
        assert (plant.current_a, plant.charge_in_as, plant.charge_out_as) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("current_a", [60.0, -60.0])
def test_requested_current_flows(current_a: float) -> None:
    """A closed pack carries the wanted current, less the few milliamperes of the bleed resistor."""
    plant = make_plant()
    plant.outputs = CLOSED
    link = make_link(plant)
    link.ask(Profile.constant(current_a), 0.0)
    run(link, 2.0)
    assert plant.current_a == pytest.approx(current_a, abs=0.01)


@pytest.mark.parametrize(("wanted_a", "obeys", "flows_a"), [
    (80.0, True, 30.0), (-80.0, True, -40.0), (20.0, True, 20.0), (80.0, False, 80.0), (-80.0, False, -80.0)])
def test_allowances(wanted_a: float, obeys: bool, flows_a: float) -> None:
    """Charger and load keep to the allowances, unless the story has them disobey."""
    plant = make_plant()
    plant.outputs = CLOSED
    link = make_link(plant)
    link.charge_allowed_a, link.discharge_allowed_a, link.obeys = 30.0, 40.0, obeys
    link.ask(Profile.constant(wanted_a), 0.0)
    run(link, 1.0)
    assert plant.current_a == pytest.approx(flows_a, abs=0.01)


def test_charger_holds_its_voltage() -> None:
    """Near full the current falls so that the bars stay at the charger's voltage, and never reverses."""
    plant = make_plant(soc=0.97)
    plant.outputs = CLOSED
    link = make_link(plant)
    link.ask(Profile.constant(100.0), 0.0)
    currents = []
    for step in range(20_000):
        link.step(step * 1.0, 1.0)
        currents.append(plant.current_a)
    assert link.bar_v == pytest.approx(28.4, abs=0.001)
    assert currents[1] == pytest.approx(100.0, abs=0.1)
    assert 0 <= currents[-1] < 2
    assert plant.emf_v == pytest.approx(28.4, abs=0.01)


def test_charger_without_battery() -> None:
    """With the pack open a charger holds the bars at its voltage and shows that it is there."""
    link = make_link(make_plant())
    link.ask(Profile.constant(10.0), 0.0)
    run(link, 0.1)
    assert (link.charger_on, link.bar_v) == (True, 28.4)
    link.charger_present = False
    run(link, 0.1)
    assert not link.charger_on


def test_absent_charger_gives_nothing() -> None:
    """A wanted charge current needs a charger."""
    plant = make_plant()
    plant.outputs = CLOSED
    link = make_link(plant)
    link.charger_present = False
    link.ask(Profile.constant(10.0), 0.0)
    run(link, 1.0)
    assert plant.current_a == pytest.approx(0.0, abs=0.01)


def test_load_empties_open_bars() -> None:
    """When the paths open under load the bars fall at once; without load only the bleed resistor empties them."""
    for wanted_a, low, high in ((-20.0, 0.0, 1.0), (0.0, 26.0, 26.5)):
        plant = make_plant()
        plant.outputs = CLOSED
        link = make_link(plant)
        link.ask(Profile.constant(wanted_a), 0.0)
        run(link, 1.0)
        plant.outputs = Outputs()
        run(link, 0.3)
        assert low <= link.bar_v <= high


@pytest.mark.parametrize(("outputs", "commanded", "wanted_a", "flows_a"), [
    ("fets", Outputs(charge=True), 30.0, 30.0), ("fets", Outputs(charge=True), -30.0, 0.0),
    ("fets", Outputs(discharge=True), -30.0, -30.0), ("fets", Outputs(discharge=True), 30.0, 0.0),
    ("separate_ports", Outputs(charge=True), -30.0, 0.0), ("separate_ports", Outputs(discharge=True), -30.0, -30.0),
    ("common", Outputs(charge=True), -30.0, -30.0), ("common", Outputs(discharge=True), 30.0, 30.0),
])
def test_paths_by_kind(outputs: OutputKind, commanded: Outputs, wanted_a: float, flows_a: float) -> None:
    """FETs and separate ports block one direction alone; a common contactor cannot."""
    plant = make_plant(outputs)
    plant.outputs = commanded
    link = make_link(plant)
    link.ask(Profile.constant(wanted_a), 0.0)
    run(link, 1.0)
    assert plant.current_a == pytest.approx(flows_a, abs=0.01)


@pytest.mark.parametrize(("one_path", "current_a", "drop_v"), [
    (Outputs(discharge=True), -30.0, 0.7), (Outputs(charge=True), 30.0, -0.7)])
def test_body_diode_costs_its_voltage(one_path: Outputs, current_a: float, drop_v: float) -> None:
    """A current through the body diode of the other FET costs 0.7 V at the bars, in both directions."""
    bars = []
    for commanded in (CLOSED, one_path):
        plant = make_plant("fets")
        plant.outputs = commanded
        link = make_link(plant)
        link.ask(Profile.constant(current_a), 0.0)
        run(link, 1.0)
        bars.append(link.bar_v)
    assert bars[0] - bars[1] == pytest.approx(drop_v, abs=0.001)


def test_two_packs_on_one_link() -> None:
    """A fuller pack charges an emptier one when both close, and a load is shared."""
    full, empty = make_plant(soc=0.9), make_plant(soc=0.3)
    full.outputs = empty.outputs = CLOSED
    link = make_link(full, empty)
    run(link, 0.2)
    difference_a = (full.emf_v - empty.emf_v) / (2 * (8 * 0.30e-3 * 1.1 + 0.5e-3))  # 1.1: at 20 °C
    assert empty.current_a == pytest.approx(difference_a, rel=0.03)
    link.ask(Profile.constant(-300.0), 0.0)
    run(link, 0.2)
    assert full.current_a + empty.current_a == pytest.approx(-300.0, abs=0.01)
    assert full.current_a < empty.current_a


def test_charge_is_conserved_over_the_link() -> None:
    """What the charger gives is in the cells, the capacitor and the bleed resistor: nothing appears or is lost."""
    plants = (make_plant(soc=0.4), make_plant(soc=0.41))
    link = make_link(*plants)
    for plant in plants:
        plant.outputs = CLOSED
    given_as = 0.0
    link.ask(Profile([(0.0, 90.0), (30.0, -150.0), (60.0, 0.0)]), 0.0)
    bled_as = 0.0
    for step in range(900):
        link.step((step + 1) * 0.1, 0.1)
        given_as += link.current_a * 0.1
        bled_as += link.bar_v / 10_000 * 0.1
    taken_as = sum(plant.charge_in_as - plant.charge_out_as for plant in plants)
    assert given_as == pytest.approx(90 * 30 - 150 * 30, abs=30)
    assert taken_as == pytest.approx(given_as - bled_as - 10e-3 * link.bar_v, abs=0.05)
