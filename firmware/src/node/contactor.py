"""The closing sequence: open, precharge, closed, opening. Decides the outputs; judges them by their feedback.

Outputs are two paths, charge and discharge (one pair of contactors switches both on `common` packs), and precharge.
"""

from array import array

from generated.codec import (
    ANSWER_ACCEPTED,
    ANSWER_CAUSE_PRESENT,
    ANSWER_LATCHED,
    ANSWER_NOT_COMMISSIONED,
    ANSWER_UNKNOWN_READING,
    ANSWER_WRONG_STATE,
    REASON_GATEWAY_REQUEST,
    REASON_NOTHING,
    STATE_ASLEEP,
    STATE_BOOT,
    STATE_CLOSED,
    STATE_COOLING,
    STATE_LATCHED,
    STATE_OPEN,
    STATE_OPENING,
    STATE_PRECHARGE,
    STATE_SERVICE,
)

from node.allowance import curve, least
from node.measure import MOST_MA, NA

CHARGE = 1
DISCHARGE = 2
BOTH = 3
BOOT_CYCLES = 10  # readings are watched this long before anything may close
GRACE_CYCLES = 50  # after_request: 5 s for the outside to follow 0 A
STILL_MA = 1000  # below this a path opens without a load
SERVICE_CYCLES = 6000  # ten minutes without a word end the service state


