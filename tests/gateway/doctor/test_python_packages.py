"""Extra packages: which a site needs and has not got."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from gateway.doctor.conftest import SITE, Sketched
from twolbms.doctor.python_packages import EXTRAS, check_python

ROOT = Path(__file__).resolve().parents[3]
ALL = SITE.replace("virtual, channel: a}", "udp_multicast, channel: 239.1.2.3, dbc: [ev/leaf_aze0.dbc]}")
ALL += "influxdb: {org: o, token_file: t}\n"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without any of the extras."""
    for extra in EXTRAS:
        monkeypatch.setitem(sys.modules, extra.package, None)


def test_what_is_needed_is_told(bare: None, sketched: Sketched) -> None:
    """Each package a site needs names what does not go without it and what to type."""
    found = {finding.sentence.split()[0]: finding for finding in check_python(sketched(ALL)) if finding.state == "warn"}
    assert set(found) == {"numpy", "influxdb_client", "msgpack"}
    assert found["numpy"].do == "type: pip install '2lbms[bulk]'"
    assert found["msgpack"].do == "type: pip install '2lbms[multicast]'"


def test_what_is_not_needed_is_no_trouble(bare: None, sketched: Sketched) -> None:
    """A site that needs none of them is told so, and nothing is wrong."""
    assert [(finding.id, finding.state) for finding in check_python(sketched(SITE))] == [("python.not_needed", "good")]


def test_the_extras_are_those_of_the_project() -> None:
    """Every extra named to people brings the package."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra in EXTRAS:
        assert any(line.replace("-", "_").startswith(extra.package) for line in extras[extra.extra]), extra
