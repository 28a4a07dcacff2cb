"""Brings blocks of lines to a database in a thread of its own, so that the next block is decoded meanwhile.

Answers, patience and quarantine are those of the live outlet. A block counts when the server has said yes.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from twolbms.importing.any_can.account import Tally
from twolbms.importing.any_can.resume import Resume
from twolbms.outlets.influx_delivery import Delivery, Pace
from twolbms.outlets.influx_http import WriteConnection
from twolbms.outlets.influx_target import InfluxTarget
from twolbms.outlets.line_text import LineText
from twolbms.outlets.quarantine import Quarantine

PATIENCE_S = 60.0
"""How long nothing may move before the database is given up."""

_BLOCKS_WAITING = 2
_PACE = Pace(batch_lines=20_000)


class SendingFailed(Exception):
    """Not all lines are in the database; the text says why."""


class _Stopped(Exception):
    """The import was ended from outside."""


@dataclass(frozen=True)
class Block:
    """Lines, and the tally of all frames up to their last one."""

    lines: LineText
    tally: Tally


class Sending:
    """The way to one bucket. `confirmed` is the tally at the last yes of the server."""

    def __init__(self, target: InfluxTarget, quarantine: Path, resume: Resume, begun: Tally,
                 patience_s: float = PATIENCE_S) -> None:
        self._connection = WriteConnection(target)
        self._delivery = Delivery(self._connection, Quarantine(quarantine), _PACE, self._pause)
        self._resume = resume
        self._begun = begun
        self._patience_s = patience_s
        self._moved_s = time.monotonic()
        self._blocks: queue.Queue[Block | None] = queue.Queue(_BLOCKS_WAITING)
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self.confirmed = begun
        self._thread = threading.Thread(target=self._run, name="import-sending", daemon=True)
        self._thread.start()

    def put(self, block: Block) -> None:
        """Hands a block on; waits while two are under way. Raises SendingFailed."""
        self._hand_on(block)

    def finish(self) -> Tally:
        """Waits for the last yes; the tally with what was stored. Raises SendingFailed."""
        self._hand_on(None)
        while self._thread.is_alive():
            self._thread.join(0.5)  # a wait without end would swallow Ctrl-C
        self._connection.close()
        self._raise_failure()
        return self.confirmed

    def stop(self) -> None:
        """Ends at once and keeps what is confirmed for the next time."""
        self._stop.set()
        self._connection.abort()
        self._thread.join(5.0)
        self._connection.close()
        if self.confirmed.rows:
            self._resume.save(self.confirmed)

    def _hand_on(self, block: Block | None) -> None:
        while True:
            self._raise_failure()
            try:
                self._blocks.put(block, timeout=0.5)
                return
            except queue.Full:
                continue

    def _raise_failure(self) -> None:
        if isinstance(self._failure, SendingFailed):
            raise self._failure
        if self._failure is not None and not isinstance(self._failure, _Stopped):
            raise RuntimeError("the sending thread failed") from self._failure

    def _run(self) -> None:
        try:
            while (block := self._blocks.get()) is not None:
                self._delivery.deliver(block.lines)
                self._confirm(block)
        except BaseException as error:  # carried to the thread that reads the log
            self._failure = error

    def _confirm(self, block: Block) -> None:
        progress = self._delivery.progress
        block.tally.stored = self._begun.stored + progress.lines
        block.tally.rejected = self._begun.rejected + progress.refused
        self.confirmed = block.tally
        self._moved_s = time.monotonic()
        self._resume.note(self.confirmed, self._moved_s)

    def _pause(self, seconds: float) -> None:
        """Waits for the delivery, as long as there is hope. Raises SendingFailed and _Stopped."""
        progress = self._delivery.progress
        if seconds and (progress.state == "refused" or time.monotonic() - self._moved_s + seconds > self._patience_s):
            raise SendingFailed(progress.error or "the server does not answer")
        if self._stop.wait(seconds) if seconds else self._stop.is_set():
            raise _Stopped
