"""Import of a car log, whole processes with their fixed costs: `2lbms import` into a journal against the usual script,
python-can's log reader, cantools and influxdb-client's `Point`, which writes line protocol to a file.

Both take the same values out of the same frames; that is asserted, value by value, before the ratio counts.
"""

from __future__ import annotations

import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twolbms.decode import CompiledDatabase, compile_database
from twolbms.files import data_path
from twolbms.importing.checksums import CHECKSUMS
from twolbms.journal import JournalReader

SHORT = os.environ.get("TWOLBMS_BENCH") == "short"
FRAMES = 100_000 if SHORT else 500_000  # 500,000: 38 minutes of one car's battery messages, without other traffic
COMPARED = 30_000
CYCLE_TICKS = 1_200  # of 10 ms; a multiple of every counter's and page's round
ROUNDS = 1 if SHORT else 2
GOAL = 3.0
PERIODS_MS = {"LbcCurrentVoltage": 10, "LbcPowerLimits": 10, "LbcStateOfCharge": 100, "LbcCapacity": 100,
              "LbcTemperatures": 500}

# What people write by hand: quantity -> (signal, factor), read by name from the decoded dict; states on change only.
PEER = '''
import sys
import can, cantools
from influxdb_client import Point

log, dbc, out = sys.argv[1:]
WANTED = {
    0x1DB: (("pack_voltage_v", "Voltage", 1.0), ("current_a", "Current", 1.0)),
    0x1DC: (("discharge_limit_w", "DischargePowerLimit", 1000.0), ("charge_limit_w", "ChargePowerLimit", 1000.0)),
    0x55B: (("soc", "StateOfCharge", 0.01),),
    0x5BC: (("soh", "StateOfHealth", 0.01),),
    0x5C0: (("temperature_max_c", "TemperatureMaximum", 1.0), ("temperature_min_c", "TemperatureMinimum", 1.0)),
}
database = cantools.database.load_file(dbc)
relay = None
with open(out, "w") as lines:
    for message in can.LogReader(log):
        wanted = WANTED.get(message.arbitration_id)
        if wanted is None or message.is_extended_id:
            continue
        values = database.decode_message(message.arbitration_id, message.data, decode_choices=False)
        point = Point("pack").tag("pack", "leaf_aze0").time(round(message.timestamp * 1e6) * 1000)
        fields = 0
        for name, signal, factor in wanted:
            if signal in values:
                point.field(name, values[signal] * factor)
                fields += 1
        if message.arbitration_id == 0x1DB and values["MainRelayOn"] != relay:
            relay = values["MainRelayOn"]
            point.field("charge_path_closed", float(relay)).field("discharge_path_closed", float(relay))
        if fields:
            lines.write(point.to_line_protocol())
            lines.write("\\n")
'''
OURS = "from twolbms.cli.import_log import import_command; import_command()"


def make_log(path: Path, database: CompiledDatabase, frames: int) -> None:
    """A drive: each message at its period with right counters and checksums, values that wander; repeated."""
    cycle = make_cycle(database)
    count = 0
    with path.open("w") as file:
        for start_us in range(0, 1 << 40, CYCLE_TICKS * 10_000):
            for offset_us, text in cycle[: frames - count]:
                seconds, fraction = divmod(start_us + offset_us, 1_000_000)
                file.write(f"({seconds:010d}.{fraction:06d}) can0 {text}\n")
            count += len(cycle)
            if count >= frames:
                return


def make_cycle(database: CompiledDatabase) -> list[tuple[int, str]]:
    """The frames of one cycle: microseconds from its start, and id and data as candump writes them."""
    source = random.Random(7)
    state = {"Voltage": 380.0, "Current": 0.0, "SoC": 80.0}
    counts = dict.fromkeys(PERIODS_MS, 0)
    cycle = []
    for tick in range(CYCLE_TICKS):
        due = [name for name, period in PERIODS_MS.items() if tick * 10 % period == 0]
        for place, name in enumerate(due):
            message = database.message(name)
            data = bytearray(message.encode(values_of(name, state, counts[name], source)))
            if "Crc" in message.signals:
                data[7] = CHECKSUMS["crc8_0x85"].of(data[:7])
            counts[name] += 1
            cycle.append((tick * 10_000 + place * 250, f"{message.frame_id:03X}#{data.hex().upper()}"))
    return cycle


