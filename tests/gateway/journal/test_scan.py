from __future__ import annotations

import errno
import os
import random
import zlib

import pytest

import twolbms.journal.scan as scan_module
from twolbms.journal import Reading
from twolbms.journal.block import HEADER_SIZE, STORED, Header, pack_block, pack_header, pack_summary
from twolbms.journal.scan import read_around, read_summary, walk

BOOT = "0123456789abcdef" * 2


def block_of(number: int, size: int = 30) -> bytes:
    return pack_block("reading", BOOT, [Reading(number, "shunt", random.Random(number).randbytes(size))])[1]


@pytest.fixture
def pieces(tmp_path):
    """What walking a file of the given bytes yields: (kind, offset, end)."""
    def walked(raw: bytes, **options):
        path = tmp_path / "some.seg"
        path.write_bytes(raw)
        fd = os.open(path, os.O_RDONLY)
        try:
            return [(piece.kind, piece.offset, piece.end) for piece in walk(fd, **options)]
        finally:
            os.close(fd)

    return walked


BLOCKS = [block_of(number) for number in range(4)]
ENDS = [sum(map(len, BLOCKS[:count])) for count in range(5)]
WHOLE = [("block", ENDS[number], ENDS[number + 1]) for number in range(4)]


def test_whole_file(pieces):
    """A sound file is its blocks and nothing else."""
    assert pieces(b"".join(BLOCKS)) == WHOLE


def test_torn_at_every_byte(pieces):
    """Cut anywhere inside the last block, all blocks before are found and the rest is a tail."""
    raw = b"".join(BLOCKS)
    for cut in range(ENDS[3] + 1, ENDS[4]):
        assert pieces(raw[:cut]) == [*WHOLE[:3], ("tail", ENDS[3], cut)], f"cut at {cut}"


def test_each_flipped_bit_costs_one_block(pieces):
    """Any single flipped bit of a block in the middle costs that block only."""
    raw = b"".join(BLOCKS)
    for bit in range(ENDS[1] * 8, ENDS[2] * 8):
        spoiled = bytearray(raw)
        spoiled[bit // 8] ^= 1 << bit % 8
        assert pieces(bytes(spoiled)) == [WHOLE[0], ("damaged", ENDS[1], ENDS[2]), *WHOLE[2:]], f"bit {bit}"


def test_hole_of_zeros(pieces):
    """A stretch of zeros, as a power cut leaves in files, is passed over to the next block; at the end it is room."""
    hole = bytes(5000)
    assert pieces(BLOCKS[0] + hole + BLOCKS[1]) == [
        WHOLE[0], ("damaged", ENDS[1], ENDS[1] + 5000), ("block", ENDS[1] + 5000, ENDS[2] + 5000)]
    assert pieces(BLOCKS[0] + hole) == [WHOLE[0], ("room", ENDS[1], ENDS[1] + 5000)]
    assert pieces(BLOCKS[0] + BLOCKS[1][:70] + hole) == [WHOLE[0], ("tail", ENDS[1], ENDS[1] + 5070)]


def test_blocks_written_while_they_are_looked_for(tmp_path, monkeypatch):
    """Blocks that a writer puts into its room between two looks of one walk are read, and are no damage."""
    path = tmp_path / "00000001.seg"
    path.write_bytes(BLOCKS[0] + bytes(5000))
    look = scan_module._bad_stretch

    def written_meanwhile(fd, offset, header, read):
        if offset == ENDS[1]:
            path.write_bytes(b"".join(BLOCKS) + bytes(1000))
        return look(fd, offset, header, read)

    monkeypatch.setattr(scan_module, "_bad_stretch", written_meanwhile)
    with path.open("rb") as file:
        assert [piece[:3] for piece in scan_module.walk(file.fileno())][:-1] == WHOLE


def test_missing_bytes(pieces):
    """Where bytes are missing from a block's payload, the block after it is still found."""
    short = BLOCKS[1][:-7]
    raw = BLOCKS[0] + short + BLOCKS[2]
    assert [kind for kind, _, _ in pieces(raw)] == ["block", "damaged", "block"]


def test_block_inside_a_damaged_payload_is_not_believed(pieces):
    """A stored payload may itself hold a block: when its own block is damaged, the inner one is no record of ours."""
    payload = b"some bytes before" + BLOCKS[1] + b"!"
    header = Header("reading", STORED, 1, len(payload), len(payload), 1, 1, BOOT, zlib.crc32(payload))
    outer = bytearray(pack_header(header) + payload)
    outer[-1] ^= 1
    assert pieces(bytes(outer) + BLOCKS[0]) == [
        ("damaged", 0, len(outer)), ("block", len(outer), len(outer) + len(BLOCKS[0]))]


def test_larger_than_the_buffer(pieces):
    """Blocks larger than the reading buffer are found as any other."""
    large = block_of(7, 700_000)
    assert [kind for kind, _, _ in pieces(large + BLOCKS[0] + large)] == ["block"] * 3


def test_unwanted_blocks_are_passed_by_their_header(pieces):
    """A block that is not wanted is skipped without its payload being checked; a cut one is still a tail."""
    spoiled = bytearray(BLOCKS[1])
    spoiled[-1] ^= 1
    raw = BLOCKS[0] + bytes(spoiled) + BLOCKS[2] + BLOCKS[3][:-1]
    assert pieces(raw, wanted=lambda header: header.first_ns == 2) == [WHOLE[2], ("tail", ENDS[3], ENDS[4] - 1)]


def test_summary_is_found_at_the_end_only(tmp_path):
    """The summary of a full segment is read without walking, and a segment without one has none."""
    path = tmp_path / "some.seg"
    for raw, expected in ((b"".join(BLOCKS) + pack_summary("reading", BOOT, 4, 0, 3), (4, 0, 3)),
                          (b"".join(BLOCKS), None), (BLOCKS[0][:HEADER_SIZE - 1], None), (b"", None)):
        path.write_bytes(raw)
        with path.open("rb") as file:
            summary = read_summary(file.fileno())
        assert (summary and (summary.records, summary.first_ns, summary.last_ns)) == expected


def test_around_bytes_that_cannot_be_read(tmp_path, monkeypatch):
    """An unreadable sector costs the blocks that lie in it; the bytes around it are read."""
    path = tmp_path / "some.seg"
    blocks = [block_of(number, 1000) for number in range(4)]
    path.write_bytes(b"".join(blocks))
    ends = [sum(map(len, blocks[:count])) for count in range(5)]
    bad = (ends[1] // 512 + 1) * 512  # a sector inside the second block
    monkeypatch.setattr(os, "pread", failing_pread(os.pread, lambda fd: bad))
    with path.open("rb") as file:
        with pytest.raises(OSError):
            list(walk(file.fileno()))
        found = [(piece.kind, piece.offset, piece.end) for piece in walk(file.fileno(), read=read_around)]
    assert found == [("block", 0, ends[1]), ("damaged", ends[1], ends[2]),
                     ("block", ends[2], ends[3]), ("block", ends[3], ends[4])]


def failing_pread(whole, bad_sector_of):
    """As os.pread on a disk with one bad sector; None: none in that file."""
    def pread(fd, size, offset):
        bad = bad_sector_of(fd)
        if bad is not None and offset < bad + 512 and offset + size > bad:
            raise OSError(errno.EIO, "Input/output error")
        return whole(fd, size, offset)

    return pread
