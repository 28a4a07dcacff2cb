"""A full and a read-only disk under the journal: control goes on, what is lost is counted and told, it comes back."""

from __future__ import annotations

import contextlib
import time
from functools import partial
from pathlib import Path

from faults.books import Acked, Followed, Journal, compare_acknowledged
from faults.bus_user import Beats, FeederProcess, beats
from faults.home import AckListener, Home, Site, may_charge, wait_until
from faults.kills import wall_clock
from faults.mounts import Card, breakable, fill, missing, small_disk
from faults.table import Row, skipped

QUEUE_FRAMES = 100_000  # docs/journal.md: so many frames wait in memory
_DISK_MB = 8
_PIECE = 10_000
_SYNCED_WITHIN_S = 2.0  # docs/journal.md: 1 s, and a picture's age
_FULL_A_S = 15_000
_BACK_WITHIN_S = 60.0  # docs/journal.md: writing is tried again after 10 s at most; the backlog takes some more


class _Watch:
    """One gateway over a fault of its disk, and what is compared at the end."""

    def __init__(self, home: Home, feeder: FeederProcess) -> None:
        self.home, self.feeder = home, feeder
        self.acks = AckListener(home)
        self.frames = Followed(home.reader())
        self.began_ns = 0
        self.beats: Beats | None = None
        self.asked: dict[str, object] = {}
        self.error: str | None = None

    def begin(self) -> None:
        """The fault begins: it must be told as an alarm."""
        self.began_ns = time.monotonic_ns()
        self.home.shows(lambda picture: picture["journal"]["error"], "the journal's error is told")
        self.error = self.home.picture()["journal"]["error"]

    def ask(self) -> None:
        """A person opens the pack while the disk fails; the node answers."""
        self.asked = self.home.client.ask("north", "open", by="person")

    def end(self) -> None:
        """The fault ends."""
        self.beats = beats(self.feeder.listen(), self.began_ns, time.monotonic_ns())

    def back(self) -> float:
        """Waits until everything is written again; the seconds that took."""
        return wait_until(self._calm, "the journal writes again", _BACK_WITHIN_S)

    def quiet(self) -> bool:
        """Whether the bus is silent and everything is written."""
        before = _received(self.home)
        time.sleep(0.3)
        picture = self.home.picture()
        return bool(picture["buses"]["can0"]["frames"] == before and picture["journal"]["pending"] == 0)

    def _calm(self) -> bool:
        journal = self.home.picture().get("journal") or {}
        self.frames.look()
        return bool(journal) and journal["error"] is None and journal["pending"] < 1000


def _feed(feeder: FeederProcess, home: Home, count: int) -> int:
    """So many frames, in pieces that the gateway has taken in; how many it dropped itself (`overrun`)."""
    for done in range(0, count, _PIECE):
        piece = min(_PIECE, count - done)
        until = _received(home) + piece
        feeder.ask(burst=piece)
        wait_until(partial(_has_received, home, until), "the gateway takes the frames in", look_s=0.02)
    return int(home.picture()["buses"]["can0"].get("overrun", 0))


def _received(home: Home) -> int:
    """Frames that the gateway has taken in so far."""
    return int(home.picture()["buses"]["can0"]["frames"])


def _has_received(home: Home, count: int) -> bool:
    return _received(home) >= count


def _row(fault: str, how_often: str, watch: _Watch, back_s: float, overrun: int, *, unsynced: bool = False) -> Row:
    """`unsynced`: what was written and never synced may be gone, as after a power cut, but no more than is told so."""
    home = watch.home
    watch.feeder.ask(mute=True)
    wait_until(lambda: watch.quiet(), "everything is written")
    received, doubtful = _received(home), 0
    if unsynced:
        time.sleep(_SYNCED_WITHIN_S)
        journal = home.picture()["journal"]
        doubtful = journal["acknowledged"] - journal["synced"]
    home.stop()
    watch.acks.stop()
    book = Journal.read(home.reader())
    acked: Acked = compare_acknowledged(watch.acks.lines, book)
    missing_frames = received - book.all_frames
    told = book.told_lost("frame")
    assert watch.beats is not None
    gone = len(acked.missing) + max(len(watch.frames.numbers - set(book.numbers)), missing_frames - told)
    problems = {
        "acknowledged lost": max(0, gone - doubtful),
        "wrong": book.wrong_frames + book.doubled + book.damaged,
        "lost untold": missing_frames - told if not doubtful else 0,
        "dropped on the way": overrun, "never received": max(0, watch.feeder.sent - received),
        "complaints": len(home.complaints()),
    }
    good = watch.beats.kept and watch.beats.requests > 0 and watch.asked.get("accepted") and not any(problems.values())
    return Row(fault, how_often, (
        f"meanwhile {watch.beats}; a person's open accepted: {bool(watch.asked.get('accepted'))}; "
        f'alarm "{watch.error}"; '
        f"{received} frames received, {missing_frames} of them not in the journal, {told} told as lost; "
        f"{f'{gone} of {doubtful} never synced are gone; ' if unsynced else ''}"
        f"written again {back_s:.1f} s after the end; " + ", ".join(f"{n} {name}" for name, n in problems.items())),
        bool(good), {**problems, "frames sent": watch.feeder.sent, "told lost": told,
                     "back_s": round(back_s, 2), "longest_s": round(watch.beats.longest_s, 3),
                     "heartbeats": watch.beats.heartbeats, "first acknowledged": repr(acked.missing[:2])})


