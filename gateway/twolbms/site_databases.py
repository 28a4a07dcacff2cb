"""The compiled DBC files of a site's buses, and what is wrong with those that cannot be used."""

from __future__ import annotations

from pathlib import Path

from twolbms.config.buses import Bus
from twolbms.config.errors import ConfigError, ConfigProblem
from twolbms.config.site import Site
from twolbms.config.site_dbc import dbc_files
from twolbms.decode import CompiledDatabase, DatabaseError
from twolbms.decode.cache import database_from
from twolbms.decode.clashes import clash_of


def site_databases(site: Site) -> dict[str, tuple[CompiledDatabase, ...]]:
    """The databases of each bus that names DBC files. Raises ConfigError with all that cannot be used."""
    databases: dict[str, tuple[CompiledDatabase, ...]] = {}
    problems: list[ConfigProblem] = []
    files = dbc_files(site)
    for i, bus in enumerate(site.buses):
        earlier: dict[Path, CompiledDatabase] = {}
        for j, path in enumerate(files.get(bus.name, ())):
            found = _database(bus, path, earlier)
            if isinstance(found, str):
                problems.append(site.problem(("buses", i, "dbc", j), found))
            else:
                earlier[path.resolve()] = found
        if earlier:
            databases[bus.name] = tuple(earlier.values())
    if problems:
        raise ConfigError(problems)
    return databases


def _database(bus: Bus, path: Path, earlier: dict[Path, CompiledDatabase]) -> CompiledDatabase | str:
    """The database, or why it cannot be used beside those before it."""
    if path.resolve() in earlier:
        return "this file is named twice: name it once"
    try:
        database = database_from(path, id_mask=bus.id_mask)
    except (DatabaseError, OSError) as error:
        return f"cannot be used: {f'{path}: {error.strerror}' if isinstance(error, OSError) else error}"
    clash = clash_of(database, {file.name: each for file, each in earlier.items()})
    if clash is None:
        return database
    first, count = clash.message, clash.shared
    has = "a message of it has an id" if count == 1 else f"{count} of its messages have ids"
    return (f"{has} that {clash.other} has too, first {first.name} (0x{first.frame_id:X}, there {clash.same.name}): "
            "name only one of the two files")
