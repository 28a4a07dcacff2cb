"""The model of site.yaml: buses, packs, devices, banks, journal and database of one site, and what must agree.

Knows individuals (name, node number, serial); what a pack's type allows stands in the type's own file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from twolbms.config.amounts import Bytes, FilePath, Name, Seconds, beside
from twolbms.config.buses import Bus
from twolbms.config.devices import Device, device_misfits
from twolbms.config.errors import ConfigProblem, Loc, Misfit, did_you_mean, either, shown
from twolbms.config.influx import InfluxSection
from twolbms.config.load import FileContext, load_model
from twolbms.config.model import StrictModel
from twolbms.config.places import Places

SOCKET_NAME = "2lbms.sock"
_LONGEST_SOCKET_PATH = 107  # bytes; sun_path of unix(7) holds 108 with its closing zero
_SECRETS = {"token", "password", "api_token", "write_token", "read_token", "admin_token"}

Misfits = Iterator[tuple[Loc, str]]


class Keep(StrictModel):
    """How much of one family of records stays; what is left out is the journal's own choice."""

    size: Bytes | None = Field(default=None, description='Oldest records go when the family is larger: "512 MiB"')
    age: Seconds | None = Field(default=None, description='Records older than this go: "12h", "30d", "8w"')


class KeepRules(StrictModel):
    """One rule a family of records."""

    sample: Keep = Field(default=Keep(), description="Values over time: what pages and databases show")
    event: Keep = Field(default=Keep(), description="What happened: faults, opening and closing, requests")
    frame: Keep = Field(default=Keep(), description="Raw frames of the buses, for finding faults; the largest family")
    reading: Keep = Field(default=Keep(), description="Raw bytes of other devices")


class JournalSection(StrictModel):
    """Where everything is recorded, and for how long."""

    folder: FilePath | None = Field(default=None, description="Folder of the journal; default: journal in `run`")
    keep: KeepRules = Field(default=KeepRules(), description="How much is kept of each family of records")
    record_frames: bool = Field(default=True, description=(
        "Whether raw frames are recorded at all; a bus with dbc needs them"))


class PackEntry(StrictModel):
    """One pack of the site: an individual of a type."""

    name: Name = Field(description="Name of the pack, as it stands in pages and records")
    type: str = Field(min_length=1, max_length=200, description=(
        "Type of the pack: the name of one that comes with 2lbms or lies beside this file, or a path to its YAML"))
    node: int = Field(ge=1, le=127, description="Number of the node that guards it, as set on the node")
    bus: Name = Field(description="Name of the bus its node is on")
    serial: str | None = Field(default=None, min_length=1, max_length=80, description="Serial number of the individual")
    keep_closed: bool = Field(default=False, description=(
        "The gateway asks the node to close whenever that is allowed; false: only a person asks"))
    wiring_mohm: float = Field(default=1.0, ge=0, le=1000, description=(
        "Resistance of the cables to the common point of its bank, both ways, mOhm"))
    soc: float | None = Field(default=None, ge=0, le=1, description=(
        "State of charge to start from, 0 to 1, where the journal knows none"))


class Bank(StrictModel):
    """Packs behind one inverter."""

    name: Name = Field(description="Name of the bank")
    packs: list[Name] = Field(min_length=1, max_length=32, description="Names of its packs")


class RequestRules(StrictModel):
    """How long a request from above the gateway counts."""

    expire_s: float = Field(default=30.0, gt=0, le=600, description=(
        "A narrowed allowance ends after this many seconds unless it is repeated; open and stop do not end"))


def _all_different(*keys: str) -> AfterValidator:
    """A check of a list of sections: no two agree in all of `keys`."""
    def check(rows: list[Any]) -> list[Any]:
        first: dict[tuple[Any, ...], int] = {}
        twice = [(i, j) for i, row in enumerate(rows)
                 if (j := first.setdefault(tuple(getattr(row, key) for key in keys), i)) != i]
        if twice:
            raise Misfit(*(((i, keys[-1]), _same(rows, i, j, keys)) for i, j in twice))
        return rows
    return AfterValidator(check)


def _same(rows: list[Any], i: int, j: int, keys: tuple[str, ...]) -> str:
    if keys == ("name",):
        return f"expected a name of its own: there is another {shown(rows[i].name)}"
    values = " and ".join(f"{key} {shown(getattr(rows[i], key))}" for key in keys)
    return f"{values} is taken by {shown(rows[j].name)} already"


def _no_secret(value: object) -> object:
    """A site file is copied, shown and committed: secrets stand elsewhere."""
    secret = [key for key in value if key in _SECRETS] if isinstance(value, dict) else []
    if secret:
        raise Misfit(*(((key,), "a secret never stands in a site file: write it into a file of its own, readable "
                                "only by its user, and name that as token_file") for key in secret))
    return value


