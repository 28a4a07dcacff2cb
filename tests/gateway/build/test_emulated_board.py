"""Finding and building the emulated board: what is missing is named, what is old is not taken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from twolbms.build import emulated_board
from twolbms.build.emulated_board import BoardMissing, build_board, find_board


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache and only the programs in the folder that is returned."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("TWOLBMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TWOLBMS_EMULATED_BOARD", raising=False)
    monkeypatch.setenv("PATH", str(programs))
    return programs


def add(folder: Path, name: str, text: str = "#!/bin/sh\n") -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def test_what_to_install_is_said(bare: Path) -> None:
    """Without the emulator or the compiler it says exactly which packages to install; nothing is left behind."""
    with pytest.raises(BoardMissing, match=r"apt-get install --no-install-recommends qemu-system-arm$"):
        find_board()
    add(bare, "qemu-system-arm")
    with pytest.raises(BoardMissing, match=r"tools/servers qemu"):
        find_board(build=False)
    with pytest.raises(BoardMissing, match=r"recommends gcc-arm-none-eabi libnewlib-arm-none-eabi make python3$"):
        find_board()
    for name in ("make", "python3"):
        add(bare, name)
    add(bare, "arm-none-eabi-gcc", "#!/bin/sh\necho nosys.specs\n")
    with pytest.raises(BoardMissing, match=r"recommends libnewlib-arm-none-eabi$"):
        build_board()
    assert not (bare.parent / "cache").exists()


def test_it_is_found_where_it_is_said_to_be(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment variable comes before the cache."""
    add(bare, "qemu-system-arm")
    named = bare / "firmware.elf"
    named.write_bytes(b"")
    monkeypatch.setenv("TWOLBMS_EMULATED_BOARD", str(named))
    assert find_board(build=False) == named


def test_a_changed_source_is_built_anew(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in the cache counts only for the additions and the heap it was built with."""
    add(bare, "qemu-system-arm")
    additions = shutil.copytree(emulated_board._additions(), bare.parent / "emulated")
    monkeypatch.setattr(emulated_board, "_additions", lambda: additions)
    built = emulated_board._home() / "firmware.elf"
    built.parent.mkdir(parents=True)
    built.write_bytes(b"")
    assert find_board(build=False) == built
    with (additions / "mpconfig_app.h").open("a") as file:
        file.write("// another\n")
    with pytest.raises(BoardMissing):
        find_board(build=False)
