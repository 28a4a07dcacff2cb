"""What a node is asked and when: twice where it counts so, again without an answer, and never against a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from twolbms.battery.requests import Authority
from twolbms.engine import Wish
from voices.listening import World, setup
from voices.node_voice import BusFrame

ACCEPTED, HOLD_RUNNING, LATCHED, SEND_TWICE = 0, 2, 3, 5  # NodeAnswer.Answer of dbc/node.dbc
CLOSE, CLEAR, OPEN = 2, 5, 1  # NodeRequest.Request
NUMBERS = {"Open": OPEN, "Close": CLOSE, "Clear": CLEAR}


def node_like(world: World, final: int = ACCEPTED, hold_s: float = 0.0,
              done: Callable[[str], None] | None = None) -> Callable[[str, dict[str, Any]], Iterable[BusFrame]]:
    """A node that answers as the firmware does: a close or clear counts only as the second of a pair."""
    first: dict[str, int] = {}

    def answer(pack: str, request: dict[str, Any]) -> list[BusFrame]:
        what, voice = request["Request"], world.voices[pack]
        if what == "Allowance":
            return [voice.answer(3, request["RequestNumber"], ACCEPTED)]
        result = ACCEPTED if what == "Open" else final
        if what in ("Close", "Clear"):
            second = (request["Counter"] - first.pop(what, 99)) % 15 == 1
            if not second:
                first[what] = request["Counter"]
                result = SEND_TWICE
        if result == ACCEPTED and done is not None:
            done(what)
        return [voice.answer(NUMBERS[what], request["RequestNumber"], result, hold_s=hold_s)]

    return answer


def opened(**options: Any) -> World:
    """One pack that rests open, heard for 2 s."""
    world = World(setup(**options))
    world.voice.open()
    world.run(2)
    return world


def obedient(world: World) -> None:
    """The node does what it accepts."""
    voice = world.voice
    world.answering = node_like(world, done=lambda what: {"Open": voice.open, "Close": voice.close}.get(
        what, lambda: None)())


@pytest.mark.parametrize("what", ["close", "clear"])
def test_close_and_clear_go_out_twice(what: str) -> None:
    """Two frames with consecutive counters, the same number and nothing between them; then the node's answer holds."""
    world = opened()
    obedient(world)
    ticket = world.engine.ask("north", what, "Ann", world.now_ns)
    world.run(0.2)
    pair = world.requests(what.capitalize())
    assert len(pair) == 2
    assert (pair[1]["Counter"] - pair[0]["Counter"]) % 15 == 1
    assert pair[0]["RequestNumber"] == pair[1]["RequestNumber"]
    assert ticket.accepted is True
    assert world.kept.texts("request", "answer") == [f"Ann asks for {what}", f"{what} asked by Ann: accepted"]


def test_a_clear_of_one_limit() -> None:
    """A clear may name the one limit that is meant; without a name it means all."""
    world = opened()
    world.engine.ask("north", "clear", "Ann", world.now_ns, Wish(limit="interlock"))
    world.run(0.1)
    assert world.requests("Clear")[0]["RequestLimit"] == "Interlock"
    world.engine.ask("north", "clear", "Ann", world.now_ns)
    world.run(0.1)
    assert world.requests("Clear")[-1]["RequestLimit"] == "NotAvailable"


def test_an_open_goes_out_once_and_is_done_when_measured() -> None:
    """Open needs no pair; the person is told "open" when the paths are measured open, not when the node says yes."""
    world = World()
    world.run(2)
    world.answering = node_like(world)
    ticket = world.engine.ask("north", "open", "Ann", world.now_ns)
    world.run(0.5)
    assert len(world.requests("Open")) == 1
    assert ticket.accepted is None
    world.voice.open(reason=53)
    world.run(0.3)
    assert ticket.accepted is True
    assert world.kept.texts("opened") == ["opened: asked by Ann"]


