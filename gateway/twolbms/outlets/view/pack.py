"""One pack as lines: title, values, cells as bars, temperatures, outputs, allowance, faults."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from twolbms.outlets.heard import STALE_AFTER_S, heard_s, silent
from twolbms.outlets.view.aged import Snapshot
from twolbms.outlets.view.bars import Scale, cell_bar, level, scale_of, tier_style
from twolbms.outlets.view.layout import columns, flow, rule
from twolbms.outlets.view.palette import BAD, FRAME, KNOWN, NO_DATA, PERMITTED, STRONG, WARN, Glyphs
from twolbms.outlets.words import (
    DOINGS,
    TRIALS,
    UNKNOWN,
    allowed,
    amount,
    percent,
    refusal_words,
    rule_words,
    snake,
    span,
    threshold,
)

CELLS_STALE_AFTER_S = 3.0
"""CellVoltages come once a second: three periods."""

TEMPERATURES_STALE_AFTER_S = 6.0
"""CellTemperatures come every two seconds: three periods."""

LONGEST_BAR = 46
SHORTEST_BAR = 8


def pack_lines(name: str, pack: Snapshot, width: int, cell_columns: int, glyphs: Glyphs) -> list[Text]:
    """The pack in full; `cell_columns` 0 shows one character a cell."""
    cells = _cell_rows(pack, width, cell_columns, glyphs) if cell_columns else _cell_strip(pack, width, glyphs)
    return [_title(name, pack, width, glyphs), *flow(_values(pack, glyphs), width), *cells,
            *flow([*_temperatures(pack, glyphs), *_outputs(pack)], width), *flow(_allowance(pack), width),
            *flow([*_doing(pack), *_faults(pack, glyphs)], width)]


def short_pack_lines(name: str, pack: Snapshot, width: int, glyphs: Glyphs) -> list[Text]:
    """The pack in the fewest lines: title, allowance and the gravest fault."""
    return [_title(name, pack, width, glyphs), *flow(_allowance(pack), width)[:1],
            *flow(_faults(pack, glyphs), width)[:1]]


def _title(name: str, pack: Snapshot, width: int, glyphs: Glyphs) -> Text:
    about = [f"node {pack.get('node')}", pack.get("type") or UNKNOWN]
    left = Text.assemble((name, STRONG), *(f" {glyphs.dot} {text}" for text in about))
    if pack.get("hash_ok") is False:
        left.append(f" {glyphs.dot} limits differ", BAD)
    right = Text.assemble(_state(pack), f" {glyphs.dot} ", _heard(pack))
    return rule(left, right, width, glyphs.line, FRAME)


def _state(pack: Snapshot) -> Text:
    if silent(pack):
        if pack.get("gateway_gone"):
            return Text("UNKNOWN", NO_DATA)
        return Text("ASLEEP", STRONG) if _sleeps(pack) else Text("NODE SILENT", BAD)
    state = snake(pack.get("state") or UNKNOWN)
    style = {"closed": PERMITTED if _may_flow(pack) else KNOWN, "latched": BAD, UNKNOWN: NO_DATA}.get(state, STRONG)
    return Text(state.replace("_", " ").upper(), style)


def _sleeps(pack: Snapshot) -> bool:
    """A node that sleeps has said so and is silent from then on."""
    return snake(pack.get("state") or pack.get("last_state") or "") == "asleep"


def _doing(pack: Snapshot) -> list[Text]:
    """What the node does, where the state's name alone does not say it."""
    asleep = "asleep" if _sleeps(pack) else None
    told = [DOINGS.get(snake(pack.get("state") or asleep or "")),
            TRIALS.get(snake((pack.get("info") or {}).get("firmware_trial") or ""))]
    if update := pack.get("update"):
        told.append(f"update {snake(update['state'])}, block {update['next_block']}")
        told.append(f"update stopped: {rule_words(update['error'])}" if update.get("error") else None)
    return [Text(text, STRONG) for text in told if text]


def _may_flow(pack: Snapshot) -> bool:
    allowance = pack.get("allowance") or {}
    return bool(allowance.get("charge_a") or allowance.get("discharge_a"))


def _heard(pack: Snapshot) -> Text:
    age_s = heard_s(pack)
    if age_s is None:
        return Text("never heard", BAD)
    return Text(f"heard {span(age_s)} ago", BAD if age_s > STALE_AFTER_S else KNOWN)


def value_of(pack: Snapshot, quantity: str) -> float | None:
    """A pack quantity, None when it is unknown or not in the snapshot."""
    value: float | None = ((pack.get("values") or {}).get(quantity) or {}).get("value")
    return value


