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
from twolbms.outlets.line_text import LineText
from twolbms.outlets.quarantine import Quarantine

State = Literal["ok", "waiting", "refused", "stopped"]

_COARSE = 64
"""When a search has cost its posts, what is still at fault goes into quarantine by this part of the batch."""
_LEAST_SEARCH_POSTS = 25


@dataclass(frozen=True)
class Pace:
    """How large the batches are and how patient the outlet is; waits in seconds.

    `search_posts`: refusals that the search for bad lines may cost in one batch; a bad line among 5,000 costs up to 13.
    """

    batch_lines: int = 5000
    poll_s: float = 1.0
    first_retry_s: float = 1.0
    most_retry_s: float = 15.0
    refused_retry_s: float = 30.0
    search_posts: int = 400
    save_s: float = 10.0
    minutes_poll_s: float = 10.0


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
    in_trouble: bool = False

    def __post_init__(self) -> None:
        self._backoff = Backoff(self.pace.first_retry_s, self.pace.most_retry_s)
        self._most_lines = self.pace.batch_lines
        self._search_posts = self.pace.search_posts

    def deliver(self, lines: LineText | Sequence[bytes]) -> None:
        """Returns when every line is stored, or refused for a reason of its own and quarantined."""
        text = lines if isinstance(lines, LineText) else LineText.of(lines)
        learned = self._most_lines < self.pace.batch_lines  # a limit of the server's, met by a 413
        pieces = text.pieces(self._most_lines, strictly=learned)[::-1]
        coarse = max(1, text.count // _COARSE)
        left = self._search_posts
        sane = False  # the server has taken something of this batch, so a refusal is about the line
        while pieces:
            piece = pieces.pop()
            judgement = self._send(piece.chunks)
            left -= judgement.verdict is Verdict.SPLIT and not judgement.too_large
            if judgement.verdict is not Verdict.SPLIT:
                self._account(piece, judgement)
                sane = True
            elif piece.count > (1 if left > 0 or judgement.too_large else coarse):
                pieces += self._halved(piece, judgement)
            elif sane:
                self._refuse(judgement.reason, piece)
            else:
                sane = self._takes_anything(judgement)
                pieces.append(piece)
        self._learn(left)

    def _halved(self, piece: LineText, judgement: Judgement) -> list[LineText]:
        """The second half and the first; what was too large once would be again."""
        if judgement.too_large:
            self._most_lines = min(self._most_lines, max(1, piece.count // 2))
        return [*piece.halves()][::-1]

    def _learn(self, left: int) -> None:
        """Batch after batch of bad lines is searched less and less; a good one brings the patience back."""
        if left <= 0:
            self._search_posts = max(_LEAST_SEARCH_POSTS, self._search_posts // 2)
        elif left == self._search_posts:
            self._search_posts = min(self.pace.search_posts, 2 * self._search_posts)

    def _account(self, piece: LineText, judgement: Judgement) -> None:
        dropped = min(judgement.dropped, piece.count)
        self.progress.lines += piece.count - dropped
        self.progress.refused += dropped
        if judgement.blamed:
            lines = piece.lines()
            for number, reason in judgement.blamed[:dropped]:
                line = lines[number] if number < len(lines) else None
                self.quarantine.add(f"{judgement.reason}: {reason}", 1, line)
        elif dropped:
            self.quarantine.add(judgement.reason, dropped, piece.chunks[0] if piece.count == 1 else None)

    def _refuse(self, reason: str, piece: LineText) -> None:
        """Quarantines a line, or a piece that was not searched to its end: of that the first line is shown."""
        self.progress.refused += piece.count
        if piece.count > 1:
            reason += f" (at least one of these {piece.count} lines; the search for it ended, too many are bad)"
        self.quarantine.add(reason, piece.count, piece.lines()[0])

    def _takes_anything(self, refusal: Judgement) -> bool:
        """Whether the server takes an empty write. If not, it is the server or a proxy that is wrong, not our line:
        a TLS port spoken to without TLS answers 400 to everything."""
        if self._send(()).verdict is Verdict.STORED:
            return True
        self.connection.close()
        self._wait("refused", f"every write is refused: {refusal.reason}", self.pace.refused_retry_s)
        return False

    def _send(self, chunks: Sequence[bytes]) -> Judgement:
        """Sends until an answer says something about the lines themselves."""
        while True:
            self.pause(0)
            try:
                judgement = judge(self.connection.post(chunks))
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
        self.in_trouble = state != "ok"
