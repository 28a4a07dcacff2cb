"""MCP2515: the simulated registers by the data sheet's rules, and the port on them; numbers are the reference's."""

from __future__ import annotations

from typing import Any

import pytest
from drivers.can_controller import ControllerCan
from drivers.can_mcp2515 import Mcp2515Port

from firmware.drivers.can_bench import CELLS, FAULTS, HEARTBEAT, INFO, REQUEST, VALUES, WireBench, make_bench
from twolbms.sim.chips.can_wire import CanWire
from twolbms.sim.chips.mcp2515 import Mcp2515
from twolbms.sim.slcan import CanFrame

DATA = bytes.fromhex("1122334455667788")


@pytest.fixture
def bench() -> Any:
    return make_bench("mcp2515")


@pytest.fixture
def chip() -> Mcp2515:
    return Mcp2515(CanWire())


def spi(chip: Mcp2515, *out: int) -> bytes:
    """One transfer."""
    answer = bytearray(len(out))
    chip.cs.value(0)
    chip.spi.write_readinto(bytes(out), answer)
    chip.cs.value(1)
    return bytes(answer)


# the simulated chip


def test_after_reset_it_is_in_configuration_mode(chip: Mcp2515) -> None:
    """CANSTAT 0x80, nothing requested, and it is not on the bus."""
    spi(chip, 0xC0)
    assert spi(chip, 0x03, 0x0E, 0)[2] & 0xE0 == 0x80 and spi(chip, 0xA0, 0)[1] == 0 and not chip.online


def test_filters_and_timing_are_written_in_configuration_mode_only(chip: Mcp2515) -> None:
    """In normal mode writes to them change nothing, and filters read as 0."""
    spi(chip, 0x02, 0x00, 0x67, 0xEB, 0x80, 0x80)
    spi(chip, 0x02, 0x28, 0x03, 0xAC, 0x00)
    assert spi(chip, 0x03, 0x00, 0, 0, 0, 0)[2:] == bytes.fromhex("67EB8080")
    spi(chip, 0x05, 0x0F, 0xE0, 0x00)
    spi(chip, 0x02, 0x00, 0xFF)
    spi(chip, 0x02, 0x28, 0x01, 0x91)
    assert spi(chip, 0x03, 0x00, 0, 0, 0, 0)[2:] == bytes(4) and spi(chip, 0x03, 0x28, 0, 0, 0)[2:] == b"\x03\xac\x00"
    spi(chip, 0x05, 0x0F, 0xE0, 0x80)
    assert spi(chip, 0x03, 0x00, 0, 0, 0, 0)[2:] == bytes.fromhex("67EB8080")


def test_bit_modify_changes_only_its_mask_where_it_is_known(chip: Mcp2515) -> None:
    """CANINTE keeps its other bits; a filter gets a full write; flags that only the chip sets stay."""
    spi(chip, 0x02, 0x2B, 0xF0)
    spi(chip, 0x05, 0x2B, 0x03, 0xFF)
    assert spi(chip, 0x03, 0x2B, 0)[2] == 0xF3
    spi(chip, 0x02, 0x00, 0x0F)
    spi(chip, 0x05, 0x00, 0x80, 0xF0)
    assert spi(chip, 0x03, 0x00, 0)[2] == 0xF0
    chip.line.tec = 128
    spi(chip, 0x05, 0x2D, 0xFF, 0x00)
    assert spi(chip, 0x03, 0x2D, 0)[2] == 0x15  # TXEP TXWAR EWARN


def test_load_and_rts_send_by_priority_then_by_number(chip: Mcp2515) -> None:
    """The highest TXP first, of equal ones the highest buffer; READ STATUS shows what waits and what was sent."""
    spi(chip, 0x02, 0x28, 0x03, 0xAC, 0x00)
    chip.online = True
    spi(chip, 0x05, 0x0F, 0xE0, 0x00)
    for buffer, code in ((0, 0x40), (1, 0x42), (2, 0x44)):
        spi(chip, code, 0x67, 0xEB, 0x80, buffer, 0x08, *DATA)
    spi(chip, 0x02, 0x30, 0x03)
    spi(chip, 0x87)
    assert spi(chip, 0xA0, 0)[1] == 0x54
    order = []
    while (frame := chip.offered()) is not None:
        order.append(frame)
        chip.delivered(frame)
    assert order == [CanFrame(0x0CFF8000 | n, True, DATA) for n in (0, 2, 1)] and spi(chip, 0xA0, 0)[1] == 0xA8