def test_without_an_answer_a_request_is_repeated_and_ends() -> None:
    """A close nobody answers goes out again after 1, 2, 4 and 8 s, and is given up after 30 s."""
    world = opened()
    start_ns = world.now_ns
    ticket = world.engine.ask("north", "close", "Ann", start_ns)
    world.run(31)
    sent = [round((at - start_ns) / 1e9) for at, frame in world.sent if frame.can_id >> 8 & 0xFF == 0x81
            and frame.data[0] & 0x0F == CLOSE]
    assert sent == [0, 0, 1, 1, 3, 3, 7, 7, 15, 15, 23, 23]
    assert ticket.accepted is False
    assert world.kept.texts("answer") == ["close asked by Ann: no answer from the node"]


def test_an_open_without_an_answer_never_ends() -> None:
    """A requested open is repeated each second until the pack is measured open, however long that takes."""
    world = World()
    world.run(2)
    world.engine.ask("north", "open", "Ann", world.now_ns)
    world.run(60)
    assert 58 <= len(world.requests("Open")) <= 61
    assert "asked to open, but measured closed" in world.kept.texts("alarm")


def test_a_refusal_is_told_in_words() -> None:
    """The node's reason, the limit and the time to go reach the person."""
    world = opened()
    world.answering = node_like(world, final=HOLD_RUNNING, hold_s=12.0)
    ticket = world.engine.ask("north", "clear", "Ann", world.now_ns)
    world.run(0.1)
    assert ticket.accepted is False
    assert world.kept.told("answer")[-1].data == {
        "what": "clear", "by": "Ann", "accepted": False, "answer": "hold_running", "limit": None, "hold_s": 12.0,
        "text": "clear asked by Ann: refused: the hold time is still running, 12 s to go"}


# Why a person's close is refused by the gateway itself: (what is wrong with the pack, words)
HINDRANCES: dict[str, tuple[Callable[[World], None], str]] = {
    "silent": (lambda w: w.run(6, silent=["north"]), "silent"),
    "stale": (lambda w: w.run(1.5, silent=["north"]), "not fresh"),
    "latched": (lambda w: w.voice.faults.update({3: {"Interlock"}}) or w.run(0.5), "interlock is latched"),
    "other limits": (lambda w: w.voice.info.update(LimitHashLow=1) or w.run(11), "other limits"),
}


@pytest.mark.parametrize(("spoil", "words"), HINDRANCES.values(), ids=HINDRANCES.keys())
def test_no_close_is_asked(spoil: Callable[[World], None], words: str) -> None:
    """A pack that is silent, stale, latched or holds other limits is not asked to close, by nobody."""
    world = opened(keep_closed=True)
    world.answering = node_like(world, final=LATCHED)
    spoil(world)
    before = len(world.requests("Close"))
    ticket = world.engine.ask("north", "close", "Ann", world.now_ns)
    world.run(0.5, silent=["north"])
    assert ticket.accepted is False
    assert words in (ticket.note or "")
    assert len(world.requests("Close")) == before


def test_a_pack_that_is_kept_closed_is_asked_to() -> None:
    """The gateway asks an open pack of the site to close once it knows enough of it, and not before."""
    world = World(setup(keep_closed=True))
    world.voice.open()
    obedient(world)
    world.run(0.3)
    assert world.requests("Close") == []  # the fault pages are not all heard yet
    world.run(1)
    assert len(world.requests("Close")) == 2
    assert world.snapshot()["paths"]["charge"] == "closed"
    world.run(10)
    assert len(world.requests("Close")) == 2
    assert world.kept.texts("closed") == ["closed: asked by gateway"]


def test_a_pack_nobody_keeps_closed_is_left_alone() -> None:
    """Without keep_closed the gateway asks for nothing but allowances."""
    world = opened()
    world.run(20)
    assert {request["Request"] for request in world.requests()} == {"Allowance"}


