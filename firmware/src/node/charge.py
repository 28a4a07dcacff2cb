"""Counts charge in and out since boot in wrapping mAh, so that no count is lost with a frame."""

from node.measure import NA

MAH = 3600000  # mA ms
WRAP = (1 << 20) - 1


class Charge:
    def __init__(self):
        self.in_mah = self.out_mah = 0
        self._in = self._out = 0

    def step(self, current_ma, elapsed_ms):
        """Adds one cycle. |current_ma * elapsed_ms| stays below 2^30 up to 2,000 A and 500 ms."""
        if current_ma == NA:
            return
        if current_ma > 0:
            self._in += current_ma * elapsed_ms
            if self._in >= MAH:
                self.in_mah = (self.in_mah + self._in // MAH) & WRAP
                self._in %= MAH
        else:
            self._out -= current_ma * elapsed_ms
            if self._out >= MAH:
                self.out_mah = (self.out_mah + self._out // MAH) & WRAP
                self._out %= MAH
