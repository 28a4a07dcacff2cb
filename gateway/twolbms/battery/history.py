"""What a node remembers over resets and power cuts, as it tells it page by page in NodeHistory. Judges nothing."""

from __future__ import annotations

from typing import Any

from twolbms.battery.latest import Values
from twolbms.contract import GATEWAY_EPOCH_S
from twolbms.diagnoses import BY_NUMBER

Trip = dict[str, int | None]


class History:
    """The limits that have tripped, and what heater and outputs have used."""

    def __init__(self) -> None:
        self._trips: dict[str, Trip] = {}
        self._used: dict[str, int | None] = {"heater_wh": None, "contactor_wear_percent": None}

    def take(self, values: Values) -> None:
        """One frame; a limit that this gateway does not know is passed over."""
        if (first := _trip(values, "FirstRow")) is not None:
            self._trips.setdefault(first, {}).update(
                count=int(values["FirstCount"] or 0), first_s=_wall_s(values["FirstMinutes"]))
        if (last := _trip(values, "LastRow")) is not None:
            self._trips.setdefault(last, {}).update(last_s=_wall_s(values["LastMinutes"]))
        if "HeaterEnergy" in values:
            wear = values["ContactorWear"]
            self._used = {"heater_wh": int(values["HeaterEnergy"] or 0),
                          "contactor_wear_percent": None if wear is None else int(wear)}

    def shown(self) -> dict[str, Any]:
        """For the snapshot: times in seconds since 1970, None where the node had none."""
        return {**self._used, "trips": {name: dict(trip) for name, trip in sorted(self._trips.items())}}


def _trip(values: Values, signal: str) -> str | None:
    number = values.get(signal)
    found = None if number is None else BY_NUMBER.get(int(number))
    return None if found is None else found.name


def _wall_s(minutes: float | None) -> int | None:
    return None if minutes is None else GATEWAY_EPOCH_S + 60 * int(minutes)
