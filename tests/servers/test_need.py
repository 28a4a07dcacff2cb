"""What happens to a test whose surroundings are missing, and to servers that could not be had."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from servers import recipes
from servers.need import required

TESTS = Path(__file__).resolve().parents[1]
CASES = '''
import pytest
from servers import need

need.FINDERS["nothing"] = lambda: None

def test_asks():
    need.need("nothing")

@pytest.mark.need("nothing")
def test_is_marked():
    raise AssertionError("a marked test must not begin")

def test_skips_by_itself():
    pytest.skip("needs nothing: it is not here")

def test_skips_for_another_reason():
    pytest.skip("not today")
'''


def run_cases(folder: Path, require: str) -> str:
    """What pytest says of the four cases."""
    (folder / "test_cases.py").write_text(CASES)
    environment = {**os.environ, "TWOLBMS_REQUIRE": require, "PYTHONPATH": str(TESTS)}
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "test_cases.py"],
                          cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.stdout


def test_a_missing_thing_skips_by_name(tmp_path: Path) -> None:
    """Tests skip for want of a thing, and the closing lines count them by reason."""
    said = run_cases(tmp_path, "influxd,reference")
    assert "4 skipped" in said
    assert "skipped 2: needs nothing\n" in said and "skipped 1: not today" in said


def test_a_required_thing_fails(tmp_path: Path) -> None:
    """When TWOLBMS_REQUIRE names it, each way of skipping for it is a failure; other skips stay skips."""
    said = run_cases(tmp_path, "influxd, nothing")
    assert "2 failed, 1 skipped, 1 error" in said  # pytest calls it an error when it is found before the test begins
    assert said.count("needs nothing, and TWOLBMS_REQUIRE says that it must be here") >= 3


@pytest.mark.parametrize(("reason", "name"), [
    ("needs influxd", "influxd"), ("Skipped: needs influxd", "influxd"), ("needs influxd: build it", "influxd"),
    ("needs influxd2", None), ("needs qemu", None), ("influxd", None), ("", None), ("needs", None),
])
def test_reasons(reason: str, name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name stands behind `needs`, alone or with words after it."""
    monkeypatch.setenv("TWOLBMS_REQUIRE", "influxd,reference")
    assert required(reason) == name


def test_a_server_is_found_where_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment variable comes first, then the cache; a file that cannot be run is not taken."""
    monkeypatch.setenv("TWOLBMS_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("TWOLBMS_INFLUXD", raising=False)
    assert recipes.find_influxd() is None
    cached = tmp_path / f"influxd-{recipes.INFLUXD_VERSION}" / "influxd"
    cached.parent.mkdir()
    cached.write_text("#!/bin/sh\n")
    assert recipes.find_influxd() is None
    cached.chmod(0o755)
    assert recipes.find_influxd() == cached
    monkeypatch.setenv("TWOLBMS_INFLUXD", "/bin/sh")
    assert recipes.find_influxd() == Path("/bin/sh")


def test_an_old_influxd_on_the_path_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's program of the same name is version 1 and speaks another write path."""
    monkeypatch.setenv("TWOLBMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TWOLBMS_INFLUXD", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    program = tmp_path / "influxd"
    for said, found in (("InfluxDB v1.6.7 (git: unknown)", None), ("InfluxDB v2.7.12 (git: none)", program)):
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
        assert recipes.find_influxd() == found


@pytest.mark.parametrize(("go", "word"), [
    (None, "which this machine lacks"), ("go1.19.8", "Go 1.21 or newer; here is 1.19"),
])
def test_what_is_missing_for_building_is_named(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go: str | None, word: str) -> None:
    """Without the tools, or with a Go that is too old, building says which, and leaves nothing behind."""
    monkeypatch.setenv("TWOLBMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TWOLBMS_INFLUXD", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for tool in ("go", "cargo", "gcc", "pkg-config") if go else ():
        (tmp_path / tool).write_text(f"#!/bin/sh\necho {go}\n")
        (tmp_path / tool).chmod(0o755)
    with pytest.raises(recipes.RecipeFailed, match=re.escape(word)):
        recipes.get_influxd()
    assert not (tmp_path / "cache").exists()


def test_what_user_mode_linux_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the kernel or what its guest needs of the machine, the packages to install are said."""
    missing = ("linux.uml", "ip")
    monkeypatch.setattr(recipes, "_on_path", lambda program: None if program in missing else Path("/bin/sh"))
    assert recipes.find_uml() is None
    with pytest.raises(recipes.RecipeFailed, match="type `apt-get install user-mode-linux iproute2`"):
        recipes.get_uml()


def test_the_build_is_pinned() -> None:
    """The module names the server's version, its checksum file is there, and no machine's path or host is in it."""
    pinned, sums = ((recipes.MODULE / name).read_text() for name in ("go.mod", "go.sum"))
    server = f"github.com/influxdata/influxdb/v2 v{recipes.INFLUXD_VERSION}"
    assert server in pinned and f"{server} h1:" in sums
    assert "://" not in pinned and "/work" not in pinned and "/root" not in pinned
