"""Charge in and out of a pack from the node's wrapping counters: lost frames lose nothing, a reboot counts on.

Counts in whole mAh, the node's unit. Knows no capacity and no state of charge.
"""

from __future__ import annotations

from typing import NamedTuple

MODULUS_MAH = 1 << 20  # NodeCharge.ChargeIn and ChargeOut
_SLACK_MAH = 1000  # frames may come late and in a burst
_NS_PER_H = 3600 * 10**9


class Mark(NamedTuple):
    """Where counting stood, as journalled: totals since first heard, and the node's own counters at that moment."""

    in_mah: int
    out_mah: int
    boot_id: int
    node_in_mah: int
    node_out_mah: int


class ChargeCount:
    """Totals `in_mah`, `out_mah` of one pack. `most_a` is a current it never exceeds, in either direction.

    `restarts` counts boots of the node and jumps that no current can explain; a jump is taken as a restart from 0.
    """

    def __init__(self, most_a: float) -> None:
        self.in_mah = self.out_mah = 0
        self.restarts = 0
        self.boot_id: int | None = None
        self._node = (0, 0)
        self._time_ns: int | None = None
        self._most_ma = most_a * 1000

    def restore(self, mark: Mark) -> None:
        """Goes on from a mark of an earlier run; how long ago that was is not known."""
        self.in_mah, self.out_mah, self.boot_id = mark.in_mah, mark.out_mah, mark.boot_id
        self._node = (mark.node_in_mah, mark.node_out_mah)
        self._time_ns = None

    def mark(self) -> Mark | None:
        """Where counting stands, None before anything was heard."""
        return None if self.boot_id is None else Mark(self.in_mah, self.out_mah, self.boot_id, *self._node)

    def take(self, in_ah: float, out_ah: float, boot_id: int, now_ns: int) -> tuple[int, int]:
        """A NodeCharge frame. Returns the charge since the one before in mAh, (in, out), both never negative."""
        counts = (round(in_ah * 1000), round(out_ah * 1000))
        gained = (0, 0) if self.boot_id is None else self._gained(counts, boot_id, now_ns)
        self.boot_id, self._node, self._time_ns = boot_id, counts, now_ns
        self.in_mah += gained[0]
        self.out_mah += gained[1]
        return gained

    def _gained(self, counts: tuple[int, int], boot_id: int, now_ns: int) -> tuple[int, int]:
        if boot_id == self.boot_id:
            moved = ((counts[0] - self._node[0]) % MODULUS_MAH, (counts[1] - self._node[1]) % MODULUS_MAH)
            if self._plausible(moved, now_ns):
                return moved
        self.restarts += 1
        # Since its boot the node has counted from 0: all of that is new, if it fits into the time since the last frame.
        return counts if self._plausible(counts, now_ns) else (0, 0)

    def _plausible(self, moved: tuple[int, int], now_ns: int) -> bool:
        """Whether this much can have flowed since the last frame; after a restart of the gateway half a turn can."""
        if self._time_ns is None:
            return max(moved) < MODULUS_MAH // 2
        most = self._most_ma * (now_ns - self._time_ns) / _NS_PER_H + _SLACK_MAH
        return max(moved) <= most
