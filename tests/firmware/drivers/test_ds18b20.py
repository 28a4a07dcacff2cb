"""The DS18B20's driver against simulated sensors. Vectors typed from the reference page "afe_chips"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drivers import ds18b20
from drivers.ds18b20 import Ds18b20, crc8
from node.measure import NA

from firmware.drivers.tape import Recorder, on_micropython
from twolbms.sim.chips.ds18b20 import Ds18b20Chip, OneWireBus

OTHER_ROM = bytes.fromhex("28aa0102030405c1")


class Bench:
    """Sensors on a wire with a driver, a cycle each 100 ms from a time just below its wrap."""

    def __init__(self, *others: Ds18b20Chip, rom: bytes | None = None, taped: bool = False) -> None:
        self.chip = Ds18b20Chip()
        self.wire = OneWireBus(self.chip, *others)
        self.tape = Recorder(self.wire)
        self.driver = Ds18b20(self.tape if taped else self.wire, rom)
        self.now_ms = (1 << 30) - 1000
        self.code = self.driver.start()

    def step(self) -> bool:
        self.now_ms = self.now_ms + 100 & 0x3FFFFFFF
        self.wire.advance(100)
        return bool(self.driver.step(self.now_ms))

    def read(self, celsius: float | None = None) -> bool:
        """Steps until a conversion was taken or refused."""
        if celsius is not None:
            self.chip.celsius = celsius
        return self.steps(9) > 0

    def steps(self, count: int) -> int:
        """How many of the next steps gave a new temperature."""
        return sum(self.step() for _ in range(count))


def test_checksum_vectors() -> None:
    """The power-on scratchpad's checksum is 1C."""
    assert crc8(bytes.fromhex("5005 4b46 7fff 0c10"), 8) == 0x1C


@pytest.mark.parametrize(("raw", "dc"), [(0x0191, 251), (0xFFF8, -5), (0xFC90, -550), (0x0000, 0), (0x07D0, 1250)])
def test_temperatures(raw: int, dc: int) -> None:
    """0191 is 25.0625, FFF8 -0.5, FC90 -55 degC; 0.1 degC, rounded to nearest."""
    bench = Bench()
    signed = raw - 0x10000 if raw & 0x8000 else raw
    assert bench.read(signed / 16) and bench.chip.pad[:2] == raw.to_bytes(2, "little")
    assert bench.driver.temp_dc == dc


def test_no_step_waits() -> None:
    """A conversion is started in one step and taken in the first step 750 ms or more later, over the clock's wrap."""
    bench = Bench()
    bench.chip.celsius = 21.0
    assert [bench.step() for _ in range(9)] == [False] * 8 + [True]
    assert bench.now_ms < 1000 or bench.now_ms > (1 << 30) - 200
    assert bench.driver.temp_dc == 210


def test_readings_go_on_by_themselves() -> None:
    """After each reading the next conversion is started; the temperature follows."""
    bench = Bench()
    for celsius in (20.0, 20.5, -10.0):
        assert bench.read(celsius) and bench.driver.temp_dc == round(celsius * 10)


def test_the_first_85_is_no_conversion() -> None:
    """A sensor that restarted says 85.0: refused after start, and again after a brown-out at 20 degC."""
    bench = Bench()
    assert not bench.read(85.0) and bench.driver.temp_dc == NA and bench.driver.refused == 1
    assert not bench.read(85.0) and bench.driver.temp_dc == NA  # nor does repeating it help
    assert bench.read(20.0)
    assert not bench.read(85.0) and bench.driver.temp_dc == NA


def test_a_real_85_is_taken() -> None:
    """Coming from 84 degC, 85.0 is a temperature."""
    bench = Bench()
    assert bench.read(84.0) and bench.read(85.0) and bench.driver.temp_dc == 850


def test_a_brown_out_while_converting_is_refused() -> None:
    """The sensor restarts in the middle: its 85.0 is not believed, the next conversion is."""
    bench = Bench()
    bench.read(20.0)
    bench.step()
    bench.chip.power_cycle()
    assert not bench.steps(8) and bench.driver.temp_dc == NA
    assert bench.read(20.0) and bench.driver.temp_dc == 200


