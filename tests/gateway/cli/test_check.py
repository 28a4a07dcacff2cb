"""`2lbms check` and `2lbms schema`: what they say and how they end."""

import json
from pathlib import Path

import pytest

from twolbms.cli.program import run
from twolbms.config.json_schema import schema_text

ROOT = Path(__file__).resolve().parents[3]
SITE = """\
site: house
journal: {folder: ./records}
buses: [{name: can0, interface: socketcan, channel: can0}]
packs:
  - {name: bank, type: lfp_8s_320ah, node: 7, bus: can0, serial: "B-12", keep_closed: true}
influxdb: {org: home, token_file: token}
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A right site file in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = Path("site.yaml")
    path.write_text(SITE)
    return path


def test_a_right_site_is_summed_up(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A right file is told what it means: buses, packs with what limits their current, banks, folders, notes."""
    assert run(["check", "site.yaml"]) == 0
    assert capsys.readouterr().out == f"""\
site.yaml is right.
  site     house
  bus      can0: socketcan can0, 500 kbit/s
  pack     bank: node 7 on can0, serial B-12, kept closed
           lfp_8s_320ah: Eight 320 Ah LiFePO4 cells in series, 8S1P, 25.6 V nominal
           at most 200 A charge (bms), 200 A discharge (bms)
  bank     bank: bank
  journal  {tmp_path}/records
  influxdb http://127.0.0.1:8086, bucket bms
note: influxdb.token_file: {tmp_path}/token does not exist yet; `2lbms influx setup` makes it
"""


def test_a_right_site_for_programs(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json gives the same as one object."""
    (tmp_path / "token").write_text("x")
    assert run(["check", "site.yaml", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["site"], told["notes"]) == (True, "house", [])
    assert told["packs"]["bank"]["charge_set_by"] == "bms"
    assert told["banks"] == {"bank": ["bank"]}
    assert told["socket"] == f"{tmp_path}/run/2lbms.sock"


def test_problems_are_told_by_line(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong file is told on standard error, one line a problem, status 2."""
    site.write_text(SITE.replace("node: 7", "node: seven").replace("org: home", "organisation: home"))
    assert run(["check", "site.yaml"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        'site.yaml:5:44: packs[0].node: expected a whole number from 1 to 127, found "seven"\n'
        "site.yaml:6:12: influxdb.organisation: unknown key; expected url, server, org, bucket, read_token_file, "
        "admin_token_file, ca_file, compress, retention_days, minutes, rewind_s or timeout_s\n")


@pytest.mark.parametrize("text", ["a: [", SITE.replace("lfp_8s_320ah", "lfp"), ""])
def test_problems_for_programs(site: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json also problems are one object on standard output, and standard error is silent."""
    site.write_text(text)
    assert run(["check", "--json", "site.yaml"]) == 2
    told = capsys.readouterr()
    assert told.err == ""
    (problem,) = json.loads(told.out)["problems"]
    assert problem["file"] == "site.yaml"
    assert problem["message"]


def test_a_file_that_is_not_there(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file is a line, not a traceback, with the file that was meant or those that are there."""
    for name, hint in (("sight.yaml", '; did you mean "site.yaml"?'), ("x", '; in its folder is "site.yaml"'),
                       ("none/x.yaml", "")):
        assert run(["check", name]) == 2
        assert capsys.readouterr().err == f"{name}: no such file{hint}\n"


def test_a_packs_own_yaml(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Whoever writes a pack's YAML checks it the same way."""
    shipped = ROOT / "packs" / "leaf_2013_14s.yaml"
    assert run(["check", str(shipped)]) == 0
    assert "at most 66 A charge (cell), 125 A discharge (fuse)" in capsys.readouterr().out
    wrong = tmp_path / "mine.yaml"
    wrong.write_text(shipped.read_text().replace("series: 14", "series: fourteen"))
    assert run(["check", str(wrong)]) == 2
    assert "mine.yaml:8:11: cells.series: expected a whole number from 1 to 128" in capsys.readouterr().err


def test_schemas_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`2lbms schema NAME` prints what an editor needs, and --path where it lies."""
    assert run(["schema", "site"]) == 0
    assert capsys.readouterr().out == schema_text("site")
    assert run(["schema", "site", "--path"]) == 0
    assert json.loads(Path(capsys.readouterr().out.strip()).read_text())["title"] == "2lbms site file"


def test_schemas_are_written_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--all writes every schema; --check names the stale ones with status 1, and is content after that."""
    assert run(["schema", "--all", "--check", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == f"stale: {tmp_path}/site.schema.json"
    assert run(["schema", "--all", "--out", str(tmp_path)]) == 0
    assert run(["schema", "--all", "--check", "--out", str(tmp_path)]) == 0


def test_a_token_in_a_closed_folder_is_not_called_absent(
        site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether a file below a closed folder is there cannot be seen, and that is what is said."""
    from twolbms.config.path_state import Closed
    monkeypatch.setattr("twolbms.cli.check.state_of", lambda path: Closed(path.parent, "anna"))
    assert run(["check", "site.yaml"]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path}/token cannot be seen from here: {tmp_path} is closed to " in out and "does not exist" not in out
