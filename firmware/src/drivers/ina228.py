"""INA228 current monitor on I2C: current through a shunt, one bus voltage, die temperature, a latched alert.

A conversion is proven by CNVRF, which the chip clears when DIAG_ALRT is read. The same read lets the latched ALERT pin
go, so a fallen pin is left alone for _HOLD reads while the node opens its own outputs. The chip has no checksum on its
bus: shunt voltage and current must agree, and its settings are read back one a cycle. It knows no limit but the two
alerts, and no time.
"""

from array import array

from node.measure import NA

from drivers.const import const

OK = 0
ERROR_BUS = 1  # no answer on I2C
ERROR_IDENTITY = 2  # another chip answers
ERROR_RESET = 3  # the reset bit does not clear
ERROR_RANGE = 4  # shunt, full scale or an alert do not fit the chip's range
ERROR_READ_BACK = 5  # a setting reads otherwise than it was written
ERROR_CALIBRATION = 6  # beyond the pack's bounds

NO_BUS = 0  # what the bus pin measures
LINK = 1
PACK = 2

CHARGE_TRIP = 4  # bits of hard_trip
DISCHARGE_TRIP = 2

_CONFIG = const(0x00)
_ADC_CONFIG = const(0x01)
_SHUNT_CAL = const(0x02)
_VSHUNT = const(0x04)
_VBUS = const(0x05)
_DIETEMP = const(0x06)
_CURRENT = const(0x07)
_DIAG_ALRT = const(0x0B)
_SOVL = const(0x0C)
_SUVL = const(0x0D)
_MANUFACTURER = const(0x3E)
_DEVICE = const(0x3F)

# Bits of DIAG_ALRT: data sheet SLYS021A, table "DIAG_ALRT Register Field Descriptions"; the reference page has none.
_ALATCH = const(0x8000)
_SETTINGS = const(0xF000)
_MATHOF = const(0x0200)
_SHNTOL = const(0x0040)
_SHNTUL = const(0x0020)
_CNVRF = const(0x0002)
_MEMSTAT = const(0x0001)

_RST = const(0x8000)
_ADCRANGE = const(0x0010)
# Continuous bus 150 us, shunt 1052 us, die 50 us, sixteen averaged: a set takes 20.0 ms, one period of 50 Hz, so that
# a single-phase inverter's ripple averages out. Fields as in SLYS021A; its default FB68 fits them.
_CONTINUOUS = const(0xF542)

_TOP = const(0x7FFFF)  # 20-bit results end here
_NEAR_TOP = const(0x7FFF0)
_AGREE = const(8192)  # counts by which current and shunt voltage may differ: 1/64 of full scale
_LATEST = const(2)  # reads without a proven conversion after which the current is unknown
_DEAD = const(50)  # proven conversions of exactly 0: noise of about a count ends a run of them long before
_HOLD = const(5)  # reads a fallen ALERT pin is left alone
_RESET_TRIES = const(20)
_MOST_MA = const(2000000)  # the split multiplication stays below 2^30 up to here
_MOST_NV = const(163840000)  # full scale across the shunt, ADCRANGE 0; a quarter of it with 1
_NEVER = const((1 << 28) - 1)  # a trip no reading reaches, as the generated limits say it
_CHARGE_PEAK = const(18)  # rows of charge_peak_current and discharge_peak_current
_DISCHARGE_PEAK = const(19)


