"""The compiled DBC files of a site's buses, and what is wrong with those that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from twolbms.config.errors import ConfigError, ConfigProblem
from twolbms.config.site import Site
from twolbms.config.site_dbc import dbc_files
from twolbms.decode import CompiledDatabase, DatabaseError
from twolbms.decode.cache import database_from


def site_databases(site: Site) -> dict[str, tuple[CompiledDatabase, ...]]:
    """The databases of each bus that names DBC files. Raises ConfigError with all that cannot be used."""
    databases: dict[str, tuple[CompiledDatabase, ...]] = {}
    problems: list[ConfigProblem] = []
    for i, bus in enumerate(site.buses):
        for j, path in enumerate(dbc_files(site).get(bus.name, ())):
            try:
                database = database_from(path, id_mask=bus.id_mask)
            except (DatabaseError, OSError) as error:
                problems.append(site.problem(("buses", i, "dbc", j), f"cannot be used: {_words(path, error)}"))
                continue
            earlier = databases.get(bus.name, ())
            problems += [site.problem(("buses", i, "dbc", j), text) for text in _clashes(earlier, database)]
            databases[bus.name] = (*earlier, database)
    if problems:
        raise ConfigError(problems)
    return databases


def _words(path: Path, error: Exception) -> str:
    return f"{path}: {error.strerror}" if isinstance(error, OSError) else str(error)


def _clashes(earlier: tuple[CompiledDatabase, ...], database: CompiledDatabase) -> Iterator[str]:
    for message in database.messages.values():
        for other in earlier:
            same = other.find(message.frame_id, message.extended)
            if same is not None:
                yield (f"its message {message.name} has the id 0x{message.frame_id:X}, which is {same.name} in a file "
                       "before it: name only one of them")
