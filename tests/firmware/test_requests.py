"""Heartbeats and requests: what counts, what does not, and what silence does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from generated import codec
from hypothesis import given, settings
from hypothesis import strategies as st
from node.protect import Protect
from node.requests import Requests

from twolbms.wire import check_of

NODE, NONE, ALL = 1, 0xFFF, 63


class Rig:
    """Requests with a contactor that accepts everything and a report that remembers the answers."""

    def __init__(self, lfp: Any) -> None:
        self.requests = Requests(lfp, NODE)
        self.protect = Protect(lfp)
        self.closes = self.opens = 0
        self.answers: list[tuple[int, ...]] = []
        self.contactor = SimpleNamespace(close=self._close, request_open=self._open, open_requested=False)
        self.report = SimpleNamespace(answer=lambda *told: self.answers.append(told))

    def _close(self, m: Any, protect: Any) -> int:
        self.closes += 1
        return codec.ANSWER_ACCEPTED

    def _open(self) -> None:
        self.opens += 1

    def cycles(self, count: int) -> Rig:
        for _ in range(count):
            self.requests.step(1)
        return self

    def hear(self, can_id: int, data: bytes) -> None:
        self.requests.frame(can_id, data, self.protect, self.contactor, None, self.report)

    def beat(self, counter: int, damage: int = 0) -> Rig:
        d = bytearray((1, 0, 0, 0, 0, 0, counter, 0))
        d[7] = check_of(codec.ID_GATEWAY_HEARTBEAT, d) ^ damage
        self.hear(codec.ID_GATEWAY_HEARTBEAT, d)
        return self

    def ask(self, what: int, counter: int, charge: int = NONE, discharge: int = NONE, limit: int = ALL) -> int:
        """The answer to a request, -1 when there is none."""
        value = what | charge << 12 | discharge << 24 | limit << 36 | 3 << 42 | counter << 48
        d = bytearray(value.to_bytes(8, "little"))
        d[7] = check_of(codec.ID_NODE_REQUEST | NODE, d)
        before = len(self.answers)
        self.hear(codec.ID_NODE_REQUEST | NODE, d)
        return self.answers[-1][2] if len(self.answers) > before else -1


@pytest.mark.parametrize("first, wait, second, closes", [
    ((2, 3), 0, (2, 4), 1), ((2, 14), 20, (2, 0), 1), ((2, 3), 21, (2, 4), 0), ((2, 3), 1, (2, 5), 0),
    ((2, 4), 1, (2, 3), 0), ((2, 3), 1, (2, 3), 0), ((5, 3), 1, (2, 4), 0), ((2, 14), 1, (2, 15), 0)])
def test_close_counts_only_in_pairs(lfp: Any, first: Any, wait: int, second: Any, closes: int) -> None:
    """Two closes with consecutive counters within 2 s close once; anything else closes nothing."""
    rig = Rig(lfp)
    rig.ask(*first)
    rig.cycles(wait).ask(*second)
    assert rig.closes == closes


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 4, 5]), st.integers(0, 15), st.integers(0, 30)), max_size=30))
def test_no_series_of_single_frames_closes(frames: list[tuple[int, int, int]]) -> None:
    """Whatever arrives, a close happens only in the frame after an equal one with the counter before it."""
    from generated import limits_lfp_8s_320ah
    rig, previous = Rig(limits_lfp_8s_320ah), (0, 99)
    for what, counter, wait in frames:
        before = rig.closes
        answered = rig.cycles(wait).ask(what, counter) >= 0
        if rig.closes > before:
            assert what == 2 and previous[0] == 2 and counter == (previous[1] + 1) % 15
        if answered:
            previous = (what, counter)


def test_an_open_needs_no_second_frame(lfp: Any) -> None:
    """One sound frame opens, whatever counter came before: a gateway that has restarted counts anew."""
    rig = Rig(lfp)
    assert rig.ask(codec.REQUEST_ALLOWANCE, 7) == codec.ANSWER_ACCEPTED
    assert rig.ask(codec.REQUEST_ALLOWANCE, 7) == -1
    assert rig.ask(codec.REQUEST_OPEN, 7) == codec.ANSWER_ACCEPTED and rig.opens == 1
    assert rig.ask(codec.REQUEST_OPEN, 15) == -1 and rig.opens == 1


def test_silence_caps_after_ten_seconds_and_only_a_request_lifts_it(lfp: Any) -> None:
    """100 silent cycles are allowed; after one more the cap holds through any number of heartbeats."""
    rig = Rig(lfp)
    rig.ask(codec.REQUEST_ALLOWANCE, 0, charge=40)
    assert not rig.cycles(100).requests.silent_cap and rig.requests.charge_ma == 10_000
    assert rig.cycles(1).requests.silent_cap
    for counter in range(15):
        rig.beat(counter).cycles(2)
    assert rig.requests.silent_cap and rig.requests.silent == 2
    rig.ask(codec.REQUEST_ALLOWANCE, 1)
    assert not rig.requests.silent_cap


def test_balancing_needs_a_living_gateway(lfp: Any) -> None:
    """Balancing is allowed for 1.0 s after a heartbeat that allows it."""
    rig = Rig(lfp).beat(0)
    assert rig.cycles(10).requests.balancing() and not rig.cycles(1).requests.balancing()


@pytest.mark.parametrize("counters, alive", [([1, 2], True), ([1, 4], True), ([13, 1], True), ([1, 5], False),
                                             ([1, 1], False), ([2, 1], False), ([1, 15], False), ([1, 5, 6], True)])
def test_a_heartbeat_counts_when_its_counter_goes_on(lfp: Any, counters: list[int], alive: bool) -> None:
    """Steps of one to three are a living gateway with lost frames; anything else waits for two in order."""
    rig = Rig(lfp).beat(counters[0]).cycles(5)
    for counter in counters[1:]:
        rig.beat(counter)
    assert (rig.requests.silent == 0) is alive


def test_damaged_frames_are_no_sign_of_life(lfp: Any) -> None:
    """A wrong checksum, another node's request and an unknown id change nothing."""
    rig = Rig(lfp).cycles(1)
    silent = rig.requests.silent
    rig.beat(3, damage=1).hear(codec.ID_NODE_REQUEST | 2, bytes(8))
    rig.hear(0x0CFF1001, bytes(8))
    assert rig.requests.silent == silent and not rig.answers


@settings(deadline=None)
@given(st.integers(0, (1 << 29) - 1) | st.sampled_from([codec.ID_GATEWAY_HEARTBEAT, codec.ID_NODE_REQUEST | NODE]),
       st.binary(min_size=8, max_size=8), st.booleans())
def test_no_frame_crashes_the_node(can_id: int, data: bytes, seal: bool) -> None:
    """Any eight bytes under any id, with a right checksum too, are obeyed, answered or ignored."""
    from generated import limits_lfp_8s_320ah
    d = bytearray(data)
    if seal:
        d[7] = check_of(can_id, d)
    Rig(limits_lfp_8s_320ah).hear(can_id, d)


def test_a_clear_of_all_leaves_what_does_not_latch(lfp: Any) -> None:
    """A cold pack, which only waits to be warm, does not stand in the way of clearing a latch."""
    rig = Rig(lfp)
    rig.protect.state[5], rig.protect.state[0] = 1, 3
    rig.ask(codec.REQUEST_CLEAR, 1)
    assert rig.ask(codec.REQUEST_CLEAR, 2) == codec.ANSWER_ACCEPTED
    assert (rig.protect.state[0], rig.protect.state[5]) == (0, 1)
