"""Versions in raw flash that is memory: written in any pieces, read where they lie, not overwritten while they run."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from firmware.board_files import nucleo_disk
from twolbms.build.image import Image
from twolbms.build.romfs import romfs_files
from twolbms.files import data_path
from twolbms.sim.chips.stm32g4_flash import Stm32g4Flash

BOOT = data_path("firmware", "boot")
if str(BOOT) not in sys.path:
    sys.path.insert(0, str(BOOT))

import slot_record  # noqa: E402 - after the path is set
from raw_slots import RawSlots  # noqa: E402
from version import Check  # noqa: E402

FIRST, PAGE = 0x0805E000, 2048
PAGES_A_SLOT, LOWER = 6, 3  # pages below them are another's
A, B = "/slot_a.2lb", "/slot_b.2lb"
EBUSY, ENOENT, ENOSPC, EIO = 16, 2, 28, 5


def image(word: bytes, size: int = 9000) -> Image:
    return Image("bench", "some_pack", (1, 2, 3), 0, b"\1\2\3\4", (("app.mpy", word * (size // len(word))),))


DISK = nucleo_disk()


@pytest.fixture
def chip() -> Stm32g4Flash:
    return Stm32g4Flash(FIRST, (LOWER + 2 * PAGES_A_SLOT) * PAGE)


@pytest.fixture
def slots(chip: Stm32g4Flash) -> Any:
    device = DISK.Pages(chip.registers, chip.content, FIRST)
    return RawSlots(device, chip.content, PAGE, LOWER, PAGES_A_SLOT)


def write(slots: Any, path: str, data: bytes, piece: int = 512) -> None:
    with slots.open(path, "wb") as file:
        for at in range(0, len(data), piece):
            assert file.write(data[at:at + piece]) == len(data[at:at + piece])


def read(slots: Any, path: str) -> bytes:
    with slots.open(path, "rb") as file:
        buffer, found = bytearray(700), b""
        while n := file.readinto(buffer):
            found += buffer[:n]
    return found


@pytest.mark.parametrize("piece", [1, 5, 7, 64, 1000, 1024, 9999])
def test_what_is_written_is_read(slots: Any, chip: Stm32g4Flash, piece: int) -> None:
    """In pieces of any length, as CAN, a console and littlefs' users bring them; only the slot's own pages change."""
    data = image(b"abcdefg").data()
    write(slots, B, data, piece)
    assert read(slots, B) == data and slots.stat(B)[6] == len(data)
    assert bytes(chip.content[:(LOWER + PAGES_A_SLOT) * PAGE]) == b"\xff" * ((LOWER + PAGES_A_SLOT) * PAGE)
    assert min(chip.erased) == LOWER + PAGES_A_SLOT
    with pytest.raises(OSError, match=str(ENOENT)):
        slots.stat(A)


def test_a_version_is_written_over_another(slots: Any) -> None:
    """A shorter one over a longer one, and the other slot keeps what it has."""
    write(slots, A, image(b"other").data())
    for word, size in ((b"long", 11000), (b"short", 300)):
        data = image(word, size).data()
        write(slots, B, data)
        assert read(slots, B) == data
    assert read(slots, A) == image(b"other").data()
    assert [(name, size) for name, _, _, size in slots.ilistdir("/")] == [
        ("slot_a.2lb", len(image(b"other").data())), ("slot_b.2lb", len(data))]


def test_it_runs_from_where_it_lies(slots: Any, chip: Stm32g4Flash) -> None:
    """What is mounted is flash itself: a ROMFS image, without head and hash."""
    data = image(b"code").data()
    write(slots, A, data)
    memory = slots.run(0, len(data))
    assert romfs_files(bytes(memory)) == list(image(b"code").files)
    assert memory.obj is chip.content


def test_a_version_that_runs_is_not_overwritten(slots: Any) -> None:
    """Its code would change under the processor: writing and removing are refused, the other slot is free."""
    data = image(b"runs").data()
    write(slots, A, data)
    write(slots, B, data)
    slots.run(0, len(data))
    for change in (lambda: slots.open(A, "wb"), lambda: slots.remove(A)):
        with pytest.raises(OSError, match=str(EBUSY)):
            change()
    assert read(slots, A) == data
    slots.remove(B)
    with pytest.raises(OSError, match=str(ENOENT)):
        slots.open(B, "rb")


def test_other_names_are_none(slots: Any) -> None:
    """There are two files and nothing else."""
    for call in (slots.stat, slots.remove, lambda path: slots.open(path, "wb"), lambda path: slots.open(path, "rb")):
        with pytest.raises(OSError, match=str(ENOENT)):
            call("/slot_c.2lb")
    assert slots.stat("/")[0] == 0x4000


def test_what_has_no_room_is_refused(slots: Any, chip: Stm32g4Flash) -> None:
    """Not a byte behind the slot is touched."""
    with pytest.raises(OSError, match=str(ENOSPC)):
        write(slots, A, bytes(PAGES_A_SLOT * PAGE + 1))
    assert max(chip.erased) == LOWER + PAGES_A_SLOT - 1


@pytest.mark.parametrize("refused", ["ioctl", "writeblocks"])
def test_flash_that_refuses_is_told(slots: Any, monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """An erase or a write that fails ends the update with an error, and closing the file adds nothing to that."""
    data = image(b"new").data()
    file = slots.open(A, "wb")
    file.write(data[:2041])
    monkeypatch.setattr(slots._flash, refused, lambda *_: -5)
    with pytest.raises(OSError, match=str(EIO)):
        file.write(data[2041:])
    file.close()


class Cut(Exception):
    """The power has gone."""


class CutPages:
    """Flash that stops in the middle of its nth write or erase: half of what was asked is done."""

    def __init__(self, content: bytearray, cut_at: int) -> None:
        self.content = content
        self.left = cut_at

    def writeblocks(self, page: int, buffer: bytes, offset: int = 0) -> int:
        at = page * PAGE + offset
        done = self._done(len(buffer))
        self.content[at:at + done] = bytes(buffer[:done])
        self._cut()
        return 0

    def ioctl(self, what: int, page: int) -> int:
        done = self._done(PAGE)
        self.content[page * PAGE:page * PAGE + done] = b"\xff" * done
        self._cut()
        return 0

    def _done(self, size: int) -> int:
        self.left -= 1
        return size if self.left else size // 2

    def _cut(self) -> None:
        if self.left == 0:
            raise Cut


def test_a_cut_at_any_write_leaves_the_other_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slot that was being written has no whole version, or the whole new one; the other slot is as it was."""
    old, before, new = image(b"kept").data(), image(b"before", 10000).data(), image(b"after", 11000).data()
    cuts = 0
    while True:
        content = bytearray(b"\xff" * ((LOWER + 2 * PAGES_A_SLOT) * PAGE))
        first = RawSlots(CutPages(content, -1), content, PAGE, LOWER, PAGES_A_SLOT)
        write(first, A, old)
        write(first, B, before)
        slots: Any = RawSlots(CutPages(content, cuts + 1), content, PAGE, LOWER, PAGES_A_SLOT)
        try:
            write(slots, B, new, 600)
            break
        except Cut:
            cuts += 1
        assert read(slots, A) == old
        monkeypatch.setattr("builtins.open", lambda path, mode, slots=slots: slots.open(path, mode))
        monkeypatch.setattr(slot_record.os, "stat", slots.stat)
        try:
            check = Check(B)
            while not check.step():
                pass
            assert check.version is None or read(slots, B) == new
        except OSError:
            pass  # there is no head
        finally:
            monkeypatch.undo()
    assert cuts > 20 and read(slots, B) == new
