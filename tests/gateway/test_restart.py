"""The last mark of each pack, out of a journal on disk."""

from __future__ import annotations

import random
from pathlib import Path

from twolbms.journal import JournalWriter, Pace
from twolbms.restart import last_marks

NS = 1_000_000_000
QUICK = Pace(write_s=0.002, sync_s=0.005, retry_s=0.002, retry_most_s=0.01)


def writer(folder: Path, boot: str, **options: object) -> JournalWriter:
    return JournalWriter(folder, boot * 32, now_ns=lambda: 10**9, pace=QUICK, **options)  # type: ignore[arg-type]


def mark(journal: JournalWriter, pack: str, soc: object, second: int = 1) -> None:
    journal.event(second * NS, "mark", pack, {"soc": soc, "sigma": 0.1, "text": "x" * 200})


def test_nothing_to_go_on_from(tmp_path: Path) -> None:
    """An empty or missing journal gives no marks."""
    assert last_marks(tmp_path, {"north"}, None) == {}


def test_the_last_mark_of_each_pack(tmp_path: Path) -> None:
    """Of several marks the newest counts, with its age when the wall time is known."""
    journal = writer(tmp_path, "a")
    journal.fix_wall(1000 * NS, "rtc")
    for soc in (0.1, 0.2):
        mark(journal, "north", soc)
    mark(journal, "south", 0.3)
    mark(journal, "sold", 0.9)
    assert journal.flush(5)
    journal.close()
    marks = last_marks(tmp_path, {"north", "south"}, 1061 * NS)
    assert {pack: (data["soc"], age_s) for pack, (data, age_s) in marks.items()} == {
        "north": (0.2, 60.0), "south": (0.3, 60.0)}


def test_no_age_without_wall_time(tmp_path: Path) -> None:
    """In a boot that never learned the wall time a mark has no age, and still counts."""
    journal = writer(tmp_path, "a")
    mark(journal, "north", 0.4)
    journal.flush(5)
    journal.close()
    assert last_marks(tmp_path, {"north"}, 1000 * NS)["north"][1] is None


def test_older_segments_are_read_for_missing_packs(tmp_path: Path) -> None:
    """A pack whose last mark is segments ago is found behind the newer ones of others."""
    journal = writer(tmp_path, "a", segment_bytes=1 << 16)
    mark(journal, "south", 0.7)
    journal.flush(5)
    noise = random.Random(1)
    for n in range(8):
        for _ in range(100):
            journal.event(n * NS, "noise", "", {"text": noise.randbytes(200).hex()})  # does not compress away
        journal.flush(5)
    mark(journal, "north", 0.2)
    journal.flush(5)
    journal.close()
    assert len(list((tmp_path / "event").glob("*.seg"))) > 1
    assert {pack: data["soc"] for pack, (data, _) in last_marks(tmp_path, {"north", "south"}, None).items()} == {
        "north": 0.2, "south": 0.7}


def test_what_is_no_mark_is_passed_over(tmp_path: Path) -> None:
    """A mark without numbers, of another version or hand, does not stop a start."""
    journal = writer(tmp_path, "a")
    mark(journal, "north", 0.4)
    mark(journal, "north", "half")
    journal.flush(5)
    journal.close()
    assert last_marks(tmp_path, {"north"}, None)["north"][0]["soc"] == 0.4
