"""SocketCAN on a real kernel: each test of inside/socketcan_cases.py, run in one boot of the guest, as one here."""

from __future__ import annotations

import ast
import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from uml.guest import Guest

ROOT = Path(__file__).resolve().parents[2]
CASES = Path(__file__).resolve().parent / "inside" / "socketcan_cases.py"
NAMES = [node.name for node in ast.parse(CASES.read_text(encoding="utf-8")).body
         if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
TIMEOUT_S = 180.0


@pytest.fixture(scope="module")
def told(uml: Guest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each case in the guest came to: "passed", or why not."""
    folder = tmp_path_factory.mktemp("inside")
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest",
               f"--junitxml={report}", f"--basetemp={folder / 'tmp'}", str(CASES)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    outcome = uml.run(command, ROOT, {**kept, "PYTHONDONTWRITEBYTECODE": "1"}, TIMEOUT_S)
    assert report.exists(), outcome.output[-3000:]
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        faults = [child.text or child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        found[case.get("name", "").partition("[")[0]] = "\n".join(faults) or "passed"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_in_the_guest(told: dict[str, str], name: str) -> None:
    """The case keeps its promise on a kernel with CAN."""
    assert told[name] == "passed"
