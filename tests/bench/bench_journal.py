"""What a journalled record costs, against the peer people take: sqlite3, WAL, synchronous=FULL, one row a record.

Both get the same records in the same batches.
"live": the 11 samples that two packs give in 0.2 s, run a hundred times as fast. Both have a batch out of the process
before the next comes. Ours syncs every fifth (once a second of the story), the peer each: FULL knows no commit without.
"samples", "frames": a backlog in batches of 2,000, and both sync once a batch, by `flush` and by commit.

CPU time is of the whole process with all its threads; bytes are what the kernel was given to write to the disk, with
the peer's checkpoint at closing. Rounds are interleaved; a ratio is the peer's cost by ours in one round.
"""

from __future__ import annotations

import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from twolbms.journal import JournalReader, JournalWriter, Pace, Series

ROUNDS = 2 if os.environ.get("TWOLBMS_BENCH") == "short" else 5
_BOOT = "0123456789abcdef" * 2
_BY_FLUSH = Pace(write_s=3600, sync_s=3600, large=1 << 30)
_COLUMNS = {"sample": "time_ns integer, quantity text, pack text, cell integer, value real",
            "frame": "time_ns integer, bus text, can_id integer, extended integer, data blob"}


class Case(NamedTuple):
    """`batches` of `size` records, `wait_s` between them; without a wait each batch is flushed."""

    name: str
    family: str
    size: int
    batches: int
    wait_s: float
    pace: Pace
    goal_cpu: float
    goal_bytes: float


CASES = (
    Case("live", "sample", 11, 300, 0.002, Pace(write_s=0.002, sync_s=0.008), 0.7, 6),
    Case("samples", "sample", 2000, 25, 0, _BY_FLUSH, 1.0, 10),
    Case("frames", "frame", 2000, 25, 0, _BY_FLUSH, 1.0, 5),
)


@lru_cache
def samples(count: int) -> list[tuple[Any, ...]]:
    """Arguments of `JournalWriter.sample`: two 16-cell packs, mV steps with noise, four cells to one time."""
    rng = random.Random(7)
    series = [Series("cell_voltage_v", pack, cell) for pack in ("north", "south") for cell in range(16)]
    series += [Series(name, pack, None) for pack in ("north", "south") for name in ("current_a", "pack_voltage_v")]
    return [(series[number % len(series)], 10**12 + number // 4 * 72_345_678 + number // 4 % 7 * 3511,
             3.2 + rng.randrange(60) / 1000) for number in range(count)]


@lru_cache
def frames(count: int) -> list[tuple[Any, ...]]:
    """Arguments of `JournalWriter.frame`: seven messages of 16 nodes, with values of which half the bytes change."""
    rng = random.Random(7)
    return [(10**12 + number * 568_000 + rng.randrange(20_000), "can0", 0x0CFF0001 + (number % 7 << 8) + number % 16,
             True, bytes((12, number % 16, 0, 0x80)) + rng.randbytes(4)) for number in range(count)]


def _records(case: Case) -> list[tuple[Any, ...]]:
    return {"sample": samples, "frame": frames}[case.family](case.size * case.batches)


def _row(record: tuple[Any, ...]) -> tuple[Any, ...]:
    return (record[1], *record[0], record[2]) if isinstance(record[0], Series) else record


def _batches(case: Case, take: Callable[[list[tuple[Any, ...]]], None]) -> None:
    records = _records(case)
    for start in range(0, len(records), case.size):
        take(records[start:start + case.size])
        time.sleep(case.wait_s)


def ours(folder: Path, case: Case) -> Callable[[], int]:
    """Writes the case; returns what counts the records read back."""
    writer = JournalWriter(folder, _BOOT, now_ns=time.monotonic_ns, pace=case.pace)
    put = getattr(writer, case.family)

    def take(batch: list[tuple[Any, ...]]) -> None:
        for record in batch:
            put(*record)
        assert case.wait_s or writer.flush(10)

    _batches(case, take)
    writer.close()
    return lambda: sum(len(block.records) for block in JournalReader(folder).blocks(case.family))


def peer(folder: Path, case: Case) -> Callable[[], int]:
    """Writes the case; returns what counts the rows read back."""
    folder.mkdir()
    store = sqlite3.connect(folder / "peer.db", isolation_level=None)
    store.execute("pragma journal_mode=wal")
    store.execute("pragma synchronous=full")
    store.execute(f"create table record ({_COLUMNS[case.family]})")

    def take(batch: list[tuple[Any, ...]]) -> None:
        store.execute("begin")
        store.executemany("insert into record values (?, ?, ?, ?, ?)", map(_row, batch))
        store.execute("commit")

    _batches(case, take)
    store.close()
    return lambda: int(sqlite3.connect(folder / "peer.db").execute("select count(*) from record").fetchone()[0])


def _written() -> int:
    """Bytes that this process has caused to be written to the disk; in memory file systems, bytes given to write()."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["write_bytes"]) or int(fields["wchar"])


def measure(write: Callable[[Path, Case], Callable[[], int]], case: Case) -> tuple[float, int]:
    """CPU seconds and bytes of one run in a fresh folder."""
    _records(case)
    with tempfile.TemporaryDirectory() as folder:
        cpu_s, written = time.process_time(), _written()
        count = write(Path(folder) / "store", case)
        cpu_s, written = time.process_time() - cpu_s, _written() - written
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
        for number, (cost, goal) in enumerate((("CPU", case.goal_cpu), ("bytes written", case.goal_bytes))):
            ratios = [theirs[number] / own[number] for theirs, own in pairs]
            results.append(_result(f"journal, {case.name}: {cost}, sqlite3 / ours", ratios, goal))
    return results


if __name__ == "__main__":
    for result in run():
        print(result)
