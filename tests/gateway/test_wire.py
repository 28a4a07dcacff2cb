"""End-to-end protection: what a damaged, repeated, lost or foreign frame does."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolbms.contract import node_contract
from twolbms.wire import Receiver, Sender, Verdict, crc8, crc_start
from voices.node_voice import NS, NodeVoice, sealed

MESSAGE, NODE = 0x10, 1
USE, REPEATED, WRONG, NOT_YET, BAD = (Verdict.USE, Verdict.REPEATED, Verdict.WRONG_SEQUENCE, Verdict.NOT_YET,
                                      Verdict.BAD_CHECK)
CYCLE_S = 0.1
STEP_NS = NS // 10
# Worked frames of the layout's documentation: (id, data).
WORKED = [(0x0CFF1001, "14 1E 17 F6 2F 3C 50 E6"), (0x0CFF1001, "14 1E 17 F6 2F 3C 51 FB"),
          (0x0CFF1002, "14 1E 17 F6 2F 3C 51 1A"), (0x0CFF1201, "53 10 00 04 00 00 05 44"),
          (0x0CFF8080, "11 00 00 F1 53 65 07 DE")]


def frame(counter: int, data: bytes = bytes(8)) -> bytes:
    return sealed(0x0CFF1001, data, counter)


def sound(data: bytes, message: int = MESSAGE, node: int = NODE) -> bool:
    """Whether a fresh receiver of this id accepts the frame's CRC."""
    return Receiver(message, node, CYCLE_S).judge(data, 0) is not BAD


@pytest.mark.parametrize(("can_id", "text"), WORKED)
def test_worked_frames(can_id: int, text: str) -> None:
    """The CRC is that of the frames worked out by hand in the layout's documentation."""
    data = bytes.fromhex(text)
    assert crc8(crc_start(can_id >> 8 & 0xFF, can_id & 0xFF), data) == data[7]


@given(st.binary(min_size=7, max_size=7), st.integers(0, 14))
def test_every_error_of_one_or_two_bits_is_found(body: bytes, counter: int) -> None:
    """No frame with one or two flipped bits is accepted, wherever they are: all 2,080 of each frame."""
    good = int.from_bytes(frame(counter, body + b"\0"), "big")
    flips = [1 << i for i in range(64)]
    for mask in (*flips, *(a | b for a, b in itertools.combinations(flips, 2))):
        assert not sound((good ^ mask).to_bytes(8, "big"))


@given(st.binary(min_size=7, max_size=7), st.integers(0, 14))
def test_every_burst_of_up_to_eight_bits_is_found(body: bytes, counter: int) -> None:
    """No frame damaged in one burst of at most eight bits is accepted, wherever it lies: all bursts of each frame."""
    good = int.from_bytes(frame(counter, body + b"\0"), "big")
    for pattern in range(1, 256, 2):  # the burst's first bit is a flipped one
        for place in range(64 - pattern.bit_length() + 1):
            assert not sound((good ^ pattern << place).to_bytes(8, "big"))


def test_random_frames_are_accepted_at_most_once_in_256() -> None:
    """Of 262,144 random frames, each to a receiver that waits for its first, no more than one in 256 is used."""
    numbers = random.Random(2026)
    count = 1 << 18
    used = sum(Receiver(MESSAGE, NODE, CYCLE_S).judge(numbers.randbytes(8), 0) is USE for _ in range(count))
    assert 0 < used <= count / 256  # 15/16 of it on average: counter 15 is refused too


@given(st.binary(min_size=7, max_size=7), st.integers(0, 14), st.integers(1, 127), st.integers(0, 255))
def test_foreign_frames(body: bytes, counter: int, node: int, message: int) -> None:
    """A frame that arrives under another node number or message is refused."""
    data = frame(counter, body + b"\0")
    assert sound(data, message, NODE) is (message == MESSAGE)
    assert sound(data, MESSAGE, node) is (node == NODE)


# (counters received 100 ms apart, verdict of each)
SEQUENCES = {
    "in order": ([0, 1, 2], [USE, USE, USE]),
    "wraps from 14 to 0": ([13, 14, 0, 1], [USE, USE, USE, USE]),
    "one lost": ([3, 5], [USE, USE]),
    "two lost": ([3, 6], [USE, USE]),
    "two lost over the wrap": ([13, 1], [USE, USE]),
    "three lost": ([3, 7, 8, 9], [USE, WRONG, NOT_YET, USE]),
    "repeated": ([3, 3, 4], [USE, REPEATED, USE]),
    "backwards": ([3, 2, 3, 4], [USE, WRONG, NOT_YET, USE]),
    "one sender that goes on counting after a repeat": ([3, 3, 3, 4], [USE, REPEATED, REPEATED, USE]),
    "15 is never sent": ([3, 15, 4], [USE, WRONG, USE]),
    "a repeat breaks the two good ones": ([3, 9, 9, 10, 11], [USE, WRONG, REPEATED, NOT_YET, USE]),
    "wrong again while doubted": ([3, 9, 10, 2, 3, 4, 5, 6], [USE, WRONG, NOT_YET, WRONG, NOT_YET, USE, USE, USE]),
}


