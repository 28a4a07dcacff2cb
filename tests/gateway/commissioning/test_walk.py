"""The whole walk: every step in order, its record, what is resumed, and what the node is told at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.commissioning.wired_world import Builder, World, WorldPort, ticking
from twolbms.build.node_port import PortError
from twolbms.commissioning.console_bench import ConsoleBench
from twolbms.commissioning.page import page
from twolbms.commissioning.readings import BenchError, Calibration, Facts, Readings
from twolbms.commissioning.record import Record, begin, file_for, load, newest, save
from twolbms.commissioning.steps import STEPS, steps_for
from twolbms.commissioning.walk import QuitWalk, SkipStep, Walk, mean

NOW = "2026-11-24T12:00:00+00:00"
BenchOf = Callable[..., ConsoleBench]


def walked(bench: ConsoleBench, builder: Builder, record: Record | None = None, again: tuple[str, ...] = ()) -> Record:
    """One walk; the record as it was kept last."""
    facts = bench.facts()
    steps = steps_for(facts)
    record = record or begin(facts, steps, "A. Builder", "0.1.0", NOW)
    kept: list[str] = []
    Walk(bench, builder, record, lambda now: kept.append(now.model_dump_json()), ticking(), lambda: NOW).run(
        facts, steps, again)
    assert kept and Record.model_validate_json(kept[-1]) == record
    return record


def test_a_right_pack_is_fit(bench_of: BenchOf) -> None:
    """Every step that the node needs has passed, in the order of the table, and nothing was on for longer than 1 s."""
    world = World()
    builder = Builder(world)
    record = walked(bench_of(world), builder)
    names = [step.name for step in STEPS if step.name != "both"]
    assert record.fit and [each.step for each in record.steps] == names == builder.begun
    longest = alone = 0
    for commanded in world.history:
        alone = alone + 1 if commanded else 0
        longest = max(longest, alone)
        assert commanded in (0, 1, 2, 4, 8)
    assert longest == 10 and world.commanded == 0


def test_the_node_is_told_and_remembers(bench_of: BenchOf, tmp_path: Path) -> None:
    """The mark is written with the arming input held, read back, and the next start finds it; other limits void it."""
    from store.memory import Memory
    from store.record import Record as Flash

    bench = bench_of(World())
    mark = walked(bench, Builder(World())).finish(NOW)
    bench.commission(mark)
    from generated import limits_leaf_2013_14s, limits_lfp_8s_320ah
    folder = f"{tmp_path}/flash/"
    again = Memory(limits_lfp_8s_320ah, folder)
    again.start(1)
    assert again.commissioned == 1 and again.config.commissioned.hex().upper() == mark
    assert Flash(folder + "config").read() is not None
    other = Memory(limits_leaf_2013_14s, folder)
    other.start(1)
    assert other.commissioned == 0


def test_without_arming_the_node_is_not_told(bench_of: BenchOf) -> None:
    """The mark is one of the things that only a person at the node can write."""
    world = World()
    bench = bench_of(world)
    world.armed = False
    with pytest.raises(BenchError, match="hold the arming input"):
        bench.commission("1234ABCD")


def test_a_calibration_is_applied(bench_of: BenchOf) -> None:
    """Cells, temperatures and current that are off within the row's bounds are corrected by the node afterwards."""
    world = World(gain={2: 0.003, 7: -0.004}, sensor_error_k={3: -1.2}, shunt=0.99, zero_a=0.3)
    bench = bench_of(world)
    record = walked(bench, Builder(world))
    assert record.fit, [(each.step, each.reason) for each in record.steps if each.result != "passed"]
    world.current_a, world.hand = -50.0, 0
    now = bench.readings(False)
    assert now.cells_v == pytest.approx(world.cells_v, abs=0.002)
    assert now.temps_c == pytest.approx([21.0] * 4, abs=0.11)
    assert now.current_a == pytest.approx(-50.0, abs=0.1)


def test_a_failed_step_is_not_fit(bench_of: BenchOf) -> None:
    """The walk goes on to the others, and the record names the open one."""
    world = World(contacts={"discharge": ""})
    record = walked(bench_of(world), Builder(world))
    assert not record.fit and record.open_steps() == ["discharge"]
    assert record.result("heater") is not None


def test_a_skipped_step_is_not_fit(bench_of: BenchOf) -> None:
    """It stands in the record with its reason."""
    world = World()
    record = walked(bench_of(world), Builder(world, {"interlock": SkipStep("no cover yet")}))
    found = record.result("interlock")
    assert not record.fit and found is not None and (found.result, found.reason) == ("skipped", "no cover yet")


def test_it_goes_on_another_day(bench_of: BenchOf) -> None:
    """After quit only the gate and what is open is asked; what is wanted again is done again."""
    world = World()
    bench = bench_of(world)
    record = walked(bench, Builder(world, {"Thermometer": QuitWalk()}))
    assert record.open_steps()[0] == "temperatures"
    builder = Builder(world)
    assert walked(bench, builder, record, ("cells",)).fit
    assert builder.begun[:3] == ["identity", "cells", "temperatures"] and "sense_order" not in builder.begun


def test_nothing_is_tried_with_the_fuse_in(bench_of: BenchOf) -> None:
    """The first step is a gate: while it does not pass, no other begins, also in a walk that is resumed."""
    world = World()
    bench = bench_of(world)
    record = walked(bench, Builder(world))
    builder = Builder(world, {"fuse out": False})
    before = len(world.history)
    walked(bench, builder, record)
    assert builder.begun == ["identity"] and not record.fit and set(world.history[before:]) == {0}