def test_a_received_frame_is_cleared_when_cs_rises(chip: Mcp2515) -> None:
    """READ RX BUFFER gives the 13 bytes and clears the flag; buffer and flag of the other stay."""
    spi(chip, 0x02, 0x60, 0x64)
    chip.hear(CanFrame(0x18FF2001, True, DATA))
    chip.hear(CanFrame(0x123, False, DATA[:2]))
    assert spi(chip, 0xB0, 0)[1] == 0xC0
    assert spi(chip, 0x90, *bytes(13))[1:] == bytes.fromhex("C7EB200108") + DATA
    assert spi(chip, 0xA0, 0)[1] == 0x02
    assert spi(chip, 0x94, *bytes(7))[1:] == bytes.fromhex("2460000002") + DATA[:2]
    assert spi(chip, 0xA0, 0)[1] == 0x00


def test_roll_over_and_overrun(chip: Mcp2515) -> None:
    """With BUKT the second frame goes to the second buffer and the third is lost; without, the second is lost."""
    for control, flags in ((0x64, 0x80), (0x60, 0x40)):
        spi(chip, 0xC0)
        spi(chip, 0x02, 0x60, control)
        for n in range(3):
            chip.hear(CanFrame(HEARTBEAT, True, bytes([n] * 8)))
        assert spi(chip, 0x03, 0x2D, 0)[2] == flags
        assert spi(chip, 0xA0, 0)[1] & 3 == (3 if control & 4 else 1)


def test_it_rejoins_by_itself(chip: Mcp2515) -> None:
    """After bus-off, 128 times 11 recessive bits bring it back, counters at 0; what was requested is still there."""
    spi(chip, 0x02, 0x28, 0x03, 0xAC, 0x00)
    spi(chip, 0x05, 0x0F, 0xE0, 0x00)
    spi(chip, 0x81)
    chip.wire.shorted = True
    chip.wire.run(32)
    assert spi(chip, 0x03, 0x2D, 0)[2] & 0x20
    chip.wire.shorted = False
    chip.wire.run(11)
    assert spi(chip, 0x03, 0x2D, 0)[2] == 0 and spi(chip, 0xA0, 0)[1] & 4


# the port: settings


@pytest.mark.parametrize("crystal, kbit, cnf", [
    (8, 125, "01 AC 03"), (8, 250, "00 AC 03"), (8, 500, "00 91 01"),
    (16, 125, "03 AC 03"), (16, 250, "01 AC 03"), (16, 500, "00 AC 03")])
def test_the_bit_timing_is_the_references(crystal: int, kbit: int, cnf: str) -> None:
    """CNF1, CNF2, CNF3 of the reference's table, and the chip makes just that bit rate of them."""
    chip = Mcp2515(CanWire(1000 * kbit), crystal * 1_000_000)
    node = ControllerCan(Mcp2515Port(chip.spi, chip.cs, crystal, 1000 * kbit))
    assert node.open() is True and node.state == 1
    assert bytes(chip.registers[0x2A:0x27:-1]) == bytes.fromhex(cnf) and chip.bitrate == 1000 * kbit
    assert chip.registers[0x60] == 0x04 and chip.registers[0x70] == 0x00


@pytest.mark.parametrize("crystal, bitrate", [(20, 500_000), (16, 1_000_000), (8, 83_300)])
def test_other_bit_rates_are_an_error_at_the_start(crystal: int, bitrate: int) -> None:
    """What the table does not have is refused with what was expected."""
    chip = Mcp2515(CanWire())
    with pytest.raises(ValueError, match="expected 8 or 16 MHz and 125, 250 or 500 kbit/s"):
        Mcp2515Port(chip.spi, chip.cs, crystal, bitrate)


def test_filters_stand_in_the_registers(bench: Any) -> None:
    """Two ids fill six filters, 29 bits each, compared in all bits."""
    registers = bench.chip.registers
    first, second = bytes.fromhex("67EB8080"), bytes.fromhex("47EB8101")
    for at in (0x00, 0x08, 0x10, 0x14, 0x18):
        assert registers[at:at + 4] == first
    assert registers[0x04:0x08] == second
    assert registers[0x20:0x28] == bytes.fromhex("FFE3FFFF") * 2


