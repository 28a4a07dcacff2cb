"""Coulomb counting: the equations, their ends, and what the uncertainty grows with."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twolbms.estimation.coulomb import CoulombCount

H = 3600 * 10**9


def count(soc: float = 0.5, sigma: float = 0.05, now_ns: int = 0) -> CoulombCount:
    """320 Ah; full at 3.55 V, empty at 2.7 V."""
    made = CoulombCount(320.0, 3.55, 2.7, now_ns)
    made.start(soc, sigma, "site", now_ns)
    return made


def test_unknown_start() -> None:
    """Without anything known it is half full, and the uncertainty says that this means nothing."""
    fresh = CoulombCount(320.0, 3.55, 2.7, 0)
    assert (fresh.soc, fresh.sigma(0), fresh.source) == (0.5, 0.29, "unknown")


def test_counts() -> None:
    """32 Ah into 320 Ah are ten points more; 16 Ah out are five less."""
    soc = count()
    soc.add(32.0, 0.0)
    assert soc.soc == pytest.approx(0.6)
    soc.add(0.0, 16.0)
    assert soc.soc == pytest.approx(0.55)


def test_sigma_grows_with_charge_and_time() -> None:
    """Half a percent of the charge moved and 0.1 A of offset, added to the start's by their squares."""
    soc = count(sigma=0.05)
    soc.add(100.0, 60.0)
    assert soc.sigma(10 * H) == pytest.approx(sqrt(0.05**2 + (0.005 * 160 / 320)**2 + (0.1 * 10 / 320)**2))


def test_sigma_has_an_end() -> None:
    """After a year without an anchor it is as unknown as anything between empty and full."""
    assert count().sigma(8760 * H) == 0.29


# (lowest V, highest V, current A) -> what is set
ENDS = [
    ((3.50, 3.55, 15.9), "full"), ((3.50, 3.55, -15.9), "full"), ((3.50, 3.549, 5.0), None),
    ((3.50, 3.60, 16.0), None), ((2.70, 3.10, -63.9), "empty"), ((2.69, 3.10, 0.0), "empty"),
    ((2.701, 3.10, -10.0), None), ((2.60, 3.10, -64.0), None), ((None, 3.60, 0.0), None), ((2.6, None, 0.0), None),
    ((2.6, 3.6, None), None),
]


@pytest.mark.parametrize(("readings", "end"), ENDS)
def test_ends(readings: tuple[float | None, float | None, float | None], end: str | None) -> None:
    """Full is charge voltage below 0.05C, empty the limit tier of under-voltage below 0.2C; unknown sets nothing."""
    soc = count()
    assert soc.look(*readings, 0) == end
    assert soc.soc == {"full": 1.0, "empty": 0.0, None: 0.5}[end]


def test_an_end_is_told_once_each_time() -> None:
    """Staying full is no news; coming back to full is."""
    soc = count()
    told = [soc.look(3.5, high, 1.0, 0) for high in (3.56, 3.56, 3.50, 3.56)]
    assert told == ["full", None, None, "full"]


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), max_size=50), st.floats(0, 1))
def test_stays_between_empty_and_full(steps: list[tuple[float, float]], start: float) -> None:
    """Whatever is counted, soc stays in 0 to 1 and sigma in its start to 0.29."""
    soc = count(start)
    for hour, (in_ah, out_ah) in enumerate(steps):
        soc.add(in_ah, out_ah)
        assert 0 <= soc.soc <= 1
        assert 0.05 <= soc.sigma(hour * H) <= 0.29
