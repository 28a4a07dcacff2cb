"""A small text file that is replaced as a whole: a title with the CRC32 of the rest, then the rest.

It knows neither what stands in it nor what to do when it is damaged.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path


def checked_text(title: str, body: str) -> str:
    """What such a file holds; `title` ends with a blank."""
    return f"{title}{_crc(body)}\n{body}"


def checked_body(title: str, text: str) -> str:
    """The rest of a file's text. Raises ValueError when its title or checksum is another."""
    found, _, body = text.partition("\n")
    if found != title + _crc(body):
        raise ValueError("its checksum is wrong")
    return body


def replace_file(path: Path, text: str) -> None:
    """Synced: after a power cut the file holds the old text or the new one. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fdatasync(file.fileno())
    fresh.replace(path)


def _crc(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
