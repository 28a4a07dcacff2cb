from __future__ import annotations

import os
import threading

import pytest

import twolbms.journal.boots as boots_module
from twolbms.journal import Wall
from twolbms.journal.boots import BootsFile, append_boot, read_boots

A, B = "aa" * 16, "bb" * 16


def test_boots_round_trip(tmp_path):
    """Each boot keeps its offset to the nanosecond and says how it was found."""
    append_boot(tmp_path, A, Wall(1_700_000_000_123_456_789, "network"))
    append_boot(tmp_path, B, Wall(-5, "guessed"))
    assert read_boots(tmp_path).walls == {A: Wall(1_700_000_000_123_456_789, "network"), B: Wall(-5, "guessed")}


def test_first_line_of_a_boot_holds(tmp_path):
    """Wall time is fixed once: a second line for the same boot changes nothing."""
    append_boot(tmp_path, A, Wall(1, "rtc"))
    append_boot(tmp_path, A, Wall(2, "network"))
    assert read_boots(tmp_path).walls == {A: Wall(1, "rtc")}


def test_no_file_is_no_boots(tmp_path):
    """Before any boot is fixed there is nothing to read, and that is no error."""
    assert read_boots(tmp_path) == ({}, 0)


def test_torn_line_hurts_only_itself(tmp_path):
    """A line cut at any byte is not believed, and a boot added after it is read."""
    append_boot(tmp_path, A, Wall(1, "rtc"))
    whole = (tmp_path / "boots").read_bytes()
    for cut in range(1, len(whole) - 1):
        (tmp_path / "boots").write_bytes(whole[:cut])
        append_boot(tmp_path, B, Wall(2, "network"))
        assert read_boots(tmp_path) == ({B: Wall(2, "network")}, 1), f"cut at {cut}"


def test_flipped_bits_are_never_believed(tmp_path):
    """No single flipped bit makes a boot read with another offset, quality or id."""
    append_boot(tmp_path, A, Wall(1_700_000_000_000_000_000, "network"))
    whole = (tmp_path / "boots").read_bytes()
    for bit in range((len(whole) - 1) * 8):
        spoiled = bytearray(whole)
        spoiled[bit // 8] ^= 1 << bit % 8
        (tmp_path / "boots").write_bytes(spoiled)
        assert read_boots(tmp_path).walls == {}, f"bit {bit}"


def test_failed_append_leaves_nothing(tmp_path, monkeypatch):
    """When the disk takes only part of a line, the file is as before and the caller knows."""
    append_boot(tmp_path, A, Wall(1, "rtc"))
    before = (tmp_path / "boots").read_bytes()
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: write(fd, data[:10], at))
    with pytest.raises(OSError, match="part of the line"):
        append_boot(tmp_path, B, Wall(2, "network"))
    assert (tmp_path / "boots").read_bytes() == before


def test_a_reader_sees_boots_added_later(tmp_path):
    """A boot fixed after the reader began is found when it is asked for."""
    boots = BootsFile(tmp_path)
    assert boots.walls_with(A) == {}
    append_boot(tmp_path, A, Wall(1, "rtc"))
    assert boots.walls_with(A) == {A: Wall(1, "rtc")}


def test_threads_that_refresh_at_once_forget_no_boot(tmp_path, monkeypatch):
    """A thread that read the file before a boot was added, and comes to its end later, does not hide that boot."""
    has_read, may_go_on = threading.Event(), threading.Event()

    def slowly(folder):
        found = read_boots(folder)
        if threading.current_thread() is early:
            has_read.set()
            assert may_go_on.wait(30)
        return found

    class Watched(BootsFile):
        def __setattr__(self, name, value):
            super().__setattr__(name, value)
            if threading.current_thread() is late:  # the early one ends between any two of its steps
                may_go_on.set()
                early.join()

    monkeypatch.setattr(boots_module, "read_boots", slowly)
    append_boot(tmp_path, A, Wall(1, "rtc"))
    early = late = None
    boots = Watched(tmp_path)
    early = threading.Thread(target=boots.walls_with, args=[B])
    early.start()
    assert has_read.wait(30)
    append_boot(tmp_path, B, Wall(2, "rtc"))
    late = threading.Thread(target=boots.walls_with, args=[B])
    late.start()
    late.join()
    assert boots.walls_with(B) == {A: Wall(1, "rtc"), B: Wall(2, "rtc")}
