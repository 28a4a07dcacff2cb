"""The InfluxDB outlet: threads of its own that follow the journal by cursor and hold up nobody.

A cursor moves only when the server has stored everything before it, so an outage, a crash on either side or a power
cut means re-sending, which InfluxDB takes as the same points. What a step does stands in `influx_lanes`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twolbms.clock import Clock
from twolbms.journal import JournalReader
from twolbms.outlets.cursor_file import CursorFile
from twolbms.outlets.influx_delivery import Delivery, Pace, Progress
from twolbms.outlets.influx_encoders import record_encoders
from twolbms.outlets.influx_gather import Encoder, Gatherer
from twolbms.outlets.influx_http import WriteConnection
from twolbms.outlets.influx_lanes import BacklogLane, Courier, LiveLane
from twolbms.outlets.influx_minutes import MinuteLane
from twolbms.outlets.influx_status import combined
from twolbms.outlets.influx_target import InfluxTarget
from twolbms.outlets.ledger import Ledger
from twolbms.outlets.quarantine import Quarantine

_LOG = logging.getLogger(__name__)

_NO_MORE: Mapping[str, Encoder] = {}


class _Stopped(Exception):
    """The outlet was told to stop."""


@dataclass
class _Worker:
    """One lane in a thread: steps as long as there is something, else waits `poll_s` or until it is woken."""

    name: str
    step: Callable[[], bool]
    connection: WriteConnection
    progress: Progress
    poll_s: float
    wake: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class InfluxOutlet:
    """Sends a journal to InfluxDB, new records first. Start it once; `status` may be asked from any thread.

    `minutes`: where minute values go. `more`: the encoders of further families, which both lanes use, and
    `frame_counts` what they tell of frames that gave no line.
    """

    def __init__(self, reader: JournalReader, config: InfluxTarget, cursor_path: Path, clock: Clock,
                 pace: Pace | None = None, *, minutes: InfluxTarget | None = None,
                 more: Mapping[str, Encoder] = _NO_MORE, frame_counts: Mapping[str, int] | None = None) -> None:
        self._clock = clock
        self._frame_counts = frame_counts
        self._pace = pace or Pace()
        self._file = CursorFile(cursor_path)
        self._ledger = Ledger(self._file.load(), config.rewind_s)
        self._saved = self._ledger.standings()
        self._saved_s = time.monotonic()
        self._saving = threading.Lock()
        self._quarantine = Quarantine(cursor_path.with_name("quarantine-influx.log"))
        self._stop = threading.Event()
        self._turn = threading.Condition()
        self._rounds = 0
        self._empty_round = 0

        gatherer = Gatherer(reader, clock, {**record_encoders(config.site), **more}, self._pace.batch_lines)
        self._live = LiveLane(gatherer, self._courier(WriteConnection(config), config))
        self._backlog = BacklogLane(gatherer, self._courier(WriteConnection(config), config))
        self._workers = [self._worker("influx-live", self._live, self._live_round),
                         self._worker("influx-backlog", self._backlog, self._backlog_round)]
        self._minutes: MinuteLane | None = None
        if minutes is not None:
            courier = self._courier(WriteConnection(minutes), minutes)
            self._minutes = MinuteLane(reader, clock, courier, cursor_path.with_name(cursor_path.stem + ".minutes"),
                                       config.site, minutes.rewind_s)
            self._workers.append(self._worker("influx-minutes", self._minutes, self._minutes.step,
                                              self._pace.minutes_poll_s))

    def _courier(self, connection: WriteConnection, target: InfluxTarget) -> Courier:
        delivery = Delivery(connection, self._quarantine, self._pace, self._pause)
        return Courier(connection, delivery, self._ledger, self._quarantine, target.rewind_s > 0)

    def _worker(self, name: str, lane: LiveLane | BacklogLane | MinuteLane, step: Callable[[], bool],
                poll_s: float | None = None) -> _Worker:
        made = _Worker(name, step, lane.connection, lane.progress, poll_s or self._pace.poll_s)
        made.thread = threading.Thread(target=self._run, args=(made,), name=name, daemon=True)
        return made

    def start(self) -> None:
        """Begins to send."""
        for worker in self._workers:
            assert worker.thread
            worker.thread.start()

    def stop(self, timeout: float) -> bool:
        """Ends the threads, cutting off requests in flight; False when one has not ended after `timeout` seconds.

        What is not stored yet is sent after the next start.
        """
        self._stop.set()
        until = time.monotonic() + timeout
        for worker in self._workers:
            worker.wake.set()
        while (alive := [one for one in self._workers if one.thread and one.thread.is_alive()]) and (
                time.monotonic() < until):
            for worker in alive:
                worker.connection.abort()
            assert alive[0].thread
            alive[0].thread.join(min(0.1, timeout))
        self._save()
        return not alive

    def wait_drained(self, timeout_s: float) -> bool:
        """Waits until everything that the journal holds now is stored; False when that took longer.

        Minute values are not waited for: theirs is only whole when it is over.
        """
        with self._turn:
            begun = self._rounds
            for worker in self._workers:
                worker.wake.set()
            return self._turn.wait_for(lambda: self._empty_round > begun, timeout_s)

    def status(self) -> dict[str, Any]:
        """State, lag in seconds (None: not known), points stored and refused since the start, and the trouble.

        `lag_s` is the age of the oldest record that is not stored, `live_lag_s` the same without the backlog.
        """
        progress = [worker.progress for worker in self._workers]
        live_s, backlog_s = self._age_s(self._live.oldest), self._age_s(self._backlog.oldest)
        if self._backlog.oldest is None and self._backlog.owes:
            backlog_s = None
        lag_s = None if live_s is None or backlog_s is None else max(live_s, backlog_s)
        found = {**combined(progress), "lag_s": lag_s, "live_lag_s": live_s}
        return found if self._frame_counts is None else {**found, "frames_without_line": dict(self._frame_counts)}

    def _age_s(self, oldest: tuple[int, bool] | None) -> float | None:
        if oldest is None:
            return 0.0
        time_ns, monotonic = oldest
        mono_ns = self._clock.mono_ns()
        now_ns = mono_ns if monotonic else self._clock.wall_ns(mono_ns)
        return None if now_ns is None else max(0.0, (now_ns - time_ns) / 1e9)

    def _run(self, worker: _Worker) -> None:
        try:
            while True:
                self._guarded(worker)
        except _Stopped:
            if self._minutes is not None and worker.name == "influx-minutes":
                self._minutes.save()
        finally:
            worker.connection.close()
            worker.progress.state = "stopped"

    def _guarded(self, worker: _Worker) -> None:
        """One step; whatever goes wrong inside is told and tried again, the thread goes on."""
        try:
            moved = worker.step()
        except _Stopped:
            raise
        except Exception as error:
            _LOG.exception("%s failed and goes on", worker.name)
            worker.progress.state, worker.progress.error = "waiting", f"{type(error).__name__}: {error}"
            self._pause(self._pace.most_retry_s)
            return
        if time.monotonic() - self._saved_s >= self._pace.save_s:
            self._save()
        if not moved:
            worker.wake.wait(worker.poll_s)
            worker.wake.clear()
        self._pause(0)

    def _live_round(self) -> bool:
        with self._turn:
            self._rounds += 1
        moved = self._live.step()
        if self._backlog.owes:
            self._wake("influx-backlog")
        elif not moved and not self._live.wall_unknown:
            with self._turn:
                self._empty_round = self._rounds
                self._turn.notify_all()
        return moved

    def _backlog_round(self) -> bool:
        """While the live lane finds no server this one does not ask too."""
        if self._live.in_trouble:
            return False
        moved = self._backlog.step()
        if moved and not self._backlog.owes:
            self._wake("influx-live")
        return moved

    def _wake(self, name: str) -> None:
        next(worker for worker in self._workers if worker.name == name).wake.set()

    def _save(self) -> None:
        """Rarely, for an older state only costs re-sending, and a card wears with every replaced file."""
        with self._saving:
            self._saved_s = time.monotonic()
            standings = self._ledger.standings()
            if standings == self._saved:
                return
            try:
                self._file.save(standings)
                self._saved = standings
            except OSError as error:
                _LOG.warning("%s: %s; after a restart more is sent again", self._file.path, error)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds) if seconds else self._stop.is_set():
            raise _Stopped
