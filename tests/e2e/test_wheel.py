"""A wheel installed into an empty venv elsewhere works without the checkout: help, scenario, generate, import, demo."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / "tests/scenarios/lfp_8s_320ah/cell_over_voltage.yaml"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`2lbms` from a freshly built wheel, in a venv below a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("else where")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
                   check=True, capture_output=True, timeout=240)
    wheel = next(folder.glob("*.whl"))
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(wheel)], check=True,
                   capture_output=True, timeout=300)
    return folder / "venv/bin/2lbms"


def run(program: Path, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Runs the installed program in its own folder, with nothing of this checkout in its surroundings."""
    kept = ("HOME", "PATH", "LANG", "TWOLBMS_CACHE", "TWOLBMS_MICROPYTHON")
    surroundings = {name: os.environ[name] for name in kept if name in os.environ}
    return subprocess.run([program, *arguments], cwd=program.parent, env=surroundings, capture_output=True, text=True,
                          timeout=timeout)


def test_help_and_version(program: Path) -> None:
    """The installed program tells what it is."""
    assert "Run a site" in run(program, "--help").stdout
    assert run(program, "--version").stdout.strip().endswith("0.1.0")


def test_scenario_and_generate(program: Path, tmp_path: Path) -> None:
    """It plays a scenario on the firmware that travels in it, and generates limits for any pack's YAML."""
    played = run(program, "scenario", str(SCENARIO))
    assert played.returncode == 0, played.stdout + played.stderr
    made = run(program, "generate", str(ROOT / "packs/lfp_8s_320ah.yaml"), "--out", str(tmp_path))
    assert made.returncode == 0
    assert (tmp_path / "limits_lfp_8s_320ah.py").read_text() == (
        ROOT / "firmware/src/generated/limits_lfp_8s_320ah.py").read_text()


@pytest.mark.need("micropython32")
def test_demo(program: Path) -> None:
    """It shows the whole story on real node firmware."""
    told = run(program, "demo", "--json", timeout=280)
    assert told.returncode == 0, told.stdout + told.stderr
    counts = json.loads(told.stdout)
    assert counts["records_acknowledged"] == counts["records_read_back"] > 0
