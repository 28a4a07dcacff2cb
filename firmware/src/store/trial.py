"""A new version proves itself: a healthy minute after its self-test, or it gives up and the old one comes back.

Counts cycles; knows neither flash nor what healthy is. What is rarely done is imported only then, and leaves no module.
"""

HEALTHY_CYCLES = 600  # 60 s without a break
LONGEST_CYCLES = 3000  # 5 min; then it is reset, and the second time rolled back


class Trial:
    """`slot`, `state` (0 kept, 1 on trial, 2 another version waits for arming) and `failed` are what NodeInfo tells.

    Made of `safe.slot_state`, which the boot left. `keep_due`: call keep() now, outside the cycle. `give_up`: open,
    then reset.
    """

    def __init__(self, slot, state, failed):
        self.slot = slot
        self.state = state
        self.failed = failed
        self.keep_due = False
        self.give_up = False
        self._healthy = 0
        self._age = 0

    def step(self, healthy, periods):
        """Once a cycle. `healthy`: the self-test passed, and measure, protect and actuate moved on in this cycle."""
        if self.state != 1:
            return
        self._age += periods
        self._healthy = self._healthy + periods if healthy else 0
        if self._healthy >= HEALTHY_CYCLES:
            self.keep_due = True
        elif self._age >= LONGEST_CYCLES:
            self.give_up = True

    def keep(self):
        """The version that runs is kept. Writes flash: outside the cycle."""
        record = _slot_record()
        record.keep()
        self.state = self.failed = 0
        self.keep_due = False


def ask_service():
    """The next start ends in the service state, once: reset, with outputs open. Writes flash: outside the cycle."""
    _slot_record().ask_service()


def _slot_record():
    """The module, which is not kept in memory."""
    import sys

    import slot_record

    sys.modules.pop("slot_record", None)
    return slot_record
