"""Decoding the node's messages against cantools' `decode_message` (numbers only): live, frame by frame, and in bulk.

All decode the same frames in turn; the ratio of CPU times is taken round by round. Equal values are asserted first.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import cantools
import numpy as np

from twolbms.decode import CompiledDatabase, compile_database
from twolbms.decode.columns import read_columns
from twolbms.files import data_path

ROUNDS = 15
FRAMES = 10_000 if os.environ.get("TWOLBMS_BENCH") == "short" else 40_000
GOAL_LIVE = 3.5
GOAL_BULK = 15.0

# Frames a second of one node with 16 cells and 4 sensors, as the periods in dbc/node.dbc make them.
MIX = {"PackValues": 100, "PackAllowance": 100, "PackState": 100, "CellExtremes": 100, "NodeFaults": 25,
       "TempExtremes": 20, "NodeCharge": 10, "CellVoltages": 40, "CellTemperatures": 5, "NodeInfo": 3}
PAGES = {"CellVoltages": ("CellGroup", 4), "CellTemperatures": ("TemperatureGroup", 1), "NodeFaults": ("FaultPage", 4),
         "NodeInfo": ("InfoPage", 3)}

Frame = tuple[int, bytes]


def make_frames(theirs: Any, seed: int = 1) -> list[Frame]:
    """Random frames in the mix of a bus, with pages that exist."""
    source = random.Random(seed)
    frames = []
    for name in source.choices(list(MIX), weights=list(MIX.values()), k=FRAMES):
        message = theirs.get_message_by_name(name)
        data = int.from_bytes(source.randbytes(8), "little")
        if name in PAGES:
            signal = message.get_signal_by_name(PAGES[name][0])
            data &= ~(((1 << signal.length) - 1) << signal.start)
            data |= source.randrange(PAGES[name][1]) << signal.start
        frames.append((message.frame_id, data.to_bytes(8, "little")))
    return frames


def cpu_s(work: Callable[[], None]) -> float:
    """CPU seconds of one run."""
    before = time.process_time()
    work()
    return time.process_time() - before


def run() -> list[dict[str, Any]]:
    """Ratios of cantools' CPU time to ours."""
    path = data_path("dbc", "node.dbc")
    theirs: Any = cantools.database.load_file(path)
    ours = compile_database(path, id_mask=0x1FFFFF00)
    frames = make_frames(theirs)
    matrices = make_matrices(frames)
    assert_equal(theirs, ours, frames, matrices)

    def decode_theirs() -> None:
        decode = theirs.decode_message
        for frame_id, data in frames:
            decode(frame_id, data, decode_choices=False)

    def decode_live() -> None:
        decode = ours.decode
        for frame_id, data in frames:
            decode(frame_id, True, data)

    def decode_bulk() -> None:
        for frame_id, matrix in matrices.items():
            message = ours.find(frame_id, True)
            assert message
            read_columns(message, matrix)

    rounds = [(cpu_s(decode_theirs), cpu_s(decode_live), cpu_s(decode_bulk)) for _ in range(ROUNDS)]
    return [
        row("live decode: cantools CPU / ours", [theirs / live for theirs, live, _ in rounds], GOAL_LIVE),
        row("bulk decode: cantools CPU / ours", [theirs / bulk for theirs, _, bulk in rounds], GOAL_BULK),
    ]


def row(metric: str, ratios: list[float], goal: float) -> dict[str, Any]:
    return {
        "metric": metric,
        "ratio_median": round(statistics.median(ratios), 2),
        "ratio_min": round(min(ratios), 2),
        "goal": goal,
        "better": "higher",
    }


def make_matrices(frames: list[Frame]) -> dict[int, np.ndarray]:
    """The data of each message as rows of bytes, in the order of the frames."""
    by_id: dict[int, list[bytes]] = {}
    for frame_id, data in frames:
        by_id.setdefault(frame_id, []).append(data)
    return {key: np.frombuffer(b"".join(datas), dtype=np.uint8).reshape(-1, 8) for key, datas in by_id.items()}


def assert_equal(theirs: Any, ours: CompiledDatabase, frames: list[Frame], matrices: dict[int, np.ndarray]) -> None:
    """0 differences in value and type over all frames, live and in bulk."""
    wanted: dict[int, list[dict[str, Any]]] = {}
    for frame_id, data in frames:
        want = theirs.decode_message(frame_id, data, decode_choices=False)
        wanted.setdefault(frame_id, []).append(want)
        assert repr(want) == repr(ours.decode(frame_id, True, data)), data.hex()
    for frame_id, matrix in matrices.items():
        message = ours.find(frame_id, True)
        assert message
        count = 0
        for name, column in read_columns(message, matrix).items():
            for index, value in zip(column.rows.tolist(), column.values.tolist(), strict=True):
                assert repr(wanted[frame_id][index][name]) == repr(value), name
                count += 1
        assert count == sum(map(len, wanted[frame_id]))


if __name__ == "__main__":
    for line in run():
        print(line)
