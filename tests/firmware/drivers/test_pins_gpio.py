"""The board's pins: off first, open before close, and whatever a broken pin does."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from drivers.pins_gpio import CHARGE, DISCHARGE, HEATER, PRECHARGE, GpioPins
from drivers.pins_sim import SimulatedPins

from firmware.drivers.tape import Recorder, on_micropython
from twolbms.sim.chips.gpio import Coil, GpioPin

OUTPUTS = ("charge", "discharge", "precharge", "heater", "light")
INPUTS = {"interlock": "interlock_closed", "estop": "estop_closed", "arming": "armed", "charger": "charger_present",
          "smoke": "smoke", "leak": "leak", "clear": "clear_pressed", "wake": "wake"}
SAFE = {"interlock_closed": 0, "estop_closed": 0, "armed": 0, "charger_present": 0, "smoke": 1, "leak": 1,
        "clear_pressed": 0, "wake": 0}
MASK = bytearray(16)


class Bench:
    """All outputs and inputs fitted, each output active at `active`, inputs at `input_active`."""

    def __init__(self, active: int = 1, input_active: int = 1, aux: bool = True, one_coil: bool = False,
                 without: tuple[str, ...] = (), taped: list[Any] | None = None) -> None:
        self.active = active
        self.log: list[tuple[str, int]] = []
        # every output begins at its active level: what a soft reset leaves behind
        self.out = {name: GpioPin(name, active, self.log) for name in OUTPUTS if name not in without}
        if one_coil:
            del self.out["discharge"]
        self.inputs = {name: GpioPin(name, 1 - input_active) for name in INPUTS if name not in without}
        self.input_active = input_active
        self.coils = {name: Coil(self.out[name], active) for name in ("charge", "discharge", "precharge")
                      if aux and name in self.out}

        def on(pin: Any) -> Any:
            return pin if taped is None else Recorder(pin, taped)
        self.driver = GpioPins(**{name: (on(pin), active) for name, pin in self.out.items()},
                               **{name: (on(pin), input_active) for name, pin in self.inputs.items()},
                               **{f"{name}_aux": (on(coil), 1) for name, coil in self.coils.items()})

    def on(self) -> set[str]:
        """The outputs whose pins are active."""
        return {name for name, pin in self.out.items() if pin.level == self.active}

    def write(self, paths: int = 0, precharge: int = 0, heater: int = 0) -> int:
        self.driver.write(paths, precharge, heater, MASK)
        return int(self.driver.stuck_output)


@pytest.mark.parametrize("active", [0, 1])
def test_the_constructor_puts_everything_off(active: int) -> None:
    """Contactors that were left closed over a soft reset open before anything is read."""
    bench = Bench(active)
    assert bench.on() == set() and bench.log == [(name, 1 - active) for name in OUTPUTS]


def test_a_constructor_that_cannot_put_off_all_puts_off_the_others_and_stops() -> None:
    """One output pin raises: the others are off, and there is no driver."""
    pins = {name: GpioPin(name, 1) for name in OUTPUTS}
    pins["charge"].broken = OSError(5)
    with pytest.raises(OSError, match="does not go off"):
        GpioPins(**{name: (pin, 1) for name, pin in pins.items()})
    assert [pin.level for name, pin in pins.items() if name != "charge"] == [0] * 4


@pytest.mark.parametrize("active", [0, 1])
@pytest.mark.parametrize(("paths", "precharge", "heater"), list(product(range(4), range(2), range(2))))
def test_outputs_follow(active: int, paths: int, precharge: int, heater: int) -> None:
    """Every combination, in either polarity, is on the pins, in `outputs`, and seen by their auxiliary contacts."""
    bench = Bench(active)
    assert bench.write(paths, precharge, heater) == 0
    wanted = {name for name, on in zip(OUTPUTS, (paths & 1, paths & 2, precharge, heater), strict=False) if on}
    assert bench.on() == wanted and bench.driver.outputs == paths | precharge << 2 | heater << 3
    bench.driver.read()
    assert bench.driver.feedback == paths | precharge << 2 and bench.driver.feedback_known
    assert bench.driver.heater_on == heater


@pytest.mark.parametrize(("before", "after"), list(product(range(16), repeat=2)))
def test_open_before_close(before: int, after: int) -> None:
    """From any state to any other, nothing is switched on before all that goes off is off."""
    bench = Bench()
    bench.write(before & 3, before >> 2 & 1, before >> 3)
    del bench.log[:]
    bench.write(after & 3, after >> 2 & 1, after >> 3)
    levels = [level for _, level in bench.log]
    assert levels == sorted(levels) and len(levels) == 4


def test_one_coil_closes_only_when_both_paths_may() -> None:
    """A common contactor is on for both paths and for nothing less; its one contact speaks for both."""
    bench = Bench(one_coil=True)
    for paths in (1, 2):
        bench.write(paths)
        assert bench.on() == set()
    bench.write(3)
    bench.driver.read()
    assert bench.on() == {"charge"} and bench.driver.feedback == 3 and bench.driver.feedback_known
    bench.write(0)
    bench.driver.read()
    assert bench.on() == set() and bench.driver.feedback == 0


def test_without_auxiliary_contacts_feedback_is_not_known() -> None:
    """The command is never taken for the contacts."""
    bench = Bench(aux=False)
    bench.write(3)
    bench.driver.read()
    assert not bench.driver.feedback_known and bench.driver.feedback & 3 == 0


def test_half_of_the_contacts_are_not_enough() -> None:
    """Two coils and one contact: not known."""
    out = {name: (GpioPin(name), 1) for name in ("charge", "discharge")}
    driver = GpioPins(**out, charge_aux=(GpioPin(level=1), 1))
    driver.read()
    assert not driver.feedback_known


def test_a_welded_contactor_is_seen() -> None:
    """Feedback is what the contact says."""
    bench = Bench()
    bench.write(3)
    bench.coils["discharge"].welded = True
    bench.write(0)
    bench.driver.read()
    assert bench.driver.feedback == DISCHARGE


def test_precharge_and_heater_without_a_contact_show_their_own_pin() -> None:
    """Their drivers' level stands in, so that a stuck one is seen."""
    pins = {name: GpioPin(name) for name in ("charge", "precharge", "heater")}
    driver = GpioPins(**{name: (pin, 1) for name, pin in pins.items()}, charge_aux=(GpioPin(), 1))
    driver.write(0, 1, 1, MASK)
    driver.read()
    assert (driver.feedback, driver.heater_on, driver.feedback_known) == (PRECHARGE, 1, True)
    driver.write(0, 0, 0, MASK)
    pins["heater"].held = 1
    driver.read()
    assert (driver.feedback, driver.heater_on) == (0, 1)


