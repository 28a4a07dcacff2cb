"""TI BQ76952: 3 to 16 cells, nine thermistors, current, high-side FETs, and protections of its own as the second line.

One cycle is read_into(), then allow() and balance(). read_into makes at most 9 transfers with CRC (choose such a
part): a question, alarms, their clearing and a second look, trips, cells to current, temperatures to FETs, the answer,
and one more try of any of them. allow() and balance() add at most 2 each, a stuck bus 0.2 ms of clocks. At 400 kHz
that is 5.9 ms of bus, 8.6 ms with everything at once; without CRC, where every block is read twice and three tries
more are kept, 6.3 and 13 ms. A transfer whose tries are used up ends the cycle: a dead bus costs 3 timeouts, 5
without CRC, so give the I2C one of 2 ms. What the processor spends comes on top.

A conversion is new when ADSCAN was cleared, seen clear, and stands again. The chip has restarted, or lost its
settings, when POR, WD or CONFIG_UPDATE shows, the alarm mask or a setting differs, no full scan comes for 1 s, or it
answers no question for 5 s: then nothing is read and no FET allowed until start().

Every valid transfer feeds the host watchdog, and each cycle has several: 2 s after the last one the chip opens its
FETs by itself. It would close them again at the next word it hears, so after 1.5 s of silence that word is "all off".
It never closes anything by itself: see bq76952_fets.

Wiring: SRP at the battery, so that charging reads positive; 103-AT thermistors (10 kohm, B 3435); see
bq76952_wires for what a sense wire that has come off looks like. FET status is what the drivers do; a FET that has
failed short shows as current through an open path.
"""

import gc
import sys
import time

from node.measure import NA

import drivers
from drivers.bq76952_balance import Balancer
from drivers.bq76952_fets import Fets
from drivers.bq76952_link import (
    ALARM,
    ALARM_BYTES,
    ALARMS,
    ALL_OFF,
    BATTERY,
    BIG,
    SCANS,
    STATUS_CONFIG,
    STATUS_POR,
    STATUS_WATCHDOG,
    Link,
)
from drivers.bq76952_watch import Watch
from drivers.bq76952_wires import OpenWires
from drivers.const import const

OK = 0
ERROR_CALIBRATION = 11  # gain or offset beyond the pack's bounds; the other errors stand in memory and start

_OLDEST = const(1 << 20)
_ADSCAN = const(0x02)
_FULLSCAN = const(0x80)
_TRIPPED = const(0xC0)  # of the alarm's high byte
_FULL_LATEST = const(10)  # cycles without a full scan, which takes 0.2 s
_TEMPERATURES = const(0x68)
_TEMPERATURE_BYTES = const(24)  # up to and with the FET status
_SHUTDOWN = const(0x0010)
_SILENCE_MS = const(1500)  # before the chip's 2 s
_COLDEST_DC = const(-400)  # what a thermistor can say; open and shorted ones lie outside
_HOTTEST_DC = const(1200)


def _unload():
    """Gives the memory of what only a start needs back, 9 KB; the next start loads it again."""
    if sys.implementation.name == "micropython":
        for name in ("drivers.bq76952_start", "drivers.bq76952_memory"):
            sys.modules.pop(name, None)
        if hasattr(drivers, "bq76952_start"):
            del drivers.bq76952_start
        if hasattr(drivers, "bq76952_memory"):
            del drivers.bq76952_memory
        gc.collect()


