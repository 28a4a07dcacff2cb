"""What can go wrong on the simulated bus, set from outside: lost frames, flipped bits, silence.

Repeatable under a seed. A flipped bit is one that the frame check of a real bus let through: the rare case against
which frames carry their own counter and CRC.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(slots=True)
class FaultSettings:
    """`*_next` counts down; `drop_every` = n loses each n-th frame; fractions are 0 to 1.

    `only_id` (29-bit ids with bit 31 set) spares all other ids; None = none is spared.
    """

    silent: bool = False
    only_id: int | None = None
    drop_next: int = 0
    drop_every: int = 0
    drop_fraction: float = 0.0
    corrupt_next: int = 0
    corrupt_fraction: float = 0.0

    def changed(self, changes: Mapping[str, Any]) -> FaultSettings:
        """A copy with some fields changed; ValueError for an unknown field or a value of another kind."""
        known = {row.name: type(row.default) for row in fields(self)} | {"only_id": int}
        for key, value in changes.items():
            if key not in known:
                raise ValueError(f"bus: {key}: expected one of {', '.join(known)}")
            optional = key == "only_id" and value is None
            if not optional and (isinstance(value, bool) != (known[key] is bool)
                                 or not isinstance(value, int if known[key] is int else int | float)):
                raise ValueError(f"bus: {key}: {value!r}: expected {known[key].__name__}")
        return replace(self, **changes)


class BusFaults:
    """Decides for each frame whether it arrives, and how; `settings` may be replaced at any time."""

    def __init__(self, seed: int) -> None:
        self.settings = FaultSettings()
        self._random = random.Random(seed)
        self._seen = 0

    @property
    def silent(self) -> bool:
        """Whether the wire is dead (shorted): nothing is sent, everything waits."""
        return self.settings.silent

    def pass_on(self, can_id: int, line: bytes) -> bytes | None:
        """The line as the receivers get it: the same object, a damaged copy, or None when the frame is lost."""
        settings = self.settings
        if settings.only_id is not None and can_id != settings.only_id:
            return line
        self._seen += 1
        if self._drops(settings):
            return None
        return self._flip(line) if self._corrupts(settings) else line

    def _drops(self, settings: FaultSettings) -> bool:
        if settings.drop_next > 0:
            settings.drop_next -= 1
            return True
        if settings.drop_every and self._seen % settings.drop_every == 0:
            return True
        return self._chance(settings.drop_fraction)

    def _corrupts(self, settings: FaultSettings) -> bool:
        if settings.corrupt_next > 0:
            settings.corrupt_next -= 1
            return True
        return self._chance(settings.corrupt_fraction)

    def _chance(self, fraction: float) -> bool:
        return fraction > 0 and self._random.random() < fraction

    def _flip(self, line: bytes) -> bytes:
        first = 10 if line[:1] in b"TR" else 5
        if len(line) <= first + 1:
            return line  # no data to damage
        at = self._random.randrange(first, len(line) - 1)
        digit = int(line[at:at + 1], 16) ^ 1 << self._random.randrange(4)
        return line[:at] + b"%X" % digit + line[at + 1:]
