"""The DBC files of a site's buses, compiled, and what is said of those that cannot be used."""

from pathlib import Path

import pytest

from twolbms.config.errors import ConfigError
from twolbms.config.site import Site, load_site
from twolbms.site_databases import site_databases

SITE = """site: bench
buses:
  - {{name: car, interface: socketcan, channel: can0, dbc: [{dbc}]{more}}}
"""
ONE = 'VERSION ""\nBU_: X\nBO_ 291 Speeds: 8 X\n SG_ Front : 0|16@1+ (0.01,0) [0|0] "km/h" X\n'


def site_with(tmp_path: Path, dbc: str, more: str = "") -> Site:
    path = tmp_path / "site.yaml"
    path.write_text(SITE.format(dbc=dbc, more=more))
    return load_site(path)


def problems(tmp_path: Path, dbc: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        site_databases(site_with(tmp_path, dbc))
    return [str(problem).partition("site.yaml:")[2].replace(str(tmp_path), "") for problem in caught.value.problems]


def test_every_bus_with_dbc_gets_its_databases(tmp_path: Path) -> None:
    """Files are compiled in their order, under the bus's mask of ids."""
    (tmp_path / "one.dbc").write_text(ONE)
    databases = site_databases(site_with(tmp_path, "one.dbc, node.dbc", ", id_mask: 0x1FFFFF00"))
    assert [next(iter(each.messages)) for each in databases["car"]] == ["Speeds", "PackValues"]
    assert databases["car"][1].find(0x0CFF1005, True)


def test_a_file_that_is_no_dbc_is_named(tmp_path: Path) -> None:
    """The place in the site file and the DBC itself are named."""
    (tmp_path / "bad.dbc").write_text("this is no DBC")
    (text,) = problems(tmp_path, "bad.dbc")
    assert text.startswith("3:60: buses[0].dbc[0]: cannot be used: /bad.dbc:1: this is no DBC")


def test_two_files_with_one_id_clash(tmp_path: Path) -> None:
    """A frame stands for one message: which two claim it is told."""
    (tmp_path / "one.dbc").write_text(ONE)
    (tmp_path / "two.dbc").write_text(ONE.replace("Speeds", "Wheels"))
    assert problems(tmp_path, "one.dbc, two.dbc") == [
        "3:69: buses[0].dbc[1]: its message Wheels has the id 0x123, which is Speeds in a file before it: "
        "name only one of them"]
