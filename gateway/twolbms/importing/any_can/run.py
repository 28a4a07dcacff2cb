"""One import of any CAN from file to destinations, and the account of it."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from twolbms.importing.any_can.account import Account, Tally
from twolbms.importing.any_can.databases import Names, find_dbc, load_databases
from twolbms.importing.any_can.lines import BulkLines, PlainLines
from twolbms.importing.any_can.resume import Resume, content_hash, key_of, state_folder
from twolbms.importing.any_can.sending import PATIENCE_S, Block, Sending, SendingFailed
from twolbms.importing.frames import Damage
from twolbms.importing.jumps import YearJumps
from twolbms.importing.readers.log_file import Progress
from twolbms.importing.readers.open_log import read_frames, read_tables
from twolbms.importing.timeline import Timeline
from twolbms.outlets.influx_target import InfluxTarget


@dataclass(frozen=True)
class Request:
    """What is to be imported, and where to. `bus` None takes all; `start_ns` is wall time of the first frame.

    `journal` takes the raw frames, `target` every signal; one of them at least. `restart` forgets an earlier run.
    """

    log: Path
    dbc: tuple[Path, ...]
    id_mask: int
    site: str
    journal: Path | None = None
    target: InfluxTarget | None = None
    bus: int | None = None
    start_ns: int | None = None
    restart: bool = False
    patience_s: float = PATIENCE_S


class Unfinished(Exception):
    """The import ended early; the text says why, and where the same command goes on. `stored` lines are safe."""

    def __init__(self, text: str, stored: int, interrupted: bool) -> None:
        super().__init__(text)
        self.stored = stored
        self.interrupted = interrupted


def import_any_can(request: Request, progress: Progress = lambda done: None, bulk: bool | None = None,
                   told_resumed: Callable[[int], None] = lambda rows: None) -> Account:
    """Read a log, send and record it, and say what was found.

    `told_resumed` is called with the frames that an earlier run had brought to the database. `bulk` chooses between
    the numpy way and frame by frame (None: numpy if it is there); both give the same. Raises DbcUnusable,
    UnreadableLog, JournalRefused, JournalFailed, Unfinished and OSError.
    """
    begun_s = time.monotonic()
    bulk = importlib.util.find_spec("numpy") is not None if bulk is None else bulk
    paths = tuple(find_dbc(path) for path in request.dbc)
    database = load_databases(paths, request.id_mask)
    damage, jumps = Damage(), YearJumps()
    batches: Iterator[Any] = (jumps.watched_tables(read_tables(request.log, damage, progress)) if bulk
                              else jumps.watched(read_frames(request.log, damage, progress)))
    account = Account(Tally(), Names(database).name_of)
    first = next(batches, None)
    if first is not None:
        timeline = Timeline(request.start_ns)
        timeline.begin(int(first.time_ns[0]) if bulk else first[0].time_ns)
        shift_ns = timeline.shift_ns + timeline.wall_offset_ns
        lines = (BulkLines if bulk else PlainLines)(database, request.site if request.target else None, request.bus,
                                                    shift_ns)
        way = _Import(request, account, lines, paths)
        if account.resumed_at:
            told_resumed(account.resumed_at)
        way.run(chain([first], batches))
        if request.target and request.start_ns is None and timeline.shift_ns:
            account.notes.append("the log has no calendar time, so its first point lies at 1970-01-01; --start sets it")
    account.malformed_lines = damage.malformed_lines
    account.problems += damage.sentences() + jumps.sentences()
    account.seconds = time.monotonic() - begun_s
    return account


class _Import:
    """The way of all batches of one log to their destinations."""

    def __init__(self, request: Request, account: Account, lines: Any, dbc: tuple[Path, ...]) -> None:
        self._request = request
        self._account = account
        self._lines = lines
        self._seen = 0
        self._sending: Sending | None = None
        self._resume: Resume | None = None
        self._journal: Any = None
        if request.journal is not None:
            from twolbms.importing.any_can.frame_journal import FrameJournal

            self._journal = FrameJournal(request.journal, content_hash([request.log]))
        if request.target is not None:
            self._begin_sending(request, request.target, dbc)

    def _begin_sending(self, request: Request, target: InfluxTarget, dbc: tuple[Path, ...]) -> None:
        hashes = content_hash([request.log, *dbc])
        key = key_of(hashes, request.id_mask, request.site, request.bus, request.start_ns, target.url, target.org,
                     target.bucket)
        self._resume = resume = Resume(state_folder(), key)
        if request.restart:
            resume.forget()
        begun = resume.load() or Tally()
        self._account.resumed_at = begun.rows
        self._account.tally = begun.copy()
        self._sending = Sending(target, quarantine_of(resume), resume, begun, request.patience_s)

    def run(self, batches: Iterator[Any]) -> None:
        """Takes them all. Raises Unfinished."""
        try:
            for batch in batches:
                self._take(batch)
            self._finish()
        except SendingFailed as error:
            raise self._unfinished(str(error)) from error
        except KeyboardInterrupt:
            if self._sending is None:
                raise
            raise self._unfinished("interrupted", interrupted=True) from None
        finally:
            if self._sending is not None:
                self._sending.stop()
            if self._journal is not None:
                self._journal.close()

    def _take(self, batch: Any) -> None:
        lines, rows = self._lines, self._lines.rows(batch)
        known = min(rows, max(0, self._account.resumed_at - self._seen))
        self._seen += rows
        if known and self._journal is not None:
            self._journal.take(lines.choose(lines.cut(batch, 0, known), Tally()))
        if known == rows:
            return
        chosen = lines.choose(lines.cut(batch, known, rows), self._account.tally)
        if self._journal is not None:
            self._journal.take(chosen)
        if self._sending is not None:
            text = lines.lines(chosen, self._account.tally)
            self._sending.put(Block(text, self._account.tally.copy()))

    def _finish(self) -> None:
        if self._sending is not None and self._resume is not None:
            self._account.tally = self._sending.finish()
            self._sending = None
            self._resume.forget()
            if self._account.tally.rejected:
                self._account.problems.append(
                    f"the database refused {self._account.tally.rejected} lines; the reasons stand in "
                    f"{quarantine_of(self._resume)}")
            if self._resume.problem:
                self._account.notes.append(self._resume.problem)
        if self._journal is not None:
            self._journal.finish(self._request.log.name, self._account.tally)

    def _unfinished(self, reason: str, interrupted: bool = False) -> Unfinished:
        assert self._sending is not None and self._resume is not None
        confirmed = self._sending.confirmed
        go_on = "the same command begins anew" if self._resume.problem or not confirmed.rows else (
            f"the same command goes on after frame {confirmed.rows:,}")
        return Unfinished(f"{confirmed.stored:,} lines are in the database, then: {reason}; {go_on}",
                          confirmed.stored, interrupted)


def quarantine_of(resume: Resume) -> Path:
    """Where lines go that the database refuses."""
    return resume.path.with_suffix(".quarantine.log")
