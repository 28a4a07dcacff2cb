"""Frames to compare readers by: what python-can reads out of a file, as the rows of our readers."""

from __future__ import annotations

import random
from pathlib import Path

import can

from twolbms.importing.frames import DATA, ERROR, REMOTE, Damage, LogFrame
from twolbms.importing.readers.open_log import read_frames, read_tables
from twolbms.importing.readers.tables import frames_of


def plain(path: Path) -> tuple[list[LogFrame], Damage]:
    """The frames of the reader that goes frame by frame, and the damage it found."""
    damage = Damage()
    return [frame for batch in read_frames(path, damage, lambda done: None) for frame in batch], damage


def bulk(path: Path) -> tuple[list[LogFrame], Damage]:
    """The frames of the reader that gives tables."""
    damage = Damage()
    return [frame for table in read_tables(path, damage, lambda done: None) for frame in frames_of(table)], damage


def of_python_can(path: Path, first_bus: int = 0) -> list[LogFrame]:
    """The frames of python-can's reader of the file's suffix, times rounded to whole microseconds."""
    with can.LogReader(path) as reader:
        return [as_frame(message, first_bus) for message in reader]


def as_frame(message: can.Message, first_bus: int = 0) -> LogFrame:
    """A python-can message as our row; remote and error frames have no data."""
    kind = ERROR if message.is_error_frame else REMOTE if message.is_remote_frame else DATA
    channel = message.channel if isinstance(message.channel, int) else first_bus
    return LogFrame(round(message.timestamp * 1e6) * 1000, f"can{max(0, channel - first_bus)}",
                    message.arbitration_id, message.is_extended_id, bytes(message.data) if kind == DATA else b"", kind)


def messages(count: int, seed: int, fd: bool = True, start_s: float = 1_700_000_000.0) -> list[can.Message]:
    """Frames of all kinds in runs and alone, on two buses, microseconds apart."""
    source = random.Random(seed)
    found: list[can.Message] = []
    at_us = round(start_s * 1e6)
    while len(found) < count:
        kind = source.choice(["plain"] * 6 + ["remote", "error"] + ["fd"] * fd)
        extended = source.random() < 0.3
        same = {"arbitration_id": source.randrange(1 << 29 if extended else 1 << 11), "is_extended_id": extended,
                "channel": source.randrange(2)}
        for _ in range(source.choice([1, 1, 2, 30, 200])):
            at_us += source.choice([0, 1, 250, 10_000])
            found.append(_message(source, kind, at_us / 1e6, same))
    return found[:count]


def _message(source: random.Random, kind: str, timestamp: float, same: dict) -> can.Message:
    if kind == "error":
        return can.Message(timestamp, is_error_frame=True, channel=same["channel"])
    if kind == "remote":
        return can.Message(timestamp, is_remote_frame=True, dlc=source.randrange(9), **same)
    if kind == "fd":
        data = source.randbytes(source.choice([0, 3, 8, 12, 20, 64]))
        return can.Message(timestamp, is_fd=True, bitrate_switch=True, data=data, **same)
    return can.Message(timestamp, data=source.randbytes(source.choice([8, 8, 8, 8, 0, 3])), **same)


def write(path: Path, found: list[can.Message], **options: object) -> Path:
    """A log as python-can writes it."""
    with can.Logger(path, **options) as writer:
        for message in found:
            writer.on_message_received(message)
    return path