def test_the_gateways_own_close_backs_off() -> None:
    """Refused again and again it asks less and less often, and journals the same refusal once."""
    world = opened(keep_closed=True)
    world.answering = node_like(world, final=LATCHED)
    world.run(180)
    assert 6 <= len(world.requests("Close")) / 2 <= 8  # at 0, 5, 15, 35, 75, 135 s and so on
    assert len(world.kept.told("answer")) == 1


def test_a_persons_open_holds_until_a_persons_close() -> None:
    """keep_closed does not override a person's open; the site controller cannot end it either, a person can."""
    world = World(setup(keep_closed=True))
    obedient(world)
    world.run(2)
    world.engine.ask("north", "open", "Ann", world.now_ns)
    world.run(120)
    assert world.snapshot()["paths"]["charge"] == "open"
    assert world.requests("Close") == []
    refused = world.engine.ask("north", "close", "controller", world.now_ns, authority=Authority.SITE)
    assert refused.accepted is False
    assert "Ann asked for open" in (refused.note or "")
    world.engine.ask("north", "close", "Bob", world.now_ns)
    world.run(0.5)
    assert world.snapshot()["paths"]["charge"] == "closed"


def test_a_node_that_reboots_is_told_again_to_stay_open() -> None:
    """A node that could close alone after its boot hears the standing open within one cycle."""
    world = World()
    obedient(world)
    world.run(2)
    world.engine.ask("north", "open", "Ann", world.now_ns)
    world.run(3)
    before = len(world.requests("Open"))
    world.voice.say("NodeCharge", BootId=9)
    world.hear(world.voice.frame("NodeCharge", world.voice.said["NodeCharge"]))
    world.run(0.1)
    assert len(world.requests("Open")) == before + 1


def test_a_hold_survives_the_gateway() -> None:
    """A new run that is given the last mark goes on holding the pack open."""
    world = World(setup(keep_closed=True))
    obedient(world)
    world.run(2)
    world.engine.ask("north", "open", "Ann", world.now_ns)
    mark = world.kept.told("mark")[-1].data
    later = World(setup(keep_closed=True))
    later.voice.open()
    obedient(later)
    later.engine.restore({"north": (mark, 30.0)}, later.now_ns)
    later.run(30)
    assert later.requests("Close") == []
    assert later.requests("Open")
    assert later.snapshot()["requests"]["held_open_by"] == "Ann"


def test_an_open_ends_a_close_under_way() -> None:
    """Who asks for open while a close is tried gets the open, and the close is not sent again."""
    world = opened()
    close = world.engine.ask("north", "close", "Ann", world.now_ns)
    world.run(0.1)
    world.engine.ask("north", "open", "Bob", world.now_ns)
    world.run(20)
    assert close.accepted is False
    assert len(world.requests("Close")) == 2


def test_the_allowance_is_asked_each_second() -> None:
    """Each second the node is asked for the gateway's own reckoning, which is no higher than ratings allow."""
    world = World()
    world.run(30)
    asked = world.requests("Allowance")
    assert 29 <= len(asked) <= 30
    last = asked[-1]
    assert (last["ChargeCurrentAsked"], last["DischargeCurrentAsked"]) == (196.0, 200.0)  # derated at 24 degC


# (what, details, words of the refusal)
NONSENSE = [("dance", Wish(), "cannot ask for 'dance'"), ("allowance", Wish(), "names a charge or a discharge"),
            ("allowance", Wish(charge_a=-1.0), "0 A or more"),
            ("allowance", Wish(charge_a=float("nan")), "0 A or more"),
            ("clear", Wish(limit="bad luck"), "no limit 'bad luck'"), ("confirm-open", Wish(), "is heard")]


@pytest.mark.parametrize(("what", "wish", "words"), NONSENSE)
def test_nonsense_is_refused_in_words(what: str, wish: Wish, words: str) -> None:
    """What cannot be asked is refused at once, with what could be."""
    world = opened()
    ticket = world.engine.ask("north", what, "Ann", world.now_ns, wish)
    assert ticket.accepted is False
    assert words in (ticket.note or "")
