"""Days to empty: the arithmetic behind docs/winter.md."""

from __future__ import annotations

import pytest

from twolbms.build.winter import asleep_w, energy_wh, winter_text
from twolbms.config.site_packs import load_guarded_pack
from twolbms.files import data_path

PACK = load_guarded_pack(data_path("packs", "lfp_8s_320ah.yaml"))


def test_the_eight_cell_bank_holds_8_2_kwh() -> None:
    """8 x 320 Ah x 3.2 V."""
    assert energy_wh(PACK) == pytest.approx(8192)


def test_asleep_is_nearly_all_sleep() -> None:
    """One minute of 0.6 W in each 61 of 0.01 W."""
    assert asleep_w(PACK) == pytest.approx((1 * 0.6 + 60 * 0.01) / 61)


def test_the_page_tells_days() -> None:
    """Open and awake: 8,192 Wh / 0.6 W / 24 h are 569 days, a fifth of it 114."""
    row = next(line for line in winter_text([PACK]).splitlines() if line.startswith("| open, awake"))
    assert row == "| open, awake | 0.6 W | 569 | 114 | 5.7 |"
