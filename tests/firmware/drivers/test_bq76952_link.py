"""The BQ76952's wire: frames as the reference page has them, every bit spoiled once, bounded tries."""

from __future__ import annotations

import pytest
from drivers.bq76952_link import DAMAGED, NOT_READY, Link

from twolbms.sim.chips.bq76952 import Bq76952Chip
from twolbms.sim.chips.bq76952_bus import Bq76952Bus, Buffer

BOTH = pytest.mark.parametrize("crc", [True, False], ids=["crc", "plain"])


class Wire:
    """A chip that is awake, its bus, and a link with `spare` tries."""

    def __init__(self, crc: bool = True, spare: int = 0) -> None:
        self.chip = Bq76952Chip(crc)
        self.chip.advance_us(500_000)
        self.chip.first_nack = False
        self.bus = Bq76952Bus(self.chip)
        self.link = Link(self.bus, 0x08, crc)
        self.link.begin(spare)

    def flip(self, kind: str, bit: int, times: int = 1) -> None:
        """Turns one bit of the next `times` frames of a kind."""
        left = [times]

        def spoil(what: str, frame: bytearray) -> None:
            if what == kind and left[0] and bit // 8 < len(frame):
                left[0] -= 1
                frame[bit // 8] ^= 1 << bit % 8
        self.bus.spoil = spoil


class Log:
    """Keeps the frames that are written."""

    def __init__(self) -> None:
        self.frames: list[str] = []

    def writeto(self, address: int, buffer: bytes | Buffer) -> int:
        self.frames.append(f"{address:02X}:{bytes(buffer).hex().upper()}")
        return len(buffer)


def test_the_worked_example() -> None:
    """Enabling CUV is 3E: 61 92 8C and 60: 80 05, in one byte after the other."""
    log = Log()
    link = Link(log, 0x08, crc=False)
    link.begin(0)
    link.out[2] = 0x8C
    assert link.command_data(0x9261, 1)
    assert log.frames == ["08:3E61928C", "08:608005"]


@pytest.mark.parametrize(("code", "data", "checksum", "length"), [
    (0x9261, "8C", 0x80, 5), (0x9180, "7A30", 0x44, 6), (0x0083, "0500", 0x77, 6)])
def test_checksums(code: int, data: str, checksum: int, length: int) -> None:
    """The sums of the reference page, with their lengths."""
    log = Log()
    link = Link(log, 0x08, crc=False)
    link.begin(0)
    payload = bytes.fromhex(data)
    link.out[2 : 2 + len(payload)] = payload
    assert link.command_data(code, len(payload))
    assert log.frames[1] == f"08:60{checksum:02X}{length:02X}"


def test_a_command_with_its_checks() -> None:
    """FET_ENABLE on the wire: 3E, 22 with 63 over (10, 3E, 22), 00 with 00 of its own."""
    log = Log()
    link = Link(log, 0x08, crc=True)
    link.begin(0)
    assert link.command(0x0022) and log.frames == ["08:3E22630000"]


@BOTH
def test_a_cell_is_signed_and_low_byte_first(crc: bool) -> None:
    """74 0E at 0x14 is 3700 mV."""
    wire = Wire(crc)
    wire.chip.stuck[0x14] = b"\x74\x0e"
    assert wire.link.read(0x14, 2) and int.from_bytes(wire.link.data[:2], "little") == 3700


@BOTH
@pytest.mark.parametrize("count", [2, 6, 24, 36, 42])
def test_every_bit_of_a_read(crc: bool, count: int) -> None:
    """Any bit that is wrong in one block is refused, and with a try to spare the right block comes."""
    bits = 8 * count * (2 if crc else 1)
    for bit in range(bits):
        for spare in (0, 1):
            wire = WIRES[crc]
            wire.link.begin(spare)
            errors = wire.link.errors
            wire.flip("read", bit)
            assert wire.link.read(0x12, count) == (spare == 1) and wire.link.errors == errors + 1
    wire = WIRES[crc]
    wire.bus.spoil = None
    wire.link.begin(0)
    assert wire.link.read(0x12, count) and bytes(wire.link.data[:count]) == wire.chip.read(0x12, count)


WIRES = {True: Wire(True), False: Wire(False)}


@BOTH
@pytest.mark.parametrize("bit", range(8))
def test_a_register_that_was_heard_wrong(crc: bool, bit: int) -> None:
    """What another register answers is refused."""
    wire = Wire(crc)
    wire.chip.cells_mv = [3000.0 + 37 * n for n in range(16)]
    wire.chip.advance_us(200_000)
    wire.flip("register", bit)
    assert not wire.link.read(0x12, 42)


@pytest.mark.parametrize("register", [0x3E, 0x60, 0x62])
@pytest.mark.parametrize("bit", range(40))
def test_every_bit_of_a_write(register: int, bit: int) -> None:
    """A write with one bit wrong is not acknowledged to its end, is told, and starts nothing."""
    wire = Wire()
    wire.flip("write", bit)
    wire.link.out[0], wire.link.out[1] = 0x22, 0x00
    assert not wire.link.write(register, 2)
    wire.chip.advance_us(10_000)
    assert wire.chip.commands == [] and not wire.chip.fet_en and wire.bus.bad_checks == 1
    assert wire.link.errors == 1 and wire.link.failed


def test_every_bit_of_a_subcommand_with_data() -> None:
    """Whatever bit of FET_CONTROL's two frames is wrong, no FET flag of the host changes, and it is told."""
    for frame in (1, 2):
        for bit in range(8 * (7 if frame == 1 else 5)):
            wire = Wire()
            wire.chip.host_off = 0xF
            wire.link.out[2] = 0x0A
            seen = [0]

            def spoil(kind: str, data: bytearray, seen: list[int] = seen, frame: int = frame, bit: int = bit) -> None:
                seen[0] += kind == "write"
                if kind == "write" and seen[0] == frame:
                    data[bit // 8] ^= 1 << bit % 8
            wire.bus.spoil = spoil
            assert not wire.link.command_data(0x0097, 1) and wire.chip.host_off == 0xF


@pytest.mark.parametrize("bit", range(32))
def test_every_bit_of_written_memory_without_crc(bit: int) -> None:
    """Without CRC the checksum of 0x60 refuses data that came wrong, whatever bit of code, data or sum it is."""
    wire = Wire(crc=False)
    wire.link.command(0x0090)
    wire.chip.advance_us(5_000)
    before = bytes(wire.chip.ram)
    seen = [0]

    def spoil(kind: str, data: bytearray) -> None:
        seen[0] += kind == "write"
        at = bit // 8 + 1  # behind the register
        if kind == "write" and seen[0] == (1 if at <= 3 else 2):
            data[at if at <= 3 else at - 3] ^= 1 << bit % 8
    wire.bus.spoil = spoil
    wire.link.out[2] = 0x8C
    wire.link.command_data(0x9261, 1)
    assert bytes(wire.chip.ram) == before and wire.chip.bad_checksums == 1


@BOTH
def test_a_missing_answer_is_tried_as_often_as_allowed(crc: bool) -> None:
    """With `spare` tries a transfer is made at most once more each, and after the last nothing goes out."""
    wire = Wire(crc, spare=2)
    wire.bus.nacks = 100
    assert not wire.link.read(0x12, 2) and wire.bus.transfers == 3 and wire.link.failed
    assert not wire.link.read(0x12, 2) and not wire.link.command(0x0095) and wire.bus.transfers == 3
    wire.bus.nacks = 0
    wire.link.begin(0)
    assert wire.link.read(0x12, 2) and wire.link.command(0x0095) and wire.link.errors == 3


def test_a_refused_byte_raises_nothing_and_is_still_seen() -> None:
    """As on the real ports `writeto` returns how many bytes were taken: fewer than sent is a failure."""
    wire = Wire()
    plain = Link(wire.bus, 0x08, crc=False)  # a host without CRC on a chip that wants it
    plain.begin(0)
    assert not plain.command(0x0022) and wire.bus.bad_checks == 1 and wire.chip.commands == []


@BOTH
def test_the_window(crc: bool) -> None:
    """It is not ready while the chip is busy or shows another code, then gives length and data; a bad sum is told."""
    wire = Wire(crc, spare=20)
    wire.chip.memory_us = 5_000
    assert wire.link.ask(0x9261) and wire.link.asked == 0x9261
    assert wire.link.window(0x9261) == NOT_READY
    wire.chip.advance_us(5_000)
    assert wire.link.window(0x9261) == 32 and wire.link.data[2] == 0x88
    assert wire.link.window(0x9262) == NOT_READY
    wire.chip.window[10] ^= 1
    assert wire.link.window(0x9261) == DAMAGED
    wire.link.ask(0x0001)
    wire.chip.advance_us(1_000)
    assert wire.link.window(0x0001) == 2 and wire.link.data[2:4] == b"\x95\x76"
    wire.link.command(0x0095)
    assert wire.link.asked == -1


def test_any_length_in_the_window_is_bounded() -> None:
    """A length that cannot be is refused, not read."""
    wire = Wire(spare=20)
    wire.link.ask(0x0001)
    wire.chip.advance_us(1_000)
    for length in (0, 3, 37, 255):
        wire.chip.window[35] = length
        assert wire.link.window(0x0001) == DAMAGED
