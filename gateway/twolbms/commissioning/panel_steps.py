"""Steps for identity, loops, button and light: what a person opens, presses and sees."""

from __future__ import annotations

from twolbms.commissioning.conversation import (
    Attempts,
    Read,
    Ready,
    Talk,
    Tell,
    Watch,
    YesNo,
    failed,
    passed,
)
from twolbms.commissioning.readings import Attempt, Facts, Readings

REFUSED_BY_ESTOP = "emergency_stop"  # the node's word


def identity(facts: Facts) -> Talk:
    """The right node, the right pack, and nothing that could flow."""
    if not facts.number or not facts.serial or not facts.sound:
        return failed(f"{facts.reason or 'it has no number or no serial'}: first 2lbms node config --port … --set "
                      "number=1 --set serial=…")
    yield Tell(f"Node {facts.number}, serial {facts.serial}, {facts.board}, firmware {facts.firmware}: "
               f"{facts.cells} cells, {facts.sensors} temperature sensors.")
    if not (yield YesNo(f"Is this pack a {facts.pack}, and is this its serial?")):
        return failed("another pack than the node's image or configuration is for")
    if not (yield YesNo("Is the pack's fuse out, and is everything behind the contactors switched off?")):
        return failed("the fuse has to be out, and the link dead, before anything is tried")
    now: Readings = yield Read(raw=True)
    if now.closed:
        return failed(f"measured closed although nothing is commanded: {', '.join(sorted(now.closed))}")
    return passed(f"node {facts.number}, {facts.serial}, {facts.pack}, limits {facts.limit_hash}", pack=facts.pack)


def interlock(facts: Facts) -> Talk:
    """The node sees the loop open and close."""
    now: Readings = yield Read()
    if not now.interlock_closed:
        return failed("the interlock loop is open although nobody opened it: a connector or a cover")
    if (yield Watch("Open the interlock: pull its connector, or open the cover.", _interlock_open)) is None:
        return failed("the node did not see the interlock open: it is bridged, or not wired to the node")
    if (yield Watch("Close it again.", _interlock_closed)) is None:
        return failed("the interlock stayed open")
    return passed("seen open and closed")


def _interlock_open(now: Readings) -> bool:
    return not now.interlock_closed


def _interlock_closed(now: Readings) -> bool:
    return now.interlock_closed


def emergency_stop(facts: Facts) -> Talk:
    """The node sees it pressed, and then switches nothing on."""
    now: Readings = yield Read()
    if not now.estop_closed:
        return failed("the emergency stop reads as pressed although it is not: its loop is open")
    if (yield Watch("Press the emergency stop, and leave it pressed.", _estop_pressed)) is None:
        return failed("the node did not see the emergency stop: it is bridged, or not wired to the node")
    yield Ready("Hold the arming input: the node is now asked to switch the precharge relay on, and must not.")
    tried: Attempt = yield Attempts("precharge")
    if tried.why != REFUSED_BY_ESTOP:
        return failed("an output was not refused because of the emergency stop "
                      f"({tried.refused or tried.stopped or 'it went on'})", on=sorted(tried.on))
    if (yield Watch("Release the emergency stop.", _estop_released)) is None:
        return failed("the emergency stop stayed pressed for the node")
    return passed("seen pressed, nothing went on, seen released")


def _estop_pressed(now: Readings) -> bool:
    return not now.estop_closed


def _estop_released(now: Readings) -> bool:
    return now.estop_closed


def button_and_light(facts: Facts) -> Talk:
    """The light lights, the clear button is seen pressed and released."""
    yield Ready("Look at the status light: it will be on for a second.")
    yield Attempts("light")
    if not (yield YesNo("Was it on for a second, and dark before and after?")):
        return failed("the status light did not light as commanded")
    now: Readings = yield Read()
    if now.clear_pressed:
        return failed("the clear button reads as pressed although nobody presses it")
    if (yield Watch("Press the clear button, and keep it pressed.", _button_pressed)) is None:
        return failed("the node did not see the clear button")
    if (yield Watch("Let go.", _button_released)) is None:
        return failed("the clear button stayed pressed for the node")
    return passed("light and button work")


def _button_pressed(now: Readings) -> bool:
    return now.clear_pressed


def _button_released(now: Readings) -> bool:
    return not now.clear_pressed