def full_disk(folder: Path, size: int) -> Row:
    """The disk of the journal is full while `size` frames come, then has room again."""
    fault = "disk full"
    if lacking := missing():
        return skipped(fault, lacking)
    with small_disk(folder / "disk", _DISK_MB) as disk, FeederProcess() as feeder, \
            Home(folder / "home", Site(feeder.port, journal=disk / "journal"), wall_clock()) as home:
        watch = _Watch(home.started(), feeder)
        home.shows(may_charge, "the pack may be charged")
        ballast = fill(disk)
        feeder.ask(rate=_FULL_A_S)  # the journal may have room of its own left in its newest segments
        watch.begin()
        watch.ask()
        feeder.ask(rate=0)
        overrun = _feed(feeder, home, size)
        watch.end()
        ballast.unlink()
        back_s = watch.back()
        return _row(fault, f"once, for {size} frames beyond room for {QUEUE_FRAMES}", watch, back_s, overrun)


def starts_on_full_disk(folder: Path, size: int) -> Row:
    """The gateway is started `size` times on a full disk: it controls, and writes when there is room."""
    fault = "started on a full disk"
    if lacking := missing():
        return skipped(fault, lacking)
    with small_disk(folder / "disk", _DISK_MB) as disk, FeederProcess() as feeder, \
            Home(folder / "home", Site(feeder.port, journal=disk / "journal"), wall_clock()) as home:
        home.started()
        home.shows(may_charge, "the pack may be charged")
        home.kill()
        ballast, kept = fill(disk), 0
        for _ in range(size):
            home.started()
            home.shows(may_charge, "the pack may be charged")
            feeder.ask(rate=_FULL_A_S)
            home.shows(lambda picture: picture["journal"]["error"], "the journal's error is told")
            feeder.ask(rate=0)
            kept += 1
            home.kill()
        home.started()
        feeder.ask(rate=500)
        home.shows(lambda picture: picture["journal"]["error"], "the journal's error is told")
        ballast.unlink()
        watch = _Watch(home, feeder)
        back_s = watch.back()
        home.stop()
        watch.acks.stop()
        kinds = Journal.read(home.reader()).kinds()
        return Row(fault, f"{size} times", (
            f"{kept} times the pack could be charged and the alarm was told; written again {back_s:.1f} s after there "
            f"was room, {kinds['gap']} gaps told; {len(home.complaints())} complaints"),
                   kept == size and kinds["gap"] >= 1 and not home.complaints(), {"back_s": round(back_s, 2)})


def read_only_card(folder: Path, size: int) -> Row:
    """The kernel makes the card read-only under the running gateway; it is taken out, mended and put in again."""
    fault = "card read-only (ext4 error)"
    if lacking := breakable():
        return skipped(fault, lacking)
    card = Card(folder / "card.img", folder / "card", 64)
    card.mount()
    try:
        journal = card.folder / "data" / "journal"  # below a folder of the card: without the card it is nowhere
        journal.parent.mkdir()
        with FeederProcess() as feeder, Home(folder / "home", Site(feeder.port, journal=journal), wall_clock()) as home:
            watch = _Watch(home.started(), feeder)
            home.shows(may_charge, "the pack may be charged")
            feeder.ask(rate=500)
            time.sleep(1.0)
            with contextlib.suppress(OSError):  # it says "read-only file system" to the very write that does it
                card.break_it()
            wait_until(lambda: not card.writable(), "the card is read-only")
            watch.begin()
            watch.ask()
            feeder.ask(rate=0)
            overrun = _feed(feeder, home, size)
            card.take_out()
            wait_until(lambda: "removed" in (home.picture()["journal"]["error"] or "") or not journal.exists(),
                       "the gateway lets go of the card")
            card.mend()
            watch.end()
            card.mount()
            back_s = watch.back()
            return _row(fault, f"once, for {size} frames, then out, fsck, in", watch, back_s, overrun, unsynced=True)
    finally:
        card.take_out()

