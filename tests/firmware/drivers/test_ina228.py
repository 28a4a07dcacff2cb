"""The INA228's driver against its registers. Numbers typed from the reference page "afe_chips", not from the code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from drivers import ina228
from drivers.ina228 import CHARGE_TRIP, DISCHARGE_TRIP, LINK, PACK, Ina228
from node.measure import NA

from firmware.drivers.tape import Recorder, on_micropython
from twolbms.diagnoses import DIAGNOSES
from twolbms.sim.chips.ina228 import AlertPin, I2cBus, Ina228Chip

ADDRESS = 0x40
NEVER = 268435455
CYCLE_MS = 100


def limits(charge_peak_ma: int = 250_000, discharge_peak_ma: int = 280_000) -> SimpleNamespace:
    trips = [NEVER] * 40
    trips[18], trips[19] = charge_peak_ma, discharge_peak_ma
    return SimpleNamespace(TRIP=tuple(trips), CAL_CURRENT_PPM_MAX=20_000, CAL_CURRENT_MA_MAX=1_000)


class Bench:
    """A chip on a bus with its driver: 0.5 mOhm and 300 A unless told otherwise."""

    def __init__(self, micro_ohm: int = 500, full_ma: int = 300_000, taped: bool = False, pin: bool = False,
                 rows: SimpleNamespace | None = None, **options: Any) -> None:
        self.chip = Ina228Chip(micro_ohm * 1e-6)
        self.bus = I2cBus({ADDRESS: self.chip})
        self.pin = Recorder(AlertPin(self.chip)) if pin else None
        self.i2c = Recorder(self.bus)
        self.driver = Ina228(self.i2c if taped else self.bus, ADDRESS, micro_ohm, full_ma, alert=self.pin, **options)
        self.m = SimpleNamespace(current_ma=NA, link_mv=1, pack_mv=2)
        self.limits = rows or limits()
        self.code = self.driver.start(self.limits)

    def cycle(self, current_a: float | None = None) -> bool:
        if current_a is not None:
            self.chip.current_a = current_a
        self.chip.advance(CYCLE_MS)
        return bool(self.driver.read_into(self.m))


def test_the_scale_of_the_makers_example() -> None:
    """0.5 mOhm and 300 A: SHUNT_CAL 3750, 100 A is 160,000 counts of VSHUNT and reads 100 A to 1 mA."""
    bench = Bench()
    assert bench.code == ina228.OK and bench.chip.registers[0x02] == 3750
    assert bench.cycle(100.0) and abs(bench.m.current_ma - 100_000) <= 1
    assert bench.chip.results[0x04] == 160_000


def test_the_fine_range() -> None:
    """0.1 mOhm, 300 A and ADCRANGE 1: SHUNT_CAL 3000, and both directions read right."""
    bench = Bench(100, 300_000, fine_range=True)
    assert bench.chip.registers[0x02] == 3000 and bench.chip.registers[0x00] == 0x0010
    for current_a in (-299.0, -0.5, 0.0, 12.345, 299.0):
        assert bench.cycle(current_a) and abs(bench.m.current_ma - current_a * 1000) <= 2


@pytest.mark.parametrize("micro_ohm", [37, 100, 250, 333, 500])
def test_a_rounded_shunt_cal_costs_no_accuracy(micro_ohm: int) -> None:
    """Whatever SHUNT_CAL rounds to, the reading stays within 2 mA and one count of the shunt voltage."""
    full_ma = min(2_000_000, 163_000_000 // micro_ohm)
    bench = Bench(micro_ohm, full_ma, charge_alert_ma=full_ma - 1000, discharge_alert_ma=full_ma - 1000)
    count_ma = 312.5 / micro_ohm
    for share in (-0.99, -0.5, -0.001, 0.001, 0.37, 0.99):
        true_ma = share * full_ma
        assert bench.cycle(true_ma / 1000)
        assert abs(bench.m.current_ma - true_ma) <= 2 + count_ma + abs(true_ma) * 3e-6


@pytest.mark.parametrize("full_ma", [1_024, 300_000, 999_999, 2_000_000])
def test_the_split_multiplication(full_ma: int) -> None:
    """counts * full scale / 2^19 in small integers is within 1 mA of the exact product for either sign."""
    driver = Ina228(None, ADDRESS, 50, full_ma)
    driver._scale_ma = full_ma
    for counts in [0, 1, 511, 512, 1023, 174_763, 262_144, 524_287, 524_288]:
        exact = counts * full_ma / (1 << 19)
        assert abs(driver._milliamperes(counts) - exact) <= 0.51
        assert driver._milliamperes(-counts) == -driver._milliamperes(counts)


def test_reversed_wiring() -> None:
    """With IN+ and IN- swapped and `reversed` set, charging still reads positive and trips the charge side."""
    bench = Bench(reversed=True)
    assert bench.cycle(-100.0) and abs(bench.m.current_ma - 100_000) <= 1
    bench.cycle(-260.0)
    assert bench.driver.hard_trip == CHARGE_TRIP
    straight = Bench()
    straight.cycle(-290.0)
    assert straight.driver.hard_trip == DISCHARGE_TRIP and straight.m.current_ma < -289_000


def test_a_wrong_direction_is_visible() -> None:
    """A shunt wired backwards without `reversed` reads the other sign: commissioning sees it."""
    bench = Bench()
    bench.cycle(-100.0)
    assert bench.m.current_ma < 0
    assert Bench(reversed=True).driver.reversed


@pytest.mark.parametrize(("bus", "name"), [(LINK, "link_mv"), (PACK, "pack_mv")])
def test_the_bus_voltage_goes_where_it_is_wired(bus: int, name: str) -> None:
    """The bus pin fills m.link_mv or m.pack_mv, and leaves the other alone."""
    bench = Bench(bus=bus)
    bench.chip.bus_v = 26.4
    bench.cycle(0.0)
    other = {"link_mv": 2, "pack_mv": 1}[name]
    assert getattr(bench.m, name) == 26_400
    assert (bench.m.pack_mv if name == "link_mv" else bench.m.link_mv) == other


@pytest.mark.parametrize(("volts", "mv"), [(0.0, 0), (85.0, 85_000), (51.2, 51_200)])
def test_bus_counts(volts: float, mv: int) -> None:
    """195.3125 uV a count."""
    bench = Bench(bus=LINK)
    bench.chip.bus_v = volts
    bench.cycle()
    assert bench.m.link_mv == mv


@pytest.mark.parametrize(("celsius", "dc"), [(25.0, 250), (-40.0, -400), (125.0, 1250)])
def test_die_temperature(celsius: float, dc: int) -> None:
    """7.8125 m degC a count, signed."""
    bench = Bench()
    bench.chip.die_c = celsius
    bench.cycle()
    assert abs(bench.driver.die_dc - dc) <= 1


def test_a_conversion_is_new_only_when_the_flag_says_so() -> None:
    """The same value converted again is new; the same registers read again are not, and soon give no current."""
    bench = Bench()
    assert bench.cycle(50.0) and bench.cycle(50.0)
    bench.chip.frozen = True
    seen = [(bench.cycle(), bench.m.current_ma != NA) for _ in range(4)]
    assert seen == [(False, True), (False, True), (False, False), (False, False)]
    bench.chip.frozen = False
    assert bench.cycle() and bench.m.current_ma != NA


def test_nothing_is_believed_before_the_first_conversion() -> None:
    """Right after start the registers hold zeros, which are no reading."""
    bench = Bench()
    assert not bench.driver.read_into(bench.m) and bench.m.current_ma == NA


@pytest.mark.parametrize(("current_a", "end"), [(340.0, 1), (-340.0, -1), (301.0, 1), (-301.0, -1)])
@pytest.mark.parametrize("turned", [False, True])
def test_saturation_is_no_reading(current_a: float, end: int, turned: bool) -> None:
    """At the end of the range there is no number, but the side is told and the alert trips."""
    bench = Bench(reversed=turned, bus=LINK)
    bench.chip.bus_v = 26.4
    assert bench.cycle(current_a) and bench.m.current_ma == NA and bench.m.link_mv == 26_400
    assert bench.driver.saturated == (-end if turned else end)
    assert bench.driver.hard_trip == (CHARGE_TRIP if bench.driver.saturated > 0 else DISCHARGE_TRIP)


def test_an_open_sense_wire_saturates_and_is_no_reading() -> None:
    """With the bleed resistors of docs/measuring.md a broken sense wire drives the input to its end."""
    bench = Bench()
    bench.chip.wire = "plus_off"
    bench.cycle(20.0)
    assert bench.m.current_ma == NA and bench.driver.saturated == 1


def test_exactly_nothing_for_too_long_is_a_broken_wire() -> None:
    """Fifty conversions of exactly 0 V are no current of 0 A: a living chip has noise."""
    bench = Bench()
    bench.chip.wire = "dead"
    seen = []
    for _ in range(50):
        bench.cycle(20.0)
        seen.append(bench.m.current_ma)
    assert seen[:49] == [0] * 49 and seen[49] == NA and bench.driver.dead
    bench.chip.wire = "whole"
    bench.cycle()
    assert abs(bench.m.current_ma - 20_000) <= 1


def test_a_pack_at_rest_is_not_a_broken_wire() -> None:
    """With one count of noise an hour without current stays a reading."""
    bench = Bench()
    bench.chip.noise = (0, 0, 0, 1, 0, 0, -1)
    for _ in range(600):
        bench.cycle(0.0)
        assert abs(bench.m.current_ma) <= 1


def test_an_arithmetic_overflow_is_no_reading() -> None:
    """MATHOF says that CURRENT cannot be believed."""
    bench = Bench()
    bench.cycle(10.0)
    bench.chip.registers[0x0B] |= 0x0202
    bench.driver.read_into(bench.m)
    assert bench.m.current_ma == NA


def test_damaged_trim_memory_is_no_reading() -> None:
    """MEMSTAT at 0: the chip's own checksum is wrong, nothing it measures counts."""
    bench = Bench(bus=LINK)
    bench.chip.memory_good = False
    assert not bench.cycle(10.0)
    assert bench.m.current_ma == NA and bench.m.link_mv == NA


