"""The byte stream to the simulated pack: packets in and out, and back in step after anything else."""

from __future__ import annotations

from drivers.afe_sim import SimulatedAfe
from drivers.can_link import LinkCan
from drivers.plant_link import PlantLink, i32
from hypothesis import given, settings
from hypothesis import strategies as st
from node.measure import NA, Measure

from twolbms.sim.plant_packets import PacketReader, Reading, frame_packet, parse_frame, parse_output


class Bytes:
    """A stream of given bytes, `most` a read; it ends when they do."""

    def __init__(self, data: bytes, most: int = 1 << 20) -> None:
        self.data, self.most, self.written = bytearray(data), most, b""

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self.data), self.most)
        buffer[:count] = self.data[:count]
        del self.data[:count]
        return count

    def write(self, data: bytes) -> int:
        self.written += bytes(data)
        return len(data)


def reading(time_ms: int, scan: int = 1) -> bytes:
    return Reading(time_ms, scan, 0, 26400, None, -12345, (3300, None, *[3301] * 6), (250, -51, None, 999)).packet()


def link(data: bytes, most: int = 1 << 20) -> PlantLink:
    return PlantLink(Bytes(data, most), 1, 8, 4)


def times(one: PlantLink) -> list[int]:
    got = []
    while one.wait():
        got.append(one.time_ms())
    return got


def test_readings_come_whole_however_they_are_cut() -> None:
    """One byte at a time gives the same readings as all at once, and the end of the stream is told."""
    data = reading(100) + reading(200) + reading(1_073_741_823)
    assert times(link(data)) == times(link(data, 1)) == [100, 200, 1_073_741_823]


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), st.just(b"\xb5"), st.just(b"\xb5\x52\x2e\x00"),
                          st.just(reading(7)[:-1]), st.just(b"\xb5C\x0c\x00\xb5")), max_size=6))
def test_garbage_never_hides_more_than_itself(pieces: list[bytes]) -> None:
    """After any garbage, false starts and cut packets too, good readings are found again; the last one always is."""
    one = link(b"".join(pieces) + reading(100) + reading(200))
    assert times(one)[-1:] == [200]


def test_a_false_start_before_a_packet_loses_nothing() -> None:
    """A stray start byte, or a packet cut short, does not take the packet behind it along."""
    for junk in (b"\xb5", b"\xb5\xb5\xb5", b"\xb5\x52", b"\xb5\x52\x2e\x00\xff", reading(5)[:20], reading(5)[:-1]):
        one = link(junk + reading(100) + reading(200))
        assert times(one) == [100, 200] and one.bad >= 1, junk


def test_a_damaged_packet_is_not_used() -> None:
    """Every packet with one wrong byte is dropped and the next one taken."""
    for at in range(len(reading(100))):
        bad = bytearray(reading(100))
        bad[at] ^= 0x10
        assert times(link(bytes(bad) + reading(200))) == [200], at


def test_the_front_end_reads_what_was_measured() -> None:
    """Missing values are unknown, signs are kept, and only a scan counter that moved is a new conversion."""
    one = link(reading(100, 1) + reading(200, 1) + reading(300, 2))
    afe, m = SimulatedAfe(one), Measure(__import__("generated.limits_lfp_8s_320ah").limits_lfp_8s_320ah)
    fresh = []
    while one.wait():
        fresh.append(afe.read_into(m))
    assert fresh == [False, False, True]
    assert list(m.cell_mv) == [3300, NA, *[3301] * 6] and list(m.temp_dc) == [250, -51, NA, 999]
    assert (m.pack_mv, m.link_mv, m.current_ma) == (26400, NA, -12345)


def test_frames_come_before_their_reading() -> None:
    """Up to 16 frames a cycle are handed over in order; more are counted as lost."""
    frames = [(0x0CFF8080 + n, bytes([n] * 8)) for n in range(18)]
    one = link(b"".join(frame_packet(*frame) for frame in frames) + reading(100))
    can, got = LinkCan(one), []
    assert one.wait()
    while can.receive():
        got.append((can.rx_id, bytes(can.rx_data)))
    assert got == frames[:16] and one.lost == 2


def test_answers_and_frames_are_read_by_the_plant() -> None:
    """Outputs, balancing and frames arrive at the other side as they were sent."""
    one = link(b"")
    one.hello()
    one.send_frame(0x0CFF1001, bytes(range(8)))
    one.answer(0b1011, bytes([0x81] + [0] * 15))
    (hello, frame, output) = PacketReader().feed(one.stream.written)
    assert hello == (0x48, bytes((1, 8, 4))) and parse_frame(frame[1]) == (0x0CFF1001, bytes(range(8)))
    assert parse_output(output[1]) == (0b1011, bytes([0x81] + [0] * 15))


@given(st.integers(-(1 << 28), (1 << 28) - 1))
def test_numbers_keep_their_sign(value: int) -> None:
    """Every integer the link may carry is read as it was written."""
    assert i32(value.to_bytes(4, "little", signed=True), 0) == value
