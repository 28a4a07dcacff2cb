"""Runs stories of power cuts (power_cut_device.py) on 32-bit MicroPython and shows their counts.

`python tests/firmware/power_cuts.py 1000` spreads 1,000 cuts over the stories of the node's memory, prints the table,
and ends with status 1 where a boot found no whole version.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from twolbms.build.micropython import find_runtime
from twolbms.files import data_path

FIRMWARE = Path(__file__).resolve().parent
COLUMNS = ("cuts", "old", "new", "none", "mixed", "stuck", "uncut", "met_dirt")


class Story(NamedTuple):
    """What is cut, in words; its script; words after the number of cuts; and its share of all cuts."""

    name: str
    script: Path
    words: tuple[str, ...]
    share: float


STORIES = (
    Story("configuration", FIRMWARE / "store" / "config_cuts.py", (), 0.3),
    Story("faults, no backup memory", FIRMWARE / "store" / "fault_cuts.py", (), 0.2),
    Story("faults, backup memory fed", FIRMWARE / "store" / "fault_cuts.py", ("backup",), 0.2),
    Story("update, versions as files", FIRMWARE / "store" / "update_cuts.py", ("pages",), 0.1),
    Story("update, versions in raw pages", FIRMWARE / "store" / "update_cuts.py", ("raw",), 0.2),
)


def run_power_cuts(script: Path, cuts: int, *words: str) -> dict[str, int]:
    """Counts of `script`: after how many of `cuts` power cuts a boot found the old version whole, the new one whole,
    none, a mixture, or could not write any more. RuntimeError when the script itself fails."""
    path = os.pathsep.join(map(str, (data_path("firmware", "src"), FIRMWARE)))
    command = [find_runtime(need_32_bit=True).program, "-X", "heapsize=4m", str(script), str(cuts), *words]
    done = subprocess.run(command, env={**os.environ, "MICROPYPATH": path}, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != 1:
        raise RuntimeError(f"{script.name}: {(done.stdout + done.stderr)[-1000:]}")
    counts: dict[str, int] = json.loads(lines[0])
    return counts


def run_stories(cuts: int, stories: Sequence[Story] = STORIES) -> dict[str, dict[str, int]]:
    """`cuts` power cuts spread over `stories` by their shares, two stories at a time: name to counts."""
    total = sum(story.share for story in stories)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run_power_cuts, story.script, round(cuts * story.share / total), *story.words)
                for story in stories]
    return {story.name: run.result() for story, run in zip(stories, runs, strict=True)}


def sound(counts: dict[str, int]) -> bool:
    """Every cut came off, and every boot after one found one whole version and could write the next."""
    return counts["old"] + counts["new"] == counts["cuts"] > 0


def table(results: dict[str, dict[str, int]]) -> str:
    """The counts as a Markdown table with a line of sums."""
    rows = [(name, *(counts[column] for column in COLUMNS)) for name, counts in results.items()]
    rows.append(("all", *(sum(counts[column] for counts in results.values()) for column in COLUMNS)))
    heads = ("written when the power went", "cuts", "old whole", "new whole", "none", "mixed", "stuck", "not cut",
             "wrote on unerased bytes")
    lines = [heads, ("---",) + ("---:",) * len(COLUMNS), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> int:
    results = run_stories(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
    print(table(results))
    return 0 if all(map(sound, results.values())) else 1


if __name__ == "__main__":
    sys.exit(main())
