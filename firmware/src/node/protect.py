"""Walks the limit table: tiers, delays, hold times, latches. Knows numbers and rows, not what they stand for.

A value is beyond a tier when it has passed it; equal is still inside. Only a complete and fresh reading can say that
a cause has gone: a doubtful one (a cell missing, an old conversion) may trip a row but clears none, ends no delay and
lets no hold time run. An unknown value changes nothing; the rows for stale and implausible readings see to the rest.

A row at rest, its value inside every tier, would stay as it is: machine code passes over it.
"""

from array import array

from generated.codec import (
    ANSWER_ACCEPTED,
    ANSWER_CAUSE_PRESENT,
    ANSWER_HOLD_RUNNING,
    ANSWER_LATCHED,
    ANSWER_LOCAL_CLEAR_ONLY,
    ANSWER_UNKNOWN_READING,
)
from generated.codec import REASON_IMPLAUSIBLE_READING as IMPLAUSIBLE  # its delay leaks, so that flicker counts

from node.machine_code import const, micropython, ptr8, ptr32

OK = 0
UNKNOWN = const(0)
KNOWN = const(1)
DOUBTFUL = 2  # some of what the value is made of is missing or old

TRIPPED = 1  # the cause is present
HOLDING = 2  # the cause has gone, the hold time runs
WAITING = 3  # the hold time is over, the latch waits to be cleared

WARN_PAGE = 0
LIMIT_PAGE = 1
TRIP_PAGE = 2
LATCHED_PAGE = 3
PAGE_BYTES = 6
_TIMER_TOP = 1 << 20
_FARTHEST = (1 << 29) - 1  # no value is beyond it


@micropython.viper
def busy_row(n: int, rows: int, values: ptr32, known: ptr8, sure: ptr8, rests: ptr8, inside: ptr32) -> int:
    """The first row from n on that wants judging, or `rows`. Notes in `sure` what could clear each row up to it.

    `inside` has two numbers a row: the lowest and the highest value that is beyond no tier.
    """
    while n < rows:
        sure[n] = 1 if known[n] == KNOWN else 0
        if rests[n] == 0:
            return n
        value = values[n]
        if known[n] != UNKNOWN and (value < inside[2 * n] or value > inside[2 * n + 1]):
            return n
        n += 1
    return n


