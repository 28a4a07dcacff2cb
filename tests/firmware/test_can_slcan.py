"""CAN as slcan text: what is read, what is passed over, and what is lost."""

from __future__ import annotations

from drivers.can_slcan import SlcanCan
from hypothesis import given, settings
from hypothesis import strategies as st


class Text:
    """A stream that gives what was put in and keeps what was written; `takes` bytes at most a write."""

    def __init__(self, data: bytes = b"", takes: int = 1 << 20) -> None:
        self.data, self.takes, self.written = bytearray(data), takes, b""

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self.data))
        buffer[:count] = self.data[:count]
        del self.data[:count]
        return count

    def write(self, data: bytes) -> int:
        taken = bytes(data[: self.takes])
        self.written += taken
        return len(taken)


def received(can: SlcanCan) -> list[tuple[int, bytes]]:
    got = []
    can.pump_in()
    while can.receive():
        got.append((can.rx_id, bytes(can.rx_data)))
    return got


GOOD = b"T0CFF808081122334455667788\r"
FRAME = (0x0CFF8080, bytes.fromhex("1122334455667788"))


def test_a_frame_is_read_in_either_case() -> None:
    """Capital and small hex digits mean the same."""
    assert received(SlcanCan(Text(GOOD + b"T0cff808081122334455667788\r"))) == [FRAME, FRAME]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60).map(lambda b: b.replace(b"\r", b"")), max_size=8))
def test_garbage_never_hides_the_next_frame(lines: list[bytes]) -> None:
    """After any lines, however broken, a good line is read; the broken ones are counted."""
    can = SlcanCan(Text(b"".join(line + b"\r" for line in lines) + GOOD))
    assert received(can)[-1:] == [FRAME]


def test_what_is_not_for_a_node_is_passed_over() -> None:
    """Standard and remote frames, short frames, ids beyond 29 bits, other lengths and answers give nothing."""
    other = (b"t12381122334455667788\r", b"R0CFF80808\r", b"T0CFF80804112233 4\r", b"T2CFF808081122334455667788\r",
             b"T0CFF8080711223344556677\r", b"T0CFF80808112233445566778G\r", b"\r", b"\x07", b"z\r")
    can = SlcanCan(Text(b"".join(other) + GOOD))
    assert received(can) == [FRAME] and can.bad == 7


def test_a_line_in_two_pieces_is_one_frame() -> None:
    """Text that arrives in the middle of a line waits for its rest."""
    stream = Text(GOOD[:13])
    can = SlcanCan(stream)
    assert received(can) == []
    stream.data += GOOD[13:] + GOOD[:5]
    assert received(can) == [FRAME]


def test_a_line_without_end_does_not_stop_the_node() -> None:
    """Text without an end is dropped when there is no more room, and what comes after it is read."""
    stream = Text(b"T" * 5000)
    can = SlcanCan(stream)
    for _ in range(3):
        assert received(can) == []
    stream.data += b"\r" + GOOD
    assert received(can)[-1:] == [FRAME] and can.bad >= 2


def test_frames_go_out_as_lines() -> None:
    """What was sent in a cycle goes out as one piece, and the adapter is opened at 500 kbit/s first."""
    stream = Text()
    can = SlcanCan(stream)
    can.open()
    can.send(*FRAME)
    can.send(0x0CFF1001, bytes(8))
    can.pump_out()
    assert stream.written == b"C\rS6\rO\r" + GOOD + b"T0CFF100180000000000000000\r"


def test_what_does_not_fit_is_counted() -> None:
    """A full queue and a stream that takes less than all lose frames, and the node counts them."""
    stream = Text(takes=2 * 27)
    can = SlcanCan(stream)
    for _ in range(50):
        can.send(*FRAME)
    assert can.dropped == 2
    can.pump_out()
    assert can.dropped == 2 + 46 and stream.written == 2 * GOOD
