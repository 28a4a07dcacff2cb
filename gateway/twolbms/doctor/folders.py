"""The folders the gateway writes: there, writable, its own, on a disk that stays and has room. Writes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from twolbms.config.path_state import state_of
from twolbms.doctor.closed import closed
from twolbms.doctor.machine import Machine
from twolbms.doctor.people import me, owner_of
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.doctor.sketch import Sketch
from twolbms.journal import FAMILIES, Retention

NEARLY_FULL_SHARE, NEARLY_FULL_BYTES = 0.05, 512 << 20
"""Warned of when both less than this share and less than these bytes are free."""
FULL_BYTES = 16 << 20
"""Two segments of the journal: below this it may stop at any moment."""

_GONE_AT_RESTART = ("tmpfs", "ramfs")
_MOST_FILES = 2000  # looked at for their owner; a journal of 1.4 GiB has 180

told = Rules(
    Rule("folder.good", "good", "{path} is writable, {free} free"),
    Rule("folder.new", "good", "{path} does not exist yet; the gateway makes it"),
    Rule("folder.cannot_be_made", "bad", "{path} does not exist and cannot be made: {parent} belongs to {owner}",
         "type: sudo install -d -o {me} {path}"),
    Rule("folder.not_a_folder", "bad", "{path} is a file; expected a folder",
         "move it away, or name another folder in {site}"),
    Rule("folder.not_writable", "bad", "{path} belongs to {owner} and cannot be written by {me}",
         "run this as the gateway's user, e.g.: sudo -u {owner} 2lbms doctor {site}; if that is {me}, type: "
         "sudo chown -R {me} {path}"),
    Rule("folder.other_owner", "bad", "{path} belongs to {owner}, but {count} files in it belong to {other}",
         "type: sudo chown -R {owner} {path}"),
    Rule("folder.read_only", "bad", "{path} lies on {point}, which is mounted read-only",
         "a card that fails is made read-only: look at it with: dmesg | grep -i -e mmc -e ext4 -e error"),
    Rule("folder.in_memory", "bad", "{path} lies in memory ({kind} on {point}): a restart or power cut loses it all",
         "name a folder on a disk as journal.folder in {site}"),
    Rule("folder.full", "bad", "only {free} are free on the disk of {path}",
         "make room: look what is large with: sudo du -xh / | sort -h | tail -20"),
    Rule("folder.nearly_full", "warn", "only {free} ({percent:.0f} %) are free on the disk of {path}",
         "make room, or keep less: journal.keep in {site}"),
    Rule("folder.keep_too_large", "warn", "the journal may grow by {growth} more, and {free} are free",
         "keep less: journal.keep in {site}, or use a larger disk; "
         "a full disk costs the oldest raw frames, then what is new"),
)


def check_run(sketch: Sketch, machine: Machine) -> Iterator[Finding]:
    """The folder of the socket and the cursors."""
    yield from check_folder("run folder", sketch.run, sketch, machine)


def check_journal_folder(sketch: Sketch, machine: Machine) -> Iterator[Finding]:
    """The journal's folder, which must also stay and have room."""
    folder = sketch.journal_folder
    yield from check_folder("journal folder", folder, sketch, machine)
    if state_of(folder) not in ("there", "absent"):
        return
    here = _existing(folder)
    mount = machine.mount_of(here)
    if mount is not None and mount.kind in _GONE_AT_RESTART:
        yield told("folder.in_memory", "journal folder", path=folder, kind=mount.kind, point=mount.point,
                   site=sketch.file)
    growth = keep_bytes(sketch) - used_bytes(folder)
    free, _ = _room(here)
    if growth > free >= FULL_BYTES:
        yield told("folder.keep_too_large", "journal folder", growth=size(growth), free=size(free), site=sketch.file)


def check_folder(subject: str, path: Path, sketch: Sketch, machine: Machine) -> Iterator[Finding]:
    """One folder: may the asking user write it, is it whole of one owner, is there room."""
    if hidden := closed(subject, path, sketch.file):
        yield hidden
        return
    here = _existing(path)
    if blocking := next((above for above in (path, *path.parents) if above.exists() and not above.is_dir()), None):
        yield told("folder.not_a_folder", subject, path=blocking, site=sketch.file)
        return
    mount = machine.mount_of(here)
    free, whole = _room(here)
    if os.statvfs(here).f_flag & os.ST_RDONLY:
        yield told("folder.read_only", subject, path=path, point=mount.point if mount else "its disk")
        return
    findings = [*_ownership(subject, path, here, sketch), *_space(subject, path, free, whole, sketch)]
    yield from findings
    if not findings:
        yield told("folder.good" if path.is_dir() else "folder.new", subject, path=path, free=size(free))


def _ownership(subject: str, path: Path, here: Path, sketch: Sketch) -> Iterator[Finding]:
    owner = owner_of(os.stat(here).st_uid)
    if not os.access(here, os.W_OK | os.X_OK, effective_ids=True):
        rule = "folder.not_writable" if here == path else "folder.cannot_be_made"
        yield told(rule, subject, path=path, parent=here, owner=owner, me=me(), site=sketch.file)
    if here != path:
        return
    strange = [uid for uid in _owners(path) if uid != os.stat(path).st_uid]
    if strange:
        yield told("folder.other_owner", subject, path=path, owner=owner, count=len(strange),
                   other=owner_of(strange[0]))


def _space(subject: str, path: Path, free: int, whole: int, sketch: Sketch) -> Iterator[Finding]:
    share = free / whole if whole else 1.0
    if free < FULL_BYTES:
        yield told("folder.full", subject, path=path, free=size(free))
    elif free < NEARLY_FULL_BYTES and share < NEARLY_FULL_SHARE:
        yield told("folder.nearly_full", subject, path=path, free=size(free), percent=100 * share, site=sketch.file)


def _existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return path


def _room(path: Path) -> tuple[int, int]:
    """Free bytes for everybody, and bytes in all."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize


def _owners(folder: Path) -> Iterator[int]:
    """Owners of the files in a folder and its folders."""
    count = 0
    for top, _, names in os.walk(folder):
        for name in names:
            count += 1
            if count > _MOST_FILES:
                return
            try:
                yield os.lstat(os.path.join(top, name)).st_uid
            except OSError:
                continue


def keep_bytes(sketch: Sketch) -> int:
    """The most that the rules of a site let the journal grow to."""
    own, keep = Retention(), sketch.journal.keep
    return sum(getattr(keep, family).size or own.of(family).bytes for family in FAMILIES)


def used_bytes(folder: Path) -> int:
    """What the journal's segments take now."""
    total = 0
    for path in folder.glob("*/*.seg"):
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


def size(count: int) -> str:
    """Bytes in words: 1.4 GiB."""
    for unit, bits in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << bits:
            return f"{count / (1 << bits):.3g} {unit}"
    return f"{count} B"
