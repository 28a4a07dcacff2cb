"""What stands around the packs: title, banks, buses, journal, outlets, alarms, last events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import NamedTuple

from rich.text import Text

from twolbms.diagnoses import DIAGNOSES
from twolbms.outlets.view.aged import Snapshot
from twolbms.outlets.view.layout import cut, flow, padded
from twolbms.outlets.view.palette import BAD, KNOWN, NO_DATA, PERMITTED, STRONG, WARN, Glyphs
from twolbms.outlets.words import allowed, clock_time, date_time, limiter_words, percent, rule_words, span

GATEWAY_SILENT_AFTER_S = 1.0
"""The gateway sends a snapshot at least twice a second; after this long without one it counts as gone."""


WORTH_TELLING_S = 2.0
"""A database that is no further behind than this needs no words."""


class Told(NamedTuple):
    """An event as a sentence, with its wall time in nanoseconds (None = not known)."""

    time_ns: int | None
    text: str


def title_line(snapshot: Snapshot | None, silent_s: float, width: int, glyphs: Glyphs, zone: tzinfo | None) -> Text:
    """Site and time on the left, whether the gateway answers on the right."""
    left = Text.assemble(("2lbms", STRONG))
    if snapshot is not None:
        left.append(f" {glyphs.dot} {snapshot.get('site')} {glyphs.dot} {date_time(snapshot.get('time_ns'), zone)}")
        if snapshot.get("clock") not in (None, "network", "rtc"):
            left.append(f" (clock: {snapshot['clock']})")
    right = Text("gateway answers", KNOWN)
    if snapshot is None or silent_s >= GATEWAY_SILENT_AFTER_S:
        right = Text(f"gateway silent for {span(silent_s)}", BAD)
    return padded(left, max(width - right.cell_len - 1, 1)).append(" ").append_text(right)


def bank_lines(snapshot: Snapshot, width: int, glyphs: Glyphs) -> list[Text]:
    """What each bank may carry, because of what, and the packs in it."""
    return flow(map(_bank, (snapshot.get("banks") or {}).items()), width, gap=f" {glyphs.divide} ", indent="")


def _bank(named: tuple[str, Snapshot]) -> Text:
    """A bank of one pack of its own name needs no list of packs."""
    name, bank = named
    packs = bank.get("packs") or []
    text = Text.assemble("bank ", (name, STRONG))
    for direction in ("charge", "discharge"):
        value = bank.get(f"{direction}_a")
        style = NO_DATA if value is None else PERMITTED if value > 0 else WARN
        text.append_text(Text.assemble(f" {direction} ", (allowed(value), style)))
    if bank.get("charge_a") is not None:
        limiter = limiter_words(bank.get("limited_by"))
        text.append(f": {limiter.removeprefix(f'{packs[0]}: ') if len(packs) == 1 else limiter}")
    return text if packs == [name] else text.append(f" ({', '.join(packs) or 'no pack'})")


def health_lines(snapshot: Snapshot, width: int, glyphs: Glyphs) -> list[Text]:
    """Buses, journal and outlets."""
    pieces = [_bus(name, bus) for name, bus in (snapshot.get("buses") or {}).items()]
    if snapshot.get("journal"):
        pieces.append(_journal(snapshot["journal"]))
    pieces += [_outlet(name, outlet) for name, outlet in (snapshot.get("outlets") or {}).items()]
    if not pieces:
        pieces = [Text("bus, journal and outlets unknown", NO_DATA)]
    return flow(pieces, width, gap=f" {glyphs.divide} ", indent="")


_BUS_STATES = {1: "error warning", 2: "error passive", 3: "bus off"}
_CROWDED = 0.7  # a bus this full makes low priorities wait
_BUS_FAULTS = ("bad_check", "bad_counter", "short", "error", "unknown_id")


def _bus(name: str, bus: Snapshot) -> Text:
    if not bus.get("up", True):
        return Text.assemble(f"bus {name} ", ("down", BAD))
    bad = sum(bus.get(key) or 0 for key in _BUS_FAULTS)
    text = Text.assemble(f"bus {name} {bus.get('frames', 0)} frames, ", (f"{bad} bad", WARN if bad else KNOWN))
    if bus.get("frames_lost"):
        text.append(f", {bus['frames_lost']} lost", BAD)
    if bus.get("load") is not None:
        text.append(f", {percent(bus['load'], 0)} full", WARN if bus["load"] > _CROWDED else KNOWN)
    state = _BUS_STATES.get(bus.get("state") or 0)
    return text if state is None else text.append(f", {state}", BAD)


def _journal(journal: Snapshot) -> Text:
    text = Text("journal ")
    if journal.get("error"):
        return text.append(str(journal["error"]), BAD)
    text.append(f"{journal.get('acknowledged', 0)}")
    if journal.get("lost"):
        text.append(f", {journal['lost']} lost", BAD)
    synced_s = journal.get("last_sync_age_s")
    if synced_s is not None:
        text.append(f", synced {span(synced_s)} ago", BAD if synced_s > 5 else KNOWN)
    return text


_OUTLET_STYLES = {"ok": KNOWN, "waiting": WARN, "refused": BAD, "stopped": BAD}


def _outlet(name: str, outlet: Snapshot) -> Text:
    state = outlet.get("state") or "unknown"
    text = Text.assemble(f"{name} ", (state, _OUTLET_STYLES.get(state, BAD)))
    if outlet.get("lag_s") is not None and (state != "ok" or outlet["lag_s"] > WORTH_TELLING_S):
        text.append(f", {span(outlet['lag_s'])} behind")
    if outlet.get("refused"):
        text.append(f", {outlet['refused']} refused", BAD)
    return text


def alarm_lines(snapshot: Snapshot, width: int, glyphs: Glyphs, zone: tzinfo | None) -> list[Text]:
    """One line an alarm."""
    lines = []
    for alarm in snapshot.get("alarms") or []:
        since = f" since {clock_time(alarm.get('since_ns'), zone)}"
        lines.append(cut(Text.assemble((glyphs.plain(f"alarm: {_alarm_text(alarm)}"), BAD), since), width))
    return lines


def _alarm_text(alarm: Snapshot) -> str:
    text, pack = str(alarm.get("text")), alarm.get("pack")
    for name in DIAGNOSES:
        text = text.replace(name, rule_words(name))
    return text if not pack or pack in text else f"{pack}: {text}"


def event_lines(events: Sequence[Told], width: int, glyphs: Glyphs, zone: tzinfo | None) -> list[Text]:
    """One line an event, oldest first."""
    return [cut(Text(f"{clock_time(each.time_ns, zone)} {glyphs.plain(each.text)}"), width) for each in events]
