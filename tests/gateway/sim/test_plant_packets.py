"""The bytes of the plant link, typed from the contract, and a reader that survives garbage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolbms.sim.plant_packets import (
    FRAME,
    HELLO,
    OUTPUT,
    READING,
    Hello,
    Output,
    PacketReader,
    Reading,
    frame_packet,
    packet,
    parse_frame,
    parse_hello,
    parse_output,
    parse_reading,
)

READ = Reading(time_ms=0x01020304, scan=0x0506, flags=0x13, pack_mv=26464, link_mv=0, current_ma=-25370,
               cells_mv=(3308, None), temps_dc=(-52,), second_ma=-25300, supply_mv=12000, insulation_kohm=None,
               humidity_percent=45, monitor_age=3, open_wires=2, monitor_trips=1, restarts=4, wear_percent=7)
READ_BYTES = bytes.fromhex(
    "B5 52 2A 00  04 03 02 01  06 05  13 00  60 67 00 00  00 00 00 00  E6 9C FF FF  2C 9D FF FF  E0 2E  FF FF  2D"
    "03 02 01 04 07  02 01  EC 0C  00 80  CC FF")
OUT = Output(0b1011, bytes((0x81, *bytes(15))))

maybe = st.none() | st.integers(-0x7FFF, 0x7FFF)
bytes_ = st.integers(0, 0xFF)
wide = st.none() | st.integers(-(1 << 28) + 1, (1 << 28) - 1)
readings = st.builds(
    Reading, st.integers(0, (1 << 30) - 1), st.integers(0, 0xFFFF), st.integers(0, 0xFF), wide, wide, wide,
    st.lists(maybe, max_size=128).map(tuple), st.lists(maybe, max_size=40).map(tuple), wide,
    st.none() | st.integers(0, 0xFFFE), st.none() | st.integers(0, 0xFFFE), st.none() | st.integers(0, 100), bytes_,
    bytes_, bytes_, bytes_, bytes_)


def test_reading_bytes() -> None:
    """A reading is the bytes that the contract spells out."""
    assert READ.packet() == READ_BYTES + bytes((sum(READ_BYTES) & 0xFF,))


def test_output_and_hello_bytes() -> None:
    """So are an output and an introduction."""
    assert OUT.packet()[:-1] == bytes.fromhex("B5 4F 11 00 0B 81") + bytes(15)
    assert Hello(3, 8, 4).packet() == bytes.fromhex("B5 48 03 00 03 08 04 0F")


@given(readings)
def test_reading_round_trip(reading: Reading) -> None:
    """Every reading comes back as it was, missing values included."""
    ((kind, payload),) = PacketReader().feed(reading.packet())
    assert kind == READING
    assert parse_reading(payload) == reading


def test_other_round_trips() -> None:
    """Outputs, introductions and frames come back as they were."""
    stream = OUT.packet() + Hello(7, 96, 12).packet() + frame_packet(0x0CFF1001, bytes(range(8)))
    packets = dict(PacketReader().feed(stream))
    assert parse_output(packets[OUTPUT]) == OUT
    assert parse_hello(packets[HELLO]) == Hello(7, 96, 12)
    assert parse_frame(packets[FRAME]) == (0x0CFF1001, bytes(range(8)))


def test_values_held_at_the_ends() -> None:
    """A value beyond its field is held at the end of it and never becomes "not available"."""
    reading = READ._replace(cells_mv=(-99_999, 99_999), current_ma=-(1 << 30))
    ((_, payload),) = PacketReader().feed(reading.packet())
    parsed = parse_reading(payload)
    assert (parsed.cells_mv, parsed.current_ma) == ((-0x7FFF, 0x7FFF), -(1 << 28) + 1)


def test_reading_of_wrong_length() -> None:
    """A reading whose length is not that of its cells is refused."""
    with pytest.raises(ValueError, match="2 cells and 1 sensors"):
        parse_reading(READ_BYTES[4:-2])


@given(st.integers(1, 30))
def test_any_cut_of_the_stream(piece: int) -> None:
    """Half packets wait for their other half."""
    reader, stream = PacketReader(), (READ.packet() + OUT.packet()) * 3
    kinds = [kind for at in range(0, len(stream), piece) for kind, _ in reader.feed(stream[at:at + piece])]
    assert kinds == [READING, OUTPUT] * 3
    assert reader.bad == 0


@given(st.binary(max_size=60))
def test_garbage_is_skipped(garbage: bytes) -> None:
    """After any garbage and enough packets the link is found again, and every skipped byte is counted."""
    reader = PacketReader()
    found = [payload for kind, payload in reader.feed(garbage + OUT.packet() * 40) if kind == OUTPUT]
    assert found[-1] == OUT.packet()[4:-1]
    assert len(found) >= 10


@pytest.mark.parametrize("at", range(len(OUT.packet())))
def test_single_damaged_byte(at: int) -> None:
    """A packet with one wrong byte is dropped, and the next one is read."""
    spoiled = bytearray(OUT.packet())
    spoiled[at] ^= 0x20
    reader = PacketReader()
    assert [payload for _, payload in reader.feed(bytes(spoiled) + OUT.packet() * 2)][-1] == OUT.packet()[4:-1]
    assert reader.bad > 0


def test_lost_byte_costs_one_packet() -> None:
    """A packet that lost a byte does not take the next one with it."""
    reader, whole = PacketReader(), OUT.packet()
    assert len(list(reader.feed(whole[:10] + whole[11:] + whole))) == 1
    assert reader.bad == len(whole) - 1


@pytest.mark.parametrize(("kind", "length"), [(OUTPUT, 16), (HELLO, 4), (READING, 3), (FRAME, 8), (0x58, 3)])
def test_no_such_packet(kind: int, length: int) -> None:
    """An unknown type, or a length that its type cannot have, is not waited for."""
    reader = PacketReader()
    assert [found for found, _ in reader.feed(packet(kind, bytes(length)) + OUT.packet())] == [OUTPUT]
