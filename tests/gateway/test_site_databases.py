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
        "3:69: buses[0].dbc[1]: a message of it has an id that one.dbc has too, first Wheels (0x123, there Speeds): "
        "name only one of the two files"]


def test_many_clashes_are_one_line(tmp_path: Path) -> None:
    """A file that shares all its ids with another is one problem, with their count and the first."""
    messages = "".join(f"BO_ {number} M{number}: 8 X\n SG_ A : 0|8@1+ (1,0) [0|0] \"\" X\n" for number in range(50))
    (tmp_path / "one.dbc").write_text('VERSION ""\nBU_: X\n' + messages)
    (tmp_path / "two.dbc").write_text('VERSION ""\nBU_: X Y\n' + messages)
    (text,) = problems(tmp_path, "one.dbc, two.dbc")
    assert "50 of its messages have ids that one.dbc has too, first M0 (0x0, there M0)" in text


def test_one_file_named_twice(tmp_path: Path) -> None:
    """The same file under one name or two is told as that, whatever stands in it."""
    (tmp_path / "one.dbc").write_text(ONE)
    (tmp_path / "again.dbc").symlink_to("one.dbc")
    for names in ("one.dbc, one.dbc", "one.dbc, again.dbc"):
        (text,) = problems(tmp_path, names)
        assert text.endswith("buses[0].dbc[1]: this file is named twice: name it once")
