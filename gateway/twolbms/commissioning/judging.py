"""Judgements over readings: which cell or sensor moved, what correction a meter asks for. Pure; counts from 1."""

from __future__ import annotations

from collections.abc import Sequence

Values = Sequence[float | None]
PPM = 1_000_000


def lost(values: Values) -> list[int]:
    """Numbers of the values that are not available."""
    return [number for number, value in enumerate(values, 1) if value is None]


def moved(before: Values, now: Values, least: float) -> list[int]:
    """Numbers of the values that moved by `least` or more, and by at least half of the furthest; a lost one moved."""
    far = [float("inf") if b is not None and n is None else abs(n - b) if b is not None and n is not None else 0.0
           for b, n in zip(before, now, strict=True)]
    known = [distance for distance in far if distance != float("inf")]
    furthest = max(known, default=0.0)
    return [number for number, distance in enumerate(far, 1)
            if distance == float("inf") or (distance >= least and 2 * distance >= furthest)]


def risen(before: Values, now: Values, least: float) -> list[int]:
    """The same for values that rose."""
    up = [None if n is None else max(n, b) if b is not None else n for b, n in zip(before, now, strict=True)]
    return [number for number in moved(before, up, least) if now[number - 1] is not None]


def settled(before: Values, now: Values, within: float) -> bool:
    """Whether all are back where they were."""
    return all(b is not None and n is not None and abs(n - b) <= within for b, n in zip(before, now, strict=True))


def around_wire(wire: int, cells: int) -> list[int]:
    """The cells on both sides of the sense wire at the plus side of cell `wire`; 0 is the wire at the minus pole."""
    return [cell for cell in (wire, wire + 1) if 1 <= cell <= cells]


def gains_ppm(shown: Sequence[float], meter: Sequence[float], by_tap: bool) -> list[int]:
    """Gain of each cell, or of each tap, that makes what is shown what the meter says."""
    if by_tap:
        shown = [sum(shown[:number]) for number in range(1, len(shown) + 1)]
        meter = [sum(meter[:number]) for number in range(1, len(meter) + 1)]
    return [round((m / s - 1) * PPM) for s, m in zip(shown, meter, strict=True)]


def offsets_dc(shown: Sequence[float], meter_c: float) -> list[int]:
    """Offset of each sensor in 0.1 K that makes it show `meter_c`."""
    return [round((meter_c - value) * 10) for value in shown]


def current_correction(zero_a: float, charging: tuple[float, float],
                       discharging: tuple[float, float]) -> tuple[int, int]:
    """Gain in ppm and offset in mA, from the reading at rest and two pairs of (shown, meter), A; the sign is right."""
    span_shown = charging[0] - discharging[0]
    span_meter = charging[1] - discharging[1]
    gain = span_meter / span_shown - 1
    return round(gain * PPM), round(-zero_a * (1 + gain) * 1000)


def beyond(values: Sequence[int], bound: int) -> list[int]:
    """Numbers of the values whose size is above the bound."""
    return [number for number, value in enumerate(values, 1) if abs(value) > bound]


def named(thing: str, numbers: Sequence[int]) -> str:
    """ "cell 3", "cells 3 and 4"; "no cell" without any."""
    return f"{thing}{'s' if len(numbers) > 1 else ''} {listed(numbers)}" if numbers else f"no {thing}"


def listed(numbers: Sequence[int]) -> str:
    """ "3", "3 and 4", "1, 3 and 4"; "none" without any."""
    words = [str(number) for number in numbers]
    if len(words) < 2:
        return words[0] if words else "none"
    return f"{', '.join(words[:-1])} and {words[-1]}"
