"""Fixtures that more than one room uses, and what happens when a test's surroundings are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers.need import need, required

if TYPE_CHECKING:
    from servers.influx_server import InfluxServer
    from servers.victoria_server import VictoriaServer


@pytest.fixture(scope="session")
def reference_folder() -> Path:
    """The recorded real data, which lies outside the project."""
    folder: Path = need("reference")
    return folder


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """A real InfluxDB 2 for the whole run; take `fresh_bucket()` of it."""
    yield from _influx_server(tmp_path_factory.mktemp("influxd"))


@pytest.fixture
def own_influxd(tmp_path: Path) -> Iterator[InfluxServer]:
    """A real, empty InfluxDB 2 for one test, which may kill it."""
    yield from _influx_server(tmp_path / "influxd")


@pytest.fixture(scope="session")
def victoria_metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaServer]:
    """A real VictoriaMetrics for the whole run."""
    program = need("victoriametrics")
    from servers.victoria_server import VictoriaServer

    server = VictoriaServer(program, tmp_path_factory.mktemp("victoria"))
    server.start()
    yield server
    server.kill()


def _influx_server(folder: Path) -> Iterator[InfluxServer]:
    program = need("influxd")
    from servers.influx_server import InfluxServer

    server = InfluxServer(program, folder)
    server.start()
    yield server
    server.kill()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "need(name): skip when that is not on this machine (tests/servers/need.py)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("need"):
        for name in mark.args:
            need(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip for want of something that TWOLBMS_REQUIRE names is a failure."""
    report = yield
    _fail_if_required(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for whole modules."""
    report = yield
    _fail_if_required(report)
    return report


def _fail_if_required(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and (name := required(_reason(report))):
        report.outcome = "failed"
        report.longrepr = f"needs {name}, and TWOLBMS_REQUIRE says that it must be here"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests were skipped, by reason."""
    counts = Counter(_reason(report) for report in terminalreporter.getreports("skipped"))
    for reason, count in counts.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")
