"""Steps with a meter: cells, temperatures and current as it says, within the bounds of the pack's calibration row."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from typing import Any

from twolbms.commissioning.conversation import (
    PASSED,
    Calibrate,
    Number,
    Read,
    Ready,
    Talk,
    Verdict,
    Want,
    Watch,
    YesNo,
    failed,
    passed,
)
from twolbms.commissioning.judging import beyond, current_correction, gains_ppm, lost, named, offsets_dc
from twolbms.commissioning.readings import Calibration, Facts, Readings

QUIET_A = 1.0  # of a shunt through which nothing flows
FLOWING_A = 1.0
LEAST_A, MOST_A = 2.0, 1000.0  # a known current has to stand out of the offset
# What may be left: what a 6,000-count meter and a clamp's display tell apart.
AS_METER_V, AS_METER_A, AS_METER_SHARE, AS_METER_K = 0.003, 0.1, 0.01, 0.3

_Written = Generator[Want, Any, str]


def _write(text: str, values: Mapping[str, Any]) -> _Written:
    """Asks, and writes; "" or why it was not."""
    if not (yield YesNo(f"{text} Write the calibration to the node? Hold its arming input.")):
        return "the calibration was not written"
    trouble: str = yield Calibrate(Calibration(values))
    return trouble


def cell_voltages(facts: Facts) -> Talk:
    """Each cell shows what the meter says."""
    now: Readings = yield Read()
    raw, shown, meter = [], [], []
    for at in range(facts.cells):
        guess = now.cells_v[at]
        if guess is None:
            return failed(f"cell {at + 1} cannot be read")
        meter.append((yield Number(f"Meter across cell {at + 1} (node: {guess:.3f} V)", "V", 0.9 * guess, 1.1 * guess)))
        plain: Readings = yield Read(raw=True)
        now = yield Read()
        if lost(plain.cells_v) or lost(now.cells_v):
            return failed(f"{named('cell', lost(plain.cells_v) or lost(now.cells_v))} cannot be read")
        raw.append(plain.cells_v[at] or 0.0)
        shown.append(now.cells_v[at] or 0.0)
    gains, bound = gains_ppm(raw, meter, facts.by_tap), facts.bounds["cell_gain_ppm"]
    measured = {"raw_v": raw, "shown_v": shown, "meter_v": meter, "gain_ppm": gains}
    if wrong := beyond(gains, bound):
        return failed(f"off by more than the {bound} ppm that the pack's row allows: {named('cell', wrong)}; a part or "
                      "a contact is wrong, not uncalibrated", **measured)
    if _all_near(shown, meter, AS_METER_V):
        return passed(f"every cell within {1000 * AS_METER_V:.0f} mV of the meter as it was", **measured)
    trouble = yield from _write(f"{_furthest_mv(shown, meter):.0f} mV apart at most.",
                                {"cell_gain_ppm": gains, "cell_offset_mv": [0] * facts.cells})
    if trouble:
        return failed(trouble, **measured)
    return (yield from _cells_now(raw, meter, measured))


def _cells_now(raw: list[float], meter: list[float], measured: dict[str, Any]) -> Talk:
    """Judges what the node shows with the calibration, less what the cells themselves have moved since."""
    plain: Readings = yield Read(raw=True)
    now: Readings = yield Read()
    if lost(plain.cells_v) or lost(now.cells_v):
        return failed("a cell cannot be read any more", **measured)
    expected = [value + (later or 0.0) - before
                for value, later, before in zip(meter, plain.cells_v, raw, strict=True)]
    left = [(value or 0.0) - wanted for value, wanted in zip(now.cells_v, expected, strict=True)]
    if wrong := [number for number, value in enumerate(left, 1) if abs(value) > AS_METER_V]:
        return failed(f"not as the meter said, with the calibration written: {named('cell', wrong)}",
                      **measured)
    return passed(f"calibrated: every cell within {1000 * AS_METER_V:.0f} mV of the meter", **measured)


def _all_near(values: list[float], others: list[float], within: float) -> bool:
    return all(abs(value - other) <= within for value, other in zip(values, others, strict=True))


def _furthest_mv(values: list[float], others: list[float]) -> float:
    return 1000 * max(abs(value - other) for value, other in zip(values, others, strict=True))


def temperatures(facts: Facts) -> Talk:
    """At rest all sensors show what a thermometer beside them says."""
    meter: float = yield Number("Thermometer beside the sensors, the pack at rest for hours", "°C", -30.0, 60.0)
    plain: Readings = yield Read(raw=True)
    now: Readings = yield Read()
    if sensors := lost(plain.temps_c) or lost(now.temps_c):
        return failed(f"{named('temperature sensor', sensors)} cannot be read")
    raw, shown = _known(plain.temps_c), _known(now.temps_c)
    offsets, bound = offsets_dc(raw, meter), facts.bounds["temp_offset_dc"]
    measured = {"raw_c": raw, "shown_c": shown, "meter_c": meter, "offset_dc": offsets}
    if wrong := beyond(offsets, bound):
        return failed(f"off by more than the {bound / 10:.1f} K that the pack's row allows: {named('sensor', wrong)}; "
                      "another type, or a bad contact", **measured)
    if _all_near(shown, [meter] * facts.sensors, AS_METER_K):
        return passed(f"every sensor within {AS_METER_K} K of the thermometer as it was", **measured)
    trouble = yield from _write("The sensors differ from the thermometer.", {"temp_offset_dc": offsets})
    if trouble:
        return failed(trouble, **measured)
    now = yield Read()
    if lost(now.temps_c) or not _all_near(_known(now.temps_c), [meter] * facts.sensors, AS_METER_K):
        return failed("the sensors do not show the thermometer's temperature, with the calibration written", **measured)
    return passed(f"calibrated: every sensor within {AS_METER_K} K of the thermometer", **measured)


def _known(values: tuple[float | None, ...]) -> list[float]:
    return [value for value in values if value is not None]


def current(facts: Facts) -> Talk:
    """Nothing reads nothing, charging reads positive, discharging negative, both as large as the meter says."""
    yield Ready("Nothing may flow through the shunt now.")
    rest: Readings = yield Read(raw=True, count=5)
    if rest.current_a is None or abs(rest.current_a) > QUIET_A:
        return failed(f"{_amperes(rest.current_a)} with nothing flowing: an open sense wire, or another shunt",
                      zero_a=rest.current_a)
    pairs: list[tuple[float, float]] = []
    for sign, name in ((1, "charging"), (-1, "discharging")):
        outcome = yield from _known_current(sign, name)
        if isinstance(outcome, Verdict):
            return outcome
        pairs.append(outcome)
    gain_ppm, offset_ma = current_correction(rest.current_a, pairs[0], pairs[1])
    measured = {"zero_a": rest.current_a, "charging_a": pairs[0], "discharging_a": pairs[1], "gain_ppm": gain_ppm,
                "offset_ma": offset_ma}
    if abs(gain_ppm) > facts.bounds["current_gain_ppm"] or abs(offset_ma) > facts.bounds["current_offset_ma"]:
        return failed(f"{gain_ppm / 1e4:.1f} % and {offset_ma} mA off, more than the pack's row allows: another shunt, "
                      "or wires that carry current between its sense points", **measured)
    verdict = yield from _corrected_current(pairs[1][1], gain_ppm, offset_ma, measured)
    if verdict.result == PASSED and (yield Watch("Take supply and load off the shunt again.", _quiet)) is None:
        return failed("a current still flows", **measured)
    return verdict


def _known_current(sign: int, name: str) -> Generator[Want, Any, Verdict | tuple[float, float]]:
    """What is shown and what the meter says, both with the sign; a Verdict where the sign is wrong."""
    now: Readings | None = yield Watch(
        f"Send at least {LEAST_A:.0f} A through the shunt in the direction of {name}.", partial(_flows, FLOWING_A))
    if now is None or now.current_a is None:
        return failed(f"no current was seen in the direction of {name}: is the shunt's wire on?")
    if now.current_a * sign < 0:
        return failed(f"{name} reads {_amperes(now.current_a)}: the shunt's sense wires, or the shunt, are the wrong "
                      "way round", shown_a=now.current_a)
    meter: float = yield Number("Ammeter or clamp, without its sign", "A", LEAST_A, MOST_A)
    now = yield Read(raw=True, count=5)
    if now is None or now.current_a is None or now.current_a * sign < FLOWING_A / 2:
        return failed(f"the current of {name} has gone before it could be compared")
    return now.current_a, sign * meter


def _flows(least_a: float, now: Readings) -> bool:
    return now.current_a is not None and abs(now.current_a) >= least_a


def _quiet(now: Readings) -> bool:
    return now.current_a is not None and abs(now.current_a) <= QUIET_A


def _corrected_current(meter_a: float, gain_ppm: int, offset_ma: int, measured: dict[str, Any]) -> Talk:
    """The last known current still flows: it must be shown as the meter says, written where it is not yet."""
    near = max(AS_METER_A, AS_METER_SHARE * abs(meter_a))
    now: Readings = yield Read(count=5)
    if now.current_a is not None and abs(now.current_a - meter_a) <= near:
        return passed("right way round, and as the ammeter says", **measured)
    trouble = yield from _write(f"The node shows {_amperes(now.current_a)}, the ammeter {meter_a:.2f} A.",
                                {"current_gain_ppm": gain_ppm, "current_offset_ma": offset_ma})
    if trouble:
        return failed(trouble, **measured)
    now = yield Read(count=5)
    if now.current_a is None or abs(now.current_a - meter_a) > near:
        return failed(f"with the calibration written the node shows {_amperes(now.current_a)}, the ammeter "
                      f"{meter_a:.2f} A", **measured)
    return passed("right way round, and calibrated to the ammeter", **measured)


def _amperes(value: float | None) -> str:
    return "no current" if value is None else f"{value:.2f} A"
