"""Which cells are bled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from node.balance import Balance


def readings(cells: list[int], **other: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"known": True, "temp_max_dc": 250, "cell_mv": cells, "cell_min_mv": min(cells),
                              "cell_max_mv": max(cells), **other})


def bled(balance: Balance) -> list[int]:
    return [i for i in range(128) if balance.mask[i >> 3] >> (i & 7) & 1]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(3300, 3650), min_size=8, max_size=8), min_size=1, max_size=40), st.booleans())
def test_only_high_cells_and_never_two_neighbours(cycles: list[list[int]], allowed: bool) -> None:
    """Whatever the cells do: above 3.4 V, more than 10 mV above the lowest, no neighbours, and only when allowed."""
    from generated import limits_lfp_8s_320ah
    balance = Balance(limits_lfp_8s_320ah)
    for cells in cycles:
        balance.step(readings(cells), allowed, 10)
        chosen = bled(balance)
        assert allowed or not chosen
        assert all(cells[i] > 3400 and cells[i] - min(cells) > 10 for i in chosen)
        assert not any(i + 1 in chosen for i in chosen)
        assert balance.active == bool(chosen)


def test_both_halves_take_turns(lfp: Any) -> None:
    """Every cell that is too high is bled within two seconds."""
    balance, seen = Balance(lfp), set()
    for _ in range(20):
        balance.step(readings([3390] + [3500] * 7), True, 1)
        seen |= set(bled(balance))
    assert seen == set(range(1, 8))


def test_stops_when_warm_unknown_or_forbidden(lfp: Any) -> None:
    """45.1 degC, an unknown reading or a gateway that does not allow it stop at once."""
    for stop in ({"temp_max_dc": 451}, {"known": False}, None):
        balance = Balance(lfp)
        balance.step(readings([3390] + [3500] * 7), True, 1)
        assert balance.active
        balance.step(readings([3390] + [3500] * 7, **(stop or {})), stop is not None, 1)
        assert not balance.active and not bled(balance)
