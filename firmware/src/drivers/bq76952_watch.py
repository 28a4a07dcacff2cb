"""One question to a BQ76952 a cycle: a block of its settings, FET_EN, or what it balances; all of them within 1 s.

The answer is taken at the end of the same cycle, or of the next one when the chip takes long.
"""

from drivers.bq76952_balance import BALANCE
from drivers.bq76952_start import FET_EN, MANUFACTURING
from drivers.const import const

_LATEST = const(50)  # cycles without an answer to anything
_OLDEST = const(1 << 20)


class Watch:
    """Compares what was written with what stands in the chip, over and over."""

    def __init__(self, link, settings, balancer):
        self.link = link
        self.settings = settings
        self.balancer = balancer
        self.age = 0  # cycles since the last answer
        self._next = 0  # blocks, then FET_EN, then balancing
        self._slow = False  # the last question was still open at the end of its cycle

    def reset(self):
        self.age = self._next = 0
        self._slow = False

    def _code(self):
        blocks = self.settings.blocks
        if self._next < len(blocks):
            return blocks[self._next]
        return MANUFACTURING if self._next == len(blocks) else BALANCE

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
            self._next = self._next + 1 if self._next <= len(self.settings.blocks) else 0
            return good
        return self.age <= _LATEST

    def _judge(self, count):
        data = self.link.data
        blocks = len(self.settings.blocks)
        if self._next < blocks:
            return count == 32 and self.settings.same(self._next, data)
        if self._next == blocks:
            return count >= 1 and data[2] & FET_EN != 0
        if count >= 2:
            self.balancer.answer(data[2] | data[3] << 8)
        return True
