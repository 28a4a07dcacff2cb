"""The cache of compiled databases: the same database without cantools, and nothing where it cannot be trusted."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from bench import workload
from gateway.decode.random_dbc import random_dbc
from twolbms.decode import CompiledDatabase, DatabaseError, cache, compile_database
from twolbms.decode.cache import cache_folder, database_from
from twolbms.files import data_path

OURS = ["node.dbc", "ev/leaf_ze0.dbc", "ev/leaf_aze0.dbc", "ev/leaf_ze1.dbc"]
WITHOUT_CANTOOLS = """
import sys
from pathlib import Path
from twolbms.decode.cache import database_from
database = database_from(Path(sys.argv[1]), id_mask=0x1FFFFF00)
message = database.message("PackValues")
print(message.decode(bytes(8)), "cantools" in sys.modules, "numpy" in sys.modules)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "twolbms"


def no_parser(*_: object) -> None:
    raise AssertionError("parsed, though the cache has it")


def everything(database: CompiledDatabase) -> list[object]:
    """All that a database says, and how its types are told apart."""
    return [(repr(message), repr(message.tree), repr(message.pages), message.layout, message.cycle_time_s)
            for message in database.all_messages]


def check_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = compile_database(path, strict=False)
    database_from(path, strict=False)
    with monkeypatch.context() as patched:
        patched.setattr(cache, "parse_messages", no_parser)
        cached = database_from(path, strict=False)
    assert everything(cached) == everything(fresh)
    source = random.Random(path.name)
    for one, other in zip(cached.all_messages, fresh.all_messages, strict=True):
        for _ in range(10):
            data = source.randbytes(one.length)
            assert repr(one.decode(data)) == repr(other.decode(data))
            assert repr(one.decode_values(data)) == repr(other.decode_values(data))


@pytest.mark.parametrize("name", OURS)
def test_a_cached_database_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, places, types of numbers, comments, words, pages and senders come back as cantools gave them."""
    check_same(data_path("dbc", *name.split("/")), monkeypatch)


def test_random_and_bench_databases_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So do nested multiplexers, floats and CAN FD lengths."""
    for seed in range(15):
        path = tmp_path / f"{seed}.dbc"
        path.write_text(random_dbc(random.Random(seed), 8 + 56 * (seed % 2)))
        check_same(path, monkeypatch)
    check_same(workload.write_dbc(tmp_path / "workload.dbc"), monkeypatch)


def test_public_files_are_the_same(reference_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Public files of cars and of foxBMS, whose texts are not ASCII alone."""
    for name in ("foxbms", "bmw_i3_pt_can2", "leaf_ev_can_ze0"):
        check_same(reference_folder / "can_logs" / "dbc" / f"{name}.dbc", monkeypatch)


def test_a_warm_start_imports_no_cantools(folder: Path) -> None:
    """A process with a warm cache decodes without cantools and without numpy."""
    path = data_path("dbc", "node.dbc")
    database_from(path, id_mask=0x1FFFFF00)
    command = [sys.executable, "-c", WITHOUT_CANTOOLS, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("{'PackVoltage': 0.0") and done.stdout.endswith("False False\n")


def test_the_cache_is_for_its_owner_alone(folder: Path) -> None:
    """Folder and file are closed to others, and no half-written file stays."""
    database_from(data_path("dbc", "node.dbc"))
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.parametrize("spoil", ["cut", "flip", "empty", "version", "folder", "others", "deep", "number"])
def test_a_doubtful_cache_is_passed_over(spoil: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is damaged, of another version, writable by others or no file at all changes nothing."""
    path = data_path("dbc", "ev", "leaf_aze0.dbc")
    want = everything(database_from(path))
    (file,) = folder.iterdir()
    raw = file.read_bytes()
    if spoil == "folder":
        file.unlink()
        file.mkdir()
    elif spoil == "others":
        file.write_bytes(raw.replace(b"StateOfCharge", b"StateOfChurge"))
        file.chmod(0o666)
    else:
        spoilt = {"cut": raw[:-20], "flip": raw.replace(b"StateOfCharge", b"StateOfChurge"), "empty": b"",
                  "version": raw.replace(b"2lbms ", b"3lbms ", 1), "deep": b"[" * 100_000, "number": b"7"}[spoil]
        if spoil in ("deep", "number"):
            key = file.name.removesuffix(".json")
            spoilt = cache._head(key, spoilt) + b"\n" + spoilt
        file.write_bytes(spoilt)
    assert everything(database_from(path)) == want


def test_a_changed_text_is_another_entry(folder: Path, tmp_path: Path) -> None:
    """A corrected DBC is read anew, and strict and lenient reading do not share an entry."""
    path = tmp_path / "a.dbc"
    path.write_text(workload.dbc_text())
    assert database_from(path).message("Pack01Values").signals["Voltage"].scale == 0.01
    path.write_text(workload.dbc_text().replace("(0.01,0)", "(0.02,0)"))
    assert database_from(path).message("Pack01Values").signals["Voltage"].scale == 0.02
    database_from(path, strict=False)
    assert len(list(folder.iterdir())) == 3


def test_the_newest_files_are_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache does not grow without end."""
    monkeypatch.setattr(cache, "_MOST_FILES", 3)
    for at in range(6):
        path = tmp_path / "a.dbc"
        path.write_text(f'VERSION "{at}"\nBS_:\nBU_: X\nBO_ 1 A: 1 X\n')
        database_from(path)
        for place, file in enumerate(sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime_ns)):
            os.utime(file, (place, place))
    assert len(list(folder.iterdir())) == 3


def test_without_a_place_to_write_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder that cannot be made, or a user without a home, costs only time."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert database_from(data_path("dbc", "node.dbc")).message("PackValues")
    monkeypatch.setattr(cache, "cache_folder", lambda: None)
    assert database_from(data_path("dbc", "node.dbc")).message("PackValues")


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the XDG specification says; a relative path there is ignored."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cache" / "twolbms"
    for given in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", given)
        assert cache_folder() == tmp_path / ".cache" / "twolbms"


def test_errors_are_those_of_the_compiler(tmp_path: Path) -> None:
    """A file that is missing or no DBC is named, with what to do, and nothing is kept of it."""
    with pytest.raises(DatabaseError, match=r"absent\.dbc: it cannot be read \(No such file or directory\); check"):
        database_from(tmp_path / "absent.dbc")
    (tmp_path / "no.dbc").write_text("hello")
    with pytest.raises(DatabaseError, match=r"no\.dbc:1: this is no DBC.*; name a DBC file"):
        database_from(tmp_path / "no.dbc")
