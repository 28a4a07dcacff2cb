from __future__ import annotations

import importlib.util
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from twolbms.journal import FAMILIES, JournalReader

CHILD = Path(__file__).with_name("scribbling_child.py")
A, B = "aa" * 16, "bb" * 16


def run_and_kill(folder: Path, boot_id: str, run: int, after_bytes: int) -> list[str]:
    """Kills the child once it has told so many bytes; returns the whole lines that it told."""
    with subprocess.Popen([sys.executable, CHILD, folder, boot_id, str(run)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        told = child.stdout.read(after_bytes)
        child.kill()
        told += child.stdout.read()
    assert child.returncode == -9
    return told.decode().split("\n")[:-1]


def read_back(folder: Path) -> list[str]:
    spec = importlib.util.spec_from_file_location("scribbling_child", CHILD)
    assert spec is not None
    assert spec.loader is not None
    child = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(child)
    return [json.dumps(child.as_row(record)) for family in FAMILIES
            for block in JournalReader(folder).blocks(family) for record in block.records]


@pytest.mark.parametrize("seed", [1, 2])
def test_no_acknowledged_record_is_lost(folder, seed):
    """Killed with -9 at random moments, run after run on one folder: every acknowledged record is read back, once."""
    rng = random.Random(seed)
    told: list[str] = []
    boot_ids = (A, A, A, A, B, B, B)
    for run, boot_id in enumerate(boot_ids):
        told += run_and_kill(folder, boot_id, run, rng.randrange(1, 600_000))
        # Before the next writer repairs the tail, and only then: whatever a reader sees now must hold all of it.
        assert_all_read(told, folder)
    reader = JournalReader(folder)
    assert reader.damaged == 0
    assert len(reader.gaps()) == len(boot_ids) - 1
    assert [problem for problem in reader.verify() if "no whole block at the end" not in problem] == []


def assert_all_read(told: list[str], folder: Path) -> None:
    acknowledged, found = Counter(told), Counter(read_back(folder))
    assert len(told) > 0
    assert acknowledged - found == Counter(), "acknowledged records that are not in the journal"
    assert max(found.values()) == 1, "records that are in the journal more than once"
