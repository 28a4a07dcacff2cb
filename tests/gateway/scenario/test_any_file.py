"""`2lbms scenario` with files nobody here wrote: they hold, differ or are wrong; nothing else ever happens."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twolbms.cli.program import run
from twolbms.diagnoses import DIAGNOSES
from twolbms.scenario.play import play_file

CALM = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))

numbers = (
    st.floats(-2000, 2000, allow_nan=False).map(lambda v: round(v, 3))
    | st.integers(-5, 5000)
    | st.sampled_from([3.3, 25.0, 0.0])
)
volts = (
    st.floats(-40, 1400).map(lambda v: round(v, 3)) | st.just("missing") | st.floats(0, 5).map(lambda v: round(v, 3))
)
rows = st.sampled_from([*DIAGNOSES, "nothing", "nonsense"])
words = st.sampled_from(
    ["open", "closed", "on", "off", "boot", "latched", "rating", "missing", "sum", "follows", "unknown", "x", ""]
)
raw_frame = st.fixed_dictionaries(
    {
        "id": st.sampled_from([0x0CFF8080, 0x08FF8101]) | st.integers(-1, 1 << 29),
        "data": st.binary(min_size=7, max_size=9).map(lambda b: b.hex(" ")),
    }
)
request = st.fixed_dictionaries(
    {"ask": st.sampled_from(["open", "close", "allowance", "balancing", "clear", "service", "dance"])},
    optional={
        "times": st.integers(0, 6),
        "charge_a": numbers,
        "discharge_a": numbers,
        "limit": rows,
        "balancing": words,
        "damaged": st.booleans(),
    },
)
sets = st.fixed_dictionaries(
    {},
    optional={
        "cells_v": volts | st.lists(volts, min_size=7, max_size=9),
        "cell_v": st.dictionaries(st.integers(0, 9), volts, max_size=3),
        "temperatures_c": numbers | st.lists(numbers, min_size=3, max_size=5),
        "temperature_c": st.dictionaries(st.integers(0, 5), numbers | st.just("missing"), max_size=3),
        "current_a": numbers | st.just("missing"),
        "pack_v": numbers | words,
        "link_v": numbers | words,
        "conversions": st.sampled_from(["running", "stopped"]),
        "feedback": st.sampled_from(["follows", "all_open", "all_closed", "unknown"]),
        "interlock": words,
        "arming": words,
        "charger": words,
        "gateway": st.sampled_from(["alive", "silent", "frozen"]),
        "balancing_allowed": st.booleans(),
        "request": request,
        "frame": raw_frame,
        "pause_ms": st.integers(0, 700000),
    },
)
expects = st.fixed_dictionaries(
    {},
    optional={
        "state": words,
        "outputs": st.dictionaries(st.sampled_from(["charge", "discharge", "precharge", "heater"]), words),
        "allowance": st.dictionaries(st.sampled_from(["charge_a", "discharge_a", "charge_by"]), numbers | words),
        "faults": st.dictionaries(st.sampled_from(["warn", "limit", "trip", "latched"]), st.lists(rows, max_size=3)),
        "answer": st.dictionaries(st.sampled_from(["request", "answer", "limit"]), words),
        "open_reason": words,
        "balancing": st.lists(st.integers(0, 9), max_size=3),
        "frames": st.dictionaries(
            st.sampled_from(["PackValues", "CellVoltages", "NodeInfo", "NodeFaults", "GatewayHeartbeat", "X"]),
            st.dictionaries(
                st.sampled_from(
                    ["Counter", "PackVoltage", "CellVoltage0", "CellVoltage127", "CellGroup", "FreeHeap", "X"]
                ),
                numbers | words,
            ),
        ),
    },
)
scenarios = st.fixed_dictionaries(
    {
        "scenario": st.just("A random story"),
        "pack": st.sampled_from(["lfp_8s_320ah"] * 8 + ["leaf_2013_14s", "leaf_ze0", "none", "."]),
        "steps": st.lists(
            st.fixed_dictionaries(
                {"at_ms": st.integers(-1, 8000)}, optional={"set": sets, "expect": expects, "note": words}
            ),
            min_size=0,
            max_size=6,
        ).map(lambda steps: sorted(steps, key=lambda s: s["at_ms"])),
    },
    optional={"proves": st.lists(rows), "node": st.integers(0, 128), "clock_ms": st.integers(-1, 1 << 30)},
)


def outcome(content: bytes) -> int:
    """The exit status for a file of that content; nothing may be told as unexpected."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "any.yaml")
        path.write_bytes(content)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(["scenario", str(path)])
        assert "Traceback" not in err.getvalue() and "unexpected" not in err.getvalue()
        assert status in (0, 1, 2), err.getvalue()
        assert (status == 2) == bool(err.getvalue()) and (status != 2) == bool(out.getvalue())
        return status


