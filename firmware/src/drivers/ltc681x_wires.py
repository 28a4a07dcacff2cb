"""The open-wire check of an LTC681x chain: every sense wire is pulled up, then down, and the cells say which gave way.

A wire C(n) is open where cell n+1 falls by more than 400 mV from pull-down to pull-up; C0 where cell 1 reads 0 under
pull-up, the top wire where the last cell reads 0 under pull-down. Each pull is one step of about 7 ms at the end of a
cycle, after its cells are read. The two lie a cycle apart: what the load did meanwhile is taken out by each cycle's
own cell readings. A finding, or its end, counts when the next check, made at once, finds the same.
"""

from array import array

from node.measure import NA

from drivers.const import const
from drivers.ltc681x_chain import command

CONVERSION_US = const(2300)  # all cells, normal mode (7 kHz)
_OPEN_MV = const(-400)
_UNKNOWN = const(-32768)
_UP = const(1)  # bits of _zero: the input read 0 while pulled so
_DOWN = const(2)
_HISTORY = const(3)  # bits of _state: found in this check, and in the one before
_OPEN = const(4)  # the verdict: set when both found it, cleared when neither did

CLRCELL = command(0x711)
_ADOW_UP = command(0x368)  # 228 + MD 10 + PUP, DCP 0, all cells
_ADOW_DOWN = command(0x328)


class OpenWires:
    """`count` wires are open; `mask` has the bit of each cell that touches one."""

    def __init__(self, chain, inputs, cell_of, groups):
        self.chain = chain
        self.inputs = inputs
        self.count = 0
        self.mask = bytearray(16)
        self.doubt = False  # the last check differs from the one before it
        self._cell_of = cell_of  # by chip * inputs + input - 1; -1 where none is
        self._groups = groups
        self._delta = array("h", [_UNKNOWN] * len(cell_of))
        self._zero = bytearray(len(cell_of))
        self._state = bytearray(chain.chips * (inputs + 1))

    def pull_up(self, cell_mv):
        """First half of a check; `cell_mv` are the readings of this cycle."""
        self._pull(_ADOW_UP, cell_mv, _UP)

    def pull_down(self, cell_mv):
        """Second half, and the verdict."""
        self._pull(_ADOW_DOWN, cell_mv, _DOWN)
        self._judge()

    def _pull(self, frame, cell_mv, way):
        chain = self.chain
        chain.send(CLRCELL)
        for _ in range(2):  # one conversion does not move a wire with its filter far enough
            chain.send(frame)
            chain.finish(CONVERSION_US)
        for group in range(len(self._groups)):
            chain.read(self._groups[group])
            for chip in range(chain.chips):
                self._take(chip, 3 * group, cell_mv, way)

    def _take(self, chip, first, cell_mv, way):
        data = self.chain.data
        for k in range(3):
            at = chip * self.inputs + first + k
            cell = self._cell_of[at]
            if cell < 0:
                continue
            word = data[8 * chip + 2 * k] | data[8 * chip + 2 * k + 1] << 8
            mv = (word + 5) // 10
            if not self.chain.good[chip] or word == 0xFFFF or cell_mv[cell] == NA:
                self._delta[at] = _UNKNOWN
            elif way == _UP:
                self._delta[at] = mv - cell_mv[cell]
                self._zero[at] = _UP if mv == 0 else 0
            elif self._delta[at] != _UNKNOWN:
                self._delta[at] -= mv - cell_mv[cell]
                self._zero[at] |= _DOWN if mv == 0 else 0

    def _judge(self):
        """Walks the wires of each chip from C0 up. An input that was not measured leaves its wire as it was."""
        self.count = 0
        self.doubt = False
        for i in range(16):
            self.mask[i] = 0
        for chip in range(self.chain.chips):
            last = -1
            for at in range(chip * self.inputs, (chip + 1) * self.inputs):
                if self._cell_of[at] < 0:
                    continue
                found = self._zero[at] & _UP if last < 0 else self._delta[at] < _OPEN_MV
                self._wire(at + chip, found, self._delta[at] != _UNKNOWN, at, last)
                last = at
            if last >= 0:
                self._wire(last + 1 + chip, self._zero[last] & _DOWN, self._delta[last] != _UNKNOWN, last, -1)

    def _wire(self, wire, found, known, above, below):
        """Notes one wire, which carries the inputs `above` and, unless -1, `below`."""
        state = self._state[wire]
        if known:
            history = (state << 1 | (1 if found else 0)) & _HISTORY
            state = history | (_OPEN if history == _HISTORY else state & _OPEN if history else 0)
            self._state[wire] = state
        if state & _HISTORY == 1 or state & _HISTORY == 2:
            self.doubt = True
        if state & _OPEN:
            self.count += 1
            self._mark(self._cell_of[above])
            if below >= 0:
                self._mark(self._cell_of[below])

    def _mark(self, cell):
        self.mask[cell >> 3] |= 1 << (cell & 7)
