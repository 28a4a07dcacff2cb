"""What an answer of the write path means and how long to wait: InfluxDB's rules as a table.

It knows no socket and no journal; time comes in as an argument.
"""

from __future__ import annotations

import email.utils
import json
import random
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

LONGEST_WAIT_S = 300.0


class Verdict(Enum):
    """What the outlet does next."""

    STORED = "go on"
    PARTLY = "count what was dropped, go on"
    SPLIT = "send the halves, to find the line that is at fault"
    REFUSED = "stop and tell people, try again slowly"
    LATER = "wait, then send the same again"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer of the write path. `retry_after` and `date` are headers as they came."""

    status: int
    body: bytes = b""
    retry_after: str | None = None
    date: str | None = None

    @property
    def told(self) -> Any:
        """What its JSON says; None where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):  # the last: nested deeper than Python goes
            return None

    @property
    def message(self) -> str:
        """The server's words: `message` of its JSON (`error` of InfluxDB 3), else the start of the body."""
        told = self.told
        for key in ("message", "error") if isinstance(told, dict) else ():
            if key in told:
                return str(told[key])
        return self.body[:300].decode(errors="replace").strip()


class Blamed(NamedTuple):
    """A line that InfluxDB 3 names as refused: its number in the batch, from 0, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Judgement:
    """A verdict, its reason in words, the wait asked for by the server, and how many points it says it dropped.

    `blamed`: those of them that it names. `too_large`: halving is not a search then, it makes the batch fit.
    """

    verdict: Verdict
    reason: str
    wait_s: float | None = None
    dropped: int = 0
    blamed: tuple[Blamed, ...] = ()
    too_large: bool = False


_VERDICTS = {
    204: Verdict.STORED,
    400: Verdict.SPLIT,      # a line does not parse, nothing of the batch is stored
    401: Verdict.REFUSED,    # token missing, wrong, or not allowed to write here
    403: Verdict.REFUSED,
    404: Verdict.REFUSED,    # organisation or bucket missing
    408: Verdict.LATER,
    413: Verdict.SPLIT,      # body too large
    422: Verdict.PARTLY,     # type conflict or outside retention: the rest is stored
    429: Verdict.LATER,
}


def judge(answer: Answer) -> Judgement:
    """What to do after `answer`."""
    status = answer.status
    verdict = _VERDICTS.get(status) or (Verdict.REFUSED if 400 <= status < 500 else Verdict.LATER)
    message = answer.message
    reason = f"{status} {_short(message)}".strip()
    if status == 400 and (blamed := blamed_lines(answer.told)):
        return Judgement(Verdict.PARTLY, reason, dropped=len(blamed), blamed=blamed)
    if status < 400 and verdict is Verdict.LATER:
        reason = f"answered {status} where InfluxDB answers 204: is the url right?"
    dropped = dropped_points(message) if verdict is Verdict.PARTLY else 0
    return Judgement(verdict, reason, retry_after_s(answer), dropped, too_large=status == 413)


def blamed_lines(told: Any) -> tuple[Blamed, ...]:
    """The lines that InfluxDB 3 refused while it stored the rest: a list under `data`, up to 100 of them.

    An object there, or anything else, is no such list: then nothing is stored.
    """
    listed = told.get("data") if isinstance(told, dict) and "error" in told else None
    if not isinstance(listed, list):
        return ()
    numbered = [(one.get("line_number"), one.get("error_message")) for one in listed if isinstance(one, dict)]
    return tuple(Blamed(number - 1, _short(str(why))) for number, why in numbered
                 if isinstance(number, int) and not isinstance(number, bool) and number > 0)


def _short(message: str) -> str:
    """Both ends of a message that quotes a long line: the cause stands behind the quotation."""
    return message if len(message) <= 500 else f"{message[:200]} … {message[-250:]}"


def dropped_points(message: str) -> int:
    """The count in a "partial write: … dropped=3" message; at least 1, because something was dropped."""
    counts = re.findall(r"\bdropped=(\d{1,9})\b", message)
    return max(1, int(counts[-1])) if counts else 1


def retry_after_s(answer: Answer) -> float | None:
    """Seconds that the Retry-After header asks for, at most LONGEST_WAIT_S; None when absent or unreadable.

    A date there is taken against the answer's own Date, because this machine's clock may be wrong.
    """
    text = (answer.retry_after or "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", text):
        return min(float(text), LONGEST_WAIT_S)
    until, now = _http_date_s(text), _http_date_s(answer.date or "")
    if until is None or now is None:
        return None
    return min(max(until - now, 0.0), LONGEST_WAIT_S)


def _http_date_s(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


@dataclass
class Backoff:
    """Growing waits with jitter: half to the whole of first_s, twice that, … up to most_s."""

    first_s: float = 1.0
    most_s: float = 60.0
    chance: random.Random = field(default_factory=random.Random)
    _steps: int = 0

    def next_s(self) -> float:
        """The wait after one more failure."""
        whole: float = min(self.most_s, self.first_s * 2.0 ** min(self._steps, 30))
        self._steps += 1
        return whole * (0.5 + 0.5 * self.chance.random())

    def reset(self) -> None:
        """After a success: the next failure waits shortly again."""
        self._steps = 0
