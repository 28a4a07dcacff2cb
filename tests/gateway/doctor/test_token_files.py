"""Token files: each thing that can be wrong with one, on real files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.doctor.conftest import SITE, Sketched, as_nobody
from twolbms.doctor.rules import Finding
from twolbms.doctor.token_files import check_token, check_tokens

WITH_TOKEN = SITE + "influxdb: {org: home, token_file: token}\n"
SECRET = "s3cr3t-t0ken"


def look(sketched: Sketched) -> list[Finding]:
    return list(check_tokens(sketched(WITH_TOKEN)))


@pytest.mark.parametrize(("content", "mode", "ids"), [
    (SECRET, 0o600, ["token.good"]), (SECRET + "\n", 0o400, ["token.good"]), (SECRET, 0o644, ["token.open"]),
    (SECRET, 0o640, ["token.open"]), ("", 0o600, ["token.empty"]), (" \n", 0o600, ["token.empty"]),
    ("two\nlines", 0o600, ["token.not_a_token"]), ("tök", 0o600, ["token.not_a_token"]),
    ("", 0o644, ["token.open", "token.empty"]), (None, 0, ["token.missing"])])
def test_a_token_file(content: str | None, mode: int, ids: list[str], sketched: Sketched, tmp_path: Path) -> None:
    """Missing, open to others, empty or no token: each is found and says what to type; the secret is never shown."""
    if content is not None:
        (tmp_path / "token").write_text(content, encoding="utf-8")
        (tmp_path / "token").chmod(mode)
    found = look(sketched)
    assert [finding.id for finding in found] == ids
    assert all(finding.do for finding in found if finding.state == "bad")
    assert SECRET not in str(found)


def test_the_mode_and_the_cure(sketched: Sketched, tmp_path: Path) -> None:
    """The mode is shown as people write it, with the command that mends it."""
    (tmp_path / "token").write_text(SECRET)
    (tmp_path / "token").chmod(0o644)
    (finding,) = look(sketched)
    assert finding.sentence.endswith("(mode 0644)") and finding.do == f"type: chmod 600 {tmp_path}/token"


def test_a_folder_in_its_place(sketched: Sketched, tmp_path: Path) -> None:
    """A folder of that name is no token."""
    (tmp_path / "token").mkdir()
    assert [finding.id for finding in look(sketched)] == ["token.not_a_file"]


def test_no_database_no_token(sketched: Sketched) -> None:
    """A site without a database has no tokens to look at."""
    assert list(check_tokens(sketched(SITE))) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_token_of_another_user(open_folder: Path) -> None:
    """A token that belongs to somebody else is told with both users."""
    token = open_folder / "token"
    token.write_text(SECRET)
    token.chmod(0o600)
    (told,) = as_nobody(lambda: check_token("token_file", token, Path("site.yaml")))
    assert told.startswith("token.unreadable ") and "belongs to root and cannot be read by nobody" in told
    assert "sudo -u root 2lbms doctor site.yaml" in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_token_in_a_closed_folder(closed_folder: Path) -> None:
    """Whether a token below a closed folder is there cannot be seen; it is not called missing."""
    (told,) = as_nobody(lambda: check_token("token_file", closed_folder / "token", Path("site.yaml")))
    assert told.startswith(f"folder.closed {closed_folder} is closed to nobody")
    assert "sudo -u root 2lbms doctor site.yaml" in told
