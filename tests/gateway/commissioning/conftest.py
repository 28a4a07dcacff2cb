"""A node at its prompt on a bench, right or wrong, and one step or the whole walk over it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.commissioning.wired_world import Builder, World, WorldPort, ticking
from twolbms.build.service_console import ServiceConsole
from twolbms.commissioning.console_bench import ConsoleBench
from twolbms.commissioning.record import Record, begin
from twolbms.commissioning.steps import STEPS
from twolbms.commissioning.walk import Walk

PLACES = ("between cells 1 and 2", "between cells 3 and 4", "between cells 5 and 6", "between cells 7 and 8")


@pytest.fixture
def port_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., WorldPort]:
    """A node in that world; one that has its number and serial, unless told otherwise."""
    def made(world: World, configured: bool = True, **more: Any) -> WorldPort:
        flash = tmp_path / "flash"
        flash.mkdir(exist_ok=True)
        port = WorldPort(world, flash, monkeypatch, **more)
        if configured:
            armed, world.armed = world.armed, True
            console = ServiceConsole(port, lambda line: None)
            console.begin()
            for key, value in (("number", 3), ("serial", "LFP-0003")):
                console.order("set", key=key, value=value)
            console.order("save")
            world.armed = armed
        return port
    return made


@pytest.fixture
def bench_of(port_of: Callable[..., WorldPort]) -> Callable[..., ConsoleBench]:
    """The bench over the node's console."""
    def made(world: World, **more: Any) -> ConsoleBench:
        console = ServiceConsole(port_of(world, **more), lambda line: None)
        return ConsoleBench(console, console.begin(), PLACES)
    return made


@pytest.fixture
def one_step(bench_of: Callable[..., ConsoleBench]) -> Callable[..., tuple[str, str]]:
    """Result and reason of one step in that world."""
    def run(name: str, world: World, answers: dict[str, Any] | None = None, **more: Any) -> tuple[str, str]:
        bench = bench_of(world, **more)
        (step,) = [each for each in STEPS if each.name == name]
        facts = bench.facts()
        record = begin(facts, [step], "A. Builder", "0", "2026-11-24T12:00:00+00:00")
        if name in ("charge", "discharge", "both"):
            bench.attempt("precharge")
        Walk(bench, Builder(world, answers), record, lambda now: None, ticking(), lambda: "2026-11-24T12:05:00+00:00"
             ).run(facts, [step])
        found = record.result(name)
        assert isinstance(record, Record) and found is not None
        return found.result, found.reason
    return run
