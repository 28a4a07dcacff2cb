"""What a person at the enclosure presses and sees: the clear button and the status light.

The button clears when it is held for 3 s: every latch whose cause has gone and whose hold time is over, also those
that the gateway may not clear. The light answers: 3 s steady for done, 3 s dark for refused.
"""

from generated.codec import STATE_CLOSED, STATE_SERVICE

from node.protect import HOLDING, TRIPPED

PRESS_CYCLES = 30
ANSWER_CYCLES = 30
PERIOD = 20
_FLASHES = 4  # cycles from one flash to the next


class Panel:
    """`light` is 0 or 1. In each 2 s: steady = closed; 1 flash = open; 2 = a latch can be cleared; 3 = the hold time
    still runs; 5 = service; quick flicker = a cause is present."""

    def __init__(self):
        self.light = 0
        self._pressed = 0
        self._answer = 0
        self._done = False
        self._cycle = 0

    def step(self, pressed, protect, contactor, periods):
        self._cycle = self._cycle + 1 if self._cycle < PERIOD - 1 else 0
        before = self._pressed
        self._pressed = min(before + periods, PRESS_CYCLES) if pressed else 0
        if self._pressed >= PRESS_CYCLES and before < PRESS_CYCLES:
            self._done = protect.clear_here()
            self._answer = ANSWER_CYCLES
        if self._answer > 0:
            self._answer = max(0, self._answer - periods)
            self.light = 1 if self._done else 0
        else:
            self.light = self._show(protect, contactor)

    def _show(self, protect, contactor):
        cycle = self._cycle
        if contactor.state == STATE_SERVICE:
            flashes = 5
        elif protect.worst == TRIPPED:
            return cycle & 1
        elif protect.worst == HOLDING:
            flashes = 3
        elif protect.latched:
            flashes = 2
        elif contactor.state == STATE_CLOSED:
            return 1
        else:
            flashes = 1
        return 1 if cycle % _FLASHES == 0 and cycle < flashes * _FLASHES else 0
