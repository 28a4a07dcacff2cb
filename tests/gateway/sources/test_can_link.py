"""What the kernel tells of an interface: asked for real where there is one, and read from an answer as it came."""

from __future__ import annotations

import struct

import pytest

from twolbms.sources.can_errors import Controller
from twolbms.sources.can_link import CanLink, can_link, read_link


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def answer(kind: bytes, data: bytes, flags: int = 1, hardware: int = 280) -> bytes:
    info = attribute(1, kind + b"\0") + attribute(2, data)
    body = struct.pack("=BxHiII", 0, hardware, 3, flags, 0) + attribute(4, struct.pack("=I", 16)) \
        + attribute(18 | 0x8000, info)
    return struct.pack("=IHHII", 16 + len(body), 16, 0, 1, 0) + body


def test_this_machines_loopback() -> None:
    """The loopback is up, has an MTU, and is no CAN interface."""
    link = can_link("lo")
    assert (link.is_can, link.state, link.bitrate) == (False, None, None)
    assert link.mtu > 1000


def test_no_interface() -> None:
    """One that is not there is an OSError."""
    with pytest.raises(OSError):
        can_link("can77")


def test_a_controller() -> None:
    """Bit rate, state and restart time come from the nested attributes of a controller's driver."""
    timing = struct.pack("=8I", 500_000, 875, 125, 6, 7, 2, 1, 1)
    data = attribute(1, timing) + attribute(4, struct.pack("=I", 3)) + attribute(6, struct.pack("=I", 100))
    link = read_link("can0", answer(b"can", data))
    assert link == CanLink("can0", True, True, "can", 16, 3, 500_000, 100)
    assert link.state_word == "bus-off"


def test_a_virtual_one() -> None:
    """Where the driver tells nothing, nothing is known; down is down."""
    link = read_link("vcan0", answer(b"vcan", b"", flags=0))
    assert link == CanLink("vcan0", True, False, "vcan", 16, None, None, None)
    assert link.state_word == "unknown"


def test_damaged_answers() -> None:
    """Attributes that are cut short or lie about their length end the reading and raise nothing but OSError."""
    whole = answer(b"can", attribute(4, struct.pack("=I", 1)))
    for length in range(32, len(whole)):
        read_link("can0", whole[:length])
    assert read_link("can0", whole[:32] + b"\1\0\4\0" + whole[36:]).mtu == 0
    with pytest.raises(OSError, match="tells nothing of can0"):
        read_link("can0", struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -19) + bytes(16))


@pytest.mark.parametrize(("error_id", "detail", "state", "counted"), [
    (0x04, 0x01, None, "overflow"), (0x04, 0x04, 1, "warning"), (0x04, 0x08, 1, "warning"), (0x04, 0x10, 2, "passive"),
    (0x04, 0x20, 2, "passive"), (0x40, 0, 3, "bus_off"), (0x100, 0, 0, "restarted"), (0x20, 0, None, "no_ack"),
    (0x04, 0x40, 0, "error"), (0x80, 0, None, "error"), (0x08, 0xFF, None, "error"),
])
def test_error_frames(error_id: int, detail: int, state: int | None, counted: str) -> None:
    """Each kind of error frame is counted under its name and sets the state that it tells, and only that."""
    controller = Controller()
    controller.take(error_id, bytes((0, detail, 0, 0, 0, 0, 0, 0)))
    counts = controller.counts()
    assert counts.pop("error") == 1
    assert counts.pop("state", None) == state
    assert {key for key, value in counts.items() if value} == ({counted} if counted != "error" else set())


def test_a_short_error_frame() -> None:
    """An error frame without data says what its id says."""
    controller = Controller(state=1)
    controller.take(0x44, b"")
    assert controller.counts()["state"] == 3
