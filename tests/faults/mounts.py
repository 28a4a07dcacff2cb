"""Real file systems for faults of a disk: a small tmpfs, and an ext4 on a loop device that the kernel makes read-only.

Needs root and the right to mount; `missing()` says what is not there. Everything is unmounted at the end.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60)


def missing(*programs: str) -> str | None:
    """What a mount needs and is not here: a program, root, or the right to mount."""
    for program in ("mount", "umount", *programs):
        if shutil.which(program) is None and not Path("/usr/sbin", program).exists():
            return program
    if os.geteuid() != 0:
        return "root"
    return None if _run("unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt").returncode == 0 else "mount"


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs of this size on the folder."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "faults", str(folder)], check=True)
    try:
        yield folder
    finally:
        _run("umount", "-l", str(folder))


def fill(folder: Path) -> Path:
    """Fills the file system of a folder to the last byte; the file that does."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


class Card:
    """An ext4 in a file, mounted as a memory card is."""

    def __init__(self, image: Path, folder: Path, megabytes: int = 32) -> None:
        self.image, self.folder = image, folder
        folder.mkdir(parents=True)
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)

    def mount(self) -> None:
        """Puts it in. The first error of its file system makes it read-only, as on most Pis."""
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.folder)], check=True)

    def break_it(self) -> None:
        """The kernel finds an error in it, under open files."""
        device = Path(_run("findmnt", "-n", "-o", "SOURCE", str(self.folder)).stdout.strip()).name
        Path("/sys/fs/ext4", device, "trigger_fs_error").write_text("fault\n")

    def writable(self) -> bool:
        """Whether a file can be made on it."""
        try:
            (self.folder / "probe").touch()
        except OSError:
            return False
        return True

    def take_out(self) -> None:
        """Unmounts it, also under open files."""
        _run("umount", "-l", str(self.folder))

    def mend(self, within_s: float = 30.0) -> None:
        """fsck, once nobody holds it any more."""
        until = time.monotonic() + within_s
        while _run("losetup", "-j", str(self.image)).stdout and time.monotonic() < until:
            time.sleep(0.1)
        done = _run("fsck.ext4", "-f", "-y", str(self.image))
        if done.returncode > 2:
            raise RuntimeError(f"fsck: {done.stdout}{done.stderr}")


def breakable() -> str | None:
    """What `Card` needs and is not here."""
    lacking = missing("mkfs.ext4", "losetup", "findmnt", "fsck.ext4")
    return "loop devices" if lacking is None and not Path("/dev/loop-control").exists() else lacking
