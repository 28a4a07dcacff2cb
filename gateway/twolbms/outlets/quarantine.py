"""A file of lines that a server would not take, with its reason: nothing is thrown away unseen."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

_LOG = logging.getLogger(__name__)

LARGEST_BYTES = 16 * 1024 * 1024
"""Beyond this the file is not written any more; what is refused is still counted."""


class Quarantine:
    """Appends one JSON object a line: when, why, how many points, and the line itself where it is known."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, reason: str, count: int, line: bytes | None = None) -> None:
        """Notes `count` points that were refused for `reason`. A full disk is logged, never raised."""
        text = None if line is None else line[:4096].decode(errors="replace")
        note = {"at_s": round(time.time(), 3), "reason": reason[:1000], "count": count, "line": text}
        _LOG.warning("%d point(s) refused: %s", count, reason[:300])
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                if file.tell() < LARGEST_BYTES:
                    file.write(json.dumps(note, ensure_ascii=False) + "\n")
        except OSError as error:
            _LOG.warning("%s: %s", self.path, error)
