"""The pages as files: generated, whole, and naming only what is there."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from twolbms.contract import node_contract
from twolbms.fields import FIELDS

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from grafana import pages  # noqa: E402 - the project's root is on the path only here

PAGES = {path.name: json.loads(path.read_text()) for path in sorted((ROOT / "grafana/dashboards").glob("*.json"))}
Json = dict[str, Any]

# Grafana's ids, typed from its own table; `short` is left out on purpose, it writes 3300 as 3.3 K.
UNITS = {
    "volt",
    "mvolt",
    "amp",
    "mamp",
    "watt",
    "kwatt",
    "watth",
    "kwatth",
    "amph",
    "ohm",
    "mohm",
    "celsius",
    "percent",
    "percentunit",
    "s",
    "ms",
    "dtdurations",
    "dtdhms",
    "hertz",
    "bool",
    "bool_on_off",
    "dateTimeFromNow",
    "none",
}


def panels(page: Json) -> list[Json]:
    """Every panel of a page, those inside collapsed rows too."""
    return [inner for panel in page["panels"] for inner in [panel, *panel.get("panels", [])]]


def real_panels() -> Iterator[tuple[str, Json]]:
    """Every panel but the headings, with its page's name."""
    for name, page in PAGES.items():
        for panel in panels(page):
            if panel["type"] != "row":
                yield name, panel


ALL = [pytest.param(panel, id=f"{name}-{panel['title']}-{panel['id']}") for name, panel in real_panels()]


def test_files_are_fresh(tmp_path: Path) -> None:
    """The committed pages are what the generator writes, and generating again changes nothing."""
    assert pages.write_dashboards(check=True) == []
    assert [path.name for path in pages.write_dashboards(tmp_path)] == sorted(PAGES)
    assert pages.write_dashboards(tmp_path) == []
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == pages.dashboards()


def test_a_stale_file_is_named(tmp_path: Path) -> None:
    """A page that was edited by hand is found by --check and left as it is."""
    (path,) = pages.write_dashboards(tmp_path)
    path.write_text("{}")
    assert pages.write_dashboards(tmp_path, check=True) == [path] and path.read_text() == "{}"


@pytest.mark.parametrize("name", PAGES)
def test_page_as_grafana_wants_it(name: str) -> None:
    """Classic model, fixed uid, nobody edits in the browser, shared crosshair, and every id once."""
    page = PAGES[name]
    assert page["schemaVersion"] == 42 and page["editable"] is False and page["graphTooltip"] == 1
    assert re.fullmatch(r"twolbms-[a-z-]+", page["uid"]) and page["title"] and "id" not in page
    ids = [panel["id"] for panel in panels(page)]
    assert len(ids) == len(set(ids))
    assert (
        len({page["uid"] for page in PAGES.values()}) == len({page["title"] for page in PAGES.values()}) == len(PAGES)
    )


@pytest.mark.parametrize("name", PAGES)
def test_nothing_overlaps(name: str) -> None:
    """Every panel lies inside 24 columns, none over another, and no row of the grid is empty between them."""
    taken: dict[tuple[int, int], str] = {}
    for panel in PAGES[name]["panels"]:
        at = panel["gridPos"]
        assert at["x"] >= 0 and at["x"] + at["w"] <= 24 and at["w"] > 0 and at["h"] > 0
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies over {taken[x, y]}"
                taken[x, y] = panel["title"]
    assert {y for _, y in taken} == set(range(max(y for _, y in taken) + 1))


@pytest.mark.parametrize("panel", ALL)
def test_panel_explains_itself(panel: Json) -> None:
    """Title, unit from Grafana's table, and a description of at least a sentence."""
    assert panel["title"] and panel["description"].endswith(".") and len(panel["description"]) > 40
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["fieldConfig"]["defaults"].get("decimals", 0) <= 3


@pytest.mark.parametrize("panel", ALL)
def test_every_query_names_what_exists(panel: Json) -> None:
    """Fields are rows of the table, read from their level's measurement; aliases use tags that the query groups by."""
    refs = [target["refId"] for target in panel["targets"]]
    assert refs and len(refs) == len(set(refs))
    for target in panel["targets"]:
        assert target["datasource"] == panel["datasource"] == {"type": "influxdb", "uid": "${datasource}"}
        query, measurement = target["query"], re.findall(r'FROM "(\w+)"', target["query"])
        assert len(measurement) == 1 and target["rawQuery"] is True
        fields = re.findall(r'\(\s*"(\w+)"\s*\)', query)
        assert all(FIELDS[field].level == measurement[0] for field in fields)
        assert fields or measurement == ["event"]
        assert set(re.findall(r"\$tag_(\w+)", target.get("alias", ""))) <= set(
            re.findall(r'"(\w+)"', query.partition("GROUP BY")[2])
        )
        assert '"site" =~' in query and ('"pack" =~' in query) == (measurement[0] in ("pack", "cell", "sensor"))


