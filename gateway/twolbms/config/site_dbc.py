"""Finds the DBC files that a site's buses name. Knows where they lie, not what stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from twolbms.config.amounts import beside
from twolbms.config.errors import ConfigError, ConfigProblem, did_you_mean, either, shown
from twolbms.config.path_state import Closed, as_owner, state_of
from twolbms.config.site import Site
from twolbms.files import data_path


def find_dbc(name: str, folder: Path) -> Path | None:
    """The DBC of a name: a path from `folder`, in its `dbc/`, or below the `dbc/` that comes with 2lbms."""
    return next((path for path in _places(name, folder) if state_of(path) == "there" and path.is_file()), None)


def closed_dbc(name: str, folder: Path) -> Closed | None:
    """The folder that hides whether a DBC that was not found is there."""
    return next((state for path in _places(name, folder) if isinstance(state := state_of(path), Closed)), None)


def _places(name: str, folder: Path) -> tuple[Path, ...]:
    return beside(folder, name), folder / "dbc" / name, data_path("dbc", name)


def dbc_files(site: Site) -> dict[str, tuple[Path, ...]]:
    """The DBC files of each bus that names some, by the bus's name. Raises ConfigError naming each that is missing."""
    found = {bus.name: tuple(path for name in bus.dbc if (path := find_dbc(name, site.folder)))
             for bus in site.buses if bus.dbc}
    if problems := list(_missing(site)):
        raise ConfigError(problems)
    return found


def _missing(site: Site) -> Iterator[ConfigProblem]:
    for i, bus in enumerate(site.buses):
        for j, name in enumerate(bus.dbc):
            if find_dbc(name, site.folder) is None:
                if (closed := closed_dbc(name, site.folder)) is not None:
                    yield site.problem(("buses", i, "dbc", j), f"{shown(name)} cannot be seen: {as_owner(closed)}")
                    continue
                meant = did_you_mean(name, known_dbc())
                hint = f"did you mean {shown(meant)}?" if meant else f"with 2lbms come {either(known_dbc())}"
                yield site.problem(("buses", i, "dbc", j),
                                   f"no file is called {shown(name)} beside the site file; {hint}")


def known_dbc() -> list[str]:
    """Names of the DBC files that come with 2lbms."""
    folder = data_path("dbc")
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.dbc"))
