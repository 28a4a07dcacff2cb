"""What the gateway asks: heartbeats, requests and their answers, and the rules for its silence.

The gateway may ask for less, for open, for close and for a clear; the last two count only when they came twice with
consecutive counters and the same content. No message changes a limit.
"""

from array import array

from generated.codec import (
    ANSWER_ACCEPTED,
    ANSWER_CAUSE_PRESENT,
    ANSWER_LATCHED,
    ANSWER_NOT_SUPPORTED,
    ANSWER_SEND_TWICE,
    ID_GATEWAY_HEARTBEAT,
    ID_NODE_REQUEST,
    NA,
    REASON_NOTHING,
    REQUEST_ALLOWANCE,
    REQUEST_BALANCING,
    REQUEST_CLEAR,
    REQUEST_CLOSE,
    REQUEST_OPEN,
    REQUEST_SERVICE,
    read_gateway_heartbeat,
    read_node_request,
)
from generated.codec import REASON_GATEWAY_SILENT as SILENT

from node.allowance import UNLIMITED_MA

_LONGEST = 1 << 20
_GATEWAY = 0x80
_SECOND_CYCLES = 20  # the second of a pair must come within 2 s
_ON = 1


class Requests:
    """`silent` counts cycles since the last valid frame of the gateway."""

    def __init__(self, limits, node):
        self.limits = limits
        self.node = node
        self.silent = _LONGEST
        self.silent_cap = True  # nothing was ever asked: the pack's silent row holds
        self.charge_ma = self.discharge_ma = UNLIMITED_MA
        self.balancing_allowed = False
        self.minutes = NA  # wall time as the gateway told it last, minutes since 1970
        self.last_refusal = ANSWER_ACCEPTED
        self._balancing_asked = True
        self._heartbeat = array("i", [0, 0])
        self._request = array("i", [0] * 6)
        self._beat_counter = 15
        self._request_counter = 15
        self._first = 0
        self._first_limit = NA
        self._first_counter = 15
        self._first_age = 0

    def step(self, periods):
        """Ages what was heard. Call once a cycle, before the frames."""
        if self.silent < _LONGEST:
            self.silent += periods
        if self._first_age < _LONGEST:
            self._first_age += periods
        if self.silent > self.limits.LIMIT[SILENT]:
            self.silent_cap = True

    def balancing(self):
        """Whether the gateway allows balancing now: not when it has been silent for the row's warn tier."""
        return self.balancing_allowed and self._balancing_asked and self.silent <= self.limits.WARN[SILENT]

    def frame(self, can_id, d, protect, contactor, m, report):
        """Takes one received frame; anything that is not for this node or not sound is ignored."""
        if can_id == ID_GATEWAY_HEARTBEAT:
            if read_gateway_heartbeat(d, _GATEWAY, self._heartbeat) and self._advances(d[6] & 0x0F):
                self.silent = 0
                self.balancing_allowed = self._heartbeat[0] == _ON
                self.minutes = self._heartbeat[1]
        elif can_id == ID_NODE_REQUEST | self.node and read_node_request(d, self.node, self._request):
            counter = d[6] & 0x0F
            opens = self._request[0] == REQUEST_OPEN  # obeyed as often as it comes: it only narrows
            if counter < 15 and (opens or counter != self._request_counter):
                self._request_counter = counter
                self._obey(counter, protect, contactor, m, report)

    def _advances(self, counter):
        """A counter that steps by 1 to 3, or the first after silence; a repeated frame is no sign of life."""
        last = self._beat_counter
        if counter == 15 or counter == last:
            return False
        self._beat_counter = counter
        return last == 15 or self.silent > self.limits.WARN[SILENT] or (counter - last) % 15 <= 3

    def _obey(self, counter, protect, contactor, m, report):
        v = self._request
        what = v[0]
        limit = REASON_NOTHING
        if what != REQUEST_CLOSE and what != REQUEST_CLEAR and what != REQUEST_SERVICE:
            self._first = 0  # a pair is two frames with none of another kind between them
        if what == REQUEST_OPEN:
            contactor.request_open()
            answer = ANSWER_ACCEPTED
        elif what == REQUEST_ALLOWANCE:
            self.charge_ma = UNLIMITED_MA if v[2] == NA else v[2]
            self.discharge_ma = UNLIMITED_MA if v[3] == NA else v[3]
            self.silent = 0
            self.silent_cap = False
            answer = ANSWER_ACCEPTED
        elif what == REQUEST_BALANCING:
            self._balancing_asked = v[5] == _ON
            answer = ANSWER_ACCEPTED
        elif what == REQUEST_CLOSE or what == REQUEST_CLEAR or what == REQUEST_SERVICE:
            answer = self._pair(what, v[4], counter)
            if answer == ANSWER_ACCEPTED:
                if what == REQUEST_CLOSE:
                    answer = contactor.close(m, protect)
                    if answer == ANSWER_ACCEPTED:
                        contactor.open_requested = False
                    elif answer == ANSWER_CAUSE_PRESENT:
                        limit = protect.first_beyond(3)
                    elif answer == ANSWER_LATCHED:
                        limit = protect.first_tripped(3)
                        answer = protect.why_closed_to(limit)
                elif what == REQUEST_SERVICE:
                    answer = contactor.request_service()
                elif v[4] != NA and v[4] >= protect.rows:
                    answer = ANSWER_NOT_SUPPORTED
                else:
                    limit = self._first_uncleared(v[4], protect)
                    answer = ANSWER_ACCEPTED if limit == REASON_NOTHING else protect.refusal(limit)
        else:
            answer = ANSWER_NOT_SUPPORTED
        if answer != ANSWER_SEND_TWICE:
            self.last_refusal = answer
        report.answer(what, v[1], answer, limit if limit != 255 else REASON_NOTHING, protect.longest_hold() * 100)

    def _pair(self, what, limit, counter):
        """ANSWER_ACCEPTED when this is the second of two equal requests with consecutive counters."""
        second = (self._first == what and self._first_limit == limit and self._first_age <= _SECOND_CYCLES
                  and (counter - self._first_counter) % 15 == 1)
        self._first = 0 if second else what
        self._first_limit = limit
        self._first_counter = counter
        self._first_age = 0
        return ANSWER_ACCEPTED if second else ANSWER_SEND_TWICE

    def _first_uncleared(self, which, protect):
        """Clears row `which`, or all that latch for NA; returns the first that had to stay, or REASON_NOTHING."""
        stays = REASON_NOTHING
        for n in range(protect.rows):
            if which != n and not (which == NA and self.limits.LATCH[n]):
                continue
            if protect.refusal(n) == ANSWER_ACCEPTED:
                protect.clear(n)
            elif stays == REASON_NOTHING:
                stays = n
        return stays
