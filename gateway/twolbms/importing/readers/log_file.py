"""A log file as blocks of bytes, unpacked if it is gzipped, and its format found by content. Parses nothing."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from twolbms.importing.frames import Damage
from twolbms.importing.readers.csv_log import columns_of, header_of

Format = Literal["candump", "asc", "blf", "mf4", "csv", "trc"]
Progress = Callable[[int], None]

BLOCK_BYTES = 1 << 20
_HEAD_BYTES = 1 << 16

_CANDUMP_LINE = re.compile(rb"^\s*\(\d+\.\d+\)\s+\S+\s+[0-9A-Fa-f]{3,8}#", re.MULTILINE)
_ASC_LINE = re.compile(
    rb"^\s*(?:base\s+(?:hex|dec)\b|begin\s+triggerblock\b|\d+\.\d+\s+(?:CANFD\s+)?\d+\s+\S+\s+(?:rx|tx)\s)",
    re.MULTILINE | re.IGNORECASE,
)
_TRC_LINE = re.compile(rb"^;\$FILEVERSION=|^;.*\bPCAN|^\s*\d+\)\s+\d+(?:\.\d+)?\s", re.MULTILINE)
_BY_SUFFIX: dict[str, Format] = {
    ".log": "candump", ".txt": "candump", ".asc": "asc", ".blf": "blf", ".mf4": "mf4", ".mdf": "mf4", ".trc": "trc"}
_BINARY: tuple[Format, ...] = ("blf", "mf4")
_EXPECTED = "candump text, Vector ASC or BLF, MDF 4, PCAN trace, or CSV with a time, an id and data"


class UnreadableLog(Exception):
    """Nothing can be read from this file; the text says why."""


def boot_id_of(path: Path) -> str:
    """32 hex digits that follow from the content, so that the same log gives the same journal twice."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def read_blocks(path: Path, damage: Damage, progress: Progress) -> Iterator[bytes]:
    """The content in blocks of about 1 MiB; a gzip file unpacked. `progress` is told the bytes of the file read."""
    with path.open("rb") as file:
        blocks = iter(lambda: file.read(BLOCK_BYTES), b"")
        first = next(blocks, b"")
        blocks = _counted(first, blocks, progress)
        yield from _unpacked(blocks, damage) if first.startswith(b"\x1f\x8b") else blocks


def recognise(head: bytes, path: Path) -> Format:
    """The format by what the first bytes look like, else by the suffix. Raises UnreadableLog."""
    head = head[:_HEAD_BYTES]
    if head.startswith(b"LOGG"):
        return "blf"
    if _CANDUMP_LINE.search(head):
        return "candump"
    if _ASC_LINE.search(head):
        return "asc"
    if head.startswith((b"MDF     ", b"UnFinMF ")):
        return "mf4"
    if _TRC_LINE.search(head):
        return "trc"
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    suffix = suffixes[-1] if suffixes else ""
    if (columns := columns_of(header_of(head))).understood:
        return "csv"
    if suffix in (".csv", ".tsv") and len(columns.names) > 1:
        names = ", ".join(name or "(no name)" for name in columns.names[:20])
        raise UnreadableLog(f"has the columns {names}: expected a time, an id and data, such as "
                            "timestamp, arbitration_id and data, or Time Stamp, ID, LEN and D1 to D8")
    named = _BY_SUFFIX.get(suffix)
    if named and named not in _BINARY:
        return named
    raise UnreadableLog(f"is no log this program knows: expected {_EXPECTED}")


def is_gzipped(path: Path) -> bool:
    """Whether a file is packed."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _counted(first: bytes, rest: Iterator[bytes], progress: Progress) -> Iterator[bytes]:
    done = 0
    block = first
    while block:
        yield block
        done += len(block)
        progress(done)
        block = next(rest, b"")


def _unpacked(blocks: Iterator[bytes], damage: Damage) -> Iterator[bytes]:
    """The members of a gzip file one after the other; ends with a note where the file is cut or damaged."""
    unpacker = None
    for block in blocks:
        while block:
            unpacker = unpacker or zlib.decompressobj(wbits=31)
            try:
                data = unpacker.decompress(block, BLOCK_BYTES)  # bounded: a small file can unpack to gigabytes
            except zlib.error:
                damage.malformed_lines += 1
                damage.note("the gzip data are damaged; what follows was not read")
                return
            if data:
                yield data
            block = unpacker.unconsumed_tail
            if unpacker.eof:
                block, unpacker = unpacker.unused_data.lstrip(b"\0"), None
    if unpacker and (rest := unpacker.flush()):
        yield rest
    if unpacker and not unpacker.eof:
        damage.malformed_lines += 1
        damage.note("the gzip file ends too early: it is cut off")


def whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks cut at line ends. A last line without its line end comes in one block with the lines before it.

    A piece of a line longer than a block counts as a line.
    """
    whole = rest = b""
    for block in blocks:
        block = rest + block
        cut = block.rfind(b"\n") + 1
        if not cut and len(block) >= BLOCK_BYTES:
            cut = len(block)
        if cut and whole:
            yield whole
        whole, rest = block[:cut] or whole, block[cut:]
    if whole or rest:
        yield whole + rest