class Bq76952:
    """`inputs`, `sensors` and `options` as Settings has them; m.link_mv is the PACK pin, or LD with `link_at_ld`.

    Besides the attributes of every front-end: `fets` as measured, if `fets_known`; `die_dc`; `bleeding`, a bit per
    cell that the chip says it balances, and `balance_refused` while that is less than was asked. `config_losses`,
    `missed_trips`, `watchdog_trips` and `recoveries` count. `gain_ppm` and `offset_ma` are set before start(), which
    leaves in `bad_address` where a setting did not take.
    """

    def __init__(self, i2c, inputs, sensors, shunt_micro_ohm, crc=True, address=0x08, link_at_ld=False, recovery=None,
                 clock=time, **options):
        from drivers.bq76952_memory import Settings
        settings = Settings(inputs, sensors, shunt_micro_ohm, **options)  # refuses what is no wiring
        self.link = Link(i2c, address, crc)
        self.inputs = settings.inputs
        self.sensors = settings.sensors
        self.shunt_micro_ohm = shunt_micro_ohm
        self.options = options
        self.balancer = Balancer(self.link, self.inputs)
        self.watch = Watch(self.link, self.balancer)
        self.switches = Fets(self.link, settings.predischarge)
        self.wires = OpenWires(len(self.inputs))
        self.recovery = recovery
        self.clock = clock
        self.gain_ppm = self.offset_ma = 0
        self.comms_age = _OLDEST
        self.open_wires = 0
        self.open_wire_mask = self.wires.mask
        self.hard_trip = 0
        self.config_ok = False
        self.errors = 0
        self.fets = 0
        self.fets_known = False
        self.die_dc = NA
        self.bleeding = self.balancer.active
        self.balance_refused = False
        self.config_losses = self.missed_trips = self.watchdog_trips = self.recoveries = 0
        self.asleep = False
        self.bad_address = 0
        self._unit_ma = 10
        self._watchdog = 0  # the chip's WD bit as start() found it
        self._spare = 1 if crc else 3  # what is read twice also differs where a scan falls between
        self._link_at = 0x26 if link_at_ld else 0x24  # in the big block
        self._fresh = False
        self._alarmed = False
        self._scan_cleared = self._full_cleared = False
        self._full_age = 0
        self._heard_ms = 0  # when the last cycle succeeded

    def start(self, limits):
        """Configures the chip and proves it: OK or an ERROR_; see bq76952_start. FETs are off before and after."""
        self.config_ok = self.asleep = False
        self._scan_cleared = self._full_cleared = False
        self._full_age = 0
        self.switches.reset(bool(limits.COMMON))
        self.balancer.reset()
        self.wires.take(limits)
        if abs(self.offset_ma) > limits.CAL_CURRENT_MA_MAX or abs(self.gain_ppm) > limits.CAL_CURRENT_PPM_MAX:
            return ERROR_CALIBRATION
        code = self._startup(limits)
        _unload()
        if code == OK:
            self.config_ok = True
            self.comms_age = 0
            self._heard_ms = self.clock.ticks_ms()
        self._show()
        return code

    def _startup(self, limits):
        from drivers.bq76952_memory import Settings
        from drivers.bq76952_start import Startup
        settings = Settings(self.inputs, self.sensors, self.shunt_micro_ohm, **self.options)
        code = settings.plan(limits, self.gain_ppm)
        if code != OK:
            return code
        self.watch.take(settings.items)
        self._unit_ma = settings.unit_ma
        startup = Startup(self.link, settings, self.watch, self.clock)
        code = startup.run(limits)
        self.bad_address = startup.bad_address
        self._watchdog = startup.watchdog
        if startup.short:
            self.switches.short_circuit()
        return code

    def _show(self):
        switches = self.switches
        self.hard_trip = switches.hard_trip
        self.fets = switches.measured
        self.fets_known = switches.known
        self.missed_trips = switches.missed_trips
        self.watchdog_trips = switches.watchdog_trips
        self.balance_refused = self.balancer.refused
        self.open_wires = self.wires.count
        self.errors = self.link.errors

    def read_into(self, m):
        """Fills m.cell_mv, m.temp_dc, m.pack_mv, m.link_mv, m.current_ma; True when a new conversion is proven."""
        self._blank(m)
        self._fresh = False
        if self.asleep:
            self._grow_old()
            return False
        link = self.link
        link.begin(self._spare)
        now_ms = self.clock.ticks_ms()
        if self.clock.ticks_diff(now_ms, self._heard_ms) > _SILENCE_MS:
            self.switches.off_first()
        if self.config_ok:
            self._cycle(m)
        elif link.read(BATTERY, 2) and link.read(0x7E, 2):
            self.switches.seen(link.data[1], 0)
        if link.failed:
            self._lost()
        else:
            self.comms_age = 0
            self._heard_ms = now_ms
        if link.failed or not self.config_ok:
            self._blank(m)
            self._fresh = False
        elif self._fresh:
            self.wires.judge(m.cell_mv)
        self._show()
        return self._fresh

    def _cycle(self, m):
        self.watch.ask()
        good = self._flags() and self.switches.trips(self._alarmed) and self._cells(m) and self._temperatures(m)
        if good and not self.watch.answer() and not self.link.failed:
            self._lose()

    def _blank(self, m):
        for i in range(len(self.inputs)):
            m.cell_mv[i] = NA
        for i in range(len(self.sensors)):
            m.temp_dc[i] = NA
        m.pack_mv = m.link_mv = m.current_ma = self.die_dc = NA

    def _grow_old(self):
        if self.comms_age < _OLDEST:
            self.comms_age += 1
        self.switches.known = self.fets_known = False

    def _lost(self):
        """The cycle has failed: the bus is freed, the chip asked anew."""
        self._grow_old()
        self.link.asked = -1
        if self.recovery is not None:
            self.recoveries += 1
            self.recovery.recover()

    def _lose(self):
        """The settings can no longer be believed."""
        self.config_ok = False
        self.config_losses += 1

    def _flags(self):
        """The alarm bits: scan flags with their proofs, and whether there was a trip. False ends the reading."""
        link = self.link
        if not link.read(ALARM, ALARM_BYTES):
            return False
        data = link.data
        scans = data[0] & SCANS
        trips = data[1] & _TRIPPED
        if (data[4] | data[5] << 8) != ALARMS:
            self._lose()
            return False
        self._fresh = self._scan_cleared and scans & _ADSCAN != 0
        self._full_age = 0 if self._full_cleared and scans & _FULLSCAN else self._full_age + 1
        self._alarmed = trips != 0
        if scans or trips:
            link.out[0] = scans
            link.out[1] = trips
            if not (link.write(ALARM, 2) and link.read(ALARM, 2)):
                return False
            scans = link.data[0]
        self._scan_cleared = scans & _ADSCAN == 0
        self._full_cleared = scans & _FULLSCAN == 0
        if self._full_age > _FULL_LATEST:
            self._lose()
            return False
        return True

    def _cells(self, m):
        """Battery status, cells, stack, PACK or LD, current: one block."""
        link = self.link
        if not link.read(BATTERY, BIG):
            return False
        status = link.data[0]
        if status & (STATUS_CONFIG | STATUS_POR) or status & STATUS_WATCHDOG & ~self._watchdog:
            self._lose()
            return False
        inputs = self.inputs
        for i in range(len(inputs)):
            m.cell_mv[i] = self._signed(2 * inputs[i])
        m.pack_mv = 10 * self._signed(0x22)
        m.link_mv = 10 * self._signed(self._link_at)
        m.current_ma = self._signed(0x28) * self._unit_ma + self.offset_ma
        return True

    def _signed(self, at):
        value = self.link.data[at] | self.link.data[at + 1] << 8
        return value - 0x10000 if value & 0x8000 else value

    def _temperatures(self, m):
        """Die, thermistors and FETs: one block. 0.1 K become 0.1 degC, the half to the cold side."""
        if not self.link.read(_TEMPERATURES, _TEMPERATURE_BYTES):
            return False
        self.die_dc = self._signed(0) - 2732
        sensors = self.sensors
        for i in range(len(sensors)):
            dc = self._signed(2 + 2 * sensors[i]) - 2732
            m.temp_dc[i] = dc if _COLDEST_DC <= dc <= _HOTTEST_DC else NA
        self.switches.seen(self.link.data[23], m.current_ma)
        return True

    def allow(self, paths, precharge):
        """Lets the chip close `paths` (1 charge, 2 discharge) and, with `predischarge`, that FET; all else is off."""
        if not self.asleep:
            self.switches.allow(paths, precharge, self.config_ok, self.comms_age == 0)
            self.errors = self.link.errors

    def recover(self):
        """A person has cleared a short circuit. False, and nothing done, unless everything is seen off."""
        if self.asleep:
            return False
        good = self.switches.recover()
        self._show()
        return good

    def balance(self, mask):
        """Bleeds the cells of `mask` (a bit each), never two neighbours; the chip pauses while it measures."""
        if self.config_ok and self.comms_age == 0:  # else the chip stops by itself within 10 s
            self.balancer.ask(mask)
            self.errors = self.link.errors

    def sleep(self):
        """Ship mode: FETs off, SHUTDOWN twice. A charger wakes the chip; start() brings it back. True when taken."""
        self.config_ok = False
        self.switches.allowed = 0
        link = self.link
        link.begin(3)
        good = link.command(ALL_OFF)
        self.clock.sleep_us(1000)
        good = link.command(_SHUTDOWN) and good
        self.clock.sleep_us(1000)
        good = link.command(_SHUTDOWN) and good
        self.asleep = good
        self.switches.known = self.fets_known = False
        return good