@pytest.mark.parametrize("active", [0, 1])
@pytest.mark.parametrize(("name", "bit"), [("charge", CHARGE), ("discharge", DISCHARGE), ("precharge", PRECHARGE),
                                           ("heater", HEATER)])
@pytest.mark.parametrize("held_on", [False, True])
def test_a_stuck_driver_stage_is_seen(active: int, name: str, bit: int, held_on: bool) -> None:
    """A pin that does not take its level shows in stuck_output in the same write, in both directions."""
    bench = Bench(active)
    bench.out[name].held = active if held_on else 1 - active
    assert bench.write() == (bit if held_on else 0)
    assert bench.write(3, 1, 1) == (0 if held_on else bit)
    bench.out[name].held = None
    assert bench.write(3, 1, 1) == 0


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_pin_that_raises_in_write(name: str) -> None:
    """The other outputs are written, the bit is set, and the cycle's progress does not count."""
    bench = Bench()
    bench.write(3, 1, 1)
    bench.out[name].broken = OSError(5)
    beat = bench.driver.beat
    stuck = bench.write(0, 0, 0)
    assert {n for n, pin in bench.out.items() if pin.level} == {name} - {"light"}
    assert stuck == ([1, 2, 4, 8, 0][OUTPUTS.index(name)])
    assert (bench.driver.beat == beat) == (name != "light")


