"""Runs a script with the firmware on its path: on this Python, and on the 32-bit MicroPython."""

from __future__ import annotations

import os
import subprocess
import sys

from servers.need import need
from twolbms.files import data_path


def on_cpython(script: str) -> str:
    """What it prints; its own errors fail the test."""
    return _said(sys.executable, script)


def on_micropython(script: str) -> str:
    """The same, with machine code where the firmware has it."""
    return _said(need("micropython32").program, script)


def _said(program: str, script: str) -> str:
    source = str(data_path("firmware", "src"))
    surroundings = {**os.environ, "MICROPYPATH": source, "PYTHONPATH": source}
    done = subprocess.run([program, "-c", script], env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
