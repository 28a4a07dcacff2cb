from __future__ import annotations

import pytest

from twolbms.journal import JournalBusyError
from twolbms.journal.lock import Ending, FolderLock

A, B = "aa" * 16, "bb" * 16


def test_two_writers_are_refused(tmp_path):
    """The second writer of a folder is told whose folder it is, and may have it once the first lets go."""
    first = FolderLock(tmp_path, A)
    first.mark("open")
    with pytest.raises(JournalBusyError, match=r"already being written by process \d+: stop that one first"):
        FolderLock(tmp_path, A)
    first.release()
    FolderLock(tmp_path, A).release()


@pytest.mark.parametrize("states, expected", [
    ([], Ending(False, None)), (["open"], Ending(False, A)), (["open", "closed"], Ending(True, A))])
def test_how_the_last_one_ended(tmp_path, states, expected):
    """The next writer can tell a clean end from a sudden one, and in which boot it was."""
    lock = FolderLock(tmp_path, A)
    for state in states:
        lock.mark(state)
    lock.release()
    lock = FolderLock(tmp_path, B)
    assert lock.last == expected
    lock.release()


def test_a_torn_mark_is_unknown(tmp_path):
    """A mark that makes no sense counts as a sudden end, never as a clean one."""
    (tmp_path / "lock").write_bytes(b"closed 12")
    lock = FolderLock(tmp_path, A)
    assert lock.last == Ending(False, None)
    lock.release()


def test_folder_gone_or_replaced(tmp_path):
    """A lock on a folder that was moved away says so, also when another folder has its name now."""
    folder = tmp_path / "journal"
    folder.mkdir()
    lock = FolderLock(folder, A)
    assert lock.in_place()
    folder.rename(tmp_path / "elsewhere")
    assert not lock.in_place()
    folder.mkdir()
    (folder / "lock").touch()
    assert not lock.in_place()
    lock.release()
