"""The lane of minute values: follows the samples by a cursor of its own, however late, into a bucket of their own.

What is condensed how stands in `minutes`. Its file holds cursor and state together; without it the journal is gone
through from its oldest segment, which gives the same points.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from twolbms.clock import Clock
from twolbms.journal import Block, Cursor, JournalReader, Sample
from twolbms.outlets.checked_file import checked_body, checked_text, replace_file
from twolbms.outlets.influx_lanes import Courier
from twolbms.outlets.line_protocol import LineEncoder
from twolbms.outlets.line_text import LineText
from twolbms.outlets.minutes import MINUTE_NS, Condenser, points_of, rule_of

_LOG = logging.getLogger(__name__)

_FAMILY = "sample"
_BEGIN = Cursor(_FAMILY, 1, 0)  # the first segment there ever is: if it has gone, a part of a minute has
_TITLE = "2lbms minutes 1 "
_MOST_BLOCKS = 300  # a minute of a running gateway; one step of catching up
_SAVE_EVERY_S = 60.0
_LOOK_BACK_NS = 3 * 3600 * 10**9  # for what held when a late record comes: limits are recorded each hour


class _Mark(NamedTuple):
    """A state that may be gone back to, and when it was reached."""

    at_s: float
    text: str


class MinuteLane:
    """`rewind_s`: of a server that may lose so much, a state is kept on disk only when the server has answered over the
    same connection so long after it: time alone does not show that it has lived."""

    def __init__(self, reader: JournalReader, clock: Clock, courier: Courier, path: Path, site: str,
                 rewind_s: float = 0.0) -> None:
        self._reader = reader
        self._clock = clock
        self._courier = courier
        self._encoder = LineEncoder(site)
        self._path = path
        self._rewind_s = rewind_s
        self.connection = courier.connection
        self.progress = courier.delivery.progress
        self._pending: list[Sample] = []  # made, and not yet stored
        self._told: dict[int, int] = {}  # open minutes written for want of anything newer: how often changed till then
        self._changes = 0
        self._doubts = courier.ledger.doubts
        self._cursor, self._condenser = _BEGIN, Condenser()
        self._safe = _Mark(courier.now_s(), self._load())
        self._next: _Mark | None = None
        self._answered_s = 0.0  # a time (monotonic) not later than the server's last answer

    def step(self) -> bool:
        """Goes on by at most some blocks; False when the journal's end is reached."""
        self._go_back_after_doubt()
        self._send()
        moved = self._follow()
        if not moved:
            self._tell_what_is_over()
        self._send()
        self._keep()
        return moved

    def save(self) -> None:
        """Puts down where it is, unless points are made that nobody has stored."""
        if not self._pending and not self._rewind_s:
            self._write(self._text())

    def _follow(self) -> bool:
        """Takes blocks until some minutes are closed by them."""
        moved = 0
        for block in self._reader.blocks(_FAMILY, self._cursor):
            if not block.wall_known and block.boot_id == self._clock.boot_id:
                break
            moved += 1
            if block.wall_known:
                self._take(block)
            self._cursor = block.next
            if self._pending or moved >= _MOST_BLOCKS:
                break
        self._changes += moved
        return bool(moved)

    def _take(self, block: Block) -> None:
        records = cast(list[Sample], block.records)
        self._condenser.take(block.boot_id, records, block.skipped_segments > 0)
        for minute in self._condenser.due(max(record.time_ns for record in records)):
            self._pending += self._points(minute)
            self._condenser.close(minute)
            self._told.pop(minute, None)

    def _points(self, minute: int) -> list[Sample]:
        late = self._condenser.late.get(minute)
        return self._condenser.points(minute) + (self._made_anew(minute, late) if late else [])

    def _made_anew(self, minute: int, late: set[Any]) -> list[Sample]:
        """Points that were written before records came late: all of the journal's records of that minute count."""
        start_ns = minute * MINUTE_NS
        back_ns = max(rule_of(series.quantity).hold_ns or 0 for series in late)
        from_ns = max(start_ns - int(min(back_ns, _LOOK_BACK_NS)), self._condenser.held_since_ns(minute))
        before = self._records(from_ns, start_ns) if from_ns < start_ns else ()
        return points_of(minute, before, self._records(start_ns, start_ns + MINUTE_NS), late)

    def _records(self, start_ns: int, end_ns: int) -> Iterator[Sample]:
        return cast(Iterator[Sample], self._reader.records(_FAMILY, start_ns, end_ns))

    def _tell_what_is_over(self) -> None:
        """A minute whose time and grace are over is written even if nothing newer comes; it stays open for more."""
        now_ns = self._clock.wall_ns(self._clock.mono_ns())
        for minute in self._condenser.due(now_ns) if now_ns is not None else ():
            if self._told.get(minute) != self._changes:
                self._pending += self._points(minute)
                self._told[minute] = self._changes

    def _send(self) -> None:
        if self._pending:
            text = LineText.of(self._encoder.samples(self._pending).lines)
            begun_s = self._courier.now_s()
            self._courier.bring_text(text)
            if text.count:
                self._answered_s = begun_s
            self._pending = []

    # --- what survives ---

    def _text(self) -> str:
        return json.dumps({"cursor": str(self._cursor), **self._condenser.state()}, separators=(",", ":"))

    def _keep(self) -> None:
        now_s = self._courier.now_s()
        if self._rewind_s:
            sure = self._doubts == self._courier.ledger.doubts  # no break of the connection came before that answer
            if sure and self._next is not None and self._answered_s - self._next.at_s > self._rewind_s:
                self._safe, self._next = self._next, None
                self._write(self._safe.text)
            if self._next is None and now_s - self._safe.at_s > self._rewind_s:
                self._next = _Mark(now_s, self._text())
        elif now_s - self._safe.at_s >= _SAVE_EVERY_S:
            self._safe = _Mark(now_s, self._text())
            self._write(self._safe.text)

    def _go_back_after_doubt(self) -> None:
        if self._doubts != self._courier.ledger.doubts:
            self._doubts = self._courier.ledger.doubts
            self._restore(self._safe.text)
            self._pending, self._next, self._told = [], None, {}

    def _load(self) -> str:
        try:
            self._restore(checked_body(_TITLE, self._path.read_text()))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            _LOG.warning("%s: %s; all minutes that the journal holds are written again", self._path, error)
            self._cursor, self._condenser = _BEGIN, Condenser()
        return self._text()

    def _restore(self, text: str) -> None:
        state = json.loads(text)
        self._cursor, self._condenser = Cursor.parse(state["cursor"]), Condenser.restore(state)

    def _write(self, text: str) -> None:
        try:
            replace_file(self._path, checked_text(_TITLE, text))
        except OSError as error:
            _LOG.warning("%s: %s; after a restart more minutes are written again", self._path, error)