class Contactor:
    """`paths` (1 charge, 2 discharge) and `precharge` are what is commanded."""

    def __init__(self, limits):
        self.limits = limits
        self.state = STATE_BOOT
        self.paths = 0
        self.precharge = 0
        self.open_reason = REASON_NOTHING
        self.open_requested = False  # the gateway's open holds until its close
        self.precharge_failed = 0  # 1 for the cycle after the last try failed
        self.overload = 0  # 1 for the cycle after opening above break_max
        self.mismatch = 0  # 1 while the feedback contradicts the command
        self.wear_ppm = 0  # share of the outputs' life used by opening under load
        self.charger = 0
        self.own_ma = 0  # what the heater may draw through the shunt now
        self.commissioned = 1  # 0: nobody has proved the wiring of this board, and nothing closes
        self.tries = 0  # of the precharge, used up; a reset does not give them back
        self._life = curve(limits.LIFE_X, limits.LIFE_PPM)
        self._load = array("i", [0])
        self._wears = array("i", [0, 0])
        self._time = 0
        self._grace = 0
        self._break = 0
        self._cool = 0

    def step(self, m, protect, feedback, feedback_known, periods, charger=0):
        """One cycle. `feedback` has the bits of `paths` and 4 for precharge, as measured."""
        self.precharge_failed = self.overload = 0
        self.charger = charger
        commanded = self.paths | (4 if self.precharge else 0)
        self.mismatch = 0 if feedback_known and feedback == commanded else 1
        self._cool = max(0, self._cool - periods)
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
                self.close(m, protect, self.tries)
        elif state == STATE_PRECHARGE:
            self._precharge(m, protect, periods)
        elif state == STATE_COOLING:
            self._cooling(m, protect)
        elif state == STATE_SERVICE:
            self._time += periods
            if self._time > SERVICE_CYCLES:
                self.boot()
        elif state != STATE_ASLEEP:
            self._closed(m, protect, self.blocked(protect), periods)

    def blocked(self, protect):
        """Paths that may not be closed; on `common` a block of one is a block of both."""
        blocked = protect.blocks_now | protect.blocks_after
        if self.limits.COMMON and blocked:
            return BOTH
        return blocked

    def close(self, m, protect, tries=0):
        """Starts closing, with `tries` of the precharge used up already. Returns ANSWER_ACCEPTED or why not."""
        if self.paths or self.precharge or self.state == STATE_COOLING:
            return ANSWER_ACCEPTED
        if self.state == STATE_SERVICE or self.state == STATE_ASLEEP:
            return ANSWER_WRONG_STATE
        if not self.commissioned:
            return ANSWER_NOT_COMMISSIONED
        if self.state == STATE_BOOT or not m.known or m.link_mv == NA or m.pack_mv == NA:
            return ANSWER_UNKNOWN_READING
        if self.blocked(protect) == BOTH:
            return ANSWER_LATCHED
        if self._may_close(protect) == 0:
            return ANSWER_CAUSE_PRESENT
        self.tries = tries
        self._begin(m, protect)
        return ANSWER_ACCEPTED

    def request_open(self):
        """The gateway asks for open: at once, and until it asks for close."""
        self.open_requested = True
        if self.paths or self.precharge or self.state == STATE_COOLING:
            self.open_reason = REASON_GATEWAY_REQUEST

    def request_service(self):
        """Nothing closes any more and the node may be looked into; only from open. Returns the answer."""
        state = self.state
        if state != STATE_OPEN and state != STATE_LATCHED and state != STATE_SERVICE:
            return ANSWER_WRONG_STATE
        self.state = STATE_SERVICE
        self.open_requested = True  # its end by time closes nothing: hands may still be inside
        self._time = 0
        return ANSWER_ACCEPTED

    def boot(self):
        """Begins anew, open: after service, after sleep."""
        self.state = STATE_BOOT
        self.paths = self.precharge = self._time = 0

    def sleep(self):
        """Nothing closes until boot()."""
        self.state = STATE_ASLEEP
        self.paths = self.precharge = 0

    def _begin(self, m, protect):
        """Closes at once where nothing rushes, else precharges, else waits for the resistor to cool."""
        if self._charger_waits(m, protect) or self._only_charge(protect):
            self._close_paths(protect, CHARGE)
        elif not self._differs(m):
            self._close_paths(protect, BOTH)
        elif self._cool > 0:
            self.state = STATE_COOLING
        else:
            self._start_precharge()

    def _start_precharge(self):
        self.state = STATE_PRECHARGE
        self.precharge = 1
        self._time = 0

    def _charger_waits(self, m, protect):
        """A charger holds the link above the pack, where precharge never ends: the charge path takes its place. What
        rushes in is the charge of capacitors on the link; the outputs' short-circuit trip must let that pass."""
        return (self.charger and not self.limits.COMMON and m.link_mv > m.pack_mv
                and self._may_close(protect) & CHARGE)

    def _only_charge(self, protect):
        """Only the charge path is to close now, without precharge: discharge may not close, or the charge path has a
        port of its own, and discharge follows. Nothing rushes out through the charge path, and what loads draw from
        the link must not keep a charger from an empty bank."""
        may = self._may_close(protect)
        return (may == CHARGE and not self.limits.COMMON) or (may & CHARGE and self.limits.PORTS)

    def _differs(self, m):
        """Whether closing would let a rush of current through; unknown voltages would."""
        return (m.link_mv == NA or m.pack_mv == NA
                or abs(m.pack_mv - m.link_mv) > self.limits.PRECHARGE_DIFFERENCE_MV)

    def _rest(self, protect):
        self.paths = self.precharge = 0
        self._grace = self._break = 0
        self.state = STATE_LATCHED if protect.latched else STATE_OPEN

    def _close_paths(self, protect, mask):
        self.paths = self._may_close(protect) & mask
        self.precharge = self.tries = 0
        self._grace = self._break = 0
        self.state = STATE_CLOSED

    def _may_close(self, protect):
        """Paths that may be closed now: not blocked, and no value beyond a trip whose delay is still running."""
        blocked = self.blocked(protect) | protect.beyond
        if self.limits.COMMON and blocked:
            return 0
        return BOTH & ~blocked

    def _cooling(self, m, protect):
        if self._may_close(protect) == 0 or self.open_requested or not m.known:
            self._rest(protect)
        elif self._cool == 0:
            self._begin(m, protect)

    def _precharge(self, m, protect, periods):
        self._time += periods
        limits = self.limits
        blocked = self.blocked(protect)
        if self.paths and (self.paths & blocked or self.open_requested):
            self.precharge = 0
            self._closed(m, protect, blocked, periods)
        elif self._may_close(protect) & ~self.paths == 0 or self.open_requested or not m.known or m.link_mv == NA:
            self._break_off(protect)
        elif not self._differs(m) and self._calm(m):
            self._close_paths(protect, BOTH)
        elif self._time >= limits.PRECHARGE_CYCLES:
            self._fail(protect)

    def _calm(self, m):
        """No more current than may flow when it closes, but for the heater's; with the charge path closed a charger's
        is no matter."""
        may = self.limits.PRECHARGE_CURRENT_MA + self.own_ma
        return (-m.current_ma if self.paths else abs(m.current_ma)) <= may

    def _break_off(self, protect):
        """Ends a precharge that has lost its reason; a path that is closed already stays."""
        if self._time > 1:  # else it never reached the output
            self._cool = self.limits.PRECHARGE_COOL_CYCLES
        self.precharge = 0
        if self.paths:
            self.state = STATE_CLOSED
        else:
            self._rest(protect)

    def _fail(self, protect):
        """The link did not come up: another try when the resistor is cool, or the fault after the last one."""
        self.tries += 1
        self._cool = self.limits.PRECHARGE_COOL_CYCLES
        self.precharge = 0
        if self.paths:
            self.state = STATE_CLOSED  # the charge path stays, discharge tries again when the resistor is cool
        else:
            self._rest(protect)
        if self.tries >= self.limits.PRECHARGE_TRIES:
            self.precharge_failed = 1
            self.tries = 0
        elif not self.paths:
            self.state = STATE_COOLING

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
                self._wear(m)
        if not self.paths & blocked:
            self._grace = self._break = 0
            if not self.paths:
                self._rest(protect)  # from nothing closed the way back is a close with its precharge
            else:
                self._extend(m, protect)

    def _extend(self, m, protect):
        """One path is closed: the other follows, discharge only into a link that is already up."""
        more = self._may_close(protect) & ~self.paths
        self.state = STATE_CLOSED
        if more & DISCHARGE and self._differs(m):
            if m.known and self._cool == 0:
                self._start_precharge()
        else:
            self.paths |= more

    def _still(self, m, drop):
        """No current flows in the direction that is to open."""
        if m.current_ma == NA:
            return False
        if self.limits.COMMON or drop == BOTH:
            return abs(m.current_ma) < STILL_MA
        return (m.current_ma if drop == CHARGE else -m.current_ma) < STILL_MA

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

    def _wear(self, m):
        """Counts an opening under load against the outputs' life; an unknown current counts as the worst."""
        load = self._load
        load[0] = MOST_MA if m.current_ma == NA else abs(m.current_ma)
        if load[0] >= STILL_MA:
            least(self._life, load, 1, self._wears)
            self.wear_ppm += self._wears[0]
