"""One bus of a site that no gateway holds: looked at from outside, then opened as the gateway would."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twolbms.config.buses import Bus
from twolbms.doctor.links import Link
from twolbms.doctor.listening import check_socketcan_traffic, check_udp, check_virtual
from twolbms.doctor.machine import Machine
from twolbms.doctor.rules import Finding
from twolbms.doctor.sketch import Sketch
from twolbms.doctor.slcan import check_slcan
from twolbms.doctor.socketcan import ask_ip, check_interface

AskIp = Callable[[], dict[str, Link] | None]


def check_bus(bus: Bus, sketch: Sketch, machine: Machine, ask: AskIp = ask_ip) -> Iterator[Finding]:
    """Everything that can be found out about a bus in a few seconds."""
    if bus.interface == "slcan":
        yield from check_slcan(bus, machine, sketch.file)
    elif bus.interface == "socketcan":
        yield from _socketcan(bus, sketch, machine, ask)
    elif bus.interface == "udp_multicast":
        yield from check_udp(bus)
    else:
        yield from check_virtual(bus)


def _socketcan(bus: Bus, sketch: Sketch, machine: Machine, ask: AskIp) -> Iterator[Finding]:
    findings = list(check_interface(bus, sketch.file, ask(), machine))
    yield from findings
    if all(finding.state != "bad" for finding in findings):
        yield from check_socketcan_traffic(bus)
