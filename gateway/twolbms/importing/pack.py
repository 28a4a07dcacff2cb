"""The YAML of an observed pack: a car's own battery controller, read on CAN. Names signals of a DBC in our words.

Says which frames would keep the controller awake, too; nothing sends them yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from twolbms.config.errors import ConfigError, Loc, Misfit
from twolbms.config.load import as_model
from twolbms.config.model import StrictModel
from twolbms.config.places import Places
from twolbms.config.strict_yaml import read_document
from twolbms.decode import CompiledDatabase, DatabaseError
from twolbms.decode.cache import database_from
from twolbms.files import data_path
from twolbms.importing.checksums import CHECKSUMS

Number = Annotated[float, Field(strict=False)]
Positive = Annotated[float, Field(strict=False, gt=0)]
Text = Annotated[str, Field(min_length=4)]


class Cells(StrictModel):
    """How the pack is built and what its cells bear."""

    series: int = Field(ge=1, le=256, description="Cells (or parallel groups) in series")
    voltage_min_v: Positive = Field(description="Lowest cell voltage ever, V")
    voltage_max_v: Positive = Field(description="Highest cell voltage ever, V")
    source: Text


class FromSignal(StrictModel):
    """Where a quantity comes from."""

    message: str = Field(description="Message of the DBC")
    signal: str = Field(description="Signal of that message")
    factor: Number = Field(default=1.0, description="Turns the DBC's unit into ours: 0.01 for % of 1, 1000 for kW of W")
    record: Literal["every", "change"] = Field(default="every", description="Every value, or only a changed one")


class Crc(StrictModel):
    """A checksum over a run of bytes."""

    algorithm: str = Field(description="Name of the checksum, such as crc8_0x85")
    first: int = Field(ge=0, le=63, description="First byte it covers, from 0")
    last: int = Field(ge=0, le=63, description="Last byte it covers")
    byte: int = Field(ge=0, le=63, description="Byte that holds it")

    @field_validator("algorithm")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in CHECKSUMS:
            raise Misfit(((), f"expected one of {', '.join(CHECKSUMS)}"))
        return name


class Counter(StrictModel):
    """A rolling counter: one step up a frame, from modulo - 1 back to 0."""

    signal: str = Field(description="Signal that counts")
    modulo: int = Field(ge=2, le=65536, description="Number of its values")


class Check(StrictModel):
    """What makes frames of one message believable."""

    crc: Crc | None = None
    counter: Counter | None = None
    max_age_s: Positive = Field(description="A value older than this is unknown, s")


class KeepAlive(StrictModel):
    """A frame the car sends so that the controller stays awake; the data lines come in turn."""

    id: int = Field(ge=0, le=0x1FFFFFFF, description="CAN id")
    extended: bool = Field(default=False, description="29-bit id")
    period_s: Positive = Field(description="Period, s")
    data: list[str] = Field(min_length=1, description="Data bytes in hex, one text a frame, sent in turn")
    note: Text

    @field_validator("data")
    @classmethod
    def _hex(cls, lines: list[str]) -> list[str]:
        for index, line in enumerate(lines):
            try:
                fits = len(bytes.fromhex(line)) <= 8
            except ValueError:
                fits = False
            if not fits:
                raise Misfit(((index,), f"expected at most 8 bytes in hex, found {line!r}"))
        return lines

    def frames(self) -> list[bytes]:
        """The data lines as bytes."""
        return [bytes.fromhex(line) for line in self.data]


class ObservedPack(StrictModel):
    """A type of car pack whose own controller we listen to."""

    pack: str = Field(pattern=r"^[a-z][a-z0-9_]{2,39}$", description="Name of the type; also the file's name")
    kind: Literal["observed"]
    title: Text = Field(description="One line for people")
    chemistry: Literal["lfp", "leaf_lmo", "nmc"] = Field(description="Cell chemistry")
    dbc: str = Field(pattern=r"^[a-z0-9_/]+\.dbc$", description="The DBC, below dbc/ or beside this file")
    cells: Cells
    quantities: dict[str, FromSignal] = Field(min_length=1, description="Our quantities and their signals")
    checks: dict[str, Check] = Field(description="Checks of each message, by its name")
    keep_alive: list[KeepAlive] = Field(description="Frames that keep the controller awake; listed, not sent")
    source: Text


@dataclass(frozen=True)
class LoadedPack:
    """An observed pack with its compiled DBC; every name in it is known to exist."""

    model: ObservedPack
    database: CompiledDatabase


def find_pack(name: str) -> Path:
    """The YAML of a pack's name among the packs that come with 2lbms, or `name` itself when it is a path."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return Path(name)
    return data_path("packs", f"{name}.yaml")


def observed_packs() -> list[str]:
    """Names of the observed packs that come with 2lbms."""
    paths = sorted(data_path("packs").glob("*.yaml"))
    return [path.stem for path in paths if "\nkind: observed\n" in path.read_text(encoding="utf-8")]


def load_pack(path: Path) -> LoadedPack:
    """Load and check an observed pack. Raises ConfigError with file, line, key and what was expected."""
    document = read_document(path)
    model = as_model(document, path, ObservedPack)
    database = _database(path, model, document.places)
    misfits = list(_misfits(model, path.stem, database))
    if misfits:
        raise ConfigError(document.places.problem(loc, text) for loc, text in misfits)
    return LoadedPack(model, database)


def _database(path: Path, model: ObservedPack, places: Places) -> CompiledDatabase:
    beside = path.parent / model.dbc
    try:
        return database_from(beside if beside.is_file() else data_path("dbc", model.dbc))
    except (DatabaseError, OSError) as error:
        raise ConfigError([places.problem(("dbc",), f"cannot be used: {error}")]) from error


def _misfits(model: ObservedPack, stem: str, database: CompiledDatabase) -> Iterator[tuple[Loc, str]]:
    """Names that do not exist in the DBC, and bytes that do not exist in a message."""
    if model.pack != stem:
        yield ("pack",), f"expected {stem}, as the file is named"
    messages = database.messages
    known = f"expected a message of {model.dbc}: {', '.join(messages)}"
    for quantity, origin in model.quantities.items():
        loc: Loc = ("quantities", quantity)
        if origin.message not in messages:
            yield (*loc, "message"), known
        elif origin.signal not in (signals := messages[origin.message].signals):
            yield (*loc, "signal"), f"expected a signal of {origin.message}: {', '.join(signals)}"
    for name, check in model.checks.items():
        if name not in messages:
            yield ("checks", name), known
            continue
        if check.crc and max(check.crc.last, check.crc.byte) >= messages[name].length:
            yield ("checks", name, "crc"), f"expected bytes 0 to {messages[name].length - 1}"
        if check.counter and check.counter.signal not in messages[name].signals:
            yield ("checks", name, "counter", "signal"), f"expected a signal of {name}"
