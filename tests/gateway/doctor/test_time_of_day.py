"""The clock against its evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.doctor.conftest import SITE, Sketched
from twolbms.clock import LinuxTime
from twolbms.doctor.time_of_day import check_clock, check_step
from twolbms.journal import JournalWriter

NOW_NS = 1_790_000_000 * 10**9


class Evidence(LinuxTime):
    """The files of a machine below a folder, and a system clock that stands."""

    def __init__(self, root: Path, system_ns: int, rtc_s: int | None = None, synchronised: bool = False) -> None:
        super().__init__(root)
        self._now_ns = system_ns
        if rtc_s is not None:
            (root / "sys/class/rtc/rtc0").mkdir(parents=True)
            (root / "sys/class/rtc/rtc0/since_epoch").write_text(f"{rtc_s}\n")
        if synchronised:
            (root / "run/systemd/timesync").mkdir(parents=True)
            (root / "run/systemd/timesync/synchronized").touch()

    def system_ns(self) -> int:
        return self._now_ns


@pytest.mark.parametrize(("system_ns", "rtc_s", "synchronised", "ids"), [
    (NOW_NS, None, True, ["clock.good"]),
    (NOW_NS, NOW_NS // 10**9 + 3, False, ["clock.good"]),
    (NOW_NS, None, False, ["clock.not_synchronised"]),
    (NOW_NS, NOW_NS // 10**9 - 7200, False, ["clock.not_synchronised", "clock.rtc_apart"]),
    (NOW_NS, NOW_NS // 10**9 - 7200, True, ["clock.good", "clock.rtc_apart"]),
    (1000, None, False, ["clock.past"]),
    (1000, None, True, ["clock.past"]),
])
def test_the_clock(system_ns: int, rtc_s: int | None, synchronised: bool, ids: list[str], tmp_path: Path,
                   sketched: Sketched) -> None:
    """Network time or an agreeing hardware clock is good; 1970 is not, whoever says so."""
    evidence = Evidence(tmp_path / "machine", system_ns, rtc_s, synchronised)
    found = [finding for finding in check_clock(sketched(SITE), evidence) if finding.id != "clock.stepped"]
    assert [finding.id for finding in found] == ids
    if "clock.past" in ids:
        assert "1970-01-01" in found[0].sentence and "timedatectl" in found[0].do


def test_a_step_under_a_running_gateway(tmp_path: Path) -> None:
    """The offset that the journal fixed in this boot against that of now: hours are told, a second is not."""
    boot = "cd" * 16
    writer = JournalWriter(tmp_path, boot, now_ns=lambda: 0)
    writer.fix_wall(NOW_NS, "guessed")
    writer.event(1, "x", "", {})
    assert writer.flush(10)
    writer.close()
    assert list(check_step(tmp_path, boot, NOW_NS + 10**9)) == []
    (back,) = check_step(tmp_path, boot, NOW_NS - 5 * 3600 * 10**9)
    assert back.id == "clock.stepped" and "5 hours back" in back.sentence
    assert list(check_step(tmp_path, "ef" * 16, 0)) == []
