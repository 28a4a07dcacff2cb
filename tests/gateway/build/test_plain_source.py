"""A runtime gets the firmware in the form that it runs rightly."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.build.micropython import Runtime
from twolbms.build.plain_source import firmware_source
from twolbms.files import data_path


def test_a_32_bit_runtime_runs_the_source_itself() -> None:
    """What is tested is what is written, machine code and all."""
    assert firmware_source(Runtime("micropython", "1.25.0", 32)) == data_path("firmware", "src")


def test_a_64_bit_runtime_gets_no_machine_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its viper reads -1 as 4294967295: the copy has every module, the same lines, and no decorator; made once."""
    monkeypatch.setenv("TWOLBMS_CACHE", str(tmp_path))
    copy = firmware_source(Runtime("micropython", "1.25.0", 64))
    source = data_path("firmware", "src")
    names = {path.relative_to(source) for path in source.rglob("*.py")}
    assert {path.relative_to(copy) for path in copy.rglob("*.py")} == names
    decorated = 0
    for name in names:
        text, plain = (source / name).read_text(encoding="utf-8"), (copy / name).read_text(encoding="utf-8")
        decorated += text.count("\n@micropython.viper\n")
        assert "@micropython.viper" not in plain.split("\n") and len(text.split("\n")) == len(plain.split("\n"))
    assert decorated > 5
    stamp = (copy / "main.py").stat().st_mtime_ns
    assert firmware_source(Runtime("micropython", "1.25.0", 64)) == copy
    assert (copy / "main.py").stat().st_mtime_ns == stamp
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]