def test_a_contactor_is_not_tried_before_the_precharge(bench_of: BenchOf) -> None:
    """The node itself refuses: with a forgotten fuse the resistor shows it first, and then nothing more goes on."""
    world = World(fuse_in=True)
    bench = bench_of(world)
    assert bench.attempt("charge").why == "precharge_first"
    assert bench.attempt("precharge").stopped == "fuse_in"
    world.link_v = 0.0
    assert bench.attempt("charge").why == "precharge_first" and 1 not in world.history


def test_a_contactor_alone_another_day(bench_of: BenchOf) -> None:
    """The precharge relay goes first once more when only a contactor is left; a fuse that is in by then is found."""
    world = World()
    record = walked(bench_of(world), Builder(world, {"the charge contactor goes on": QuitWalk()}))
    assert record.open_steps()[0] == "charge"
    today = bench_of(world)
    world.fuse_in = True
    found = walked(today, Builder(world), record.model_copy(deep=True)).result("charge")
    assert found is not None and found.result == "failed" and "fuse is in" in found.reason
    world.fuse_in, world.link_v = False, 0.0
    assert walked(today, Builder(world), record).fit


def test_a_silent_node_ends_the_walk(bench_of: BenchOf, port_of: Callable[..., WorldPort]) -> None:
    """What was done before is kept."""
    world = World()
    bench = bench_of(world)
    port: Any = bench._console._port
    builder = Builder(world)
    facts = bench.facts()
    record = begin(facts, steps_for(facts), "A", "0", NOW)
    walk = Walk(bench, builder, record, lambda now: setattr(port, "silent", len(now.steps) == 2), ticking(),
                lambda: NOW)
    with pytest.raises(BenchError, match="answers nothing"):
        walk.run(facts, steps_for(facts))
    assert [each.step for each in record.steps] == ["identity", "at_rest"]
    assert issubclass(PortError, Exception)


def test_the_mean_of_readings() -> None:
    """A value that was missing once is missing; loops and buttons are as they were last."""
    one = Readings((3.0, 3.2), (20.0,), 6.2, 0.0, 1.0, clear_pressed=True)
    two = Readings((3.1, None), (21.0,), 6.4, 0.0, 2.0)
    assert mean([one, two]) == Readings((3.05, None), (20.5,), pytest.approx(6.3), 0.0, 1.5)


# The record.


def fact(**more: Any) -> Facts:
    return Facts(**({"board": "bench", "pack": "p", "firmware": "0.1.0", "limit_hash": "C2CEE90D", "serial": "A/1",
                     "number": 3, "sound": True, "reason": "", "cells": 8, "sensors": 4, "by_tap": False, "bounds": {},
                     "outputs": ("precharge", "both", "light")} | more))


def test_the_file_is_found_again(tmp_path: Path) -> None:
    """By serial, number, board, pack, limits and steps; a second one of a day gets a number; a damaged one stops."""
    facts = fact()
    required = [step.name for step in steps_for(facts)]
    assert "both" in required and "charge" not in required and "heater" not in required
    first = begin(facts, steps_for(facts), "A", "0", NOW)
    path = file_for(first, tmp_path)
    assert path.name == "A_1-2026-11-24.json" and newest(facts, tmp_path, required) is None
    save(first, path)
    assert newest(facts, tmp_path, required) == (path, first) and load(path) == first
    second = first.model_copy(update={"begun": "2026-11-24T13:00:00+00:00"})
    assert file_for(second, tmp_path).name == "A_1-2026-11-24-2.json"
    save(second, file_for(second, tmp_path))
    found = newest(facts, tmp_path, required)
    assert found is not None and found[1] == second
    assert newest(fact(limit_hash="00000000"), tmp_path, required) is None
    assert newest(facts, tmp_path, required[1:]) is None
    assert newest(fact(number=4), tmp_path, required) is None
    assert newest(fact(board="other"), tmp_path, required) is None
    (tmp_path / "A_1-2027-01-01.json").write_text("{")
    with pytest.raises(ValueError, match=r"A_1-2027-01-01\.json: no commissioning record"):
        newest(facts, tmp_path, required)


def test_the_id_follows_the_content(bench_of: BenchOf) -> None:
    """The same record has the same id, another reason another one; a step that is put anew takes it away."""
    world = World()
    record = walked(bench_of(world), Builder(world))
    mark = record.finish(NOW)
    assert len(mark) == 8 and record.finish(NOW) == mark
    other = record.model_copy(deep=True)
    other.steps[0].reason += "."
    assert other.finish(NOW) != mark
    bench = bench_of(world)
    walked(bench, Builder(world), record)
    assert record.finished is None and record.id == ""


def test_the_page_tells_all(bench_of: BenchOf) -> None:
    """Who, what, the verdict, each step with its result, and what was measured."""
    world = World(contacts={"discharge": ""})
    record = walked(bench_of(world), Builder(world, {"interlock": SkipStep("no | cover")}))
    text = page(record)
    assert "**NOT fit to close**" in text and "A. Builder" in text and record.limit_hash in text
    for each in record.steps:
        assert f"| {each.title} | {each.result} |" in text
    assert "no \\| cover" in text and "- meter_v: 3.301, 3.304" in text
    assert max(map(len, (line for line in text.splitlines() if not line.startswith("|")))) <= 100


def test_the_record_is_json_alone(bench_of: BenchOf, tmp_path: Path) -> None:
    """Numbers with no more decimals than a meter shows; no set or tuple is left."""
    world = World()
    record = walked(bench_of(world), Builder(world))
    save(record, tmp_path / "x" / "r.json")
    told = json.loads((tmp_path / "x" / "r.json").read_text())
    assert told["steps"][1]["measured"]["cells_v"] == world.cells_v
    assert Calibration().values == {}
