"""Whether a path is there, for the asking user and for one to whom a folder above is closed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.doctor.conftest import as_nobody
from twolbms.config.path_state import Closed, as_owner, closed_to_me, refused_words, state_of
from twolbms.doctor.rules import Finding

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can reach, with one in it that only root can pass."""
    top = Path(tempfile.mkdtemp(prefix="path-"))
    top.chmod(0o755)
    (top / "closed" / "inner").mkdir(parents=True)
    (top / "closed" / "inner" / "file").touch()
    (top / "link").symlink_to(top / "closed" / "inner")
    (top / "closed").chmod(0o700)
    yield top
    shutil.rmtree(top)


def nobody_says(path: Path) -> str:
    """The words for `path`, for the user nobody: its state, then what keeps him from reading it."""
    (told,) = as_nobody(lambda: [Finding("f", "good", "", f"{state_of(path)!r}|{closed_to_me(path)!r}", "")])
    return told


def test_there_and_absent(folder: Path) -> None:
    """Plain files; what no file can be called, or lies below a file, is absent."""
    file = folder / "closed" / "inner" / "file"
    assert [state_of(path) for path in (file, file.parent, folder / "link")] == ["there"] * 3
    for path in (folder / "none", Path(__file__) / "x", folder / ("n" * 300), Path("a\0b")):
        assert state_of(path) == "absent" and closed_to_me(path) is None


@ROOT
def test_a_folder_above_is_closed(folder: Path) -> None:
    """The folder that hides the path is named with its owner, through links too, whether the path is there or not."""
    closed = f"Closed(folder=PosixPath('{folder}/closed'), owner='root')"
    for name in ("closed/inner/file", "closed/none", "link", "link/none"):
        assert f"f {closed}|{closed} >" in nobody_says(folder / name)


@ROOT
def test_what_is_there_and_may_not_be_read(folder: Path) -> None:
    """A folder that cannot be listed, and a file that cannot be read, are there and closed themselves."""
    (folder / "secret").touch(mode=0o600)
    for name in ("closed", "secret"):
        assert f"f 'there'|Closed(folder=PosixPath('{folder}/{name}'), owner='root')" in nobody_says(folder / name)


@ROOT
def test_words_for_a_refusal(folder: Path) -> None:
    """An error of the system is told with the closed folder and the user for whom it goes well."""
    error = PermissionError(13, "Permission denied", str(folder / "closed" / "x"))
    (told,) = as_nobody(lambda: [Finding("f", "good", "", refused_words(error, folder), "")])
    assert f"{folder}/closed is closed to nobody, it belongs to root: run this as that user, with sudo -u root" in told
    assert as_owner(Closed(folder, "anna")).endswith("with sudo -u anna")
