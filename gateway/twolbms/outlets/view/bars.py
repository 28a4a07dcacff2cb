"""One cell as a bar between the pack's under- and over-voltage trips, with ticks for warn and limit."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any, NamedTuple

from rich.text import Text

from twolbms.outlets.view.palette import BAD, KNOWN, NO_DATA, WARN, Glyphs

Tiers = Mapping[str, Any]


class Scale(NamedTuple):
    """The voltages a bar spans and the ticks on it; `over` and `under` are rows of the pack's limits."""

    low_v: float
    high_v: float
    under: Tiers
    over: Tiers

    def position(self, value_v: float, width: int) -> float:
        """Where a voltage lies on `width` columns; 0 is the low trip, `width` the high trip."""
        return (value_v - self.low_v) / (self.high_v - self.low_v) * width


def scale_of(limits: Mapping[str, Tiers]) -> Scale | None:
    """The scale of a pack from its limits; None when they are not known."""
    under, over = limits.get("cell_under_voltage") or {}, limits.get("cell_over_voltage") or {}
    low, high = _outermost(under), _outermost(over)
    if low is None or high is None or low >= high:
        return None
    return Scale(low, high, under, over)


def _outermost(row: Tiers) -> float | None:
    for tier in ("trip", "limit", "warn"):
        if row.get(tier) is not None:
            return float(row[tier])
    return None


def tier_style(scale: Scale | None, value_v: float, inside: str = KNOWN) -> str:
    """The colour of a voltage: `inside` when no tier is passed."""
    if scale is None:
        return inside
    if _passed(scale, value_v, "limit") or _passed(scale, value_v, "trip"):
        return BAD
    return WARN if _passed(scale, value_v, "warn") else inside


def _passed(scale: Scale, value_v: float, tier: str) -> bool:
    over, under = scale.over.get(tier), scale.under.get(tier)
    return (over is not None and value_v > over) or (under is not None and value_v < under)


def cell_bar(scale: Scale | None, value_v: float | None, width: int, glyphs: Glyphs, style: str) -> Text:
    """The bar with its two ends, `width` columns in all; empty and grey when nothing is known."""
    inner = width - 2
    ends = (glyphs.left_trip, glyphs.right_trip)
    if scale is None or value_v is None:
        return Text(ends[0] + " " * inner + ends[1], NO_DATA)
    at = scale.position(value_v, inner)
    if at < 0:
        return Text.assemble((glyphs.beyond_low, BAD), " " * inner, ends[1])
    if at > inner:
        return Text.assemble(ends[0], (glyphs.full * inner, style), (glyphs.beyond_high, BAD))
    return Text.assemble(ends[0], _columns(scale, at, inner, glyphs, style), ends[1])


def _columns(scale: Scale, at: float, inner: int, glyphs: Glyphs, style: str) -> Text:
    """The inside of a bar, in as few pieces as its colours allow: each piece costs bytes on a slow line."""
    ticks, filled, part = _ticks(scale, inner, glyphs), int(at), _part(at, glyphs)
    text = Text()
    for is_tick, run in groupby(range(filled), ticks.__contains__):
        columns = list(run)
        if is_tick:
            text.append("".join(ticks[column] for column in columns), f"{style} reverse")
        else:
            text.append(glyphs.full * len(columns), style)
    if filled < inner and part and filled not in ticks:
        text.append(part, style)
        filled += 1
    return text.append("".join(ticks.get(column, " ") for column in range(filled, inner)))


def _part(at: float, glyphs: Glyphs) -> str:
    eighths = int((at - int(at)) * 8)
    return glyphs.parts[eighths - 1] if glyphs.parts and eighths else ""


def _ticks(scale: Scale, inner: int, glyphs: Glyphs) -> dict[int, str]:
    """Column to tick; where two fall together the limit is kept."""
    ticks: dict[int, str] = {}
    for tier, mark in (("warn", glyphs.warn_tick), ("limit", glyphs.limit_tick)):
        for row in (scale.under, scale.over):
            if row.get(tier) is not None:
                ticks[min(max(int(scale.position(float(row[tier]), inner)), 0), inner - 1)] = mark
    return ticks


def level(scale: Scale | None, value_v: float | None, glyphs: Glyphs) -> str:
    """One column for one cell: its height between the trips; "?" when unknown."""
    if scale is None or value_v is None:
        return "?"
    steps = len(glyphs.levels)
    return glyphs.levels[min(max(int(scale.position(value_v, steps)), 0), steps - 1)]
