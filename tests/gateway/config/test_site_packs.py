"""How a site finds the types of its packs, and what only both files together can tell."""

from pathlib import Path

import pytest

from twolbms.config.errors import ConfigError
from twolbms.config.pack import GuardedPack
from twolbms.config.site import Site, load_site
from twolbms.config.site_packs import check_packs, find_pack, known_packs, load_guarded_pack, load_site_and_packs

SHIPPED = Path(__file__).resolve().parents[3] / "packs"


def site_file(folder: Path, *types: str, banks: str = "[]") -> Path:
    """A site with one pack of each type, named p1, p2 …"""
    path = folder / "site.yaml"
    packs = "".join(f"- {{name: p{i}, type: {type_}, node: {i}, bus: can0}}\n" for i, type_ in enumerate(types, 1))
    path.write_text("site: house\nbuses: [{name: can0, interface: virtual, channel: x}]\n"
                    f"packs:\n{packs}banks: {banks}\n")
    return path


def own_pack(path: Path, **changes: str) -> Path:
    """A copy of the eight-cell pack under another name."""
    text = (SHIPPED / "lfp_8s_320ah.yaml").read_text().replace("pack: lfp_8s_320ah", f"pack: {path.stem}")
    for old, new in changes.items():
        text = text.replace(f"{old}: ", f"{old}: {new}  # ", 1)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def told(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_site_and_packs(path)
    return str(caught.value).replace(f"{path.parent}/", "").split("\n")


def test_types_that_come_with_2lbms(tmp_path: Path) -> None:
    """Both shipped types load by name, each pack with its own type."""
    site, types = load_site_and_packs(site_file(tmp_path, "lfp_8s_320ah", "leaf_2013_14s"))
    assert isinstance(site, Site)
    assert {name: (pack.pack, pack.cells.series) for name, pack in types.items()} == {
        "p1": ("lfp_8s_320ah", 8), "p2": ("leaf_2013_14s", 14)}


def test_own_types_lie_beside_the_site_file(tmp_path: Path) -> None:
    """A type is found by name beside the site file, in its packs folder, and by path from it."""
    own_pack(tmp_path / "mine.yaml")
    own_pack(tmp_path / "packs" / "yours.yaml")
    own_pack(tmp_path / "deep" / "theirs.yaml")
    _, types = load_site_and_packs(site_file(tmp_path, "mine", "yours", "deep/theirs.yaml"))
    assert [pack.pack for pack in types.values()] == ["mine", "yours", "theirs"]


def test_an_own_type_goes_before_a_shipped_one(tmp_path: Path) -> None:
    """Whoever writes a type of the same name gets their own."""
    own = own_pack(tmp_path / "lfp_8s_320ah.yaml")
    assert find_pack("lfp_8s_320ah", tmp_path) == own
    assert find_pack("leaf_2013_14s", tmp_path) == SHIPPED / "leaf_2013_14s.yaml"
    assert find_pack("x" * 400, tmp_path) is None
    assert "leaf_2013_14s" in known_packs(tmp_path)


def test_an_unknown_type(tmp_path: Path) -> None:
    """A type that does not exist is told at its line with the likely name."""
    assert told(site_file(tmp_path, "lfp_8s_320ah", "leaf_2013_14")) == [
        'site.yaml:5:20: packs[1].type: no pack type and no file is called "leaf_2013_14"; '
        'did you mean "leaf_2013_14s"?']


def test_problems_in_a_type_are_told_once_in_its_own_file(tmp_path: Path) -> None:
    """A mistake in a type names the type's file and line, once, however many packs are of it."""
    own_pack(tmp_path / "mine.yaml", outputs="fet")
    assert told(site_file(tmp_path, "mine", "mine", "no_such_type_at_all")) [1:] == [
        'mine.yaml:23:10: outputs: expected fets, separate_ports or common, found "fet"; did you mean "fets"?']


def test_a_type_carries_its_files_name(tmp_path: Path) -> None:
    """A file that holds a type of another name is refused, so that a name always means one file."""
    own_pack(tmp_path / "mine.yaml").rename(tmp_path / "other.yaml")
    assert told(site_file(tmp_path, "other")) == [
        'site.yaml:4:20: packs[0].type: the file other.yaml holds the type "mine": expected mine.yaml as its name']


def test_a_type_that_closes_alone_stays_alone(tmp_path: Path) -> None:
    """A pack that closes by itself is refused in a bank of several, at the line of the bank."""
    path = site_file(tmp_path, "leaf_2013_14s", "lfp_8s_320ah", banks="[{name: all, packs: [p1, p2]}]")
    (line,) = told(path)
    assert line.startswith("site.yaml:6:33: banks[0].packs[1]: the type lfp_8s_320ah closes by itself")
    alone = site_file(tmp_path, "leaf_2013_14s", "lfp_8s_320ah", banks="[{name: all, packs: [p2]}]")
    assert load_site_and_packs(alone)[1]["p2"].close_alone


def test_each_type_is_loaded_once(tmp_path: Path) -> None:
    """Two packs of one type cost one reading of its file."""
    loaded: list[Path] = []

    def load(path: Path) -> GuardedPack:
        loaded.append(path)
        return load_guarded_pack(path)

    types = check_packs(load_site(site_file(tmp_path, "lfp_8s_320ah", "lfp_8s_320ah")), load)
    assert loaded == [SHIPPED / "lfp_8s_320ah.yaml"]
    assert types["p1"] is types["p2"]
