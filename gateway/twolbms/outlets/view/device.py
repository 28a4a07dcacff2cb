"""One device as lines: title with its age, what it measures, its own alarms. Knows the table of quantities, no kind."""

from __future__ import annotations

from rich.text import Text

from twolbms.fields import FIELDS, Field
from twolbms.outlets.view.aged import Snapshot
from twolbms.outlets.view.layout import flow, rule
from twolbms.outlets.view.palette import BAD, FRAME, KNOWN, NO_DATA, STRONG, WARN, Glyphs
from twolbms.outlets.words import UNKNOWN, amount, percent, span

SHOWN_WITHIN_S = 10
"""What is recorded more rarely than each ten seconds is the device's history, not what a person watches."""

STALE_SHARE = 0.6
"""From this part of its greatest age on a device's age is red: two of its messages have been missed."""

_STATES = {"ok": "", "starting": "NOT YET HEARD", "silent": "SILENT", "down": "PORT DOWN"}
_WORDS = {"soc": "charged"}  # as packs say it
_SUFFIXES = {"V": "v", "A": "a", "W": "w", "Ah": "ah", "kWh": "kwh", "s": "s", "°C": "c"}


def device_lines(name: str, device: Snapshot, width: int, glyphs: Glyphs) -> list[Text]:
    """The device in full."""
    return [_title(name, device, width, glyphs), *flow(_values(device, glyphs), width),
            *flow(_alarms(device, glyphs), width)]


def short_device_lines(name: str, device: Snapshot, width: int, glyphs: Glyphs) -> list[Text]:
    """The device in the fewest lines: title and its own alarms."""
    return [_title(name, device, width, glyphs), *flow(_alarms(device, glyphs), width)[:1]]


def _title(name: str, device: Snapshot, width: int, glyphs: Glyphs) -> Text:
    left = Text.assemble((name, STRONG))
    model = (device.get("info") or {}).get("model") or device.get("title") or UNKNOWN
    left.append(f" {glyphs.dot} {glyphs.plain(str(model))}")
    if device.get("pack"):
        left.append(f" {glyphs.dot} at {device['pack']}")
    state = str(device.get("state"))
    word = _STATES.get(state, UNKNOWN)
    right = Text.assemble((word, NO_DATA if state == "starting" else BAD), f" {glyphs.dot} " if word else "",
                          _heard(device))
    return rule(left, right, width, glyphs.line, FRAME)


def _heard(device: Snapshot) -> Text:
    age_s = device.get("age_s")
    if age_s is None:
        return Text("never heard", NO_DATA if device.get("state") == "starting" else BAD)
    stale = age_s > STALE_SHARE * (device.get("max_age_s") or 0)
    return Text(f"heard {span(age_s)} ago", BAD if stale else KNOWN)


def _values(device: Snapshot, glyphs: Glyphs) -> list[Text]:
    values = device.get("values") or {}
    if not any(each.get("told") for each in values.values()):
        return [Text("all that it measures is unknown", NO_DATA)]
    return [_value(FIELDS[quantity], each, glyphs) for quantity, each in values.items()
            if quantity in FIELDS and FIELDS[quantity].record_s <= SHOWN_WITHIN_S]


def _value(row: Field, each: Snapshot, glyphs: Glyphs) -> Text:
    """"voltage 26.500 V"; `---` where the device answers and does not know it itself."""
    value = each.get("value")
    text = Text(f"{label(row)} ")
    if value is None:
        return text.append("---" if each.get("told") else UNKNOWN, NO_DATA)
    return text.append(glyphs.plain(number(row, value)), STRONG if row.step is not None else KNOWN)


def label(row: Field) -> str:
    """A quantity's name without its kind and its unit: `shunt_mid_voltage_v` as "mid voltage"."""
    words = row.name.split("_")[1:]
    if len(words) > 1 and words[-1] == _SUFFIXES.get(row.unit):
        words.pop()
    return " ".join(_WORDS.get(word, word) for word in words)


def number(row: Field, value: float) -> str:
    """A value with its unit, as people read it."""
    if row.unit == "1":
        return percent(value)
    return span(value) if row.unit == "s" else amount(value, row.unit, row.decimals)


def _alarms(device: Snapshot, glyphs: Glyphs) -> list[Text]:
    return [Text(glyphs.plain(f"reports {word}"), WARN) for word in device.get("alarms") or []]
