"""The configuration of an LTC681x chain: limits, reference, discharge bits; written, read back, compared, judged.

Where the reference page is silent on a place (VUV, VOV; GPIO9..6, DCC18..13 and MUTE of group B) the makers' published
drivers (LTC681x.cpp and LTC6813.cpp of "Linduino") were followed.
"""

from array import array

from drivers.const import const
from drivers.ltc681x_chain import command

SAME = const(0)
DIFFERS = const(1)
UNREAD = const(2)

_WRCFGA = command(0x001)
_RDCFGA = command(0x002)
_WRCFGB = command(0x024)
_RDCFGB = command(0x026)

# What is compared of a configuration read back: not the levels of the GPIO pins, the DTEN pin and the MUTE state.
_COMPARE_A = bytes((0x05, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF))
_COMPARE_B = bytes((0xF0, 0x7F, 0, 0, 0, 0))
_GPIO_A = const(0xF8)  # no pull-down on GPIO5..1: they are analog inputs
_REFON = const(0x04)
_GPIO_B = const(0x0F)  # the same for GPIO9..6
_MOST = const(0xFFF)


def under_voltage_code(mv):
    """VUV for a limit of `mv`: the chip's (VUV + 1) * 1.6 mV is rounded up, never the looser one."""
    return min(_MOST, max(0, (mv * 10 + 15) // 16 - 1))


def over_voltage_code(mv):
    """VOV for a limit of `mv`: the chip's VOV * 1.6 mV is rounded down."""
    return min(_MOST, max(0, mv * 10 // 16))


class Configuration:
    """What the chips are to hold. `dcc[chip]` has bit 0 for input 1; `bad_chip` is the nearest that differed, or -1."""

    def __init__(self, chain, wide):
        self.chain = chain
        self.wide = wide
        self.dcc = array("i", [0] * chain.chips)
        self.bad_chip = -1
        self._a = bytearray(6 * chain.chips)
        self._b = bytearray(6 * chain.chips)

    def prepare(self, chip, under, over):
        """Puts one chip's configuration into the buffers: VUV, VOV, reference on, discharge off, DCTO 0.

        With DCTO 0 the discharge timer is not in use: a dead node's cells stop bleeding when the core falls asleep,
        about 2 s after the last command.
        """
        a = self._a
        at = 6 * chip
        a[at] = _GPIO_A | _REFON
        a[at + 1] = under & 0xFF
        a[at + 2] = (over & 0x0F) << 4 | under >> 8
        a[at + 3] = over >> 4
        self.discharge(chip, 0)

    def discharge(self, chip, dcc):
        """Puts the discharge bits of one chip into the buffers."""
        at = 6 * chip
        self.dcc[chip] = dcc
        self._a[at + 4] = dcc & 0xFF
        self._a[at + 5] = dcc >> 8 & 0x0F
        self._b[at] = _GPIO_B | (dcc >> 12 & 0x0F) << 4
        self._b[at + 1] = dcc >> 16 & 3

    def discharge_off(self):
        for chip in range(self.chain.chips):
            self.discharge(chip, 0)

    def write(self):
        self.chain.write(_WRCFGA, self._a)
        if self.wide:
            self.chain.write(_WRCFGB, self._b)

    def write_surely(self):
        """Writes and reads back, once more when it differs; True when the chips hold what they should."""
        self.write()
        if self.compare() == SAME:
            return True
        self.write()
        return self.compare() == SAME

    def compare(self):
        """Whether the chips hold what was written: SAME, DIFFERS, or UNREAD where one is not to be read."""
        found = self._compare_group(_RDCFGA, self._a, _COMPARE_A)
        if self.wide and found == SAME:
            found = self._compare_group(_RDCFGB, self._b, _COMPARE_B)
        return found

    def _compare_group(self, frame, wanted, mask):
        chain = self.chain
        found = UNREAD if chain.read(frame) else SAME
        self.bad_chip = -1
        for chip in range(chain.chips - 1, -1, -1):
            if not chain.good[chip]:
                self.bad_chip = chip
            elif not self._agrees(chip, wanted, mask):
                self.bad_chip = chip
                if found == SAME:
                    found = DIFFERS
        return found

    def _agrees(self, chip, wanted, mask):
        data = self.chain.data
        differs = 0
        for i in range(6):
            differs |= (data[8 * chip + i] ^ wanted[6 * chip + i]) & mask[i]
        return differs == 0
