"""Brings one batch of lines to the server whatever it answers: again, later, in halves, or into quarantine.

It knows answers and patience; no journal, no cursor. When it returns, every line is stored or accounted for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from twolbms.outlets.influx_answers import Answer, Backoff, Judgement, Verdict, judge
from twolbms.outlets.influx_http import Unreachable
from twolbms.outlets.influx_target import TokenUnreadable
from twolbms.outlets.quarantine import Quarantine

State = Literal["ok", "waiting", "refused", "stopped"]


@dataclass(frozen=True)
class Pace:
    """How large the batches are and how patient the outlet is; waits in seconds."""

    batch_lines: int = 5000
    poll_s: float = 1.0
    first_retry_s: float = 1.0
    most_retry_s: float = 60.0
    refused_retry_s: float = 30.0


class Connection(Protocol):
    """The part of WriteConnection that is used here."""

    def post(self, lines: Sequence[bytes]) -> Answer:
        """Sends lines; raises Unreachable or TokenUnreadable."""

    def close(self) -> None:
        """Makes the next post connect anew."""


@dataclass
class Progress:
    """What people are told: state, the last trouble in words, and counts since the start."""

    state: State = "ok"
    error: str | None = None
    lines: int = 0
    refused: int = 0


@dataclass
class Delivery:
    """`pause(seconds)` waits and raises what ends the delivery when the outlet is stopped."""

    connection: Connection
    quarantine: Quarantine
    pace: Pace
    pause: Callable[[float], None]
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self._backoff = Backoff(self.pace.first_retry_s, self.pace.most_retry_s)

    def deliver(self, lines: Sequence[bytes]) -> None:
        """Returns when every line is stored, or refused for a reason of its own and quarantined."""
        most = self.pace.batch_lines
        pieces = [lines[start:start + most] for start in range(0, len(lines), most)][::-1]
        sane = False  # the server has taken something of this batch, so a refusal is about the line
        while pieces:
            piece = pieces.pop()
            judgement = self._send(piece)
            if judgement.verdict is not Verdict.SPLIT:
                self._account(piece, judgement)
                sane = True
            elif len(piece) > 1:
                middle = len(piece) // 2
                pieces += [piece[middle:], piece[:middle]]
            elif sane:
                self._refuse(judgement.reason, 1, piece[0])
            else:
                sane = self._takes_anything(judgement)
                pieces.append(piece)

    def _account(self, piece: Sequence[bytes], judgement: Judgement) -> None:
        dropped = min(judgement.dropped, len(piece))
        self.progress.lines += len(piece) - dropped
        if dropped:
            self._refuse(judgement.reason, dropped, piece[0] if len(piece) == 1 else None)

    def _refuse(self, reason: str, count: int, line: bytes | None) -> None:
        self.progress.refused += count
        self.quarantine.add(reason, count, line)

    def _takes_anything(self, refusal: Judgement) -> bool:
        """Whether the server takes an empty write. If not, it is the server or a proxy that is wrong, not our line:
        a TLS port spoken to without TLS answers 400 to everything."""
        if self._send(()).verdict is Verdict.STORED:
            return True
        self.connection.close()
        self._tell("refused", f"every write is refused: {refusal.reason}")
        self.pause(self.pace.refused_retry_s)
        return False

    def _send(self, piece: Sequence[bytes]) -> Judgement:
        """Sends until an answer says something about the lines themselves."""
        while True:
            self.pause(0)
            try:
                judgement = judge(self.connection.post(piece))
            except Unreachable as error:
                self._wait("waiting", str(error), self._backoff.next_s())
                continue
            except TokenUnreadable as error:
                self._wait("refused", str(error), self.pace.refused_retry_s)
                continue
            if judgement.verdict is Verdict.LATER:
                self._wait("waiting", judgement.reason, self._asked_wait_s(judgement))
            elif judgement.verdict is Verdict.REFUSED:
                self.connection.close()  # so that the token is read again
                self._wait("refused", judgement.reason, self.pace.refused_retry_s)
            else:
                self._backoff.reset()
                self._tell("ok", None)
                return judgement

    def _asked_wait_s(self, judgement: Judgement) -> float:
        """The server's Retry-After with up to a tenth more, so that gateways do not come back all at once."""
        if judgement.wait_s:
            return judgement.wait_s * (1 + 0.1 * self._backoff.chance.random())
        return self._backoff.next_s()

    def _wait(self, state: State, error: str, seconds: float) -> None:
        self._tell(state, error)
        self.pause(seconds)

    def _tell(self, state: State, error: str | None) -> None:
        self.progress.state, self.progress.error = state, error
