"""Backup memory keeps twelve bytes or says that it has none; a write that a reset interrupts is never half believed."""

from __future__ import annotations

from array import array
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from drivers.backup_file import FileBackup
from drivers.backup_memory import WordBackup
from drivers.backup_registers import Registers
from store.record import Record

OLD = bytes(range(0xA0, 0xAC))
NEW = bytes(range(0xB0, 0xBC))


class Reset(Exception):
    pass


class Words:
    """Backup registers that a reset stops after `left` writes; `fixed` ones take no write at all."""

    def __init__(self, count: int, fixed: bool = False) -> None:
        self.words = [0] * count
        self.left = 1 << 20
        self.fixed = fixed

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, k: int) -> int:
        return self.words[k]

    def __setitem__(self, k: int, word: int) -> None:
        if not self.left:
            raise Reset
        self.left -= 1
        assert 0 <= word < 1 << 24
        if not self.fixed:
            self.words[k] = word


def read(words: Any, first: int = 0) -> tuple[bool, bytes, bool]:
    backup = WordBackup(words, first)
    data = bytearray(12)
    there = backup.read(data)
    return there, bytes(data), backup.torn


@pytest.mark.parametrize("words, first", [(array("I", [0] * 4), 0), (array("I", [7] * 32), 28), (Words(5), 1)])
def test_twelve_bytes_come_back(words: Any, first: int) -> None:
    """What was written is read, and words that are not ours are left alone."""
    before = [words[k] for k in range(len(words)) if not first <= k < first + 4]
    assert WordBackup(words, first).write(OLD)
    assert read(words, first) == (True, OLD, False)
    assert [words[k] for k in range(len(words)) if not first <= k < first + 4] == before


def test_empty_registers() -> None:
    """Registers after a power cut without VBAT hold nothing, and that is no torn write."""
    assert read(array("I", [0] * 4))[::2] == (False, False)


@pytest.mark.parametrize("word", [0x01000000, 0xFFFFFFFF, -5])
def test_words_of_somebody_else(word: int) -> None:
    """Words larger than ours, and mem32's negative ones, are not ours."""
    words = Words(4)
    words.words = [1, 2, word, 3]
    assert read(words)[::2] == (False, False)


def test_a_reset_between_two_words() -> None:
    """After each single write of a word: the old bytes, the new ones, or a torn write; never a mixture."""
    found = []
    for left in range(6):
        words = Words(4)
        assert WordBackup(words).write(OLD)
        words.left = left
        with suppress(Reset):
            WordBackup(words).write(NEW)
        there, data, torn = read(words)
        assert there != torn and (torn or data in (OLD, NEW))
        found.append("torn" if torn else {OLD: "old", NEW: "new"}[data])
    assert found == ["old", "torn", "torn", "torn", "torn", "new"]


def test_write_protected_registers() -> None:
    """Registers that do not take what is written are told and counted."""
    backup = WordBackup(Words(4, fixed=True))
    assert not backup.write(OLD) and backup.errors == 1


def test_too_few_words() -> None:
    """Fewer than four words of our own are refused when it is made."""
    with pytest.raises(ValueError):
        WordBackup(array("I", [0] * 5), 2)


def test_registers_by_mem32() -> None:
    """An older MicroPython reaches the G4's registers by their addresses: TAMP_BKP0R is 0x40002500."""
    mem32 = {0x40002500 + 4 * k: 0 for k in range(32)}
    assert WordBackup(Registers(mem32, 0x40002500, 32), 4).write(OLD)
    assert [mem32[0x40002510 + 4 * k] for k in range(4)] == [0xA2A1A0, 0xA5A4A3, 0xA8A7A6, 0xABAAA9]
    assert read(Registers(mem32, 0x40002500, 32), 4) == (True, OLD, False)


def test_a_file_does_it_too(tmp_path: Path) -> None:
    """Where there are no registers a record keeps the bytes; it is not for the cycle, and tells what fails."""
    backup = FileBackup(Record(str(tmp_path / "backup")))
    data = bytearray(12)
    assert backup.may_lag and not backup.read(data)
    assert backup.write(bytearray(OLD))
    assert FileBackup(Record(str(tmp_path / "backup"))).read(data) and bytes(data) == OLD
    lost = FileBackup(Record(str(tmp_path / "no folder" / "backup")))
    assert not lost.write(OLD) and lost.errors == 1 and not lost.read(data)
