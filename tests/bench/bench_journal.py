"""What a journalled record costs, against the peer people take: sqlite3, WAL, synchronous=FULL, one row a record.

Both get the same records in the same batches, and each batch is synced before the next comes, by `flush` and by commit.

"spool": 1,760 frames/s on their way to a database. The peer keeps their line protocol, a row a line, as a script does
  that has a line for the server and no server; ours keeps the frames, from which the outlet makes the same lines.
"frames", "samples": the peer keeps the same columns as ours, in large batches.
"live": the 11 samples that two packs give in 0.2 s, run a hundred times as fast. Ours syncs every fifth (once a second
  of the story), the peer each: FULL knows no commit without.

CPU time is of the whole process with all its threads. Bytes are the blocks that an ext4 card was given (card.py), the
file system's journal and the peer's checkpoint at closing included; that the peer deletes rows once they are sent, and
writes about as much again for it, is not. Rounds are interleaved; a ratio is the peer's cost by ours in one round.
"""

from __future__ import annotations

import gc
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from card import card, counts_blocks  # noqa: E402 - after the path is set
from workload import frames, write_dbc  # noqa: E402

from twolbms.decode.database import compile_database  # noqa: E402
from twolbms.decode.lines import LineWriter  # noqa: E402
from twolbms.journal import Frame, JournalReader, JournalWriter, Pace, Series  # noqa: E402

SHORT = os.environ.get("TWOLBMS_BENCH") == "short"
ROUNDS = 2 if SHORT else 5
_BOOT = "0123456789abcdef" * 2
_BY_FLUSH = Pace(write_s=3600, sync_s=3600, large=1 << 30)
_TABLES = {"line": "line text", "sample": "time_ns integer, quantity text, pack text, cell integer, value real",
           "frame": "time_ns integer, bus text, can_id integer, extended integer, data blob"}


class Case(NamedTuple):
    """`batches` of `size` records, with `wait_s` between them or a flush of each. Our family, the peer's table."""

    name: str
    family: str
    table: str
    size: int
    batches: int
    wait_s: float
    pace: Pace
    goal_cpu: float
    goal_bytes: float


CASES = (
    Case("spool of 1,760 frames/s", "frame", "line", 500, 50 if SHORT else 400, 0, _BY_FLUSH, 2, 20),
    Case("frames", "frame", "frame", 2000, 25, 0, _BY_FLUSH, 2, 5),
    Case("samples", "sample", "sample", 2000, 25, 0, _BY_FLUSH, 1, 5),
    Case("live samples", "sample", "sample", 11, 300, 0.002, Pace(write_s=0.002, sync_s=0.008), 0.7, 10),
)


@cache
def samples(count: int) -> list[tuple[Any, ...]]:
    """Arguments of `JournalWriter.sample`: two 16-cell packs, mV steps with noise, four cells to one time."""
    rng = random.Random(7)
    series = [Series("cell_voltage_v", pack, cell) for pack in ("north", "south") for cell in range(16)]
    series += [Series(name, pack, None) for pack in ("north", "south") for name in ("current_a", "pack_voltage_v")]
    return [(series[number % len(series)], 10**12 + number // 4 * 72_345_678 + number // 4 % 7 * 3511,
             3.2 + rng.randrange(60) / 1000) for number in range(count)]


@cache
def bus_frames(count: int) -> list[Frame]:
    """The drive of the workload."""
    return [Frame(time_ns, "can0", can_id, False, data) for time_ns, can_id, data in frames(count)]


@cache
def lines(count: int) -> list[tuple[str]]:
    """Its line protocol, a row a frame."""
    with tempfile.TemporaryDirectory() as folder:
        write = LineWriter(compile_database(write_dbc(Path(folder) / "bench.dbc")), "bench").line
    rows = [(write(frame.bus, frame.can_id, frame.extended, frame.data, frame.time_ns),) for frame in bus_frames(count)]
    assert all(isinstance(line, str) for line, in rows)
    return rows


