"""The closing sequence: open, precharge, closed, opening. Decides the outputs; judges them by their feedback.

Outputs are two paths, charge and discharge (one pair of contactors switches both on `common` packs), and precharge.
"""

from generated.codec import (
    ANSWER_ACCEPTED,
    ANSWER_CAUSE_PRESENT,
    ANSWER_LATCHED,
    ANSWER_UNKNOWN_READING,
    REASON_GATEWAY_REQUEST,
    REASON_NOTHING,
    STATE_BOOT,
    STATE_CLOSED,
    STATE_LATCHED,
    STATE_OPEN,
    STATE_OPENING,
    STATE_PRECHARGE,
)

from node.measure import NA

BOTH = 3
BOOT_CYCLES = 10  # readings are watched this long before anything may close
GRACE_CYCLES = 50  # after_request: 5 s for the outside to follow 0 A
STILL_MA = 1000  # below this a path opens without a load


class Contactor:
    """`paths` (1 charge, 2 discharge) and `precharge` are what is commanded."""

    def __init__(self, limits):
        self.limits = limits
        self.state = STATE_BOOT
        self.paths = 0
        self.precharge = 0
        self.open_reason = REASON_NOTHING
        self.open_requested = False  # the gateway's open holds until its close
        self.precharge_failed = 0  # 1 for the cycle after a failure
        self.overload = 0  # 1 for the cycle after opening above break_max
        self.mismatch = 0  # 1 while the feedback contradicts the command
        self._time = 0
        self._grace = 0
        self._break = 0

    def step(self, m, protect, feedback, feedback_known, periods):
        """One cycle. `feedback` has the bits of `paths` and 4 for precharge, as measured."""
        self.precharge_failed = self.overload = 0
        commanded = self.paths | (4 if self.precharge else 0)
        self.mismatch = 0 if feedback_known and feedback == commanded else 1
        blocked = self.blocked(protect)
        if protect.opened_by != 255:
            self.open_reason = protect.opened_by
        state = self.state
        if state == STATE_BOOT:
            self._time += periods
            if self._time >= BOOT_CYCLES and m.measured:
                self._rest(protect)
        elif state == STATE_OPEN or state == STATE_LATCHED:
            self._rest(protect)
            if self.limits.CLOSE_ALONE and not self.open_requested and not protect.latched:
                self.close(m, protect)
        elif state == STATE_PRECHARGE:
            self._precharge(m, protect, periods)
        else:
            self._closed(m, protect, blocked, periods)

    def blocked(self, protect):
        """Paths that may not be closed; on `common` a block of one is a block of both."""
        blocked = protect.blocks_now | protect.blocks_after
        if self.limits.COMMON and blocked:
            return BOTH
        return blocked

    def close(self, m, protect):
        """Starts closing. Returns ANSWER_ACCEPTED or why not."""
        if self.paths or self.precharge:
            return ANSWER_ACCEPTED
        if self.state == STATE_BOOT or not m.known or m.link_mv == NA or m.pack_mv == NA:
            return ANSWER_UNKNOWN_READING
        if self.blocked(protect) == BOTH:
            return ANSWER_LATCHED
        if self._may_close(protect) == 0:
            return ANSWER_CAUSE_PRESENT
        self._time = 0
        if abs(m.pack_mv - m.link_mv) <= self.limits.PRECHARGE_DIFFERENCE_MV:
            self._close_paths(protect)
        else:
            self.state = STATE_PRECHARGE
            self.precharge = 1
        return ANSWER_ACCEPTED

    def request_open(self):
        """The gateway asks for open: at once, and until it asks for close."""
        self.open_requested = True
        if self.paths or self.precharge:
            self.open_reason = REASON_GATEWAY_REQUEST

    def _rest(self, protect):
        self.paths = self.precharge = 0
        self._grace = self._break = 0
        self.state = STATE_LATCHED if protect.latched else STATE_OPEN

    def _close_paths(self, protect):
        self.paths = self._may_close(protect)
        self.precharge = 0
        self._grace = self._break = 0
        self.state = STATE_CLOSED

    def _may_close(self, protect):
        """Paths that may be closed now: not blocked, and no value beyond a trip whose delay is still running."""
        blocked = self.blocked(protect) | protect.beyond
        if self.limits.COMMON and blocked:
            return 0
        return BOTH & ~blocked

    def _precharge(self, m, protect, periods):
        self._time += periods
        limits = self.limits
        if self._may_close(protect) == 0 or self.open_requested or not m.known or m.link_mv == NA:
            self._rest(protect)
        elif (abs(m.pack_mv - m.link_mv) <= limits.PRECHARGE_DIFFERENCE_MV
              and abs(m.current_ma) <= limits.PRECHARGE_CURRENT_MA):
            self._close_paths(protect)
        elif self._time >= limits.PRECHARGE_CYCLES:
            self.precharge_failed = 1
            self._rest(protect)

    def _closed(self, m, protect, blocked, periods):
        if self.open_requested:
            blocked = BOTH
        drop = self.paths & blocked
        if drop:
            at_once = self.open_requested or drop & protect.blocks_now or (self.limits.COMMON and protect.blocks_now)
            self.state = STATE_OPENING
            self._grace += periods
            if (at_once or self._still(m, drop) or self._grace > GRACE_CYCLES) and self._may_break(m, periods):
                self.paths &= ~drop
        if not self.paths & blocked:
            self._grace = self._break = 0
            if not self.paths:
                self._rest(protect)  # from nothing closed the way back is a close with its precharge
            else:
                self.paths |= self._may_close(protect)
                self.state = STATE_CLOSED

    def _still(self, m, drop):
        """No current flows in the direction that is to open."""
        if m.current_ma == NA:
            return False
        if self.limits.COMMON or drop == BOTH:
            return abs(m.current_ma) < STILL_MA
        return (m.current_ma if drop == 1 else -m.current_ma) < STILL_MA

    def _may_break(self, m, periods):
        """False while the current is above what the outputs can break, for at most the hold time."""
        if m.current_ma == NA or abs(m.current_ma) <= self.limits.BREAK_MAX_MA:
            if self._break:
                self.overload = 1
            return True
        self._break += periods
        if self._break > self.limits.BREAK_HOLD_CYCLES:
            self.overload = 1
            return True
        return False
