"""The InfluxDB outlet: a thread of its own that follows the journal by cursor and holds up nobody.

A cursor moves only when the server has stored everything before it, so an outage, a crash on either side or a power
cut means re-sending, which InfluxDB takes as the same points. How answers are treated stands in `influx_answers`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from twolbms.clock import Clock
from twolbms.journal import Block, Cursor, Event, JournalReader, Sample
from twolbms.outlets.cursor_file import CursorFile
from twolbms.outlets.influx_delivery import Delivery, Pace
from twolbms.outlets.influx_http import WriteConnection
from twolbms.outlets.influx_target import InfluxTarget
from twolbms.outlets.line_protocol import Encoded, LineEncoder
from twolbms.outlets.quarantine import Quarantine

_LOG = logging.getLogger(__name__)

FAMILIES = ("event", "sample")
_SAVE_EVERY_S = 1.0  # while catching up; an older cursor only costs re-sending
_NOT_FINITE = "records whose value is no finite number"
_UNPLACED = "records of a boot that never learned the wall time: only the journal has them"
_UNLINKED = "journal segments that retention dropped before the database had them"
_DAMAGED = "stretches of the journal that cannot be read"


class _Stopped(Exception):
    """The outlet was told to stop."""


@dataclass
class _Batch:
    """Lines of whole blocks of one family, the cursor behind them and the time of the oldest record.

    `wall_unknown`: a block follows whose times are still monotonic. `missing`: reasons why records cannot be sent.
    """

    family: str
    lines: list[bytes]
    next: Cursor | None = None
    oldest_ns: int | None = None
    wall_unknown: bool = False
    missing: Counter[str] = field(default_factory=Counter)


class InfluxOutlet:
    """Sends samples and events of a journal to InfluxDB. Start it once; `status` may be asked from any thread."""

    def __init__(self, reader: JournalReader, config: InfluxTarget, cursor_path: Path, clock: Clock,
                 pace: Pace | None = None) -> None:
        self._reader = reader
        self._clock = clock
        self._pace = pace or Pace()
        self._encoder = LineEncoder(config.site)
        self._file = CursorFile(cursor_path)
        self._cursors = self._file.load()
        self._saved = dict(self._cursors)
        self._saved_s = time.monotonic()
        self._connection = WriteConnection(config)
        self._quarantine = Quarantine(cursor_path.with_name("quarantine-influx.log"))
        self._delivery = Delivery(self._connection, self._quarantine, self._pace, self._pause)
        self._progress = self._delivery.progress
        self._oldest: tuple[int, bool] | None = None  # of what is not stored: time, and whether it is monotonic
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._turn = threading.Condition()
        self._rounds = 0
        self._empty_round = 0
        self._thread = threading.Thread(target=self._run, name="influx-outlet", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Ends the thread, cutting off a request in flight; False when it has not ended after `timeout` seconds.

        What is not stored yet is sent after the next start.
        """
        self._stop.set()
        self._wake.set()
        until = time.monotonic() + timeout
        while self._thread.is_alive() and time.monotonic() < until:
            self._connection.abort()
            self._thread.join(min(0.1, timeout))
        return not self._thread.is_alive()

    def wait_drained(self, timeout_s: float) -> bool:
        """Waits until everything that the journal holds now is stored; False when that took longer."""
        with self._turn:
            begun = self._rounds
            self._wake.set()
            return self._turn.wait_for(lambda: self._empty_round > begun, timeout_s)

    def status(self) -> dict[str, Any]:
        """State, lag in seconds (None: not known), points stored and refused since the start, and the trouble."""
        progress = self._progress
        return {"state": progress.state, "lag_s": self._lag_s(), "lines": progress.lines,
                "refused": progress.refused, "error": progress.error}

    def _lag_s(self) -> float | None:
        """Age of the oldest record that is not stored; 0 when all were at the last look."""
        oldest = self._oldest
        if oldest is None:
            return 0.0
        time_ns, monotonic = oldest
        mono_ns = self._clock.mono_ns()
        now_ns = mono_ns if monotonic else self._clock.wall_ns(mono_ns)
        return None if now_ns is None else max(0.0, (now_ns - time_ns) / 1e9)

    def _run(self) -> None:
        try:
            while True:
                self._guarded_round()
        except _Stopped:
            self._save()
        finally:
            self._connection.close()
            self._progress.state = "stopped"

    def _guarded_round(self) -> None:
        """One round; whatever goes wrong inside is told and tried again, the thread goes on."""
        try:
            moved = self._round()
        except _Stopped:
            raise
        except Exception as error:
            _LOG.exception("the InfluxDB outlet failed and goes on")
            self._progress.state, self._progress.error = "waiting", f"{type(error).__name__}: {error}"
            self._pause(self._pace.most_retry_s)
            return
        if not moved:
            self._wake.wait(self._pace.poll_s)
            self._wake.clear()
            self._pause(0)

    def _round(self) -> bool:
        """Takes what the journal holds now, at most one batch of each family; False when there was nothing."""
        with self._turn:
            self._rounds += 1
        batches = [self._gather(family) for family in FAMILIES]
        self._note_oldest(batches)
        for batch in batches:
            self._send(batch)
        moved = any(batch.next for batch in batches)
        if not moved or time.monotonic() - self._saved_s >= _SAVE_EVERY_S:
            self._save()
        if not moved:
            self._rest(any(batch.wall_unknown for batch in batches))
        return moved

    def _gather(self, family: str) -> _Batch:
        batch = _Batch(family, [])
        for block in self._reader.blocks(family, self._cursors.get(family)):
            if not block.wall_known and block.boot_id == self._clock.boot_id:
                batch.wall_unknown = True
                _note_first(batch, block)
                break
            self._take(batch, block)
            if len(batch.lines) >= self._pace.batch_lines:
                break
        return batch

    def _take(self, batch: _Batch, block: Block) -> None:
        batch.next = block.next
        batch.missing[_UNLINKED] += block.skipped_segments
        batch.missing[_DAMAGED] += block.damaged
        if not block.wall_known:  # that boot is over: nobody can tell any more when it was
            batch.missing[_UNPLACED] += len(block.records)
            return
        _note_first(batch, block)
        encoded = self._encode(block)
        batch.lines += encoded.lines
        batch.missing[_NOT_FINITE] += encoded.dropped

    def _encode(self, block: Block) -> Encoded:
        if block.family == "event":
            return self._encoder.events(cast(list[Event], block.records))
        return self._encoder.samples(cast(list[Sample], block.records))

    def _send(self, batch: _Batch) -> None:
        if batch.next is None:
            return
        self._delivery.deliver(batch.lines)
        for reason, count in batch.missing.items():
            if count:
                self._progress.refused += count
                self._quarantine.add(f"{batch.family}: {reason}", count)
        self._cursors[batch.family] = batch.next

    def _note_oldest(self, batches: Iterable[_Batch]) -> None:
        """Kept until a round finds nothing more: while catching up the lag must not read 0 between two batches."""
        times = [(batch.oldest_ns, batch.wall_unknown and not batch.lines)
                 for batch in batches if batch.oldest_ns is not None]
        self._oldest = min(times) if times else None

    def _rest(self, wall_unknown: bool) -> None:
        if wall_unknown:
            self._progress.state, self._progress.error = "waiting", "the wall time is not known yet"
            return
        if self._progress.state == "waiting":
            self._progress.state, self._progress.error = "ok", None
        with self._turn:
            self._empty_round = self._rounds
            self._turn.notify_all()

    def _save(self) -> None:
        self._saved_s = time.monotonic()
        if self._cursors == self._saved:
            return
        try:
            self._file.save(self._cursors)
            self._saved = dict(self._cursors)
        except OSError as error:
            _LOG.warning("%s: %s; after a restart more is sent again", self._file.path, error)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds) if seconds else self._stop.is_set():
            raise _Stopped


def _note_first(batch: _Batch, block: Block) -> None:
    if batch.oldest_ns is None and block.records:
        batch.oldest_ns = block.records[0].time_ns