def _kept_by_ours(case: Case) -> list[Any]:
    return {"sample": samples, "frame": bus_frames}[case.family](case.size * case.batches)


def _kept_by_peer(case: Case) -> list[tuple[Any, ...]]:
    if case.table == "line":
        return lines(case.size * case.batches)
    return [(record[1], *record[0], record[2]) if case.family == "sample" else tuple(record)
            for record in _kept_by_ours(case)]


def _batches(case: Case, records: list[Any], take: Callable[[list[Any]], None]) -> None:
    for start in range(0, len(records), case.size):
        take(records[start:start + case.size])
        time.sleep(case.wait_s)


def ours(folder: Path, case: Case, records: list[Any]) -> Callable[[], int]:
    """Writes the case; returns what counts the records read back."""
    writer = JournalWriter(folder, _BOOT, now_ns=time.monotonic_ns, pace=case.pace)

    def take(batch: list[Any]) -> None:
        if case.family == "frame":
            writer.frames(batch)
        else:
            for record in batch:
                writer.sample(*record)
        assert case.wait_s or writer.flush(10)

    _batches(case, records, take)
    writer.close()
    return lambda: sum(len(block.records) for block in JournalReader(folder).blocks(case.family))


def peer(folder: Path, case: Case, records: list[Any]) -> Callable[[], int]:
    """Writes the case; returns what counts the rows read back."""
    folder.mkdir()
    store = sqlite3.connect(folder / "peer.db", isolation_level=None)
    store.execute("pragma journal_mode=wal")
    store.execute("pragma synchronous=full")
    store.execute(f"create table record ({_TABLES[case.table]})")
    insert = f"insert into record values ({', '.join('?' * len(_TABLES[case.table].split(',')))})"

    def take(batch: list[Any]) -> None:
        store.execute("begin")
        store.executemany(insert, batch)
        store.execute("commit")

    _batches(case, records, take)
    store.close()

    def count() -> int:
        store = sqlite3.connect(folder / "peer.db")
        rows = int(store.execute("select count(*) from record").fetchone()[0])
        store.close()
        return rows

    return count


def measure(write: Callable[..., Callable[[], int]], case: Case) -> tuple[float, int]:
    """CPU seconds and bytes on the card of one run."""
    records = (_kept_by_ours if write is ours else _kept_by_peer)(case)
    gc.collect()
    gc.freeze()  # the records to write are the benchmark's: walking over them is neither side's cost
    with card() as one:
        written, cpu_s = one.written(), time.process_time()
        count = write(one.folder / "store", case, records)
        cpu_s = time.process_time() - cpu_s
        written = one.written() - written
        assert count() == case.size * case.batches, "each side holds every record"
    return cpu_s, written


def _result(metric: str, ratios: list[float], goal: float) -> dict[str, Any]:
    return {"metric": metric, "ratio_median": round(statistics.median(ratios), 2), "ratio_min": round(min(ratios), 2),
            "goal": goal, "better": "higher"}


def run() -> list[dict[str, Any]]:
    """Two results a case, CPU and bytes: how many times ours the peer's is."""
    results = []
    for case in CASES:
        pairs = [(measure(peer, case), measure(ours, case)) for _ in range(ROUNDS)]
        what = "card blocks" if counts_blocks() else "pages given to the disk"
        for number, (cost, goal) in enumerate((("CPU", case.goal_cpu), (what, case.goal_bytes))):
            ratios = [theirs[number] / own[number] for theirs, own in pairs]
            results.append(_result(f"journal, {case.name}: {cost}, sqlite3 / ours", ratios, goal))
        if os.environ.get("TWOLBMS_BENCH_ABSOLUTE"):
            count = case.size * case.batches
            for side, runs in zip(("sqlite3", "ours"), zip(*pairs, strict=True), strict=True):
                cpu_us, size = (statistics.median(run[part] for run in runs) / count for part in (0, 1))
                print(f"  {case.name}, {side}: {cpu_us * 1e6:.2f} µs CPU and {size:.1f} bytes of the card a record")
    return results


if __name__ == "__main__":
    for result in run():
        print(result)
