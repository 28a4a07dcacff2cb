"""A process of its own that writes a journal as fast as it can and tells each acknowledged record on standard output.

Arguments: folder, boot id, number of the run (records of different runs differ). Ends only when killed.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from twolbms.journal import Event, Frame, JournalWriter, Pace, Reading, Record, Sample, Series


def as_row(record: Record) -> list:
    """A record as JSON can hold it, its family first."""
    if isinstance(record, Sample):
        return ["sample", record.time_ns, *record.series, record.value]
    if isinstance(record, Event):
        return ["event", *record]
    if isinstance(record, Frame):
        return ["frame", *record[:4], record.data.hex()]
    assert isinstance(record, Reading)
    return ["reading", record.time_ns, record.source, record.data.hex()]


def tell(records: Sequence[Record]) -> None:
    """One write() of whole lines; a kill may still cut the last of them."""
    os.write(1, "".join(json.dumps(as_row(record)) + "\n" for record in records).encode())


def scribble(writer: JournalWriter, run: int) -> None:
    """Mixed records without end, in small and large batches."""
    rng = random.Random(run)
    while True:
        for _ in range(rng.choice((1, 10, 100, 1000))):
            time_ns = time.monotonic_ns()
            writer.sample(Series("cell_voltage_v", "north", rng.randrange(16)), time_ns, rng.random())
            writer.frame(time_ns, "can0", rng.randrange(1 << 29), True, rng.randbytes(rng.randrange(9)))
            if rng.random() < 0.1:
                writer.reading(time_ns, "shunt", rng.randbytes(300))
                writer.event(time_ns, "note", "north", {"run": run, "random": rng.random()})
        time.sleep(rng.choice((0, 0.001)))


def main(folder: str, boot_id: str, run: str) -> None:
    """Writes until killed, on a story whose wall time is its monotonic time."""
    pace = Pace(write_s=0.001, sync_s=0.01, large=300)
    writer = JournalWriter(Path(folder), boot_id, now_ns=time.monotonic_ns, on_acknowledged=tell, pace=pace,
                           segment_bytes=1 << 17)
    writer.fix_wall(0, "demo")
    scribble(writer, int(run))


if __name__ == "__main__":
    main(*sys.argv[1:])
