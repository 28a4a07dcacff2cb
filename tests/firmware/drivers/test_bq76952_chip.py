"""The simulated BQ76952 itself, spoken to by hand: what a driver is tested against must do what the reference says."""

from __future__ import annotations

import pytest

from twolbms.sim.chips.bq76952 import CHG, DSG, Bq76952Chip
from twolbms.sim.chips.bq76952_bus import Bq76952Bus, crc8


class Hand:
    """A chip that is awake, and raw frames to and from it."""

    def __init__(self, crc: bool = False) -> None:
        self.chip = Bq76952Chip(crc)
        self.bus = Bq76952Bus(self.chip)
        self.chip.advance_us(500_000)
        self.chip.first_nack = False

    def write(self, text: str) -> int:
        """Register and bytes as on the wire; how many were acknowledged."""
        return self.bus.writeto(8, bytes.fromhex(text))

    def read(self, register: int, count: int) -> bytes:
        buffer = bytearray(count)
        self.bus.readfrom_mem_into(8, register, buffer)
        return bytes(buffer)

    def command(self, code: int, ms: float = 3) -> None:
        self.write("3E" + code.to_bytes(2, "little").hex())
        self.chip.advance_us(1000 * ms)

    def setting(self, address: int, data: bytes) -> None:
        """In CONFIG_UPDATE and out again."""
        self.command(0x0090)
        head = address.to_bytes(2, "little")
        self.write("3E" + (head + data).hex())
        self.write("60" + bytes((~sum(head + data) & 0xFF, len(data) + 4)).hex())
        self.chip.advance_us(1_000)
        self.command(0x0092)

    def close(self) -> None:
        """FETs in the chip's control and allowed; protections that come up on a bench pushed aside by the caller."""
        self.command(0x0022)
        self.command(0x0096)


def test_the_worked_example() -> None:
    """0x0090; 3E: 61 92, 40: 8C, 60: 80 05; 0x0092 enables CUV beside the defaults; reading back gives 32 bytes."""
    hand = Hand()
    hand.command(0x0090)
    for frame in ("3E6192", "408C", "608005"):
        hand.chip.advance_us(1_000)
        hand.write(frame)
    hand.chip.advance_us(1_000)
    hand.command(0x0092)
    assert hand.chip.u8(0x9261) == 0x8C
    hand.command(0x9261)
    window = hand.read(0x3E, 36)
    assert window[:3] == bytes.fromhex("61928C") and window[35] == 0x24
    assert (sum(window[:34]) + window[34]) & 0xFF == 0xFF


@pytest.mark.parametrize(("pair", "taken"), [("608005", True), ("608105", False), ("608004", False), ("608025", False)])
def test_the_checksum_is_checked(pair: str, taken: bool) -> None:
    """A wrong sum or length is not carried out."""
    hand = Hand()
    hand.command(0x0090)
    hand.write("3E61928C")
    hand.write(pair)
    assert (hand.chip.u8(0x9261) == 0x8C) == taken and hand.chip.bad_checksums == (0 if taken else 1)


def test_checksum_and_length_come_together() -> None:
    """Written one after the other they start nothing."""
    hand = Hand()
    hand.command(0x0090)
    hand.write("3E61928C")
    hand.write("6080")
    hand.write("6105")
    assert hand.chip.u8(0x9261) == 0x88


def test_settings_are_gated() -> None:
    """Outside CONFIG_UPDATE, or sealed, data memory takes nothing."""
    hand = Hand()
    hand.write("3E61928C")
    hand.write("608005")
    assert hand.chip.u8(0x9261) == 0x88 and hand.chip.refused_writes == 1
    hand.chip.security = 3
    hand.command(0x0090)
    assert not hand.chip.config


def test_config_update_turns_fets_off() -> None:
    """FETs are off in it, nothing is measured, the flag comes after 2 ms, POR goes with leaving."""
    hand = Hand()
    hand.close()
    assert hand.chip.fets == CHG | DSG and hand.read(0x12, 1)[0] & 0x09 == 0x08
    hand.command(0x0090, ms=1)
    assert hand.read(0x12, 1)[0] & 1 == 0
    hand.chip.advance_us(2_000)
    assert hand.read(0x12, 1)[0] & 1 == 1 and hand.chip.fets == 0
    scans = hand.chip.scans
    hand.chip.advance_us(1_000_000)
    assert hand.chip.scans == scans
    hand.command(0x0092)
    assert hand.read(0x12, 1)[0] & 0x09 == 0


