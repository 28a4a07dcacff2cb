"""How much of each family is kept: by bytes, and by age where one is given."""

from __future__ import annotations

from typing import NamedTuple

_MIB = 1 << 20


class Keep(NamedTuple):
    """The oldest segment goes when the family exceeds `bytes`, or when all of its records are older than `age_s`."""

    bytes: int
    age_s: float | None = None


class Retention(NamedTuple):
    """One rule a family. Raw frames come at up to 3 GB a day of a full bus, so they are kept shortly."""

    sample: Keep = Keep(1024 * _MIB)
    event: Keep = Keep(64 * _MIB)
    frame: Keep = Keep(256 * _MIB)
    reading: Keep = Keep(64 * _MIB)

    def of(self, family: str) -> Keep:
        """The rule of a family."""
        keep: Keep = getattr(self, family)
        return keep
