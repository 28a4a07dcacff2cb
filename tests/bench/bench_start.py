"""From a process's start to its first decoded frame: ours with a warm cache against `import cantools`, load, decode.

CPU time of the whole process, interpreter included; both decode the same frame of the workload's 112 messages to the
same values, which is asserted.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import workload

ROUNDS = 5 if os.environ.get("TWOLBMS_BENCH") == "short" else 11
GOAL = 2.0

PEER = """
import sys
import cantools
database = cantools.database.load_file(sys.argv[1])
print(database.decode_message(int(sys.argv[2]), bytes.fromhex(sys.argv[3]), decode_choices=False))
"""
OURS = """
import sys
from pathlib import Path
from twolbms.decode.cache import database_from
database = database_from(Path(sys.argv[1]))
print(database.decode(int(sys.argv[2]), False, bytes.fromhex(sys.argv[3])))
"""


def run() -> list[dict[str, Any]]:
    """Ratio of the peer's CPU time to ours."""
    _, can_id, data = workload.frames(1)[0]
    with tempfile.TemporaryDirectory() as name:
        arguments = [str(workload.write_dbc(Path(name) / "workload.dbc")), str(can_id), data.hex()]
        surroundings = os.environ | {"XDG_CACHE_HOME": str(Path(name) / "cache")}
        peer, own = answer(PEER, arguments, surroundings), answer(OURS, arguments, surroundings)
        assert peer[0] == own[0], (peer[0], own[0])
        ratios = [answer(PEER, arguments, surroundings)[1] / answer(OURS, arguments, surroundings)[1]
                  for _ in range(ROUNDS)]
    return [
        {
            "metric": "start to first decoded frame, warm cache: import cantools + load CPU / ours",
            "ratio_median": round(statistics.median(ratios), 2),
            "ratio_min": round(min(ratios), 2),
            "goal": GOAL,
            "better": "higher",
        }
    ]


def answer(program: str, arguments: list[str], surroundings: dict[str, str]) -> tuple[str, float]:
    """What a program prints, and the CPU seconds of its whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True,
                          timeout=60, env=surroundings)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    for row in run():
        print(row)