@pytest.mark.parametrize(("off", "flags"), [(0x0D, 0), (0x2D, 0xF)])
def test_the_hosts_flags_start_as_set(off: int, flags: int) -> None:
    """FET_INIT_OFF says whether the host must allow the FETs before they come on."""
    hand = Hand()
    hand.command(0x0022)
    hand.setting(0x9308, bytes((off,)))
    assert hand.chip.host_off == flags and (hand.chip.fets == 0) == (flags == 0xF)


def test_a_busy_chip_shows_nothing() -> None:
    """The window reads FF until the answer is there; what comes meanwhile is lost."""
    hand = Hand()
    hand.chip.memory_us = 5_000
    hand.write("3E6192")
    assert hand.read(0x3E, 2) == b"\xff\xff"
    hand.write("3E9500")
    assert hand.chip.lost_commands == 1
    hand.chip.advance_us(5_000)
    assert hand.read(0x3E, 2) == b"\x61\x92" and hand.chip.commands == [0x9261]


def test_fet_en_is_a_toggle() -> None:
    """0x0022 changes it both ways, 0x0057 shows it in bit 4, without it no FET is on."""
    hand = Hand()
    for on in (True, False, True):
        hand.command(0x0022)
        hand.command(0x0057)
        assert hand.chip.fet_en == on and bool(hand.read(0x40, 1)[0] & 0x10) == on
        assert hand.chip.fets == (CHG | DSG if on else 0)


@pytest.mark.parametrize(("code", "on"), [(0x0093, CHG), (0x0094, DSG), (0x0095, 0), (0x0096, CHG | DSG)])
def test_fet_commands(code: int, on: int) -> None:
    """Each forces its FETs off or allows all."""
    hand = Hand()
    hand.close()
    hand.command(code)
    assert hand.chip.fets == on and hand.read(0x7F, 1)[0] == on


def trip_ms(hand: Hand, status: int, bit: int, step_us: int = 100) -> float:
    """Until a bit of a safety status stands; the host goes on talking."""
    began = hand.chip.now_us
    while not hand.chip.protections.status[status] >> bit & 1:
        assert hand.chip.now_us - began < 20_000_000
        hand.chip.advance_us(step_us)
        hand.chip.heard_us = hand.chip.now_us
    return (hand.chip.now_us - began) / 1000


@pytest.mark.parametrize(("threshold", "delay", "address", "current_ma", "bit", "ms"), [
    (20, 4, 0x9280, 170_000, 4, 19.8), (20, 127, 0x9280, 170_000, 4, 425.7),  # 40 mV are 160 A; 3.3 ms, and 6.6
    (30, 1, 0x9282, -250_000, 5, 9.9), (40, 7, 0x9284, -330_000, 6, 29.7)])
def test_over_currents(threshold: int, delay: int, address: int, current_ma: int, bit: int, ms: float) -> None:
    """2 mV a step across the shunt, 3.3 ms a step and two more; below it nothing trips."""
    hand = Hand()
    hand.setting(0x9261, b"\x70")
    hand.setting(0x9280, bytes((62, 4, 100, 1, 100, 7)))
    hand.setting(address, bytes((threshold, delay)))
    limit_ma = 2 * threshold / 0.25 * 1000
    hand.chip.current_ma = limit_ma * (1 if current_ma > 0 else -1)
    hand.chip.advance_us(1_000_000)
    assert hand.chip.protections.status[0] == 0
    hand.chip.current_ma = current_ma
    assert ms <= trip_ms(hand, 0, bit) <= ms + 0.2


@pytest.mark.parametrize(("mv", "bit", "address"), [(2_450.0, 2, 0x9275), (3_700.0, 3, 0x9278)])
def test_cell_voltages(mv: float, bit: int, address: int) -> None:
    """50.6 mV a step, the delay runs from the scan that saw it; it recovers by its hysteresis and 3 s."""
    hand = Hand()
    hand.setting(0x9261, b"\x0c")
    hand.setting(address, bytes((49 if bit == 2 else 72, 98, 0)))  # 2.479 and 3.643 V; 330 ms
    hand.chip.advance_us(300_000)
    hand.chip.cells_mv[5] = mv
    assert 330 <= trip_ms(hand, 0, bit) <= 330 + 64
    hand.chip.cells_mv[5] = 2_500.0 if bit == 2 else 3_600.0  # inside, within the hysteresis
    for _ in range(10):
        hand.chip.advance_us(1_000_000)
    assert hand.chip.protections.status[0] == 1 << bit
    hand.chip.cells_mv[5] = 3_300.0
    hand.chip.advance_us(2_900_000)
    assert hand.chip.protections.status[0] == 1 << bit
    hand.chip.advance_us(200_000)
    assert hand.chip.protections.status[0] == 0


