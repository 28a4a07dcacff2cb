"""How long a card lasts under a journal, and when the oldest records begin to go: the sums and the words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from twolbms.cli.journal_words import size_text, span_text
from twolbms.journal import Retention
from twolbms.journal.wear import DAY_S, Growth

AMPLIFICATION = 4.0  # an assumption: a card programs flash pages of 16 KiB where it is given blocks of 4 KiB
FULL_WRITES = 300  # an assumption, for cards without a promise: TLC flash of the cheaper sort
_LEAST_S = 60.0
_TB = 10**12

Told = dict[str, Any]


def card_told(folder: Path, growths: Mapping[str, Growth], retention: Retention, endurance_tb: float | None,
              amplification: float) -> Told:
    """Bytes a day, days to last and days until retention begins; None where the journal is too young to tell."""
    disk = os.statvfs(folder)
    size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    endurance = endurance_tb * _TB if endurance_tb is not None else float(size * FULL_WRITES)
    seconds = max((growth.seconds for growth in growths.values()), default=0.0)
    told: Told = {"journal": str(folder), "disk_bytes": size, "free_bytes": free, "endurance_bytes": endurance,
                  "endurance_assumed": endurance_tb is None, "amplification": amplification, "measured_s": seconds,
                  "enough": seconds >= _LEAST_S}
    on_disk = {family: _bytes_of(folder / family) for family in growths}
    told["families"] = {family: _family_told(growth, retention.of(family).bytes, retention.of(family).age_s,
                                             on_disk[family]) for family, growth in growths.items()}
    still = sum(max(row["keep_bytes"] - row["bytes"], 0) for row in told["families"].values())
    card_a_day = sum(growth.card_bytes_a_day for growth in growths.values())
    told |= {"file_bytes_a_day": sum(growth.bytes_a_day for growth in growths.values()), "card_bytes_a_day": card_a_day,
             "card_days": endurance / (card_a_day * amplification) if card_a_day else None,
             "room_short_bytes": max(still - free, 0), "full_in_days": _days(free, told["families"])}
    return told | {"ok": told["enough"] and not told["room_short_bytes"]}


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.seg")) if folder.is_dir() else 0


def _family_told(growth: Growth, keep: int, age_s: float | None, size: int) -> Told:
    a_day = growth.bytes_a_day
    kept_days = keep / a_day if a_day else None
    if age_s is not None and (kept_days is None or age_s / DAY_S < kept_days):
        kept_days, keep = age_s / DAY_S, min(keep, round(a_day * age_s / DAY_S) or keep)
    return {"bytes": size, "keep_bytes": keep, "bytes_a_day": a_day, "card_bytes_a_day": growth.card_bytes_a_day,
            "syncs_a_day": growth.a_day(growth.syncs), "kept_days": kept_days,
            "drops_in_days": max(keep - size, 0) / a_day if a_day else None}


def _days(free: int, families: Mapping[str, Told]) -> float | None:
    """When the disk is full, if that is before every family has reached its bound."""
    left, days = float(free), 0.0
    growing = [row for row in families.values() if row["bytes_a_day"]]
    for until in sorted(row["drops_in_days"] for row in growing):
        rate = sum(row["bytes_a_day"] for row in growing if row["drops_in_days"] >= until)
        if left < (until - days) * rate:
            return float(days + left / rate)
        left -= (until - days) * rate
        days = until
    return None


def card_lines(told: Told) -> Iterator[str]:
    """`card` for people."""
    yield click.style(told["journal"], bold=True) + (
        f"  on a disk of {size_text(told['disk_bytes'])}, {size_text(told['free_bytes'])} of it free")
    if not told["enough"]:
        yield (f"The journal's newest records cover {span_text(told['measured_s'])}: too little to tell from. "
               "Let the gateway run for a few minutes.")
        return
    yield ""
    head = f"{'family':8} {'now':>9} {'a day':>9} {'on the card':>12} {'syncs a day':>12} {'kept':>9}  holds"
    yield click.style(head, dim=True)
    for name, row in told["families"].items():
        holds = f"{_days_text(row['kept_days'])}, {_drops(row)}" if row["kept_days"] is not None else "does not grow"
        yield (f"{name:8} {size_text(row['bytes']):>9} {size_text(row['bytes_a_day']):>9} "
               f"{size_text(row['card_bytes_a_day']):>12} {row['syncs_a_day']:>12,.0f} "
               f"{size_text(row['keep_bytes']):>9}  {holds}")
    if not told["site"]:
        yield "kept: as much as by default; give the site file instead of the folder where it says otherwise"
    yield ""
    yield from _card_lines(told)
    yield from _room_lines(told)


def _drops(row: Told) -> str:
    return "the oldest go now" if not row["drops_in_days"] else f"the oldest go in {_days_text(row['drops_in_days'])}"


def _days_text(days: float) -> str:
    return f"{days / 365:.1f} years" if days >= 730 else span_text(days * DAY_S)


def _card_lines(told: Told) -> Iterator[str]:
    days = told["card_days"]
    if days is None:
        return
    # The filesystem's own bytes, where a card lies under it: what other programs write comes on top.
    colour = "red" if days < 2 * 365 else "yellow" if days < 5 * 365 else "green"
    yield "The card lasts " + click.style(_days_text(days), fg=colour, bold=True) + " for this journal alone."
    given = ("assumed: 300 times its size" if told["endurance_assumed"] else "as given")
    card, records = size_text(told["card_bytes_a_day"]), size_text(told["file_bytes_a_day"])
    yield (f"  {card} a day in blocks of 4 KiB, for {records} of records; "
           f"times {told['amplification']:g} inside the card")
    yield f"  endurance {told['endurance_bytes'] / _TB:,.1f} TB ({given}); measured: {span_text(told['measured_s'])}"


def _room_lines(told: Told) -> Iterator[str]:
    if not told["room_short_bytes"]:
        yield click.style("What is to be kept fits the disk.", fg="green")
        return
    short = size_text(told["room_short_bytes"])
    when = f" The disk is full in {_days_text(told['full_in_days'])}." if told["full_in_days"] is not None else ""
    yield click.style(f"What is to be kept needs {short} more than the disk has.{when} Make journal.keep smaller in "
                      "the site file, or the disk larger.", fg="red")