def test_alerts_are_written_and_read_back() -> None:
    """The pack's peak currents stand in SOVL and SUVL, 5 uV a count, never beyond the limit."""
    chip = Bench().chip
    assert chip.registers[0x0C] == 25_000  # 250 A * 0.5 mOhm / 5 uV
    assert chip.registers[0x0D] == 0x10000 - 28_000  # 280 A
    assert chip.registers[0x0B] & 0xF000 == 0x8000  # latched, active low, not averaged
    turned = Bench(reversed=True).chip
    assert (turned.registers[0x0C], turned.registers[0x0D]) == (28_000, 0x10000 - 25_000)
    fine = Bench(100, 300_000, fine_range=True).chip
    assert fine.registers[0x0C] == 20_000  # 25 mV / 1.25 uV


def test_a_pack_without_peak_rows_sets_no_alert() -> None:
    """A row that is not fitted leaves the registers at their ends."""
    chip = Bench(rows=limits(NEVER, NEVER)).chip
    assert (chip.registers[0x0C], chip.registers[0x0D]) == (0x7FFF, 0x8000)


def test_the_rows_are_the_peak_currents() -> None:
    """The two rows whose trips become alerts are numbered as the diagnoses number them."""
    rows = [DIAGNOSES["charge_peak_current"].number, DIAGNOSES["discharge_peak_current"].number]
    assert rows == [18, 19] == [ina228._CHARGE_PEAK, ina228._DISCHARGE_PEAK]


