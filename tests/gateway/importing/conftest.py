"""A small recorded-looking Leaf log, written frame by frame with right checksums and counters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from twolbms.cli.import_log import import_command


class Line(NamedTuple):
    time_us: int
    bus: str
    frame: str

    def text(self) -> str:
        return f"({self.time_us // 1_000_000:010d}.{self.time_us % 1_000_000:06d}) {self.bus} {self.frame}"


def crc8(data: bytes) -> int:
    """CRC-8 of polynomial 0x85, bit by bit, typed again here."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x85 if crc & 0x80 else crc << 1) & 0xFF
    return crc


def protected(frame_id: str, body: str, counter: int) -> str:
    """A frame of 8 bytes from its first six, with counter and checksum."""
    data = bytes.fromhex(body) + bytes([counter % 4])
    return f"{frame_id}#{data.hex().upper()}{crc8(data):02X}"


@pytest.fixture
def leaf_lines() -> list[Line]:
    """0.4 s: 40 frames each of 0x1DB and 0x1DC, 4 of 0x55B, 4 of 0x5BC, 2 of 0x5C0, 40 foreign ones; 130 in all.

    The first 0x1DB and 0x1DC hold no values. Current -0.5 A, 400.5 V, SoC 95.7 %, limits 110 kW and 2 kW.
    """
    lines = []
    for tick in range(40):
        at = tick * 10_000
        start = tick == 0
        lines.append(Line(at, "can0", protected("1DB", "7FE0FFC67F00" if start else "FFE0C86A5F00", tick)))
        lines.append(Line(at + 250, "can0", protected("1DC", "FFFFFFFF1FFF" if start else "6E008FFD08C0", tick)))
        lines.append(Line(at + 500, "can0", "11A#4E400001C0000000"))
        if tick % 10 == 5:
            lines.append(Line(at + 750, "can0", protected("55B", "EF405500E3C0", tick // 10)))
            lines.append(Line(at + 900, "can0", "5BC#7100F050BB03FFFF"))
        if tick in (7, 17):
            lines.append(Line(at + 950, "can0", "5C0#404C4C0004E4F100" if tick == 7 else "5C0#C04C4C000454F100"))
    return lines


@pytest.fixture
def leaf_text(leaf_lines: list[Line]) -> str:
    return "".join(line.text() + "\n" for line in leaf_lines)


class Outcome(NamedTuple):
    status: int
    json: dict[str, Any]
    stderr: str
    stdout: str


Import = Callable[..., Outcome]


@pytest.fixture
def run_import(tmp_path: Path) -> Import:
    """Runs the command on a log; each run has a journal folder of its own unless one is given."""
    runs = 0

    def run(log: Path, *options: str, pack: str = "leaf_aze0", journal: Path | None = None) -> Outcome:
        nonlocal runs
        runs += 1
        folder = journal or tmp_path / f"journal-{runs}"
        arguments = [str(log), "--pack", pack, "--journal", str(folder), "--json", *options]
        result = CliRunner().invoke(import_command, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        found = json.loads(result.stdout) if result.stdout.strip() else {}
        if found:
            fates = found["decoded"] + found["unknown_id"] + found["bad_check"] + found["short"]
            assert found["frames"] == fates, "a frame is not accounted for"
        return Outcome(result.exit_code, found, result.stderr, result.stdout)

    return run
