"""LTC6811 (12 cells) and LTC6813 or ADBMS1818 (18 cells): the cells of a car pack of up to 128, over one isoSPI chain.

It measures and balances; these chips cut nothing off (`hard_trip` stays 0) and measure no current.

One cycle, in this order:
  wake-up; configuration read back and compared;
  discharge muted (18-cell chips), CLRCELL and its proof, ADCV with DCP 0 (which pauses what is measured), poll, cells:
  all of them converted in the 2.3 ms after ADCV, and read in the 4 ms that follow;
  temperatures, whose conversion began at the end of the cycle before: as old as a cycle;
  half an open-wire check when one is due and nothing was bad in this cycle; UNMUTE; start of the next temperatures.

Proof of a conversion, chip by chip: after CLRCELL its first group reads FF in all six bytes, so it took the command;
after ADCV a word that still reads FFFF was not converted. A chip that hears no commands but answers reads is found.

Bytes on the bus and time of a cycle with 96 cells and thermistors on GPIO1..5, at 1 MHz (8 us a byte). A group is 4
bytes and 8 a chip, a command 4, a poll 12, a conversion 2.3 ms, a wake-up 10 us a chip:
  8 x LTC6811: 8 groups of 68 (configuration, cleared, 4 of cells, 2 aux), 4 commands, 1 poll: 572 bytes, 7.0 ms;
  6 x LTC6813, 16 cells each: 11 groups of 52 (B of the configuration, 2 more of cells), 6 commands: 608 bytes, 7.2 ms.
Half an open-wire check adds 4 (6) groups, 3 commands, 2 polls and 2 conversions: 14.0 (14.6) ms, twice in 10 s; never
where something was asked for twice or is not sure. Chips that fell asleep: 11.9 (10.9) ms; a dead chip: 16.2 (15.1) ms;
all that can go wrong at once: below 20 ms. 128 cells on 11 LTC6811: 8.5, 16.4, 15.3 and 21.1 ms. What the processor
spends between the bytes comes on top.

The self-test of start(): every chip answers, keeps two patterns of its own, keeps the configuration, clears and
converts. Results and places of CVST, ADOL, DIAGN and of the sum of cells (ADSTAT) do not stand on the reference page:
they are not used.
"""

import time
from array import array

from node.measure import NA

from drivers.const import const
from drivers.ltc681x_aux import Thermistors
from drivers.ltc681x_chain import Chain, command
from drivers.ltc681x_config import SAME, UNREAD, Configuration, over_voltage_code, under_voltage_code
from drivers.ltc681x_wires import CLRCELL, CONVERSION_US, OpenWires

OK = 0  # what start() returns
ERROR_TABLE = 1  # the cells or sensors are not those of the limits
ERROR_SILENT = 2  # a chip does not answer
ERROR_REGISTERS = 3  # a chip does not keep a test pattern of its own
ERROR_CONFIG = 4  # a chip does not keep the configuration
ERROR_CONVERSION = 5  # a cell, cleared and converted, does not read back

OPEN_WIRE_CYCLES = 100  # from one check to the next: 10 s
_OVER_VOLTAGE = const(0)  # rows of the limits
_UNDER_VOLTAGE = const(1)
_OLDEST = const(1 << 20)

_RDCV = (command(0x004), command(0x006), command(0x008), command(0x00A), command(0x009), command(0x00B))
_ADCV = command(0x360)  # 260 + MD 10 (7 kHz), DCP 0, all cells
_MUTE = command(0x028)
_UNMUTE = command(0x029)


def _check_cells(chips, inputs, cells):
    """Refuses a table that is no wiring: this is called where a board is built, never in a cycle."""
    if inputs not in (12, 18):
        raise ValueError("a chip has 12 or 18 inputs")
    if not 1 <= len(cells) <= 128:
        raise ValueError("1 to 128 cells")
    highest = {}
    before = -1
    for chip, pin in cells:
        if not (0 <= chip < chips and 1 <= pin <= inputs):
            raise ValueError("cell table: chip counts from 0, input from 1")
        if pin <= highest.get(chip, 0) or (chip in highest and chip != before):
            raise ValueError("cell table: the cells of a chip follow each other, their inputs rise")
        highest[chip] = pin
        before = chip


