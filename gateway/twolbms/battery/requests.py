"""What one node is asked, when, and what it answered: open, close, clear, allowance.

Close and clear go out twice with consecutive counters, for the node counts them only so. A person's open holds until a
person's close. Knows no frame: it gives the signals of NodeRequest, and time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from twolbms.battery.latest import NS

Signals = dict[str, int | float | str | None]

OPEN, CLOSE, ALLOWANCE, BALANCING, CLEAR = 1, 2, 3, 4, 5  # NodeRequest.Request
_NUMBERS = {"open": OPEN, "close": CLOSE, "clear": CLEAR}
_TWICE = ("close", "clear")
_ACCEPTED, _SEND_TWICE, _HOLD_RUNNING = "accepted", "send_twice", "hold_running"
_MOST_ASKED_A = 1023.5  # the signal's range; a larger allowance is no bound to a node anyway
_NUMBER_MODULUS = 256

ALLOWANCE_EVERY_NS = NS
_OPEN_EVERY_NS = NS  # until it is done
_HOLD_EVERY_NS = 5 * NS  # while it holds: a node that reboots forgets it
_RETRY_S = (1, 2, 4, 8)  # without an answer
_REPLACED = "replaced by a later request"
_AGAIN_S = (5, 10, 20, 40, 60)  # the gateway's own wish to close, after a refusal


class Authority(IntEnum):
    """Who asks. An open ends by a close from the same or a higher one."""

    GATEWAY = 0
    SITE = 1
    PERSON = 2


class Hold(NamedTuple):
    """An open that holds: who asked for it and when."""

    by: str
    authority: Authority
    since_ns: int


class Narrowing(NamedTuple):
    """Smaller currents asked from above, until they expire."""

    charge_a: float | None
    discharge_a: float | None
    by: str
    expires_ns: int


class Answer(NamedTuple):
    """A NodeAnswer in words; `limit` stands in the way, `hold_s` is the time until it could be accepted."""

    request: int
    number: int
    answer: str
    limit: str | None
    hold_s: float | None


@dataclass(slots=True)
class Ticket:
    """One request and what became of it. `accepted` is None until `text` says the outcome."""

    what: str
    by: str
    authority: Authority
    asked_ns: int
    expires_ns: int
    limit: int | None = None
    number: int = 0
    tries: int = 0
    next_ns: int = 0
    accepted: bool | None = None
    answer: Answer | None = None
    note: str | None = None  # why it ended without an answer

    @property
    def done(self) -> bool:
        """Whether the outcome is known."""
        return self.accepted is not None


class Asking(NamedTuple):
    """What the requests need to know of their pack at one moment."""

    may_ask: bool  # the node speaks our protocol
    allowance: tuple[float, float] | None  # charge and discharge to ask for, None while nothing should be asked
    measured_open: bool
    close_refusal: str | None  # why the gateway would not ask for close now
    wants_close: bool  # the site wants this pack closed and it is open


class Requests:
    """The requests to one node. `expire_s` is how long a person's close, clear or narrowing stays valid."""

    def __init__(self, expire_s: float) -> None:
        self._expire_ns = int(expire_s * NS)
        self.hold: Hold | None = None
        self.narrowing: Narrowing | None = None
        self.pending: Ticket | None = None
        self.closing_until_ns = 0
        self.answered_ns: int | None = None
        self._number = 0
        self._opening: Ticket | None = None
        self._next_open_ns = 0
        self._next_allowance_ns = 0
        self._own_tries = 0
        self._next_own_ns = 0

    # --- what people ask ---

    def open(self, by: str, authority: Authority, now_ns: int) -> Ticket:
        """Asks for open, at once and until a close of the same or a higher authority."""
        if self.pending is not None and self.pending.what == "close":
            self._end(self.pending, False, None, _REPLACED)
        if self.hold is None or authority >= self.hold.authority:
            self.hold = Hold(by, authority, now_ns)
        self._next_open_ns = now_ns
        self._opening = self._ticket("open", by, authority, now_ns)
        return self._opening

    def close(self, by: str, authority: Authority, now_ns: int) -> Ticket:
        """Asks for close and ends a hold. Ask `close_hindrance` first."""
        self.hold = None
        if self._opening is not None:
            self._end(self._opening, False, None, _REPLACED)
        return self._begin(self._ticket("close", by, authority, now_ns))

    def clear(self, limit: int | None, by: str, authority: Authority, now_ns: int) -> Ticket:
        """Asks to forget a latched trip, or all of them."""
        ticket = self._ticket("clear", by, authority, now_ns)
        ticket.limit = limit
        return self._begin(ticket)

    def narrow(self, charge_a: float | None, discharge_a: float | None, by: str, now_ns: int) -> None:
        """Asks for less current; it expires."""
        self.narrowing = Narrowing(charge_a, discharge_a, by, now_ns + self._expire_ns)

    def close_hindrance(self, authority: Authority) -> str | None:
        """Why a close of this authority does not count, None when it does."""
        if self.hold is not None and authority < self.hold.authority:
            return f"{self.hold.by} asked for open; only a close by a person ends that"
        return None

    def node_rebooted(self, now_ns: int) -> None:
        """A node forgets a requested open when it boots: it is told again at once."""
        self._next_open_ns = self._next_own_ns = now_ns
        self._own_tries = 0

    def narrowed(self, charging: bool, now_ns: int) -> float | None:
        """The narrowed current of a direction, None when nothing is asked or it has expired."""
        if self.narrowing is not None and now_ns >= self.narrowing.expires_ns:
            self.narrowing = None
        if self.narrowing is None:
            return None
        return self.narrowing.charge_a if charging else self.narrowing.discharge_a

    # --- what goes out ---

    def step(self, pack: Asking, now_ns: int) -> tuple[list[Signals], list[Ticket]]:
        """The requests to send now, and the tickets that ended."""
        ended = self._expire(pack, now_ns)
        if not pack.may_ask:
            return [], ended
        self._own_close(pack, now_ns)
        return self._open_frames(pack, now_ns) + self._pending_frames(now_ns) + self._allowance_frames(pack, now_ns), \
            ended

    def _own_close(self, pack: Asking, now_ns: int) -> None:
        """The gateway's wish: less often with every try, from anew once the pack has been closed."""
        if not pack.wants_close:
            self._own_tries = 0
        elif self.pending is None and self.hold is None and pack.close_refusal is None and now_ns >= self._next_own_ns:
            self._begin(self._ticket("close", "gateway", Authority.GATEWAY, now_ns))
            self._next_own_ns = now_ns + _AGAIN_S[min(self._own_tries, len(_AGAIN_S) - 1)] * NS
            self._own_tries += 1

    def _expire(self, pack: Asking, now_ns: int) -> list[Ticket]:
        ended = []
        opening, pending = self._opening, self.pending
        if opening is not None and pack.measured_open and opening.answer is not None:
            ended.append(self._end(opening, True, opening.answer))
        elif opening is not None and now_ns >= opening.expires_ns:
            ended.append(self._end(opening, False, None, "not yet open; the request goes on"))
        if pending is not None and now_ns >= pending.expires_ns:
            ended.append(self._end(pending, False, None, "no answer from the node"))
        elif pending is not None and pending.what == "close" and pack.close_refusal is not None:
            ended.append(self._end(pending, False, None, pack.close_refusal))
        return ended

    def _open_frames(self, pack: Asking, now_ns: int) -> list[Signals]:
        if self.hold is None or now_ns < self._next_open_ns:
            return []
        self._next_open_ns = now_ns + (_HOLD_EVERY_NS if pack.measured_open else _OPEN_EVERY_NS)
        number = self._opening.number if self._opening is not None else self._next_number()
        return [_signals(OPEN, number)]

    def _pending_frames(self, now_ns: int) -> list[Signals]:
        ticket = self.pending
        if ticket is None or now_ns < ticket.next_ns:
            return []
        ticket.next_ns = now_ns + _RETRY_S[min(ticket.tries, len(_RETRY_S) - 1)] * NS
        ticket.tries += 1
        signals = _signals(_NUMBERS[ticket.what], ticket.number, limit=ticket.limit)
        return [signals] * (2 if ticket.what in _TWICE else 1)

    def _allowance_frames(self, pack: Asking, now_ns: int) -> list[Signals]:
        if pack.allowance is None or now_ns < self._next_allowance_ns:
            return []
        self._next_allowance_ns = now_ns + ALLOWANCE_EVERY_NS
        charge_a, discharge_a = (min(current_a, _MOST_ASKED_A) for current_a in pack.allowance)
        return [_signals(ALLOWANCE, self._next_number(), charge_a, discharge_a)]

    # --- what comes back ---

    def take(self, answer: Answer, now_ns: int) -> Ticket | None:
        """A NodeAnswer; returns the ticket that it ends, None when it ends none."""
        self.answered_ns = now_ns
        if self._opening is not None and answer.request == OPEN and answer.number == self._opening.number:
            self._opening.answer = answer
            return None if answer.answer == _ACCEPTED else self._end(self._opening, False, answer)
        ticket = self.pending
        if ticket is None or (answer.request, answer.number) != (_NUMBERS[ticket.what], ticket.number) \
                or answer.answer == _SEND_TWICE:
            return None
        if ticket.what == "close":
            self.closing_until_ns = now_ns + 10 * NS if answer.answer == _ACCEPTED else 0
            if answer.answer == _HOLD_RUNNING and answer.hold_s is not None:
                self._next_own_ns = now_ns + int(min(answer.hold_s + 0.5, _AGAIN_S[-1]) * NS)
        return self._end(ticket, answer.answer == _ACCEPTED, answer)

    # --- tickets ---

    def _ticket(self, what: str, by: str, authority: Authority, now_ns: int) -> Ticket:
        return Ticket(what, by, authority, now_ns, now_ns + self._expire_ns, number=self._next_number(), next_ns=now_ns)

    def _begin(self, ticket: Ticket) -> Ticket:
        if self.pending is not None:
            self._end(self.pending, False, None, _REPLACED)
        self.pending = ticket
        return ticket

    def _end(self, ticket: Ticket, accepted: bool, answer: Answer | None, note: str | None = None) -> Ticket:
        ticket.accepted, ticket.answer, ticket.note = accepted, answer, note
        if ticket is self.pending:
            self.pending = None
        if ticket is self._opening:
            self._opening = None
        return ticket

    def _next_number(self) -> int:
        self._number = (self._number + 1) % _NUMBER_MODULUS
        return self._number


def _signals(request: int, number: int, charge_a: float | None = None, discharge_a: float | None = None,
             limit: int | None = None) -> Signals:
    return {"Request": request, "RequestNumber": number, "ChargeCurrentAsked": charge_a,
            "DischargeCurrentAsked": discharge_a, "RequestLimit": limit, "BalancingAsked": None}
