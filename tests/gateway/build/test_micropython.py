"""Where the runtime is fetched from: the archive that the machine's own apt uses, in either way of writing it down."""

from pathlib import Path

import pytest

from twolbms.build.micropython import RuntimeMissing, debian_archive


@pytest.mark.parametrize(("name", "text"), [
    ("sources.list.d/debian.sources", "Types: deb\nURIs: http://mirror.example/debian/\nSuites: bookworm\n"),
    ("sources.list", "# a comment\ndeb [arch=arm64] http://mirror.example/debian bookworm main\n"),
    ("sources.list.d/pi.list", "deb http://pi.example/raspbian x main\ndeb http://mirror.example/debian x main\n")])
def test_the_archive_is_that_of_apt(name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of naming a source are read, and one that is not Debian's is passed over."""
    monkeypatch.delenv("MIRROR", raising=False)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / name).write_text(text)
    assert debian_archive(tmp_path) == "http://mirror.example/debian"


def test_without_an_archive_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose apt knows no Debian archive is told to set MIRROR, and MIRROR is taken."""
    monkeypatch.delenv("MIRROR", raising=False)
    with pytest.raises(RuntimeMissing, match="set MIRROR"):
        debian_archive(tmp_path)
    monkeypatch.setenv("MIRROR", "http://mirror.example/debian")
    assert debian_archive(tmp_path) == "http://mirror.example/debian"