def test_only_connected_cells_count() -> None:
    """An input without a cell trips nothing."""
    hand = Hand()
    hand.setting(0x9304, b"\x7f\x80")
    hand.setting(0x9261, b"\x0c")
    hand.chip.cells_mv[10] = 0.0
    hand.chip.advance_us(2_000_000)
    assert hand.chip.protections.status[0] == 0 and hand.read(0x28, 2) == b"\0\0"


def test_a_short_circuit_is_cut_at_once() -> None:
    """Above the threshold for 60 us both FETs open; 5 s later the chip would close, unless told to wait."""
    hand = Hand()
    hand.close()
    hand.setting(0x9261, b"\x80")
    hand.setting(0x9286, bytes((7, 5)))
    hand.command(0x0096)
    hand.chip.current_ma = -620_000
    hand.chip.advance_us(50)
    assert hand.chip.fets == CHG | DSG
    hand.chip.advance_us(20)
    assert hand.chip.fets == 0 and hand.read(0x03, 1) == b"\x80"
    hand.chip.current_ma = 0
    hand.chip.advance_us(4_900_000)
    assert hand.chip.fets == 0
    hand.chip.advance_us(200_000)
    assert hand.chip.fets == CHG | DSG


def test_a_short_circuit_that_waits() -> None:
    """Then only 0x009C ends it, and not while it lasts."""
    hand = Hand()
    hand.chip.protections.scd_waits = True
    hand.chip.current_ma = -620_000
    hand.chip.advance_us(1_000)
    hand.command(0x009C)
    assert hand.chip.protections.status[0] == 0x80
    hand.chip.current_ma = 0
    hand.chip.advance_us(60_000_000)
    assert hand.chip.protections.status[0] == 0x80
    hand.command(0x009C)
    assert hand.chip.protections.status[0] == 0


@pytest.mark.parametrize(("celsius", "bit"), [(55.0, 4), (60.0, 5), (0.0, 0)])
def test_temperatures(celsius: float, bit: int) -> None:
    """At the threshold, after its seconds; nothing of it by default."""
    hand = Hand()
    hand.chip.thermistors_c["TS1"] = celsius
    hand.chip.advance_us(5_000_000)
    assert hand.chip.protections.status[1] == 0
    hand.setting(0x9262, bytes((1 << bit,)))
    assert 2_000 <= trip_ms(hand, 1, bit, 5_000) <= 2_400


def test_the_die() -> None:
    """OTINT judges the die, OTF a thermistor that is one of the FETs'."""
    hand = Hand()
    hand.setting(0x9262, b"\xc0")
    hand.chip.thermistors_c["DDSG"] = 90.0
    hand.chip.advance_us(1_000_000)
    hand.chip.heard_us = hand.chip.now_us
    hand.chip.advance_us(4_000_000)
    assert hand.chip.protections.status[1] == 0
    hand.chip.die_c = 85.0
    assert trip_ms(hand, 1, 6, 5_000) <= 2_300
    hand.setting(0x9302, b"\x0f")
    assert trip_ms(hand, 1, 7, 5_000) <= 2_300


def test_the_host_watchdog() -> None:
    """Silence trips it, a valid transfer ends it; a transfer whose check is wrong does not count."""
    hand = Hand(crc=True)
    chip = hand.chip
    chip.ram[0x263], chip.ram[0x2B2] = 0x02, 2
    chip.advance_us(100)
    chip.heard_us = chip.now_us
    chip.advance_us(1_900_000)
    hand.write("3E9500")  # without checks
    assert hand.bus.bad_checks == 1
    chip.advance_us(200_000)
    assert chip.protections.status[2] == 0x02
    hand.read(0x12, 4)
    chip.advance_us(1_000)
    assert chip.protections.status[2] == 0


def test_balancing_ends_and_is_limited() -> None:
    """One cell by default for 20 s; more than allowed, or with commands forbidden, nothing."""
    hand = Hand()
    hand.chip.advance_us(500_000)
    hand.write("3E83000400")
    hand.write("60" + bytes((~(0x83 + 4) & 0xFF, 6)).hex())
    assert hand.chip.balanced == 4
    hand.chip.advance_us(19_900_000)
    assert hand.chip.balanced == 4
    hand.chip.advance_us(200_000)
    assert hand.chip.balanced == 0
    hand.write("3E83000500")
    hand.write("607706")
    assert hand.chip.balanced == 0 and hand.chip.bad_checksums == 0
    hand.setting(0x933A, b"\x02")
    hand.chip.advance_us(500_000)
    hand.write("3E83000500")
    hand.write("607706")
    assert hand.chip.balanced == 5


