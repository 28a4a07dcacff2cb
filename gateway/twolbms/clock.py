"""Where time comes from: one monotonic clock a boot, and one offset that turns it into wall time, fixed once.

The asyncio shell and the simulation read these clocks; the core never does, it is given the time as an argument.
"""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal, Protocol

Quality = Literal["network", "rtc", "guessed", "demo", "log", "unknown"]

GUESS_AFTER_S = 600
"""Without network time or RTC for this long, the system clock is taken as it is (design: ten minutes)."""

EARLIEST_PLAUSIBLE_NS = 1_735_689_600 * 10**9
"""2025-01-01: no gateway of this software runs before it, so an earlier clock has lost its battery."""

_RTC_AGREES_NS = 2 * 10**9  # the RTC counts whole seconds, and reading both takes some time
_POLL_EVERY_NS = 10**9
_TIME_ERROR = 5  # adjtimex(2): "the system clock is not synchronized to a reliable source"


class Clock(ABC):
    """Monotonic nanoseconds of one boot, and what is known of wall time: wall = mono + `wall_offset_ns`."""

    boot_id: str
    wall_offset_ns: int | None = None
    quality: Quality = "unknown"
    speed: float = 1.0

    @abstractmethod
    def mono_ns(self) -> int:
        """Nanoseconds since some fixed point of this boot; never falls."""

    def wall_ns(self, mono_ns: int) -> int | None:
        """Wall time in nanoseconds of a monotonic time, None while the offset is not fixed."""
        return None if self.wall_offset_ns is None else mono_ns + self.wall_offset_ns

    async def sleep(self, seconds: float) -> None:
        """Waits this many seconds of this clock."""
        await asyncio.sleep(seconds / self.speed)

    def adopt(self, offset_ns: int, quality: Quality) -> bool:
        """Takes the offset that the journal fixed earlier in this boot; False when one is fixed already."""
        if self.wall_offset_ns is not None:
            return False
        self.wall_offset_ns, self.quality = offset_ns, quality
        return True

    def poll(self, now_mono_ns: int) -> bool:
        """Fixes the offset if that is possible now; True when this call fixed it."""
        return False


class TimeEvidence(Protocol):
    """What a machine can say about its wall clock."""

    def system_ns(self) -> int:
        """The system clock now, nanoseconds."""

    def network_synchronised(self) -> bool:
        """Whether a time service says that it has set the system clock."""

    def rtc_ns(self) -> tuple[int, ...]:
        """The time of each hardware clock, nanoseconds."""


class LinuxTime:
    """The evidence of a Linux machine: systemd-timesyncd's mark, the kernel's NTP state, the RTCs in sysfs."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._timesync_mark = root / "run/systemd/timesync/synchronized"
        self._rtcs = root / "sys/class/rtc"
        self._status = root / "proc/self/status"

    def system_ns(self) -> int:
        """The system clock now, nanoseconds."""
        return time.time_ns()

    def network_synchronised(self) -> bool:
        """timesyncd's mark, or (chrony, ntpd) the kernel's own state where it may be asked."""
        return self._timesync_mark.exists() or (self._may_ask_kernel() and kernel_synchronised())

    def rtc_ns(self) -> tuple[int, ...]:
        """The time of each RTC that can be read."""
        return tuple(ns for ns in map(_rtc_time_ns, sorted(self._rtcs.glob("rtc*"))) if ns is not None)

    def _may_ask_kernel(self) -> bool:
        # adjtimex is outside systemd's @system-service set: a unit that allows only this set is killed for asking.
        try:
            lines = self._status.read_text().splitlines()
        except OSError:
            return False
        return any(line.split() == ["Seccomp:", "0"] for line in lines)


def _rtc_time_ns(folder: Path) -> int | None:
    try:
        return int((folder / "since_epoch").read_text()) * 10**9
    except (OSError, ValueError):
        return None


def kernel_synchronised() -> bool:
    """Whether the kernel's clock is disciplined, by adjtimex(2) with `modes` 0 (reads only)."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))  # struct timex is 208 bytes
    except (AttributeError, OSError):
        return False
    return 0 <= int(state) < _TIME_ERROR