def test_the_alert_trips_in_the_same_read() -> None:
    """Above the alert, hard_trip names the side at once; below it, nothing."""
    bench = Bench()
    bench.cycle(249.0)
    assert bench.driver.hard_trip == 0
    bench.cycle(251.0)
    assert bench.driver.hard_trip == CHARGE_TRIP
    for _ in range(6):
        bench.cycle(0.0)
    assert bench.driver.hard_trip == 0


def test_a_fallen_alert_pin_is_left_alone_while_the_node_opens() -> None:
    """The latched pin holds the hardware's trip for four cycles after the node has been told, then says which side."""
    bench = Bench(pin=True)
    bench.cycle(10.0)
    bench.chip.current_a = -290.0
    bench.chip.advance(30)
    bench.chip.current_a = 0.0  # the trip line has opened the outputs
    told = []
    for _ in range(4):
        fresh = bench.cycle()
        told.append((fresh, bench.driver.hard_trip, bench.chip.alerting))
    assert told == [(False, CHARGE_TRIP | DISCHARGE_TRIP, True)] * 4
    assert bench.cycle() and bench.driver.hard_trip == DISCHARGE_TRIP and not bench.chip.alerting
    for _ in range(6):
        bench.cycle()
    assert bench.driver.hard_trip == 0 and bench.m.current_ma == 0


def test_a_lasting_over_current_keeps_the_trip() -> None:
    """While the current stays above the alert, hard_trip is never 0."""
    for pin in (False, True):
        bench = Bench(pin=pin)
        bench.cycle(260.0)
        for _ in range(40):
            bench.cycle()
            assert bench.driver.hard_trip & CHARGE_TRIP


