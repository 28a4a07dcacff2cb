"""The account of an import for people: a few lines of text."""

from __future__ import annotations

from pathlib import Path

from twolbms.fields import FIELDS
from twolbms.importing.findings import Findings, Summary


def report_lines(findings: Findings, log: Path, journal: Path, bus: int | None) -> list[str]:
    """The lines of the table."""
    counts = (
        ("decoded", findings.decoded, "checked and read"),
        ("unknown id", findings.unknown_id, "not named in the pack's DBC"),
        ("bad check", findings.bad_check, "wrong checksum, dropped"),
        ("short", findings.short, "fewer bytes than the DBC says, dropped"),
        ("counter steps", findings.counter_steps, "of the decoded did not follow the one before"),
        ("error frames", findings.error_frames, ""),
        ("remote frames", findings.remote_frames, ""),
        ("malformed lines", findings.malformed_lines, ""),
    )
    where = f" on bus {bus}" if bus is not None else ""
    lines = [f"{log.name}: {findings.frames:,} frames{where}{_span(findings)}", ""]
    lines += [f"  {name:<16}{count:>12,}  {words}".rstrip() for name, count, words in counts]
    lines += ["", f"  {'quantity':<22}{'values':>9}{'first':>12}{'min':>12}{'max':>12}{'last':>12}"]
    lines += [_row(name, summary) for name, summary in findings.quantities.items()]
    if findings.samples:
        lines += ["", f"{findings.samples:,} samples in {journal}"]
    return lines


def _span(findings: Findings) -> str:
    if findings.start_ns is None or findings.end_ns is None:
        return ""
    return f" in {(findings.end_ns - findings.start_ns) / 1e9:,.1f} s"


def _row(name: str, summary: Summary) -> str:
    unit, factor, decimals = _shown_in(name)
    numbers = (summary.first, summary.min, summary.max, summary.last)
    texts = ("-" if number is None else f"{number * factor:,.{decimals}f}" for number in numbers)
    return f"  {name:<22}{summary.n:>9,}" + "".join(f"{text:>12}" for text in texts) + f"  {unit}".rstrip()


def _shown_in(name: str) -> tuple[str, float, int]:
    """Unit, factor and decimals for people, who read shares of 1 as percent."""
    if name in ("soc", "soh"):
        return "%", 100.0, 1
    if name.endswith("_w"):
        return "W", 1.0, 0
    row = FIELDS.get(name)
    return (row.unit, 1.0, row.decimals) if row else ("", 1.0, 3)
