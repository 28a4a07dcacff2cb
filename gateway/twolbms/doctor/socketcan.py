"""CAN interfaces of the kernel: are they there, on, at the right bit rate, and well. Pure but for `ask_ip`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

from twolbms.config.buses import Bus
from twolbms.doctor.links import Link, parse_links
from twolbms.doctor.machine import Machine
from twolbms.doctor.rules import Finding, Rule, Rules

_IP_WITHIN_S = 3.0
_VIRTUAL = ("vcan", "vxcan")

told = Rules(
    Rule("can.good", "good", "{channel} is on{details}"),
    Rule("can.absent", "bad", "there is no interface {channel}; {there}",
         "plug the adapter in and look what appears: ip link; or correct `channel` of this bus in {site}"),
    Rule("can.no_vcan", "bad", "there is no interface {channel}; {there}",
         "type: sudo ip link add {channel} type vcan && sudo ip link set {channel} up"),
    Rule("can.no_overlay", "bad", "there is no interface {channel}, and config.txt names no CAN overlay",
         "for a HAT with an MCP2515 add to /boot/firmware/config.txt: dtparam=spi=on and "
         "dtoverlay=mcp2515-can0,oscillator=12000000,interrupt=25 (the oscillator is printed on the crystal), then "
         "restart"),
    Rule("can.overlay_failed", "bad", "there is no interface {channel}, although config.txt names {overlays}",
         "type: dmesg | grep -i -e mcp25 -e spi; wrong `interrupt`, or the HAT is not seated"),
    Rule("can.not_can", "bad", "{channel} is no CAN bus; {there}", "correct `channel` of this bus in {site}"),
    Rule("can.down", "bad", "{channel} is switched off",
         "type: sudo ip link set {channel} up type can bitrate {bitrate} restart-ms 100"),
    Rule("can.virtual_down", "bad", "{channel} is switched off", "type: sudo ip link set {channel} up"),
    Rule("can.bit_rate", "bad", "{channel} runs at {found} bit/s, and {site} says {bitrate}",
         "type: sudo ip link set {channel} down && sudo ip link set {channel} up type can bitrate {bitrate} "
         "restart-ms 100; or correct `bitrate` in {site}"),
    Rule("can.bus_off", "bad", "{channel} is bus-off: it gave up after too many errors of its own",
         "check the bit rate, H and L swapped, and 60 Ohm between H and L without power; then type: sudo ip link set "
         "{channel} down && sudo ip link set {channel} up"),
    Rule("can.error_passive", "bad", "{channel} is error-passive (send errors {tx}, receive errors {rx}): nobody "
         "answers it, or the bus is disturbed",
         "is another node on and on this bus? Check the bit rate, H and L, and 60 Ohm between H and L without power"),
    Rule("can.error_warning", "warn", "{channel} warns of errors (send {tx}, receive {rx})",
         "check termination (60 Ohm between H and L without power) and the cable's shield"),
    Rule("can.no_restart", "warn", "{channel} stays off for good after a bus-off: restart-ms is 0",
         "type: sudo ip link set {channel} down && sudo ip link set {channel} up type can bitrate {bitrate} "
         "restart-ms 100"),
    Rule("can.listen_only", "warn", "{channel} only listens: the gateway cannot ask its nodes for anything",
         "type: sudo ip link set {channel} down && sudo ip link set {channel} up type can bitrate {bitrate} "
         "listen-only off"),
    Rule("can.overruns", "warn", "{channel} lost {overruns} frames since it was switched on: its receive buffer ran "
         "over", "an MCP2515 has room for two frames: take an MCP2518FD HAT or a USB adapter for a full bus"),
    Rule("can.bus_offs", "warn", "{channel} was bus-off {count} times since it was switched on",
         "check termination (60 Ohm between H and L without power), H and L, and every node's bit rate"),
)


def ask_ip() -> dict[str, Link] | None:
    """Every interface as `ip` tells it; None where there is no `ip` or it cannot be understood."""
    program = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "-details", "-statistics", "-json", "link", "show"], capture_output=True,
                              text=True, timeout=_IP_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_links(done.stdout)


def check_interface(bus: Bus, site: object, links: dict[str, Link] | None, machine: Machine) -> Iterator[Finding]:
    """One interface. With a bad finding there is no use in opening it."""
    subject, channel = f"bus {bus.name}", bus.channel
    if channel not in machine.interfaces() and channel not in (links or {}):
        yield _absent(subject, channel, site, machine)
        return
    link = (links or {}).get(channel)
    if channel not in machine.can_interfaces() and (link is None or link.kind not in ("can", *_VIRTUAL)):
        yield told("can.not_can", subject, channel=channel, there=_there(machine), site=site)
        return
    if link is None:
        link = Link(channel, None, machine.interface_up(channel) is not False)
    yield from judge_link(subject, link, bus.bitrate, site)


def judge_link(subject: str, link: Link, bitrate: int, site: object) -> Iterator[Finding]:
    """What its state says; one finding at least."""
    facts = {"channel": link.name, "bitrate": bitrate, "site": site}
    if not link.up:
        yield told("can.virtual_down" if link.kind in _VIRTUAL else "can.down", subject, **facts)
        return
    findings = [*_wrong(subject, link, facts), *_doubtful(subject, link, facts)]
    if not findings:
        rate = f" at {link.bitrate} bit/s" if link.bitrate else ""
        yield told("can.good", subject, channel=link.name, details=rate)
    yield from findings


def _wrong(subject: str, link: Link, facts: dict[str, object]) -> Iterator[Finding]:
    if link.bitrate is not None and link.bitrate != facts["bitrate"]:
        yield told("can.bit_rate", subject, found=link.bitrate, **facts)
    rule = {"BUS-OFF": "can.bus_off", "ERROR-PASSIVE": "can.error_passive",
            "ERROR-WARNING": "can.error_warning"}.get(link.state or "")
    if rule:
        yield told(rule, subject, tx=_count(link.tx_errors), rx=_count(link.rx_errors), **facts)


def _doubtful(subject: str, link: Link, facts: dict[str, object]) -> Iterator[Finding]:
    if link.restart_ms == 0:
        yield told("can.no_restart", subject, **facts)
    if link.listen_only:
        yield told("can.listen_only", subject, **facts)
    if link.overruns:
        yield told("can.overruns", subject, overruns=link.overruns, **facts)
    if link.bus_offs and link.state != "BUS-OFF":
        yield told("can.bus_offs", subject, count=link.bus_offs, **facts)


def _count(value: int | None) -> str:
    return "not told" if value is None else str(value)


def _absent(subject: str, channel: str, site: object, machine: Machine) -> Finding:
    facts = {"channel": channel, "site": site, "there": _there(machine)}
    if channel.startswith("vcan"):
        return told("can.no_vcan", subject, **facts)
    if machine.is_pi and not machine.can_interfaces():
        if overlays := machine.overlays:
            return told("can.overlay_failed", subject, overlays=", ".join(overlays), **facts)
        return told("can.no_overlay", subject, **facts)
    return told("can.absent", subject, **facts)


def _there(machine: Machine) -> str:
    found = machine.can_interfaces()
    if found:
        return f"there is {', '.join(found)}"
    others = [name for name in machine.interfaces() if name != "lo"]
    return f"no CAN interface is here (only {', '.join(others)})" if others else "no CAN interface is here"