def test_a_restarted_chip_is_noticed_in_the_same_read() -> None:
    """After a brown-out the latch setting is gone: no reading is taken until start() has written everything again."""
    bench = Bench()
    bench.cycle(100.0)
    bench.chip.power_cycle()
    assert not bench.cycle() and not bench.driver.config_ok and bench.m.current_ma == NA
    assert not bench.cycle() and bench.m.current_ma == NA
    assert bench.driver.start(bench.limits) == ina228.OK and bench.cycle() and bench.driver.config_ok
    assert abs(bench.m.current_ma - 100_000) <= 1


def test_the_lost_latch_alone_tells_of_a_restart() -> None:
    """Without its latch bit the chip is not the one that was set up, whatever the other settings read."""
    bench = Bench()
    bench.cycle(100.0)
    bench.chip.registers[0x0B] &= 0x7FFF
    assert not bench.cycle() and not bench.driver.config_ok and bench.m.current_ma == NA


def test_nothing_is_read_without_a_start() -> None:
    """A driver that was never started gives no current, although its chip converts."""
    bench = Bench()
    idle = Ina228(bench.bus, ADDRESS, 500, 300_000)
    bench.cycle(10.0)
    bench.chip.advance(CYCLE_MS)
    assert idle.read_current() == NA and not idle.config_ok


@pytest.mark.parametrize("register", [0x00, 0x01, 0x02, 0x0C, 0x0D])
@pytest.mark.parametrize("bit", range(16))
def test_every_setting_is_watched(register: int, bit: int) -> None:
    """A bit that changes in any setting is noticed within one round of five reads."""
    bench = Bench()
    bench.cycle(10.0)
    bench.chip.registers[register] ^= 1 << bit
    for _ in range(5):
        bench.cycle()
    assert not bench.driver.config_ok and bench.m.current_ma == NA


@pytest.mark.parametrize("register", [0x00, 0x01, 0x02, 0x0B, 0x0C, 0x0D])
def test_start_refuses_a_setting_that_did_not_take(register: int) -> None:
    """What is read back must equal what was written."""
    bench = Bench(100, 300_000, fine_range=True)  # no wanted setting is the chip's own default then
    assert bench.code == ina228.OK
    bench.chip.stuck = {register}
    assert bench.driver.start(bench.limits) == ina228.ERROR_READ_BACK and not bench.driver.config_ok
    assert not bench.cycle(10.0) and bench.m.current_ma == NA


def spoil_once(register: int, byte: int, bit: int) -> Callable[[int, bytes], bytes]:
    """Flips one bit in the first read of a register."""
    left = [1]

    def mishap(asked: int, data: bytes) -> bytes:
        if asked != register or not left[0]:
            return data
        left[0] = 0
        return bytes(b ^ (1 << bit if n == byte else 0) for n, b in enumerate(data))
    return mishap


@pytest.mark.parametrize("register", [0x04, 0x07])
@pytest.mark.parametrize("byte", range(3))
@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_of_the_current_does_no_harm(register: int, byte: int, bit: int) -> None:
    """The chip has no checksum: each flipped bit is refused, read again, or worth less than 1/64 of full scale."""
    bench = Bench()
    bench.cycle(80.0)
    bench.bus.mishap = spoil_once(register, byte, bit)
    bench.cycle()
    assert bench.m.current_ma == NA or abs(bench.m.current_ma - 80_000) <= 300_000 / 64 + 20


def test_flipped_settings_are_read_twice_before_they_condemn() -> None:
    """One damaged read of a setting is no restart; the same twice is."""
    bench = Bench()
    for register in (0x00, 0x01, 0x02, 0x0C, 0x0D):
        bench.bus.mishap = spoil_once(register, 0, 3)
        assert bench.cycle(10.0)
    assert bench.driver.config_ok


def test_a_step_between_two_reads_is_read_again() -> None:
    """A conversion that falls between VSHUNT and CURRENT costs a second look, not the reading."""
    bench = Bench()
    bench.cycle(0.0)
    done: list[int] = []

    def step(register: int, data: bytes) -> bytes:
        if register == 0x04 and not done:
            done.append(1)
            bench.chip.current_a = 150.0
            bench.chip.advance(25)
        return data
    bench.bus.mishap = step
    assert bench.cycle() and abs(bench.m.current_ma - 150_000) <= 1


