"""The README stays true: its commands exist and run, its site file is a good one, its links lead somewhere."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("dbc/*.md")])


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def commands() -> list[str]:
    """Every command line in the shell blocks, without its comment."""
    return [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines() if line.strip()]


def program(*arguments: str, cwd: Path, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "twolbms", *arguments], cwd=cwd, capture_output=True, text=True,
                          timeout=timeout)


def test_two_commands_do_the_set_up() -> None:
    """The first shell block has exactly the two commands, and make knows both and what they set up first."""
    assert [line.split("#")[0].strip() for line in blocks("sh")[0].splitlines()] == ["make demo", "make test"]
    for target, runs in (("demo", "-m twolbms demo"), ("test", "-m pytest")):
        plan = subprocess.run(["make", "-n", "-B", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert "tools/setup" in plan and runs in plan


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with the README's site file."""
    (tmp_path / "site.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    return tmp_path


def test_the_site_file_is_good(site: Path) -> None:
    """`2lbms check site.yaml` finds nothing wrong with the README's own example."""
    done = program("check", "site.yaml", cwd=site)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_site_commands_run(site: Path) -> None:
    """The gateway starts on the README's site without its USB stick, and view and why answer for it."""
    gateway = subprocess.Popen([sys.executable, "-m", "twolbms", "run", "site.yaml"], cwd=site,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 20
        while (why := program("why", "--site", "site.yaml", "--json", cwd=site)).returncode == 2:
            assert time.monotonic() < deadline and gateway.poll() is None, why.stderr
        assert "bank" in why.stdout
        assert "bank" in program("view", "--site", "site.yaml", "--once", cwd=site).stdout
    finally:
        gateway.terminate()
        gateway.communicate(timeout=20)


def test_every_command_named_exists() -> None:
    """Each `2lbms NAME` and each `make NAME` in the README is a command or target."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`make ([a-z]+)", README))
    assert named | {c.split()[1] for c in commands() if c.startswith("make")} <= targets
    tour = program("--help", cwd=ROOT).stdout
    for name in set(re.findall(r"(?:`|bin/)2lbms ([a-z]+)\b", README)):
        assert re.search(rf"^\s+{name}\s", tour, re.M) or name in ("view",), name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of every page leads to a file of the project."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
