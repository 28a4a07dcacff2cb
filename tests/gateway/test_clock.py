"""Clocks: what fixes wall time, when, and how a story clock is shared between processes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from twolbms import clock
from twolbms.clock import GUESS_AFTER_S, LinuxTime, StoryClock, SystemClock, read_boot_id

BOOT = "0123456789abcdef0123456789abcdef"
NOON_NS = 1_790_000_000 * 10**9
SECOND_NS = 10**9


class Evidence:
    """A machine's clocks, set by hand."""

    def __init__(self, system_ns: int = NOON_NS, network: bool = False, rtc: tuple[int, ...] = ()) -> None:
        self.system, self.network, self.rtc = system_ns, network, rtc
        self.asked = 0

    def system_ns(self) -> int:
        self.asked += 1
        return self.system

    def network_synchronised(self) -> bool:
        return self.network

    def rtc_ns(self) -> tuple[int, ...]:
        return self.rtc


def test_unknown_until_evidence() -> None:
    """Without network time, RTC or patience the wall time stays unknown."""
    system = SystemClock(Evidence(), BOOT)
    assert not system.poll(system.mono_ns())
    assert (system.wall_offset_ns, system.quality, system.wall_ns(5)) == (None, "unknown", None)


def test_network_time_fixes_the_offset() -> None:
    """A synchronised system clock fixes wall = mono + offset at once."""
    system = SystemClock(Evidence(network=True), BOOT)
    now_ns = system.mono_ns()
    assert system.poll(now_ns)
    assert (system.quality, system.wall_ns(now_ns)) == ("network", NOON_NS)


def test_fixed_once() -> None:
    """A step of the system clock after fixing changes nothing."""
    evidence = Evidence(network=True)
    system = SystemClock(evidence, BOOT)
    now_ns = system.mono_ns()
    system.poll(now_ns)
    evidence.system += 3600 * SECOND_NS
    assert not system.poll(now_ns + 5 * SECOND_NS)
    assert system.wall_ns(now_ns) == NOON_NS


@pytest.mark.parametrize(("rtc_ns", "quality"), [
    (NOON_NS, "rtc"), (NOON_NS - 2 * SECOND_NS, "rtc"), (NOON_NS - 3 * SECOND_NS, "unknown"), (0, "unknown"),
])
def test_rtc_must_agree(rtc_ns: int, quality: str) -> None:
    """An RTC counts only when the system clock was set from it."""
    system = SystemClock(Evidence(rtc=(rtc_ns,)), BOOT)
    system.poll(system.mono_ns())
    assert system.quality == quality


def test_rtc_must_be_plausible() -> None:
    """An RTC that lost its battery is no evidence, even when the system clock follows it."""
    system = SystemClock(Evidence(system_ns=SECOND_NS, rtc=(SECOND_NS,)), BOOT)
    system.poll(system.mono_ns())
    assert system.quality == "unknown"


@pytest.mark.parametrize(("age_s", "quality"), [(GUESS_AFTER_S - 1, "unknown"), (GUESS_AFTER_S + 1, "guessed")])
def test_guess_after_ten_minutes(age_s: int, quality: str) -> None:
    """After ten minutes without evidence the system clock is taken, and marked."""
    assert GUESS_AFTER_S == 600
    system = SystemClock(Evidence(), BOOT)
    system.poll(system.mono_ns() + age_s * SECOND_NS)
    assert system.quality == quality


def test_evidence_asked_once_a_second() -> None:
    """Polling in a fast loop does not ask the machine each time."""
    evidence = Evidence()
    system = SystemClock(evidence, BOOT)
    now_ns = system.mono_ns()
    for step in range(20):
        system.poll(now_ns + step * SECOND_NS // 10)
    assert evidence.asked == 2


def test_adopts_the_boots_offset() -> None:
    """The offset that the journal fixed earlier in this boot wins over new evidence."""
    system = SystemClock(Evidence(network=True), BOOT)
    assert system.adopt(77, "guessed")
    assert not system.adopt(78, "network")
    assert not system.poll(system.mono_ns())
    assert (system.wall_ns(3), system.quality) == (80, "guessed")


def test_linux_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """timesyncd's mark, the kernel's state and the RTCs are read from where Linux keeps them."""
    monkeypatch.setattr(clock, "kernel_synchronised", lambda: True)
    linux = LinuxTime(tmp_path)
    assert not linux.network_synchronised()
    assert linux.rtc_ns() == ()
    (tmp_path / "sys/class/rtc/rtc0").mkdir(parents=True)
    (tmp_path / "sys/class/rtc/rtc0/since_epoch").write_text("1790000000\n")
    (tmp_path / "sys/class/rtc/rtc1").mkdir()
    assert linux.rtc_ns() == (NOON_NS,)
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    (tmp_path / "run/systemd/timesync/synchronized").touch()
    assert linux.network_synchronised()


@pytest.mark.parametrize(("seccomp", "synchronised"), [("0", True), ("2", False)])
def test_kernel_not_asked_under_a_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seccomp: str,
                                         synchronised: bool) -> None:
    """Under a system call filter the kernel is not asked: the filter of a hardened unit kills for that."""
    monkeypatch.setattr(clock, "kernel_synchronised", lambda: True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text(f"Name:\tx\nSeccomp:\t{seccomp}\n")
    assert LinuxTime(tmp_path).network_synchronised() is synchronised


def test_boot_id_without_dashes(tmp_path: Path) -> None:
    """The boot id is the kernel's, 32 hex digits."""
    path = tmp_path / "boot_id"
    path.write_text("01234567-89ab-cdef-0123-456789abcdef\n")
    assert read_boot_id(path) == BOOT


def test_story_clock_text_form() -> None:
    """The text form gives another process the same clock and the same boot."""
    text = "60000000000,123456789,12.5,1790000000000000000"
    story = StoryClock.parse(text)
    assert story.text() == text
    assert (story.speed, story.wall_offset_ns, story.quality) == (12.5, NOON_NS, "demo")
    assert story.boot_id == StoryClock.parse(text).boot_id != StoryClock.parse("1,1,1.0,1").boot_id
    assert len(story.boot_id) == 32


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,x,4", "1,2,0,4", "1,2,-1,4", "1,2,nan,4", "1.5,2,1,4"])
def test_story_clock_refuses(text: str) -> None:
    """Any other text is refused and says what was expected."""
    with pytest.raises(ValueError, match="start_mono_ns,host_mono_ns,speed,wall_offset_ns"):
        StoryClock.parse(text)


def test_story_runs_at_its_speed() -> None:
    """Story time is start + speed times the host's elapsed time."""
    before_ns = time.monotonic_ns()
    story = StoryClock(1000, before_ns, 50.0, 0)
    now_ns = story.mono_ns()
    assert 1000 <= now_ns <= 1000 + 50 * (time.monotonic_ns() - before_ns)


def test_story_ends_at_the_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A story of an hour at speed 60 starts 59 minutes back, so that it ends when the wall clock does."""
    monkeypatch.setattr(time, "time_ns", lambda: NOON_NS)
    story = StoryClock.begin(60.0, story_s=3600.0, start_mono_ns=7)
    assert story.wall_ns(7) == NOON_NS - 59 * 60 * SECOND_NS
    assert StoryClock.begin(60.0, start_mono_ns=7).wall_ns(7) == NOON_NS


def test_sleep_is_in_story_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten story seconds at speed 20 are half a second."""
    slept: list[float] = []

    async def record(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", record)
    asyncio.run(StoryClock.begin(20.0).sleep(10.0))
    assert slept == [0.5]