def values_of(name: str, state: dict[str, float], count: int, source: random.Random) -> dict[str, Any]:
    """Values of one frame. None of them is a "not available" code, so that the peer needs no test for it."""
    if name == "LbcCurrentVoltage":
        state["Current"] = max(-400.0, min(150.0, state["Current"] + source.choice((-2.0, -0.5, 0.0, 0.5, 2.0))))
        state["Voltage"] = max(330.0, min(400.0, state["Voltage"] + source.choice((-0.5, 0.0, 0.5))))
        return {"Current": state["Current"], "RelayCutRequest": 0, "FailSafeStatus": 0, "Voltage": state["Voltage"],
                "MainRelayOn": int(count > 50), "FullyCharged": 0, "Interlock": 1, "DischargePowerStatus": 1,
                "UsableStateOfCharge": 79, "Counter": count % 4, "Crc": 0}
    if name == "LbcPowerLimits":
        return {"DischargePowerLimit": 110.0 - count % 5 * 0.25, "ChargePowerLimit": 20.0, "ChargerPowerLimit": 3.0,
                "ChargePowerStatus": 1, "Counter": count % 4, "Crc": 0}
    if name == "LbcStateOfCharge":
        state["SoC"] = max(5.0, state["SoC"] - 0.1 * (count % 20 == 0))
        return {"StateOfCharge": state["SoC"], "AlternatingAnswer": 85, "InsulationSensorVoltage": 4000.0,
                "InsulationSensorFault": 0, "CapacityEmpty": 0, "RefuseToSleep": 0, "Counter": count % 4, "Crc": 0}
    if name == "LbcCapacity":
        page = {"RemainingGids": 400} if count % 2 == 0 else {"FullGids": 500}
        return {"FullCapacityPage": count % 2, "StateOfHealth": 94, "OutputLimitReason": 0, **page}
    page_name = ("TemperatureMaximum", "TemperatureAverage", "TemperatureMinimum")[count % 3]
    return {"TemperaturePage": count % 3 + 1, page_name: 21 - count % 3, "WakeUpTemperature": 20,
            "HistoricCellVoltage": 3900}


def cpu_s(arguments: list[str]) -> float:
    """CPU seconds, all threads, of a process from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def run() -> list[dict[str, Any]]:
    """Ratio of the usual script's CPU time to ours."""
    database = compile_database(data_path("dbc", "ev", "leaf_aze0.dbc"))
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, short = folder / "drive.log", folder / "short.log"
        make_log(log, database, FRAMES)
        make_log(short, database, COMPARED)
        run_peer(short, folder / "short.lines")
        run_ours(short, folder / "short-journal")
        assert_equal(folder / "short.lines", folder / "short-journal")
        for index in range(ROUNDS):
            peer = run_peer(log, folder / "lines")
            ratios.append(peer / run_ours(log, folder / f"journal{index}"))
    return [
        {
            "metric": f"import of {FRAMES:,} frames, whole process: usual script CPU / ours",
            "ratio_median": round(statistics.median(ratios), 2),
            "ratio_min": round(min(ratios), 2),
            "goal": GOAL,
            "better": "higher",
        }
    ]


def run_peer(log: Path, lines: Path) -> float:
    """CPU seconds of the usual script."""
    return cpu_s(["-c", PEER, str(log), str(data_path("dbc", "ev", "leaf_aze0.dbc")), str(lines)])


def run_ours(log: Path, journal: Path) -> float:
    """CPU seconds of our import."""
    return cpu_s(["-c", OURS, str(log), "--pack", "leaf_aze0", "--journal", str(journal), "--json"])


def assert_equal(lines: Path, journal: Path) -> None:
    """The same values of the same quantities at the same times on both sides."""
    theirs = set()
    for line in lines.read_text().splitlines():
        _, fields, time_ns = line.split(" ")
        for field in fields.split(","):
            name, _, value = field.partition("=")
            theirs.add((int(time_ns), name, float(value)))
    ours = {(each.time_ns, each.series.quantity, each.value) for each in JournalReader(journal).records("sample")}
    assert len(ours) > COMPARED and ours == theirs, f"{len(ours ^ theirs)} of {len(ours)} values differ"


if __name__ == "__main__":
    for row in run():
        print(row)
