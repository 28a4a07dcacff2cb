"""Every query of every page, asked of a real InfluxDB 2 that the real outlet has filled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from twolbms.clock import StoryClock
from twolbms.fields import FIELDS
from twolbms.journal import JournalReader, JournalWriter, Series
from twolbms.outlets.influx import InfluxOutlet

if TYPE_CHECKING:
    from servers.influx_server import InfluxServer
    from twolbms.outlets.influx_setup import SetupPlan

S = 1_000_000_000
START_S = 1_795_000_000  # wall time of the story's first second
SPAN_S = 1200
SILENT = range(600, 900)  # nobody was heard: a hole
PACKS = ("shed", "barn")
PAGE = json.loads((Path(__file__).resolve().parents[2] / "grafana/dashboards/site.json").read_text())
TARGETS = [(panel, target) for panel in PAGE["panels"] for target in panel.get("targets", [])]
Series_ = dict[str, Any]


class Story:
    """A filled database, and Grafana's part: putting times and variables into a query."""

    def __init__(self, server: InfluxServer, plan: SetupPlan) -> None:
        self.server, self.plan = server, plan

    def ask(
        self, query: str, packs: str = "(shed|barn)", start_s: int = 0, end_s: int = SPAN_S, interval: str = "10s"
    ) -> list[Series_]:
        """The series that Grafana would get for this time range, counted from the story's start."""
        begin, end = (START_S + start_s) * 1000, (START_S + end_s) * 1000
        for word, value in (
            ("$timeFilter", f"time >= {begin}ms and time <= {end}ms"),
            ("$__interval", interval),
            ("${__from}", str(begin)),
            ("${__to}", str(end)),
            ("${site:regex}", "site1"),
            ("${pack:regex}", packs),
        ):
            query = query.replace(word, value)
        assert "$" not in query.replace("$/", ""), query
        return self.server.influxql(self.plan, query)


def fill(folder: Path) -> None:
    """Twenty minutes of two packs with three cells and two sensors, a bank, a gateway, and five events."""
    writer = JournalWriter(folder, "b" * 32, now_ns=lambda: SPAN_S * S)
    writer.fix_wall(START_S * S, "network")
    owners: dict[str, list[tuple[str, int | None]]] = {
        "pack": [(pack, None) for pack in PACKS],
        "cell": [(pack, cell) for pack in PACKS for cell in range(3)],
        "sensor": [(pack, sensor) for pack in PACKS for sensor in range(2)],
        "bank": [("main", None)],
        "gateway": [("", None)],
        "bus": [("can0", None)],
        "device": [("shunt", None)],
    }
    for second in range(0, SPAN_S, 10):
        if second in SILENT:
            continue
        for name, row in FIELDS.items():
            if row.record_s > 600 and second:  # limits are published once, at the start
                continue
            for pack, cell in owners[row.level]:
                writer.sample(Series(name, pack, cell), second * S, second / 10 + (cell or 0))
    for second in range(5):
        writer.event(
            second * S, "trip", "shed", {"text": f"event {second}", "limit": "cell_over_voltage", "value": 3.6}
        )
    assert writer.flush(60)
    writer.close()