@pytest.mark.parametrize(("counters", "verdicts"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_counter_rules(counters: list[int], verdicts: list[Verdict]) -> None:
    """The counter is judged as the receiver's table says."""
    receiver = Receiver(MESSAGE, NODE, CYCLE_S)
    found = [receiver.judge(frame(counter), at * STEP_NS) for at, counter in enumerate(counters)]
    assert found == verdicts


def other(counter: int) -> bytes:
    """A frame of another sender: other content."""
    return frame(counter, b"\1" + bytes(7))


def test_one_counter_with_two_contents_is_a_wrong_sequence() -> None:
    """The same counter with other bytes is bad: two more good frames are wanted before one is used again."""
    receiver = Receiver(MESSAGE, NODE, CYCLE_S)
    sent = [frame(3), other(3), frame(4), frame(5), frame(6)]
    assert [receiver.judge(data, at * STEP_NS) for at, data in enumerate(sent)] == [USE, WRONG, NOT_YET, USE, USE]
    assert (receiver.wrong_sequence, receiver.repeated, receiver.failed) == (1, 0, False)
    assert receiver.two_senders_ns is None  # once may be a restart that hit the old counter


@pytest.mark.parametrize("apart", range(15))
def test_two_senders_fail_the_message_at_every_phase(apart: int) -> None:
    """Two senders of one id, their counters apart by any number or in step, fail the protection and stay failed."""
    receiver = Receiver(MESSAGE, NODE, CYCLE_S)
    used = []
    for n in range(60):
        for late, data in ((0, frame(n % 15)), (1, other((n + apart) % 15))):
            if receiver.judge(data, n * STEP_NS + late * STEP_NS // 2) is USE:
                used.append(n)
    assert receiver.failed
    assert max(used) <= 2
    assert (receiver.two_senders_ns is not None) == (apart in (0, 1))  # else no counter comes twice in a row


def test_lost_frames_are_counted() -> None:
    """A step of three counts two lost frames."""
    receiver = Receiver(MESSAGE, NODE, CYCLE_S)
    receiver.judge(frame(0), 0)
    receiver.judge(frame(3), STEP_NS)
    assert (receiver.good, receiver.lost) == (2, 2)


@pytest.mark.parametrize(("silent_s", "verdict"), [(0.3, WRONG), (0.301, USE)])
def test_silence_sets_a_new_reference(silent_s: float, verdict: Verdict) -> None:
    """After more than three cycles of silence the first frame's counter is not judged."""
    receiver = Receiver(MESSAGE, NODE, CYCLE_S)
    receiver.judge(frame(0), 0)
    assert receiver.judge(frame(8), int(silent_s * NS)) is verdict


def test_repeats_are_no_sign_of_life() -> None:
    """A frame repeated for longer than the time-out does not keep the reference alive."""
    receiver = Receiver(MESSAGE, NODE, CYCLE_S)
    receiver.judge(frame(5), 0)
    assert [receiver.judge(frame(5), at * STEP_NS) for at in (1, 2, 3)] == [REPEATED] * 3
    assert receiver.judge(frame(5), 4 * STEP_NS) is USE


def test_protection_fails_and_recovers() -> None:
    """Three bad of the last five frames fail the message; nothing is used until three good ones in a row."""
    receiver = Receiver(MESSAGE, NODE, CYCLE_S)
    damaged = bytes(7) + b"\x55"
    kinds = [(0, True), (1, False), (2, True), (3, False), (4, False), (5, True), (6, True), (7, True), (8, True)]
    verdicts = [receiver.judge(frame(n) if good else damaged, n * STEP_NS) for n, good in kinds]
    assert verdicts == [USE, BAD, USE, BAD, BAD, NOT_YET, NOT_YET, USE, USE]
    assert not receiver.failed


def test_two_bad_of_five_do_not_fail() -> None:
    """Two damaged frames of five are dropped without doubting the others."""
    receiver = Receiver(MESSAGE, NODE, CYCLE_S)
    damaged = bytes(7) + b"\x55"
    sent = [frame(0), damaged, frame(2), damaged, frame(4)]
    assert [receiver.judge(data, n * STEP_NS) for n, data in enumerate(sent)] == [USE, BAD, USE, BAD, USE]


def test_a_sender_is_accepted_by_a_receiver() -> None:
    """Frames of the sender carry counter 0 to 14 in turn and a CRC that the far side's own code computes alike."""
    message = node_contract().message("GatewayHeartbeat")
    sender = Sender("can0", message.frame_id, message.encode)
    frames = [sender.frame({"BalancingAllowed": "On", "GatewayMinutes": 3_000_000}) for _ in range(16)]
    assert [f.data[6] & 0x0F for f in frames] == [*range(15), 0]
    assert all(f.data == sealed(f.can_id, f.data, f.data[6] & 0x0F) for f in frames)


def test_the_voice_used_in_tests_matches_the_worked_frame() -> None:
    """The frames that tests are made of carry the documented CRC rule, in code of their own."""
    assert NodeVoice(0).frame("PackValues", {}, counter=0).data[7] == \
        crc8(crc_start(0x10, 1), bytes(8))
