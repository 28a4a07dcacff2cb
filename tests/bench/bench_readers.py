"""Logs into frames and decoded columns: candump and BLF against python-can and cantools, MDF against asammdf.

CPU of all threads of one process, ours and theirs in turn. Both give the same values of the same signals, which is
asserted on a part of the log before a ratio counts.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import can
import cantools
import numpy as np
import workload

from twolbms.decode import CompiledDatabase, compile_database
from twolbms.decode.cache import database_from
from twolbms.decode.columns import read_columns
from twolbms.decode.table import FrameTable
from twolbms.importing.frames import Damage
from twolbms.importing.readers.open_log import read_tables
from twolbms.importing.readers.tables import of_at_least

SHORT = os.environ.get("TWOLBMS_BENCH") == "short"
FRAMES = 100_000 if SHORT else 1_000_000
ROUNDS = 3
COMPARED = 20_000
AT_ONCE = 500_000  # frames that are decoded together
GOALS = {"candump": 25.0, "blf": 14.0, "mf4": 1.7}

Columns = dict[tuple[int, str], list[Any]]


def tables(log: Path) -> Iterator[FrameTable]:
    """The frames of a log; a damaged one would make no fair race."""
    damage = Damage()
    yield from read_tables(log, damage, lambda done: None)
    assert not damage.sentences()


def our_columns(log: Path, database: CompiledDatabase, keep: Columns | None = None) -> int:
    """Every signal of a log as columns, a table at a time; the number of values. `keep` gets them all."""
    values = 0
    for table in of_at_least(AT_ONCE, tables(log)):
        order = np.argsort(table.can_id.astype(np.uint16), kind="stable")
        ids = table.can_id[order]
        starts = np.flatnonzero(np.diff(ids, prepend=-1))
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(ids)], strict=True):
            message = database.find(int(ids[start]), False)
            assert message is not None
            rows = order[start:stop]
            for name, column in read_columns(message, table.data[rows]).items():
                values += len(column.values)
                if keep is not None:
                    keep[message.frame_id, name] += column.values.tolist()
    return values


def their_columns(log: Path, database: Any, keep: Columns | None = None) -> int:
    """The same with python-can and cantools, as people write it."""
    values = 0
    for message in can.LogReader(log):
        found = database.decode_message(message.arbitration_id, message.data, decode_choices=False)
        values += len(found)
        if keep is not None:
            for name, value in found.items():
                keep[message.arbitration_id, name].append(value)
    return values


def our_frames(log: Path) -> int:
    """Frames of a log in tables."""
    return sum(len(table.time_ns) for table in tables(log))


def their_frames(log: Path) -> int:
    """Frames of a log by python-can."""
    return sum(1 for _ in can.LogReader(log))


def asammdf_columns(log: Path, dbc: Path) -> Any:
    """What asammdf makes of an MDF file and a DBC."""
    from asammdf import MDF

    with MDF(log) as file:
        return file.extract_bus_logging({"CAN": [(dbc, 0)]})


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of all threads."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def row(metric: str, goal: float, theirs: Callable[[], object], ours: Callable[[], object]) -> dict[str, Any]:
    """The ratio of their CPU to ours over interleaved rounds."""
    ratios = []
    for _ in range(ROUNDS):
        ratios.append(cpu_s(theirs) / cpu_s(ours))
    return {"metric": metric, "ratio_median": round(statistics.median(ratios), 2),
            "ratio_min": round(min(ratios), 2), "goal": goal, "better": "higher"}


def run() -> list[dict[str, Any]]:
    """One row a format."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = name
        dbc = workload.write_dbc(folder / "packs.dbc")
        ours, theirs = compile_database(dbc), cantools.database.load_file(dbc)
        rows = [_candump(folder, ours, theirs), _blf(folder)]
        if importlib.util.find_spec("asammdf") is None:
            print("bench_readers: asammdf is not installed, no row for MDF", file=sys.stderr)
            return rows
        return [*rows, _mf4(folder, dbc)]


def _candump(folder: Path, ours: CompiledDatabase, theirs: Any) -> dict[str, Any]:
    log, short = folder / "drive.log", folder / "short.log"
    workload.write_candump(log, FRAMES)
    workload.write_candump(short, COMPARED)
    one: Columns = defaultdict(list)
    other: Columns = defaultdict(list)
    assert our_columns(short, ours, one) == their_columns(short, theirs, other) > 8 * COMPARED
    assert one == other, "values differ"
    return row(f"candump of {FRAMES:,} frames into columns: python-can + cantools / ours", GOALS["candump"],
               lambda: their_columns(log, theirs), lambda: our_columns(log, ours))


def _blf(folder: Path) -> dict[str, Any]:
    log, short = folder / "drive.blf", folder / "short.blf"
    workload.write_blf(log, FRAMES)
    workload.write_blf(short, COMPARED)
    found = [(time_ns, frame_id, data.tobytes()) for table in tables(short)
             for time_ns, frame_id, data in zip(table.time_ns.tolist(), table.can_id.tolist(), table.data, strict=True)]
    assert found == [(round(each.timestamp * 1e6) * 1000, each.arbitration_id, bytes(each.data))
                     for each in can.LogReader(short)]
    return row(f"BLF of {FRAMES:,} frames into frames: python-can / ours", GOALS["blf"],
               lambda: their_frames(log), lambda: our_frames(log))


def _mf4(folder: Path, dbc: Path) -> dict[str, Any]:
    log, short = folder / "drive.mf4", folder / "short.mf4"
    workload.write_mf4(log, FRAMES)
    workload.write_mf4(short, COMPARED)
    one: Columns = defaultdict(list)
    our_columns(short, database_from(dbc), one)
    extracted = asammdf_columns(short, dbc)
    for signal in ("Voltage", "CellVoltageMaximum", "CellTemperature03"):
        theirs = np.concatenate([extracted.get(signal, group, index).samples
                                 for group, index in extracted.channels_db[signal]])
        mine = np.concatenate([values for (_, name), values in one.items() if name == signal])
        assert len(mine) > 0 and np.array_equal(np.sort(theirs), np.sort(mine)), f"{signal} differs"
    return row(f"MDF of {FRAMES:,} frames into columns: asammdf / ours", GOALS["mf4"],
               lambda: asammdf_columns(log, dbc), lambda: our_columns(log, database_from(dbc)))


if __name__ == "__main__":
    for figure in run():
        print(figure)
