"""A daisy chain of LTC6811, LTC6813 or ADBMS1818 behind an LTC6820: wake-up, commands, register groups with their PEC.

SPI mode 3, at most 1 MHz. Reads give the chip nearest the host first, writes send the farthest chip's data first. It
knows frames and chips; what a group means it does not know.
"""

from array import array

from drivers.const import const
from drivers.pec15 import check, pec15

_WAKE_US = const(400)  # t_wake of a sleeping chip, at most
_READY_US = const(10)  # t_ready of an idle one
_POLLS = const(16)  # readings of _POLL_BYTES until a conversion counts as hung: 1 ms at 1 MHz
_POLL_BYTES = const(8)
_TOP = const(0x3FFFFFFF)  # counts wrap here


def command(code):
    """The four bytes of a command, made once."""
    frame = bytearray((code >> 8, code & 0xFF, 0, 0))
    pec = pec15(frame, 0, 2)
    frame[2] = pec >> 8
    frame[3] = pec & 0xFF
    return bytes(frame)


_PLADC = command(0x714)


class Chain:
    """`data` holds the group read last, 8 bytes a chip; `good[chip]` is 1 where it came with its PEC.

    `errors` counts bad groups, a chip each; `chip_errors` the same by chip, so that a bad link shows itself; `retries`
    groups asked for again; `lost` bad ones in spite of that; `bus_errors` transfers that raised OSError.
    """

    def __init__(self, spi, cs, chips, clock):
        self.spi = spi
        self.cs = cs
        self.chips = chips
        self.clock = clock
        self.data = bytearray(8 * chips)
        self.good = bytearray(chips)
        self.errors = self.retries = self.lost = self.bus_errors = 0
        self.chip_errors = array("i", [0] * chips)
        self._data_again = bytearray(8 * chips)
        self._good_again = bytearray(chips)
        self._frame = bytearray(4 + 8 * chips)
        self._poll = bytearray(_POLL_BYTES)

    def wake(self):
        """Makes an idle chain ready: one pulse of CS a chip, each passed on by the chips that are ready."""
        self._pulses(_READY_US)

    def wake_asleep(self):
        """The same for chips whose core sleeps."""
        self._pulses(_WAKE_US)
        self._pulses(_READY_US)

    def _pulses(self, us):
        for _ in range(self.chips):
            self.cs.value(0)
            self.clock.sleep_us(us)
            self.cs.value(1)

    def send(self, frame):
        """Sends a command that has no data."""
        self.cs.value(0)
        try:
            self.spi.write(frame)
        except OSError:
            self._bus_failed()
        self.cs.value(1)

    def write(self, frame, groups):
        """Writes a group, six bytes a chip, the nearest first. Whether a chip took it only reading back tells."""
        out = self._frame
        for i in range(4):
            out[i] = frame[i]
        at = 4
        for chip in range(self.chips - 1, -1, -1):
            for i in range(6):
                out[at + i] = groups[6 * chip + i]
            pec = pec15(out, at, 6)
            out[at + 6] = pec >> 8
            out[at + 7] = pec & 0xFF
            at += 8
        self.send(out)

    def read(self, frame):
        """Reads a group of every chip into `data`, once more where a PEC is wrong; how many chips stay without."""
        bad = self._exchange(frame, self.data, self.good)
        if bad:
            self.retries = (self.retries + 1) & _TOP
            if self._exchange(frame, self._data_again, self._good_again) < self.chips:
                bad -= self._take_again()
            self.lost = (self.lost + bad) & _TOP
        return bad

    def _exchange(self, frame, data, good):
        self.cs.value(0)
        try:
            self.spi.write(frame)
            self.spi.readinto(data, 0xFF)
            bad = check(data, self.chips, good)
        except OSError:
            self._bus_failed()
            bad = self.chips
            for chip in range(bad):
                good[chip] = 0
        self.cs.value(1)
        if bad:
            self._count(good)
        return bad

    def _take_again(self):
        """Takes from the second reading what the first did not give; how many chips that helps."""
        helped = 0
        for chip in range(self.chips):
            if self._good_again[chip] and not self.good[chip]:
                for i in range(8 * chip, 8 * chip + 8):
                    self.data[i] = self._data_again[i]
                self.good[chip] = 1
                helped += 1
        return helped

    def _count(self, good):
        for chip in range(self.chips):
            if not good[chip]:
                self.errors = (self.errors + 1) & _TOP
                self.chip_errors[chip] = (self.chip_errors[chip] + 1) & _TOP

    def _bus_failed(self):
        self.bus_errors = (self.bus_errors + 1) & _TOP

    def finish(self, us):
        """Waits for a conversion that takes about `us`, then polls; False when a chip was not done in time."""
        self.clock.sleep_us(us)
        done = False
        self.cs.value(0)
        try:
            self.spi.write(_PLADC)
            for _ in range(_POLLS):
                self.spi.readinto(self._poll, 0xFF)
                if self._poll[_POLL_BYTES - 1] == 0xFF:
                    done = True
                    break
        except OSError:
            self._bus_failed()
        self.cs.value(1)
        return done
