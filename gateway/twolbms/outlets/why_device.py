"""What is wrong with a device, and what a person can do about it, as sentences. Pure; it judges nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twolbms.outlets.sentence import Sentence
from twolbms.outlets.words import capital, listing, span

Device = Mapping[str, Any]


def why_device(name: str, device: Device, *, quiet: bool = True) -> list[Sentence]:
    """Its trouble and its own alarms; when there is neither, nothing if `quiet`, else that all is well."""
    found = [sentence for sentence in (_trouble(name, device), _alarms(name, device)) if sentence is not None]
    return found or ([] if quiet else [_well(name, device)])


def _trouble(name: str, device: Device) -> Sentence | None:
    state, trouble = device.get("state"), device.get("trouble")
    if state == "down":
        text = (f"{capital(name)}: what it measures is not renewed and becomes unknown because its port "
                f"{device.get('port')} is down: {device.get('down_because')}{_heard(device)}.")
        return _of(name, device, text, "plug it in; its port is opened again by itself", "device_down")
    if not trouble:
        return None
    cause, _, look = trouble.partition("; ")
    if state == "silent":
        text = f"{capital(name)}: what it measures is unknown because it {cause}."
        return _of(name, device, text, look or "look at its cable", "device_silent")
    return _of(name, device, f"{capital(name)}: it is not always understood: {cause}.", look, "device_damage")


def _alarms(name: str, device: Device) -> Sentence | None:
    alarms = list(device.get("alarms") or [])
    if not alarms:
        return None
    at = f" at {device['pack']}" if device.get("pack") else ""
    when = "" if device.get("state") == "ok" else " when it was last heard"
    return _of(name, device, f"{capital(name)}{at}: it reports {listing(alarms)}{when}{_heard(device)}.",
               "look at what it measures; the thresholds of these alarms are set in the device itself", "device_alarm")


def _well(name: str, device: Device) -> Sentence:
    if device.get("state") == "starting":
        return _of(name, device, f"{capital(name)}: it has not been heard yet.", "wait some seconds", "device_starting")
    return _of(name, device, f"{capital(name)}: it is heard and reports no alarm{_heard(device)}.", "nothing to do",
               "device_well")


def _of(name: str, device: Device, text: str, now: str, by: str) -> Sentence:
    return Sentence(text, now, device.get("pack") or None, "device", by, age_s=device.get("age_s"))


def _heard(device: Device) -> str:
    age_s = device.get("age_s")
    return " (never heard)" if age_s is None else f" (heard {span(age_s)} ago)"
