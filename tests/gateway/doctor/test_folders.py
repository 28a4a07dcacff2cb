"""Folders of the gateway on real file systems: missing, forbidden, full, in memory, read-only, of two owners."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.doctor.conftest import SITE, Sketched, as_nobody
from twolbms.doctor import folders
from twolbms.doctor.examine import examine
from twolbms.doctor.folders import check_folder, check_journal_folder, check_run, keep_bytes, size
from twolbms.doctor.gateway import ask_gateway
from twolbms.doctor.journal_health import check_journal
from twolbms.doctor.machine import Machine, parse_mounts
from twolbms.doctor.sketch import Sketch, sketch_of

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount and give files away")
HERE = Machine()

CHILD = """
import sys
from pathlib import Path
from twolbms.doctor.folders import check_journal_folder
from twolbms.doctor.machine import Machine
from twolbms.doctor.sketch import sketch_of
for finding in check_journal_folder(sketch_of(Path(sys.argv[1])), Machine()):
    print(finding.id, finding.sentence, '>', finding.do)
"""


def ids(sketch: Sketch) -> list[str]:
    return [finding.id for finding in check_journal_folder(sketch, HERE)]


def mounted(tmp_path: Path, how: str, site: Path) -> list[str]:
    """What is told of a site whose journal folder is mounted in a namespace of its own."""
    script = f"{how} && exec '{sys.executable}' -c \"$0\" '{site}'"
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, CHILD], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs mount: {done.stderr.strip()[-80:]}")
    return done.stdout.splitlines()


def test_not_there_yet(sketched: Sketched, tmp_path: Path) -> None:
    """A folder that the gateway will make is good, and is not made by looking."""
    sketch = sketched(SITE)
    assert [finding.id for finding in check_run(sketch, HERE)] == ["folder.new"]
    assert not (tmp_path / "run").exists()


def test_there_and_writable(sketched: Sketched, tmp_path: Path) -> None:
    """A folder of one's own says how much is free."""
    (tmp_path / "run").mkdir()
    (finding,) = check_run(sketched(SITE), HERE)
    assert finding.id == "folder.good" and "free" in finding.sentence
    assert list((tmp_path / "run").iterdir()) == []


def test_a_file_in_its_place(sketched: Sketched, tmp_path: Path) -> None:
    """A file where the folder should be is told."""
    (tmp_path / "run").write_text("")
    assert [finding.id for finding in check_run(sketched(SITE), HERE)] == ["folder.not_a_folder"]


@ROOT
def test_of_another_owner(sketched: Sketched, tmp_path: Path) -> None:
    """Files that a run as root left in the service's folder are counted, with the command that gives them back."""
    folder = tmp_path / "run" / "journal" / "event"
    folder.mkdir(parents=True)
    os.chown(tmp_path / "run" / "journal", 65534, 65534)
    (folder / "00000001.seg").write_bytes(b"")
    found = [f for f in check_journal_folder(sketched(SITE), HERE) if f.id == "folder.other_owner"]
    assert len(found) == 1 and "belongs to nobody, but 1 files in it belong to root" in found[0].sentence
    assert found[0].do == f"type: sudo chown -R nobody {tmp_path}/run/journal"


@ROOT
def test_not_for_this_user(open_folder: Path) -> None:
    """A folder that the asking user may not write, and one that he may not make, say whose it is."""
    (open_folder / "site.yaml").write_text(SITE)
    sketch = sketch_of(open_folder / "site.yaml")
    (told,) = as_nobody(lambda: check_journal_folder(sketch, HERE))
    assert told.startswith("folder.cannot_be_made ") and f"{open_folder} belongs to root" in told
    assert f"sudo install -d -o nobody {open_folder}/run/journal" in told
    sketch.journal_folder.mkdir(parents=True)
    (told,) = as_nobody(lambda: check_journal_folder(sketch, HERE))
    assert told.startswith("folder.not_writable ") and "belongs to root and cannot be written by nobody" in told


@ROOT
def test_a_closed_folder_hides_all(open_folder: Path, closed_folder: Path) -> None:
    """Below a folder that is closed to the asking user nothing is judged; the folder and its owner are named."""
    (open_folder / "site.yaml").write_text(SITE + f"run: {closed_folder}/run\n")
    sketch = sketch_of(open_folder / "site.yaml")
    for look in (lambda: check_run(sketch, HERE), lambda: check_journal_folder(sketch, HERE),
                 lambda: check_journal(sketch)):
        (told,) = as_nobody(look)
        assert told.startswith(f"folder.closed {closed_folder} is closed to nobody: {closed_folder}/run")
        assert told.endswith(f"sudo -u root 2lbms doctor {open_folder}/site.yaml")


