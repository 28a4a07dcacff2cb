"""What a simulated world consists of, and how it is read from a JSON file, strictly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from twolbms.sim.cell import CHEMISTRIES
from twolbms.sim.link import LinkParameters
from twolbms.sim.pack_plant import PackParameters

_STRICT = ConfigDict(extra="forbid", strict=True)


@with_config(_STRICT)
@dataclass(frozen=True)
class PackSetup:
    """One pack: its name, its node's number, its plant, and the link it is on (None: one of its own)."""

    name: str
    node: int
    parameters: PackParameters
    link: str | None = None


@with_config(_STRICT)
@dataclass(frozen=True)
class LinkSetup:
    """Bars that several packs share."""

    name: str
    parameters: LinkParameters


@with_config(_STRICT)
@dataclass(frozen=True)
class BusSetup:
    """The CAN bus: bit rate, TCP port for all (0 = any free one), names that get a TCP port or a pty of their own."""

    bitrate: int = 500_000
    port: int = 0
    named_ports: tuple[str, ...] = ()
    ptys: tuple[str, ...] = ()
    letter_answers: bool = False


@with_config(_STRICT)
@dataclass(frozen=True)
class WorldSetup:
    """A whole world; `clock` is the text form of a StoryClock, None starts one at real speed now."""

    packs: tuple[PackSetup, ...]
    links: tuple[LinkSetup, ...] = ()
    bus: BusSetup = BusSetup()
    plant_port: int = 0
    seed: int = 1
    clock: str | None = None


class SetupError(Exception):
    """The setup file cannot be used; the text names file, key and what was expected."""


def default_link(parameters: PackParameters) -> LinkParameters:
    """Bars for one pack alone: the charger holds the voltage at which a cell of this kind is about 98 % full."""
    chemistry = CHEMISTRIES[parameters.chemistry]
    return LinkParameters(charger_v=parameters.cells * round(chemistry.ocv(0.98), 2))


def load_setup(path: Path) -> WorldSetup:
    """Reads a setup file; SetupError for everything that is not exactly as expected."""
    adapter: TypeAdapter[Any] = TypeAdapter(WorldSetup)
    try:
        setup: WorldSetup = adapter.validate_json(path.read_bytes())
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise SetupError("\n".join(_explain(path, problem) for problem in error.errors())) from error
    return setup


def _explain(path: Path, problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    return f"{path}: {key or 'file'}: {problem['msg']}"
