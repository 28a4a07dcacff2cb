"""ROMFS images, byte for byte; that MicroPython reads them is shown in tests/firmware/test_emulated_board.py."""

from __future__ import annotations

import pytest

from twolbms.build.romfs import romfs_files, romfs_image


def test_a_small_image() -> None:
    """Magic, length, a folder with a file, in records of kind, length, payload; the size is even."""
    image = romfs_image([("b/c", b"xyz"), ("a", b"")])
    file_a = b"\x05\x04\x01a\x02\x00"
    file_c = b"\x05\x07\x01c\x02\x03xyz"
    assert image == b"\xd2\xcd\x31" + b"\x80\x13" + file_a + b"\x04\x0b\x01b" + file_c


def test_long_lengths() -> None:
    """Numbers above 127 take more bytes, the highest first."""
    image = romfs_image([("a", bytes(300))])
    assert image[:3] == b"\xd2\xcd\x31" and len(image) % 2 == 0
    assert b"\x05\x82\x31\x01a\x02\x82\x2c" + bytes(300) in image


def test_nothing_in_it() -> None:
    """An empty image is one too."""
    assert romfs_image([]) == b"\xd2\xcd\x31\x00"


def test_what_was_packed_is_read() -> None:
    """Folders, empty and long files come back, sorted; anything else is refused."""
    files = [("a", b""), ("b/c/d.mpy", bytes(range(256)) * 80), ("b/e", b"x"), ("z.mpy", b"end")]
    image = romfs_image(files)
    assert romfs_files(image) == files
    for other in (b"", b"PK" + image, image[:-4], image[:3]):
        with pytest.raises(ValueError, match="ROMFS"):
            romfs_files(other)
