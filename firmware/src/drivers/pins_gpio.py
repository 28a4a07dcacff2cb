"""The board's own pins: contactors, precharge, heater and light out; feedback and enclosure inputs in.

Each pin comes ready-made with the level at which it is active: `(Pin, 1)`, or `(Pin, 0)` behind an inverting driver.
Outputs go off before anything else is done, and off before on in every write. What is read is not debounced: the core
counts cycles. Where a coil has no auxiliary contact its feedback is not known, and is not made up here.
"""

from drivers.const import const

CHARGE = 1  # bits of paths, feedback and stuck_output
DISCHARGE = 2
PRECHARGE = 4
HEATER = 8

_BOTH = const(3)
_OUTPUTS = const(4)  # charge, discharge, precharge, heater
_LIGHT = const(4)  # and after them the light

# Inputs in the order of the constructor; what stands for one that is not fitted, and for one that cannot be read.
_CHARGE_AUX = const(0)
_DISCHARGE_AUX = const(1)
_PRECHARGE_AUX = const(2)
_HEATER_AUX = const(3)
_INTERLOCK = const(4)
_ESTOP = const(5)
_ARMING = const(6)
_CHARGER = const(7)
_SMOKE = const(8)
_LEAK = const(9)
_CLEAR = const(10)
_WAKE = const(11)
_NOT_FITTED = b"\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00"
_UNREADABLE = b"\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00"


class GpioPins:
    """Attributes as in drivers/pins_sim.py; besides, `stuck_output` and `errors`.

    `charge` and `discharge` are one coil each; without `discharge` the one coil switches both paths and closes only
    when both may. `interlock` and `estop` are active while their loops are closed, so that a broken wire reads open.
    `stuck_output` has a bit for each output whose own pin does not show what was written to it: value() of an output
    reads the pin itself on stm32 and rp2, so a driver stage that holds it is seen.
    """

    def __init__(self, charge, discharge=None, precharge=None, heater=None, light=None, charge_aux=None,
                 discharge_aux=None, precharge_aux=None, heater_aux=None, interlock=None, estop=None, arming=None,
                 charger=None, smoke=None, leak=None, clear=None, wake=None):
        outputs = (charge, discharge, precharge, heater, light)
        self._out = [None if one is None else one[0] for one in outputs]
        self._on = bytearray([1 if one is None else one[1] for one in outputs])
        if not self._all_off():
            raise OSError("an output does not go off")
        inputs = (charge_aux, discharge_aux, precharge_aux, heater_aux, interlock, estop, arming, charger, smoke, leak,
                  clear, wake)
        self._in = [None if one is None else one[0] for one in inputs]
        self._active = bytearray([1 if one is None else one[1] for one in inputs])
        self._one_coil = discharge is None
        self._has_aux = charge_aux is not None and (self._one_coil or discharge_aux is not None)
        self._read_failed = False
        self._written = 0  # bits as the pins should show them
        self.feedback = 0
        self.feedback_known = False
        self.heater_on = 0
        self.interlock_closed = self.estop_closed = 0
        self.armed = self.charger_present = 0
        self.smoke = self.leak = 0
        self.clear_pressed = self.wake = 0
        self.outputs = 0
        self.stuck_output = 0
        self.errors = 0
        self.beat = 0  # moves with every write that reached all pins

    def read(self):
        """Takes every input once. One that cannot be read counts as the unsafe state, and feedback as unknown."""
        self._read_failed = False
        paths = self._input(_CHARGE_AUX)
        if self._one_coil:
            paths = _BOTH if paths else 0
        else:
            paths |= self._input(_DISCHARGE_AUX) << 1
        self.feedback = paths | self._seen(_PRECHARGE_AUX, 2) << 2
        self.heater_on = self._seen(_HEATER_AUX, 3)
        self.feedback_known = self._has_aux and not self._read_failed
        self.interlock_closed = self._input(_INTERLOCK)
        self.estop_closed = self._input(_ESTOP)
        self.armed = self._input(_ARMING)
        self.charger_present = self._input(_CHARGER)
        self.smoke = self._input(_SMOKE)
        self.leak = self._input(_LEAK)
        self.clear_pressed = self._input(_CLEAR)
        self.wake = self._input(_WAKE)

    def write(self, paths, precharge, heater, mask):
        """Sets the outputs, first those that open, and reads each pin back. Balancing, `mask`, is the monitor's."""
        wanted = (1 if precharge else 0) << 2 | (1 if heater else 0) << 3
        if self._one_coil:
            wanted |= CHARGE if paths & _BOTH == _BOTH else 0
        else:
            wanted |= paths & _BOTH
        self._written = wanted
        self.outputs = paths & _BOTH | wanted & (PRECHARGE | HEATER)
        failed = 0
        for i in range(_OUTPUTS):
            if not wanted >> i & 1 and not self._set(i, 0):
                failed |= 1 << i
        for i in range(_OUTPUTS):
            if wanted >> i & 1 and not self._set(i, 1):
                failed |= 1 << i
        self.stuck_output = failed | self._contradicting(wanted)
        if not failed:
            self.beat = self.beat + 1 & 0xFF

    def light(self, on):
        """The status light; a light that fails is no reason to stop."""
        self._set(_LIGHT, 1 if on else 0)

    def show(self, light, asleep):
        """The light as the panel wants it; a board's pins do nothing else when the node sleeps."""
        self.light(light)

    def drop(self):
        """Everything off now, whatever happens: nothing a pin raises keeps the others on, and nothing leaves here."""
        for _ in range(3):  # an interrupt from the keyboard can fall between two pins
            try:
                self.outputs = self._written = 0
                if self._all_off():
                    return
            except BaseException:
                continue

    def _all_off(self):
        """Each pin on its own; False when one of them raised."""
        good = True
        for i in range(len(self._out)):
            try:
                if self._out[i] is not None:
                    self._out[i].value(1 - self._on[i])
            except BaseException:
                good = False
        return good

    def _set(self, i, on):
        """False when the pin raised."""
        pin = self._out[i]
        if pin is None:
            return True
        try:
            pin.value(self._on[i] if on else 1 - self._on[i])
        except OSError:
            self.errors += 1
            return False
        return True

    def _contradicting(self, wanted):
        """Bits of the outputs whose pins show another level than was written, or cannot be read."""
        stuck = 0
        for i in range(_OUTPUTS):
            if self._out[i] is not None and self._level(i) != wanted >> i & 1:
                stuck |= 1 << i
        return stuck

    def _level(self, i):
        """1 when an output's own pin is at its active level, 0 when not, -1 when it cannot be read."""
        try:
            return 1 if self._out[i].value() == self._on[i] else 0
        except OSError:
            self.errors += 1
            return -1

    def _seen(self, aux, output):
        """An auxiliary contact, or the output's own pin where it has none."""
        if self._in[aux] is not None:
            return self._input(aux)
        if self._out[output] is None:
            return 0
        level = self._level(output)
        if level < 0:
            self._read_failed = True
            return 1
        return level

    def _input(self, i):
        pin = self._in[i]
        if pin is None:
            return _NOT_FITTED[i]
        try:
            return 1 if pin.value() == self._active[i] else 0
        except OSError:
            self.errors += 1
            self._read_failed = True
            return _UNREADABLE[i]
