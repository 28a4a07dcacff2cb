"""How long ago a pack of a snapshot was heard, and when that is too long. The design's silence rule, for readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNKNOWN_AFTER_S = 5.0
"""A pack not heard for this long has unknown values."""

STALE_AFTER_S = 1.0
"""Older than this may not raise an allowance."""


def heard_s(pack: Mapping[str, Any]) -> float | None:
    """Age of the oldest of the pack's safety messages, s; None when one was never heard."""
    age_s: float | None = pack.get("age_s")
    oldest = (pack.get("values") or {}).get("pack_age_s") or {}
    if age_s is None or oldest.get("value") is None:
        return age_s
    return max(age_s, float(oldest["value"]))


def silent(pack: Mapping[str, Any]) -> bool:
    """Whether the pack was never heard, or not for longer than the silence rule allows."""
    age_s = heard_s(pack)
    return age_s is None or age_s > UNKNOWN_AFTER_S
