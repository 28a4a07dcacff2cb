"""What the kernel tells of a CAN interface: up, its kind, bit rate, state and restart time. Asked over rtnetlink(7).

Changes nothing: the interface is set up by systemd-networkd or by a person.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

_RTM_GETLINK, _NLMSG_ERROR, _NLM_F_REQUEST = 18, 2, 1
_IFLA_MTU, _IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_INFO_DATA = 4, 18, 1, 2
_IFLA_CAN_BITTIMING, _IFLA_CAN_STATE, _IFLA_CAN_RESTART_MS = 1, 4, 6
_ARPHRD_CAN, _IFF_UP = 280, 1
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg
_PATIENCE_S = 1.0
_STATES = ("error-active", "error-warning", "error-passive", "bus-off", "stopped", "sleeping")  # enum can_state


class CanLink(NamedTuple):
    """One interface. What a virtual one does not have is None; `state` is an index of the kernel's enum can_state."""

    name: str
    is_can: bool
    up: bool
    kind: str | None
    mtu: int
    state: int | None
    bitrate: int | None
    restart_ms: int | None

    @property
    def state_word(self) -> str:
        """The state as `ip -details link` says it."""
        return "unknown" if self.state is None or self.state >= len(_STATES) else _STATES[self.state]


def can_link(name: str) -> CanLink:
    """The interface called `name`. Raises OSError, ENODEV when there is none."""
    index = socket.if_nametoindex(name)
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_PATIENCE_S)
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _RTM_GETLINK, _NLM_F_REQUEST, 1, 0) + body)
        answer = kernel.recv(65536)
    return read_link(name, answer)


def read_link(name: str, answer: bytes) -> CanLink:
    """The kernel's answer to RTM_GETLINK. Raises OSError when it is a refusal."""
    _, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind == _NLMSG_ERROR:
        number = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        raise OSError(number, f"the kernel tells nothing of {name}")
    _, hardware, _, flags, _ = _LINK.unpack_from(answer, _HEADER.size)
    link = dict(_attributes(answer[_HEADER.size + _LINK.size:]))
    info = dict(_attributes(link.get(_IFLA_LINKINFO, b"")))
    can = dict(_attributes(info.get(_IFLA_INFO_DATA, b""))) if hardware == _ARPHRD_CAN else {}
    word = info.get(_IFLA_INFO_KIND)
    return CanLink(name, hardware == _ARPHRD_CAN, bool(flags & _IFF_UP),
                   None if word is None else word.rstrip(b"\0").decode(errors="replace"),
                   _number(link.get(_IFLA_MTU)) or 0, _number(can.get(_IFLA_CAN_STATE)),
                   _number(can.get(_IFLA_CAN_BITTIMING)) or None, _number(can.get(_IFLA_CAN_RESTART_MS)))


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each struct rtattr; what is cut short ends it."""
    start = 0
    while start + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, start)
        if length < 4:
            return
        yield kind & 0x3FFF, data[start + 4:start + length]  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
        start += length + 3 & ~3


def _number(value: bytes | None) -> int | None:
    """The first 32 bits, where struct can_bittiming has its bit rate too."""
    return None if value is None or len(value) < 4 else int(struct.unpack_from("=I", value)[0])
