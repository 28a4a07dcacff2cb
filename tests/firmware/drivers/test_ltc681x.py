"""The LTC681x driver on simulated chips: numbers typed again from afe_chips.md, every bit of a group spoiled once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from drivers import ltc681x
from drivers.ltc681x import Ltc681x
from drivers.ltc681x_chain import command
from drivers.ltc681x_config import over_voltage_code, under_voltage_code
from node.measure import NA

from firmware.drivers.ltc681x_bench import CYCLE_US, NTC, Bench
from twolbms.sim.chips import ltc681x as chips

RDCFGA, RDCFGB, RDCVA, RDCVB, RDAUXA, RDAUXB = 0x002, 0x026, 0x004, 0x006, 0x00C, 0x00E
CLRCELL, ADCV = 0x711, 0x360
KINDS = pytest.mark.parametrize(("inputs", "per_chip"), [(12, 12), (18, 16)], ids=["LTC6811", "LTC6813"])


@pytest.mark.parametrize("frame", [
    "00013D6E", "00022B0A", "000407C2", "00069A94", "00085E52", "000AC304", "0009D560", "000B4836", "0360F46C",
    "0711C9C0", "0714F36C"])
def test_commands(frame: str) -> None:
    """Commands are the reference page's bytes."""
    assert command(int(frame[:4], 16)).hex().upper() == frame