def test_current_and_shunt_voltage_that_contradict_each_other() -> None:
    """If they do not agree twice, there is no reading and it counts as an error."""
    bench = Bench()
    asked: list[int] = []

    def mishap(register: int, data: bytes) -> bytes:
        asked.append(register)
        return b"\x20\x00\x00" if register == 0x07 else data
    bench.bus.mishap = mishap
    assert not bench.cycle(0.0) and bench.m.current_ma == NA and bench.driver.errors == 1
    assert asked.count(0x07) == 2  # and no cycle is held up by a third look


def test_a_silent_bus_is_counted_and_raises_nothing() -> None:
    """Every transfer that fails costs the reading of its cycle; the age counts cycles since the last good one."""
    bench = Bench(bus=LINK)
    bench.cycle(10.0)
    for lost in (1, 2, 3):
        bench.bus.nacks = 1
        assert not bench.cycle()
        assert (bench.m.current_ma, bench.m.link_mv) == (NA, NA)
        assert (bench.driver.comms_age, bench.driver.errors) == (lost, lost)
    assert bench.cycle() and bench.driver.comms_age == 0


@pytest.mark.parametrize("good", range(7))
def test_a_bus_that_fails_in_the_middle(good: int) -> None:
    """Whichever transfer of a cycle fails, nothing of that cycle is kept."""
    bench = Bench(bus=LINK)
    bench.cycle(10.0)
    count = [0]

    def mishap(register: int, data: bytes) -> bytes:
        count[0] += 1
        if count[0] > good:
            raise OSError(110)
        return data
    bench.bus.mishap = mishap
    fresh = bench.cycle()
    if count[0] > good:
        assert not fresh and bench.driver.errors == 1 and bench.driver.comms_age == 1
    if good < 4:
        assert bench.m.current_ma == NA


@pytest.mark.parametrize(("change", "code"), [
    ({"device": 0x2260}, ina228.ERROR_IDENTITY), ({"resets_slowly": 1000}, ina228.ERROR_RESET),
    ({"resets_slowly": 5}, ina228.OK), ({"device": 0x2281}, ina228.OK)])
def test_start_knows_its_chip(change: dict[str, int], code: int) -> None:
    """Another chip, or one that does not come out of reset, is refused."""
    bench = Bench()
    for name, value in change.items():
        setattr(bench.chip, name, value)
    assert bench.driver.start(bench.limits) == code and bench.driver.config_ok == (code == ina228.OK)


def test_start_without_an_answer() -> None:
    """No chip at the address: a code, no exception."""
    bench = Bench()
    bench.bus.chips.clear()
    assert bench.driver.start(bench.limits) == ina228.ERROR_BUS and not bench.driver.config_ok


@pytest.mark.parametrize(("micro_ohm", "full_ma", "options", "code"), [
    (500, 300_000, {}, ina228.OK),
    (500, 327_680, {}, ina228.OK),  # 163.84 mV
    (500, 327_681, {}, ina228.ERROR_RANGE),
    (100, 409_600, {"fine_range": True}, ina228.OK),  # 40.96 mV
    (100, 410_000, {"fine_range": True}, ina228.ERROR_RANGE),  # 41 mV
    (10, 2_100_000, {}, ina228.ERROR_RANGE),
    (500, 300_000, {"charge_alert_ma": 328_000}, ina228.ERROR_RANGE),  # 164 mV
    (500, 300_000, {"discharge_alert_ma": 328_000}, ina228.ERROR_RANGE),
    (500, 300_000, {"charge_alert_ma": 320_000}, ina228.OK)])
def test_a_shunt_that_cannot_show_the_trip_is_refused(micro_ohm: int, full_ma: int, options: dict[str, Any],
                                                      code: int) -> None:
    """Full scale and both alerts must lie within the chip's range."""
    assert Bench(micro_ohm, full_ma, **options).code == code


def test_calibration_is_applied_and_bounded() -> None:
    """Gain and offset from the meter are taken within the pack's bounds and refused beyond them."""
    bench = Bench()
    bench.driver.gain_ppm, bench.driver.offset_ma = 10_000, -50
    assert bench.driver.start(bench.limits) == ina228.OK
    bench.cycle(100.0)
    assert abs(bench.m.current_ma - (101_000 - 50)) <= 2
    for gain, offset in ((20_000, 1_000), (-20_000, -1_000)):
        bench.driver.gain_ppm, bench.driver.offset_ma = gain, offset
        assert bench.driver.start(bench.limits) == ina228.OK
    for gain, offset in ((20_001, 0), (-20_001, 0), (0, 1_001), (0, -1_001)):
        bench.driver.gain_ppm, bench.driver.offset_ma = gain, offset
        assert bench.driver.start(bench.limits) == ina228.ERROR_CALIBRATION
        assert not bench.driver.config_ok and not bench.cycle(1.0) and bench.m.current_ma == NA


