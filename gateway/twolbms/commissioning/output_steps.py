"""Steps for the outputs, one at a time for a second, with the pack's fuse out: what clicks, and what its contact says.

The precharge relay comes first: through its resistor a forgotten fuse does no harm, and the node lets no contactor be
tried before.
"""

from __future__ import annotations

from functools import partial

from twolbms.commissioning.conversation import Attempts, Choice, Read, Ready, Step, Talk, failed, passed
from twolbms.commissioning.readings import Attempt, Facts, Readings

NOTHING = "nothing"
PRECHARGE_FIRST = "precharge_first"  # the node's word: none was tried since it came into service
_TITLES = {"precharge": "The precharge relay", "charge": "The charge path", "discharge": "The discharge path",
           "both": "Both paths at once", "heater": "The heater relay"}
SEEN = {"both": frozenset({"charge", "discharge"})}  # what must be measured closed, where it is not the name itself
_WHY_STOPPED = {
    "fuse_in": "the link came up or a current flowed: the pack's fuse is in, or something feeds the link",
    "not_armed": "the arming input was let go",
    "emergency_stop": "the emergency stop was pressed",
    "unknown_reading": "the link's voltage or the current became unknown",
    "no_readings": "the board gave no more readings",
}


def one_output(which: str, facts: Facts) -> Talk:
    """It alone goes on, its own contact follows and no other, and it goes off again."""
    name, audible = facts.output(which), which not in facts.silent_outputs
    now: Readings = yield Read()
    if which != "heater" and not now.feedback_known:
        return failed(f"no auxiliary contact of the {name} is read: the node could not tell a welded one")
    dead = "" if which == "heater" else "Fuse out, link dead. "
    goes = "go" if name.endswith("s") else "goes"
    yield Ready(f"{dead}Hold the arming input{' and listen' if audible else ''}: the {name} {goes} on for a second.")
    tried: Attempt = yield Attempts(which)
    if tried.why == PRECHARGE_FIRST:
        yield Ready("The node wants to see the precharge relay first, once more. Then comes the one to listen to.")
        before: Attempt = yield Attempts("precharge")
        if before.refused or before.stopped:
            return failed(f"precharge: {before.refused or _WHY_STOPPED.get(before.stopped, before.stopped)}")
        yield Ready(f"Now the {name}.")
        tried = yield Attempts(which)
    measured = {"before": sorted(tried.before), "on": sorted(tried.on), "after": sorted(tried.after),
                "link_v": tried.link_v, "current_a": tried.current_a}
    if tried.refused:
        return failed(f"the node does not try it: {tried.refused}")
    if trouble := _contacts(which, tried, facts):
        return failed(trouble, **measured)
    if audible:
        names = [facts.output(each) for each in facts.outputs if each not in facts.silent_outputs | {"light"}]
        heard: str = yield Choice("What clicked?", (*names, NOTHING))
        if heard != name:
            return failed(f"{heard} clicked, not the {name}: the coil is on another output, or not connected",
                          heard=heard, **measured)
    return passed("on, measured closed alone, off again", **measured)


def _contacts(which: str, tried: Attempt, facts: Facts) -> str:
    """What is wrong with what was measured closed, or ""."""
    name, own = facts.output(which), SEEN.get(which, frozenset({which}))
    if tried.before:
        return f"measured closed before anything was switched on: {_named(tried.before, facts)}"
    if tried.stopped:
        return _WHY_STOPPED.get(tried.stopped, tried.stopped)
    if others := tried.on - own:
        return f"the {_named(others, facts)} read closed with the {name}: contacts or coils are swapped"
    if missing := own - tried.on:
        return (f"the {_named(missing, facts)} did not read closed: coil or gate without supply, a contact that is "
                "wired the wrong way, or no contact")
    if tried.after:
        return f"still measured closed after switching off: {_named(tried.after, facts)}"
    return ""


def _named(outputs: frozenset[str], facts: Facts) -> str:
    return " and ".join(facts.output(each) for each in sorted(outputs))


def output_step(which: str, needs: str, about: str) -> Step:
    """The row of the table for one output."""
    return Step(which, _TITLES[which], needs, about, partial(one_output, which),
                lambda facts: which in facts.outputs)