@pytest.mark.parametrize("name", OUTPUTS[:4])
def test_a_pin_that_raises_when_it_should_go_on(name: str) -> None:
    """It is told, counted twice (written and read back), and is no progress."""
    bench = Bench()
    bench.out[name].broken = OSError(5)
    assert bench.write(3, 1, 1) == 1 << OUTPUTS.index(name)
    assert bench.driver.beat == 0 and bench.driver.errors == 2
    assert bench.on() | {name} == set(OUTPUTS[:4])


@pytest.mark.parametrize("name", ["precharge", "heater"])
def test_an_own_pin_that_cannot_be_read_is_no_feedback(name: str) -> None:
    """Where the pin's own level stands in for a contact and cannot be read, feedback is not known."""
    pins = {n: GpioPin(n) for n in ("charge", "precharge", "heater")}
    driver = GpioPins(**{n: (pin, 1) for n, pin in pins.items()}, charge_aux=(GpioPin(), 1))
    pins[name].broken = OSError(5)
    driver.read()
    assert not driver.feedback_known and driver.errors == 1


def test_a_good_write_counts() -> None:
    """`beat` moves by one with each write, wrapping at a byte."""
    bench = Bench()
    for n in range(300):
        assert bench.driver.beat == n & 0xFF
        bench.write(n & 3)


@pytest.mark.parametrize("input_active", [0, 1])
@pytest.mark.parametrize("name", list(INPUTS))
def test_inputs_follow(input_active: int, name: str) -> None:
    """Each input alone, in either polarity."""
    bench = Bench(input_active=input_active)
    bench.inputs[name].driven = input_active
    bench.driver.read()
    assert {a for a in INPUTS.values() if getattr(bench.driver, a)} == {INPUTS[name]}


@pytest.mark.parametrize("name", list(INPUTS))
def test_an_input_that_cannot_be_read_is_unsafe(name: str) -> None:
    """Loops count as open, smoke and leak as there, keys as not turned; it is counted, nothing is raised."""
    bench = Bench()
    for pin in bench.inputs.values():
        pin.driven = 1
    bench.inputs[name].broken = OSError(5)
    bench.driver.read()
    assert getattr(bench.driver, INPUTS[name]) == SAFE[INPUTS[name]] and bench.driver.errors == 1


@pytest.mark.parametrize("name", ["charge", "discharge", "precharge"])
def test_a_contact_that_cannot_be_read_is_not_known(name: str) -> None:
    """A failing feedback input makes feedback unknown in that cycle, and only then."""
    bench = Bench()
    contact = GpioPin(level=1)
    aux = {f"{n}_aux": (contact if n == name else coil, 1) for n, coil in bench.coils.items()}
    driver = GpioPins(**{n: (pin, 1) for n, pin in bench.out.items()}, **aux)
    contact.broken = OSError(5)
    driver.read()
    assert not driver.feedback_known
    contact.broken = None
    driver.read()
    assert driver.feedback_known


def test_what_is_not_fitted_is_at_rest() -> None:
    """A board without a loop has it closed, without a sensor quiet, without a key not turned."""
    bench = Bench(without=tuple(INPUTS))
    bench.driver.read()
    assert {a: getattr(bench.driver, a) for a in INPUTS.values()} == {
        "interlock_closed": 1, "estop_closed": 1, "armed": 0, "charger_present": 0, "smoke": 0, "leak": 0,
        "clear_pressed": 0, "wake": 0}


def test_before_the_first_read_the_loops_are_open() -> None:
    """Nothing can close on inputs that nobody has looked at."""
    driver = Bench(without=tuple(INPUTS)).driver
    names = [*INPUTS.values(), "feedback", "feedback_known", "heater_on", "outputs", "stuck_output", "errors", "beat"]
    assert [name for name in names if getattr(driver, name)] == []


