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
    """Standard, remote and short frames, ids beyond 29 bits, other lengths give nothing; answers are counted apart."""
    other = (b"t12381122334455667788\r", b"R0CFF80808\r", b"T0CFF80804112233 4\r", b"T2CFF808081122334455667788\r",
             b"T0CFF8080711223344556677\r", b"T0CFF80808112233445566778G\r", b"\r", b"\x07", b"z\r")
    can = SlcanCan(Text(b"".join(other) + GOOD))
    assert received(can) == [FRAME] and can.bad == 6
    assert can.accepted == 2 and can.refused == 1


def test_a_line_in_two_pieces_is_one_frame() -> None:
    """Text that arrives in the middle of a line waits for its rest."""
    stream = Text(GOOD[:13])
    can = SlcanCan(stream)
    assert received(can) == []
    stream.data += GOOD[13:] + GOOD[:5]
    assert received(can) == [FRAME]


def test_a_line_without_end_does_not_stop_the_node() -> None:
    """Text without an end is passed over, counted once when its end comes, and what comes after it is read."""
    stream = Text(b"T" * 5000)
    can = SlcanCan(stream)
    for _ in range(3):
        assert received(can) == []
    stream.data += b"\r" + GOOD
    assert received(can) == [FRAME] and can.bad == 1


def test_frames_go_out_as_lines() -> None:
    """What was sent in a cycle goes out line by line, and the adapter is opened at 500 kbit/s first."""
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


def test_a_cut_line_spoils_no_other() -> None:
    """Of a frame of which the stream took only a part the line is ended first, so the next frames are whole."""
    stream = Text(takes=40)
    can = SlcanCan(stream)
    for _ in range(2):
        can.send(*FRAME)
    can.pump_out()
    assert can.dropped == 1
    stream.takes = 1 << 20
    can.send(*FRAME)
    can.pump_out()
    assert stream.written == GOOD + GOOD[:13] + b"\r" + GOOD and can.dropped == 1


def test_only_ids_asked_for_come_in() -> None:
    """Filters hold in either case of the digits, for each of the ids and nothing beside them."""
    others = b"".join(b"T%08X81122334455667788\r" % (FRAME[0] ^ 1 << bit) for bit in range(29))
    can = SlcanCan(Text(others + GOOD + GOOD.lower().replace(b"t", b"T") + b"T08FF810180000000000000000\r"))
    can.filters((FRAME[0], 0x08FF8101))
    assert received(can) == [FRAME, FRAME, (0x08FF8101, bytes(8))] and can.bad == 0


def test_without_ids_nothing_comes_in() -> None:
    """An empty list of ids takes nothing; no list takes all."""
    can = SlcanCan(Text(GOOD))
    can.filters(())
    assert received(can) == []


def test_bells_have_no_end_of_line() -> None:
    """A refusal in front of a frame, alone, or many of them: each counted, no frame lost."""
    stream = Text(b"\a\a" + GOOD + b"\a")
    can = SlcanCan(stream)
    assert received(can) == [FRAME] and can.refused == 3
    stream.data += b"\r" + GOOD + GOOD[:9]
    assert received(can) == [FRAME] and can.bad == 0
    stream.data += b"\a" + GOOD
    assert received(can) == [FRAME] and can.bad == 1 and can.refused == 4


def test_an_adapter_that_lost_its_settings_is_opened_again() -> None:
    """With refused frames only it is opened anew after 1, 2, 4 ... 50 cycles; an accepted frame ends that.

    That it accepts the commands says nothing: with nobody on the bus an adapter's queue is full and refuses frames.
    """
    stream = Text()
    can = SlcanCan(stream)
    can.open()
    tries = []
    for n in range(190):
        stream.data += (b"\r\r\r" if n == 0 or n - 1 in tries else b"") + b"\a" * 8
        before = can.restarts
        received(can)
        if can.restarts > before:
            tries.append(n)
    assert [later - earlier - 1 for earlier, later in zip([-1, *tries], tries, strict=False)] == [
        1, 2, 4, 8, 16, 32, 50, 50]
    assert stream.written == 9 * b"C\rS6\rO\r"
    stream.data += b"\r\r\r"
    for _ in range(60):
        stream.data += b"\az\r"
        received(can)
    assert can.restarts == 8


def test_status_flags_are_asked_for_and_read() -> None:
    """Every tenth cycle F is asked; bit 5 is passive, bit 2 warning, bit 3 a lost frame; by default nothing is."""
    stream = Text()
    can = SlcanCan(stream, ask_status=True)
    can.open()
    for _ in range(20):
        can.pump_out()
    assert stream.written == b"C\rS6\rO\rF\rF\r" and can.state == 1
    for answer, state, overruns in ((b"F00\r", 1, 0), (b"F24\r", 3, 0), (b"F0c\r", 2, 1), (b"F08\r", 1, 2)):
        stream.data += answer
        received(can)
        assert (can.state, can.overruns) == (state, overruns)
    stream.data += b"FxG\r"
    received(can)
    assert can.bad == 1
    silent = Text()
    quiet = SlcanCan(silent)
    for _ in range(20):
        quiet.pump_out()
    assert silent.written == b""


def test_a_full_bus_is_read_in_a_cycle() -> None:
    """16 nodes of 128 cells are 153 frames, 4131 bytes in 100 ms: all is read, each heartbeat and request found."""
    other = [b"T%08X8%016X\r" % (0x18FF2000 | node + 1, node << 32) for node in range(16)]
    stream = Text()
    can = SlcanCan(stream)
    can.filters((FRAME[0], 0x08FF8101))
    for n in range(20):
        lines = [other[i % 16] for i in range(153)]
        lines[(7 * n) % 150] = GOOD
        lines[150] = b"T08FF81018%016X\r" % n
        stream.data += b"".join(lines)
        assert len(stream.data) == 4131
        assert received(can) == [FRAME, (0x08FF8101, n.to_bytes(8, "big"))] and not stream.data
    assert can.bad == 0


def test_a_stream_that_raises_does_not_stop_the_node() -> None:
    """OSError on reading or writing is counted; frames are dropped and counted, and the state says that it is away."""
    class Broken:
        def readinto(self, buffer: bytearray) -> int:
            raise OSError(5)

        def write(self, data: bytes) -> int:
            raise OSError(5)
    can = SlcanCan(Broken(), ask_status=True)
    can.open()
    for _ in range(12):
        can.send(*FRAME)
        assert received(can) == []
        can.pump_out()
    assert can.errors == 1 + 12 + 12 + 1 and can.dropped == 12 and can.state == 0
