"""The recorded series of one pack, each made once: which quantity of which message, cell or sensor goes where."""

from __future__ import annotations

from collections.abc import Mapping

from twolbms.battery.pack_state import OF_MESSAGE
from twolbms.battery.setup import PackSetup
from twolbms.recording import Recording

COMPUTED = ("soc", "soc_sigma", "charge_allowed_a", "discharge_allowed_a", "charge_allowed_v", "pack_age_s")
_PUBLISHED_TRIPS = ("cell_over_voltage", "cell_under_voltage")


class PackTracks:
    """Every series of a pack as `Track`s."""

    def __init__(self, setup: PackSetup, recording: Recording) -> None:
        kind, name = setup.type, setup.name
        track = recording.track
        self.of_message = {message: [(row, track(row.name, name)) for row in rows]
                           for message, rows in OF_MESSAGE.items()}
        self.cells = [track("cell_voltage_v", name, cell) for cell in range(kind.cells.series)]
        self.sensors = [track("temperature_c", name, sensor) for sensor in range(len(kind.sensors.temperatures))]
        self.charge_in, self.charge_out = track("charge_in_ah", name), track("charge_out_ah", name)
        self.cell_spread = track("cell_spread_v", name)
        self.faults_active, self.faults_latched = track("faults_active", name), track("faults_latched", name)
        self._computed = [(quantity, track(quantity, name)) for quantity in COMPUTED]
        self._limits = [(kind.limits[row].trip, track(f"limit_{row}_trip_v", name)) for row in _PUBLISHED_TRIPS]

    def settled(self, values: Mapping[str, float | None], now_ns: int) -> None:
        """Offers what is computed rather than received, and the limits that pages draw."""
        for quantity, track in self._computed:
            track.offer(values[quantity], now_ns)
        for threshold, track in self._limits:
            track.offer(threshold, now_ns)