def _known(text: str, value: object, style: str = KNOWN) -> Text:
    return Text(text, NO_DATA if value is None else style)


def _values(pack: Snapshot, glyphs: Glyphs) -> list[Text]:
    voltage, current, spread = (value_of(pack, name) for name in ("pack_voltage_v", "current_a", "cell_spread_v"))
    soc = pack.get("soc") or {}
    sigma = "" if soc.get("sigma") is None else f" {glyphs.plus_minus} {percent(soc['sigma'])}"
    current_text = "current unknown" if current is None else f"{current:+.1f} A".replace("-0.0", "+0.0")
    top_v = (pack.get("allowance") or {}).get("charge_v")
    return [
        Text("pack ").append_text(_known(amount(voltage, "V", 2), voltage, STRONG)).append(
            "" if top_v is None else f" (to {top_v:.1f} V)"),
        _known(current_text, current, STRONG),
        Text("charged ").append_text(_known(percent(soc.get("value")) + sigma, soc.get("value"), STRONG)),
        Text("spread ").append_text(_known(UNKNOWN if spread is None else f"{spread * 1000:.0f} mV", spread)),
    ]


def _cell_voltages(pack: Snapshot) -> list[float | None]:
    return [cell.get("value") for cell in pack.get("cells_v") or []]


def _cell_rows(pack: Snapshot, width: int, count: int, glyphs: Glyphs) -> list[Text]:
    cells = pack.get("cells_v") or []
    if not cells:
        return [Text(" cells: none heard", NO_DATA)]
    scale, digits = scale_of(pack.get("limits") or {}), len(str(len(cells)))
    unit = " V" if count < 3 else ""
    bar_width = min(bar_room(len(cells), count, width), LONGEST_BAR)
    marks = _extremes(_cell_voltages(pack), glyphs)
    style = PERMITTED if snake(pack.get("state") or "") == "closed" and _may_flow(pack) else KNOWN
    rows = []
    for number, cell in enumerate(cells, 1):
        label, value_style = _cell_text(cell, unit, scale)
        text = Text(f"{number:>{digits}} ").append_text(label)
        own_width = bar_width + 6 + len(unit) - label.cell_len
        bar = cell_bar(scale, cell.get("value"), own_width, glyphs, value_style or style)
        rows.append(text.append_text(bar).append(marks.get(number, " "), STRONG))
    return columns(rows, count, width)


def _cell_text(cell: Snapshot, unit: str, scale: Scale | None) -> tuple[Text, str | None]:
    """The voltage, and the colour that it or its age asks for (None = nothing wrong)."""
    value_v, age_s = cell.get("value"), cell.get("age_s")
    if value_v is None:
        return Text(f"{UNKNOWN} ", NO_DATA), NO_DATA
    stale = age_s is None or age_s > CELLS_STALE_AFTER_S
    style = tier_style(scale, value_v, "")
    return Text(f"{value_v:5.3f}{unit} ", BAD if stale else style or KNOWN), NO_DATA if stale else style or None


def bar_room(cells: int, count: int, width: int) -> int:
    """Columns left for a bar with its ends when cells stand in `count` columns."""
    return (width - 1) // count - len(str(cells)) - (11 if count < 3 else 9)


def _extremes(voltages: list[float | None], glyphs: Glyphs) -> dict[int, str]:
    """Cell number (from 1) to the mark of the lowest and the highest; none while all are equal."""
    known = [(value, number) for number, value in enumerate(voltages, 1) if value is not None]
    if not known or min(known)[0] == max(known)[0]:
        return {}
    return {max(known, key=lambda each: each[0])[1]: glyphs.highest, min(known)[1]: glyphs.lowest}


def _cell_strip(pack: Snapshot, width: int, glyphs: Glyphs) -> list[Text]:
    voltages, scale = _cell_voltages(pack), scale_of(pack.get("limits") or {})
    strip = Text("cells ")
    for value_v in voltages:
        strip.append(level(scale, value_v, glyphs), NO_DATA if value_v is None else tier_style(scale, value_v))
    pieces = [strip]
    for mark, quantity in ((glyphs.lowest, "cell_min_v"), (glyphs.highest, "cell_max_v")):
        value = value_of(pack, quantity)
        pieces.append(_known(f"{mark} {amount(value, 'V')}", value))
    return flow(pieces, width)