@pytest.mark.parametrize("bit", range(72))
def test_each_flipped_bit_is_refused(bit: int) -> None:
    """Any one of the 72 bits of a scratchpad and its checksum flipped: no temperature."""
    bench = Bench()
    bench.read(25.0625)

    def mishap(data: bytes) -> bytes:
        return bytes(b ^ (1 << bit % 8 if n == bit // 8 else 0) for n, b in enumerate(data)) if len(data) == 9 else data
    bench.wire.mishap = mishap
    assert not bench.read() and bench.driver.temp_dc == NA and bench.driver.refused == 1
    bench.wire.mishap = None
    assert bench.read() and bench.driver.temp_dc == 251


def test_a_wire_held_low_is_no_0_degrees() -> None:
    """All zeros have a good checksum; they are refused in start and in every step."""
    bench = Bench()
    bench.read(20.0)
    bench.wire.held_low = True
    assert bench.driver.start() == ds18b20.ERROR_CONFIGURATION
    assert not bench.steps(60) and bench.driver.temp_dc == NA and bench.driver.errors


def test_zeros_that_come_in_time_are_refused_too() -> None:
    """Even when the slots look right, a scratchpad of zeros is no reading."""
    bench = Bench()
    bench.wire.mishap = lambda data: bytes(9) if len(data) == 9 else data
    assert not bench.read(20.0) and bench.driver.refused == 1


def test_a_command_that_was_not_heard() -> None:
    """A sensor that does not hold the wire low after the command has not begun: no old value is taken for a new one."""
    bench = Bench()
    bench.read(20.0)
    bench.chip.supplied = False
    assert not bench.read(30.0) and bench.driver.temp_dc == NA and bench.driver.errors
    bench.chip.supplied = True
    assert bench.read(30.0) and bench.driver.temp_dc == 300


def test_a_sensor_that_never_finishes() -> None:
    """After 2 s of converting it is given up and tried again."""
    bench = Bench()
    bench.chip.takes_ms = 1e9
    assert not bench.steps(22) and bench.driver.errors == 1
    bench.chip.takes_ms = None
    bench.chip.power_cycle()
    assert bench.steps(20)


def test_a_slow_sensor_is_waited_for() -> None:
    """One that needs 900 ms is read when it lets go of the wire."""
    bench = Bench()
    bench.chip.takes_ms = 900
    bench.chip.celsius = 19.0
    seen = [bench.step() for _ in range(12)]
    assert seen.index(True) == 9 and bench.driver.temp_dc == 190


def test_a_missing_sensor() -> None:
    """No presence pulse: a code from start, no temperature from step, and back when it is back."""
    bench = Bench()
    chip = bench.wire.chips.pop()
    assert bench.driver.start() == ds18b20.ERROR_SILENT
    assert not bench.step() and bench.driver.errors == 1
    bench.wire.chips.append(chip)
    assert bench.steps(9)


def test_exactly_750_ms() -> None:
    """At 749 ms nothing is asked of the sensor, at 750 ms it is read."""
    bench = Bench()
    bench.chip.takes_ms = 1
    assert not bench.driver.step(1000)
    bench.wire.advance(2)
    assert not bench.driver.step(1749) and bench.driver.step(1750)


@pytest.mark.parametrize(("before", "taken"), [(80.0, True), (79.875, False), (90.0, True), (90.25, False)])
def test_how_near_an_85_must_come_from(before: float, taken: bool) -> None:
    """Within 5 K of the last reading 85.0 is a temperature."""
    bench = Bench()
    assert bench.read(before) and bench.read(85.0) == taken


@pytest.mark.parametrize(("celsius", "taken"), [(-55.0, True), (-55.0625, False), (125.0, True), (125.0625, False)])
def test_outside_the_sensors_range(celsius: float, taken: bool) -> None:
    """What the sensor cannot measure is not believed, good checksum or not."""
    assert Bench().read(celsius) == taken


def test_a_sensor_that_vanishes_while_it_converts() -> None:
    """Unplugged in the middle: an error, no temperature."""
    bench = Bench()
    bench.read(20.0)
    bench.step()
    bench.wire.chips.clear()
    assert not bench.steps(8) and bench.driver.temp_dc == NA and bench.driver.errors == 1


def test_a_wire_that_raises() -> None:
    """An OSError of the bus never leaves start or step."""
    bench = Bench()

    def broken(data: bytes) -> bytes:
        raise OSError(5)
    bench.wire.mishap = broken
    assert bench.driver.start() == ds18b20.ERROR_SILENT
    assert not bench.step() and bench.driver.errors == 2


def test_start_sets_twelve_bits_and_reads_them_back() -> None:
    """A sensor left at nine bits is set; one that stays there, or whose answer is damaged, is refused."""
    bench = Bench()
    bench.chip.pad[4] = 0x1F
    assert bench.driver.start() == ds18b20.OK and bench.chip.pad[4] == 0x7F
    bench.chip.pad[4] = 0x1F
    bench.chip.takes_configuration = False
    assert bench.driver.start() == ds18b20.ERROR_CONFIGURATION
    bench.wire.mishap = lambda data: b"\x51" + data[1:]
    assert bench.driver.start() == ds18b20.ERROR_CHECKSUM


def test_a_sensor_that_falls_back_to_nine_bits_is_refused() -> None:
    """Undefined low bits are no temperature."""
    bench = Bench()
    bench.read(20.0)
    bench.chip.pad[4] = 0x1F
    assert not bench.read(20.0) and bench.driver.refused == 1


def test_one_of_several_by_its_code() -> None:
    """With a ROM code each driver reads its own sensor; without one the two answers collide and are refused."""
    other = Ds18b20Chip(OTHER_ROM)
    bench = Bench(other, rom=OTHER_ROM)
    other.celsius, bench.chip.celsius = 31.0, 10.0
    assert bench.code == ds18b20.OK and bench.steps(9) and bench.driver.temp_dc == 310
    blind = Bench(Ds18b20Chip(OTHER_ROM))
    blind.wire.chips[1].celsius = 22.5
    assert not blind.read(13.0)


STORY: list[tuple[str, Any]] = [
    ("is", 25.0625), *[("wait", 0)] * 9, ("is", -0.5), *[("wait", 0)] * 9, ("flip", 0), *[("wait", 0)] * 9,
    ("whole", 0), ("raise", 0), *[("wait", 0)] * 9, ("whole", 0),
    ("starve", 0), *[("wait", 0)] * 9, ("feed", 0), ("is", 85.0), *[("wait", 0)] * 9, ("gone", 0), ("wait", 0),
    ("back", 0), ("is", -55.0), *[("wait", 0)] * 9, ("hang", 0), *[("wait", 0)] * 35, ("heal", 0),
    *[("wait", 0)] * 12, ("gone", 0), *[("wait", 0)] * 12]


def act(bench: Bench, what: str, value: Any) -> None:
    """One line of the story, up to the step."""
    def raising(data: bytes) -> bytes:
        raise OSError(5)
    if what == "is":
        bench.chip.celsius = value
    elif what == "flip":
        bench.wire.mishap = lambda data: bytes([data[0] ^ 4]) + data[1:] if len(data) == 9 else data
    elif what == "raise":
        bench.wire.mishap = raising
    elif what == "whole":
        bench.wire.mishap = None
    elif what == "gone":
        bench.wire.chips.clear()
    elif what == "back":
        bench.wire.chips.append(bench.chip)
    elif what in ("starve", "feed"):
        bench.chip.supplied = what == "feed"
    elif what == "hang":
        bench.chip.takes_ms = 1e9
    elif what == "heal":
        bench.chip.takes_ms = None
        bench.chip.power_cycle()


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("rom", [None, bytes.fromhex("28ff641e8216038f")])
def test_no_step_allocates(rom: bytes | None, tmp_path: Path) -> None:
    """On 32-bit MicroPython, heap locked, every branch gives what CPython gave."""
    bench = Bench(rom=rom, taped=True)
    assert bench.code == ds18b20.OK
    expected = []
    for what, value in STORY:
        act(bench, what, value)
        expected.append((int(bench.step()), bench.driver.temp_dc, bench.driver.errors, bench.driver.refused))
    assert expected[-1][2] >= 3 and expected[-1][3] >= 2 and {line[0] for line in expected} == {0, 1}
    script = f"""
from drivers.ds18b20 import Ds18b20
d = Ds18b20(Tape({bench.tape.answers!r}), {rom!r})
assert d.start() == 0
clock = array("i", [(1 << 30) - 1000])
def cycle(n, out, at):
    clock[0] = clock[0] - 0x3FFFFF9C if clock[0] >= 0x3FFFFF9C else clock[0] + 100
    out[at] = d.step(clock[0])
    out[at + 1] = d.temp_dc
    out[at + 2] = d.errors
    out[at + 3] = d.refused
run(cycle, {len(STORY)}, 4)
"""
    assert on_micropython(tmp_path, script) == expected
