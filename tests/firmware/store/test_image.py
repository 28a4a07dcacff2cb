"""A version that comes as a stream: refused early when it is not for this node, valid only when all of it is there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from firmware.boot_folder import version
from twolbms.files import data_path

sys.path[:0] = [p for p in (str(data_path("firmware", part)) for part in ("boot", "src")) if p not in sys.path]

from store import image as writing  # noqa: E402 - after the path is set
from store.image import DAMAGED, NOT_FOR_THIS_NODE, NOTHING, TOO_LARGE, WRITE_FAILED, ImageWriter  # noqa: E402
from version import look  # noqa: E402

MOST = 50_000


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "slot_b.2lb")


def fed(path: str, data: bytes, piece: int) -> ImageWriter:
    """Everything in pieces; every piece is taken."""
    writer = ImageWriter(path, b"bench", MOST)
    for at in range(0, len(data), piece):
        assert writer.left > 0
        assert writer.feed(data[at:at + piece]) == NOTHING
    return writer


@pytest.mark.parametrize("piece", [1, 5, 63, 64, 65, 512, 100_000])
def test_a_stream_becomes_a_version(path: str, piece: int) -> None:
    """However the bytes are cut, the file is the one that was sent and is checked from the file."""
    data = version("two").data()
    writer = fed(path, data, piece)
    assert writer.left == 0
    while not writer.step():
        pass
    assert writer.version is not None and writer.version.id == data[-32:-28]
    assert Path(path).read_bytes() == data


def test_what_is_missing_is_known_from_the_head_on(path: str) -> None:
    """`left` counts down to nothing."""
    data = version("two").data()
    writer = ImageWriter(path, b"bench", MOST)
    writer.feed(data[:40])
    assert writer.left == 24
    writer.feed(data[40:100])
    assert writer.left == len(data) - 100


@pytest.mark.parametrize(("data", "why"), [
    (version("two", board="another").data(), NOT_FOR_THIS_NODE),
    (b"PK\3\4" + version("two").data()[4:], NOT_FOR_THIS_NODE),
    (version("two").data()[:4] + b"\1" + version("two").data()[5:], NOT_FOR_THIS_NODE),
    (version("two", "'" + "x" * MOST + "'").data(), TOO_LARGE)])
def test_what_is_not_for_this_node_is_refused_with_its_head(path: str, data: bytes, why: int) -> None:
    """Another board, another kind of file, another format, too large: nothing after the head is wanted."""
    writer = ImageWriter(path, b"bench", MOST)
    assert writer.feed(data[:64]) == why
    assert writer.left == 0 and look(path) is None


def test_more_bytes_than_the_head_says_are_refused(path: str) -> None:
    """A stream that goes on is none."""
    assert fed(path, version("two").data(), 64).feed(b"\0") == DAMAGED


def test_a_wrong_byte_is_found_in_the_file(path: str) -> None:
    """A bit that flips on the way, or in flash after it was written: no version."""
    data = bytearray(version("two").data())
    data[1000] ^= 4
    writer = fed(path, bytes(data), 512)
    while not writer.step():
        pass
    assert writer.version is None


@pytest.mark.parametrize("sent", [0, 10, 64, 65, 1000, -1])
def test_a_stream_that_breaks_off_is_no_version(path: str, sent: int) -> None:
    """Wherever it ends."""
    writer = fed(path, version("two").data()[:sent], 50)
    writer.close()
    assert look(path) is None


class _FullDisk:
    def write(self, data: bytes) -> int:
        raise OSError(28)

    def close(self) -> None:
        raise OSError(28)


def test_a_full_disk_is_an_answer(path: str) -> None:
    """Flash that takes no more ends the update, not the node."""
    writer = ImageWriter(path, b"bench", MOST)
    writer._file.close()
    writer._file = _FullDisk()
    assert writer.feed(b"x" * 64) == WRITE_FAILED


def test_reading_back_may_fail(path: str) -> None:
    """A file that is gone when it is read again is no version."""
    writer = fed(path, version("two").data(), 512)
    writer._file.close()
    Path(path).unlink()
    assert writer.step() and writer.version is None


def test_the_reasons_are_those_of_the_transfer() -> None:
    """One number, one meaning, from flash to the frame."""
    from store import transfer
    for name in ("NOTHING", "ON_TRIAL", "TOO_LARGE", "NOT_FOR_THIS_NODE", "DAMAGED", "WRITE_FAILED"):
        assert getattr(writing, name) == getattr(transfer, name)
