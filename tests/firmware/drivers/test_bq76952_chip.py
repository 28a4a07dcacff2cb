"""The simulated BQ76952 itself, spoken to by hand: what a driver is tested against must do what the reference says."""

from __future__ import annotations

import pytest

from firmware.drivers.bq76952_hand import Hand
from twolbms.sim.chips.bq76952 import CHG, DSG
from twolbms.sim.chips.bq76952_bus import crc8


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
