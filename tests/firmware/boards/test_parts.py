"""The parts between drivers and node: analogue inputs, all sensors as one front-end, all outputs as one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from drivers.ltc681x_aux import Thermistors
from node.measure import NA
from running.analog import AnalogInput
from running.sensing import CURRENT_ERROR, SECOND_ERROR, Sensing
from running.switching import NodePins
from running.with_ltc681x import NTC, spread

from twolbms.sim.chips.adc_bank import ntc_ohm
from twolbms.sim.chips.gpio import GpioPin

HUMIDITY = (3277, 9929, 51609, 58982), (0, 0, 100, 100)  # HIH-5030: 0.1515 + 0.00636 a percent, of its supply


class Adc:
    def __init__(self, count: int) -> None:
        self.count = count

    def read_u16(self) -> int:
        if self.count < 0:
            raise OSError(5)
        return self.count


@pytest.mark.parametrize("percent", [0, 20, 45, 80, 95, 100])
def test_humidity_by_its_maker_s_line(percent: int) -> None:
    """Within one percent of the data sheet's equation."""
    count = round(65535 * (0.1515 + 0.00636 * percent))
    assert abs(AnalogInput(Adc(count), *HUMIDITY).read() - percent) <= 1


@pytest.mark.parametrize("count", [-1, 0, 3000, 60000, 65535])
def test_a_sensor_that_is_off_is_not_available(count: int) -> None:
    """An open wire, a short to the supply, a converter that fails."""
    assert AnalogInput(Adc(count), *HUMIDITY).read() == NA


@pytest.mark.parametrize(("count", "mv"), [(0, 0), (32768, 9150), (43000, 12007), (65535, 18300)])
def test_a_divider(count: int, mv: int) -> None:
    """18.3 V is full scale."""
    assert abs(AnalogInput(Adc(count), (0, 65535), (0, 18300)).read() - mv) <= 3


@pytest.mark.parametrize("celsius", [-35, -20, -3, 0, 3, 25, 45, 58, 65, 95])
def test_the_thermistor_table(celsius: int) -> None:
    """Half a kelvin where a limit is, one and a half beyond."""
    chain = SimpleNamespace(chips=1)
    ohm = ntc_ohm(celsius, 3435.0)
    word = round(30000 * ohm / (ohm + 10_000.0))
    found = Thermistors(chain, 12, ((0, 1),), NTC).temperature(word, 30000)
    assert abs(found - 10 * celsius) <= (5 if -20 <= celsius <= 60 else 15)


@pytest.mark.parametrize(("cells", "chips", "most"), [(14, 2, 7), (12, 1, 12), (96, 8, 12), (16, 3, 6)])
def test_cells_are_spread_over_the_chips(cells: int, chips: int, most: int) -> None:
    """Each cell once, in order, no chip with more than its share."""
    table = spread(cells, chips)
    assert len(set(table)) == cells and list(table) == sorted(table)
    assert max(place for _, place in table) == most and table[-1][0] == chips - 1


class Part:
    """A monitor and a current sensor in one, as far as Sensing looks at them."""

    def __init__(self, code: int = 0, **more: Any) -> None:
        self.code, self.starts = code, 0
        self.open_wire_mask, self.open_wires, self.comms_age, self.hard_trip = bytearray(16), 0, 0, 0
        self.config_ok = True
        self.gain_ppm = self.offset_ma = 0
        self.fets, self.fets_known, self.allowed, self.balanced = 0, True, -1, b""
        vars(self).update(more)

    def start(self, limits: Any) -> int:
        self.starts += 1
        return self.code

    def read_into(self, m: Any) -> bool:
        m.current_ma = 5000
        return True

    def read_current(self) -> int:
        return 4900

    def allow(self, paths: int, precharge: int) -> None:
        self.allowed = paths

    def balance(self, mask: bytes) -> None:
        self.balanced = bytes(mask)


NO_ANALOG = (None, None, None, None)


