"""Why a frame gave nothing."""

from __future__ import annotations

from enum import StrEnum


class Refused(StrEnum):
    """Why a frame gave no values, or no line. The text is the name of the count."""

    UNKNOWN_ID = "unknown_id"
    SHORT = "short"
    BAD_MULTIPLEXER = "bad_multiplexer"
    NO_VALUES = "no_values"
    """Every signal was not available, NaN or infinite: there is nothing to write (lines only)."""
