"""One question to a BQ76952 a cycle: a block of its settings, FET_EN, or what it balances; all of them within 1 s.

The answer is taken at the end of the same cycle, or of the next one when the chip takes long.
"""

from array import array

from drivers.bq76952_balance import BALANCE
from drivers.bq76952_link import FET_EN, MANUFACTURING
from drivers.const import const

_BLOCK = const(32)
_LATEST = const(50)  # cycles without an answer to anything
_OLDEST = const(1 << 20)


class Watch:
    """Compares what was written with what stands in the chip. `blocks` are the addresses of the 32-byte blocks."""

    def __init__(self, link, balancer):
        self.link = link
        self.balancer = balancer
        self.age = 0  # cycles since the last answer
        self.blocks = array("H", [])
        self._first = bytearray(1)  # of each block, in the two arrays below
        self._place = bytearray(0)
        self._value = bytearray(0)
        self._next = 0  # blocks, then FET_EN, then balancing
        self._slow = False  # the last question was still open at the end of its cycle

    def take(self, items):
        """Before a start: what will be written, as (address, bytes)."""
        self.age = self._next = 0
        self._slow = False
        pairs = sorted([(address + n, data[n]) for address, data in items for n in range(len(data))])
        blocks = []
        first = bytearray(0)
        for n in range(len(pairs)):
            if not blocks or pairs[n][0] >= blocks[-1] + _BLOCK:
                blocks.append(pairs[n][0])
                first.append(n)
        first.append(len(pairs))
        self.blocks = array("H", blocks)
        self._first = first
        self._value = bytearray([value for _, value in pairs])
        self._place = bytearray(len(pairs))
        for block in range(len(blocks)):
            for n in range(first[block], first[block + 1]):
                self._place[n] = pairs[n][0] - blocks[block]

    def same(self, block):
        """Whether what was read of a block, from data[2] on, is what was written."""
        data = self.link.data
        for n in range(self._first[block], self._first[block + 1]):
            if data[2 + self._place[n]] != self._value[n]:
                return False
        return True

    def _code(self):
        if self._next < len(self.blocks):
            return self.blocks[self._next]
        return MANUFACTURING if self._next == len(self.blocks) else BALANCE

    def ask(self):
        """Asks; but after a question that took long the chip is left to FETs and balancing for a cycle."""
        if not self._slow:
            self.link.ask(self._code())

    def answer(self):
        """Takes the answer if it has come; False when the settings can no longer be believed."""
        link = self.link
        if self.age < _OLDEST:
            self.age += 1
        count = link.window(self._code()) if link.asked == self._code() else -1
        self._slow = count < 0 and not self._slow
        if count >= 0:
            good = self._judge(count)
            self.age = 0
            self._next = self._next + 1 if self._next <= len(self.blocks) else 0
            return good
        return self.age <= _LATEST

    def _judge(self, count):
        data = self.link.data
        if self._next < len(self.blocks):
            return count == _BLOCK and self.same(self._next)
        if self._next == len(self.blocks):
            return count >= 1 and data[2] & FET_EN != 0
        if count >= 2:
            self.balancer.answer(data[2] | data[3] << 8)
        return True
