"""Buses that python-can opens for trials: within this program, and between programs by multicast."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from importlib import util
from typing import Any

import can
import pytest

from twolbms.clock import StoryClock
from twolbms.sources import python_can
from twolbms.sources.can import CanSource, OpenBus, open_bus
from twolbms.sources.python_can import PythonCanBus
from twolbms.wire import BusFrame
from voices.waiting import PATIENCE_S, Listener

CLOCK = StoryClock.begin(speed=50)
GROUP = "239.74.163.2"


@pytest.mark.parametrize(("interface", "channel"), [("virtual", "garden"), ("udp_multicast", GROUP)])
def test_both_ways(listener: Listener, start: Callable[[OpenBus], CanSource], interface: str, channel: str) -> None:
    """Frames go both ways between the bus and a neighbour of it."""
    if interface == "udp_multicast" and util.find_spec("msgpack") is None:
        pytest.skip("needs msgpack")
    neighbour = can.Bus(interface=interface, channel=channel, ignore_config=True)
    source = start(lambda: open_bus("can0", interface, channel, 500_000, CLOCK))
    listener.wait(lambda: listener.states)
    neighbour.send(can.Message(arbitration_id=0x0CFF1001, data=b"\1\2"))
    neighbour.send(can.Message(arbitration_id=0x123, is_extended_id=False, is_fd=True, data=bytes(range(12))))
    listener.wait(lambda: len(listener.heard) == 2)
    assert [frame for frame, _ in listener.heard] == [
        BusFrame("can0", 0x0CFF1001, True, b"\1\2"), BusFrame("can0", 0x123, False, bytes(range(12)))]
    source.send(BusFrame("can0", 0x0CFF8080, True, b"\7"))
    heard: Any = None
    while heard is None or heard.arbitration_id != 0x0CFF8080:  # multicast gives its own frames back
        heard = neighbour.recv(PATIENCE_S)
        assert heard is not None
    assert (bytes(heard.data), source.counts()["fd"]) == (b"\7", 1)
    neighbour.shutdown()


def test_our_own_frames_do_not_come_back() -> None:
    """Multicast gives a sender its own frames too: they are left out, once each, and the same one of others is not."""
    if util.find_spec("msgpack") is None:
        pytest.skip("needs msgpack")
    ours = open_bus("can0", "udp_multicast", GROUP, 500_000, CLOCK)
    other = open_bus("can0", "udp_multicast", GROUP, 500_000, CLOCK)
    frame = BusFrame("can0", 0x0CFF8080, True, b"\7")
    ours.send(frame, 1.0)
    assert [found for found, _ in other.read(PATIENCE_S)] == [frame]
    assert ours.read(0.2) == []
    other.send(frame, 1.0)
    assert [found for found, _ in ours.read(PATIENCE_S)] == [frame]
    ours.close()
    other.close()


def test_what_is_counted() -> None:
    """Error and remote frames are counted and not handed over; frames get the time of reading, and bits are summed."""
    neighbour = can.Bus(interface="virtual", channel="counted")
    bus = open_bus("can0", "virtual", "counted", 500_000, CLOCK)
    assert isinstance(bus, PythonCanBus)
    before = CLOCK.mono_ns()
    for options in ({"is_error_frame": True}, {"is_remote_frame": True}, {"data": bytes(8)}):
        neighbour.send(can.Message(arbitration_id=1, is_extended_id=False, **options))  # type: ignore[arg-type]
    ((_, time_ns),) = bus.read(1.0)
    bits = 116  # 111 and their twentieth
    assert bus.counts() == {"error": 1, "remote": 1, "fd": 0, "bits": bits, "bad_lines": 0}
    assert before <= time_ns <= CLOCK.mono_ns()
    bus.close()
    neighbour.shutdown()


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without msgpack the words say what to type."""
    monkeypatch.setattr(python_can, "find_spec", lambda name: None)
    with pytest.raises(OSError, match=r"needs the package msgpack: type `pip install '2lbms\[multicast\]'`"):
        open_bus("can0", "udp_multicast", GROUP, 500_000, CLOCK)


def test_a_datagram_that_is_no_frame_is_counted() -> None:
    """Whatever else speaks on the multicast group takes no bus down."""
    ours = open_bus("can0", "udp_multicast", GROUP, 500_000, CLOCK)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            stranger.sendto(b"no frame", (GROUP, 43113))  # python-can's port
        until_s = time.monotonic() + 5
        while not ours.counts()["bad_lines"] and time.monotonic() < until_s:
            assert ours.read(0.1) == []
        assert ours.counts()["bad_lines"] == 1
    finally:
        ours.close()
