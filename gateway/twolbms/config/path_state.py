"""Whether a path is there, where a folder above it may be closed to the user who asks. Opens and changes nothing."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Literal, NamedTuple


class Closed(NamedTuple):
    """The folder (or file) that the asking user may not look into, and whose it is."""

    folder: Path
    owner: str

    def __str__(self) -> str:
        return f"{self.folder} is closed to {me()}, it belongs to {self.owner}"


def state_of(path: Path) -> Literal["there", "absent"] | Closed:
    """What can be known of a path: a folder above it without leave to pass hides whether it is there. Never raises."""
    try:
        os.stat(path)
    except PermissionError:
        return _closed_above(Path(os.path.realpath(path)))
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return "absent"
    return "there"


def closed_to_me(path: Path) -> Closed | None:
    """What keeps the asking user from reading a file or folder, or None; a path that is absent is closed to nobody."""
    state = state_of(path)
    if state == "there":
        need = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
        return None if os.access(path, need, effective_ids=True) else Closed(path, _owner(path))
    return state if isinstance(state, Closed) else None


def refused_words(error: PermissionError, place: Path) -> str:
    """A sentence for a PermissionError, with the user for whom it would go well; `place` where the error names none."""
    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else place
    closed = closed_to_me(path) or closed_to_me(place)
    return as_owner(closed) if closed else f"{path}: {error.strerror or 'permission denied'}"


def as_owner(closed: Closed) -> str:
    """What is closed, and what to do about it."""
    return f"{closed}: run this as that user, with sudo -u {closed.owner}"


def _closed_above(path: Path) -> Closed:
    """The first folder from the root on that lets nobody pass to what is in it."""
    for child in (*reversed(path.parents), path):
        try:
            os.stat(child)
        except PermissionError:
            return Closed(child.parent, _owner(child.parent))
        except OSError:
            break
    return Closed(path.parent, _owner(path.parent))


def _owner(path: Path) -> str:
    try:
        return owner_of(os.stat(path).st_uid)
    except OSError:
        return "another user"


def owner_of(uid: int) -> str:
    """The name of a user."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def me() -> str:
    """The user who asks."""
    return owner_of(os.geteuid())
