"""What an import found: how many frames of which fate, and each quantity's first, least, greatest and last value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

TOLD = ("soc", "pack_voltage_v", "current_a", "discharge_limit_w", "charge_limit_w")
"""The quantities that stand in the JSON of every import, found or not."""


@dataclass
class Summary:
    """The valid values of one quantity."""

    n: int = 0
    first: float | None = None
    min: float | None = None
    max: float | None = None
    last: float | None = None

    def add(self, value: float) -> None:
        """Take one value in, in the order of the log."""
        if self.n == 0:
            self.first = self.min = self.max = value
        elif value < self.min:  # type: ignore[operator]  # not None from the first value on
            self.min = value
        elif value > self.max:  # type: ignore[operator]
            self.max = value
        self.last = value
        self.n += 1

    def add_run(self, n: int, first: float, least: float, greatest: float, last: float) -> None:
        """Take a run of values in at once."""
        if self.n == 0:
            self.first = first
        self.min = least if self.min is None else min(self.min, least)
        self.max = greatest if self.max is None else max(self.max, greatest)
        self.last = last
        self.n += n

    def as_json(self) -> dict[str, Any]:
        """For JSON; null where there was no value."""
        return {"n": self.n, "first": self.first, "min": self.min, "max": self.max, "last": self.last}


@dataclass
class MessageFindings:
    """The frames of one message on one bus: `steps` counts the counter's steps, `late` gaps above `max_age_s`."""

    bus: str
    message: str
    good: int = 0
    bad_check: int = 0
    short: int = 0
    late: int = 0
    steps: Counter[int] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        steps = {str(step): self.steps[step] for step in sorted(self.steps)}
        return {"bus": self.bus, "message": self.message, "good": self.good, "bad_check": self.bad_check,
                "short": self.short, "late": self.late, "steps": steps}


@dataclass
class Findings:
    """The account of an import: `frames` is always decoded + unknown_id + bad_check + short."""

    frames: int = 0
    decoded: int = 0
    unknown_id: int = 0
    bad_check: int = 0
    short: int = 0
    error_frames: int = 0
    remote_frames: int = 0
    malformed_lines: int = 0
    start_ns: int | None = None
    end_ns: int | None = None
    samples: int = 0
    quantities: dict[str, Summary] = field(default_factory=dict)
    messages: list[MessageFindings] = field(default_factory=list)
    other_buses: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def saw(self, first_ns: int, last_ns: int) -> None:
        """Widen the time the frames span."""
        self.start_ns = first_ns if self.start_ns is None else min(self.start_ns, first_ns)
        self.end_ns = last_ns if self.end_ns is None else max(self.end_ns, last_ns)

    @property
    def counter_steps(self) -> int:
        """How often a rolling counter did not go one step up: frames lost, repeated or out of order."""
        return sum(count for each in self.messages for step, count in each.steps.items() if step != 1)

    def seen_messages(self) -> list[MessageFindings]:
        """The messages of the DBC that came, by name and bus."""
        seen = [each for each in self.messages if each.good or each.bad_check or each.short]
        return sorted(seen, key=lambda each: (each.message, each.bus))

    def notes(self) -> list[str]:
        """What may surprise although nothing is wrong."""
        buses: dict[str, list[str]] = {}
        for each in self.seen_messages():
            buses.setdefault(each.message, []).append(each.bus)
        return [
            f"{message} came on {' and '.join(names)}, and all of them were taken; --bus takes one"
            for message, names in buses.items() if len(names) > 1
        ]

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        counts = {name: getattr(self, name) for name in (
            "frames", "decoded", "unknown_id", "bad_check", "short", "error_frames", "remote_frames",
            "malformed_lines", "start_ns", "end_ns")}
        told = {name: self.quantities.get(name, Summary()).as_json() for name in TOLD}
        return {
            **counts, **told,
            "counter_steps": self.counter_steps,
            "samples": self.samples,
            "messages": [each.as_json() for each in self.seen_messages()],
            "problems": self.problems,
            "notes": self.notes(),
        }
