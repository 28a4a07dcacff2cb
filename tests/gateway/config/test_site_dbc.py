"""Where the DBC files of a bus are found, and what is said of one that is not there."""

from pathlib import Path

import pytest

from twolbms.config.errors import ConfigError
from twolbms.config.path_state import Closed
from twolbms.config.site import load_site
from twolbms.config.site_dbc import dbc_files, known_dbc
from twolbms.files import data_path

SITE = """site: bench
buses:
  - {{name: car, interface: socketcan, channel: can0, dbc: [{dbc}]}}
  - {{name: other, interface: socketcan, channel: can1}}
"""


def load(tmp_path: Path, dbc: str):
    path = tmp_path / "site.yaml"
    path.write_text(SITE.format(dbc=dbc))
    return load_site(path)


def test_a_dbc_is_found_beside_the_site_in_its_dbc_folder_and_among_ours(tmp_path: Path) -> None:
    """A name is looked for beside the site file, in dbc/ there, and among those that come with 2lbms."""
    (tmp_path / "dbc").mkdir()
    (tmp_path / "own.dbc").touch()
    (tmp_path / "dbc" / "mine.dbc").touch()
    site = load(tmp_path, "own.dbc, mine.dbc, ev/leaf_aze0.dbc")
    assert dbc_files(site) == {"car": (tmp_path / "own.dbc", tmp_path / "dbc" / "mine.dbc",
                                       data_path("dbc", "ev", "leaf_aze0.dbc"))}


def test_a_site_may_have_no_pack(tmp_path: Path) -> None:
    """A bus with a DBC is enough to watch."""
    assert load(tmp_path, "node.dbc").packs == []


def test_a_missing_dbc_is_named_with_its_place(tmp_path: Path) -> None:
    """The sentence says where the name stands and what was meant."""
    with pytest.raises(ConfigError) as caught:
        dbc_files(load(tmp_path, "ev/leaf_aze.dbc"))
    assert [str(problem).partition("site.yaml:")[2] for problem in caught.value.problems] == [
        '3:60: buses[0].dbc[0]: no file is called "ev/leaf_aze.dbc" beside the site file; '
        'did you mean "ev/leaf_aze0.dbc"?']
    assert "node.dbc" in known_dbc()


def test_a_site_that_watches_nothing_is_refused(tmp_path: Path) -> None:
    """No pack, no device and no DBC: there is nothing to do."""
    path = tmp_path / "site.yaml"
    path.write_text("site: bench\nbuses: [{name: car, interface: socketcan, channel: can0}]\n")
    with pytest.raises(ConfigError, match="nothing to watch: expected packs, devices, or a bus with dbc"):
        load_site(path)


def test_a_dbc_in_a_closed_folder_is_not_called_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a folder above it is closed, the sentence says that and whose the folder is."""
    monkeypatch.setattr("twolbms.config.site_dbc.state_of", lambda path: Closed(path.parent, "anna"))
    with pytest.raises(ConfigError) as caught:
        dbc_files(load(tmp_path, "own.dbc"))
    (problem,) = caught.value.problems
    assert problem.message.startswith(f'"own.dbc" cannot be seen: {tmp_path} is closed to ')
    assert "it belongs to anna" in problem.message and "no file is called" not in problem.message
