"""MDF 4 bus logging through asammdf: the frames that python-can reads, by time; skipped without asammdf."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from pathlib import Path

import can
import pytest

from gateway.importing.log_frames import bulk, messages, of_python_can, plain, write
from twolbms.importing.frames import DATA, ERROR, REMOTE
from twolbms.importing.readers.log_file import UnreadableLog

mf4 = pytest.importorskip("twolbms.importing.readers.mf4")
pytest.importorskip("asammdf")


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """All kinds of frames, in the three groups of a file."""
    found = [each for each in messages(600, 5) if each.data or not each.is_fd]
    return write(tmp_path / "a.mf4", found)


@pytest.mark.parametrize("records", [50, 65_536])
@pytest.mark.parametrize("read", [plain, bulk])
def test_an_mf4_is_read_as_python_can_reads_it(logged: Path, monkeypatch, read, records: int) -> None:
    """Data, error and remote frames merged by time, in pieces of any size."""
    monkeypatch.setattr(mf4, "_RECORDS", records)
    frames, damage = read(logged)
    wanted = of_python_can(logged)
    assert damage.sentences() == [] and {frame.kind for frame in frames} == {DATA, REMOTE, ERROR}
    assert [frame.time_ns for frame in frames] == sorted(frame.time_ns for frame in frames)
    assert sorted(frames) == sorted(wanted)
    assert [frame for frame in frames if frame.kind == DATA] == [frame for frame in wanted if frame.kind == DATA]


def test_a_packed_mf4_is_read(logged: Path, tmp_path: Path) -> None:
    """Gzipped files are unpacked on the disk, because asammdf needs a file."""
    packed = tmp_path / "b.mf4.gz"
    packed.write_bytes(gzip.compress(logged.read_bytes()))
    assert bulk(packed) == bulk(logged)


DAMAGED = """
import sys
from pathlib import Path
from twolbms.importing.frames import Damage
from twolbms.importing.readers.log_file import UnreadableLog
from twolbms.importing.readers.open_log import read_tables
for name in sys.argv[1:]:
    try:
        rows = sum(len(table.time_ns) for table in read_tables(Path(name), Damage(), lambda done: None))
        assert rows <= 600, rows
    except UnreadableLog as error:
        assert str(error)
"""


def test_a_damaged_mf4_gives_what_is_before_or_says_why(logged: Path, tmp_path: Path) -> None:
    """Cut or overwritten: a sentence or some of the frames, never a crash."""
    content = logged.read_bytes()
    source = random.Random(2)
    names = []
    for index in range(30):
        damaged = bytearray(content)
        for _ in range(source.randint(1, 4)):
            damaged[source.randrange(80, len(damaged))] = source.randrange(256)
        path = tmp_path / f"{index}.mf4"
        path.write_bytes(damaged[: source.choice([None, len(damaged) // 2, 100])])
        names.append(str(path))
    # In a process of its own: what asammdf does with some of them shakes the interpreter.
    done = subprocess.run([sys.executable, "-c", DAMAGED, *names], capture_output=True, text=True, timeout=120,
                          check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_an_mf4_without_frames_says_what_it_lacks(tmp_path: Path) -> None:
    """A measurement of something else is no log of a bus."""
    import numpy as np
    from asammdf import MDF, Signal

    with MDF() as file:
        file.append(Signal(np.arange(3), np.arange(3) / 1e3, name="Speed"))
        file.save(tmp_path / "a.mf4")
    with pytest.raises(UnreadableLog, match="holds no CAN frames"):
        bulk(tmp_path / "a.mf4")


def test_without_asammdf_a_sentence_says_what_to_install(logged: Path) -> None:
    """The extra is named, with the command."""
    code = ("import sys; sys.modules['asammdf'] = None\nfrom twolbms.cli import main\n"
            f"main(['import', {str(logged)!r}, '--pack', 'leaf_aze0'])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
                          cwd=logged.parent)
    assert done.returncode == 2 and "pip install '2lbms[mf4]'" in done.stderr


def test_absolute_times_are_those_of_the_file(tmp_path: Path) -> None:
    """The start of the measurement and its seconds make wall time, to the microsecond."""
    path = write(tmp_path / "a.mf4", [can.Message(1_700_000_000.123456, 1, data=b"\1", channel=0)])
    (frame,), _ = bulk(path)
    assert frame.time_ns == 1_700_000_000_123_456_000
