"""The oracle on its own: each rule of the limit table in seconds and units, numbers typed from the pack's text."""

from __future__ import annotations

import pytest

from twolbms.config.pack import GuardedPack
from twolbms.config.site_packs import load_guarded_pack
from twolbms.diagnoses import DIAGNOSES
from twolbms.files import data_path
from twolbms.proof.oracle import UNKNOWN, Oracle, Row, Seen


@pytest.fixture(scope="module")
def pack() -> GuardedPack:
    """The eight LiFePO4 cells."""
    return load_guarded_pack(data_path("packs", "lfp_8s_320ah.yaml"))


def row(pack: GuardedPack, name: str, error_v: float = 0.0) -> Row:
    return Row(DIAGNOSES[name], pack.limits[name], error_v, pack.outputs == "common")


def after(judged: Row, seconds: float, value: float | None, sure: bool = True) -> str:
    """So long at a value, in cycles of 0.1 s; the phase then."""
    for _ in range(round(seconds * 10)):
        judged.see(Seen(value, sure), 0.1)
    return judged.phase


def test_a_trip_after_its_delay_and_no_sooner(pack: GuardedPack) -> None:
    """3.65 V is inside for ever; 3.651 V trips 2 s after the first cycle beyond."""
    judged = row(pack, "cell_over_voltage")
    assert after(judged, 60, 3.65) == "ok" and judged.limit
    assert after(judged, 2.0, 3.651) == "ok" and after(judged, 0.1, 3.651) == "cause"


def test_hold_and_latch(pack: GuardedPack) -> None:
    """Inside 3.45 V the cause has gone, 30 s later the hold; then the latch waits. Outside it is the cause again."""
    judged = row(pack, "cell_over_voltage")
    after(judged, 2.1, 3.7)
    assert after(judged, 10, 3.451) == "cause" and after(judged, 0.1, 3.45) == "hold"
    assert after(judged, 29.9, 3.45) == "hold" and after(judged, 0.1, 3.45) == "wait"
    assert judged.latched and judged.refusal() == "accepted"
    assert after(judged, 0.1, 3.46) == "cause" and judged.refusal() == "cause_present"


def test_what_does_not_latch_ends_with_its_hold(pack: GuardedPack) -> None:
    """Too cold to charge: 10 s after it is warm again it is over."""
    judged = row(pack, "charge_under_temperature")
    assert after(judged, 2.1, -0.1) == "cause" and after(judged, 0.1, 3.0) == "hold" and not judged.latched
    assert after(judged, 9.9, 3.0) == "hold" and after(judged, 0.1, 3.0) == "ok"


def test_doubt_trips_and_ends_nothing(pack: GuardedPack) -> None:
    """A doubtful value goes on with a delay and keeps a cause; an unknown one is as if the cycle had not been."""
    judged = row(pack, "cell_over_voltage")
    after(judged, 1.0, 3.7)
    after(judged, 5.0, 3.3, sure=False)
    after(judged, 5.0, None)
    assert after(judged, 1.0, 3.7, sure=False) == "ok" and after(judged, 0.1, 3.7, sure=False) == "cause"
    assert after(judged, 99, 3.3, sure=False) == "cause" and after(judged, 0.1, 3.3) == "hold"
    assert after(judged, 99, None) == "hold" and judged.refusal() == "hold_running"


def test_flicker_of_readings_adds_up(pack: GuardedPack) -> None:
    """Two bad cycles for each good one trip the second of delay; one bad for each good one never does."""
    judged = row(pack, "implausible_reading")
    phases = [(after(judged, 0.2, 1), after(judged, 0.1, 0)) for _ in range(15)]
    assert ("cause", "hold") in phases
    judged = row(pack, "implausible_reading")
    assert all((after(judged, 0.1, 1), after(judged, 0.1, 0)) == ("ok", "ok") for _ in range(100))


def test_the_error_budget_moves_cell_limits_inside(pack: GuardedPack) -> None:
    """With 5 mV of error 3.646 V may be 3.651 V, and 2.504 V may be 2.499 V."""
    assert after(row(pack, "cell_over_voltage", 0.005), 2.1, 3.646) == "cause"
    assert after(row(pack, "cell_over_voltage", 0.005), 60, 3.645) == "ok"
    assert after(row(pack, "cell_under_voltage", 0.005), 5.1, 2.504) == "cause"
    assert after(row(pack, "cell_under_voltage", 0.005), 60, 2.505) == "ok"


def test_the_table_says_what_may_not_flow(pack: GuardedPack) -> None:
    """A cell too full blocks charge after a request; a limit forbids; nothing closes on a value beyond its trip."""
    oracle = Oracle(pack)
    seen = [UNKNOWN] * len(DIAGNOSES)
    seen[DIAGNOSES["cell_over_voltage"].number] = Seen(3.7, True)
    told = oracle.step(seen, 0.1)
    assert (told.does_not_close, told.limited, told.blocks_after) == (1, 0, 0)
    for _ in range(20):
        told = oracle.step(seen, 0.1)
    assert (told.blocks_now, told.blocks_after, told.limited, told.opened) == (0, 1, 1, ["cell_over_voltage"])
    assert told.trip == told.latched == 1 and not oracle.clear_here()