class Ina228:
    """`shunt_micro_ohm` and `full_scale_ma` fix the scale, `fine_range` is ADCRANGE (+-40.96 mV).

    `reversed` is True when the shunt's IN+ lies so that discharge reads positive. `alert` is the pin the chip's ALERT
    pulls low, when the board has it. `charge_alert_ma` and `discharge_alert_ma` of 0 take the pack's peak rows.
    """

    def __init__(self, i2c, address, shunt_micro_ohm, full_scale_ma, fine_range=False, bus=NO_BUS, reversed=False,
                 alert=None, charge_alert_ma=0, discharge_alert_ma=0):
        self.i2c = i2c
        self.address = address
        self.shunt_micro_ohm = shunt_micro_ohm
        self.full_scale_ma = full_scale_ma
        self.fine_range = fine_range
        self.bus = bus
        self.reversed = reversed
        self.alert = alert
        self.charge_alert_ma = charge_alert_ma
        self.discharge_alert_ma = discharge_alert_ma
        self.gain_ppm = 0  # calibration, set before start()
        self.offset_ma = 0
        self.current_ma = self.bus_mv = self.die_dc = NA
        self.saturated = 0  # 1 or -1 while the reading is at the end of the range, in the project's direction
        self.dead = False  # exactly 0 for too long: a sense wire is off
        self.comms_age = 0
        self.config_ok = False
        self.hard_trip = 0
        self.errors = 0
        self._addresses = bytes((_CONFIG, _ADC_CONFIG, _SHUNT_CAL, _SOVL, _SUVL))
        self._wanted = array("H", [0] * 5)
        self._next = 0
        self._scale_ma = 0
        self._unproven = _LATEST + 1
        self._zeros = 0
        self._hold = 0
        self._fallen = False
        self._two = bytearray(2)
        self._three = bytearray(3)

    def start(self, limits):
        """Resets and configures the chip and reads every setting back: 0 or an ERROR_ code. Outputs are open."""
        self.config_ok = False
        self._unproven = _LATEST + 1
        self._zeros = self._hold = self.hard_trip = 0
        self._fallen = self.dead = False
        code = self._plan(limits)
        if code:
            return code
        try:
            code = self._configure()
        except OSError:
            self.errors += 1
            return ERROR_BUS
        self.config_ok = code == OK
        return code

    def _plan(self, limits):
        """Fills the settings that are wanted."""
        if abs(self.gain_ppm) > limits.CAL_CURRENT_PPM_MAX or abs(self.offset_ma) > limits.CAL_CURRENT_MA_MAX:
            return ERROR_CALIBRATION
        fine = 4 if self.fine_range else 1
        if self.full_scale_ma > _MOST_MA or self.full_scale_ma * self.shunt_micro_ohm * fine > _MOST_NV:
            return ERROR_RANGE
        # SHUNT_CAL = 13107.2e6 * (Imax / 2^19) * R = Imax[mA] * R[micro-ohm] / 40000, four times that with ADCRANGE 1
        cal = (self.full_scale_ma * self.shunt_micro_ohm * fine + 20000) // 40000
        over = self._alert_counts(self.charge_alert_ma or limits.TRIP[_CHARGE_PEAK], fine)
        under = self._alert_counts(self.discharge_alert_ma or limits.TRIP[_DISCHARGE_PEAK], fine)
        if cal < 1 or over < 0 or under < 0:
            return ERROR_RANGE
        if self.reversed:
            over, under = under, over
        # What full scale is by the rounded SHUNT_CAL, so that its rounding costs no accuracy; then the calibration
        scale = (cal * 40000 + self.shunt_micro_ohm * fine // 2) // (self.shunt_micro_ohm * fine)
        self._scale_ma = min(_MOST_MA, scale + scale * self.gain_ppm // 1000000)
        wanted = self._wanted
        wanted[0] = _ADCRANGE if self.fine_range else 0
        wanted[1] = _CONTINUOUS
        wanted[2] = cal
        wanted[3] = over
        wanted[4] = (0x10000 - under) & 0xFFFF if under < 0x7FFF else 0x8000
        return OK

    def _alert_counts(self, alert_ma, fine):
        """SOVL or SUVL for a current, rounded inward; -1 when the shunt cannot show it. 5 uV a count, 1.25 with 1."""
        if alert_ma >= _NEVER:
            return 0x7FFF
        counts = alert_ma * self.shunt_micro_ohm * fine // 5000
        return counts if 0 < counts < 0x7FFF else -1

    def _configure(self):
        if self._word(_MANUFACTURER) != 0x5449 or self._word(_DEVICE) & 0xFFF0 != 0x2280:
            return ERROR_IDENTITY
        self._put(_CONFIG, _RST)
        tries = 0
        while self._word(_CONFIG) & _RST:
            tries += 1
            if tries == _RESET_TRIES:
                return ERROR_RESET
        for i in range(len(self._addresses)):
            self._put(self._addresses[i], self._wanted[i])
        self._put(_DIAG_ALRT, _ALATCH)  # latched, active low, not averaged, no conversion pulses on the pin
        for i in range(len(self._addresses)):
            if self._word(self._addresses[i]) != self._wanted[i]:
                return ERROR_READ_BACK
        return OK if self._word(_DIAG_ALRT) & _SETTINGS == _ALATCH else ERROR_READ_BACK

    def read_into(self, m):
        """Fills m.current_ma and, by `bus`, m.link_mv or m.pack_mv; True when a new conversion is proven."""
        fresh = self._read()
        m.current_ma = self.current_ma
        if self.bus == LINK:
            m.link_mv = self.bus_mv
        elif self.bus == PACK:
            m.pack_mv = self.bus_mv
        return fresh

    def read_current(self):
        """As the second, independent sensor: mA, positive charges, or NA."""
        self._read()
        return self.current_ma

    def _read(self):
        self.current_ma = self.bus_mv = self.die_dc = NA
        self.saturated = 0
        try:
            fresh = self._sample()
            self.comms_age = 0
        except OSError:
            self.errors += 1
            self.comms_age += 1
            self._unproven += 1
            return False
        return fresh

    def _sample(self):
        flags = self._flags()
        if flags >= 0 and not flags & _ALATCH:
            self.config_ok = False  # the chip has restarted: its latch setting is gone, and the scale with it
        self._check_one()
        if not self.config_ok:
            return False
        fresh = flags >= 0 and flags & _CNVRF != 0
        self._unproven = 0 if fresh else self._unproven + 1
        if flags >= 0 and not flags & _MEMSTAT:
            self.errors += 1  # the chip's own trim memory is damaged
            return False
        overflow = flags >= 0 and flags & _MATHOF != 0
        if not self._take_current(fresh, overflow):
            return False
        if self._unproven > _LATEST:
            self.current_ma = NA
            return False
        bus = self._twenty(_VBUS)
        self.bus_mv = (bus * 25 + 64) >> 7  # 195.3125 uV a count
        die = self._word(_DIETEMP)
        self.die_dc = (die - 0x10000 if die & 0x8000 else die) * 5 >> 6  # 7.8125 m degC a count
        return fresh

    def _flags(self):
        """DIAG_ALRT, or -1 while the fallen ALERT pin is left alone."""
        if self._hold == 0:
            self.hard_trip = 0
        if not self._fallen and self.alert is not None and self.alert.value() == 0:
            self._fallen = True
            self._hold = _HOLD
            self.hard_trip = CHARGE_TRIP | DISCHARGE_TRIP
        if self._hold:
            self._hold -= 1
            if self._fallen and self._hold:
                return -1
        self._fallen = False
        flags = self._word(_DIAG_ALRT)
        if flags & (_SHNTOL | _SHNTUL):
            self._hold = _HOLD
            self.hard_trip = (self._side(flags & _SHNTOL, CHARGE_TRIP, DISCHARGE_TRIP)
                              | self._side(flags & _SHNTUL, DISCHARGE_TRIP, CHARGE_TRIP))
        return flags

    def _side(self, flag, ahead, back):
        if not flag:
            return 0
        return back if self.reversed else ahead

    def _check_one(self):
        """Compares one setting a call with what was written; a difference counts when it is read twice."""
        n = self._next
        self._next = (n + 1) % len(self._addresses)
        if self._word(self._addresses[n]) != self._wanted[n] and self._word(self._addresses[n]) != self._wanted[n]:
            self.config_ok = False

    def _take_current(self, fresh, overflow):
        """Shunt voltage and current, which must agree; False when they cannot be believed."""
        tries = 0
        while True:
            shunt = self._twenty(_VSHUNT)
            current = self._twenty(_CURRENT)
            if self._agree(shunt, current):
                break
            tries += 1  # a step of current between the two reads, or a flipped bit
            if tries == 2:
                self.errors += 1
                return False
        if shunt:
            self._zeros = 0
        elif fresh and self._zeros < _DEAD:
            self._zeros += 1
        self.dead = self._zeros >= _DEAD
        self.saturated = self._end(shunt) or self._end(current)
        if self.reversed:
            self.saturated = -self.saturated
        if self.saturated or self.dead or overflow:
            return True
        self.current_ma = self._milliamperes(-current if self.reversed else current) + self.offset_ma
        return True

    def _end(self, counts):
        if counts >= _NEAR_TOP:
            return 1
        return -1 if counts <= -_NEAR_TOP else 0

    def _agree(self, shunt, current):
        """CURRENT = VSHUNT * 4096 / SHUNT_CAL in either range, up to its own end."""
        expected = (shunt * 512 // self._wanted[2]) * 8
        return abs(max(-_TOP, min(_TOP, expected)) - current) <= _AGREE

    def _milliamperes(self, counts):
        """counts * full scale / 2^19, rounded, in two products that stay below 2^30."""
        size = abs(counts)
        low = size * (self._scale_ma & 0x3FF)
        value = (size * (self._scale_ma >> 10) + (low >> 10) + 256) >> 9
        return -value if counts < 0 else value

    def _twenty(self, register):
        """A 24-bit register, big-endian; its upper 20 bits are the signed value, the lower four are always 0."""
        b = self._three
        self.i2c.readfrom_mem_into(self.address, register, b)
        value = b[0] << 12 | b[1] << 4 | b[2] >> 4
        if b[2] & 15:
            raise OSError  # no result looks like this: the transfer is damaged
        return value - 0x100000 if value & 0x80000 else value

    def _word(self, register):
        b = self._two
        self.i2c.readfrom_mem_into(self.address, register, b)
        return b[0] << 8 | b[1]

    def _put(self, register, value):
        self._two[0] = value >> 8
        self._two[1] = value & 0xFF
        self.i2c.writeto_mem(self.address, register, self._two)
