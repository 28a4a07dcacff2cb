"""The weld check on its own: what proves contacts open, what proves them closed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from node.measure import NA
from node.weld import NOT_DETERMINABLE, OK, PENDING, WELDED, Weld


def after_opening(lfp: Any, cycles: int, feedback: int = 0, known: bool = True, **readings: Any) -> int:
    """The result `cycles` after an opening; the link follows the pack unless it is given."""
    weld = Weld(lfp)
    m = SimpleNamespace(**{"current_ma": 0, "known": True, "pack_mv": 26_400, "link_mv": 26_400, **readings})
    for _ in range(cycles):
        weld.step(m, 0, feedback, known, 1)
    return weld.result


@pytest.mark.parametrize("cycles, link_mv, result", [
    (5, 0, PENDING), (6, 0, OK), (6, 24_899, OK), (6, 24_900, PENDING), (100, 26_400, PENDING),
    (101, 26_400, NOT_DETERMINABLE), (101, NA, NOT_DETERMINABLE)])
def test_a_link_that_falls_proves_open_contacts(lfp: Any, cycles: int, link_mv: int, result: int) -> None:
    """More than 1.5 V below the pack; 10 s of a held link are not determinable."""
    assert after_opening(lfp, cycles, link_mv=link_mv) == result


@pytest.mark.parametrize("current_ma, result", [(16_411, WELDED), (-16_411, WELDED), (16_410, OK), (NA, OK)])
def test_current_proves_a_weld(lfp: Any, current_ma: int, result: int) -> None:
    """1 A above what the heater may draw before the outputs."""
    assert after_opening(lfp, 6, current_ma=current_ma, link_mv=0) == result


@pytest.mark.parametrize("feedback, known, result", [(1, True, WELDED), (4, True, WELDED), (1, False, OK)])
def test_a_closed_contact_is_a_weld(lfp: Any, feedback: int, known: bool, result: int) -> None:
    """Each auxiliary contact counts, precharge too; one that is not known proves nothing."""
    assert after_opening(lfp, 6, feedback, known, link_mv=0) == result


def with_changes(limits: Any, **changes: int) -> SimpleNamespace:
    """Limits of another pack."""
    return SimpleNamespace(**{**{name: getattr(limits, name) for name in dir(limits) if name.isupper()}, **changes})


@pytest.mark.parametrize("current_ma, result", [(1000, WELDED), (-1000, WELDED), (999, OK)])
def test_a_heater_on_the_link_draws_nothing_with_everything_open(lfp: Any, current_ma: int, result: int) -> None:
    """What flows then does not flow into it."""
    limits = with_changes(lfp, HEATER_FROM_LINK=1)
    assert after_opening(limits, 6, current_ma=current_ma, link_mv=0) == result


@pytest.mark.parametrize("ports, known, result", [(0, False, OK), (0, True, OK), (1, True, OK), (1, False, PENDING)])
def test_a_falling_link_says_nothing_of_a_port_of_its_own(lfp: Any, ports: int, known: bool, result: int) -> None:
    """A charge port is not on the link: only its contact says that it is open."""
    assert after_opening(with_changes(lfp, PORTS=ports), 6, known=known, link_mv=0) == result


def test_a_proof_lasts_until_the_next_closing(lfp: Any) -> None:
    """Another pack may lift the link later: these contacts have been seen open."""
    weld = Weld(lfp)
    low = SimpleNamespace(current_ma=0, known=True, pack_mv=26_400, link_mv=0)
    high = SimpleNamespace(**{**vars(low), "link_mv": 26_400})
    for m in [low] * 6 + [high] * 200:
        weld.step(m, 0, 0, True, 1)
    assert weld.result == OK
    weld.step(high, 3, 3, True, 1)
    assert weld.result == PENDING


@pytest.mark.parametrize("cycles, result", [(5, PENDING), (6, OK)])
def test_each_opening_is_looked_at_anew(lfp: Any, cycles: int, result: int) -> None:
    """The time for contacts and current to follow begins with the last cycle in which anything was commanded."""
    weld = Weld(lfp)
    low = SimpleNamespace(current_ma=0, known=True, pack_mv=26_400, link_mv=0)
    for commanded in [0] * 50 + [3] * 50 + [0] * cycles:
        weld.step(low, commanded, commanded, True, 1)
    assert weld.result == result
