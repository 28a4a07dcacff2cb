"""One import from file to journal: finds the format, reads, interprets, records, and gives the account of it."""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from twolbms.importing.destination import ImportJournal, check_free
from twolbms.importing.findings import Findings
from twolbms.importing.frames import Damage
from twolbms.importing.interpret import Interpreter
from twolbms.importing.jumps import YearJumps
from twolbms.importing.pack import LoadedPack
from twolbms.importing.readers.log_file import Progress, boot_id_of
from twolbms.importing.readers.open_log import read_frames, read_tables
from twolbms.importing.timeline import Timeline

LinesTo = Callable[[Path], None]
"""Sends what a finished journal folder holds to a database; see `import_log`."""


@dataclass(frozen=True)
class Request:
    """What is to be imported, and where to. `bus` None takes all; `start_ns` is wall time of the first frame."""

    log: Path
    pack: LoadedPack
    journal: Path
    bus: int | None = None
    start_ns: int | None = None


def import_log(
    request: Request,
    progress: Progress = lambda done: None,
    lines_to: LinesTo | None = None,
    bulk: bool | None = None,
) -> Findings:
    """Read a log into a new journal and say what was found.

    `lines_to` is called once with the journal's folder when it is closed and holds records: the hook of a database
    outlet, which drains a journal by cursor. `bulk` chooses between the numpy way and frame by frame (None: numpy if
    it is there); both give the same. Raises UnreadableLog, JournalRefused, JournalFailed and OSError.
    """
    check_free(request.journal)
    bulk = importlib.util.find_spec("numpy") is not None if bulk is None else bulk
    damage, findings = Damage(), Findings()
    jumps = YearJumps()
    batches: Iterator[Any] = (jumps.watched_tables(read_tables(request.log, damage, progress)) if bulk
                              else jumps.watched(read_frames(request.log, damage, progress)))
    with _no_search_for_cycles():
        first = next(batches, None)
        if first is not None:
            _record(request, findings, first, batches, bulk)
    findings.malformed_lines = damage.malformed_lines
    findings.problems = damage.sentences() + jumps.sentences()
    if findings.frames and lines_to:
        lines_to(request.journal)
    return findings


def _record(request: Request, findings: Findings, first: Any, rest: Iterator[Any], bulk: bool) -> None:
    """Interpret all batches into a journal, which is removed again when no data frame came."""
    timeline = Timeline(request.start_ns)
    timeline.begin(int(first.time_ns[0]) if bulk else first[0].time_ns)
    journal = ImportJournal(request.journal, boot_id_of(request.log), timeline.wall_offset_ns)
    sink = journal.samples if bulk else journal.sample
    interpreter = _interpreter(bulk)(request.pack, findings, timeline, sink, request.bus)
    for batch in chain([first], rest):
        interpreter.take([batch] if bulk else batch)
        journal.settle()
    if not findings.frames:
        journal.discard()
        return
    assert findings.end_ns is not None
    journal.finish(findings.end_ns - timeline.wall_offset_ns, request.pack.model.pack, _event(request, findings))


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Millions of samples in tuples make Python search them for cycles, which costs as much as the import itself."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _event(request: Request, findings: Findings) -> dict[str, Any]:
    counts = {name: getattr(findings, name) for name in ("frames", "decoded", "unknown_id", "bad_check", "short")}
    return {"log": request.log.name, "bus": request.bus, **counts}


def _interpreter(bulk: bool) -> Any:
    if not bulk:
        return Interpreter
    from twolbms.importing.interpret_bulk import BulkInterpreter

    return BulkInterpreter
