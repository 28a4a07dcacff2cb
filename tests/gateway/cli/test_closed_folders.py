"""Commands that read a journal or ask a gateway, for a user to whom a folder is closed: a sentence, never a fault."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from twolbms.cli.program import run
from twolbms.config.path_state import Closed
from twolbms.journal import JournalWriter

SITE = """site: shed
run: closed/run
buses: [{name: can0, interface: virtual, channel: a}]
packs: [{name: house, type: lfp_8s_320ah, node: 1, bus: can0}]
"""
NOBODY = 65534
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def site_file() -> Iterator[Path]:
    """A site whose run folder, with a journal in it, lies in a folder that only root may pass."""
    top = Path(tempfile.mkdtemp(prefix="shed-"))
    top.chmod(0o755)
    (top / "site.yaml").write_text(SITE)
    writer = JournalWriter(top / "closed" / "run" / "journal", "0" * 32, now_ns=lambda: 7)
    writer.event(1, "opened", "house", {"text": "opened"})
    writer.close()
    (top / "closed").chmod(0o700)
    yield top / "site.yaml"
    shutil.rmtree(top)


@pytest.fixture
def nobody() -> Iterator[None]:
    """The rest of the test is done by the user nobody; what is imported, was before."""
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


COMMANDS = [["journal", "check", "{site}"], ["journal", "gaps", "{folder}"], ["journal", "card", "{site}"],
            ["journal", "repair", "{folder}"], ["view", "--once", "--site", "{site}"], ["why", "--site", "{site}"],
            ["why", "--socket", "{folder}/x.sock", "--journal", "{folder}"]]


@ROOT
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_closed_folder_is_a_sentence(command: list[str], site_file: Path, capsys: pytest.CaptureFixture[str],
                                       request: pytest.FixtureRequest) -> None:
    """The folder, its owner and what to type are told, and the status is that of a wrong file."""
    folder = site_file.parent / "closed"
    words = [word.format(site=site_file, folder=folder / "run" / "journal") for word in command]
    run([*words[:2], "--help"])  # imports what the command needs while that can be read
    capsys.readouterr()
    request.getfixturevalue("nobody")
    assert run(words) == 2
    err = capsys.readouterr().err
    assert f"{folder} is closed to nobody, it belongs to root: run this as that user, with sudo -u root" in err
    assert "unexpected" not in err


@ROOT
@pytest.mark.parametrize("command", [["journal", "check", "{folder}"],
                                     ["why", "--socket", "/x", "--journal", "{folder}"]], ids=["check", "why"])
def test_a_file_of_the_journal_is_closed(command: list[str], site_file: Path, capsys: pytest.CaptureFixture[str],
                                         request: pytest.FixtureRequest) -> None:
    """A segment that may not be read in a folder that may be seen is told in the same words."""
    folder = site_file.parent / "closed" / "run" / "journal"
    (site_file.parent / "closed").chmod(0o755)
    segment = next(folder.glob("event/*.seg"))
    segment.chmod(0o600)
    request.getfixturevalue("nobody")
    assert run([word.format(folder=folder) for word in command]) == 2
    err = capsys.readouterr().err
    assert f"{segment} is closed to nobody" in err and "unexpected" not in err


def test_a_view_without_its_journal(site_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The view shows the gateway's picture also where the journal beside it may not be read."""
    from twolbms.cli import view
    monkeypatch.setattr(view, "closed_to_me", lambda path: Closed(path, "anna"))
    assert list(view._recorded(site_file.parent / "closed" / "run" / "journal")) == []
