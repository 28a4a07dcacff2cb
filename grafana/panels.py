"""Grafana's classic panel JSON from a few words: size, title, description, queries.

It knows the JSON model (schemaVersion 42) and what the colours mean; which panels there are stands in `site_page.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana.queries import Query, row

Json = dict[str, Any]
Size = tuple[int, int]  # of 24 columns, and lines of about 36 pixels
Steps = Sequence[tuple[float | None, str]]

DATASOURCE: Json = {"type": "influxdb", "uid": "${datasource}"}
UNITS = {"V": "volt", "A": "amp", "Ah": "amph", "1": "percentunit", "°C": "celsius", "W": "watt", "kWh": "kwatth",
         "s": "s", "": "none"}
"""Grafana's unit for each unit of fields.py. Not `short` for counts: it writes 3300 as 3.3 K."""

_DECIMALS = {"1": 1, "Ah": 1}  # 0.5012 is shown as 50.1 %

GREEN, AMBER, RED, GREY, BLUE = "green", "orange", "red", "#808080", "blue"
"""Permitted, limited, stopped, unknown, and what is neither good nor bad."""


def stat(size: Size, title: str, text: str, query: Query, steps: Steps = ((None, BLUE),)) -> Json:
    """The present value of each series as a number."""
    panel = _panel("stat", size, title, text, [query])
    panel["fieldConfig"]["defaults"] |= {
        "noValue": "unknown", "thresholds": _thresholds(steps), "color": {"mode": "thresholds"},
        "mappings": [{"type": "special", "options": {  # no value must never look permitted
            "match": "null+nan", "result": {"text": "unknown", "color": GREY, "index": 0}}}],
    }
    panel["options"] = {
        "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
        "wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return panel


def lines(size: Size, title: str, text: str, *queries: Query, dashed: Mapping[str, str] | None = None,
          band: tuple[str, str] | None = None) -> Json:
    """Values over time; a line breaks where none came. `dashed` gives lines by name a colour and dashes them,
    `band` fills between two of them."""
    panel = _panel("timeseries", size, title, text, queries)
    panel["interval"] = f"{max(1, int(max(query.period_s for query in queries)))}s"
    panel["fieldConfig"]["defaults"] |= {"color": {"mode": "palette-classic"}, "custom": {
        "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 0, "showPoints": "auto",
        "pointSize": 4, "spanNulls": max(query.hole_ms for query in queries), "axisPlacement": "auto",
        "stacking": {"mode": "none", "group": "A"}, "thresholdsStyle": {"mode": "off"},
    }}
    overrides = panel["fieldConfig"]["overrides"]
    overrides += [_dashed(name, color) for name, color in (dashed or {}).items()]
    if band:
        upper, lower = band
        overrides += [
            _override(upper, {"custom.fillBelowTo": lower, "custom.lineWidth": 0, "custom.fillOpacity": 10}),
            _override(lower, {"custom.lineWidth": 0})]
    panel["options"] = {
        "legend": {"displayMode": "table", "placement": "bottom", "showLegend": True,
                   "calcs": ["min", "max", "lastNotNull"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel


def states(size: Size, title: str, text: str, words: Mapping[int, tuple[str, str]], *queries: Query) -> Json:
    """Codes over time as coloured bars: word and colour of each code. A bar ends when the code is no longer heard."""
    panel = _panel("state-timeline", size, title, text, queries)
    panel["interval"] = "5s"
    panel["fieldConfig"]["defaults"] |= {
        "custom": {"lineWidth": 0, "fillOpacity": 80, "spanNulls": max(query.hole_ms for query in queries)},
        "color": {"mode": "thresholds"}, "thresholds": _thresholds(((None, GREY),)),
        "mappings": [{"type": "value", "options": {
            str(code): {"text": word, "color": color, "index": index}
            for index, (code, (word, color)) in enumerate(words.items())}}],
    }
    panel["options"] = {
        "mergeValues": True, "showValue": "never", "alignValue": "left", "rowHeight": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return panel


def table(size: Size, title: str, text: str, query: Query, widths: Mapping[str, int]) -> Json:
    """Rows of words; `widths` in pixels by column."""
    panel = _panel("table", size, title, text, [query])
    panel["fieldConfig"]["overrides"] = [_override(name, {"custom.width": width}) for name, width in widths.items()]
    panel["options"] = {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}
    return panel


def heading(title: str, repeat: str | None = None) -> list[Json]:
    """A row that the panels below belong to, once for each value of the variable `repeat`."""
    row_panel = {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": 24, "h": 1}}
    return [{**row_panel, **({"repeat": repeat} if repeat else {})}]


def place(shelves: Sequence[Sequence[Json]]) -> list[Json]:
    """Gives each panel its id and its place: the panels of a shelf from left to right, the shelves downwards."""
    placed: list[Json] = []
    top = 0
    for shelf in shelves:
        left = 0
        for panel in shelf:
            size = panel["gridPos"]
            placed.append({"id": len(placed) + 1, **panel, "gridPos": {"x": left, "y": top, **size}})
            left += size["w"]
        top += max(panel["gridPos"]["h"] for panel in shelf)
    return placed


def _panel(kind: str, size: Size, title: str, text: str, queries: Sequence[Query]) -> Json:
    width, height = size
    return {
        "type": kind, "title": title, "description": text, "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": [_target(chr(ord("A") + number), query) for number, query in enumerate(queries)],
        "fieldConfig": {"defaults": _unit(queries[0]), "overrides": []},
    }


def _target(ref: str, query: Query) -> Json:
    shape = {"resultFormat": "time_series", "alias": query.alias} if query.quantities else {"resultFormat": "table"}
    return {"refId": ref, "datasource": DATASOURCE, "rawQuery": True, "query": query.influxql, **shape}


def _unit(query: Query) -> Json:
    if not query.quantities or "derivative" in query.influxql:
        return {"unit": "none"}
    field = row(query.quantities[0])
    if field.name.endswith("_spread_v"):  # Grafana turns 0.046 V into 46 mV by itself, and picks the decimals then
        return {"unit": UNITS[field.unit]}
    shown: Json = {"unit": UNITS[field.unit], "decimals": _DECIMALS.get(field.unit, min(field.decimals, 3))}
    return shown | ({"min": field.low, "max": field.high} if field.unit == "1" else {})


def _thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def _override(name: str, properties: Mapping[str, Any]) -> Json:
    return {"matcher": {"id": "byName", "options": name},
            "properties": [{"id": key, "value": value} for key, value in properties.items()]}


def _dashed(name: str, color: str) -> Json:
    return _override(name, {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.showPoints": "never",
                            "color": {"mode": "fixed", "fixedColor": color}})
