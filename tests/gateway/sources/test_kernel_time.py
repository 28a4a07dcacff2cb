"""The kernel's stamps: believed while wall time runs evenly, and the time of reading when it was stepped."""

from __future__ import annotations

from twolbms.clock import Clock, StoryClock
from twolbms.sources.kernel_time import KernelTime, Span

MS = 1_000_000
WALL_NS = 1_790_000_000 * 10**9


class Machine(Clock):
    """A clock and a wall clock that a test moves."""

    def __init__(self) -> None:
        self.ns = 60 * 10**9
        self.wall_ahead_ns = WALL_NS

    def mono_ns(self) -> int:
        return self.ns

    def wall(self) -> int:
        return self.ns + self.wall_ahead_ns


def came(span: Span, stamp_ns: int) -> int:
    """What Bulk makes of a stamp."""
    time_ns = stamp_ns + span.offset_ns
    return time_ns if span.oldest_ns <= time_ns <= span.now_ns else span.now_ns


def test_a_stamp_is_the_time_of_coming() -> None:
    """A frame read late has the time it came at, also when nobody read for seconds."""
    machine = Machine()
    times = KernelTime(machine, machine.wall)
    for pause_ms in (10, 200, 30_000):
        machine.ns += 5 * MS
        stamp_ns, came_ns = machine.wall(), machine.ns
        machine.ns += pause_ms * MS
        assert came(times.look(), stamp_ns) == came_ns
        times.drained()


def test_a_stepped_wall_clock() -> None:
    """After a step, small or large, back or forth, frames have the time of reading until all stamped before are out."""
    for step_ns in (-3600 * 10**9, -300 * MS, 300 * MS, 3600 * 10**9):
        machine = Machine()
        times = KernelTime(machine, machine.wall)
        machine.ns += 10 * MS
        old_ns = machine.wall()
        machine.wall_ahead_ns += step_ns
        machine.ns += 10 * MS
        span = times.look()
        assert came(span, old_ns) == machine.ns
        machine.ns += MS
        assert came(times.look(), old_ns) == machine.ns  # the batch was full: more of them wait
        times.drained()
        machine.ns += 10 * MS
        stamp_ns, came_ns = machine.wall(), machine.ns
        machine.ns += 10 * MS
        assert came(times.look(), stamp_ns) == came_ns


def test_a_slewed_wall_clock_is_no_step() -> None:
    """A time service that pulls the clock as hard as it may leaves stamps good to what it pulled in between."""
    machine = Machine()
    times = KernelTime(machine, machine.wall)
    for _ in range(100):
        machine.ns += 100 * MS
        machine.wall_ahead_ns += 8 * MS  # chrony's most is 8.3 %
        stamp_ns, came_ns = machine.wall(), machine.ns
        machine.ns += 5 * MS
        assert came(times.look(), stamp_ns) == came_ns


def test_a_stamp_from_nowhere() -> None:
    """No stamp at all, one from the future, one from before the last look but one: the time of reading."""
    machine = Machine()
    times = KernelTime(machine, machine.wall)
    machine.ns += 10 * MS
    span = times.look()
    for stamp_ns in (0, machine.wall() + 1, machine.wall() - 2 * 10**9):
        assert came(span, stamp_ns) == machine.ns


def test_an_interrupted_look_is_taken_again() -> None:
    """When the reader was put aside between two clocks, the offset is that of a reading in which it was not."""
    machine = Machine()
    pauses = iter([0, 40 * MS, 0, 0, 0, 0])

    def wall() -> int:
        found = machine.wall()
        machine.ns += next(pauses)
        return found

    times = KernelTime(machine, wall)
    assert times.look().offset_ns == -WALL_NS


def test_a_story_is_never_stamped() -> None:
    """A clock of another speed believes no stamp, whatever was drained."""
    story = StoryClock.begin(speed=12)
    times = KernelTime(story)
    times.drained()
    span = times.look()
    assert span.oldest_ns > span.now_ns
