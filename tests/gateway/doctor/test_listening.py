"""Listening for a moment: frames, error frames alone, silence; UDP multicast for real."""

from __future__ import annotations

import socket
import struct
import threading

import can
import pytest

from twolbms.config.buses import Bus
from twolbms.doctor.listening import Traffic, _count, check_socketcan_traffic, check_udp, check_virtual, judge_traffic

FACTS: dict[str, object] = {"channel": "can0", "seconds": 2.0, "bitrate": 500_000}


def raw(can_id: int) -> bytes:
    """A struct can_frame."""
    return struct.pack("=IB3x8s", can_id, 8, bytes(8))


@pytest.mark.parametrize(("ids", "traffic", "rule"), [
    ([0x123, 0x8CFF1001], Traffic(2, 0), "listen.good"), ([0x20000004] * 3, Traffic(0, 3), "listen.errors_only"),
    ([0x20000004, 0x123], Traffic(1, 1), "listen.good"), ([], Traffic(0, 0), "listen.silent")])
def test_what_is_heard(ids: list[int], traffic: Traffic, rule: str) -> None:
    """Frames as the kernel gives them: good ones, error frames, none."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        for can_id in ids:
            far.send(raw(can_id))
        assert _count(near, 0.1) == traffic
    finding = judge_traffic("bus can0", traffic, FACTS)
    assert finding.id == rule and (finding.state == "good" or "500000 bit/s" in finding.do)


def test_enough_is_enough() -> None:
    """A busy bus is not listened to for longer than it takes to know that it speaks."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        for _ in range(40):
            far.send(raw(1))
        assert _count(near, 60.0) == Traffic(20, 0)


def test_an_interface_that_is_not_there() -> None:
    """A socket that cannot be opened is told in the system's words."""
    (finding,) = check_socketcan_traffic(Bus(name="c", interface="socketcan", channel="nocan9"), 0.1)
    assert finding.id == "listen.failed" and "cannot be opened: " in finding.sentence


def test_udp_multicast() -> None:
    """Frames that another program sends are heard; a silent group is worth a look."""
    pytest.importorskip("msgpack")
    bus = Bus(name="net", interface="udp_multicast", channel="239.74.163.77")
    try:
        sender = can.Bus(interface="udp_multicast", channel=bus.channel, ignore_config=True)
    except Exception as error:
        pytest.skip(f"needs multicast: {error}")
    (silent,) = check_udp(bus, 0.1)
    assert (silent.id, silent.state) == ("listen.udp_silent", "warn")
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.01):
            sender.send(can.Message(arbitration_id=1, data=b"x"))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        (heard,) = check_udp(bus, 10.0)
    finally:
        stop.set()
        thread.join()
        sender.shutdown()
    assert heard.id == "listen.good"


def test_a_bus_within_a_program() -> None:
    """A virtual bus cannot be looked at, and that is said."""
    (finding,) = check_virtual(Bus(name="v", interface="virtual", channel="x"))
    assert finding.state == "unknown"
