"""The table of steps, in the order in which a builder walks through them. docs/commissioning.md follows it."""

from __future__ import annotations

from twolbms.commissioning import meter_steps, panel_steps, sensor_steps
from twolbms.commissioning.conversation import Step
from twolbms.commissioning.output_steps import output_step
from twolbms.commissioning.readings import Facts

_EARS = "arming jumper, fuse out, ears"

STEPS: tuple[Step, ...] = (
    Step("identity", "The right node on the right pack", "serial number plate",
         "a node that was configured for another pack, a fuse that is still in", panel_steps.identity, gate=True),
    Step("at_rest", "Everything measured at rest", "nothing but patience",
         "missing, implausible and swapped sense wires, open sensors, a divider of another pack", sensor_steps.at_rest),
    Step("sense_order", "Order of the sense wires", "insulated pliers, or a load or charger for one cell",
         "wires, connectors or monitors in another order than the cells", sensor_steps.sense_order),
    Step("cells", "Cell voltages by the meter", "multimeter with 1 mV, arming jumper",
         "a front-end or divider that is off; corrects what lies within the pack's row", meter_steps.cell_voltages),
    Step("temperatures", "Temperatures by the thermometer", "thermometer, arming jumper, a pack at rest for hours",
         "sensors of another type, bad contacts; corrects what lies within the pack's row", meter_steps.temperatures),
    Step("sensor_placement", "Places of the temperature sensors", "a warm hand",
         "sensors at each other's place", sensor_steps.sensor_placement),
    Step("current", "Direction and size of the current", "supply and load of 2 A or more, ammeter or clamp",
         "a shunt the wrong way round, of another value, or with an open wire", meter_steps.current),
    Step("interlock", "Interlock", "access to its connector or cover",
         "a loop that is bridged or does not reach the node", panel_steps.interlock,
         lambda facts: "interlock" not in facts.not_fitted),
    Step("emergency_stop", "Emergency stop", "arming jumper",
         "a stop that is bridged or does not reach the node; outputs that go on all the same",
         panel_steps.emergency_stop, lambda facts: "emergency_stop" not in facts.not_fitted),
    Step("button_and_light", "Clear button and status light", "eyes",
         "a button or light that is not connected", panel_steps.button_and_light),
    output_step("precharge", _EARS, "a relay on another output, a fuse that is still in; goes before the contactors"),
    output_step("charge", _EARS, "swapped coils, swapped or missing auxiliary contacts"),
    output_step("discharge", _EARS, "swapped coils, swapped or missing auxiliary contacts"),
    output_step("both", _EARS, "coils without supply, missing contacts, where one output switches both contactors"),
    output_step("heater", "arming jumper, ears", "a relay on another output, a contact that does not follow"),
)


def steps_for(facts: Facts) -> list[Step]:
    """The rows that this node has to pass, in order."""
    return [step for step in STEPS if step.applies(facts)]