class Protect:
    """State of every row. `blocks_now`, `blocks_after` and `limited` are masks: 1 charge, 2 discharge."""

    def __init__(self, limits):
        self.limits = limits
        self.rows = len(limits.TRIP)
        self.state = bytearray(self.rows)
        self.bits = bytearray(4 * PAGE_BYTES)
        self.changed = bytearray(4)
        self.sure = bytearray(b"\x01" * self.rows)  # 1 where the last reading could have cleared the row
        self.hold = array("i", [0] * self.rows)
        self._warn_time = array("i", [0] * self.rows)
        self._limit_time = array("i", [0] * self.rows)
        self._trip_time = array("i", [0] * self.rows)
        self._rests = bytearray(b"\x01" * self.rows)  # 1 while a row is OK, its delays at 0 and its bits clear
        self._inside = array("i", [0] * (2 * self.rows))
        for n in range(self.rows):
            self._inside[2 * n] = -_FARTHEST
            self._inside[2 * n + 1] = _FARTHEST
            if limits.SIGN[n] > 0:
                self._inside[2 * n + 1] = min(limits.WARN[n], limits.LIMIT[n], limits.TRIP[n])
            else:
                self._inside[2 * n] = max(limits.WARN[n], limits.LIMIT[n], limits.TRIP[n])
        self.blocks_now = self.blocks_after = self.limited = 0
        self.beyond = 0  # directions with a value beyond trip now, its delay still running: they do not close
        self.latched = 0  # rows that wait for a clear
        self.opened_by = 255  # the row that tripped in this step
        self.worst = OK  # TRIPPED, HOLDING or WAITING: the gravest state of any row
        self.beat = 0  # completed steps

    def step(self, values, known, periods):
        """Judges every row by `values[row]` where `known[row]`; `periods` is how many cycles have passed."""
        self.blocks_now = self.blocks_after = self.limited = self.beyond = self.latched = 0
        self.opened_by = 255
        self.worst = OK
        rows = self.rows
        sure = self.sure
        n = busy_row(0, rows, values, known, sure, self._rests, self._inside)
        while n < rows:
            if known[n] != UNKNOWN:
                self._judge(n, values[n], self.limits.SIGN[n], periods, sure[n])
            self._gather(n)
            n = busy_row(n + 1, rows, values, known, sure, self._rests, self._inside)
        self.beat = self.beat + 1 & 0xFF

    def _gather(self, n):
        """Adds what row n blocks and how grave it is."""
        limits = self.limits
        self.beyond |= self._beyond(n)
        if self.get(LIMIT_PAGE, n):
            self.limited |= limits.LIMIT_BLOCKS[n]
        if self.state[n]:
            if limits.AFTER_REQUEST[n]:
                self.blocks_after |= limits.TRIP_BLOCKS[n]
            else:
                self.blocks_now |= limits.TRIP_BLOCKS[n]
            if limits.LATCH[n]:
                self.latched += 1
            if self.worst == OK or self.state[n] < self.worst:
                self.worst = self.state[n]

    def _judge(self, n, value, sign, periods, sure):
        limits = self.limits
        value = value * sign
        inside = value <= limits.CLEAR[n] * sign
        delay = limits.DELAY[n]
        self._warn_time[n] = time = self._time(n, self._warn_time[n], value > limits.WARN[n] * sign, periods, sure)
        self._put(WARN_PAGE, n, time > delay)
        self._limit_time[n] = time = self._time(n, self._limit_time[n], value > limits.LIMIT[n] * sign, periods, sure)
        if time > delay:
            self._put(LIMIT_PAGE, n, True)
        elif inside and sure:
            self._put(LIMIT_PAGE, n, False)
        self._trip_time[n] = time = self._time(n, self._trip_time[n], value > limits.TRIP[n] * sign, periods, sure)
        self._trip(n, time > delay, inside, periods, sure)
        waits = self.state[n] or self._warn_time[n] or self._limit_time[n] or self._trip_time[n]
        self._rests[n] = 0 if waits or self.get(LIMIT_PAGE, n) else 1

    def _time(self, n, time, beyond, periods, sure):
        """Cycles the value has been beyond; the first counts as one, so that delay 0 trips at once."""
        if not beyond:
            if not sure:
                return time
            return max(0, min(time, self.limits.DELAY[n]) - periods) if n == IMPLAUSIBLE else 0
        if time == 0:
            return 1
        return time + periods if time < _TIMER_TOP else time

    def _trip(self, n, trips, inside, periods, sure):
        """A row that has tripped stays so until its value is inside clear, and falls back when it leaves it again."""
        state = self.state[n]
        if trips:
            if state == OK:
                self.opened_by = n
            state = TRIPPED
        elif state != OK and not inside:
            state = TRIPPED
        elif state == TRIPPED and sure:
            state = HOLDING
            self.hold[n] = self.limits.HOLD[n]
        elif state != TRIPPED and state != OK and sure:
            self.hold[n] = max(0, self.hold[n] - periods)
            state = WAITING if self.hold[n] == 0 else HOLDING
        if state == WAITING and not self.limits.LATCH[n]:
            state = OK
        self.state[n] = state
        self._put(TRIP_PAGE, n, state == TRIPPED)
        self._put(LATCHED_PAGE, n, state != OK and self.limits.LATCH[n] == 1)

    def refusal(self, n):
        """Why row n cannot be cleared by the gateway now, or ANSWER_ACCEPTED."""
        if self.state[n] == OK:
            return ANSWER_ACCEPTED
        if self.state[n] == TRIPPED:
            return ANSWER_CAUSE_PRESENT
        if self.limits.LATCH[n] and not self.limits.REMOTE_CLEAR[n]:
            return ANSWER_LOCAL_CLEAR_ONLY
        if self.state[n] == HOLDING:
            return ANSWER_HOLD_RUNNING
        return ANSWER_ACCEPTED if self.sure[n] else ANSWER_UNKNOWN_READING

    def why_closed_to(self, n):
        """Why a close is refused because of row n: its cause, its hold time or its latch."""
        if n == 255 or self.state[n] == WAITING:
            return ANSWER_LATCHED
        return ANSWER_HOLD_RUNNING if self.state[n] == HOLDING else ANSWER_CAUSE_PRESENT

    def clear(self, n):
        """Forgets the latch of row n, whose refusal() was ANSWER_ACCEPTED."""
        self.state[n] = OK
        self._put(LATCHED_PAGE, n, False)

    def clear_here(self):
        """A person at the node clears whatever has no cause any more; True when nothing stays latched."""
        stays = False
        for n in range(self.rows):
            if self.state[n] and self.limits.LATCH[n]:
                if self.state[n] == WAITING and self.sure[n]:
                    self.clear(n)
                else:
                    stays = True
        return not stays

    def remember(self, n):
        """Row n was latched before the node restarted: it waits for its clear, and what it blocks stays open."""
        if self.limits.LATCH[n]:
            self._rests[n] = 0
            self.state[n] = HOLDING
            self.hold[n] = self.limits.HOLD[n]
            self._put(LATCHED_PAGE, n, True)

    def get(self, page, n):
        return self.bits[page * PAGE_BYTES + (n >> 3)] >> (n & 7) & 1

    def _put(self, page, n, on):
        at = page * PAGE_BYTES + (n >> 3)
        mask = 1 << (n & 7)
        before = self.bits[at]
        after = before | mask if on else before & ~mask & 0xFF
        if after != before:
            self.bits[at] = after
            self.changed[page] = 1

    def first_blocking(self, mask):
        """The lowest row that blocks part of `mask` by its limit or trip tier; 255 when none does."""
        limits = self.limits
        for n in range(self.rows):
            if self.state[n] and limits.TRIP_BLOCKS[n] & mask:
                return n
            if self.get(LIMIT_PAGE, n) and limits.LIMIT_BLOCKS[n] & mask:
                return n
        return 255

    def _beyond(self, n):
        """What row n would block if its value stayed beyond trip. Rows of what flows or settles only after closing
        have no limit tier that blocks, and do not count; missing readings keep everything open by themselves."""
        if n == IMPLAUSIBLE or not self._trip_time[n] or not self.limits.LIMIT_BLOCKS[n]:
            return 0
        return self.limits.TRIP_BLOCKS[n]

    def first_beyond(self, mask):
        """The lowest row whose value is beyond trip and would block part of `mask`; 255 when none is."""
        for n in range(self.rows):
            if self._beyond(n) & mask:
                return n
        return 255

    def first_tripped(self, mask):
        """The lowest row whose trip blocks part of `mask`; 255 when none does."""
        for n in range(self.rows):
            if self.state[n] and self.limits.TRIP_BLOCKS[n] & mask:
                return n
        return 255

    def longest_hold(self):
        """Cycles until the last hold time is over."""
        longest = 0
        for n in range(self.rows):
            if self.state[n] == HOLDING and self.hold[n] > longest:
                longest = self.hold[n]
        return longest
