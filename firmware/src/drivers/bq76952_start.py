"""The start of a BQ76952: from whatever it was doing to configured, compared, converting, FETs off.

Order: all FETs off, before anything else is asked (a chip whose host watchdog had opened them closes them again at
the first word it hears); device number; off again and seen off; CONFIG_UPDATE; every setting; leave; wait for a full
scan by direct commands only (subcommands in this time can end in the chip's own watchdog, says the maker); every
setting read back; FET_EN; cells against stack; alarms cleared. FET_EN comes after the settings, not before as in the
maker's order: until then the chip is in its test mode, and no command can turn a FET on. The setting FET_INIT_OFF
keeps the host's own flags at off when CONFIG_UPDATE is left. Where it fails it stops: a chip left in CONFIG_UPDATE
holds its FETs off. Loaded for a start only.
"""

from drivers.bq76952_link import (
    ALARM,
    ALARM_BYTES,
    ALARMS,
    ALL_OFF,
    BATTERY,
    BIG,
    FET_EN,
    MANUFACTURING,
    SCANS,
    SHORTS,
    SHORTS_LATCHED,
    STATUS_CONFIG,
    STATUS_POR,
    STATUS_WATCHDOG,
    WINDOW,
)
from drivers.const import const

OK = 0
ERROR_SILENT = 3  # no answer, or too many damaged ones
ERROR_IDENTITY = 4  # another chip, or the other CRC mode
ERROR_SEALED = 5  # settings cannot be written
ERROR_FETS = 6  # a FET is on, or FET_EN does not come on
ERROR_CONFIG_MODE = 7  # CONFIG_UPDATE is not entered or left
ERROR_READ_BACK = 8  # a setting did not take: see bad_address
ERROR_CONVERSION = 9  # no full scan
ERROR_PLAUSIBLE = 10  # cells and stack do not agree, or a connected cell is no cell

_FETS = const(0x0F)
_DEVICE = const(0x7695)
_SPARE = const(20)  # transfers tried again in the whole start
_CELL_TOLERANCE_MV = const(50)
_WAKE_TRIES = const(50)
_ANSWER_TRIES = const(40)
_SCAN_TRIES = const(100)


