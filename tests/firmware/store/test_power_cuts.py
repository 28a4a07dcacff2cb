"""Power cuts at and inside every write of flash: the node comes up with one whole version of what it remembers."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.power_cuts import STORIES, Story, run_power_cuts, run_stories, sound, table

CUTS = 200  # `python tests/firmware/power_cuts.py 1000` runs them all

CARELESS = """
import os
from power_cut_device import FOLDER, MIXED, NEW, NONE, OLD, main

def put(name, text):
    with open(FOLDER + name, "w") as file:
        file.write(text)

def get(name):
    try:
        with open(FOLDER + name) as file:
            return file.read()
    except OSError:
        return ""

class Careless:
    survivor = None

    def first(self):
        self.change(0)

    def change(self, version):
        HOW

    def judge(self, version):
        a, b = get("a"), get("b")
        if not a or not b:
            return NONE
        return {(version, version): NEW, (version - 1, version - 1): OLD}.get((int(a), int(b)), MIXED)

main(Careless())
"""


@pytest.mark.need("micropython32")
def test_one_whole_version_after_every_cut() -> None:
    """200 cuts over configuration, faults and updates: each boot finds one whole version and can write the next."""
    results = run_stories(CUTS)
    print(table(results))
    assert set(results) == {story.name for story in STORIES} and sum(r["cuts"] for r in results.values()) == CUTS
    for name, counts in results.items():
        assert sound(counts), (name, counts)
        assert counts["old"] and counts["new"] and counts["versions"] >= 7 and counts["operations"] > 20, name


@pytest.mark.need("micropython32")
@pytest.mark.parametrize("how, seen", [
    ('put("a", str(version)); put("b", str(version))', "mixed"),
    ('os.remove(FOLDER + "a") if version else None; put("a", str(version)); put("b", str(version))', "none")])
def test_a_careless_node_is_found(how: str, seen: str, tmp_path: Path) -> None:
    """A node that writes two things one after the other, or removes the old before the new, does not pass."""
    script = tmp_path / "careless.py"
    script.write_text(CARELESS.replace("HOW", how))
    counts = run_power_cuts(script, 40)
    assert counts[seen] > 0 and not sound(counts)


@pytest.mark.need("micropython32")
def test_a_story_that_breaks_is_no_result(tmp_path: Path) -> None:
    """A script that ends in an error gives no counts."""
    script = tmp_path / "broken.py"
    script.write_text("import nothing_of_that_name")
    with pytest.raises(RuntimeError, match="nothing_of_that_name"):
        run_stories(10, [Story("broken", script, (), 1.0)])


def test_the_table_sums_up() -> None:
    """The table names what was written, and its last line has the sums."""
    one = {"cuts": 3, "old": 1, "new": 2, "none": 0, "mixed": 0, "stuck": 0, "uncut": 0, "met_dirt": 0}
    lines = table({"first": one, "second": one}).splitlines()
    assert lines[2] == "| first | 3 | 1 | 2 | 0 | 0 | 0 | 0 | 0 |"
    assert lines[-1] == "| all | 6 | 2 | 4 | 0 | 0 | 0 | 0 | 0 |"
    assert sound(one) and not sound({**one, "old": 0}) and not sound({**one, "cuts": 0, "old": 0, "new": 0})
