"""`make faults`: makes every fault, prints the table and writes build/faults.json; status 1 where a promise is broken.

`python tests/faults kill disk` makes only faults whose name holds one of the words. TWOLBMS_FAULTS=short takes the
sizes for every change.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from faults.scenarios import SCENARIOS, Scenario  # noqa: E402, the folder above is its home
from faults.table import Row, text_of, write  # noqa: E402

OUT = HERE.parents[1] / "build" / "faults.json"


def made(scenario: Scenario, short: bool) -> list[Row]:
    """The rows of one scenario; one that fails to run is a broken row and hides no other."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="2lbms-faults-") as folder:
        try:
            rows = scenario.run(Path(folder), scenario.short if short else scenario.full)
        except Exception as error:
            traceback.print_exc()
            rows = [Row(scenario.name, "?", f"could not be made: {type(error).__name__}: {error}", False)]
    took_s = round(time.monotonic() - began_s, 1)
    return [replace(row, figures={**row.figures, "scenario": scenario.name, "took_s": took_s}) for row in rows]


def main(words: list[str]) -> int:
    """Runs what is asked for."""
    short = os.environ.get("TWOLBMS_FAULTS") == "short"
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors{', short' if short else ''}", flush=True)
    rows: list[Row] = []
    for scenario in SCENARIOS:
        if not words or any(word in scenario.name for word in words):
            found = made(scenario, short)
            print(text_of(found), f"        ({found[0].figures['took_s']} s)", sep="\n", flush=True)
            rows += found
            write(rows, OUT)
    return int(any(row.holds is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