class Site(StrictModel):
    """One site: what one gateway watches and records."""

    site: Name = Field(description="Name of the site: a tag of every record")
    run: FilePath = Field(default=Path("run"), validate_default=True, description=(
        "Folder for the local socket and the cursors; relative paths start at this file's folder"))
    journal: JournalSection = Field(default=JournalSection(), description="The journal: everything that was recorded")
    buses: Annotated[list[Bus], Field(max_length=16), _all_different("name"),
                     _all_different("interface", "channel")] = Field(default=[], description="The CAN buses")
    packs: Annotated[list[PackEntry], Field(max_length=127), _all_different("name"),
                     _all_different("bus", "node")] = Field(default=[], description="The packs")
    devices: Annotated[list[Device], Field(max_length=32), _all_different("name"),
                       _all_different("port")] = Field(default=[], description=(
        "Devices on serial ports, such as a battery monitor"))
    banks: Annotated[list[Bank], _all_different("name")] = Field(default=[], description=(
        "Packs that are connected in parallel; a pack that no bank names is a bank by itself"))
    influxdb: Annotated[InfluxSection | None, BeforeValidator(_no_secret)] = Field(
        default=None, description="A database beside the journal; without it the journal alone serves")
    requests: RequestRules = Field(default=RequestRules(), description="Requests from above the gateway")

    _file: FileContext | None = PrivateAttr(default=None)

    def model_post_init(self, context: Any) -> None:
        """Remembers the file, for paths and for problems that are found later."""
        self._file = context if isinstance(context, FileContext) else None

    @model_validator(mode="after")
    def _agrees(self) -> Site:
        misfits = [*_nothing_misfits(self), *_run_misfits(self), *_frames_misfits(self), *_pack_misfits(self),
                   *_bank_misfits(self), *_device_misfits(self)]
        if misfits:
            raise Misfit(*misfits)
        return self

    @property
    def folder(self) -> Path:
        """The site file's folder, absolute."""
        return self._file.folder if self._file else Path.cwd()

    @property
    def socket(self) -> Path:
        """The local socket that view, why and ask talk to."""
        return self.run / SOCKET_NAME

    @property
    def journal_folder(self) -> Path:
        """Where the journal lies."""
        return self.journal.folder or self.run / "journal"

    @property
    def pack_names_by_bank(self) -> dict[str, tuple[str, ...]]:
        """Every bank with its packs; packs that no bank names are banks by themselves."""
        named = {bank.name: tuple(bank.packs) for bank in self.banks}
        placed = {pack for packs in named.values() for pack in packs}
        return named | {pack.name: (pack.name,) for pack in self.packs if pack.name not in placed}

    def beside(self, path: str) -> Path:
        """A path that stands in the site file as text; a relative one starts at the file's folder."""
        return beside(self.folder, path)

    def problem(self, loc: Loc, message: str, **details: Any) -> ConfigProblem:
        """A problem at a place of the site file, found after it was loaded."""
        return (self._file.places if self._file else Places("site.yaml")).problem(loc, message, **details)


def load_site(path: Path) -> Site:
    """The site file at `path`. Raises ConfigError. Its packs' types are looked at by `check_packs`."""
    return load_model(path, Site)


def _nothing_misfits(site: Site) -> Misfits:
    if not (site.packs or site.devices or any(bus.dbc for bus in site.buses)):
        yield (), "nothing to watch: expected packs, devices, or a bus with dbc"


def _frames_misfits(site: Site) -> Misfits:
    if not site.journal.record_frames and any(bus.dbc for bus in site.buses):
        yield (("journal", "record_frames"),
               "expected true: the signals of a bus with dbc are made of its recorded frames")


def _run_misfits(site: Site) -> Misfits:
    length = len(os.fsencode(site.socket))
    if length > _LONGEST_SOCKET_PATH:
        yield ("run",), (f"the path of the socket {SOCKET_NAME} in it would have {length} bytes, and Linux allows "
                         f"{_LONGEST_SOCKET_PATH}: choose a shorter folder, such as /var/lib/twolbms; on a disk, "
                         "for the cursors lie in it too, and the journal where journal.folder names no other")


def _pack_misfits(site: Site) -> Misfits:
    buses = [bus.name for bus in site.buses]
    for i, pack in enumerate(site.packs):
        if pack.bus not in buses:
            yield ("packs", i, "bus"), _not_among(pack.bus, buses, "bus")


def _device_misfits(site: Site) -> Misfits:
    return device_misfits(site.devices, [pack.name for pack in site.packs],
                          {bus.name: bus.channel for bus in site.buses})


def _bank_misfits(site: Site) -> Misfits:
    packs = [pack.name for pack in site.packs]
    bank_of: dict[str, str] = {}
    for i, bank in enumerate(site.banks):
        for j, name in enumerate(bank.packs):
            if name not in packs:
                yield ("banks", i, "packs", j), _not_among(name, packs, "pack")
            elif name in bank_of:
                yield ("banks", i, "packs", j), f"the pack {shown(name)} is in the bank {shown(bank_of[name])} already"
            bank_of.setdefault(name, bank.name)
        if bank.name in packs and bank.name not in bank.packs:
            yield ("banks", i, "name"), f"a pack of another bank is called {shown(bank.name)}: expected another name"


def _not_among(name: str, known: list[str], noun: str) -> str:
    meant = did_you_mean(name, known)
    hint = f"did you mean {shown(meant)}?" if meant else f"there is {either(known)}"
    return f"no {noun} is called {shown(name)}; {hint}"
