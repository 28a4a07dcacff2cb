"""Thermistors on the GPIO inputs of an LTC681x chain, as parts of its own reference VREF2: no supply enters.

The order of the aux words (GPIO1..5, VREF2, GPIO6..9) is that of the makers' published driver ("Linduino").
"""

from array import array

from node.measure import NA

from drivers.const import const
from drivers.ltc681x_chain import command

_RDAUX = (command(0x00C), command(0x00E), command(0x00D), command(0x00F))
_ADAX = command(0x560)  # 460 + MD 10 (7 kHz), all GPIO and VREF2
_CLRAUX = command(0x712)
_REF = const(5)
_WORDS = const(12)  # of a chip, three a group
_OPEN_RATIO = const(9800)  # of 10,000: thermistor or its wire open [reference: NTC]
_SHORT_RATIO = const(200)


class Thermistors:
    """`sensors[i]` is (chip, gpio) of temperature i; `ntc` is (ratios, temperatures), rising, 10,000 is VREF2."""

    def __init__(self, chain, inputs, sensors, ntc):
        if sensors and (len(ntc[0]) < 2 or len(ntc[0]) != len(ntc[1]) or list(ntc[0]) != sorted(set(ntc[0]))):
            raise ValueError("thermistor table: rising ratios, as many temperatures")
        self.chain = chain
        self.count = len(sensors)
        self._ratios = ntc[0]
        self._dc = ntc[1]
        self._words = array("H", [0xFFFF] * (chain.chips * _WORDS))
        self._place = array("h", [0] * self.count)
        self._wanted = bytearray(4)  # groups to read
        for i in range(self.count):
            chip, gpio = sensors[i]
            if not (0 <= chip < chain.chips and 1 <= gpio <= (5 if inputs == 12 else 9)):
                raise ValueError("sensor table: chip counts from 0, gpio from 1")
            word = gpio - 1 if gpio < _REF + 1 else gpio
            self._place[i] = chip * _WORDS + word
            self._wanted[word // 3] = self._wanted[_REF // 3] = 1

    def start(self):
        """Clears and starts a conversion, which is read in the next cycle."""
        if self.count:
            self.chain.send(_CLRAUX)
            self.chain.send(_ADAX)

    def read_into(self, temp_dc, obeys):
        """0.1 degC of each sensor by the conversion started last; NA where there is none or its chip does not obey."""
        for group in range(4):
            if self._wanted[group]:
                self.chain.read(_RDAUX[group])
                for chip in range(self.chain.chips):
                    self._take(chip, 3 * group)
        for i in range(self.count):
            place = self._place[i]
            chip = place // _WORDS
            known = self.temperature(self._words[place], self._words[chip * _WORDS + _REF]) if obeys[chip] else NA
            temp_dc[i] = known

    def _take(self, chip, first):
        data = self.chain.data
        good = self.chain.good[chip]
        for k in range(3):
            at = 8 * chip + 2 * k
            self._words[chip * _WORDS + first + k] = data[at] | data[at + 1] << 8 if good else 0xFFFF

    def temperature(self, word, reference):
        """0.1 degC of a word against that of VREF2; NA when not converted, open, shorted or outside the table."""
        if word == 0xFFFF or reference == 0xFFFF or reference == 0:
            return NA
        ratio = word * 10000 // reference  # below 2^30
        xs = self._ratios
        ys = self._dc
        if ratio > _OPEN_RATIO or ratio < _SHORT_RATIO or ratio < xs[0] or ratio > xs[len(xs) - 1]:
            return NA
        i = 1
        while xs[i] < ratio:
            i += 1
        return ys[i - 1] + (ys[i] - ys[i - 1]) * (ratio - xs[i - 1]) // (xs[i] - xs[i - 1])
