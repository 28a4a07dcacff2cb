"""Every step passes on a pack that is wired as it should be, and fails on the wiring that it is there to find."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from gateway.commissioning.wired_world import Builder, World, ticking
from twolbms.commissioning.console_bench import ConsoleBench
from twolbms.commissioning.record import begin
from twolbms.commissioning.sensor_steps import BY_LOAD
from twolbms.commissioning.steps import STEPS
from twolbms.commissioning.walk import Walk

NOW = "2026-11-24T12:00:00+00:00"
Run = Callable[..., tuple[str, str]]


@pytest.mark.parametrize("name", [step.name for step in STEPS if step.name != "both"])
def test_a_right_pack_passes(name: str, one_step: Run) -> None:
    """Each step, alone."""
    result, reason = one_step(name, World())
    assert result == "passed", reason


WRONG: dict[str, tuple[str, World, dict[str, Any], str]] = {
    "another pack": ("identity", World(), {"Is this pack": False}, "another pack"),
    "fuse still in": ("identity", World(), {"fuse out": False}, "fuse has to be out"),
    "a welded contactor": ("identity", World(welded={"charge"}), {}, "measured closed although nothing is commanded"),
    "neighbouring wires swapped": ("at_rest", World(wires={3: 4, 4: 3}), {}, "others: cells 3, 4 and 5; two"),
    "a wire on the wrong tap": ("at_rest", World(wires={8: 7}), {}, "cells? .*8"),
    "a pack divider of another pack": ("at_rest", World(pack_error=0.05), {}, "add up to"),
    "two monitors swapped, by wire": ("sense_order", World(channels={1: 5, 2: 6, 3: 7, 4: 8, 5: 1, 6: 2, 7: 3, 8: 4}),
                                      {}, "cells 5 and 6 moved where 1 and 2"),
    "two cells swapped, by load": ("sense_order", World(channels={2: 7, 7: 2}), {"How do you": BY_LOAD},
                                   "cell 7 moved where 2 should have"),
    "a front-end that is off": ("cells", World(gain={3: 0.012}), {}, "more than the 5000 ppm .*: cell 3;"),
    "a meter read wrongly": ("cells", World(), {"across cell 6": 3.35}, "more than the 5000 ppm .*: cell 6;"),
    "calibration not wanted": ("cells", World(gain={3: 0.003}), {"Write the": False}, "was not written"),
    "arming not held for calibration": ("cells", World(gain={3: 0.003}, armed=False), {}, "hold the arming input"),
    "a sensor of another type": ("temperatures", World(sensor_error_k={2: 4.0}), {}, "than the 2.0 K .*: sensor 2;"),
    "sensors swapped": ("sensor_placement", World(sensors={1: 3, 3: 1}), {}, r"sensor 3 rose, not 1 \(between cells 1"),
    "a sensor in the air": ("sensor_placement", World(sensors={4: 9}), {}, r"no sensor rose .* 4 \(between cells 7"),
    "a reversed shunt": ("current", World(shunt=-1.0), {}, "charging reads -10.00 A: .* wrong way round"),
    "another shunt": ("current", World(shunt=0.5), {}, "more than the pack's row allows"),
    "an open shunt wire": ("current", World(shunt=0.0), {}, "no current was seen in the direction of charging"),
    "a drifting sensor": ("current", World(zero_a=3.0), {}, "with nothing flowing"),
    "a current that stays": ("current", World(), {"off the shunt": False}, "a current still flows"),
    "an interlock that is bridged": ("interlock", World(interlock_wired=False), {}, "did not see the interlock open"),
    "an interlock that is open": ("interlock", World(interlock_open=True), {}, "open although nobody opened it"),
    "an emergency stop that is not wired": ("emergency_stop", World(estop_wired=False), {}, "did not see"),
    "an emergency stop that is open": ("emergency_stop", World(estop_open_circuit=True), {}, "reads as pressed"),
    "arming not held at the emergency stop": ("emergency_stop", World(armed=False), {}, "was not refused because of"),
    "a monitor that shows the same for ever": ("sense_order", World(monitor_moves=False), {}, "no cell moved where 1"),
    "a button that is not wired": ("button_and_light", World(button_wired=False), {}, "did not see the clear button"),
    "a button that sticks": ("button_and_light", World(button=True), {}, "although nobody presses it"),
    "a light that is not wired": ("button_and_light", World(light_wired=False), {}, "light did not light"),
    "a forgotten fuse": ("precharge", World(fuse_in=True), {}, "the pack's fuse is in"),
    "swapped contactor coils": ("charge", World(coils={"charge": "discharge", "discharge": "charge"}), {},
                                "the discharge contactor read closed with the charge contactor"),
    "swapped coils and contacts": ("charge", World(coils={"charge": "discharge", "discharge": "charge"},
                                                   contacts={"charge": "discharge", "discharge": "charge"}), {},
                                   "discharge contactor clicked, not the charge contactor"),
    "swapped contacts": ("discharge", World(contacts={"charge": "discharge", "discharge": "charge"}), {},
                         "the charge contactor read closed with the discharge contactor"),
    "a coil without supply": ("charge", World(coils={"charge": ""}), {}, "the charge contactor did not read closed"),
    "a missing contact": ("discharge", World(contacts={"discharge": ""}), {}, "discharge contactor did not read"),
    "no contacts at all": ("charge", World(feedback_known=False), {}, "no auxiliary contact"),
    "a contactor that stays": ("heater", World(welded={"discharge"}), {}, "before anything was switched on"),
    "nothing heard": ("precharge", World(), {"What clicked": "nothing"}, "nothing clicked, not the precharge relay"),
    "arming not held for an output": ("precharge", World(armed=False), {}, "hold the arming input"),
    "a live link": ("precharge", World(link_v=24.0), {}, "24000 mV on the link"),
    "a heater on the precharge": ("heater", World(coils={"heater": "precharge"}), {}, "closed with the heater"),
    "a heater relay without coil": ("heater", World(coils={"heater": ""}), {}, "heater relay did not read"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_pack_fails(wrong: str, one_step: Run) -> None:
    """With a reason that names what to look for."""
    name, world, answers, reason = WRONG[wrong]
    result, told = one_step(name, world, answers)
    assert result == "failed" and re.search(reason, told), told


@pytest.mark.parametrize("name", [step.name for step in STEPS if step.name != "both"])
def test_every_step_can_fail(name: str) -> None:
    """No row of the table is there only to pass."""
    assert any(row[0] == name for row in WRONG.values())



def test_a_node_that_disobeys_the_emergency_stop(bench_of: Callable[..., ConsoleBench]) -> None:
    """Seeing it is not enough: an output that goes on all the same fails the step."""
    world = World()
    bench = bench_of(world)
    bench._console._port.names["Bench"].refusal = lambda *_: None  # type: ignore[attr-defined]
    (step,) = [each for each in STEPS if each.name == "emergency_stop"]
    builder = Builder(world)
    Walk(bench, builder, begin(bench.facts(), [step], "A", "0", NOW), lambda now: None, ticking(), lambda: NOW).run(
        bench.facts(), [step])
    assert builder.verdicts[-1][1] == "failed" and "was not refused" in builder.verdicts[-1][2]