def test_without_filters_nothing_comes() -> None:
    """A board that forgets its filters is deaf; seven ids are more than the chip has."""
    bench = WireBench("mcp2515")
    assert bench.can.open()
    bench.say(REQUEST, DATA)
    bench.idle()
    assert bench.begin() == []
    bench.can.filters(range(7))
    assert bench.can.state == 0 and bench.can.errors == 1


def test_each_bit_of_the_settings_is_read_back() -> None:
    """Any one bit that arrives wrong while it is set up: open says no, or the registers are right all the same."""
    def opened(flip: int | None) -> tuple[bool, Mcp2515, int]:
        chip = Mcp2515(CanWire())
        node = ControllerCan(Mcp2515Port(chip.spi, chip.cs, 16))
        node.filters((HEARTBEAT, REQUEST))
        bits = 0

        def mishap(data: bytes) -> bytes:
            nonlocal bits
            at, bits = bits, bits + 8 * len(data)
            if flip is not None and data[0] in (0x02, 0x05) and at <= flip < bits:
                number = int.from_bytes(data, "big") ^ 1 << bits - 1 - flip
                return number.to_bytes(len(data), "big")
            return data
        chip.spi.mishap = mishap
        return node.open(), chip, bits

    def settings(chip: Mcp2515) -> list[int]:
        return [chip.registers[at] for at in (*range(0x0C), *range(0x10, 0x1C), *range(0x20, 0x2C), 0x60, 0x70)]
    good, golden, total = opened(None)
    assert good
    refused = 0
    for at in range(total):
        ok, chip, _ = opened(at)
        refused += not ok
        assert not ok or (settings(chip) == settings(golden) and chip.mode == 0)
    assert refused > 300


@pytest.mark.parametrize("level", [0x00, 0xFF])
def test_a_dead_wire_is_no_chip(level: int) -> None:
    """MISO stuck low or high at the start: open says no. In the middle: stopped in the next cycle, and back later."""
    bench = make_bench("mcp2515")
    bench.chip.spi.stuck = level
    assert ControllerCan(Mcp2515Port(bench.chip.spi, bench.chip.cs, 16)).open() is False
    for _ in range(6):
        bench.full_cycle()
    assert bench.can.state == 0 and bench.can.bus_offs == 0
    bench.chip.spi.stuck = None
    for _ in range(6):
        bench.full_cycle()
    assert bench.can.state == 1 and bench.can.restarts >= 1
    bench.say(REQUEST, DATA)
    bench.idle()
    assert bench.begin() == [(REQUEST, DATA)]


def test_a_chip_that_reset_itself_is_set_up_again(bench: Any) -> None:
    """A brown-out of the chip alone leaves it in configuration mode: found in the next cycle, opened after one more."""
    bench.full_cycle()
    bench.chip.reset()
    bench.full_cycle()
    assert bench.can.state == 0
    bench.full_cycle()
    bench.say(REQUEST, DATA)
    bench.full_cycle()
    assert bench.can.state == 1 and bench.can.restarts == 1 and bench.begin() == [(REQUEST, DATA)]


def test_a_chip_in_another_mode_is_found(bench: Any) -> None:
    """A chip that only listens, settings intact, counts as stopped and is set up again."""
    bench.chip.modify(0x0F, 0xE0, 0x60)
    bench.full_cycle()
    assert bench.can.state == 0
    bench.full_cycle()
    assert bench.can.restarts == 1 and bench.chip.mode == 0


def test_a_setting_that_changes_is_found(bench: Any) -> None:
    """A bit timing that no longer reads as written counts as a stopped chip."""
    bench.chip.registers[0x2A] ^= 1
    bench.begin()
    assert bench.can.state == 0


# the port: frames


def test_a_frame_stands_in_the_registers_as_the_data_sheet_says(bench: Any) -> None:
    """SIDH, SIDL with EXIDE, EID8, EID0, DLC, eight bytes; then RTS of that buffer."""
    bench.far.online = False
    bench.can.send(CELLS, DATA)
    bench.can.pump_out()
    assert bytes(bench.chip.registers[0x51:0x5E]) == bytes.fromhex("C7EB200108") + DATA
    assert bench.chip.spi.transfers[-1] == b"\x84" and bench.chip.registers[0x50] == 0x08