def read_boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """The kernel's boot id as 32 hex digits."""
    return path.read_text().strip().replace("-", "")


class SystemClock(Clock):
    """CLOCK_MONOTONIC of this machine; wall time from the best evidence there is, fixed once."""

    def __init__(self, evidence: TimeEvidence | None = None, boot_id: str | None = None) -> None:
        self._evidence: TimeEvidence = evidence or LinuxTime()
        self.boot_id = boot_id or read_boot_id()
        self._started_ns = self.mono_ns()
        self._asked_ns: int | None = None

    def mono_ns(self) -> int:
        """CLOCK_MONOTONIC, nanoseconds."""
        return time.monotonic_ns()

    def poll(self, now_mono_ns: int) -> bool:
        """Looks at the evidence at most once a second and fixes the offset as soon as it suffices."""
        if self.wall_offset_ns is not None:
            return False
        if self._asked_ns is not None and now_mono_ns - self._asked_ns < _POLL_EVERY_NS:
            return False
        self._asked_ns = now_mono_ns
        system_ns = self._evidence.system_ns()
        quality = self._judge(system_ns, now_mono_ns)
        return quality is not None and self.adopt(system_ns - now_mono_ns, quality)

    def _judge(self, system_ns: int, now_mono_ns: int) -> Quality | None:
        if self._evidence.network_synchronised():
            return "network"
        if any(_rtc_agrees(rtc_ns, system_ns) for rtc_ns in self._evidence.rtc_ns()):
            return "rtc"
        return "guessed" if now_mono_ns - self._started_ns >= GUESS_AFTER_S * 10**9 else None


def _rtc_agrees(rtc_ns: int, system_ns: int) -> bool:
    return rtc_ns >= EARLIEST_PLAUSIBLE_NS and abs(rtc_ns - system_ns) <= _RTC_AGREES_NS


class StoryClock(Clock):
    """The clock of a demonstration: runs `speed` times as fast as the machine's, the same in every process."""

    quality: Quality = "demo"

    def __init__(self, start_mono_ns: int, host_mono_ns: int, speed: float, wall_offset_ns: int) -> None:
        if not 0 < speed < float("inf"):
            raise ValueError(f"clock speed {speed}: expected a number above 0")
        self._start_mono_ns = start_mono_ns
        self._host_mono_ns = host_mono_ns
        self.speed = speed
        self.wall_offset_ns = wall_offset_ns
        # Every process of one story must name the same boot: the four numbers are all that they share.
        self.boot_id = hashlib.sha256(self.text().encode()).hexdigest()[:32]

    @classmethod
    def begin(cls, speed: float, story_s: float | None = None, start_mono_ns: int = 60 * 10**9) -> StoryClock:
        """A story that starts now; with `story_s` its wall time is such that the story ends at the real time."""
        wall_ns = time.time_ns()
        if story_s is not None:
            wall_ns += int((story_s / speed - story_s) * 1e9)
        return cls(start_mono_ns, time.monotonic_ns(), speed, wall_ns - start_mono_ns)

    @classmethod
    def parse(cls, text: str) -> StoryClock:
        """The clock of a text "start_mono_ns,host_mono_ns,speed,wall_offset_ns"; ValueError when it is not one."""
        try:
            start, host, speed, offset = text.split(",")
            return cls(int(start), int(host), float(speed), int(offset))
        except ValueError as error:
            expected = "start_mono_ns,host_mono_ns,speed,wall_offset_ns"
            raise ValueError(f"clock {text!r}: expected {expected}") from error

    def text(self) -> str:
        """The text form that `parse` reads."""
        return f"{self._start_mono_ns},{self._host_mono_ns},{self.speed!r},{self.wall_offset_ns}"

    def mono_ns(self) -> int:
        """Story nanoseconds."""
        return self._start_mono_ns + int((time.monotonic_ns() - self._host_mono_ns) * self.speed)
