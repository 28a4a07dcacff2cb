"""Recorded logs of real cars against figures from an independent decoder. Skipped without TWOLBMS_REFERENCE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import can
import pytest

from gateway.importing.log_frames import bulk, of_python_can, plain
from servers.fake_influx import FakeInflux
from twolbms.importing.any_can.run import Request as AnyCanRequest
from twolbms.importing.any_can.run import import_any_can
from twolbms.outlets.influx_target import InfluxTarget

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
    for name in ("bmw_i3_pack_only.cr_tab.txt", "env200_40kwh_charge.crtd", "leaf_aze0_40kwh.parserflags.tsv"):
        done = run_import(folder / "native" / name)
        assert done.status == 2 and name in done.stderr


def test_a_native_savvycan_log_is_read(folder: Path, run_import) -> None:
    """All 1,500 frames of a file as SavvyCAN wrote it, with its wrapped clock: negative times that rise."""
    name = folder / "native" / "leaf_ze1_chademo.gvret.csv"
    found = run_import(name, pack="leaf_ze1").json
    rows = name.read_text().splitlines()[1:]
    assert (found["frames"], found["malformed_lines"]) == (1500, 0) and len(rows) == 1500
    times_us = [int(row.partition(",")[0]) for row in rows]
    assert (found["start_ns"], found["end_ns"]) == (0, (times_us[-1] - times_us[0]) * 1000)
    plain_frames, bulk_frames = plain(name), bulk(name)
    assert plain_frames == bulk_frames
    wanted = [(int(cells[1], 16), bytes.fromhex("".join(cells[6:6 + int(cells[5])])))
              for cells in (row.split(",") for row in rows)]
    assert [(frame.can_id, frame.data) for frame in plain_frames[0]] == wanted


@pytest.mark.parametrize("name", ["kona_pack_idle.asc", "kona_pack_precharge_relay_on.asc", "kona_pack_idle_2000.blf"])
def test_native_vector_files_are_what_python_can_reads(folder: Path, name: str) -> None:
    """Frame for frame, in bulk and one by one; a BLF also frame for frame what the candump log holds."""
    path = folder / "native" / name
    (frames, damage), other = bulk(path), plain(path)
    assert (frames, damage) == other and damage.sentences() == []
    wanted = of_python_can(path)
    assert [(frame.can_id, frame.extended, frame.data, frame.kind) for frame in frames] == \
        [(frame.can_id, frame.extended, frame.data, frame.kind) for frame in wanted]
    shift_ns = frames[0].time_ns - wanted[0].time_ns
    assert all(abs(one.time_ns - other.time_ns - shift_ns) <= 1000 for one, other in zip(frames, wanted, strict=True))
    if name.endswith(".blf"):
        log = plain(folder / "kona_pack_bench_idle_30s.log")[0][:2000]
        assert [(frame.time_ns - 1_700_000_000 * 10**9, frame.can_id, frame.data) for frame in frames] == \
            [(frame.time_ns, frame.can_id, frame.data) for frame in log]


@pytest.mark.parametrize("suffix", [".csv", ".mf4"])
def test_other_formats_give_the_same_account(folder: Path, run_import, tmp_path: Path, suffix: str) -> None:
    """A log of one bus as python-can's CSV or as MDF gives the same account as candump text."""
    if suffix == ".mf4":
        pytest.importorskip("asammdf")
    log = folder / "leaf_aze0_with_40kwh_pack.log"
    with can.LogReader(log) as reader, can.Logger(tmp_path / f"a{suffix}") as writer:
        for message in reader:
            message.timestamp += 1_700_000_000
            message.channel = 0
            writer.on_message_received(message)
    found = run_import(tmp_path / f"a{suffix}").json
    assert found["start_ns"] == 1_700_000_000 * 10**9
    wanted = run_import(log).json
    for told in (found, wanted):
        del told["start_ns"], told["end_ns"]
    assert found == wanted


FOREIGN = [("leaf_ze0_24kwh_stock", "leaf_ev_can_ze0"), ("bmw_i3_drive", "bmw_i3_pt_can2"),
           ("kona_pack_bench_idle_30s", "kona_pcan_with_header")]


@pytest.mark.parametrize(("log", "dbc"), FOREIGN)
def test_every_signal_of_foreign_dbc_files_both_ways(folder: Path, tmp_path: Path, monkeypatch, log: str,
                                                     dbc: str) -> None:
    """Recorded cars by other people's DBC files: the numpy way and the frame-by-frame way store the same lines."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "token").write_text("t")
    stored, told = [], []
    for way in (True, False):
        with FakeInflux() as server:
            target = InfluxTarget("x", server.url, "o", "b", tmp_path / "token")
            request = AnyCanRequest(folder / f"{log}.log", (folder / "dbc" / f"{dbc}.dbc",), 0x1FFFFFFF, "x",
                                    target=target)
            account = import_any_can(request, bulk=way).as_json()
            stored.append(sorted(server.stored))
        told.append({key: value for key, value in account.items() if key not in ("seconds", "frames_per_s")})
    assert stored[0] == stored[1] and told[0] == told[1]
    assert told[0]["lines_stored"] == len(stored[0]) > 500
    assert told[0]["frames"] == manifest(folder, log)["frames"]