def test_nothing_of_the_last_cycle_is_left_over() -> None:
    """When a cycle fails after a saturated one, the end it told is forgotten."""
    bench = Bench()
    bench.cycle(340.0)
    bench.bus.nacks = 1
    bench.cycle()
    assert bench.driver.saturated == 0 and bench.driver.die_dc == NA


def test_as_the_second_sensor() -> None:
    """read_current() alone gives mA or NA under the same rules."""
    bench = Bench()
    bench.chip.current_a = -42.0
    bench.chip.advance(CYCLE_MS)
    assert abs(bench.driver.read_current() + 42_000) <= 1
    bench.bus.nacks = 1
    assert bench.driver.read_current() == NA


STORY: list[tuple[str, float]] = [
    ("current", 0.0), ("current", 100.0), ("current", -299.0), ("nack", 0), ("current", 251.0), ("current", 340.0),
    ("current", -0.2), ("freeze", 1), ("wait", 0), ("wait", 0), ("wait", 0), ("freeze", 0), ("wait", 0),
    ("current", -310.0), *[("current", 5.0)] * 7, ("dead", 0), *[("wait", 0)] * 52, ("whole", 0), ("disagree", 0),
    ("damage", 0), ("memory", 0), ("memory", 1), ("restart", 0), ("wait", 0)]


def act(bench: Bench, what: str, value: float) -> None:
    """One line of the story, up to the read."""
    bench.bus.mishap = None
    if what == "current":
        bench.chip.current_a = value
    elif what == "nack":
        bench.bus.nacks = 1
    elif what == "freeze":
        bench.chip.frozen = bool(value)
    elif what in ("dead", "whole"):
        bench.chip.wire = what
    elif what == "disagree":
        bench.bus.mishap = lambda register, data: b"\x20\x00\x00" if register == 0x07 else data
    elif what == "damage":
        bench.bus.mishap = lambda register, data: b"\x20\x00\x01" if register == 0x07 else data
    elif what == "memory":
        bench.chip.memory_good = bool(value)
    elif what == "restart":
        bench.chip.power_cycle()
    bench.chip.advance(CYCLE_MS)


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("turned", [False, True])
def test_no_cycle_allocates(turned: bool, tmp_path: Path) -> None:
    """On 32-bit MicroPython, heap locked, every branch gives the numbers CPython gave; no transfer raises."""
    bench = Bench(taped=True, pin=True, bus=LINK, reversed=turned)
    assert bench.code == ina228.OK and bench.pin
    expected = []
    for n, (what, value) in enumerate(STORY):
        act(bench, what, value)
        d = bench.driver
        fresh = d.read_into(bench.m) if n % 3 else d.read_current() != NA
        expected.append((int(fresh), d.current_ma, d.bus_mv, d.die_dc, d.hard_trip, d.saturated, int(d.config_ok),
                         d.errors, d.comms_age, int(d.dead)))
    assert {NA} < {line[1] for line in expected} and len({line[4] for line in expected}) >= 3
    script = f"""
from drivers.ina228 import LINK, Ina228
from node.measure import NA
class M: pass
m = M()
m.current_ma = m.link_mv = m.pack_mv = NA
rows = M()
rows.TRIP = {bench.limits.TRIP!r}
rows.CAL_CURRENT_PPM_MAX = 20000
rows.CAL_CURRENT_MA_MAX = 1000
d = Ina228(Tape({bench.i2c.answers!r}), 64, 500, 300000, bus=LINK, reversed={turned},
           alert=Tape({bench.pin.answers!r}))
assert d.start(rows) == 0
def cycle(n, out, at):
    fresh = d.read_into(m) if n % 3 else d.read_current() != NA
    out[at] = fresh
    out[at + 1] = d.current_ma
    out[at + 2] = d.bus_mv
    out[at + 3] = d.die_dc
    out[at + 4] = d.hard_trip
    out[at + 5] = d.saturated
    out[at + 6] = d.config_ok
    out[at + 7] = d.errors
    out[at + 8] = d.comms_age
    out[at + 9] = d.dead
run(cycle, {len(STORY)}, 10)
"""
    assert on_micropython(tmp_path, script) == expected