@KINDS
def test_every_cell_in_its_place(inputs: int, per_chip: int) -> None:
    """Every cell of 96 is read in mV from its chip and input, new in each cycle, and nothing goes wrong on the way."""
    bench = Bench(96 // per_chip, inputs, per_chip)
    for turn in range(5):
        bench.put(7, 3000 + turn)
        assert bench.cycle() and bench.true() and not bench.unknown
    driver = bench.driver
    assert driver.config_ok and driver.errors == driver.comms_age == driver.open_wires == driver.hard_trip == 0
    assert not any(chip.unknown or chip.bad_frames for chip in bench.chain.chips)


def test_a_word_is_100_uv_low_byte_first() -> None:
    """Words become mV to the nearest; the largest that is a value is 6553.4 mV."""
    bench = Bench(1)
    for mv, shown in ((3700.4, 3700), (3700.5, 3701), (0.0, 0), (6553.4, 6553)):
        bench.put(4, mv)
        assert bench.cycle() and bench.m.cell_mv[4] == shown


def test_only_what_is_wired() -> None:
    """A chip that carries fewer cells gives those, wherever they are plugged, and reads no group it does not need."""
    table = ((0, 1), (0, 3), (0, 5), (1, 2), (1, 6))
    chain = chips.Chain(2, 12)
    driver = Ltc681x(chain.spi, chain.cs, 2, 12, table, clock=chain.clock)
    for cell, (chip, pin) in enumerate(table):
        chain.chips[chip].cells_mv[pin - 1] = 3300 + cell
    m = SimpleNamespace(cell_mv=[NA] * 5, temp_dc=[])
    assert driver.start(SimpleNamespace(CELLS=5, SENSORS=0, TRIP=(4200, 2500))) == ltc681x.OK
    assert driver.read_into(m) and m.cell_mv == [3300, 3301, 3302, 3303, 3304] and driver.open_wires == 0


@pytest.mark.parametrize("table", [
    ((0, 0),), ((0, 13),), ((2, 1),), ((0, 2), (0, 1)), ((0, 1), (0, 1)), ((0, 1), (1, 1), (0, 2)), ()])
def test_a_table_that_is_no_wiring_is_refused(table: tuple[tuple[int, int], ...]) -> None:
    """A cell table with a place that does not exist, twice, or out of order stops the build of a board."""
    chain = chips.Chain(2, 12)
    with pytest.raises(ValueError):
        Ltc681x(chain.spi, chain.cs, 2, 12, table, clock=chain.clock)


# Bits on the bus


@pytest.mark.parametrize("bit", range(64))
@pytest.mark.parametrize("chip", [0, 2])
def test_a_flipped_bit_of_a_cell_group(bit: int, chip: int) -> None:
    """One bit wrong in a group: it is asked for once more; wrong again: its cells are not available, and counted."""
    bench = Bench()
    bench.flip(RDCVB, bit, chip=chip)
    assert bench.cycle() and bench.true() and not bench.unknown
    assert (bench.driver.errors, bench.driver.chain.retries, bench.driver.comms_age) == (1, 1, 0)
    bench.flip(RDCVB, bit, 2, chip=chip)
    assert not bench.cycle() and bench.true() and bench.unknown == {12 * chip + 3, 12 * chip + 4, 12 * chip + 5}
    assert (bench.driver.errors, bench.driver.comms_age) == (3, 1)
    assert list(bench.driver.chain.chip_errors) == [3 if n == chip else 0 for n in range(3)]
    assert bench.cycle() and bench.driver.comms_age == 0


@pytest.mark.parametrize("bit", range(64))
@pytest.mark.parametrize("code", [RDAUXA, RDAUXB], ids=["GPIO", "VREF2"])
def test_a_flipped_bit_of_an_aux_group(code: int, bit: int) -> None:
    """One bit wrong in a temperature's or the reference's group, twice: not available, and the others are."""
    bench = Bench(sensors=((0, 2), (1, 2)))
    assert bench.cycle() and list(bench.m.temp_dc) == [250, 250]
    bench.flip(code, bit, chip=1)
    assert bench.cycle() and list(bench.m.temp_dc) == [250, 250]
    bench.flip(code, bit, 2, chip=1)
    assert bench.cycle() and list(bench.m.temp_dc) == [250, NA] and bench.driver.comms_age == 1


@pytest.mark.parametrize("bit", range(64))
@pytest.mark.parametrize("code", [RDCFGA, RDCFGB])
def test_a_flipped_bit_of_the_configuration(code: int, bit: int) -> None:
    """A configuration that cannot be read is not sure, however often it is asked for; once read well it is."""
    bench = Bench(inputs=18, per_chip=18)
    bench.flip(code, bit, chip=1)
    assert bench.cycle() and bench.driver.config_ok and bench.driver.config_losses == 0
    bench.flip(code, bit, 9, chip=1)
    assert bench.cycle() and not bench.driver.config_ok
    bench.chain.flips.clear()
    assert bench.cycle() and bench.driver.config_ok


@pytest.mark.parametrize("bit", range(32))
def test_a_damaged_command_converts_nothing(bit: int) -> None:
    """Chips that get a damaged ADCV keep their cells cleared, so those are not available; the others are."""
    bench = Bench()
    bench.flip(ADCV, bit, of="command", chip=1)
    assert not bench.cycle() and bench.unknown == set(range(12, 36)) and bench.true()
    assert bench.cycle()


@pytest.mark.parametrize("bit", range(32))
def test_a_damaged_clear_proves_nothing(bit: int) -> None:
    """A clear that was not taken is sent once more; where it still was not, the conversion is not proven."""
    bench = Bench()
    bench.flip(CLRCELL, bit, of="command", chip=2)
    assert bench.cycle()
    bench.flip(CLRCELL, bit, 2, of="command", chip=2)
    assert not bench.cycle() and bench.unknown == set(range(24, 36))


def test_old_registers_are_no_readings() -> None:
    """A chip that answers but hears no command is found, though all it gives has a good PEC; so are its sensors."""
    bench = Bench(sensors=((0, 1), (1, 1)))
    bench.cycle()
    bench.chain.chips[1].frozen = True
    for _ in range(3):
        assert not bench.cycle() and bench.unknown == set(range(12, 24)) and list(bench.m.temp_dc) == [250, NA]
    bench.chain.chips[1].frozen = False
    assert bench.cycle() and not bench.unknown


def test_a_slow_and_a_hung_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversion that takes longer is waited for by polling; one that hangs costs 1 ms and gives no cells."""
    bench = Bench()
    monkeypatch.setitem(chips.CONVERSION_US, 2, 2_900)
    assert bench.cycle() and bench.true()
    monkeypatch.setitem(chips.CONVERSION_US, 2, 50_000)
    assert not bench.cycle() and bench.unknown == set(range(36)) and bench.cycle_us < 8_000


def test_a_broken_link() -> None:
    """Behind a broken link cells are not available and the age of the last good transfer grows; before it they are."""
    bench = Bench()
    bench.chain.broken_after = 2
    for age in range(1, 5):
        assert not bench.cycle() and bench.unknown == set(range(24, 36)) and bench.true()
        assert bench.driver.comms_age == age and not bench.driver.config_ok
    bench.chain.broken_after = 3
    bench.cycle()  # the chip behind has slept meanwhile or not: its configuration is judged anew
    assert bench.cycle() and bench.driver.config_ok and bench.driver.comms_age == 0


def test_a_bus_that_raises() -> None:
    """Wherever in a cycle the bus fails, nothing is raised, nothing is invented, and CS is released."""
    bench = Bench(inputs=18, per_chip=18, sensors=((0, 1),), sum_of_cells=True, open_wire_cycles=0)
    left = [0]

    def mishap() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(5)

    bench.chain.mishap = mishap
    for place in range(1, 200):
        left[0] = place
        fresh = bench.cycle()
        assert fresh == (not bench.unknown) and bench.true()
        if left[0] > 0:
            break
        left[0] = 0
        assert bench.driver.comms_age == 1
        bench.cycle()
        assert bench.cycle() and bench.driver.comms_age == 0
    assert 60 < place < 199 and bench.driver.open_wires == 0  # the open-wire step included

    def dead() -> None:
        raise OSError(5)

    bench.chain.mishap = dead
    assert not bench.cycle() and len(bench.unknown) == 54 and bench.m.pack_mv == NA and not bench.driver.config_ok


# Sleep and configuration


def test_idle_chips_are_woken_each_cycle() -> None:
    """Ports go idle between cycles; one pulse a chip wakes all of eleven."""
    bench = Bench(11, per_chip=11)
    assert all(bench.cycle() for _ in range(20)) and bench.driver.errors == 0


def test_sleep_loses_the_configuration() -> None:
    """After 2 s without a command all is lost: the same cycle wakes, measures and writes again, and says so."""
    bench = Bench(8, sensors=((7, 5),))
    bench.cycle()
    bench.balance(0, 40)
    assert bench.cycle() and bench.bled == {0, 40}
    assert bench.cycle(2_200_000) and bench.true()
    assert not bench.driver.config_ok and bench.driver.config_losses == 1 and bench.bled == set()
    bench.balance(0, 40)
    assert bench.bled == set()
    assert bench.cycle() and bench.driver.config_ok and bench.chain.chips[7].config_a[0] & 4
    bench.balance(0, 40)
    assert bench.bled == {0, 40} and bench.driver.config_losses == 1


@KINDS
def test_the_configuration_written(inputs: int, per_chip: int) -> None:
    """Trips of 4200 and 2500 mV: VOV 2625, VUV 1562; reference on, pull-downs off, no discharge, no discharge timer."""
    bench = Bench(2, inputs, per_chip)
    for chip in bench.chain.chips:
        vuv, vov = 1562, 2625
        assert bytes(chip.config_a) == bytes((0xFC, vuv & 0xFF, (vov & 15) << 4 | vuv >> 8, vov >> 4, 0, 0))
        assert bytes(chip.config_b) == bytes((0x0F, 0, 0, 0, 0, 0))


@pytest.mark.parametrize(("mv", "over", "under"), [
    (3650, 3649.6, 3651.2), (2500, 2499.2, 2500.8), (4200, 4200.0, 4200.0), (1, 0.0, 1.6), (1 << 28, 6552.0, 6553.6)])
def test_chip_limits_are_never_looser(mv: int, over: float, under: float) -> None:
    """Over-voltage is rounded down and under-voltage up to the chip's steps of 1.6 mV."""
    assert over_voltage_code(mv) * 1.6 == pytest.approx(over)
    assert (under_voltage_code(mv) + 1) * 1.6 == pytest.approx(under)


@pytest.mark.parametrize("register", ["config_a", "config_b"])
@pytest.mark.parametrize("bit", range(48))
def test_each_bit_a_chip_loses_is_seen(register: str, bit: int) -> None:
    """A bit that changed in a chip's configuration shows in the next cycle and is put right, what is not ours aside."""
    bench = Bench(inputs=18, per_chip=18)
    bench.cycle()
    kept = bytes(getattr(bench.chain.chips[1], register))
    getattr(bench.chain.chips[1], register)[bit // 8] ^= 0x80 >> bit % 8
    # aside: GPIO levels and DTEN of A; GPIO levels and MUTE of B, and its bytes that have no meaning
    aside = (0, 1, 2, 3, 4, 6) if register == "config_a" else (4, 5, 6, 7, 8, *range(16, 48))
    assert bench.cycle()
    assert bench.driver.config_ok == (bit in aside)
    assert bench.cycle() and bench.driver.config_ok
    assert bit in aside or bytes(getattr(bench.chain.chips[1], register)) == kept


# Start


def test_start_refuses_what_is_not_the_pack() -> None:
    """Other cells than the limits have, or sensors they do not know, are an error before anything is sent."""
    bench = Bench(start=False, sensors=((0, 1),))
    bench.limits.CELLS = 35
    assert bench.driver.start(bench.limits) == ltc681x.ERROR_TABLE and bench.chain.bytes == 0
    bench.limits.CELLS, bench.limits.SENSORS = 36, 0
    assert bench.driver.start(bench.limits) == ltc681x.ERROR_TABLE and bench.chain.bytes == 0


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_start_names_the_chip_that_is_silent(reach: int) -> None:
    """A chain that ends too early is an error that names the first chip missing; mended, start succeeds."""
    bench = Bench(start=False)
    bench.chain.broken_after = reach
    assert bench.driver.start(bench.limits) == ltc681x.ERROR_SILENT
    assert bench.driver.bad_chip == reach and not bench.driver.config_ok
    bench.chain.broken_after = 3
    assert bench.driver.start(bench.limits) == ltc681x.OK and bench.cycle()


@pytest.mark.parametrize("bit", range(24))
def test_start_finds_a_stuck_bit(bit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bit of VUV and VOV that a chip cannot set, or cannot clear, is found by the patterns."""
    for level in (0, 0x80 >> bit % 8):
        bench = Bench(start=False)
        chip, write = bench.chain.chips[1], bench.chain.chips[1].write

        def stuck(code: int, data: bytes, chip: chips.Chip = chip, write: object = write, level: int = level) -> None:
            write(code, data)
            chip.config_a[1 + bit // 8] = chip.config_a[1 + bit // 8] & ~(0x80 >> bit % 8) | level

        monkeypatch.setattr(chip, "write", stuck)
        assert bench.driver.start(bench.limits) == ltc681x.ERROR_REGISTERS and bench.driver.bad_chip == 1


def test_start_finds_chips_that_answer_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chip keeps a pattern of its own: two that give the same answer are found."""
    bench = Bench(start=False)
    monkeypatch.setattr(bench.chain.chips[2], "read", bench.chain.chips[1].read)
    assert bench.driver.start(bench.limits) == ltc681x.ERROR_REGISTERS and bench.driver.bad_chip == 2


def test_start_finds_a_configuration_that_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chip that cannot switch its reference on with these limits is an error of its own."""
    bench = Bench(start=False)
    chip, write = bench.chain.chips[0], bench.chain.chips[0].write

    def forgetful(code: int, data: bytes) -> None:
        write(code, data)
        if data[1] == 1562 & 0xFF:
            chip.config_a[0] &= ~4

    monkeypatch.setattr(chip, "write", forgetful)
    assert bench.driver.start(bench.limits) == ltc681x.ERROR_CONFIG and bench.driver.bad_chip == 0


@pytest.mark.parametrize("code", [CLRCELL, ADCV])
def test_start_finds_a_converter_that_does_nothing(code: int) -> None:
    """A chip that does not clear, or does not convert, fails the start."""
    bench = Bench(start=False)
    bench.chain.chips[2].ignores = {code}
    assert bench.driver.start(bench.limits) == ltc681x.ERROR_CONVERSION and bench.driver.bad_chip == 2
    assert not bench.driver.config_ok


def test_start_on_a_dead_bus() -> None:
    """A bus that only raises ends in an error code, not in an exception."""
    bench = Bench(start=False)

    def dead() -> None:
        raise OSError(110)

    bench.chain.mishap = dead
    assert bench.driver.start(bench.limits) == ltc681x.ERROR_SILENT and bench.driver.errors > 0


def test_start_again_while_running() -> None:
    """start() may come again at any time; balancing is off after it, and a failed one leaves nothing sure."""
    bench = Bench()
    bench.cycle()
    bench.balance(3)
    assert bench.driver.start(bench.limits) == ltc681x.OK and bench.bled == set()
    assert bench.cycle() and bench.driver.config_ok
    bench.chain.broken_after = 1
    assert bench.driver.start(bench.limits) == ltc681x.ERROR_SILENT and not bench.driver.config_ok


# Temperatures, sums, time


def test_thermistors_are_ratios_to_vref2() -> None:
    """Resistances typed from the reference page give their temperature to 0.2 degC, whatever VREF2 is."""
    places = ((0, 1), (0, 3), (0, 4), (0, 5), (1, 6), (1, 8), (1, 9))
    bench = Bench(2, 18, 18, places)
    ohms = ((77_523, -200), (28_704, 0), (22_897, 50), (10_000, 250), (4_847, 450), (2_981, 600), (1_662, 800))
    for reference_mv in (3000.0, 2985.0, 3015.0):
        for (chip, gpio), (ohm, _) in zip(places, ohms, strict=True):
            bench.chain.chips[chip].reference_mv = reference_mv
            bench.chain.chips[chip].gpio_mv[gpio - 1] = reference_mv * ohm / (ohm + 10_000)
        bench.cycle()
        assert bench.cycle()
        for shown, (_, dc) in zip(bench.m.temp_dc, ohms, strict=True):
            assert abs(shown - dc) <= 2


@pytest.mark.parametrize(("gpio_mv", "dc"), [
    (3000, NA), (2941, NA), (2940, NA), (2700, NA), (59, NA), (0, NA), (1500, 250), (2000, 80), (1000, 442)])
def test_open_short_and_straight_between(gpio_mv: int, dc: int) -> None:
    """Above 0.98 open, below 0.02 shorted, outside the table unknown; straight lines between its points."""
    bench = Bench(1, sensors=((0, 2),))
    bench.chain.chips[0].gpio_mv[1] = gpio_mv
    bench.cycle()
    assert bench.cycle() and bench.m.temp_dc[0] == dc


def test_open_and_short_hold_for_any_table() -> None:
    """A table that promises temperatures beyond 0.02 and 0.98 is not believed there."""
    chain = chips.Chain(1, 12)
    driver = Ltc681x(chain.spi, chain.cs, 1, 12, ((0, 1),), ((0, 1),), ((0, 10_000), (2000, -500)), clock=chain.clock)
    shown = {ratio: driver.thermistors.temperature(3 * ratio, 30_000) for ratio in (199, 200, 9800, 9801)}
    assert shown == {199: NA, 200: 1950, 9800: -450, 9801: NA}
    assert driver.thermistors.temperature(15_000, 0) == NA == driver.thermistors.temperature(15_000, 0xFFFF)


@pytest.mark.parametrize("table", [((), ()), ((1, 2), (1,)), ((2, 1), (1, 2)), ((1, 1), (1, 2))])
def test_a_thermistor_table_that_does_not_rise_is_refused(table: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    """A board with a table that cannot be walked is not built; nor one with a GPIO that does not exist."""
    chain = chips.Chain(1, 12)
    with pytest.raises(ValueError):
        Ltc681x(chain.spi, chain.cs, 1, 12, ((0, 1),), ((0, 1),), table, clock=chain.clock)
    with pytest.raises(ValueError):
        Ltc681x(chain.spi, chain.cs, 1, 12, ((0, 1),), ((0, 6),), NTC, clock=chain.clock)


def test_a_temperature_not_converted_is_unknown() -> None:
    """A chip that starts no aux conversion gives no temperature, not the old one."""
    bench = Bench(sensors=((0, 1), (2, 1)))
    bench.cycle()
    bench.chain.chips[2].ignores = {0x560}
    bench.cycle()
    assert bench.cycle() and list(bench.m.temp_dc) == [250, NA]


def test_only_what_it_measures() -> None:
    """Current and link voltage are left alone; the pack's too, unless it is to be the sum of all cells."""
    for sums in (False, True):
        bench = Bench(sum_of_cells=sums)
        bench.m.pack_mv, bench.m.link_mv, bench.m.current_ma = 1, 2, 3
        bench.cycle()
        total = sum(3500 + cell for cell in range(36))
        assert (bench.m.pack_mv, bench.m.link_mv, bench.m.current_ma) == (total if sums else 1, 2, 3)
        bench.flip(RDCVB, 0, 2)
        bench.cycle()
        assert bench.m.pack_mv == (NA if sums else 1)


@pytest.mark.parametrize(("inputs", "per_chip", "count", "step"), [(12, 12, 572, 880), (18, 16, 608, 956)])
def test_bytes_and_time_of_a_cycle(inputs: int, per_chip: int, count: int, step: int) -> None:
    """96 cells at 1 MHz: the bytes the docstring tells, below 7.3 ms; below 14.7 ms with half an open-wire check."""
    bench = Bench(96 // per_chip, inputs, per_chip, ((0, 1), (1, 5)))
    seen = {}
    for _ in range(103):
        assert bench.cycle()
        seen[bench.cycle_bytes] = max(seen.get(bench.cycle_bytes, 0), bench.cycle_us)
    assert set(seen) == {count, step}
    assert seen[count] < 7_300 and seen[step] < 14_700


@KINDS
def test_the_worst_cycle_keeps_the_budget(inputs: int, per_chip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead chip, one that takes no command, a converter that hangs and chips asleep, all at once: below 20 ms."""
    bench = Bench(96 // per_chip, inputs, per_chip, ((0, 1), (1, 5)), open_wire_cycles=1)
    bench.chain.broken_after -= 1
    bench.chain.chips[0].frozen = True
    monkeypatch.setitem(chips.CONVERSION_US, 2, 50_000)
    for pause_us in (CYCLE_US, CYCLE_US, 3_000_000, CYCLE_US):
        assert not bench.cycle(pause_us) and bench.cycle_us < 20_000
