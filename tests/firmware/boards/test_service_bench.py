"""What a tool brings to the prompt of a real board: readings and outputs, by its own drivers, on simulated chips."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from firmware.boards.node_bench import LEAF, LFP, NodeBench
from twolbms.build.service_console import brought
from twolbms.sim.real_board import Life

ALL = [(board, pack) for board in ("nucleo_g474re", "pico_mcp2515") for pack in (LFP, LEAF)]
BITS = {"precharge": 4, "charge": 1, "discharge": 2, "heater": 8}


class Prompt:
    """A node in service: its life as such is over, its hardware is there, the fuse is out or in."""

    def __init__(self, bench: NodeBench, life: Life, fuse_in: bool) -> None:
        self.bench = bench
        self.life = life
        if not fuse_in:
            followers = bench.hardware.clock.followers
            followers[followers.index(bench.hardware._settle)] = self._settle_without_fuse
        self.names: dict[str, Any] = {"__name__": "__main__"}
        for text in brought(bench.hardware.board):
            exec(text.decode(), self.names)

    def _settle_without_fuse(self, ms: float) -> None:
        hardware = self.bench.hardware
        hardware._settle(ms)
        hardware.chip.link_mv = hardware.chip.load_mv = 0.0
        hardware.current.bus_v = 0.0

    def order(self, do: str, **more: Any) -> dict[str, Any]:
        said = io.StringIO()
        with redirect_stdout(said):
            self.names["answer"](json.dumps({"do": do, **more}))
        told: dict[str, Any] = json.loads(said.getvalue())
        return told


@pytest.fixture
def at_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A node of that board and pack at its prompt, with its arming input held."""
    @contextmanager
    def made(board: str, pack: str, fuse_in: bool = False) -> Iterator[Prompt]:
        bench = NodeBench(board, pack, tmp_path)
        with bench.life() as life:
            from real_board import RealBoard

            life.hardware.watchdog.timeout_ms = 0  # there is none in service
            monkeypatch.setattr(RealBoard.__init__, "__defaults__", (None, bench.hardware.clock))
            life.set_input("ARMING", 0)
            yield Prompt(bench, life, fuse_in)
    return made


@pytest.mark.parametrize(("board", "pack"), ALL)
def test_readings_of_a_real_board(at_prompt: Any, board: str, pack: str) -> None:
    """Cells, temperatures, voltages and current of the chips; the configuration of this node's flash beside them."""
    with at_prompt(board, pack) as prompt:
        prompt.bench.hardware.set_current(-12.0)
        told = prompt.order("readings", raw=True)
        assert told["ok"] and told["fresh"] and told["monitor_sound"] and told["open_wires"] == 0
        assert set(told["cells_mv"]) == ({3300} if pack == LFP else {3700})
        assert max(abs(dc - 250) for dc in told["temps_dc"]) <= 1
        assert told["current_ma"] == pytest.approx(-12000, abs=60) and abs(told["link_mv"]) < 100
        assert told["estop_closed"] and told["interlock_closed"] and told["armed"] and told["by_tap"] is False
        assert prompt.order("get")["number"] == 5


@pytest.mark.parametrize(("board", "pack"), ALL)
def test_each_output_of_a_real_board(at_prompt: Any, board: str, pack: str) -> None:
    """With the fuse out each goes on alone, its feedback follows alone, and afterwards every pin is low."""
    with at_prompt(board, pack) as prompt:
        hardware = prompt.bench.hardware
        outputs = prompt.order("readings")["outputs"]
        assert [name for name in outputs if name != "light"] == [*list(BITS)[:3], *(["heater"] if pack == LFP else [])]
        for which, bit in list(BITS.items())[: 4 if pack == LFP else 3]:
            hardware.pin.log.clear()
            told = prompt.order("output", which=which)
            assert (told["before"], told["on"], told["after"], told["stopped"]) == (0, bit, 0, ""), (which, told)
            on = {name for name, level in hardware.pin.log if level}
            assert on == {str(getattr(prompt.life.board, which.upper()))}
            assert not hardware.closed


@pytest.mark.parametrize(("board", "pack"), ALL)
def test_a_forgotten_fuse_on_a_real_board(at_prompt: Any, board: str, pack: str) -> None:
    """The precharge shows it and goes off at once; no contactor and no FET goes on."""
    with at_prompt(board, pack, fuse_in=True) as prompt:
        hardware = prompt.bench.hardware
        assert prompt.order("output", which="charge")["why"] == "precharge_first"
        told = prompt.order("output", which="precharge")
        assert told["stopped"] == "fuse_in" and told["link_mv"] > 20000
        assert prompt.order("output", which="charge")["why"] in ("precharge_first", "link_live")
        assert not hardware.closed and not hardware.pin(prompt.life.board.PRECHARGE).level


@pytest.mark.parametrize("board", ["nucleo_g474re", "pico_mcp2515"])
def test_without_arming_on_a_real_board(at_prompt: Any, board: str) -> None:
    """Its own pin decides."""
    with at_prompt(board, LFP) as prompt:
        prompt.life.set_input("ARMING", 1)
        assert prompt.order("output", which="precharge")["why"] == "not_armed"
        assert prompt.order("set", key="number", value=9)["why"] == "not_armed"
        prompt.life.set_input("ARMING", 0)
        assert prompt.order("set", key="number", value=9)["ok"] and prompt.order("save")["ok"]
        assert prompt.order("read_back")["number"] == 9


def test_sensors_that_do_not_start(at_prompt: Any) -> None:
    """The error is told instead of readings."""
    with at_prompt("nucleo_g474re", LFP) as prompt:
        prompt.bench.hardware.i2c.chips.clear()
        with pytest.raises(OSError, match="the sensors do not start: error"):
            prompt.order("readings")
