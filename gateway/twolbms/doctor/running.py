"""Buses, packs, devices and outlets as the running gateway sees them, from its snapshots. Opens nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from twolbms.config.buses import Bus
from twolbms.config.devices import Device
from twolbms.config.site import PackEntry
from twolbms.doctor.gateway import APART_S, Asked
from twolbms.doctor.journal_health import span
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.outlets.heard import heard_s, silent

Json = Mapping[str, Any]

_BEHIND_S = 120.0
_LOADED = 0.7
_LOST_SHARE = 0.001  # of all frames; a few from when the gateway started are history
_STATES = {1: "error-warning", 2: "error-passive", 3: "bus-off"}

told = Rules(
    Rule("bus.good", "good", "the gateway hears it: {frames} frames in {seconds:g} s"),
    Rule("bus.down", "bad", "the gateway cannot use it: {why}", "mend this; the gateway opens the bus by itself then"),
    Rule("bus.silent", "bad", "the gateway has it open, and no frame came in {seconds:g} s",
         "is a node on? Check H and L, 60 Ohm between them without power, and that all speak {bitrate} bit/s"),
    Rule("bus.not_watched", "bad", "the running gateway does not know it: it started with another site file",
         "restart the gateway, so that it reads {site} anew"),
    Rule("bus.state", "bad", "its controller is {state}",
         "is another node on and on this bus? Check the bit rate, H and L, and 60 Ohm between H and L without power"),
    Rule("bus.alarm", "bad", "{text}",
         "frames lost: what else keeps this machine busy? type: top; a controller in trouble: check termination "
         "(60 Ohm between H and L without power), H and L, and every node's bit rate"),
    Rule("bus.dropped", "warn", "{count} frames were lost on their way since the gateway started",
         "what else keeps this machine busy? type: top; see docs/buses.md for the kernel's buffer"),
    Rule("bus.errors", "warn", "{count} error frames in {seconds:g} s",
         "check termination (60 Ohm between H and L without power), H and L, and the bit rate of every node"),
    Rule("bus.bad_frames", "warn", "{count} frames of our nodes were damaged in {seconds:g} s",
         "check termination (60 Ohm between H and L without power) and the cable's shield"),
    Rule("bus.loaded", "warn", "it is {percent:.0f} % full",
         "above 70 % frames of little urgency come late: split the bus"),
    Rule("pack.good", "good", "node {node} is heard, its limits are those of the file, {state}"),
    Rule("pack.unasked", "unknown", "no gateway runs, so node {node} was not asked", "start it: 2lbms run {site}"),
    Rule("pack.not_watched", "bad", "the running gateway does not know it: it started with another site file",
         "restart the gateway, so that it reads {site} anew"),
    Rule("pack.never", "bad", "node {node} was never heard on {bus}",
         "is it on, is {node} its number, and is it on this bus? Its number: 2lbms node check"),
    Rule("pack.silent", "bad", "node {node} has been silent for {age}", "check the node's supply and the bus"),
    Rule("pack.hash", "bad", "its node holds other limits than the file of {type}: nothing is allowed",
         "flash the node from the reviewed file, or give the gateway the file that the node has"),
    Rule("pack.hash_unknown", "warn", "its node has not told yet which limits it holds", "ask again in half a minute"),
    Rule("pack.twins", "bad", "two nodes answer as node {node}", "give one of them another number"),
    Rule("pack.protection", "bad", "{text}",
         "is there a second node {node}, or a gateway that repeats frames? Else check termination and cable"),
    Rule("pack.cells", "warn", "not every cell voltage is known",
         "check the sense wires; type: 2lbms view --once --site {site}"),
    Rule("pack.fault", "bad", "{text}", "type: 2lbms why {pack} --site {site}"),
    Rule("device.heard", "good", "the gateway hears it, last {age} ago"),
    Rule("device.trouble", "bad", "{trouble}", "mend this; the gateway takes the device up by itself then"),
    Rule("device.not_watched", "bad", "the running gateway does not know it: it started with another site file",
         "restart the gateway, so that it reads {site} anew"),
    Rule("device.starting", "unknown", "the gateway has just begun to listen to it", "ask again in ten seconds"),
    Rule("outlet.good", "good", "the gateway writes, {lag} behind"),
    Rule("outlet.refused", "bad", "the server refuses what the gateway writes: {error}",
         "see the findings about the database; the gateway tries again by itself each 30 s"),
    Rule("outlet.stopped", "bad", "the gateway does not write: {error}", "restart the gateway; its log says more"),
    Rule("outlet.waiting", "warn", "the gateway waits for the server{lag}: {error}",
         "nothing is lost, the journal keeps it: see the findings about the database"),
    Rule("outlet.behind", "warn", "the gateway writes and is {lag} behind",
         "after an outage it catches up by itself; ask again in some minutes, and look at the server if it grows"),
)


def check_running_bus(bus: Bus, asked: Asked, site: object) -> Iterator[Finding]:
    """A bus that the gateway holds."""
    subject = f"bus {bus.name}"
    first, second = _both(asked, "buses", bus.name)
    if second is None:
        yield told("bus.not_watched", subject, site=site)
        return
    if second.get("up") is not True:
        yield told("bus.down", subject, why=second.get("down_because") or "it has not been opened yet")
        return
    new = {key: _number(second, key) - _number(first or {}, key) for key in second}
    if new["frames"] > 0:
        yield told("bus.good", subject, frames=new["frames"], seconds=APART_S)
    else:
        yield told("bus.silent", subject, seconds=APART_S, bitrate=bus.bitrate)
    keys = (f"bus_lost {bus.name}", f"bus_state {bus.name}")
    alarms = [alarm for alarm in _alarms(asked) if alarm.get("alarm") in keys]
    yield from (told("bus.alarm", subject, text=alarm.get("text")) for alarm in alarms)
    if not alarms:
        yield from _bus_trouble(subject, second, new)
    yield from _bus_doubts(subject, second, new)


def _bus_trouble(subject: str, bus: Json, new: Mapping[str, int]) -> Iterator[Finding]:
    """What becomes an alarm of the gateway when it lasts."""
    if state := _STATES.get(_number(bus, "state")):
        yield told("bus.state", subject, state=state)
    lost = _number(bus, "frames_lost")
    if new.get("frames_lost", 0) > 0 or lost > _LOST_SHARE * _number(bus, "frames"):
        yield told("bus.dropped", subject, count=lost)


def _bus_doubts(subject: str, bus: Json, new: Mapping[str, int]) -> Iterator[Finding]:
    if new.get("error", 0) > 0:
        yield told("bus.errors", subject, count=new["error"], seconds=APART_S)
    if bad := sum(new.get(key, 0) for key in ("bad_check", "bad_counter", "short", "bad_page")):
        yield told("bus.bad_frames", subject, count=bad, seconds=APART_S)
    load = bus.get("load")
    if isinstance(load, int | float) and load > _LOADED:
        yield told("bus.loaded", subject, percent=100 * load)


def check_pack(entry: PackEntry, asked: Asked, site: object) -> Iterator[Finding]:
    """A pack and its node."""
    subject, facts = f"pack {entry.name}", {"node": entry.node, "bus": entry.bus, "site": site, "pack": entry.name}
    if asked.first is None:
        yield told("pack.unasked", subject, **facts)
        return
    _, pack = _both(asked, "packs", entry.name)
    if pack is None:
        yield told("pack.not_watched", subject, **facts)
        return
    findings = [*_pack_troubles(subject, pack, facts), *_pack_alarms(subject, asked, facts)]
    yield from findings or [told("pack.good", subject, state=pack.get("state") or "state unknown", **facts)]


def _pack_troubles(subject: str, pack: Json, facts: Json) -> Iterator[Finding]:
    if silent(pack):
        age_s = heard_s(pack)
        yield told("pack.never" if age_s is None else "pack.silent", subject, age=span(age_s or 0.0), **facts)
        return
    if pack.get("hash_ok") is False:
        yield told("pack.hash", subject, type=pack.get("type"), **facts)
    elif pack.get("hash_ok") is None:
        yield told("pack.hash_unknown", subject, **facts)
    if not pack.get("cells_whole", True):
        yield told("pack.cells", subject, **facts)
    for fault in pack.get("faults") or []:
        if fault.get("latched") or fault.get("tier") == "trip":
            yield told("pack.fault", subject, text=fault.get("text") or fault.get("limit"), **facts)


def _pack_alarms(subject: str, asked: Asked, facts: Json) -> Iterator[Finding]:
    for alarm in _alarms(asked):
        if alarm.get("pack") == facts["pack"] and alarm.get("alarm") in ("twins", "protection"):
            yield told(f"pack.{alarm['alarm']}", subject, text=alarm.get("text"), **facts)


def check_running_device(device: Device, asked: Asked, site: object) -> Iterator[Finding]:
    """A device that the gateway holds."""
    subject = f"device {device.name}"
    _, found = _both(asked, "devices", device.name)
    if found is None:
        yield told("device.not_watched", subject, site=site)
    elif found.get("trouble"):
        yield told("device.trouble", subject, trouble=found["trouble"])
    elif found.get("state") == "starting":
        yield told("device.starting", subject)
    else:
        yield told("device.heard", subject, age=span(found.get("age_s") or 0.0))


def check_outlets(asked: Asked) -> Iterator[Finding]:
    """How far behind each outlet is, and why."""
    for name, outlet in ((asked.second or asked.first or {}).get("outlets") or {}).items():
        lag_s, error = outlet.get("lag_s"), outlet.get("error") or "no reason told"
        lag = "an unknown time" if lag_s is None else span(lag_s)
        state = outlet.get("state")
        if state in ("refused", "stopped"):
            yield told(f"outlet.{state}", f"outlet {name}", error=error)
        elif state == "waiting":
            yield told("outlet.waiting", f"outlet {name}", error=error, lag="" if lag_s is None else f", {lag} behind")
        else:
            late = lag_s is not None and lag_s > _BEHIND_S
            yield told("outlet.behind" if late else "outlet.good", f"outlet {name}", lag=lag)


def _alarms(asked: Asked) -> list[Json]:
    return (asked.second or asked.first or {}).get("alarms") or []


def _both(asked: Asked, section: str, name: str) -> tuple[Json | None, Json | None]:
    """What both snapshots say of one thing; the second falls back on the first."""
    first: Json | None = ((asked.first or {}).get(section) or {}).get(name)
    second: Json | None = ((asked.second or {}).get(section) or {}).get(name)
    return first, second if second is not None else first


def _number(row: Json, key: str) -> int:
    value = row.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
