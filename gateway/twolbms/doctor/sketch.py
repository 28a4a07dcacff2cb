"""What can be known of a site file, also of one with mistakes: each section that is right by itself is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from twolbms.config.amounts import beside
from twolbms.config.buses import Bus
from twolbms.config.devices import Device
from twolbms.config.errors import ConfigError, ConfigProblem, did_you_mean
from twolbms.config.influx import InfluxSection
from twolbms.config.load import FileContext, as_model
from twolbms.config.site import SOCKET_NAME, JournalSection, PackEntry, Site
from twolbms.config.strict_yaml import Document, read_document

M = TypeVar("M", bound=BaseModel)

_PART = re.compile(r"[^.\[]+(\[\d+\])?")  # a section, or a row of one


@dataclass(frozen=True)
class Sketch:
    """The parts of a site that can be looked at. A file with mistakes has `problems`, and no `site`."""

    file: Path
    name: str
    folder: Path
    run: Path
    journal: JournalSection
    buses: tuple[Bus, ...]
    devices: tuple[Device, ...]
    packs: tuple[PackEntry, ...]
    influxdb: InfluxSection | None
    site: Site | None
    problems: tuple[ConfigProblem, ...] = ()
    wrong: tuple[str, ...] = ()
    """Sections, and rows of lists such as buses[1], that have a mistake and so are not among the parts above."""

    @property
    def socket(self) -> Path:
        """The local socket of its gateway."""
        return self.run / SOCKET_NAME

    @property
    def journal_folder(self) -> Path:
        """Where its journal lies."""
        return self.journal.folder or self.run / "journal"

    def beside(self, path: str) -> Path:
        """A path as it stands in the site file."""
        return beside(self.folder, path)


def sketch_of(file: Path) -> Sketch:
    """The site file, or as much of it as is right. Raises ConfigError when it cannot be read as YAML at all."""
    document = read_document(file)
    try:
        return _of_site(file, as_model(document, file, Site))
    except ConfigError as error:
        return _of_pieces(file, document, error.problems)


def _of_site(file: Path, site: Site) -> Sketch:
    return Sketch(file, site.site, site.folder, site.run, site.journal, tuple(site.buses), tuple(site.devices),
                  tuple(site.packs), site.influxdb, site)


def _of_pieces(file: Path, document: Document, problems: tuple[ConfigProblem, ...]) -> Sketch:
    pieces = _Pieces(file, document)
    run, folder = pieces.run(), pieces.context.folder
    buses, devices, packs = pieces.rows("buses", Bus), pieces.rows("devices", Device), pieces.rows("packs", PackEntry)
    journal, influxdb = pieces.section("journal", JournalSection), pieces.section("influxdb", InfluxSection)
    return Sketch(
        file, str(document.data.get("site", file.stem)), folder, beside(folder, run),
        journal or pieces.journal_folder_alone(), buses, devices, packs, influxdb, None, problems,
        tuple(dict.fromkeys(pieces.wrong)))


class _Pieces:
    """The sections of a file with mistakes; those that are wrong gather in `wrong`."""

    def __init__(self, file: Path, document: Document) -> None:
        self._data = document.data
        self.context = FileContext(file.absolute().parent, document.places)
        self._refused = {found[0] for problem in document.problems if (found := _PART.match(problem.key))}
        self.wrong = [*_misspelt(self._data), *(part for part in self._refused if part in Site.model_fields)]

    def run(self) -> str:
        """The run folder as it is written, else its default."""
        run = self._data.get("run", "run")
        if isinstance(run, str) and run:
            return run
        self.wrong.append("run")
        return "run"

    def rows(self, section: str, model: type[M]) -> tuple[M, ...]:
        """Those rows of a list that are right by themselves."""
        rows = self._data.get(section, [])
        if not isinstance(rows, list):
            self.wrong.append(section)
            return ()
        found = [None if f"{section}[{i}]" in self._refused else _right(row, model, self.context)
                 for i, row in enumerate(rows)]
        self.wrong += [f"{section}[{i}]" for i, row in enumerate(found) if row is None]
        return tuple(row for row in found if row is not None)

    def section(self, name: str, model: type[M]) -> M | None:
        """A section that is there and right by itself; null is none."""
        if self._data.get(name) is None or name in self.wrong:
            return None
        found = _right(self._data[name], model, self.context)
        if found is None:
            self.wrong.append(name)
        return found

    def journal_folder_alone(self) -> JournalSection:
        """The folder of a journal's section with a mistake elsewhere: it tells whether a gateway holds the journal."""
        section = self._data.get("journal")
        folder = section.get("folder") if isinstance(section, dict) else None
        return _right({"folder": folder}, JournalSection, self.context) or JournalSection()


def _right(row: Any, model: type[M], context: FileContext) -> M | None:
    """A part that is right by itself."""
    try:
        return model.model_validate(row, strict=True, context=context)
    except (ValidationError, ValueError):
        return None


def _misspelt(data: Mapping[str | int, Any]) -> Iterator[str]:
    """Sections that are not there, and that a key nobody knows was most likely meant to be."""
    known = list(Site.model_fields)
    for key in data:
        if key not in known and (meant := did_you_mean(str(key), known)) and meant not in data:
            yield meant