@ROOT
def test_a_gateway_behind_a_closed_folder(open_folder: Path, closed_folder: Path) -> None:
    """Whether one runs cannot be seen: that is said, and no bus is opened; also where only the journal is closed."""
    for text in (f"run: {closed_folder}/run\n", f"journal: {{folder: {closed_folder}/run/journal}}\n"):
        (open_folder / "site.yaml").write_text(SITE + text)
        sketch = sketch_of(open_folder / "site.yaml")
        (told,) = as_nobody(lambda sketch=sketch: ask_gateway(sketch).findings)
        assert told.startswith(f"gateway.hidden one may run, and that cannot be seen: {closed_folder} is closed")
        (told,) = as_nobody(lambda sketch=sketch: [
            finding for finding in examine(sketch.file).findings if finding.subject == "bus can0"])
        assert told.startswith("check.perhaps_held ")


@ROOT
def test_full_and_in_memory(sketched: Sketched, tmp_path: Path) -> None:
    """A journal on a small file system in memory is told twice: too full, and gone at the next restart."""
    (tmp_path / "run" / "journal").mkdir(parents=True)
    sketched(SITE)
    told = mounted(tmp_path, f"mount -t tmpfs -o size=1m none '{tmp_path}/run/journal'", tmp_path / "site.yaml")
    assert [line.split()[0] for line in told] == ["folder.full", "folder.in_memory"]
    assert "only 1 MiB are free" in told[0] and "journal.folder" in told[1]


@ROOT
def test_keeps_more_than_there_is_room_for(sketched: Sketched, tmp_path: Path) -> None:
    """Rules that let the journal grow beyond the disk are told before the disk is full."""
    (tmp_path / "run" / "journal").mkdir(parents=True)
    sketched(SITE)
    told = mounted(tmp_path, f"mount -t tmpfs -o size=600m none '{tmp_path}/run/journal'", tmp_path / "site.yaml")
    assert "folder.keep_too_large the journal may grow by 1.38 GiB more, and 600 MiB are free" in "\n".join(told)


@ROOT
def test_read_only(sketched: Sketched, tmp_path: Path) -> None:
    """A card that the kernel made read-only is told as that, with where its errors stand."""
    (tmp_path / "run" / "journal").mkdir(parents=True)
    sketched(SITE)
    told = mounted(tmp_path, f"mount -t tmpfs -o ro none '{tmp_path}/run/journal'", tmp_path / "site.yaml")
    assert told[0].startswith("folder.read_only") and "dmesg" in told[0]


def test_nearly_full(sketched: Sketched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 512 MiB and five hundredths a disk is worth a look, and a large disk with as little room too."""
    monkeypatch.setattr(folders, "_room", lambda path: (400 << 20, 32 << 30))
    (warned,) = check_folder("run folder", tmp_path, sketched(SITE), HERE)
    assert (warned.id, warned.state) == ("folder.nearly_full", "warn") and "400 MiB (1 %)" in warned.sentence
    monkeypatch.setattr(folders, "_room", lambda path: (400 << 20, 4 << 30))
    assert [f.id for f in check_folder("run folder", tmp_path, sketched(SITE), HERE)] == ["folder.good"]


def test_what_the_rules_keep(sketched: Sketched) -> None:
    """Sizes of the site file count, and the journal's own where it names none."""
    assert keep_bytes(sketched(SITE)) == (1024 + 64 + 256 + 64) << 20
    smaller = SITE + "journal: {keep: {sample: {size: 24 MiB}}}\n"
    assert keep_bytes(sketched(smaller)) == (24 + 64 + 256 + 64) << 20


def test_mounts_are_read_as_the_kernel_writes_them() -> None:
    """The last mount over a point counts; blanks are escaped; a lone line of noise is none."""
    text = ("22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n"
            "30 22 0:25 / /mnt/my\\040disk ro,relatime - tmpfs tmpfs rw\nnoise\n"
            "31 22 8:1 / /mnt/usb rw - vfat /dev/sda1 ro,errors=remount-ro\n")
    assert [tuple(mount) for mount in parse_mounts(text)] == [
        ("/", "ext4", False), ("/mnt/my disk", "tmpfs", True), ("/mnt/usb", "vfat", True)]


def test_sizes_in_words() -> None:
    """Bytes as people say them."""
    assert [size(count) for count in (5, 2048, 3 << 20, 3 << 29)] == ["5 B", "2 KiB", "3 MiB", "1.5 GiB"]
