"""`2lbms influx` as a person types it, against a real InfluxDB 2."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from twolbms.cli.program import run

if TYPE_CHECKING:
    from servers.influx_server import InfluxServer

SITE = """\
site: home
buses:
  - {name: packs, interface: slcan, channel: "/dev/null"}
packs:
  - {name: shed, type: lfp_8s_320ah, node: 1, bus: packs}
"""


@pytest.fixture
def site(tmp_path: Path, own_influxd: InfluxServer) -> Path:
    """A site file that names an empty server."""
    path = tmp_path / "site.yaml"
    path.write_text(
        SITE + f"influxdb: {{url: '{own_influxd.url}', org: home, bucket: bms, token_file: secrets/token}}\n"
    )
    return path


def test_setup_check_query(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From an empty server to an answer: check says what is missing, setup mends it, again changes nothing."""
    assert run(["influx", "check", str(site)]) == 1
    assert "WRONG the gateway cannot write: token file" in capsys.readouterr().out
    assert run(["influx", "setup", str(site)]) == 0
    assert capsys.readouterr().out.count("new  ") == 6
    assert sorted(path.name for path in (site.parent / "secrets").iterdir()) == [
        "influx-admin-password",
        "influx-admin-token",
        "influx-read-token",
        "token",
    ]
    assert run(["influx", "setup", str(site)]) == 0
    assert "new" not in capsys.readouterr().out
    assert run(["influx", "check", str(site), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert run(["influx", "query", str(site), "SHOW DATABASES"]) == 0
    assert capsys.readouterr().out == "# databases\nname\nbms\nbms_minutes\n"


def test_a_wrong_question_is_told(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """InfluxQL that the server cannot read is answered with its own words and exit status 1."""
    run(["influx", "setup", str(site)])
    capsys.readouterr()
    assert run(["influx", "query", str(site), "SELEKT 1"]) == 1
    assert "failed to parse query" in capsys.readouterr().err


def test_no_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An absent server is one line, in JSON one object, exit status 1."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE + "influxdb: {url: 'http://127.0.0.1:1', org: home, token_file: token}\n")
    assert run(["influx", "setup", str(path)]) == 1
    assert "cannot be reached" in capsys.readouterr().err
    assert run(["influx", "setup", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
    assert run(["influx", "check", str(path)]) == 1
    assert "nobody answers" in capsys.readouterr().out


def test_a_site_without_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A site file without the section is told with file and key, exit status 2."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    assert run(["influx", "check", str(path)]) == 2
    assert "influxdb" in capsys.readouterr().err


def test_without_the_extra(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where influxdb-client is not installed, the command says what to type."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE + "influxdb: {org: home, token_file: token}\n")
    monkeypatch.setitem(sys.modules, "influxdb_client", None)
    assert run(["influx", "setup", str(path)]) == 1
    assert "pip install '2lbms[influx]'" in capsys.readouterr().err


def test_series_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the database's index has to hold is told without a database: packs, cells, sensors, messages of a DBC."""
    (tmp_path / "car.dbc").write_text('VERSION ""\nBU_: X\nBO_ 100 Speed: 2 X\n SG_ Kmh : 0|16@1+ (0.1,0) [0|0] "" X\n')
    path = tmp_path / "site.yaml"
    path.write_text(SITE.replace('"/dev/null"}', '"/dev/null", dbc: [car.dbc]}'))
    assert run(["influx", "series", str(path), "--json"]) == 0
    rows = {row["measurement"]: row["series"] for row in json.loads(capsys.readouterr().out)["measurements"]}
    assert (rows["pack"], rows["cell"], rows["bus"], rows["gateway"], rows["Speed"]) == (1, 8, 1, 1, 1)
    assert run(["influx", "series", str(path)]) == 0
    assert f"{sum(rows.values()):>6} series; the minute values" in capsys.readouterr().out
