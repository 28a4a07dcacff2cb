"""The adapter's manners: Lawicel commands, answers, errors."""

from __future__ import annotations

import pytest

from twolbms.sim.bus import QUEUE_FRAMES, Bus
from twolbms.sim.bus_port import SlcanPort

FRAME = b"T0CFF500180102030405060708\r"


def make_port(bus: Bus | None = None, *, letter_answers: bool = False) -> SlcanPort:
    bus = bus or Bus()
    return SlcanPort(bus, bus.attach("port"), letter_answers=letter_answers)


def ask(port: SlcanPort, text: bytes) -> bytes:
    port.feed(text, 0)
    return port.take()


@pytest.mark.parametrize(("said", "answered"), [
    (b"O\r", b"\r"), (b"L\r", b"\r"), (b"C\r", b"\r"), (b"S6\r", b"\r"), (b"S6\rO\rC\r", b"\r\r\r"),
    (b"V\r", b"V1013\r"), (b"N\r", b"N2LBM\r"), (b"O\rF\r", b"\rF20\r"), (b"Z0\r", b"\r"), (b"\r\r\r", b""),
    (b"F\r", b"\a"), (b"O\rO\r", b"\r\a"), (b"O\rS6\r", b"\r\a"), (b"S7\r", b"\a"), (b"S5\rO\r", b"\r\a"),
    (b"Z1\r", b"\a"), (b"?\r", b"\a"), (FRAME, b"\a"), (b"L\r" + FRAME, b"\r\a"), (b"O\r" + FRAME, b"\r\r"),
    (b"O\rt12\r", b"\r\a"), (b"O\rT0CFF50018010203\r", b"\r\a"),
])
def test_answers(said: bytes, answered: bytes) -> None:
    """Each command has its answer: a carriage return, a word, or a bell when it cannot be done."""
    assert ask(make_port(), said) == answered


def test_letter_answers() -> None:
    """An adapter in the other style answers frames with z and Z."""
    port = make_port(letter_answers=True)
    assert ask(port, b"O\rt1230\r" + FRAME) == b"\rz\rZ\r"


def test_wrong_bit_rate_then_right() -> None:
    """At another bit rate than the bus's the channel does not open; at the right one it does."""
    port = make_port()
    assert ask(port, b"S4\rO\rS6\rO\r") == b"\r\a\r\r"
    assert port.controller.open


def test_frame_is_normalised() -> None:
    """Lower-case digits go out as the upper-case line that everybody expects."""
    bus = Bus()
    sender, receiver = make_port(bus), make_port(bus)
    ask(sender, b"O\r")
    ask(receiver, b"O\r")
    sender.feed(b"T0cff5001" b"2abcd\r", 0)
    bus.advance(10**9)
    assert receiver.take() == b"T0CFF50012ABCD\r"


def test_bad_lines_counted() -> None:
    """Garbage, unknown commands and broken frames are counted; known commands that cannot be done are not."""
    port = make_port()
    ask(port, b"\xff\xfe\r?\rt12\rO\rO\r" + b"x" * 100)
    assert port.bad_lines == 4


def test_full_queue_rings_and_shows() -> None:
    """A full transmit queue is answered with a bell and shown in the status byte."""
    port = make_port()
    other = make_port(port._bus)
    ask(other, b"O\r")
    answers = ask(port, b"O\r" + FRAME * (QUEUE_FRAMES + 1))
    assert answers == b"\r" * (QUEUE_FRAMES + 1) + b"\a"
    assert ask(port, b"F\r") == b"F02\r"
