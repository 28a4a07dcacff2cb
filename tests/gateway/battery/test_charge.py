"""Charge counters: wrapping, lost frames, reboots. Nothing is lost and nothing counts backwards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twolbms.battery.charge import ChargeCount, Mark

MODULUS_MAH = 1_048_576  # 2^20
S = 1_000_000_000
H = 3600 * S


def test_counts_from_the_first_frame_on() -> None:
    """What the node counted before the gateway heard it is not added."""
    count = ChargeCount(720)
    assert count.take(500.0, 20.0, 7, 0) == (0, 0)
    assert count.take(500.25, 20.5, 7, 10 * S) == (250, 500)
    assert (count.in_mah, count.out_mah) == (250, 500)


def test_wraps() -> None:
    """A counter that passes 2^20 mAh goes on from 0."""
    count = ChargeCount(720)
    count.take(1048.575, 0.0, 7, 0)
    assert count.take(0.004, 0.0, 7, S) == (5, 0)


@given(st.lists(st.tuples(st.integers(0, 180), st.integers(0, 180), st.booleans()), max_size=60),
       st.integers(0, MODULUS_MAH - 1))
def test_lost_frames_lose_nothing(steps: list[tuple[int, int, bool]], start: int) -> None:
    """Whatever frames are lost, the totals after the next one are those of the node."""
    count, node = ChargeCount(720), [start, start]
    count.take(start / 1000, start / 1000, 7, 0)
    for second, (gain, loss, heard) in enumerate([*steps, (0, 0, True)], 1):
        node = [node[0] + gain, node[1] + loss]
        if heard:
            count.take(node[0] % MODULUS_MAH / 1000, node[1] % MODULUS_MAH / 1000, 7, second * S)
    assert (count.in_mah, count.out_mah) == (node[0] - start, node[1] - start)


def test_a_reboot_counts_on() -> None:
    """After a reboot of the node the charge it has counted since is added, and nothing is counted backwards."""
    count = ChargeCount(720)
    count.take(100.0, 50.0, 7, 0)
    assert count.take(0.3, 0.1, 8, 10 * S) == (300, 100)
    assert count.restarts == 1


def test_an_impossible_jump_is_a_restart() -> None:
    """A counter that falls although the boot number is the same is taken as a restart from 0, not as a turn."""
    count = ChargeCount(720)
    count.take(100.0, 50.0, 7, 0)
    assert count.take(0.3, 0.0, 7, 10 * S) == (300, 0)


def test_a_jump_that_no_current_explains_adds_nothing() -> None:
    """Ten ampere-hours in ten seconds are no charge."""
    count = ChargeCount(720)
    count.take(100.0, 50.0, 7, 0)
    assert count.take(400.0, 50.0, 7, 10 * S) == (0, 0)
    assert count.take(400.1, 50.0, 7, 20 * S) == (100, 0)


@given(st.lists(st.tuples(st.integers(0, MODULUS_MAH - 1), st.integers(0, MODULUS_MAH - 1), st.integers(0, 255),
                          st.integers(0, 5 * H)), max_size=30))
def test_never_counts_backwards(frames: list[tuple[int, int, int, int]]) -> None:
    """Whatever a node says, totals only grow, and no faster than the largest current."""
    count, now, before = ChargeCount(720), 0, (0, 0)
    for in_mah, out_mah, boot_id, pause in frames:
        now += pause
        count.take(in_mah / 1000, out_mah / 1000, boot_id, now)
        after = (count.in_mah, count.out_mah)
        most = 720_000 * pause / H + 1000
        assert all(0 <= b - a <= most for a, b in zip(before, after, strict=True))
        before = after


def test_counts_on_over_a_restart_of_the_gateway() -> None:
    """What flowed while the gateway was dead is counted when it comes back, from its last mark."""
    count = ChargeCount(720)
    count.restore(Mark(5000, 3000, 7, 100_000, 50_000))
    assert count.take(101.0, 50.5, 7, 0) == (1000, 500)
    assert (count.in_mah, count.out_mah) == (6000, 3500)
