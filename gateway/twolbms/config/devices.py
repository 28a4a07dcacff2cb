"""The `devices:` section of a site file: what speaks a language of its own on a serial port, beside nodes and buses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field, model_validator

from twolbms.config.addresses import is_device_path, is_tcp_port
from twolbms.config.amounts import Name
from twolbms.config.errors import Loc, Misfit, did_you_mean, either, shown
from twolbms.config.model import StrictModel


class Device(StrictModel):
    """One device that the gateway listens to."""

    name: Name = Field(description="Name of the device, as it stands in pages and records")
    kind: Literal["victron_ve_direct"] = Field(description="victron_ve_direct: SmartShunt or BMV, VE.Direct text")
    port: str = Field(min_length=1, max_length=200, description=(
        "/dev/serial/by-id/… or another serial port, or socket://host:port"))
    pack: Name | None = Field(default=None, description="Name of the pack that it measures, for its alarms")
    max_age_s: float | None = Field(default=None, strict=False, gt=0, le=3600, description=(
        "A value older than this is unknown, and a device silent for longer is an alarm, s; default: its kind's own"))

    @model_validator(mode="after")
    def _port_fits(self) -> Device:
        if not (is_device_path(self.port) or is_tcp_port(self.port)):
            raise Misfit((("port",), "expected a serial port such as /dev/serial/by-id/usb-VictronEnergy_… or "
                                     f"/dev/ttyUSB0, or socket://host:port, found {shown(self.port)}"))
        return self


def device_misfits(devices: Sequence[Device], packs: Sequence[str],
                   buses: Mapping[str, str]) -> Iterator[tuple[Loc, str]]:
    """What does not agree with the rest of the site: names of its packs, and channels of its buses by name."""
    names = {channel: bus for bus, channel in buses.items()}
    for i, device in enumerate(devices):
        if device.name in packs:
            yield ("devices", i, "name"), f"a pack is called {shown(device.name)}: expected another name"
        if device.port in names:
            yield ("devices", i, "port"), f"{shown(device.port)} is the channel of the bus {shown(names[device.port])}"
        if device.pack is not None and device.pack not in packs:
            meant = did_you_mean(device.pack, packs)
            there = f"there is {either(list(packs))}" if packs else "this site has none"
            hint = f"did you mean {shown(meant)}?" if meant else there
            yield ("devices", i, "pack"), f"no pack is called {shown(device.pack)}; {hint}"