def _temperatures(pack: Snapshot, glyphs: Glyphs) -> list[Text]:
    sensors = pack.get("temperatures_c") or []
    if not sensors:
        return [Text("temperature unknown", NO_DATA)]
    text = Text()
    for sensor in sensors:
        value, age_s = sensor.get("value"), sensor.get("age_s")
        stale = age_s is None or age_s > TEMPERATURES_STALE_AFTER_S
        text.append("? " if value is None else f"{value:.1f} ", NO_DATA if value is None else BAD if stale else KNOWN)
    unknown = all(sensor.get("value") is None for sensor in sensors)
    return [Text("temperature unknown", NO_DATA)] if unknown else [text.append(glyphs.degree)]


_PATH_STYLES = {"closed": KNOWN, "open": KNOWN, "on": WARN, "off": KNOWN, "error": BAD, UNKNOWN: NO_DATA}


def _outputs(pack: Snapshot) -> list[Text]:
    paths, allowance, heater = pack.get("paths") or {}, pack.get("allowance") or {}, pack.get("heater") or {}
    pieces = []
    for path in ("charge", "discharge"):
        state = paths.get(path) or UNKNOWN
        flows = state == "closed" and allowance.get(f"{path}_a")
        pieces.append(Text.assemble(f"{path} ", (state, PERMITTED if flows else _PATH_STYLES.get(state, KNOWN))))
    if paths.get("precharge") in ("closed", "error"):
        pieces.append(Text.assemble("precharge ", (paths["precharge"], WARN)))
    if heater:
        pieces.append(_heater(heater))
    return pieces


def _heater(heater: Snapshot) -> Text:
    measured, commanded = heater.get("measured") or UNKNOWN, heater.get("commanded") or UNKNOWN
    text = Text.assemble("heater ", (measured, _PATH_STYLES.get(measured, KNOWN)))
    if measured != commanded and UNKNOWN not in (measured, commanded):
        text.append(f" (told {commanded})", BAD)
    return text


def _allowance(pack: Snapshot) -> list[Text]:
    allowance, paths = pack.get("allowance") or {}, pack.get("paths") or {}
    pieces = [_allowed_piece(allowance, paths, direction) for direction in ("charge", "discharge")]
    if pieces[0][1] == pieces[1][1]:
        pieces[0] = (pieces[0][0], "")
    texts = [text.append(reason) for text, reason in pieces]
    return [Text("may ").append_text(texts[0]), *texts[1:]]


def _allowed_piece(allowance: Snapshot, paths: Snapshot, direction: str) -> tuple[Text, str]:
    """How much, and what says so."""
    value, rule_name = allowance.get(f"{direction}_a"), allowance.get(f"{direction}_limited_by")
    flows = PERMITTED if paths.get(direction) == "closed" else KNOWN
    style = NO_DATA if value is None else flows if value > 0 else WARN
    is_limited = value is not None and snake(rule_name or "nothing") != "nothing"
    return Text.assemble(f"{direction} ", (allowed(value), style)), f" ({rule_words(rule_name)})" if is_limited else ""


_TIER_STYLES = {"warn": WARN, "limit": BAD, "trip": BAD}
_GRAVITY = {"trip": 0, "limit": 1, "warn": 2}


def _faults(pack: Snapshot, glyphs: Glyphs) -> list[Text]:
    if silent(pack):
        return [Text("faults unknown", NO_DATA)]
    faults = sorted(pack.get("faults") or [], key=_gravity)
    told = [piece for fault in faults for piece in _fault(fault, glyphs)] or [Text("no faults")]
    return [*told, *_after_trip(pack)]


def _gravity(fault: dict[str, Any]) -> tuple[bool, int]:
    return not fault.get("latched"), _GRAVITY.get(str(fault.get("tier")), 3)


def _fault(fault: dict[str, Any], glyphs: Glyphs) -> list[Text]:
    """Which limit and how grave; the worst reading since it began."""
    tier, unit = str(fault.get("tier")), str(fault.get("unit") or "")
    grave = "latched" if fault.get("latched") else tier
    pieces = [Text(f"{rule_words(fault.get('limit'))} {grave}", _TIER_STYLES.get(tier, BAD))]
    where = next((f"{thing} {fault[thing]} " for thing in ("cell", "sensor") if fault.get(thing) is not None), "")
    if fault.get("value") is not None:
        edge = "" if fault.get("threshold") is None else f" ({tier} {threshold(fault['threshold'], unit)})"
        pieces.append(Text(glyphs.plain(f"{where}reached {amount(fault['value'], unit)}{edge}")))
    return pieces


def _after_trip(pack: Snapshot) -> list[Text]:
    pieces: list[Text] = []
    if pack.get("hold_remaining_s"):
        pieces.append(Text(f"hold {span(pack['hold_remaining_s'])} left", WARN))
    refusal = refusal_words(pack.get("last_refusal"))
    if refusal:
        pieces.append(Text(f"last request refused: {refusal}", WARN))
    return pieces