@pytest.mark.parametrize("panel", ALL)
def test_overrides_meet_a_line(panel: Json) -> None:
    """A colour or dash is given to a line that the panel has, a band to two of them."""
    names = {target.get("alias") for target in panel["targets"]} | (
        {"Time", "pack", "kind"} if panel["type"] == "table" else set()
    )
    for override in panel["fieldConfig"]["overrides"]:
        assert override["matcher"]["options"] in names
        assert all(entry["value"] in names for entry in override["properties"] if entry["id"] == "custom.fillBelowTo")


def test_every_quantity_is_shown() -> None:
    """Each row of the table of quantities is in some query of some page."""
    text = json.dumps(PAGES)
    assert [name for name in FIELDS if f'\\"{name}\\"' not in text] == []


def test_a_new_quantity_comes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that no panel was written for gets a plain one, with its own help and unit."""
    from dataclasses import replace

    monkeypatch.setitem(
        FIELDS, "humidity", replace(FIELDS["temperature_c"], name="humidity", unit="", help="Air in the box")
    )
    panel = next(panel for panel in pages.PAGES["site.json"]()["panels"] if panel["title"] == "humidity")
    assert panel["description"] == "Air in the box; as published by the gateway."
    assert 'mean("humidity")' in panel["targets"][0]["query"]


def test_limits_come_from_published_series() -> None:
    """Cells are drawn with both trip limits as lines from the data; no panel of cells has a number typed in."""
    (cells,) = [panel for _, panel in real_panels() if panel["title"] == "Cells within their limits"]
    asked = " ".join(target["query"] for target in cells["targets"])
    assert "limit_cell_over_voltage_trip_v" in asked and "limit_cell_under_voltage_trip_v" in asked
    assert "thresholds" not in cells["fieldConfig"]["defaults"]


def test_every_state_has_its_word() -> None:
    """The state timeline knows each state of the DBC; only `closed` is green."""
    (panel,) = [panel for _, panel in real_panels() if panel["title"] == "State of the node"]
    words = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert {int(code): entry["text"] for code, entry in words.items()} == node_contract().states
    assert [entry["text"] for entry in words.values() if entry["color"] == "green"] == ["closed"]


@pytest.mark.parametrize("panel", ALL)
def test_holes_stay_holes(panel: Json) -> None:
    """Measured lines are not drawn across an outage: no fill but for limits, and at most minutes are bridged."""
    for target in panel["targets"]:
        if "fill(previous)" in target["query"]:
            assert re.search(r'"limit_\w+"', target["query"])
    span = panel["fieldConfig"]["defaults"].get("custom", {}).get("spanNulls", 0)
    assert isinstance(span, int) and not isinstance(span, bool) and span <= 180_000


def test_variables() -> None:
    """Database, site and packs are chosen at the top; the pack's part of the page is repeated for each pack."""
    variables = {one["name"]: one for one in PAGES["site.json"]["templating"]["list"]}
    assert list(variables) == ["datasource", "site", "pack"]
    assert variables["pack"]["multi"] and variables["pack"]["includeAll"] and variables["pack"]["refresh"] == 2
    assert [panel["repeat"] for panel in PAGES["site.json"]["panels"] if "repeat" in panel] == ["pack"]


def test_provisioning() -> None:
    """Grafana finds data source and pages from files: a fixed uid, the token from its environment, no edits."""
    (source,) = yaml.safe_load((ROOT / "grafana/provisioning/datasources/twolbms.yaml").read_text())["datasources"]
    assert source["uid"] == "twolbms-influx" and source["type"] == "influxdb" and source["editable"] is False
    assert source["jsonData"]["httpHeaderName1"] == "Authorization" and "version" not in source["jsonData"]
    assert re.fullmatch(r"Token \$\{\w+\}", source["secureJsonData"]["httpHeaderValue1"])
    (provider,) = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/twolbms.yaml").read_text())["providers"]
    assert provider["allowUiUpdates"] is False and provider["disableDeletion"] is True and provider["type"] == "file"
