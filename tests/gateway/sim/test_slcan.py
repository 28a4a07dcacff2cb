"""slcan text: every frame survives, everything else is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolbms.sim.slcan import CanFrame, FrameReader, LineReader, encode, parse_frame


@st.composite
def frames(draw: st.DrawFn) -> CanFrame:
    extended = draw(st.booleans())
    can_id = draw(st.integers(0, 0x1FFFFFFF if extended else 0x7FF))
    if draw(st.booleans()):
        return CanFrame(can_id, extended, b"", True, draw(st.integers(0, 8)))
    return CanFrame(can_id, extended, draw(st.binary(max_size=8)))


@pytest.mark.parametrize(("line", "frame"), [
    (b"T0CFF10018141E17F62F3C50E6", CanFrame(0x0CFF1001, True, bytes.fromhex("141E17F62F3C50E6"))),
    (b"t1DB20060", CanFrame(0x1DB, False, b"\x00\x60")),
    (b"t7FF0", CanFrame(0x7FF, False, b"")),
    (b"r1234", CanFrame(0x123, False, b"", True, 4)),
    (b"R1FFFFFFF8", CanFrame(0x1FFFFFFF, True, b"", True, 8)),
])
def test_lines(line: bytes, frame: CanFrame) -> None:
    """Lawicel's lines mean the frames of its manual, both ways."""
    assert parse_frame(line) == frame
    assert encode(frame) == line + b"\r"


@given(frames())
def test_round_trip(frame: CanFrame) -> None:
    """Every frame comes back from its line as it was."""
    assert parse_frame(encode(frame)[:-1]) == frame


@pytest.mark.parametrize("line", [
    b"", b"x1232AABB", b"t", b"t12", b"t123", b"t1232AA", b"t1231AABB", b"t1239001122334455667788", b"t8000", b"t12 0",
    b"T200000000", b"T0CFF1001", b"T0CFF10012A", b"t1232AAGG", b"t+120", b"t1_30", b"r1232AABB", b"t123\xff",
])
def test_refused_lines(line: bytes) -> None:
    """A line of wrong length, id or digits is no frame."""
    with pytest.raises(ValueError):
        parse_frame(line)


def test_no_impossible_frame() -> None:
    """What no controller could send is not made into a line."""
    for frame in (CanFrame(0x800, False, b""), CanFrame(1, True, bytes(9)), CanFrame(1, False, b"x", True, 1)):
        with pytest.raises(ValueError):
            encode(frame)


@given(st.lists(frames(), min_size=1, max_size=6), st.integers(1, 40))
def test_any_cut_of_the_stream(sent: list[CanFrame], piece: int) -> None:
    """Frames arrive however the stream is cut into pieces."""
    reader, stream = FrameReader(), b"".join(map(encode, sent))
    got = [frame for at in range(0, len(stream), piece) for frame in reader.feed(stream[at:at + piece])]
    assert got == sent
    assert reader.bad_lines == 0


@given(st.binary(max_size=200))
def test_garbage_then_frame(garbage: bytes) -> None:
    """After any garbage and an end of line the next frame is read."""
    reader, frame = FrameReader(), CanFrame(0x123, False, b"\x01")
    reader.feed(garbage + b"\r")
    assert reader.feed(encode(frame)) == [frame]


def test_answers_counted() -> None:
    """Plain and lettered answers, bells and information lines are told apart from bad lines."""
    reader = FrameReader()
    assert reader.feed(b"\rz\rZ\r\aV1013\rN2LBM\rF00\r?\rt12\r") == []
    assert (reader.accepted, reader.refused, reader.bad_lines) == (3, 1, 2)


def test_endless_line_is_one_bad_line() -> None:
    """A stream without ends of line does not grow the memory, and counts once."""
    reader = LineReader()
    for _ in range(100):
        assert reader.feed(b"A" * 50) == []
    assert reader.bad_lines == 1
    assert reader.feed(b"AA\rO\r") == [b"O"]
