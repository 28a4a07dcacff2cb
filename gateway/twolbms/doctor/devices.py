"""A device on a serial port that no gateway holds: does it speak, and is it what the site file says."""

from __future__ import annotations

from collections.abc import Iterator

from twolbms.config.devices import Device
from twolbms.devices.kinds import KINDS
from twolbms.doctor.foreign import speaker
from twolbms.doctor.machine import Machine
from twolbms.doctor.ports import hear, look_at_port
from twolbms.doctor.rules import Finding, Rule, Rules

LISTEN_S = 3.0

told = Rules(
    Rule("device.good", "good", "{title} heard through {port}{details}"),
    Rule("device.silent", "bad", "{port} can be opened, and nothing came in {seconds:g} s",
         "is it on, and its cable plugged in at both ends? A VE.Direct cable is no USB cable with other plugs"),
    Rule("device.damaged", "bad", "{port} says something like {title}, and no whole answer came in {seconds:g} s",
         "check the cable; does another program read this port too? type: sudo fuser -v {port}"),
    Rule("device.stranger", "bad", "{port} is no {title}: it {speaker}",
         "name the right port of this device in {site}; a name below /dev/serial/by-id stays the same"),
)


def check_device(device: Device, machine: Machine, site: object, seconds: float = LISTEN_S) -> Iterator[Finding]:
    """Listens until one whole answer has come."""
    subject, kind = f"device {device.name}", KINDS[device.kind]
    trouble = look_at_port(subject, device.port, machine, site)
    if trouble is not None:
        yield trouble
        return
    talk, taken, readings, texts = kind.talk(), 0, 0, dict[str, str]()

    def enough(raw: bytes) -> bool:
        nonlocal taken, readings
        for reading in talk.feed(raw[taken:]):
            readings += 1
            texts.update(reading.texts)
        taken = len(raw)
        return readings > 0

    heard = hear(subject, device.port, kind.line, talk.poll(0), b"", seconds, enough, site, machine)
    facts = {"port": device.port, "title": kind.title, "seconds": seconds, "site": site}
    if readings:
        words = ", ".join(kind.describe(texts).values())
        yield told("device.good", subject, details=f": {words}" if words else "", **facts)
    elif heard.finding is not None:
        yield heard.finding
    elif not heard.raw:
        yield told("device.silent", subject, **facts)
    elif talk.counts.get("damaged"):
        yield told("device.damaged", subject, **facts)
    else:
        yield told("device.stranger", subject, speaker=speaker(heard.raw), **facts)
