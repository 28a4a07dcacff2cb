"""Import of any CAN, whole processes with their fixed costs: `2lbms import --dbc --influx` against the usual script,
python-can's log reader, cantools, influxdb-client's `Point` and its batching write API. Neither packs, both write every
signal to a sink that counts lines; on a part of the log the lines are compared byte for byte.

Peak memory is that of our process, as a share of 200 MiB, and of a long log to a short one.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import workload
from sink import running_sink

SHORT = os.environ.get("TWOLBMS_BENCH") == "short"
FRAMES = 100_000 if SHORT else 1_000_000
LONG_FRAMES = 10 * FRAMES
COMPARED = 5_000
ROUNDS = 1 if SHORT else 2
GOAL, SHARE_OF_MIB, GROWTH_GOAL = 16.0, 200, 1.1

# What people write by hand: one Point a frame to the batching write API. The sink is on this machine: nobody packs.
PEER = '''
import sys
import can, cantools
from influxdb_client import InfluxDBClient, Point, WriteOptions

log, dbc, url = sys.argv[1:]
database = cantools.database.load_file(dbc)
with InfluxDBClient(url, "t", org="o") as client:
    with client.write_api(write_options=WriteOptions(batch_size=5000)) as writer:
        for message in can.LogReader(log):
            values = database.decode_message(message.arbitration_id, message.data, decode_choices=False)
            name = database.get_message_by_frame_id(message.arbitration_id).name
            point = Point(name).tag("bus", message.channel).tag("site", "import")
            point.time(round(message.timestamp * 1e6) * 1000)
            for signal, value in values.items():
                point.field(signal, value)
            writer.write("b", record=point)
'''
OURS = """
import atexit, os, sys
from pathlib import Path
from twolbms.cli import main
atexit.register(lambda: Path(os.environ["PEAK_FILE"]).write_text(Path("/proc/self/status").read_text()))
main(["import", *sys.argv[1:]])
"""


class Cost(NamedTuple):
    """CPU seconds of all threads and children, and peak resident memory in MiB."""

    cpu_s: float
    peak_mib: float


def cpu_s(arguments: list[str], environment: dict[str, str]) -> float:
    """CPU of a process from its start to its end; it has to end well."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"exit status {process.returncode}"
    return used.ru_utime + used.ru_stime


class Race:
    """Both ways in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = folder / "token"
        self._token.write_text("t")
        self._dbc = workload.write_dbc(folder / "packs.dbc")
        self._peak = folder / "peak"
        self._environment = os.environ | {"XDG_CACHE_HOME": str(folder), "XDG_STATE_HOME": str(folder),
                                          "PEAK_FILE": str(self._peak)}

    def log(self, frames: int) -> Path:
        """A candump log."""
        path = self._folder / f"{frames}.log"
        if not path.exists():
            workload.write_candump(path, frames)
        return path

    def theirs(self, log: Path, url: str) -> float:
        """CPU seconds of the usual script."""
        return cpu_s(["-c", PEER, str(log), str(self._dbc), url], self._environment)

    def ours(self, log: Path, url: str) -> Cost:
        """Our import. The peak is the process's own word: that of the kernel's account may be its parent's."""
        used_s = cpu_s(["-c", OURS, str(log), "--dbc", str(self._dbc), "--influx", url, "--org", "o", "--bucket", "b",
                        "--token-file", str(self._token), "--json"], self._environment)
        (line,) = (line for line in self._peak.read_text().splitlines() if line.startswith("VmHWM:"))
        return Cost(used_s, int(line.split()[1]) / 1024)


def run() -> list[dict[str, Any]]:
    """CPU against the usual script, and memory."""
    with tempfile.TemporaryDirectory() as name:
        race = Race(Path(name))
        assert_equal(race)  # fills the cache of the DBC too, which any import but the first finds
        log, ratios, peaks = race.log(FRAMES), [], []
        for _ in range(ROUNDS):
            with counted(FRAMES) as url:
                theirs_s = race.theirs(log, url)
            with counted(FRAMES) as url:
                ours = race.ours(log, url)
            ratios.append(theirs_s / ours.cpu_s)
            peaks.append(ours.peak_mib)
        with counted(LONG_FRAMES) as url:
            long = race.ours(race.log(LONG_FRAMES), url)
    peak = max(peaks)
    return [
        {"metric": f"import of {FRAMES:,} frames, file to HTTP: usual script CPU / ours",
         "ratio_median": round(statistics.median(ratios), 2), "ratio_min": round(min(ratios), 2), "goal": GOAL,
         "better": "higher"},
        {"metric": f"peak memory of that import / {SHARE_OF_MIB} MiB",
         "ratio_median": round(peak / SHARE_OF_MIB, 3), "ratio_min": round(min(peaks) / SHARE_OF_MIB, 3), "goal": 1.0,
         "better": "lower"},
        {"metric": f"peak memory of {LONG_FRAMES:,} frames / of {FRAMES:,}",
         "ratio_median": round(long.peak_mib / peak, 3), "ratio_min": round(long.peak_mib / peak, 3),
         "goal": GROWTH_GOAL, "better": "lower"},
    ]


@contextmanager
def counted(lines: int) -> Iterator[str]:
    """The url of a sink of its own; so many lines must have come to it in the end."""
    with running_sink() as sink:
        yield sink.url
        assert sink.counts()["lines"] == lines, f"{sink.counts()['lines']} of {lines} lines came"


def assert_equal(race: Race) -> None:
    """Both write the same lines, byte for byte."""
    sys.path.append(str(Path(__file__).resolve().parents[1]))
    from servers.fake_influx import FakeInflux

    stored = []
    for way in (race.theirs, race.ours):
        with FakeInflux() as server:
            way(race.log(COMPARED), server.url)
            stored.append(sorted(line for line in server.stored if line))
    assert len(stored[0]) == COMPARED and stored[0] == stored[1], "the lines differ"


if __name__ == "__main__":
    for figure in run():
        print(figure)
