"""An slcan adapter: does it answer as one, and does the bus behind it speak. Closes what it opened."""

from __future__ import annotations

from collections.abc import Iterator

from twolbms.config.buses import Bus
from twolbms.devices.kinds import Line
from twolbms.doctor.foreign import slcan_speech, speaker
from twolbms.doctor.machine import Machine
from twolbms.doctor.ports import hear, look_at_port
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.sources.slcan_lines import BITRATES

LISTEN_S = 2.0
ENOUGH_FRAMES = 20  # a node alone sends more than that in a second
_BAUD = 115_200  # without meaning on USB and TCP

told = Rules(
    Rule("slcan.good", "good", "{frames} frames heard in {seconds:g} s or less through {channel}"),
    Rule("slcan.silent", "bad", "{channel} answers, and no frame came in {seconds:g} s",
         "is a node on? Check H and L, 60 Ohm between them without power, and that all speak {bitrate} bit/s"),
    Rule("slcan.mute", "bad", "{channel} can be opened, and nothing at all came in {seconds:g} s: no frame, no answer "
         "to slcan commands",
         "is this an slcan adapter? One with the candleLight (gs_usb) firmware is a network interface: use interface: "
         "socketcan"),
    Rule("slcan.stranger", "bad", "{channel} {speaker}",
         "name the CAN adapter's port as `channel` of this bus in {site}"),
)


def check_slcan(bus: Bus, machine: Machine, site: object, seconds: float = LISTEN_S) -> Iterator[Finding]:
    """Opens the adapter as the gateway would and listens."""
    subject = f"bus {bus.name}"
    facts = {"channel": bus.channel, "seconds": seconds, "site": site, "bitrate": bus.bitrate}
    port, baud = port_of(bus.channel)
    trouble = look_at_port(subject, port, machine, site)
    if trouble is not None:
        yield trouble
        return
    opening = b"\rC\rV\r%s\rO\r" % BITRATES[bus.bitrate]
    heard = hear(subject, port, Line(baud), opening, b"C\r", seconds,
                 lambda raw: slcan_speech(raw).frames >= ENOUGH_FRAMES, site, machine)
    if heard.finding is not None:
        yield heard.finding
        return
    speech = slcan_speech(heard.raw)
    if speech.frames:
        yield told("slcan.good", subject, frames=speech.frames, **facts)
    elif speech.answers:
        yield told("slcan.silent", subject, **facts)
    elif heard.raw:
        yield told("slcan.stranger", subject, speaker=speaker(heard.raw), **facts)
    else:
        yield told("slcan.mute", subject, **facts)


def port_of(channel: str) -> tuple[str, int]:
    """The port and its baud rate of a channel such as /dev/ttyUSB0@921600."""
    port, _, baud = channel.partition("@") if "://" not in channel else (channel, "", "")
    return port, int(baud) if baud.isdecimal() else _BAUD
