"""Listens to a bus of the kernel or of UDP for a moment: frames, error frames, or silence. Sends nothing."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

from twolbms.config.buses import Bus
from twolbms.doctor.rules import Finding, Rule, Rules

LISTEN_S = 2.0
ENOUGH_FRAMES = 20
_ERROR_FLAG = 0x20000000  # CAN_ERR_FLAG of <linux/can.h>
_ALL_ERRORS = 0x1FFFFFFF
_CAN_RAW_ERR_FILTER = 2
_CAN_RAW_FD_FRAMES = 5
_LARGEST = 72  # bytes of a struct canfd_frame

told = Rules(
    Rule("listen.good", "good", "{frames} frames heard in {seconds:g} s or less on {channel}"),
    Rule("listen.silent", "bad", "{channel} can be opened, and no frame came in {seconds:g} s",
         "is a node on? Check H and L, 60 Ohm between them without power, and that all speak {bitrate} bit/s"),
    Rule("listen.errors_only", "bad", "{errors} error frames and no good one came on {channel} in {seconds:g} s",
         "most likely a wrong bit rate or oscillator: all on this bus must speak {bitrate} bit/s; check H and L, and "
         "60 Ohm between them without power"),
    Rule("listen.failed", "bad", "{channel} cannot be opened: {reason}", "type: ip -details link show {channel}"),
    Rule("listen.udp_failed", "bad", "{channel} cannot be opened: {reason}",
         "is this machine in a network with a multicast route? type: ip route get {channel}"),
    Rule("listen.udp_silent", "warn", "nothing was sent to {channel} in {seconds:g} s",
         "start what sends there; it must run on this machine or in its network"),
    Rule("listen.virtual", "unknown", "{channel} exists only within one program: nothing can be seen from outside",
         "look at the program that uses it"),
)


class Traffic(NamedTuple):
    """What came in a while."""

    frames: int
    errors: int


def hear_socketcan(channel: str, seconds: float = LISTEN_S) -> Traffic:
    """Counts frames and error frames on an interface. Raises OSError when it cannot be opened or goes."""
    with socket.socket(socket.AF_CAN, socket.SOCK_RAW, socket.CAN_RAW) as bus:
        bus.setsockopt(socket.SOL_CAN_RAW, _CAN_RAW_ERR_FILTER, struct.pack("=I", _ALL_ERRORS))
        bus.setsockopt(socket.SOL_CAN_RAW, _CAN_RAW_FD_FRAMES, 1)
        bus.bind((channel,))
        return _count(bus, seconds)


def _count(bus: socket.socket, seconds: float) -> Traffic:
    until, frames, errors = time.monotonic() + seconds, 0, 0
    while frames < ENOUGH_FRAMES and (left := until - time.monotonic()) > 0:
        bus.settimeout(left)
        try:
            raw = bus.recv(_LARGEST)
        except TimeoutError:
            break
        if struct.unpack_from("=I", raw)[0] & _ERROR_FLAG:
            errors += 1
        else:
            frames += 1
    return Traffic(frames, errors)


def check_socketcan_traffic(bus: Bus, seconds: float = LISTEN_S) -> Iterator[Finding]:
    """An interface that is on."""
    facts = {"channel": bus.channel, "seconds": seconds, "bitrate": bus.bitrate}
    try:
        traffic = hear_socketcan(bus.channel, seconds)
    except OSError as error:
        yield told("listen.failed", f"bus {bus.name}", reason=error.strerror or error, **facts)
        return
    yield judge_traffic(f"bus {bus.name}", traffic, facts)


def judge_traffic(subject: str, traffic: Traffic, facts: dict[str, object]) -> Finding:
    """Good frames, errors alone, or nothing."""
    rule = "listen.good" if traffic.frames else "listen.errors_only" if traffic.errors else "listen.silent"
    return told(rule, subject, frames=traffic.frames, errors=traffic.errors, **facts)


def check_udp(bus: Bus, seconds: float = LISTEN_S) -> Iterator[Finding]:
    """A bus by UDP multicast, opened by python-can as the gateway does it."""
    import can

    subject, facts = f"bus {bus.name}", {"channel": bus.channel, "seconds": seconds}
    try:
        opened = can.Bus(interface="udp_multicast", channel=bus.channel, ignore_config=True)
    except Exception as error:  # drivers raise what they like
        yield told("listen.udp_failed", subject, reason=error, **facts)
        return
    try:
        until, frames = time.monotonic() + seconds, 0
        while frames < ENOUGH_FRAMES and (left := until - time.monotonic()) > 0:
            frames += opened.recv(left) is not None
    except Exception as error:
        yield told("listen.udp_failed", subject, reason=error, **facts)
        return
    finally:
        opened.shutdown()
    yield told("listen.good" if frames else "listen.udp_silent", subject, frames=frames, **facts)


def check_virtual(bus: Bus) -> Iterator[Finding]:
    """A bus within a program."""
    yield told("listen.virtual", f"bus {bus.name}", channel=bus.channel)
