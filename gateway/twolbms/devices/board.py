"""The board of devices: the last value of each quantity with the time it was measured, and what is wrong with each.

Too old is unknown. Time is an argument; ports and threads are the source's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from twolbms.alarms import Alarms
from twolbms.devices.health import Health
from twolbms.devices.kinds import DeviceSetup
from twolbms.devices.reading import DeviceReading
from twolbms.fields import FIELDS
from twolbms.health.openness import Openness
from twolbms.recording import Recording

NS = 1_000_000_000
Json = dict[str, Any]


class _Value(NamedTuple):
    value: float | None
    time_ns: int


class _Device:
    """One device as the board sees it; `up` is None until its source has tried to open the port."""

    def __init__(self, setup: DeviceSetup, now_ns: int) -> None:
        self.setup = setup
        self.since_ns = now_ns
        self.heard_ns: int | None = None
        self.up: bool | None = None
        self.error: str | None = None
        self.values: dict[str, _Value] = {}
        self.texts: dict[str, str] = {}
        self.alarms: tuple[str, ...] = ()
        self.implausible = 0
        self.counts: Mapping[str, int] = {}
        self.health = Health()
        self.openness = Openness()
        self.given = 0

    def known(self, time_ns: int | None, now_ns: int) -> bool:
        return time_ns is not None and now_ns - time_ns <= self.setup.known_ns

    def value(self, quantity: str, now_ns: int) -> float | None:
        found = self.values.get(quantity)
        return found.value if found is not None and self.known(found.time_ns, now_ns) else None

    def state(self, now_ns: int) -> str:
        if self.up is False:
            return "down"
        if self.known(self.heard_ns, now_ns):
            return "ok"
        first = self.heard_ns is None and now_ns - self.since_ns <= self.setup.known_ns
        return "starting" if first else "silent"

    def trouble(self, now_ns: int) -> str | None:
        """What a person should know of it, None when all is well."""
        state = self.state(now_ns)
        if state == "down" or (self.openness.told is False and state != "silent"):
            return f"its port {self.setup.port} is down: {self.error or 'it opens and fails'}"
        if state == "silent":
            heard_s = None if self.heard_ns is None else (now_ns - self.heard_ns) // NS
            silence = "was never heard" if heard_s is None else f"has been silent for {heard_s} s"
            return f"{silence}: {self.health.silence()}"
        return self.health.damage()


class Devices:
    """All devices of a site. Its methods take what a source tells, on the engine's own thread."""

    def __init__(self, setups: Sequence[DeviceSetup], recording: Recording, alarms: Alarms, now_ns: int) -> None:
        self._recording = recording
        self._alarms = alarms
        self._devices = {setup.name: _Device(setup, now_ns) for setup in setups}

    # --- what a source tells ---

    def take(self, name: str, reading: DeviceReading, now_ns: int) -> None:
        """A whole reading, received at `now_ns`."""
        device = self._devices[name]
        device.heard_ns = now_ns
        device.given += 1
        if device.openness.look(device.given, now_ns):
            self._tell_openness(device, now_ns)
        self._recording.reading(now_ns, name, reading.raw)
        for quantity, told in reading.values.items():
            row = FIELDS[quantity]
            value = told if told is None or row.low <= told <= row.high else None
            device.implausible += value is not told
            device.values[quantity] = _Value(value, now_ns)
            self._recording.track(quantity, name).offer(value, now_ns)
        device.texts |= reading.texts
        if reading.alarms is not None:
            self._take_alarms(device, reading.alarms, now_ns)
        self._tell_trouble(device, now_ns)

    def _take_alarms(self, device: _Device, alarms: tuple[str, ...], now_ns: int) -> None:
        """Each of the device's own alarms is one of ours. A device that goes silent takes none of them back."""
        setup = device.setup
        for word in sorted({*device.alarms, *alarms}):
            text = f"{setup.name} reports {word}" if word in alarms else None
            self._alarms.set(f"device {setup.name}: {word}", setup.pack, text, now_ns)
        device.alarms = alarms

    def state(self, name: str, up: bool, error: str | None, now_ns: int) -> None:
        """The port has opened, or why it has not."""
        device = self._devices[name]
        device.up, device.error = up, error
        if device.openness.changed(up, device.given, now_ns):
            self._tell_openness(device, now_ns)
        self._tell_trouble(device, now_ns)

    def _tell_openness(self, device: _Device, now_ns: int) -> None:
        name, up = device.setup.name, device.openness.told
        text = f"device {name} is open" if up else f"device {name} is down: {device.error}"
        self._recording.event(now_ns, "device_up" if up else "device_down", device.setup.pack, text,
                              {"device": name, "error": device.error})

    def counts(self, name: str, counts: Mapping[str, int]) -> None:
        """What only the source can count: `bytes`, `readings`, `damaged`, and what the kind adds."""
        self._devices[name].counts = counts

    # --- what is known ---

    def settle(self, now_ns: int) -> None:
        """Looks at every device: too old becomes unknown, silence becomes an alarm. Call it about once a second."""
        for device in self._devices.values():
            device.health.look(device.counts, now_ns)
            if device.openness.look(device.given, now_ns):
                self._tell_openness(device, now_ns)
            self._tell_trouble(device, now_ns)
            for quantity, value in device.values.items():
                if not device.known(value.time_ns, now_ns):
                    self._recording.track(quantity, device.setup.name).offer(None, now_ns)

    def _tell_trouble(self, device: _Device, now_ns: int) -> None:
        setup, trouble = device.setup, device.trouble(now_ns)
        text = None if trouble is None else f"device {setup.name}: {trouble}"
        self._alarms.set(f"device {setup.name}", setup.pack, text, now_ns)

    def all_heard(self, now_ns: int) -> bool:
        """Whether every device is heard now."""
        return all(device.known(device.heard_ns, now_ns) for device in self._devices.values())

    def value(self, name: str, quantity: str, now_ns: int) -> float | None:
        """A value of a device, None when it is unknown or too old. KeyError for a device that the site lacks."""
        return self._devices[name].value(quantity, now_ns)

    def picture(self, now_ns: int) -> Json:
        """The devices of the snapshot."""
        return {name: _picture(device, now_ns) for name, device in self._devices.items()}


def _picture(device: _Device, now_ns: int) -> Json:
    """`told` is whether the device still speaks of a value, be it that it does not know it."""
    setup = device.setup
    return {
        "kind": setup.kind.name, "title": setup.kind.title, "port": setup.port, "pack": setup.pack,
        "state": device.state(now_ns), "age_s": _age_s(device.heard_ns, now_ns), "max_age_s": setup.known_ns / NS,
        "up": device.up, "down_because": device.error, "trouble": device.trouble(now_ns),
        "values": {quantity: {"value": device.value(quantity, now_ns), "age_s": _age_s(value.time_ns, now_ns),
                              "told": device.known(value.time_ns, now_ns)}
                   for quantity, value in device.values.items()},
        "alarms": list(device.alarms), "info": dict(setup.kind.describe(device.texts)),
        "counts": {**device.counts, "implausible": device.implausible},
    }


def _age_s(time_ns: int | None, now_ns: int) -> float | None:
    return None if time_ns is None else round((now_ns - time_ns) / NS, 6)
