"""The account of an import of any CAN: what became of every frame, and which ids nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

IdKey = int
"""An id with bit 29 set where it is an extended one."""

EXTENDED = 1 << 29
_MOST_UNKNOWN = 10

SHORT, NO_PAGE, NO_VALUES = "short", "bad_multiplexer", "no_values"  # names of `decode.Refused`


@dataclass
class Tally:
    """Counts of frames that can be kept in a file and taken up again. `refused` counts by `decode.Refused`.

    `stored` and `rejected` count lines that the database took and refused.
    """

    rows: int = 0
    frames: int = 0
    error_frames: int = 0
    remote_frames: int = 0
    lines: int = 0
    stored: int = 0
    rejected: int = 0
    start_ns: int | None = None
    end_ns: int | None = None
    ids: Counter[IdKey] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    other_buses: set[str] = field(default_factory=set)

    def saw(self, first_ns: int, last_ns: int) -> None:
        """Widen the time the frames span."""
        self.start_ns = first_ns if self.start_ns is None else min(self.start_ns, first_ns)
        self.end_ns = last_ns if self.end_ns is None else max(self.end_ns, last_ns)

    def copy(self) -> Tally:
        """One that stays as it is."""
        return Tally.of_json(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {"ids": dict(self.ids), "refused": dict(self.refused), "other_buses": sorted(self.other_buses)}

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> Tally:
        """From a file. Raises KeyError, TypeError, ValueError or AttributeError for what is none."""
        tally = cls(**{name: told[name] for name in _PLAIN})
        tally.ids = Counter({int(key): int(count) for key, count in told["ids"].items()})
        tally.refused = Counter({str(key): int(count) for key, count in told["refused"].items()})
        tally.other_buses = set(told["other_buses"])
        return tally


_PLAIN = ("rows", "frames", "error_frames", "remote_frames", "lines", "stored", "rejected", "start_ns", "end_ns")


@dataclass
class Account:
    """What the import of a log found and did; `name_of` tells the message of an id, or None."""

    tally: Tally
    name_of: Callable[[IdKey], str | None]
    malformed_lines: int = 0
    resumed_at: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def unknown(self) -> Counter[IdKey]:
        """Ids that no DBC names, with their frames."""
        return Counter({key: count for key, count in self.tally.ids.items() if self.name_of(key) is None})

    @property
    def unknown_id(self) -> int:
        """Frames of such ids."""
        return self.unknown.total()

    @property
    def decoded(self) -> int:
        """Frames that were read: known, long enough, with a page that the DBC names."""
        refused = self.tally.refused
        return self.tally.frames - self.unknown_id - refused[SHORT] - refused[NO_PAGE]

    @property
    def frames_per_s(self) -> float:
        """Frames of this run, without those that an earlier one had sent."""
        return (self.tally.rows - self.resumed_at) / self.seconds if self.seconds > 0 else 0.0

    def messages(self) -> dict[str, int]:
        """Frames by message of the DBC, as they came."""
        counts: Counter[str] = Counter()
        for key, count in self.tally.ids.items():
            if name := self.name_of(key):
                counts[name] += count
        return dict(sorted(counts.items()))

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        tally = self.tally
        return {
            "frames": tally.frames, "decoded": self.decoded, "unknown_id": self.unknown_id,
            "short": tally.refused[SHORT], "unknown_page": tally.refused[NO_PAGE],
            "no_values": tally.refused[NO_VALUES],
            "error_frames": tally.error_frames, "remote_frames": tally.remote_frames,
            "malformed_lines": self.malformed_lines, "start_ns": tally.start_ns, "end_ns": tally.end_ns,
            "lines": tally.lines, "lines_stored": tally.stored, "lines_refused": tally.rejected,
            "unknown_ids": [{"id": id_text(key), "frames": count} for key, count in self.most_unknown()],
            "messages": self.messages(), "resumed_at": self.resumed_at, "seconds": round(self.seconds, 3),
            "frames_per_s": round(self.frames_per_s), "problems": self.problems, "notes": self.notes,
        }

    def most_unknown(self) -> list[tuple[IdKey, int]]:
        """The most frequent of the unknown ids."""
        return sorted(self.unknown.items(), key=lambda each: (-each[1], each[0]))[:_MOST_UNKNOWN]


def id_text(key: IdKey) -> str:
    """An id as candump writes it: three hexadecimal digits, or eight for an extended one."""
    return f"{key & ~EXTENDED:08X}" if key & EXTENDED else f"{key:03X}"


def account_lines(account: Account, log: str, destinations: list[str]) -> list[str]:
    """The account for people."""
    tally = account.tally
    counts = [
        ("decoded", account.decoded, ""),
        ("unknown id", account.unknown_id, _named(account)),
        ("unknown page", tally.refused[NO_PAGE], "of a multiplexed message"),
        ("short", tally.refused[SHORT], "fewer bytes than the DBC says, dropped"),
        ("no values", tally.refused[NO_VALUES], "of the decoded had every signal not available"),
        ("error frames", tally.error_frames, ""),
        ("remote frames", tally.remote_frames, ""),
        ("malformed lines", account.malformed_lines, ""),
    ]
    lines = [f"{log}: {tally.frames:,} frames{_span(tally)}", ""]
    lines += [f"  {name:<16}{count:>12,}  {words}".rstrip() for name, count, words in counts]
    if tally.lines:
        refused = f", {tally.rejected:,} refused by the database" if tally.rejected else ""
        lines += ["", f"  {tally.lines:,} lines made, {tally.stored:,} stored{refused}"]
    lines += [f"  {account.seconds:,.1f} s, {account.frames_per_s:,.0f} frames/s", ""]
    return lines + destinations


def _named(account: Account) -> str:
    most = account.most_unknown()
    if not most:
        return "every id is named in the DBC"
    told = ", ".join(f"{id_text(key)} ({count:,})" for key, count in most[:5])
    return f"not in the DBC: {told}" + (f" and {len(account.unknown) - 5} more ids" if len(account.unknown) > 5 else "")


def _span(tally: Tally) -> str:
    if tally.start_ns is None or tally.end_ns is None:
        return ""
    return f" in {(tally.end_ns - tally.start_ns) / 1e9:,.1f} s"
