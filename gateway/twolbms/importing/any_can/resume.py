"""How far an import into a database had come, so that the same command goes on there after whatever ended it.

One small file for each log content and destination, replaced as a whole. Knows no format and no server.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from twolbms.importing.any_can.account import Tally

_FORMAT = 1
_SAVE_EVERY_S = 1.0


def state_folder() -> Path:
    """Where programs keep what they want to know next time: `$XDG_STATE_HOME`, else `~/.local/state`."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "twolbms" / "import"


def key_of(log_hash: str, *what: object) -> str:
    """Names one import: the content of the log, and everything that decides what is sent where."""
    return hashlib.blake2b(repr((_FORMAT, log_hash, *what)).encode(), digest_size=16).hexdigest()


class Resume:
    """The file of one import. A file that cannot be read counts as none; one that cannot be written is told once."""

    def __init__(self, folder: Path, key: str) -> None:
        self.path = folder / f"{key}.json"
        self.problem: str | None = None
        self._saved_s = 0.0

    def load(self) -> Tally | None:
        """What the server last said yes to, or None."""
        try:
            told = json.loads(self.path.read_text())
            return Tally.of_json(told["tally"]) if told["format"] == _FORMAT else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def note(self, tally: Tally, now_s: float) -> None:
        """Saves what is confirmed, at most once a second."""
        if now_s - self._saved_s >= _SAVE_EVERY_S:
            self._saved_s = now_s
            self.save(tally)

    def save(self, tally: Tally) -> None:
        """Replaces the file."""
        beside = self.path.with_suffix(f".{os.getpid()}.new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with beside.open("w") as file:
                json.dump({"format": _FORMAT, "tally": tally.as_json()}, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            self.problem = f"{self.path}: {error.strerror}; were this import cut off, it would begin anew"
            with suppress(OSError):
                beside.unlink()

    def forget(self) -> None:
        """Removes the file."""
        with suppress(OSError):
            self.path.unlink()


def content_hash(paths: Sequence[Path]) -> str:
    """A hash over the contents of files. Raises OSError."""
    digests = []
    for path in paths:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest())
    return ":".join(digests)
