"""The `devices:` section of a site file: what speaks a language of its own on a serial port, beside nodes and buses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from twolbms.config.amounts import Name
from twolbms.config.model import StrictModel


class Device(StrictModel):
    """One device that the gateway listens to."""

    name: Name = Field(description="Name of the device, as it stands in pages and records")
    kind: Literal["victron_ve_direct"] = Field(description="victron_ve_direct: SmartShunt or BMV, VE.Direct text")
    port: str = Field(min_length=1, max_length=200, description=(
        "/dev/serial/by-id/… or another serial port, or socket://host:port"))