@CALM
@given(scenarios)
def test_any_story_holds_differs_or_is_wrong(story: dict[str, Any]) -> None:
    """Random stories of the model's own keys, many with a mistake, end in 0, 1 or 2 with words."""
    outcome(yaml.safe_dump(story, allow_unicode=True).encode())


valid_sets = st.fixed_dictionaries(
    {},
    optional={
        "cells_v": st.floats(-32, 40).map(lambda v: round(v, 3)),
        "cell_v": st.dictionaries(st.integers(1, 8), st.floats(-32, 1310), max_size=3),
        "temperatures_c": st.floats(-200, 200),
        "current_a": st.floats(-1300, 1300),
        "pack_v": st.floats(-32, 1310),
        "link_v": st.floats(-32, 1310),
        "conversions": st.sampled_from(["running", "stopped"]),
        "interlock": st.sampled_from(["open", "closed"]),
        "feedback": st.sampled_from(["follows", "all_open", "all_closed", "unknown"]),
        "gateway": st.sampled_from(["alive", "silent", "frozen"]),
        "request": st.fixed_dictionaries(
            {"ask": st.sampled_from(["open", "close", "allowance", "balancing", "clear", "service"])},
            optional={
                "times": st.integers(1, 5),
                "charge_a": st.floats(0, 1023),
                "limit": st.sampled_from(list(DIAGNOSES)),
            },
        ),
        "pause_ms": st.integers(100, 600000),
    },
)


def _times(steps: list[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, dict[str, Any]]]:
    at_ms = 0
    for wait, change in steps:
        at_ms += wait
        yield at_ms, change
        at_ms += change.get("pause_ms", 0)


@CALM
@given(st.lists(st.tuples(st.integers(100, 3000), valid_sets), min_size=1, max_size=6))
def test_a_right_story_without_expectations_always_holds(steps: list[tuple[int, dict[str, Any]]]) -> None:
    """Whatever a right story sets, within the bounds of its keys, the node lives through it."""
    told = [{"at_ms": at_ms, "set": change} for at_ms, change in _times(steps)]
    assert outcome(yaml.safe_dump({"scenario": "A right story", "pack": "lfp_8s_320ah", "steps": told}).encode()) == 0


@pytest.mark.need("micropython32")
@settings(CALM, max_examples=25)
@given(st.lists(st.tuples(st.integers(100, 1500), valid_sets), min_size=1, max_size=5))
def test_a_right_story_is_the_same_on_micropython(steps: list[tuple[int, dict[str, Any]]]) -> None:
    """On 32-bit words with the heap locked the node lives through it too, and says the same to the byte."""
    told = [{"at_ms": at_ms, "set": change} for at_ms, change in _times(steps)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "any.yaml")
        path.write_text(yaml.safe_dump({"scenario": "A right story", "pack": "lfp_8s_320ah", "steps": told}))
        one, other = (play_file(path, runtime, keep_log=True) for runtime in ("cpython", "micropython"))
    assert other.difference is None and one.log == other.log


@CALM
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_anything_else_is_a_bad_file(content: bytes) -> None:
    """Random bytes and text are told as wrong, never as ours."""
    assert outcome(content) == 2


SOUND = (Path(__file__).resolve().parents[2] / "scenarios" / "lfp_8s_320ah" / "interlock.yaml").read_bytes()


@CALM
@given(st.integers(0, len(SOUND) - 1), st.binary(min_size=0, max_size=4), st.integers(0, 6))
def test_a_damaged_story_is_never_ours(at: int, new: bytes, cut: int) -> None:
    """A right file with a few bytes changed anywhere holds, differs or is told as wrong."""
    outcome(SOUND[:at] + new + SOUND[at + cut :])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"scenario",
        b"[]",
        b"{}",
        b"steps: &a [*a]",
        b"a: 1\n---\nb: 2",
        b"scenario: x\npack: y\nsteps: []",
    ],
)
def test_known_oddities(content: bytes) -> None:
    """Empty files, other encodings, lists, aliases and several documents are bad files."""
    assert outcome(content) == 2
