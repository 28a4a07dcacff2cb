"""Balancing by a BQ76952's own switches: what is asked, what the chip says it does."""

from drivers.const import const

BALANCE = const(0x0083)
_RESEND = const(30)  # cycles; the chip stops by itself 10 s after a command
_LOOKS = const(2)  # answers, of which the first may be older than the command


class Balancer:
    """`active` has a bit for each cell that the chip balances; `refused` while that is less than was asked."""

    def __init__(self, link, inputs):
        self.link = link
        self.inputs = inputs
        self.active = bytearray(16)
        self.refused = False
        self._wanted = 0  # bits of inputs
        self._age = self._looks = 0

    def reset(self):
        self.refused = False
        self._wanted = self._age = self._looks = 0
        for i in range(16):
            self.active[i] = 0

    def ask(self, mask):
        """Sends the cells of `mask` when they change and every 3 s: never two neighbours, the lower one wins."""
        wanted = self._choose(mask)
        self._age += 1
        changed = wanted != self._wanted
        if not changed and (wanted == 0 or self._age < _RESEND):
            return
        link = self.link
        link.begin(0)
        link.out[2] = wanted & 0xFF
        link.out[3] = wanted >> 8
        if not link.command_data(BALANCE, 2):
            return
        self._wanted = wanted
        self._age = 0
        if changed:
            self._looks = 0
            self.refused = False

    def _choose(self, mask):
        """Input bits of the cells. Cells that follow each other share a wire, wherever they are plugged."""
        wanted = 0
        taken = False
        for i in range(len(self.inputs)):
            taken = not taken and mask[i >> 3] >> (i & 7) & 1 == 1
            if taken:
                wanted |= 1 << self.inputs[i] - 1
        return wanted

    def answer(self, active):
        """What the chip says: input bits that are balanced."""
        for i in range(len(self.inputs)):
            bit = 1 << (i & 7)
            if active >> self.inputs[i] - 1 & 1:
                self.active[i >> 3] |= bit
            else:
                self.active[i >> 3] &= ~bit & 0xFF
        if self._looks < _LOOKS:
            self._looks += 1
        if self._looks == _LOOKS:
            self.refused = self._wanted & ~active != 0
