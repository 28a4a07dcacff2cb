"""What a person at the node presses and sees."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from generated.codec import STATE_CLOSED, STATE_LATCHED, STATE_OPEN, STATE_SERVICE
from node.panel import Panel
from node.protect import HOLDING, OK, TRIPPED, WAITING


def shown(panel: Panel, cycles: int, state: int = STATE_OPEN, worst: int = OK, latched: int = 0,
          pressed: int = 0, clears: bool = True) -> str:
    """The light over some cycles, as text."""
    calls = []
    protect = SimpleNamespace(worst=worst, latched=latched, clear_here=lambda: calls.append(1) or clears)
    lights = ""
    for _ in range(cycles):
        panel.step(pressed, protect, SimpleNamespace(state=state), 1)
        lights += "#" if panel.light else "."
    panel.calls = len(calls)
    return lights


def flashes(state: int, worst: int, latched: int) -> int:
    lights = shown(Panel(), 60, state, worst, latched)[19:39]
    assert len(lights) == 20
    return (lights + lights[0]).count(".#") if set(lights) == {"#", "."} else (99 if "#" in lights else 0)


@pytest.mark.parametrize("state, worst, latched, count", [
    (STATE_CLOSED, OK, 0, 99), (STATE_OPEN, OK, 0, 1), (STATE_LATCHED, WAITING, 1, 2), (STATE_LATCHED, HOLDING, 1, 3),
    (STATE_SERVICE, OK, 0, 5), (STATE_LATCHED, TRIPPED, 1, 10)])
def test_the_light_tells_the_state(state: int, worst: int, latched: int, count: int) -> None:
    """Steady closed, one flash open, two can be cleared, three must wait, five service, flicker a cause."""
    assert flashes(state, worst, latched) == count


def test_the_button_clears_after_three_seconds_and_once() -> None:
    """Thirty cycles held; then it must be let go."""
    panel = Panel()
    shown(panel, 29, pressed=1)
    assert panel.calls == 0
    shown(panel, 200, pressed=1)
    assert panel.calls == 1
    shown(panel, 1)
    shown(panel, 30, pressed=1)
    assert panel.calls == 1


@pytest.mark.parametrize("clears, light", [(True, "#"), (False, ".")])
def test_the_light_answers_for_three_seconds(clears: bool, light: str) -> None:
    """Steady for done, dark for refused."""
    panel = Panel()
    shown(panel, 29, pressed=1, clears=clears)
    assert shown(panel, 30, pressed=1, clears=clears, worst=HOLDING, latched=1) == light * 30


def test_an_interrupted_press_does_not_count() -> None:
    """Two seconds, a moment of nothing, two seconds."""
    panel = Panel()
    shown(panel, 20, pressed=1)
    shown(panel, 1)
    shown(panel, 20, pressed=1)
    assert panel.calls == 0
