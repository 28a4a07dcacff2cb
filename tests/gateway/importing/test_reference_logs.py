"""Recorded logs of real cars against figures from an independent decoder. Skipped without TWOLBMS_REFERENCE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import can
import pytest

LOGS = {
    "leaf_ze0_24kwh_stock": "leaf_ze0",
    "leaf_aze0_with_40kwh_pack": "leaf_aze0",
    "leaf_ze1_62kwh_drive_poll": "leaf_ze1",
    "leaf_ze1_62kwh_quickcharge": "leaf_ze1",
    "env200_2015_40kwh_charge_poll": "leaf_aze0",
}
QUANTITIES = {
    "soc": ("SoC_pct", 0.01), "pack_voltage_v": ("Voltage_V", 1.0), "current_a": ("Current_A (+charge)", 1.0),
    "discharge_limit_w": ("DischargeLimit_kW", 1000.0), "charge_limit_w": ("ChargeLimit_kW", 1000.0),
}
MESSAGES = {"1DB": "LbcCurrentVoltage", "1DC": "LbcPowerLimits", "55B": "LbcStateOfCharge"}


@pytest.fixture
def folder(reference_folder: Path) -> Path:
    return reference_folder / "can_logs"


def expected(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / "expected.json").read_text())[f"{name}.log"]


def manifest(folder: Path, name: str) -> dict[str, Any]:
    logs = json.loads((folder / "MANIFEST.json").read_text())["logs"]
    return next(log for log in logs if log["file"] == f"{name}.log")


@pytest.mark.parametrize(("name", "pack"), LOGS.items())
def test_values_and_checks_are_those_of_the_independent_decoder(folder: Path, run_import, name: str, pack: str) -> None:
    """Counts, first, least, greatest and last values, checksums and counter steps agree for every Leaf log."""
    wanted = expected(folder, name)
    done = run_import(folder / f"{name}.log", "--bus", "0", pack=pack)
    found = done.json
    assert (done.status, found["malformed_lines"], found["bad_check"], found["short"]) == (0, 0, 0, 0)
    for quantity, (signal, factor) in QUANTITIES.items():
        figures = {key: value * (1 if key == "n" else factor) for key, value in wanted["signals"][signal].items()}
        assert found[quantity] == pytest.approx(figures), quantity
    messages = {each["message"]: each for each in found["messages"]}
    for frame_id, message in MESSAGES.items():
        assert messages[message]["good"] == wanted["crc8_poly_0x85"][f"{frame_id}_ok"]
        if frame_id != "55B":  # the figures hold the steps of the two fast messages only
            steps = {step: wanted["prun"].get(f"{frame_id}_step{step}") for step in "0123"}
            assert messages[message]["steps"] == {step: count for step, count in steps.items() if count}


@pytest.mark.parametrize(("name", "pack"), LOGS.items())
def test_every_frame_of_the_log_is_counted(folder: Path, run_import, name: str, pack: str) -> None:
    """The number of frames and of those with an id of the DBC is what the log's list of ids says."""
    listed = manifest(folder, name)
    found = run_import(folder / f"{name}.log", pack=pack).json
    known = {"1DB", "1DC", "55B", "5BC", "5C0"} | (set() if pack == "leaf_ze0" else {"59E"})
    of_pack = sum(count for key, count in listed["frames_per_id"].items() if key.partition(":")[2] in known)
    assert (found["frames"], found["decoded"]) == (listed["frames"], of_pack)
    assert (found["start_ns"], found["end_ns"]) == (0, pytest.approx(listed["duration_s"] * 1e9, abs=1e6))


@pytest.mark.parametrize("suffix", [".asc", ".blf"])
@pytest.mark.parametrize(("name", "pack"), LOGS.items())
def test_vector_formats_give_the_same_account(
    folder: Path, run_import, tmp_path: Path, name: str, pack: str, suffix: str
) -> None:
    """The same log as ASC or BLF gives the same JSON, to the last digit."""
    log = tmp_path / f"{name}{suffix}"
    with can.LogReader(folder / f"{name}.log") as reader, can.Logger(log) as writer:
        for message in reader:
            writer.on_message_received(message)
    assert run_import(log, pack=pack).json == run_import(folder / f"{name}.log", pack=pack).json


def test_the_van_forwards_temperatures_to_its_second_bus(folder: Path, run_import) -> None:
    """Each bus of the two-bus log alone adds up to both, and the account says that a message came on both."""
    log = folder / "env200_2015_40kwh_charge_poll.log"
    both, first, second = (run_import(log, *options).json for options in ([], ["--bus", "0"], ["--bus", "1"]))
    assert both["frames"] == 37857 == first["frames"] + second["frames"]
    assert (second["decoded"], second["soc"]["n"]) == (5, 0)
    assert [note.partition(" ")[0] for note in both["notes"]] == ["LbcTemperatures"]


def test_native_vector_files_are_read(folder: Path, run_import) -> None:
    """Files as Vector tools and loggers wrote them: all of their frames, with calendar time where they have it."""
    idle = run_import(folder / "native" / "kona_pack_idle.asc").json
    rows = (folder / "native" / "kona_pack_idle.asc").read_text().count("\tRx")
    assert (idle["frames"], idle["malformed_lines"]) == (rows, 0)
    blf = run_import(folder / "native" / "kona_pack_idle_2000.blf").json
    assert (blf["frames"], blf["start_ns"]) == (2000, 1_700_000_000 * 10**9)
    for name in ("leaf_ze1_chademo.gvret.csv", "bmw_i3_pack_only.cr_tab.txt", "env200_40kwh_charge.crtd"):
        assert run_import(folder / "native" / name).status == 2