class Startup:
    """`bad_address` is the block in which ERROR_READ_BACK was found; `watchdog` the chip's WD bit as it stands.

    `short` tells that the chip had cut a short circuit before.
    """

    def __init__(self, link, settings, watch, clock):
        self.link = link
        self.settings = settings
        self.watch = watch
        self.clock = clock
        self.bad_address = 0
        self.watchdog = 0
        self.short = False

    def run(self, limits):
        """OK or an ERROR_. Blocks for about 0.4 s, 1.5 s at most."""
        self.bad_address = 0
        self.short = False
        code = self._identify()
        if code == OK:
            code = self._configure()
        if code == OK:
            code = self._compare()
        if code == OK:
            code = self._finish(limits)
        if code != OK:
            self.link.begin(_SPARE)
            self.link.command(ALL_OFF)
        return code

    def _wait(self, ms):
        self.clock.sleep_us(ms * 1000)

    def _identify(self):
        if not self._wake():
            return ERROR_SILENT
        if self._ask(0x0001) < 2:
            return ERROR_SILENT if self.link.failed else ERROR_IDENTITY
        if self._word(2) != _DEVICE:
            return ERROR_IDENTITY
        if not self.link.read(BATTERY, 2):
            return ERROR_SILENT
        if self.link.data[1] & 3 == 3:
            return ERROR_SEALED
        if not self.link.read(0x02, 6):
            return ERROR_SILENT
        self.short = self.link.data[1] & SHORTS != 0 or self.link.data[5] & SHORTS_LATCHED != 0
        return self._off()

    def _wake(self):
        """A chip that wakes up answers nothing for a while, and never its first transfer."""
        for _ in range(_WAKE_TRIES):
            self.link.begin(0)
            if self.link.command(ALL_OFF):
                self.link.begin(_SPARE)
                self._settle(ALL_OFF)
                return True
            self._wait(10)
        return False

    def _off(self):
        """Sends all off until the FET status shows it."""
        for _ in range(5):
            if not (self.link.command(ALL_OFF) and self._settle(ALL_OFF) and self.link.read(0x7E, 2)):
                return ERROR_SILENT
            if self.link.data[1] & _FETS == 0:
                return OK
            self._wait(10)
        return ERROR_FETS

    def _word(self, at):
        return self.link.data[at] | self.link.data[at + 1] << 8

    def _settle(self, code):
        """Waits until the chip has done with `code`: its echo stands in the window. False when it never does."""
        for _ in range(_ANSWER_TRIES):
            if not self.link.read(WINDOW, 2):
                return False
            if self._word(0) == code:
                return True
            self.clock.sleep_us(500)
        return False

    def _ask(self, code):
        """Bytes of the answer to `code`, from data[2] on; negative when there is none."""
        if not (self.link.command(code) and self._settle(code)):
            return -1
        return self.link.window(code)

    def _configure(self):
        if not (self.link.command(0x0090) and self._status(STATUS_CONFIG, STATUS_CONFIG)):
            return ERROR_CONFIG_MODE
        for address, data in self.settings.items:
            for n in range(len(data)):
                self.link.out[2 + n] = data[n]
            if not (self.link.command_data(address, len(data)) and self._settle(address)):
                return ERROR_SILENT if self.link.failed else ERROR_CONFIG_MODE
        if not (self.link.command(0x0092) and self._status(STATUS_CONFIG | STATUS_POR, 0)):
            return ERROR_CONFIG_MODE
        return self._scanned()

    def _status(self, mask, wanted):
        """Waits until the battery status shows it."""
        for _ in range(_ANSWER_TRIES):
            self._wait(1)
            if not self.link.read(BATTERY, 2):
                return False
            if self.link.data[0] & mask == wanted:
                return True
        return False

    def _scanned(self):
        """Clears both scan flags and waits until both have come again."""
        if not self._clear_alarms():
            return ERROR_SILENT
        for _ in range(_SCAN_TRIES):
            self._wait(10)
            if not self.link.read(ALARM, ALARM_BYTES):
                return ERROR_SILENT
            if self.link.data[0] & SCANS == SCANS:
                return OK
        return ERROR_CONVERSION

    def _clear_alarms(self):
        self.link.out[0] = self.link.out[1] = 0xFF
        return self.link.write(ALARM, 2)

    def _compare(self):
        blocks = self.watch.blocks
        for n in range(len(blocks)):
            self.bad_address = blocks[n]
            if self._ask(blocks[n]) != 32:
                return ERROR_SILENT if self.link.failed else ERROR_READ_BACK
            if not self.watch.same(n):
                return ERROR_READ_BACK
        self.bad_address = 0x66
        if not self.link.read(ALARM, ALARM_BYTES):
            return ERROR_SILENT
        if self._word(4) != ALARMS:
            return ERROR_READ_BACK
        self.bad_address = 0
        return OK

    def _finish(self, limits):
        if not (self.link.command(0x009A) and self._settle(0x009A)):  # no SLEEP
            return ERROR_SILENT
        code = self._off()
        if code == OK:
            code = self._fet_control()
        if code == OK:
            code = self._plausible(limits)
        if code == OK and not self._clear_alarms():
            code = ERROR_SILENT
        return code

    def _fet_control(self):
        """FET_EN is a toggle: looked at before and after. With it on, nothing may turn on by itself."""
        if self._ask(MANUFACTURING) < 1:
            return ERROR_SILENT
        if not self.link.data[2] & FET_EN:
            if not (self.link.command(0x0022) and self._settle(0x0022)):
                return ERROR_SILENT
            if self._ask(MANUFACTURING) < 1:
                return ERROR_SILENT
            if not self.link.data[2] & FET_EN:
                return ERROR_FETS
        self._wait(10)
        if not self.link.read(0x7E, 2):
            return ERROR_SILENT
        return ERROR_FETS if self.link.data[1] & _FETS else OK

    def _plausible(self, limits):
        """Each cell is a cell, and their sum is the stack within 50 mV a cell."""
        if not self.link.read(BATTERY, BIG):
            return ERROR_SILENT
        self.watchdog = self.link.data[0] & STATUS_WATCHDOG
        total = 0
        for n in self.settings.inputs:
            mv = self._word(2 * n)  # cell 1 stands at 0x14, two bytes behind the status
            if not limits.CELL_LOW_MV <= mv <= limits.CELL_HIGH_MV:
                return ERROR_PLAUSIBLE
            total += mv
        difference = abs(total - 10 * self._word(0x22))
        return ERROR_PLAUSIBLE if difference > _CELL_TOLERANCE_MV * limits.CELLS else OK