def test_loss_of_supply() -> None:
    """Everything is lost, POR stands, the first transfers are not acknowledged."""
    hand = Hand()
    hand.close()
    hand.setting(0x9261, b"\xfc")
    hand.chip.lose_power()
    with pytest.raises(OSError):
        hand.read(0x12, 2)
    hand.chip.wake()
    hand.chip.advance_us(300_000)
    with pytest.raises(OSError):
        hand.read(0x12, 2)
    assert hand.read(0x12, 1)[0] & 0x18 == 0x08
    assert hand.chip.u8(0x9261) == 0x88 and not hand.chip.fet_en and hand.chip.fets == 0


def test_shutdown_needs_two() -> None:
    """Once does nothing at once; twice in a row the chip is gone; RESET is a restart."""
    hand = Hand()
    hand.command(0x0010)
    hand.command(0x0001)
    hand.command(0x0010)
    assert hand.chip.powered
    hand.command(0x0010)
    assert not hand.chip.powered
    again = Hand()
    again.setting(0x9261, b"\xfc")
    again.command(0x0012)
    assert again.chip.por and again.chip.u8(0x9261) == 0x88


def test_alarms_latch_what_is_enabled() -> None:
    """By default a scan leaves no trace; enabled it stands until 1 is written to it."""
    hand = Hand()
    hand.chip.advance_us(500_000)
    assert hand.read(0x62, 1)[0] & 0x82 == 0
    hand.write("6682C0")
    hand.chip.advance_us(300_000)
    assert hand.read(0x62, 1)[0] & 0x82 == 0x82
    hand.write("628200")
    assert hand.read(0x62, 1)[0] & 0x82 == 0
    hand.chip.advance_us(64_000)
    assert hand.read(0x62, 1)[0] & 0x82 == 0x02  # one loop is no full scan


def test_scans_take_their_time() -> None:
    """18 slots of 3 ms and one a thermistor, at most three."""
    hand = Hand()
    assert hand.chip.scan_us == 57_000
    hand.setting(0x92FA, bytes((0, 0, 0, 7, 7, 7, 7, 0, 0)))
    assert hand.chip.scan_us == 63_000
    before = hand.chip.scans
    hand.chip.advance_us(6_300_000)
    assert hand.chip.scans - before == 100


def test_faults_that_are_put_in() -> None:
    """NACKs, stuck registers, noise, flips and a chip that stops scanning do what they say."""
    hand = Hand()
    hand.bus.nacks = 1
    with pytest.raises(OSError):
        hand.read(0x12, 2)
    hand.chip.noise_mv = (0, 7)
    hand.chip.advance_us(1_000_000)
    seen = set()
    for _ in range(4):
        hand.chip.advance_us(60_000)
        seen.add(int.from_bytes(hand.read(0x14, 2), "little"))
    assert seen == {3300, 3307}
    hand.chip.stuck[0x14] = b"\x74\x0e"
    assert hand.read(0x14, 2) == b"\x74\x0e"
    hand.chip.frozen = True
    scans = hand.chip.scans
    hand.chip.advance_us(1_000_000)
    assert hand.chip.scans == scans


def test_crc_on_the_wire() -> None:
    """Reads carry the maker's checks, writes without them are refused byte by byte."""
    hand = Hand(crc=True)
    hand.chip.stuck[0x14] = b"\x68\x0b"
    assert hand.read(0x14, 4) == bytes.fromhex("68330B31")
    assert hand.write("3E22630000") == 5 and hand.chip.commands == [0x0022]
    hand.chip.advance_us(1_000)
    assert hand.write("3E22640000") == 1 and hand.write("3E22630001") == 3
    assert crc8(bytes.fromhex("103E22")) == 0x63


def test_the_lines_share_their_bus() -> None:
    """While SDA is held nothing gets through, and each try costs the timeout."""
    hand = Hand()
    hand.bus.lines.stick(3)
    began = hand.chip.now_us
    with pytest.raises(OSError):
        hand.read(0x12, 2)
    assert hand.chip.now_us - began == 2_000
    for _ in range(3):
        hand.bus.lines.scl.value(0)
        hand.bus.lines.scl.value(1)
    assert hand.read(0x12, 2)
