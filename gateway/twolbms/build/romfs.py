"""Packs files into a ROMFS image, which MicroPython imports from where it lies, and reads one.

The format is that of MicroPython's `extmod/vfs_rom.c`: records of a kind, a length and a payload.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_MAGIC = b"\xd2\xcd\x31"  # the kind of the outermost record, "RM1"
_DATA, _FOLDER, _FILE = 2, 4, 5

_Tree = dict[str, "_Tree | bytes"]


def romfs_image(files: Iterable[tuple[str, bytes]]) -> bytes:
    """The image of (path, content) pairs; folders in a path are separated by `/`."""
    payload = _records(_tree(files))
    length = _number(len(payload))
    if (len(_MAGIC) + len(length) + len(payload)) % 2:  # the size of an image is even
        length = b"\x80" + length
    return _MAGIC + length + payload


def romfs_files(image: bytes) -> list[tuple[str, bytes]]:
    """The (path, content) pairs of an image that `romfs_image` made, in its order. Raises ValueError for another."""
    if image[:len(_MAGIC)] != _MAGIC:
        raise ValueError("no ROMFS image")
    try:
        length, at = _number_at(image, len(_MAGIC))
        return list(_files(image[at:at + length], ""))
    except IndexError:
        raise ValueError("the ROMFS image ends too early") from None


def _files(records: bytes, folder: str) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(records):
        kind, at = _number_at(records, at)
        length, at = _number_at(records, at)
        letters, begin = _number_at(records, at)
        name = folder + records[begin:begin + letters].decode()
        inside = records[begin + letters:at + length]
        at += length
        if kind == _FOLDER:
            yield from _files(inside, f"{name}/")
        elif kind == _FILE and inside[0] == _DATA:
            size, begin = _number_at(inside, 1)
            yield name, inside[begin:begin + size]
        else:
            raise ValueError(f"a ROMFS record of kind {kind}")


def _number_at(data: bytes, at: int) -> tuple[int, int]:
    """The number there, and where it ends."""
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def _tree(files: Iterable[tuple[str, bytes]]) -> _Tree:
    root: _Tree = {}
    for path, content in files:
        *folders, name = path.split("/")
        place = root
        for folder in folders:
            inside = place.setdefault(folder, {})
            assert isinstance(inside, dict), f"{path}: {folder} is a file"
            place = inside
        place[name] = content
    return root


def _records(tree: _Tree) -> bytes:
    return b"".join(_named(_FILE, name, _record(_DATA, inside)) if isinstance(inside, bytes)
                    else _named(_FOLDER, name, _records(inside)) for name, inside in sorted(tree.items()))


def _named(kind: int, name: str, payload: bytes) -> bytes:
    return _record(kind, _number(len(name.encode())) + name.encode() + payload)


def _record(kind: int, payload: bytes) -> bytes:
    return _number(kind) + _number(len(payload)) + payload


def _number(value: int) -> bytes:
    """Seven bits a byte, the highest first; all but the last have their top bit set."""
    out = bytes((value & 0x7F,))
    while value := value >> 7:
        out = bytes((value & 0x7F | 0x80,)) + out
    return out
