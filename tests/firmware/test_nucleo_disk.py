"""The STM32G474's flash as littlefs wants it: erased and programmed only as asked, and never outside its range."""

from __future__ import annotations

import re

import pytest

from firmware.board_files import nucleo_disk
from twolbms.build.image import read_board
from twolbms.files import data_path
from twolbms.sim.chips.stm32g4_flash import ACR, CR, LOCK, OPTR, SR, Stm32g4Flash

FIRST, SIZE = 0x0804A000, 24 * 1024  # 256 KB of MicroPython, 40 KB of boot files, then these, then two slots of 96 KB


disk = nucleo_disk()


@pytest.fixture
def chip() -> Stm32g4Flash:
    return Stm32g4Flash(FIRST, SIZE)


@pytest.fixture
def pages(chip: Stm32g4Flash) -> object:
    return disk.Pages(chip.registers, chip.content)


def test_the_second_bank_is_shared_out() -> None:
    """Boot files, littlefs, two slots: from the end of MicroPython to the end of 512 KB, no page twice or left over."""
    assert (disk.FIRST, disk.PAGES * disk.PAGE) == (FIRST, SIZE)
    assert FIRST + SIZE + 2 * disk.SLOT_PAGES * disk.PAGE == 0x08000000 + 512 * 1024
    assert FIRST == 0x08000000 + (256 + 40) * 1024


def test_the_runtime_leaves_that_room() -> None:
    """MicroPython's linker file ends where the boot files begin, and those where the disk begins."""
    text = data_path("firmware", "boards", "nucleo_g474re", "runtime", "flash.ld").read_text(encoding="utf-8")
    found = re.findall(r"^\s*(FLASH\w*) \(rx\) : ORIGIN = (0x\w+), LENGTH = (\d+)K", text, re.MULTILINE)
    places = {name: (int(first, 16), 1024 * int(size)) for name, first, size in found}
    assert places["FLASH"] == (0x08000000, 256 * 1024)
    assert places["FLASH_FS"] == (0x08040000, FIRST - 0x08040000)


def test_a_slot_holds_what_the_build_allows() -> None:
    """The largest version that the build lets through fits into its pages."""
    assert read_board("nucleo_g474re").slot_bytes <= disk.SLOT_PAGES * disk.PAGE


def test_what_is_written_is_read(pages, chip: Stm32g4Flash) -> None:
    """At its place, and nothing else changes."""
    assert pages.writeblocks(3, bytes(range(64)), 128) == 0
    buffer = bytearray(80)
    assert pages.readblocks(3, buffer, 120) == 0
    assert bytes(buffer) == b"\xff" * 8 + bytes(range(64)) + b"\xff" * 8
    assert chip.programmed == 8 and chip.erased == []


@pytest.mark.parametrize("page", [0, 1, 7, 11])
def test_one_page_is_erased(pages, chip: Stm32g4Flash, page: int) -> None:
    """The wanted one, in the second bank, from its first to its last byte."""
    for each in (page - 1, page, page + 1):
        if 0 <= each < 12:
            pages.writeblocks(each, bytes(2048))
    assert pages.ioctl(6, page) == 0
    assert chip.erased == [page]
    found = [chip.content[each * 2048:(each + 1) * 2048].count(0xFF) for each in range(12)]
    assert found == [2048 if each == page or abs(each - page) > 1 else 0 for each in range(12)]


def test_a_page_is_never_erased_unasked(pages, chip: Stm32g4Flash) -> None:
    """Programming beside older data leaves that alone: this is what survives a power cut."""
    pages.writeblocks(5, b"old data" * 8, 0)
    pages.writeblocks(5, b"new data" * 8, 64)
    assert chip.erased == [] and bytes(chip.content[5 * 2048:5 * 2048 + 8]) == b"old data"


def test_programming_twice_is_an_error(pages, chip: Stm32g4Flash) -> None:
    """The chip refuses it, littlefs hears of it, the content stays, and the next write works."""
    pages.writeblocks(1, b"once only" + bytes(7))
    assert pages.writeblocks(1, b"twice!!!" + bytes(8)) == -5
    assert bytes(chip.content[2048:2057]) == b"once only"
    assert pages.writeblocks(1, bytes(8), 16) == 0


def test_it_is_locked_afterwards(pages, chip: Stm32g4Flash) -> None:
    """After a write, an erase and an error."""
    for act, answer in (("write", 0), ("erase", 0), ("write", 0), ("write", -5)):
        assert (pages.ioctl(6, 1) if act == "erase" else pages.writeblocks(1, bytes(8))) == answer
        assert chip[CR] & LOCK


def test_the_data_cache_forgets(pages, chip: Stm32g4Flash) -> None:
    """It is off while flash changes, reset, and on again."""
    pages.writeblocks(1, bytes(8))
    pages.ioctl(6, 1)
    assert not chip.stale_reads and chip[ACR] == 0x0600


def test_it_waits_for_a_slow_chip(chip: Stm32g4Flash) -> None:
    """Busy is waited for, before and after."""
    chip.busy_reads = 50
    pages = disk.Pages(chip.registers, chip.content)
    assert pages.ioctl(6, 2) == 0 and pages.writeblocks(2, bytes(16)) == 0


def test_an_old_error_does_not_count(pages, chip: Stm32g4Flash) -> None:
    """Flags that somebody left are cleared first."""
    chip._words[SR] = 0xC3FA
    assert pages.writeblocks(2, bytes(8)) == 0


def test_single_bank_mode_is_refused(chip: Stm32g4Flash) -> None:
    """With other pages than these, nothing is touched."""
    chip._words[OPTR] &= ~(1 << 22)
    with pytest.raises(OSError):
        disk.Pages(chip.registers, chip.content)


def test_geometry(pages) -> None:
    """What littlefs asks for."""
    assert (pages.ioctl(4, 0), pages.ioctl(5, 0), pages.ioctl(3, 0)) == (12, 2048, 0)
