"""What the gateway is told of its packs and banks before it starts: the individual beside its type."""

from __future__ import annotations

from dataclasses import dataclass

from twolbms.config.pack import GuardedPack


@dataclass(frozen=True, slots=True)
class PackSetup:
    """One pack of the site.

    `wiring_ohm` is the cable to the common point of its bank; `soc` a person's figure for a new start, 0 to 1.
    """

    name: str
    node: int
    bus: str
    type: GuardedPack
    keep_closed: bool = False
    wiring_ohm: float = 0.001
    soc: float | None = None

    @property
    def resistance_ohm(self) -> float:
        """Resistance of all cells in series and the wiring, Ohm."""
        return self.type.cells.series * self.type.cells.resistance_mohm / 1000 + self.wiring_ohm


@dataclass(frozen=True, slots=True)
class SiteSetup:
    """One site. `banks` names the packs behind each inverter; `expire_s` is how long a request from above is valid."""

    name: str
    buses: tuple[str, ...]
    packs: tuple[PackSetup, ...]
    banks: dict[str, tuple[str, ...]]
    expire_s: float = 30.0
    keep_frames: bool = True
