"""Recognises what speaks on a serial port by what it says: slcan, VE.Direct, a console, GPS, noise. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_FRAME = re.compile(rb"(?:^|[\r\a])(?:[tr][0-7][0-9A-Fa-f]{2}|[TR][01][0-9A-Fa-f]{7})([0-8])([0-9A-Fa-f]*)(?=[\r\a])")
_ANSWER = re.compile(rb"\a|(?<=\r)\r|^\r|(?:^|[\r\a])(?:V[0-9A-Fa-f]{4}|v\w{1,12}|N\w{4}|F[0-9A-Fa-f]{2}|[zZ])(?=\r)")

# What other devices say, and what they are.
_SPEAKERS = (
    (re.compile(rb"\r\n(?:PID|V|I|SOC|H\d+|Checksum)\t"), "VE.Direct: it is a Victron device"),
    (re.compile(rb"\$(?:GP|GN|GL|BD)[A-Z]{3},"), "NMEA: it is a GPS receiver"),
    (re.compile(rb">>> |MicroPython v"), "a MicroPython prompt: it is a node's own USB console"),
    (re.compile(rb"login: "), "a login prompt: it is another computer's console"),
    (re.compile(rb"OK\r\n|ERROR\r\n"), "modem commands: it is a modem"),
)
_PRINTABLE = frozenset(b"\r\n\t") | frozenset(range(0x20, 0x7F))
_TEXT_SHARE = 0.9


class SlcanSpeech(NamedTuple):
    """What an slcan adapter said: data and remote frames, and answers to commands."""

    frames: int
    answers: int


def slcan_speech(raw: bytes) -> SlcanSpeech:
    """How many whole frames and answers are in `raw`; both 0 for what is not slcan."""
    if raw.count(b"\n") > raw.count(b"\r") // 2:  # slcan knows no line feed
        return SlcanSpeech(0, 0)
    frames = sum(1 for found in _FRAME.finditer(b"\r" + raw)
                 if found[0].lstrip(b"\r\a")[:1] in b"rR" or len(found[2]) == 2 * int(found[1]))
    return SlcanSpeech(frames, len(_ANSWER.findall(raw)))


def speaker(raw: bytes) -> str:
    """What seems to speak there."""
    for pattern, what in _SPEAKERS:
        if pattern.search(raw):
            return f"speaks {what}"
    if slcan_speech(raw).frames:
        return "speaks slcan: it is a CAN adapter"
    printable = sum(byte in _PRINTABLE for byte in raw)
    if printable >= _TEXT_SHARE * len(raw):
        shown = raw[-40:].decode("ascii", "replace").strip().splitlines() or [""]
        return f"says text that nobody here knows ({shown[-1]!r})"
    return "sends bytes that make no sense: wrong baud rate or wrong device"
