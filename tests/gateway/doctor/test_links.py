"""What `ip` says of CAN interfaces, as it prints it: shapes typed by hand after iproute2's own printing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.doctor.conftest import SITE, Sketched
from twolbms.doctor.links import Link, parse_links
from twolbms.doctor.machine import Machine
from twolbms.doctor.socketcan import ask_ip, check_interface, judge_link

SOCKETCAN = SITE.replace("virtual, channel: a", "socketcan, channel: can0")


def row(**changes: Any) -> dict[str, Any]:
    """A CAN interface that is on and well, as `ip -details -statistics -json link show` prints it."""
    data = {"ctrlmode": [], "state": "ERROR-ACTIVE", "berr_counter": {"tx": 0, "rx": 0}, "restart_ms": 100,
            "bittiming": {"bitrate": 500000, "sample_point": "0.875", "tq": 83, "prop_seg": 10, "phase_seg1": 10,
                          "phase_seg2": 3, "sjw": 1, "brp": 1}, "clock": 12000000}
    data |= {key: value for key, value in changes.items() if key not in ("flags", "bus_off", "over_errors", "kind")}
    flags = changes.get("flags", ["NOARP", "UP", "LOWER_UP", "ECHO"])
    return {"ifindex": 3, "ifname": "can0", "flags": flags, "mtu": 16, "qdisc": "pfifo_fast", "operstate": "UP",
            "group": "default", "txqlen": 10, "link_type": "can",
            "linkinfo": {"info_kind": changes.get("kind", "can"), "info_data": data,
                         "info_xstats": {"restarts": 0, "bus_error": 0, "arbitration_lost": 0, "error_warning": 0,
                                         "error_passive": 0, "bus_off": changes.get("bus_off", 0)}},
            "stats64": {"rx": {"bytes": 80, "packets": 10, "errors": 0, "dropped": 0,
                               "over_errors": changes.get("over_errors", 0), "multicast": 0},
                        "tx": {"bytes": 0, "packets": 0, "errors": 0, "dropped": 0}}}


LOOPBACK = {"ifindex": 1, "ifname": "lo", "flags": ["LOOPBACK", "UP"], "mtu": 65536, "link_type": "loopback"}


def link(**changes: Any) -> Link:
    links = parse_links(json.dumps([LOOPBACK, row(**changes)]))
    assert links is not None and set(links) == {"lo", "can0"}
    return links["can0"]


def ids(found: Link, bitrate: int = 500_000) -> list[str]:
    return [finding.id for finding in judge_link("bus can0", found, bitrate, "site.yaml")]


def test_everything_that_is_told() -> None:
    """Kind, state, rate, sample point, restart, error counters and counts are read."""
    assert link(bus_off=2, over_errors=7) == Link(
        "can0", "can", True, "ERROR-ACTIVE", 500_000, 0.875, 100, False, False, 0, 0, 2, 7)


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, ["can.good"]),
    ({"flags": ["NOARP", "ECHO"], "state": "STOPPED"}, ["can.down"]),
    ({"bittiming": {"bitrate": 250000}}, ["can.bit_rate"]),
    ({"state": "BUS-OFF"}, ["can.bus_off"]),
    ({"state": "ERROR-PASSIVE", "berr_counter": {"tx": 128, "rx": 0}}, ["can.error_passive"]),
    ({"state": "ERROR-WARNING"}, ["can.error_warning"]),
    ({"restart_ms": 0}, ["can.no_restart"]),
    ({"restart_ms": None}, ["can.no_restart"]),
    ({"ctrlmode": ["LISTEN-ONLY"]}, ["can.listen_only"]),
    ({"over_errors": 31}, ["can.overruns"]),
    ({"bus_off": 3}, ["can.bus_offs"]),
    ({"state": "BUS-OFF", "bus_off": 1, "restart_ms": 0, "bittiming": {"bitrate": 125000}},
     ["can.bit_rate", "can.bus_off", "can.no_restart"]),
])
def test_what_a_link_says(changes: dict[str, Any], expected: list[str]) -> None:
    """Each state of an interface is its own finding; all of them are told."""
    assert ids(link(**changes)) == expected


def test_the_words_and_the_cure() -> None:
    """Error counters are in the sentence, and the command has the site's bit rate."""
    (passive,) = judge_link("bus can0", link(state="ERROR-PASSIVE", berr_counter={"tx": 128, "rx": 5}), 500_000, "s")
    assert "(send errors 128, receive errors 5)" in passive.sentence and "60 Ohm" in passive.do
    (down,) = judge_link("bus can0", link(flags=[]), 250_000, "s")
    assert down.do == "type: sudo ip link set can0 up type can bitrate 250000 restart-ms 100"


