"""The benchmarks' workload is what it says: its DBC, its frames, its log files as python-can reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import can
import cantools
import pytest

from bench import workload

COUNT = 2000


def test_the_database_and_the_frames_fit_together() -> None:
    """112 messages, 8.5 signals a frame, counters that count, checksums that are right, and no value missing."""
    theirs: Any = cantools.database.load_string(workload.dbc_text(), "dbc")
    assert len(theirs.messages) == 112
    frames = workload.frames(workload.FRAMES_PER_S)
    decoded = [theirs.decode_message(can_id, data) for _, can_id, data in frames]
    assert sum(map(len, decoded)) / len(decoded) == pytest.approx(8.545, abs=0.001)
    assert not any(str(value) == workload.NO_VALUE for values in decoded for value in values.values())
    alive = [values["Alive"] for (_, can_id, _), values in zip(frames, decoded, strict=True) if can_id == 0x105]
    assert alive == [at % 16 for at in range(40)]
    for (_, _, data), values in zip(frames, decoded, strict=True):
        assert values.get("Crc", crc8(data[:7])) == crc8(data[:7])


def crc8(data: bytes) -> int:
    """SAE J1850, bit by bit."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x1D) & 0xFF if crc & 0x80 else crc << 1
    return crc ^ 0xFF


def test_the_drive_repeats_with_later_times() -> None:
    """Frames after the end of the drive are those of its begin, 64 s later; parts and the whole agree."""
    frames = workload.frames(workload.DRIVE_FRAMES + 10)
    for early, late in zip(frames[:10], frames[-10:], strict=True):
        assert (late[0] - early[0], late[1:]) == (64_000_000_000, early[1:])
    times_ns, ids, data = workload.columns(20, workload.DRIVE_FRAMES - 10)
    assert frames[-20:] == list(zip(times_ns.tolist(), ids.tolist(), [row.tobytes() for row in data], strict=True))
    assert [frame[0] for frame in frames] == sorted(frame[0] for frame in frames)


@pytest.mark.parametrize("kind", ["candump", "asc", "blf", "mf4"])
def test_log_files_read_back(kind: str, tmp_path: Path) -> None:
    """python-can finds each frame at its time in each kind of file."""
    if kind == "mf4":
        pytest.importorskip("asammdf", reason="needs asammdf")
    path = tmp_path / f"drive.{'log' if kind == 'candump' else kind}"
    getattr(workload, f"write_{kind}")(path, COUNT)
    options: dict[str, Any] = {"relative_timestamp": False} if kind == "asc" else {}
    read = [(round(each.timestamp * 1e6), each.arbitration_id, bytes(each.data))
            for each in can.LogReader(path, **options)]
    begin_us = workload.START_S * 1_000_000
    assert [frame[1:] for frame in read] == [frame[1:] for frame in workload.frames(COUNT)]
    wanted_us = [frame[0] // 1000 for frame in workload.frames(COUNT)]
    if kind == "asc":  # its date has no time zone
        assert [each[0] - read[0][0] for each in read] == [each - begin_us for each in wanted_us]
    else:
        assert [each[0] for each in read] == wanted_us
