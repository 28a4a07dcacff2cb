"""Writers that are quick to write and sure to be closed, and what they wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from twolbms.journal import JournalReader, JournalWriter, Pace, Record

BOOT_A = "aa" * 16
QUICK = Pace(write_s=0.002, sync_s=0.005, retry_s=0.002, retry_most_s=0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def open_writer(folder: Path) -> Iterator[Callable[..., JournalWriter]]:
    writers: list[JournalWriter] = []

    def opened(boot_id: str = BOOT_A, **options: Any) -> JournalWriter:
        settings: dict[str, Any] = {"now_ns": lambda: 10**9, "pace": QUICK} | options
        writers.append(JournalWriter(settings.pop("folder", folder), boot_id, **settings))
        return writers[-1]

    yield opened
    for writer in writers:
        writer.close()


@pytest.fixture
def read_all(folder: Path) -> Callable[[str], list[Record]]:
    def read(family: str) -> list[Record]:
        return [record for block in JournalReader(folder).blocks(family) for record in block.records]

    return read
