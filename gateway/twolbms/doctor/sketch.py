"""What can be known of a site file, also of one with mistakes: each section that is right by itself is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from twolbms.config.amounts import beside
from twolbms.config.buses import Bus
from twolbms.config.devices import Device
from twolbms.config.errors import ConfigError, ConfigProblem
from twolbms.config.influx import InfluxSection
from twolbms.config.load import FileContext, as_model
from twolbms.config.site import SOCKET_NAME, JournalSection, PackEntry, Site
from twolbms.config.strict_yaml import Document, read_document

M = TypeVar("M", bound=BaseModel)


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
    data, context = document.data, FileContext(file.absolute().parent, document.places)

    def right(section: str, model: type[M]) -> tuple[M, ...]:
        rows = data.get(section)
        return tuple(_each(rows if isinstance(rows, list) else [], model, context))

    run = data.get("run")
    influx = data.get("influxdb")
    journal = next(_each([data.get("journal")], JournalSection, context), JournalSection())
    return Sketch(
        file, str(data.get("site", file.stem)), context.folder,
        beside(context.folder, run if isinstance(run, str) and run else "run"), journal,
        right("buses", Bus), right("devices", Device), right("packs", PackEntry),
        next(_each([influx], InfluxSection, context), None), None, problems)


def _each(rows: Iterable[Any], model: type[M], context: FileContext) -> Any:
    """Those of `rows` that are right by themselves."""
    for row in rows:
        try:
            yield model.model_validate(row, strict=True, context=context)
        except (ValidationError, ValueError):
            continue