@pytest.mark.parametrize("error", [OSError(5), ValueError("no"), MemoryError(), KeyboardInterrupt(), SystemExit()])
@pytest.mark.parametrize("names", [("charge",), ("heater",), ("charge", "discharge", "precharge"), OUTPUTS])
def test_drop_never_raises(error: BaseException, names: tuple[str, ...]) -> None:
    """Whatever some pins raise, the others are off and the caller goes on."""
    bench = Bench()
    bench.write(3, 1, 1)
    bench.driver.light(True)
    for name in names:
        bench.out[name].broken = error
    bench.driver.drop()
    assert {name for name, pin in bench.out.items() if pin.level} == set(names)
    assert bench.driver.outputs == 0


def test_drop_puts_off_what_recovers() -> None:
    """A pin that raises once, as when an interrupt falls into the middle, is off after drop() all the same."""
    bench = Bench()
    bench.write(3, 1, 1)
    pin = bench.out["charge"]
    left = [KeyboardInterrupt(), OSError(5)]

    def value(*level: int) -> int | None:
        if left:
            raise left.pop()
        return GpioPin.value(pin, *level)
    pin.value = value  # type: ignore[method-assign]
    bench.driver.drop()
    assert bench.on() == set()


def test_the_light() -> None:
    """The light follows light() and show() and no other output does; without one nothing happens."""
    bench = Bench(active=0)
    bench.driver.light(1)
    assert bench.on() == {"light"}
    bench.write(0)
    assert bench.on() == {"light"}
    bench.driver.show(0, True)
    assert bench.on() == set()
    Bench(without=("light",)).driver.light(1)


def test_the_same_attributes_as_the_simulated_pins() -> None:
    """The core finds on the board's pins what it finds on the simulated ones; balancing is the monitor's."""
    simulated = SimulatedPins(None)
    names = {n for n in dir(simulated) if not n.startswith("_")} - {"link", "mask"}
    assert names <= set(dir(Bench().driver))


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("one_coil", [False, True])
def test_no_cycle_allocates(one_coil: bool, tmp_path: Path) -> None:
    """On 32-bit MicroPython, heap locked, with stuck and failing pins, every cycle gives what CPython gave."""
    tape: list[Any] = []
    bench = Bench(taped=tape, one_coil=one_coil)
    expected = []
    for n in range(24):
        bench.out["charge"].held = 1 if n == 4 else None
        bench.out["heater"].broken = OSError(5) if n in (7, 13, 20) else None
        bench.inputs["smoke"].broken = OSError(5) if n == 9 else None
        bench.out["light"].broken = OSError(5) if n == 11 else None
        bench.inputs["estop"].driven = n & 1
        d = bench.driver
        d.read()
        d.write(n & 3, n >> 2 & 1, n >> 3 & 1, MASK)
        d.show(n & 1, False)
        if n >= 20:
            d.drop()
        expected.append((d.feedback, int(d.feedback_known), d.heater_on, d.estop_closed, d.smoke, d.outputs,
                         d.stuck_output, d.errors, d.beat))
    assert len({line[6] for line in expected}) >= 3
    script = f"""
from drivers.pins_gpio import GpioPins
t = Tape({tape!r})
pin = (t, 1)
d = GpioPins(pin, {"None" if one_coil else "pin"}, pin, pin, pin, charge_aux=pin,
             discharge_aux={"None" if one_coil else "pin"}, precharge_aux=pin, interlock=pin, estop=pin, arming=pin,
             charger=pin, smoke=pin, leak=pin, clear=pin, wake=pin)
mask = bytearray(16)
def cycle(n, out, at):
    d.read()
    d.write(n & 3, n >> 2 & 1, n >> 3 & 1, mask)
    d.show(n & 1, False)
    if n >= 20:
        d.drop()
    out[at] = d.feedback
    out[at + 1] = d.feedback_known
    out[at + 2] = d.heater_on
    out[at + 3] = d.estop_closed
    out[at + 4] = d.smoke
    out[at + 5] = d.outputs
    out[at + 6] = d.stuck_output
    out[at + 7] = d.errors
    out[at + 8] = d.beat
run(cycle, 24, 9)
"""
    assert on_micropython(tmp_path, script) == expected
