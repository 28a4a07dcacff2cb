"""A CAN bus in site.yaml: which interface opens it, and what its channel may be called there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from twolbms.config.addresses import is_device_path, is_tcp_port
from twolbms.config.amounts import Name
from twolbms.config.errors import Misfit, shown
from twolbms.config.model import StrictModel

_INTERFACE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,15}")  # IFNAMSIZ of netdevice(7) is 16 with its closing zero


def _is_multicast(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_multicast
    except ValueError:
        return False


SLCAN_BITRATES = (10_000, 20_000, 50_000, 83_300, 100_000, 125_000, 250_000, 500_000, 750_000, 800_000, 1_000_000)
"""What the adapters' language has a command for (`sources/slcan_lines.py`)."""

_BAUD = re.compile(r"[^@]*(@[1-9][0-9]{2,7})?")


def _is_slcan(channel: str) -> bool:
    return is_tcp_port(channel) or (is_device_path(channel) and _BAUD.fullmatch(channel) is not None)


# interface: what its channel must satisfy, and that in words
_CHANNELS: dict[str, tuple[Callable[[str], object], str]] = {
    "slcan": (_is_slcan, "a device such as /dev/ttyACM0, with its baud rate /dev/ttyUSB0@921600, or an address such as "
              "socket://127.0.0.1:4000"),
    "socketcan": (_INTERFACE_NAME.fullmatch, "the name of a network interface, such as can0"),
    "udp_multicast": (_is_multicast, "a multicast address, such as 239.74.163.2"),
    "virtual": (bool, "a name"),
}


FileName = Annotated[str, Field(min_length=1, max_length=200)]


class Bus(StrictModel):
    """One CAN bus that the gateway opens."""

    name: Name = Field(description="Name of the bus, for `bus:` of a pack")
    interface: Literal["slcan", "socketcan", "virtual", "udp_multicast"] = Field(
        description="slcan: a USB stick or a TCP port; socketcan: a HAT; virtual: within one program; "
        "udp_multicast: programs on one machine")
    channel: str = Field(min_length=1, max_length=200, description=(
        "slcan: /dev/ttyACM0 or socket://127.0.0.1:4000; socketcan: can0; udp_multicast: 239.74.163.2; "
        "virtual: a name"))
    dbc: list[FileName] = Field(default=[], max_length=16, description=(
        "DBC files whose messages are recorded signal by signal: paths beside this file, or names of those that come "
        "with 2lbms"))
    id_mask: int = Field(default=0x1FFFFFFF, ge=0, le=0x1FFFFFFF, description=(
        "Bits of a 29-bit id that name the message of a DBC; the others, such as a node number, become the tag `node`"))
    bitrate: int = Field(default=500_000, ge=10_000, le=1_000_000, description="Bits per second; nodes speak 500000")

    @model_validator(mode="after")
    def _channel_fits(self) -> Bus:
        fits, expected = _CHANNELS[self.interface]
        if not fits(self.channel):
            raise Misfit((("channel",), f"expected {expected}, found {shown(self.channel)}"))
        if self.interface == "slcan" and self.bitrate not in SLCAN_BITRATES:
            raise Misfit((("bitrate",), f"slcan adapters know no {self.bitrate}: expected "
                                        f"{', '.join(map(str, SLCAN_BITRATES[:-1]))} or {SLCAN_BITRATES[-1]}"))
        return self