def test_a_virtual_interface_has_no_rate() -> None:
    """A vcan that is on is good, without rate and restart; one that is off needs no rate to be switched on."""
    rows = [{"ifname": "vcan0", "flags": ["NOARP", "UP"], "linkinfo": {"info_kind": "vcan"}},
            {"ifname": "vcan1", "flags": ["NOARP"], "linkinfo": {"info_kind": "vcan"}}]
    links = parse_links(json.dumps(rows))
    assert links is not None
    assert ids(links["vcan0"]) == ["can.good"] and ids(links["vcan1"]) == ["can.virtual_down"]


@pytest.mark.parametrize("text", ["", "{}", "[[]]", "[1]", '[{"ifname": 3}]', "[" * 100_000, "null",
                                  '[{"ifname": "can0", "linkinfo": {"info_data": []}, "flags": {}}]'])
def test_text_that_is_no_answer(text: str) -> None:
    """Whatever `ip` prints, nothing is raised."""
    links = parse_links(text)
    assert links is None or set(links) <= {"can0"}


def test_the_real_ip_is_understood() -> None:
    """Where `ip` is installed, its real answer has the interfaces of this machine."""
    links = ask_ip()
    if links is None:
        pytest.skip("needs ip")
    assert set(Machine().interfaces()) <= set(links) | {"bonding_masters"}


def interfaces(machine: Machine, **types: int) -> None:
    """Network interfaces in sysfs, each with its type: 280 is CAN."""
    for name, number in types.items():
        folder = machine.root / "sys/class/net" / name
        folder.mkdir(parents=True)
        (folder / "type").write_text(f"{number}\n")
        (folder / "flags").write_text("0x40081\n")


def absent(sketched: Sketched, machine: Machine, channel: str = "can0") -> tuple[str, str]:
    bus = sketched(SOCKETCAN.replace("can0}", f"{channel}}}")).buses[0]
    (finding,) = check_interface(bus, "site.yaml", None, machine)
    return finding.id, finding.sentence


def test_an_interface_that_is_not_there(sketched: Sketched, machine: Machine) -> None:
    """The interfaces that are there instead are named; only a CAN interface is one."""
    interfaces(machine, lo=772, eth0=1)
    assert absent(sketched, machine) == (
        "can.absent", "there is no interface can0; no CAN interface is here (only eth0)")
    interfaces(machine, can1=280)
    assert absent(sketched, machine) == ("can.absent", "there is no interface can0; there is can1")
    assert absent(sketched, machine, "eth0")[0] == "can.not_can"
    assert absent(sketched, machine, "vcan0")[0] == "can.no_vcan"


def test_a_hat_without_its_overlay(sketched: Sketched, machine: Machine) -> None:
    """On a Raspberry Pi the boot configuration tells whether the HAT was ever named there."""
    interfaces(machine, lo=772)
    (machine.root / "proc/device-tree").mkdir(parents=True)
    (machine.root / "proc/device-tree/model").write_text("Raspberry Pi 4 Model B Rev 1.4\0")
    config = machine.root / "boot/firmware/config.txt"
    config.parent.mkdir(parents=True)
    config.write_text("dtparam=audio=on\n#dtoverlay=mcp2515-can0,oscillator=12000000\n")
    assert absent(sketched, machine)[0] == "can.no_overlay"
    config.write_text("dtparam=spi=on\ndtoverlay=mcp2515-can0,oscillator=16000000,interrupt=25\n")
    assert absent(sketched, machine) == (
        "can.overlay_failed", "there is no interface can0, although config.txt names mcp2515-can0")


def test_without_ip_sysfs_tells(sketched: Sketched, machine: Machine) -> None:
    """Where `ip` is not installed, on and off are still told."""
    interfaces(machine, can0=280)
    bus = sketched(SOCKETCAN).buses[0]
    assert [finding.id for finding in check_interface(bus, "s", None, machine)] == ["can.good"]
    (machine.root / "sys/class/net/can0/flags").write_text("0x40080\n")
    assert [finding.id for finding in check_interface(bus, "s", None, machine)] == ["can.down"]