class Ltc681x:
    """`cells[i]` is (chip, input) of cell i: chip 0 is nearest the host, inputs count from 1 and rise with the cells.

    `sensors[i]` is (chip, gpio) of temperature i, gpio from 1; `ntc` is (ratios, temperatures): rising parts in 10,000
    of VREF2 and the 0.1 degC of each, straight between them, not available outside. With `sum_of_cells` m.pack_mv
    becomes the cells' sum; else it is left to a sensor of its own. `clock` has sleep_us, as `time` has on the chip.
    After a failed start `bad_chip` is the nearest chip that failed. `config_losses` counts lost configurations.
    """

    def __init__(self, spi, cs, chips, inputs, cells, sensors=(), ntc=((), ()), sum_of_cells=False,
                 open_wire_cycles=OPEN_WIRE_CYCLES, clock=time):
        _check_cells(chips, inputs, cells)
        self.chain = Chain(spi, cs, chips, clock)
        self.config = Configuration(self.chain, inputs == 18)
        self.thermistors = Thermistors(self.chain, inputs, sensors, ntc)
        self.sum_of_cells = sum_of_cells
        self.open_wire_cycles = open_wire_cycles
        self.comms_age = _OLDEST
        self.hard_trip = 0
        self.config_ok = False
        self.config_losses = 0
        self.errors = 0
        self.bad_chip = -1
        self._inputs = inputs
        self._place = array("h", [chip * inputs + pin - 1 for chip, pin in cells])
        self._cell_of = array("h", [-1] * (chips * inputs))
        for cell in range(len(cells)):
            self._cell_of[self._place[cell]] = cell
        self._groups = _RDCV[: (max([pin for _, pin in cells]) + 2) // 3]
        self.wires = OpenWires(self.chain, inputs, self._cell_of, self._groups)
        self.open_wires = 0
        self.open_wire_mask = self.wires.mask
        self._wanted_dcc = array("i", [0] * chips)
        self._cleared = bytearray(chips)
        self._mv = array("i", [NA] * len(cells))  # of start(), which has no readings to fill
        self._wire_time = 0
        self._pulled_up = False

    def start(self, limits):
        """Wakes, tests and configures the chain: OK or an ERROR_. Blocks for about 0.1 s, balancing off."""
        self.config_ok = False
        self.bad_chip = -1
        if len(self._place) != limits.CELLS or self.thermistors.count > limits.SENSORS:
            return ERROR_TABLE
        error = self._self_test()
        if error == OK:
            error = self._first_configuration(limits)
        # twice: registers of a chip that woke up may read as cleared without having been
        if error == OK and not (self._convert(self._mv) and self._convert(self._mv)):
            error = ERROR_CONVERSION
            self.bad_chip = self._first_unknown()
        if error == OK:
            self.config_ok = True
            self.comms_age = 0
            self._check_wires()
            self.thermistors.start()
        self.errors = self.chain.errors
        return error

    def _self_test(self):
        """Every chip answers, and keeps two patterns and their complements that are its own."""
        self.chain.wake_asleep()
        for turn in range(2):
            for chip in range(self.chain.chips):
                pattern = 0x5A0 + chip
                if turn == 0:
                    self.config.prepare(chip, pattern, 0xFFF - pattern)
                else:
                    self.config.prepare(chip, 0xFFF - pattern, pattern)
            if not self.config.write_surely():
                self.bad_chip = self.config.bad_chip
                return ERROR_REGISTERS if self.chain.good[self.bad_chip] else ERROR_SILENT
        return OK

    def _first_configuration(self, limits):
        under = under_voltage_code(limits.TRIP[_UNDER_VOLTAGE])
        over = over_voltage_code(limits.TRIP[_OVER_VOLTAGE])
        for chip in range(self.chain.chips):
            self.config.prepare(chip, under, over)
        if self.config.write_surely():
            return OK
        self.bad_chip = self.config.bad_chip
        return ERROR_CONFIG

    def _first_unknown(self):
        """The nearest chip with a cell that is not available."""
        first = self.chain.chips
        for cell in range(len(self._place)):
            if self._mv[cell] == NA:
                first = min(first, self._place[cell] // self._inputs)
        return first

    def _check_wires(self):
        """Checks until two in a row agree, at most four times."""
        for _ in range(4):
            self.wires.pull_up(self._mv)
            self._convert(self._mv)
            self.wires.pull_down(self._mv)
            self._convert(self._mv)
            if not self.wires.doubt:
                break
        self.open_wires = self.wires.count
        self._wire_time = 0
        self._pulled_up = False

    def read_into(self, m):
        """Fills m.cell_mv and m.temp_dc; True when every cell of the pack is from a new, proven conversion."""
        chain = self.chain
        chain.lost = 0
        retries = chain.retries
        bus_errors = chain.bus_errors
        chain.wake()
        self._judge()
        fresh = self._convert(m.cell_mv)
        self.thermistors.read_into(m.temp_dc, self._cleared)
        if self._wire_time < self.open_wire_cycles:
            self._wire_time += 1
        elif fresh and self.config_ok and chain.retries == retries:
            self._wire_step(m.cell_mv)
        if self.config.wide:
            chain.send(_UNMUTE)
        self.thermistors.start()
        if self.sum_of_cells:
            m.pack_mv = self._sum(m.cell_mv)
        self.errors = chain.errors
        if chain.lost == 0 and chain.bus_errors == bus_errors:
            self.comms_age = 0
        elif self.comms_age < _OLDEST:
            self.comms_age += 1
        return fresh

    def _judge(self):
        """Compares the configuration. One that is lost, or not to be read, is written again with all discharge off."""
        found = self.config.compare()
        if found == UNREAD:  # perhaps the chips fell asleep
            self.chain.wake_asleep()
            self.chain.lost = 0
            found = self.config.compare()
        self.config_ok = found == SAME
        if self.config_ok:
            return
        if self.config_losses < _OLDEST:
            self.config_losses += 1
        self.config.discharge_off()
        self.config.write()  # the next cycle sees whether it holds

    def _convert(self, cell_mv):
        """Clears, converts and reads all cells into `cell_mv`, NA where that is not proven; True when all are."""
        chain = self.chain
        if self.config.wide:
            chain.send(_MUTE)
        if not self._clear():
            self._clear()
        chain.send(_ADCV)
        chain.finish(CONVERSION_US)
        missing = 0
        for group in range(len(self._groups)):
            chain.read(self._groups[group])
            for chip in range(chain.chips):
                missing += self._take(chip, 3 * group, cell_mv)
        return missing == 0

    def _clear(self):
        """Clears the cells and looks at the first group; False when a chip that answers has not obeyed."""
        chain = self.chain
        chain.send(CLRCELL)
        chain.read(_RDCV[0])
        obeyed = True
        for chip in range(chain.chips):
            self._cleared[chip] = chain.good[chip]
            for i in range(8 * chip, 8 * chip + 6):
                if chain.good[chip] and chain.data[i] != 0xFF:
                    self._cleared[chip] = 0
                    obeyed = False
        return obeyed

    def _take(self, chip, first, cell_mv):
        """Takes the three words of a group; how many cells they leave unknown."""
        data = self.chain.data
        proven = self._cleared[chip] and self.chain.good[chip]
        missing = 0
        for k in range(3):
            cell = self._cell_of[chip * self._inputs + first + k]
            if cell < 0:
                continue
            word = data[8 * chip + 2 * k] | data[8 * chip + 2 * k + 1] << 8  # 100 uV
            if proven and word != 0xFFFF:
                cell_mv[cell] = (word + 5) // 10
            else:
                cell_mv[cell] = NA
                missing += 1
        return missing

    def _wire_step(self, cell_mv):
        """Half a check: up in one cycle, down in the next; the whole again at once while there is a doubt."""
        if not self._pulled_up:
            self.wires.pull_up(cell_mv)
            self._pulled_up = True
            return
        self.wires.pull_down(cell_mv)
        self._pulled_up = False
        self.open_wires = self.wires.count
        if not self.wires.doubt:
            self._wire_time = 0

    def _sum(self, cell_mv):
        total = 0
        for cell in range(len(self._place)):
            if cell_mv[cell] == NA:
                return NA
            total += cell_mv[cell]
        return total

    def balance(self, mask):
        """Bleeds the cells of `mask`: never two neighbours (the lower one wins), none without a sure configuration.

        Writes to the chips only when something changes.
        """
        self._choose(mask)
        changed = False
        for chip in range(self.chain.chips):
            if self._wanted_dcc[chip] != self.config.dcc[chip]:
                self.config.discharge(chip, self._wanted_dcc[chip])
                changed = True
        if changed:
            self.chain.wake()
            self.config_ok = self.config.write_surely()

    def _choose(self, mask):
        wanted = self._wanted_dcc
        for chip in range(self.chain.chips):
            wanted[chip] = 0
        if not self.config_ok:
            return
        taken = False
        for cell in range(len(self._place)):
            taken = not taken and mask[cell >> 3] >> (cell & 7) & 1 == 1
            if taken:
                wanted[self._place[cell] // self._inputs] |= 1 << self._place[cell] % self._inputs
