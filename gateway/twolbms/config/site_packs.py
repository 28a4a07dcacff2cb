"""Finds the types of a site's packs, loads each once, and checks what only both files together can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from twolbms.config.amounts import beside
from twolbms.config.errors import ConfigError, ConfigProblem, did_you_mean, either, shown
from twolbms.config.load import load_model
from twolbms.config.pack import GuardedPack
from twolbms.config.site import Site, load_site
from twolbms.files import data_path

LoadPack = Callable[[Path], GuardedPack]


def load_guarded_pack(path: Path) -> GuardedPack:
    """The pack type in `path`. Raises ConfigError."""
    return load_model(path, GuardedPack)


def load_site_and_packs(path: Path) -> tuple[Site, dict[str, GuardedPack]]:
    """The site file at `path` and the type of each pack by the pack's name. Raises ConfigError."""
    site = load_site(path)
    return site, check_packs(site, load_guarded_pack)


def find_pack(name: str, folder: Path) -> Path | None:
    """The YAML of a pack type: a path from `folder`, or a name in it, in its `packs/`, or among those of 2lbms."""
    if "/" in name or name.endswith((".yaml", ".yml")):
        places = [beside(folder, name)]
    else:
        places = [place / f"{name}.yaml" for place in _pack_folders(folder)]
    return next((path for path in places if _is_file(path)), None)


def known_packs(folder: Path) -> list[str]:
    """Names of the types that `find_pack` finds by name in the folders of packs."""
    return sorted({path.stem for place in _pack_folders(folder)[1:] for path in place.glob("*.yaml")})


def check_packs(site: Site, load_pack: LoadPack) -> dict[str, GuardedPack]:
    """The type of each pack of `site`, by the pack's name. Raises ConfigError with all problems of all files."""
    files = [find_pack(entry.type, site.folder) for entry in site.packs]
    loaded, problems_in_types = _load_each(files, load_pack)
    types = {entry.name: loaded[file] for entry, file in zip(site.packs, files, strict=True) if file in loaded}
    problems = [*_not_found(site, files), *_misnamed(site, files, types), *_closing_alone(site, types)]
    if problems or problems_in_types:
        raise ConfigError([*sorted(problems, key=ConfigProblem.order), *problems_in_types])
    return types


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # e.g. a name too long for the file system
        return False


def _pack_folders(folder: Path) -> tuple[Path, ...]:
    return folder, folder / "packs", data_path("packs")


def _load_each(files: list[Path | None],
               load_pack: LoadPack) -> tuple[dict[Path | None, GuardedPack], list[ConfigProblem]]:
    loaded: dict[Path | None, GuardedPack] = {}
    problems: list[ConfigProblem] = []
    for file in dict.fromkeys(file for file in files if file is not None):
        try:
            loaded[file] = load_pack(file)
        except ConfigError as error:
            problems += error.problems
    return loaded, problems


def _not_found(site: Site, files: list[Path | None]) -> Iterator[ConfigProblem]:
    known = known_packs(site.folder)
    for i, (entry, file) in enumerate(zip(site.packs, files, strict=True)):
        if file is None:
            meant = did_you_mean(entry.type, known)
            hint = f"did you mean {shown(meant)}?" if meant else f"there is {either(known)}"
            yield site.problem(("packs", i, "type"), f"no pack type and no file is called {shown(entry.type)}; {hint}")


def _misnamed(site: Site, files: list[Path | None], types: dict[str, GuardedPack]) -> Iterator[ConfigProblem]:
    for i, (entry, file) in enumerate(zip(site.packs, files, strict=True)):
        pack = types.get(entry.name)
        if pack and file and pack.pack != file.stem:
            yield site.problem(("packs", i, "type"), f"the file {file.name} holds the type {shown(pack.pack)}: "
                               f"expected {pack.pack}.yaml as its name")


def _closing_alone(site: Site, types: dict[str, GuardedPack]) -> Iterator[ConfigProblem]:
    """A node that closes by itself knows nothing of packs beside it: they could be at another voltage."""
    for i, bank in enumerate(site.banks):
        for j, name in enumerate(bank.packs):
            pack = types.get(name)
            if len(bank.packs) > 1 and pack and pack.close_alone:
                yield site.problem(("banks", i, "packs", j), (
                    f"the type {pack.pack} closes by itself, which is allowed only in a bank of one pack: "
                    "take a type with close_alone: false, or give the pack a bank of its own"))
