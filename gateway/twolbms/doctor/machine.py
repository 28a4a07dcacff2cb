"""What Linux tells of this machine in files: mounts, network interfaces, serial ports, who has a port open.

Every path starts at `root`, so that a test can hold a machine up to it. Judges nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_CAN = "280"  # ARPHRD_CAN of <linux/if_arp.h>


class Mount(NamedTuple):
    """What a path is mounted on: the folder, the kind of file system, whether it may be written."""

    point: str
    kind: str
    read_only: bool


class Holder(NamedTuple):
    """A process that has a file open."""

    pid: int
    program: str


class Machine:
    """This machine, as its kernel tells it."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    @property
    def is_pi(self) -> bool:
        """Whether this is a Raspberry Pi."""
        return "Raspberry Pi" in self._text("proc/device-tree/model")

    @property
    def overlays(self) -> list[str]:
        """The CAN overlays that the boot configuration names, e.g. "mcp2515-can0"; commented-out lines are none."""
        text = self._text("boot/firmware/config.txt") or self._text("boot/config.txt")
        return re.findall(r"^\s*dtoverlay=((?:mcp25|can|seeed-can|waveshare-can)[\w-]*)", text, re.MULTILINE)

    def interfaces(self) -> list[str]:
        """Every network interface."""
        try:
            return sorted(os.listdir(self.root / "sys/class/net"))
        except OSError:
            return []

    def can_interfaces(self) -> list[str]:
        """Those of them that are CAN buses."""
        return [name for name in self.interfaces() if self._text(f"sys/class/net/{name}/type").strip() == _CAN]

    def interface_up(self, name: str) -> bool | None:
        """Whether an interface is switched on, None when that is not told."""
        flags = self._text(f"sys/class/net/{name}/flags").strip()
        return bool(int(flags, 16) & 1) if re.fullmatch(r"0x[0-9a-f]+", flags) else None

    def serial_ports(self) -> list[str]:
        """Serial ports by a name that stays: /dev/serial/by-id/…, else the device itself."""
        named = sorted((self.root / "dev/serial/by-id").glob("*"))
        kinds = ("ttyUSB*", "ttyACM*", "serial[0-9]")
        plain = [path for kind in kinds for path in sorted((self.root / "dev").glob(kind))]
        return ["/" + str(path.relative_to(self.root)) for path in named or plain]

    def holders(self, device: Path) -> list[Holder]:
        """Other processes that have the device open; only those that the asking user may look into."""
        try:
            wanted = os.stat(device)
        except OSError:
            return []
        return [Holder(pid, self._text(f"proc/{pid}/comm").strip() or "?") for pid in self._pids()
                if pid != os.getpid() and any(_same(found, wanted) for found in self._open_files(pid))]

    def mount_of(self, path: Path) -> Mount | None:
        """What the path, or the nearest folder above it, is mounted on."""
        real, best = os.path.realpath(path), None
        for mount in parse_mounts(self._text("proc/self/mountinfo")):
            inside = mount.point == "/" or real == mount.point or real.startswith(mount.point + "/")
            if inside and (best is None or len(mount.point) >= len(best.point)):
                best = mount
        return best

    def _pids(self) -> list[int]:
        try:
            return [int(name) for name in os.listdir(self.root / "proc") if name.isdecimal()]
        except OSError:
            return []

    def _open_files(self, pid: int) -> Iterator[os.stat_result]:
        folder = self.root / f"proc/{pid}/fd"
        try:
            names = os.listdir(folder)
        except OSError:
            return
        for name in names:
            try:
                # Only a device of its own: following a link into a hanging network folder would hang too.
                if os.readlink(folder / name).startswith("/dev/"):
                    yield os.stat(folder / name)
            except OSError:
                continue

    def _text(self, path: str) -> str:
        try:
            return (self.root / path).read_text(errors="replace")
        except OSError:
            return ""


def _same(one: os.stat_result, two: os.stat_result) -> bool:
    return (one.st_rdev, one.st_ino, one.st_dev) == (two.st_rdev, two.st_ino, two.st_dev)


def parse_mounts(text: str) -> list[Mount]:
    """The lines of /proc/self/mountinfo, see proc_pid_mountinfo(5); a later one lies over an earlier."""
    found = []
    for line in text.splitlines():
        front, dash, back = line.partition(" - ")
        fields, kind = front.split(" "), back.split(" ")
        if dash and len(fields) >= 6 and len(kind) >= 3:
            options = {*fields[5].split(","), *kind[2].split(",")}
            point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
            found.append(Mount(point, kind[0], "ro" in options))
    return found