@pytest.fixture(scope="module")
def story(influxd: InfluxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """The story, brought into a real database by the outlet."""
    folder = tmp_path_factory.mktemp("story")
    fill(folder / "journal")
    plan = influxd.fresh_bucket()
    outlet = InfluxOutlet(
        JournalReader(folder / "journal"),
        plan.target,
        folder / "cursor",
        StoryClock(0, time.monotonic_ns(), 1.0, START_S * S),
    )
    outlet.start()
    assert outlet.wait_drained(60), outlet.status()
    assert outlet.stop(10) and outlet.status()["refused"] == 0
    yield Story(influxd, plan)


def values(series: Series_) -> list[float]:
    """What a line shows: the values that are there."""
    return [row[1] for row in series["values"] if row[1] is not None]


@pytest.mark.parametrize(
    ("panel", "target"),
    [pytest.param(panel, target, id=f"{panel['title']}-{panel['id']}{target['refId']}") for panel, target in TARGETS],
)
def test_every_query_returns_rows(story: Story, panel: dict[str, Any], target: dict[str, Any]) -> None:
    """Each query of the page is understood and shows something for each pack, cell, sensor or bank there is."""
    found = story.ask(target["query"])
    per_tag = {'FROM "pack"': 2, 'FROM "cell"': 6, 'FROM "sensor"': 4}
    assert len(found) == next((count for where, count in per_tag.items() if where in target["query"]), 1)
    assert all(values(series) for series in found)


def test_present_values_are_the_last_ones(story: Story) -> None:
    """A number at the top is the newest value at the right edge of the page."""
    query = PAGE["panels"][0]["targets"][0]["query"]
    assert {series["tags"]["pack"]: values(series) for series in story.ask(query)} == {pack: [119.0] for pack in PACKS}


def test_present_values_of_a_silent_pack_are_none(story: Story) -> None:
    """In the middle of the silence there is no number, not an old one."""
    for panel in PAGE["panels"]:
        if panel["type"] == "stat":
            assert story.ask(panel["targets"][0]["query"], end_s=890) == []


def test_a_hole_is_a_hole(story: Story) -> None:
    """The five silent minutes are empty in a line over time."""
    query = next(target["query"] for panel, target in TARGETS if panel["title"] == "Cells within their limits")
    for series in story.ask(query):
        times = [(row[0] // 1000 - START_S) for row in series["values"] if row[1] is None]
        assert set(range(600, 900, 10)) <= set(times)


@pytest.mark.parametrize("panel", [panel for panel in PAGE["panels"] if panel["title"].endswith("a second")],
                         ids=lambda panel: panel["title"])
def test_a_rate_has_holes_too(story: Story, panel: dict[str, Any]) -> None:
    """A rate is the counter's growth, and empty where nobody counted."""
    series, = story.ask(panel["targets"][0]["query"])
    at = {row[0] // 1000 - START_S: row[1] for row in series["values"]}
    assert [at[second] for second in range(610, 900, 10)] == [None] * 29
    assert at[100] == pytest.approx(0.1) and at[1100] == pytest.approx(0.1)


def test_limits_reach_into_a_later_window(story: Story) -> None:
    """A page that begins after the limits were published draws them over its whole width all the same."""
    query = next(target["query"] for _, target in TARGETS if "over_voltage_trip" in target["query"])
    for series in story.ask(query, start_s=300):
        inside = [row for row in series["values"] if row[0] >= (START_S + 300) * 1000]
        assert len(inside) >= 90 and all(row[1] == 0.0 for row in inside)


def test_one_pack_of_a_repeated_row(story: Story) -> None:
    """Repeated for one pack, a query shows that pack alone."""
    query = next(target["query"] for panel, target in TARGETS if panel["title"] == "Cells within their limits")
    assert {series["tags"]["pack"] for series in story.ask(query, packs="barn")} == {"barn"}


def test_discharge_allowance_is_drawn_downwards(story: Story) -> None:
    """Discharge is negative on the page, so that current and allowance can be compared."""
    query = next(target["query"] for _, target in TARGETS if 'min("discharge_allowed_a")' in target["query"])
    assert max(values(story.ask(query)[0])) <= 0 and min(values(story.ask(query)[0])) == -119.0


def test_events_are_told_newest_first(story: Story) -> None:
    """The table and the marks on the lines carry pack, kind and text."""
    query = next(target["query"] for panel, target in TARGETS if panel["type"] == "table")
    (series,) = story.ask(query)
    assert series["columns"] == ["time", "pack", "kind", "text"]
    assert series["values"][0][1:] == ["shed", "trip", "event 4"] and len(series["values"]) == 5
    assert story.ask(PAGE["annotations"]["list"][0]["target"]["query"])[0]["values"] == series["values"]


def test_variables_find_site_and_packs(story: Story) -> None:
    """The choices at the top of the page come from the data."""
    questions = {one["name"]: one["query"] for one in PAGE["templating"]["list"]}
    assert [row[1] for row in story.ask(questions["site"])[0]["values"]] == ["site1"]
    assert [row[1] for row in story.ask(questions["pack"])[0]["values"]] == ["barn", "shed"]
