"""What a bank may carry: tables of packs in, one current out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolbms.site.bank import Share, bank_allowance


def share(pack: str, allowed_a: float, ohm: float = 0.005, *, is_open: bool = False) -> Share:
    return Share(pack, allowed_a, "rating", ohm, is_open)


# (packs, current, who sets it)
TABLE = {
    "one pack": ([share("a", 150)], 150, "a: rating"),
    "two alike": ([share("a", 100), share("b", 100)], 200, "a: rating"),
    "two alike, one allowed less": ([share("a", 100), share("b", 40)], 80, "b: rating"),
    "one allowed nothing": ([share("a", 100), share("b", 0)], 0, "b: rating"),
    "the low resistance carries three quarters": ([share("a", 90, 0.004), share("b", 90, 0.012)], 120, "a: rating"),
    "an open pack carries nothing": ([share("a", 100), share("b", 0, is_open=True)], 100, "a: rating"),
    "all open": ([share("a", 100, is_open=True)], 0, "no pack is closed"),
    "three": ([share("a", 100, 0.01), share("b", 100, 0.01), share("c", 30, 0.02)], 150, "c: rating"),
}


@pytest.mark.parametrize(("shares", "current_a", "limited_by"), TABLE.values(), ids=TABLE.keys())
def test_table(shares: list[Share], current_a: float, limited_by: str) -> None:
    """The bank's allowance is what the most limited closed pack lets through by its share of the conductance."""
    allowed = bank_allowance(shares)
    assert allowed.current_a == pytest.approx(current_a)
    assert allowed.limited_by == limited_by


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0.001, 0.1), st.booleans()), min_size=1, max_size=8))
def test_no_pack_exceeds_its_own(rows: list[tuple[float, float, bool]]) -> None:
    """At the bank's allowance every closed pack's share is at most what it is allowed, and one is at its limit."""
    shares = [share(str(n), allowed, ohm, is_open=is_open) for n, (allowed, ohm, is_open) in enumerate(rows)]
    closed = [each for each in shares if not each.open]
    bank_a = bank_allowance(shares).current_a
    if not closed:
        assert bank_a == 0
        return
    conductance = sum(1 / each.resistance_ohm for each in closed)
    carried = [(bank_a / each.resistance_ohm / conductance, each.allowed_a) for each in closed]
    assert all(carries <= allowed * (1 + 1e-9) + 1e-9 for carries, allowed in carried)
    assert any(carries == pytest.approx(allowed) for carries, allowed in carried)
