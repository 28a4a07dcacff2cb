"""One family on its way from the callers to the disk: queue, the block being written, segments.

A block that the disk refused stays here and is tried again; what comes meanwhile waits in the bounded queue.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from twolbms.journal.block import Header, pack_what_fits
from twolbms.journal.intake import Intake, Loss
from twolbms.journal.records import Record
from twolbms.journal.segment_writer import Newest, SegmentGoneError, SegmentWriter, SyncFailedError

# Records of these two may be large (64 KiB each at most), and a block is held in memory whole.
_MOST_IN_A_BLOCK = {"event": 128, "reading": 128}
_MOST_SMALL_ONES = 4096


class _Pending(NamedTuple):
    header: Header
    block: bytes
    records: Sequence[Record]


class FamilyLog:
    """Used by the writing thread alone, but for `intake` and the counts."""

    def __init__(self, family: str, boot_id: str, intake: Intake, segments: SegmentWriter) -> None:
        self.family = family
        self.intake = intake
        self.segments = segments
        self.written = 0
        self.synced = 0
        self._unsynced: Loss | None = None  # what a power cut, or the removal of its file, may still take
        self._boot_id = boot_id
        self._most = _MOST_IN_A_BLOCK.get(family, _MOST_SMALL_ONES)
        self._pending: _Pending | None = None

    @property
    def waiting(self) -> int:
        """Records not yet written."""
        pending = self._pending
        return len(self.intake) + (len(pending.records) if pending else 0)

    @property
    def unsynced(self) -> bool:
        """Whether something was written that may not survive a power cut."""
        return self._unsynced is not None

    def adopt(self) -> Newest | None:
        """Takes over what lies on disk; returns the newest segment that has records."""
        self._unsynced = None  # of a folder that was away: not to be counted with the next sync
        return self.segments.adopt()

    def leave(self) -> None:
        """Before the folder is let go of: what lies in a removed file is lost, what lies elsewhere is synced there."""
        with contextlib.suppress(OSError):
            self.sync()

    def check(self) -> None:
        """SegmentGoneError when the segment was removed, and then what was not yet synced counts as lost."""
        with self._giving_up_what_cannot_sync():
            self.segments.check_not_removed()

    def write_next(self) -> Sequence[Record] | None:
        """Writes one block and returns its records; None when nothing waits. On OSError the block waits on."""
        pending = self._pending = self._pending or self._pack_next()
        if pending is None:
            return None
        with self._giving_up_what_cannot_sync():
            self.segments.append(pending.header, pending.block)
        self._pending = None
        self.written += len(pending.records)
        written = Loss(len(pending.records), pending.header.first_ns, pending.header.last_ns)
        self._unsynced = self._unsynced.and_more(written) if self._unsynced else written
        return pending.records

    def _pack_next(self) -> _Pending | None:
        while records := self.intake.take(self._most):
            packed = pack_what_fits(self.family, self._boot_id, records)
            held = len(packed[2]) if packed else 0
            if held < len(records):
                self.intake.refuse(len(records) - held)
            if packed:
                return _Pending(*packed)
        return None

    def sync(self) -> None:
        """Makes everything written survive a power cut; OSError when it does not."""
        with self._giving_up_what_cannot_sync():
            self.segments.sync()
        if self._unsynced is not None:
            self.synced += self._unsynced.records
        self._unsynced = None

    @contextlib.contextmanager
    def _giving_up_what_cannot_sync(self) -> Iterator[None]:
        try:
            yield
        except SyncFailedError:
            self._unsynced = None  # and never counted as synced
            raise
        except SegmentGoneError:
            if self._unsynced is not None:
                self.intake.lose(self._unsynced)
            self._unsynced = None
            raise
