"""A serial port, or a TCP port in its place: is it there, may it be opened, who else has it, what does it say.

For buses and devices alike. Opens a port that nobody has, for a few seconds.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from twolbms.devices.kinds import Line
from twolbms.doctor.closed import closed
from twolbms.doctor.machine import Machine
from twolbms.doctor.people import group_of, me
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.sources.serial_port import close_port, open_port

_CHUNK = 4096
_MOST_BYTES = 1 << 18
_MEMORY_DEVICES = 1  # /dev/null, zero and their like, which every program has open (devices.txt of the kernel)

told = Rules(
    Rule("port.absent", "bad", "{port} is not there; {there}",
         "plug it in, or correct its name in {site}: a name below /dev/serial/by-id stays the same"),
    Rule("port.not_serial", "bad", "{port} is {what}, no serial port", "correct its name in {site}; {there}"),
    Rule("port.forbidden", "bad", "{port} belongs to the group {group}, and {me} is not in it",
         "type: sudo usermod -aG {group} {me}; then log in again (or restart the gateway's service)"),
    Rule("port.busy", "bad", "{port} is open in another program: {program} (process {pid})",
         "stop that program; if it is ModemManager, type: sudo systemctl disable --now ModemManager"),
    Rule("port.locked", "bad", "{port} is locked by another program",
         "see which one: sudo fuser -v {port}; then stop it"),
    Rule("port.refused", "bad", "nobody listens on {port}: the connection was refused",
         "start what serves this port, or correct the address in {site}"),
    Rule("port.no_host", "bad", "{port}: no host of this name is known",
         "correct the address in {site}, or write the host's number instead of its name"),
    Rule("port.no_answer", "bad", "{port}: nobody answered in time", "is the other machine on and in this network?"),
    Rule("port.failed", "bad", "{port} cannot be opened: {reason}", "unplug it and plug it in again; then type: "
         "dmesg | tail"),
    Rule("port.hung_up", "bad", "{port} hung up: what serves it closed the connection",
         "look at the program that serves this port: it may take one client only, or have ended"),
    Rule("port.gone", "bad", "{port} went away while it was listened to", "check its cable and its supply"),
)


class Heard(NamedTuple):
    """What came from a port. `finding` tells why nothing could; otherwise it is None."""

    raw: bytes
    finding: Finding | None = None


def look_at_port(subject: str, port: str, machine: Machine, site: object) -> Finding | None:
    """What is wrong with a port before it is opened. A TCP port shows nothing before that."""
    if "://" in port:
        return None
    if hidden := closed(subject, Path(port), site):
        return hidden
    try:
        found = os.stat(port)
    except (OSError, ValueError):
        return told("port.absent", subject, port=port, there=_there(machine), site=site)
    if not stat.S_ISCHR(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "a file"
        return told("port.not_serial", subject, port=port, what=what, there=_there(machine), site=site)
    if os.major(found.st_rdev) == _MEMORY_DEVICES:
        return told("port.not_serial", subject, port=port, what="another kind of device", there=_there(machine),
                    site=site)
    if not os.access(port, os.R_OK | os.W_OK, effective_ids=True):
        return told("port.forbidden", subject, port=port, group=group_of(found.st_gid), me=me())
    for holder in machine.holders(Path(port)):
        return told("port.busy", subject, port=port, program=holder.program, pid=holder.pid)
    return None


def hear(subject: str, port: str, line: Line, say: bytes, last_words: bytes, seconds: float,
         enough: Callable[[bytes], bool], site: object, machine: Machine) -> Heard:
    """Opens the port, says `say`, listens until it is enough or the time is over, says `last_words`, closes it."""
    try:
        opened = open_port(port, line)
    except Exception as error:  # drivers raise what they like
        return Heard(b"", _not_opened(subject, port, error, site, machine))
    raw = bytearray()
    try:
        if say:
            opened.write(say)
        fd, until = opened.fileno(), time.monotonic() + seconds
        while len(raw) < _MOST_BYTES and not enough(bytes(raw)):
            left = until - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                break
            chunk = os.read(fd, _CHUNK)
            if not chunk:
                return Heard(bytes(raw), _gone(subject, port))
            raw += chunk
        if last_words:
            opened.write(last_words)
    except Exception:
        return Heard(bytes(raw), _gone(subject, port))
    finally:
        close_port(opened)
    return Heard(bytes(raw))


def _gone(subject: str, port: str) -> Finding:
    return told("port.hung_up" if "://" in port else "port.gone", subject, port=port)


def _not_opened(subject: str, port: str, error: Exception, site: object, machine: Machine) -> Finding:
    inner = error.__context__ if isinstance(error.__context__, OSError | termios.error) else error
    number = inner.args[0] if isinstance(inner, termios.error) else getattr(inner, "errno", None)
    if number in (errno.ENOTTY, errno.EINVAL):  # a character device that has no baud rate, such as /dev/zero
        return told("port.not_serial", subject, port=port, what="another kind of device", there=_there(machine),
                    site=site)
    if isinstance(inner, socket.gaierror | UnicodeError):
        return told("port.no_host", subject, port=port, site=site)
    if isinstance(inner, TimeoutError) or number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return told("port.no_answer", subject, port=port)
    if number == errno.ECONNREFUSED:
        return told("port.refused", subject, port=port, site=site)
    if number in (errno.EAGAIN, errno.EBUSY):
        return told("port.locked", subject, port=port)
    return told("port.failed", subject, port=port, reason=getattr(inner, "strerror", None) or inner)


def _there(machine: Machine) -> str:
    found = machine.serial_ports()
    return f"here is {', '.join(found)}" if found else "no serial port is here"
