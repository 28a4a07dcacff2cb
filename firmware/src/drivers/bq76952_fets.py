"""The FETs of a BQ76952: what the node allows, what the chip itself has cut, what the drivers show.

The chip closes again by itself when its own trip has gone. Here it does not: a path it has cut stays blocked by the
host's flags until the node has asked for it open and the chip's trip has gone; a short circuit until recover().
"""

from drivers.bq76952_link import ALL_OFF, SHORTS, SHORTS_LATCHED
from drivers.const import const

CHARGE_CUTS = (0x98, 0xD5, 0x56)  # trips A, B, C that open CHG; of A only this value and 0x18 act at once
DISCHARGE_CUTS = (0xE4, 0xE6, 0xE2)
CHARGE = 1
DISCHARGE = 2
PRECHARGE = 4

_TRIPS = const(0x02)  # alert and status of A, B, C
_TRIP_BYTES = const(6)
_FET_CONTROL = const(0x0097)
_FORGET_SHORT = const(0x009C)
_WATCHDOG = const(0x02)  # in trips C


class Fets:
    """`measured` has the bits of allow() as the drivers show them, if `known`; `hard_trip` is the front-end's.

    `missed_trips` counts trips that had gone before they were read, `watchdog_trips` those of the host watchdog.
    """

    def __init__(self, link, predischarge):
        self.link = link
        self.predischarge = predischarge
        self.hard_trip = 0
        self.measured = 0
        self.known = False
        self.missed_trips = self.watchdog_trips = 0
        self.allowed = 0
        self._common = False
        self._short = False
        self._cut = 0  # paths the chip holds open now
        self._held = 0  # paths it has cut, until the node has asked for them open
        self._status = 0  # trips A, B, C of the last cycle
        self._agreed = False  # the chip took what was sent last

    def reset(self, common):
        """Before a start: nothing is allowed. A short circuit is not forgotten."""
        self._common = common
        self.allowed = self._cut = self._held = self._status = 0
        self._agreed = self.known = False

    def short_circuit(self):
        """The chip has cut one, now or before the node restarted."""
        self._short = True
        self.hard_trip |= 1

    def off_first(self):
        """After a silence: all off before anything else is said, and both paths wait for the node."""
        self._held = CHARGE | DISCHARGE
        self._agreed = self.link.command(ALL_OFF) and self.allowed == 0

    def trips(self, alarmed):
        """Reads the chip's trips; `alarmed` says that there was one since the last look. False when not read."""
        if not self.link.read(_TRIPS, _TRIP_BYTES):
            return False
        data = self.link.data
        a = data[1]
        b = data[3]
        c = data[5]
        self._cuts(a, b, c)
        if c & _WATCHDOG and not self._status & _WATCHDOG << 16:
            self.watchdog_trips += 1
        status = a | b << 8 | c << 16
        if alarmed and status == 0 and self._status == 0:  # which one it was cannot be told any more
            self.missed_trips += 1
            self._held = CHARGE | DISCHARGE
        self._status = status
        if a & SHORTS or c & SHORTS_LATCHED:
            self._short = True
        self.hard_trip = ((1 if self._short else 0) | (2 if a & 0x60 or c & 0xA0 else 0) | (4 if a & 0x10 else 0)
                          | (8 if a & 0x08 or c & 0x10 else 0) | (16 if a & 0x04 else 0) | (32 if b else 0))
        return True

    def _cuts(self, a, b, c):
        cut = 0
        if a & CHARGE_CUTS[0] or b & CHARGE_CUTS[1] or c & CHARGE_CUTS[2]:
            cut = CHARGE
        if a & DISCHARGE_CUTS[0] or b & DISCHARGE_CUTS[1] or c & DISCHARGE_CUTS[2]:
            cut |= DISCHARGE
        if cut and self._common:
            cut = CHARGE | DISCHARGE
        self._cut = cut
        self._held |= cut

    def seen(self, on, current_ma):
        """Takes the FET status. A driver that only saves the other FET's body diode opens no path against the node."""
        paths = (CHARGE if on & 3 else 0) | (DISCHARGE if on & 4 else 0) | (PRECHARGE if on & 8 else 0)
        if paths & CHARGE and not self.allowed & CHARGE and paths & (DISCHARGE | PRECHARGE) and current_ma < 0:
            paths &= DISCHARGE | PRECHARGE
        if paths & DISCHARGE and not self.allowed & DISCHARGE and paths & CHARGE and current_ma > 0:
            paths &= CHARGE | PRECHARGE
        self.measured = paths
        self.known = True

    def allow(self, paths, precharge, fit, visible):
        """Sends what may be on when that changes, and again in each cycle in which the FETs show something else.

        Without `fit` settings nothing is allowed; what is not `visible` now is not widened.
        """
        asked = paths & 3
        if precharge and self.predischarge:
            asked |= PRECHARGE
        self._held &= asked | self._cut
        allowed = asked & ~self._held
        if self._held & DISCHARGE:
            allowed &= CHARGE
        if self._common and allowed & 3 != 3:
            allowed &= PRECHARGE
        if not fit or self._short:
            allowed = 0
        elif not visible:
            allowed &= self.allowed
        changed = allowed != self.allowed or not self._agreed
        self.allowed = allowed
        if changed or (self.known and self.measured != allowed):
            self._agreed = self._send(allowed)

    def _send(self, allowed):
        """FET_CONTROL has a bit for each FET that is forced off: DSG, PDSG, CHG, PCHG."""
        link = self.link
        link.begin(0)
        if allowed == 0:
            return link.command(ALL_OFF)
        off = 0x0F
        if allowed & CHARGE:
            off &= 0x0B
        if allowed & DISCHARGE:
            off &= 0x0C if self.predischarge else 0x0E
        if allowed & PRECHARGE:
            off &= 0x0D
        link.out[2] = off
        return link.command_data(_FET_CONTROL, 1)

    def recover(self):
        """Asks the chip to forget a short circuit. False, and nothing done, unless everything is off."""
        if self.allowed or self.measured or not self.known:
            return False
        self.link.begin(1)
        if not self.link.command(_FORGET_SHORT):
            return False
        self._short = False  # the next reading sets it again while the chip still shows it
        self.hard_trip &= ~1
        return True