@pytest.mark.parametrize(("codes", "told", "starts"), [
    ((0, 0, 0), 0, (1, 1, 1)), ((8, 0, 0), 8, (1, 0, 0)), ((0, 2, 0), CURRENT_ERROR + 2, (1, 1, 0)),
    ((0, 0, 1), SECOND_ERROR + 1, (1, 1, 1))])
def test_the_first_sensor_that_does_not_start_is_told(codes: Any, told: int, starts: Any) -> None:
    """By a number that says which one it is."""
    parts = [Part(code) for code in codes]
    assert Sensing(*parts, NO_ANALOG).start(None) == told
    assert tuple(part.starts for part in parts) == starts


def test_one_sensor_s_trouble_is_the_front_end_s() -> None:
    """Lost settings of any, the oldest word of monitor and current, the trips of both."""
    sensing = Sensing(Part(hard_trip=8), Part(comms_age=3, hard_trip=2), Part(config_ok=False), NO_ANALOG)
    m = SimpleNamespace()
    assert sensing.read_into(m) and (m.current_ma, m.second_ma) == (5000, 4900)
    assert (sensing.comms_age, sensing.hard_trip, sensing.config_ok) == (3, 10, False)


def test_the_current_s_calibration_goes_to_who_measures_it() -> None:
    """To the current sensor where there is one, else to the monitor; never to the second."""
    config = SimpleNamespace(give_current=lambda sensor: setattr(sensor, "gain_ppm", 7))
    monitor, current, second = Part(), Part(), Part()
    Sensing(monitor, current, second, NO_ANALOG, config)
    assert (monitor.gain_ppm, current.gain_ppm, second.gain_ppm) == (0, 7, 0)
    Sensing(monitor, None, second, NO_ANALOG, config)
    assert (monitor.gain_ppm, second.gain_ppm) == (7, 0)


def pins(monitor: Part, fets: bool = True) -> tuple[NodePins, dict[str, GpioPin]]:
    named = {name: GpioPin(name) for name in ("charge", "discharge", "precharge")}
    return NodePins(monitor, fets, 10, **{name: (pin, 1) for name, pin in named.items()}), named


def test_both_must_agree_to_a_path() -> None:
    """A path is closed when the gate's pin is high and the monitor drives; each alone is an open one."""
    monitor = Part()
    outputs, named = pins(monitor)
    outputs.write(3, 0, 0, bytearray(16))
    cases: Any = ((3, (), 3), (0, (), 0), (1, (), 1), (3, ("discharge",), 1), (3, ("charge", "discharge"), 0))
    for fets, low, feedback in cases:
        monitor.fets = fets
        for name, pin in named.items():
            pin.held = 0 if name in low else None
        outputs.read()
        assert (outputs.feedback, outputs.feedback_known) == (feedback, True)


def test_what_the_monitor_told_last_holds_for_its_row() -> None:
    """A monitor without a word is believed until its own row has opened; with both gates low nothing is in doubt."""
    monitor = Part(fets=3)
    outputs, _ = pins(monitor)
    outputs.write(3, 0, 0, bytearray(16))
    outputs.read()
    monitor.fets_known = False
    for age, known in ((1, True), (10, True), (11, False)):
        monitor.comms_age = age
        outputs.read()
        assert (outputs.feedback, outputs.feedback_known) == (3, known)
    outputs.write(0, 0, 0, bytearray(16))
    outputs.read()
    assert (outputs.feedback, outputs.feedback_known) == (0, True) and outputs.measured_open()


def test_the_monitor_is_told_after_the_pins() -> None:
    """What opens is open before the monitor's bus is used; a monitor without FETs is only asked to balance."""
    order: list[str] = []
    monitor = Part()
    outputs, named = pins(monitor)
    named["charge"].log = named["discharge"].log = named["precharge"].log = []
    monitor.allow = lambda paths, precharge: order.append(f"allow {paths} after {len(named['charge'].log)}")
    outputs.write(0, 0, 0, bytearray(b"\x05" + bytes(15)))
    assert order == ["allow 0 after 3"] and monitor.balanced[0] == 5
    other = Part()
    pins(other, fets=False)[0].write(3, 0, 0, bytearray(16))
    assert other.allowed == -1 and other.balanced == bytes(16)
