"""What a bank of packs is allowed: the largest current at which no closed pack exceeds its own, by resistance share.

Never the plain sum. A pack leaves only when last heard measured open. Knows packs as rows of numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Share(NamedTuple):
    """One pack of a bank in one direction. `open` is whether that path was last heard measured open."""

    pack: str
    allowed_a: float
    by: str
    resistance_ohm: float
    open: bool


class BankAllowance(NamedTuple):
    """The bank's current in A, and the pack and reason that set it."""

    current_a: float
    limited_by: str


def bank_allowance(shares: Sequence[Share]) -> BankAllowance:
    """The bank's allowance in one direction.

    Closed packs in parallel share a current by conductance: pack k carries I * g_k / sum(g). So pack k allows the bank
    a_k * sum(g) / g_k, and the smallest of these holds for all.
    """
    closed = [share for share in shares if not share.open]
    if not closed:
        return BankAllowance(0.0, "no pack is closed")
    total = sum(1 / share.resistance_ohm for share in closed)
    current_a, worst = min(((share.allowed_a * share.resistance_ohm * total, share) for share in closed),
                           key=lambda each: each[0])
    return BankAllowance(current_a, f"{worst.pack}: {worst.by}")