def test_the_chip_sends_by_the_ids_priority(bench: Any) -> None:
    """What is urgent overtakes what was loaded before it, inside the chip too."""
    bench.far.online = False
    bench.wire.run(1)
    for can_id in (INFO, CELLS, VALUES):
        assert bench.port.load(can_id, bytearray(DATA)) >= 0
    bench.far.online = True
    bench.run(5)
    assert [can_id for can_id, _ in bench.heard()] == [VALUES, INFO, CELLS]  # the last two are of one TXP
    assert bench.port.load(FAULTS, bytearray(DATA)) == 2


def test_two_frames_fit_and_the_third_is_counted(bench: Any) -> None:
    """Without service the second frame rolls over; the third is lost, counted once, and the flag is cleared."""
    for n in range(3):
        bench.say(REQUEST, bytes([n] * 8))
    bench.run(5)
    assert bench.begin() == [(REQUEST, bytes(8)), (REQUEST, bytes([1] * 8))]
    assert bench.can.overruns == 1 and bench.chip.registers[0x2D] == 0
    bench.begin()
    assert bench.can.overruns == 1


def test_what_rolled_over_is_older(bench: Any) -> None:
    """A frame that comes into the first buffer between two reads is handed on after the one in the second."""
    bench.chip.hear(CanFrame(REQUEST, True, bytes([1] * 8)))
    bench.chip.hear(CanFrame(REQUEST, True, bytes([2] * 8)))
    got = []
    for after in (3, 4, None, None):
        bench.port.take()
        got.append(bench.port.rx_data[0])
        if after is not None:
            bench.chip.hear(CanFrame(REQUEST, True, bytes([after] * 8)))
    assert got == [1, 2, 3, 4]


def test_coming_back_by_itself_is_waited_for(bench: Any) -> None:
    """After a short bus-off the chip rejoins alone: it is not reset, its old frames are aborted, the wait is kept."""
    bench.begin()
    bench.tell_all()
    bench.can.pump_out()
    bench.wire.shorted = True
    bench.run(32)
    bench.begin()
    assert bench.can.state == 4 and bench.can.bus_offs == 1
    bench.wire.shorted = False
    done = len(bench.chip.spi.transfers)
    bench.idle()
    assert bench.heard() == []
    bench.full_cycle()
    assert bench.can.state == 1 and bench.can.restarts == 1
    assert b"\xC0" not in bench.chip.spi.transfers[done:] and len(bench.listened()) >= 8


def test_after_coming_back_by_itself_the_wait_is_kept(bench: Any) -> None:
    """The second time the wait is two cycles: the chip is back on the bus at once, but sends nothing before."""
    for wait in (1, 2, 4):
        bench.begin()
        bench.tell_all()
        bench.can.pump_out()
        bench.wire.shorted = True
        bench.run(32)
        bench.wire.shorted = False
        heard = len(bench.heard())
        for _ in range(wait):
            bench.full_cycle()
            assert len(bench.heard()) == heard
        bench.full_cycle()
        assert len(bench.heard()) > heard
    assert bench.can.restarts == bench.can.bus_offs == 3


def test_the_interrupt_pin_saves_transfers() -> None:
    """With INT wired, nothing is asked for while it is high, and everything comes while it is low."""
    wire = CanWire()
    chip = Mcp2515(wire)
    port = Mcp2515Port(chip.spi, chip.cs, 16, interrupt=chip.interrupt)
    node = ControllerCan(port)
    node.filters((REQUEST,))
    assert node.open()
    done = len(chip.spi.transfers)
    for _ in range(50):
        node.service()
    assert len(chip.spi.transfers) == done
    chip.hear(CanFrame(REQUEST, True, DATA))
    node.service()
    assert node.receive() and bytes(node.rx_data) == DATA and chip.interrupt.value() == 1


@pytest.mark.parametrize("opened", [True, False])
def test_no_error_gets_out(bench: Any, opened: bool) -> None:
    """When SPI raises OSError, always or now and then, the cycle goes on and CS is high between transfers."""
    count = 0

    def mishap(data: bytes) -> bytes:
        nonlocal count
        count += 1
        if not opened or count % 7 == 0:
            raise OSError(5)
        return data
    bench.chip.spi.mishap = mishap
    if not opened:
        assert bench.can.open() is False
    for shorted, online in ((False, True), (False, False), (True, True)):
        bench.wire.shorted, bench.far.online = shorted, online
        for _ in range(6):
            bench.say(REQUEST, DATA)
            bench.full_cycle()
            assert not bench.chip.spi.selected
    bench.can.close()
    bench.can.self_test()
    assert bench.can.errors > 0
