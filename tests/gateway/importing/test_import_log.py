"""The command on whole logs: what is counted, what is recorded, where it begins, and what is refused."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from twolbms.cli.import_log import import_command
from twolbms.importing.pack import find_pack, load_pack
from twolbms.importing.run import Request, import_log
from twolbms.journal import JournalReader, JournalWriter, Sample

COMMAND = "import sys; from twolbms.cli import main; main(['import', *sys.argv[1:]])"
NOTHING = {"n": 0, "first": None, "min": None, "max": None, "last": None}


@pytest.fixture
def log(tmp_path: Path, leaf_text: str) -> Path:
    path = tmp_path / "drive.log"
    path.write_text(leaf_text)
    return path


def test_every_frame_of_a_whole_log_is_accounted_for(log: Path, run_import) -> None:
    """Counts and values of a small log are exactly those that were written into it."""
    done = run_import(log)
    found = done.json
    assert (done.status, done.stderr) == (0, "")
    assert [found[name] for name in ("frames", "decoded", "unknown_id", "bad_check", "short")] == [130, 90, 40, 0, 0]
    assert [found[name] for name in ("error_frames", "remote_frames", "malformed_lines")] == [0, 0, 0]
    assert (found["start_ns"], found["end_ns"]) == (0, 390_500_000)
    assert found["current_a"] == {"n": 39, "first": -0.5, "min": -0.5, "max": -0.5, "last": -0.5}
    assert (found["pack_voltage_v"]["n"], found["pack_voltage_v"]["last"]) == (39, 400.5)
    assert (found["soc"]["n"], found["soc"]["last"]) == (4, pytest.approx(0.957))
    assert (found["discharge_limit_w"]["last"], found["charge_limit_w"]["last"]) == (110_000.0, 2_000.0)
    assert found["counter_steps"] == 0


def test_the_journal_holds_each_valid_value_at_its_time(log: Path, run_import, tmp_path: Path) -> None:
    """A value of the log is a sample of the pack at the log's time; a state is one only when it changes."""
    found = run_import(log, journal=tmp_path / "j").json
    samples: list[Sample] = list(JournalReader(tmp_path / "j").records("sample"))  # type: ignore[arg-type]
    currents = [each for each in samples if each.series.quantity == "current_a"]
    assert [each.time_ns for each in currents] == [tick * 10_000_000 for tick in range(1, 40)]
    assert {each.series.pack for each in samples} == {"leaf_aze0"}
    relay = [(each.time_ns, each.value) for each in samples if each.series.quantity == "charge_path_closed"]
    assert relay == [(0, 0.0), (10_000_000, 1.0)]
    assert len(samples) == found["samples"] == 39 + 39 + 2 * 39 + 4 + 4 + 2 + 2 * 2
    assert JournalReader(tmp_path / "j").verify() == []
    event, = JournalReader(tmp_path / "j").records("event")
    assert (event.kind, event.data["frames"], event.data["log"]) == ("import", 130, "drive.log")


def test_the_same_log_gives_the_same_boot(log: Path, run_import, tmp_path: Path) -> None:
    """Imported twice, a log gives records with the same boot id and times, so that sending both changes nothing."""
    for name in ("a", "b"):
        run_import(log, journal=tmp_path / name)
    boots = [{block.boot_id for block in JournalReader(tmp_path / name).blocks("sample")} for name in ("a", "b")]
    assert boots[0] == boots[1] and len(boots[0]) == 1


@pytest.mark.parametrize(
    ("shift_us", "options", "start_ns"),
    [
        (0, [], 0),
        (5_000_000, [], 0),
        (0, ["--start", "2026-11-24T06:30:00Z"], 1_795_501_800_000_000_000),
        (1_700_000_000_000_000, [], 1_700_000_000_000_000_000),
        (1_700_000_000_000_000, ["--start", "2026-11-24T07:30:00.5+01:00"], 1_795_501_800_500_000_000),
    ],
)
def test_a_log_begins_where_it_should(
    tmp_path: Path, leaf_lines, run_import, shift_us: int, options: list[str], start_ns: int
) -> None:
    """A log without calendar time begins at 0, one with it keeps it, and --start sets either."""
    log = tmp_path / "shifted.log"
    log.write_text("".join(line._replace(time_us=line.time_us + shift_us).text() + "\n" for line in leaf_lines))
    found = run_import(log, *options, journal=tmp_path / "j").json
    assert (found["start_ns"], found["end_ns"]) == (start_ns, start_ns + 390_500_000)
    first = next(iter(JournalReader(tmp_path / "j").records("sample")))
    assert first.time_ns == start_ns


def test_one_bus_is_taken_alone(tmp_path: Path, leaf_lines, run_import) -> None:
    """--bus takes only its frames, without moving them in time; without it the frames of all buses count."""
    log = tmp_path / "two.log"
    log.write_text("".join(line._replace(bus="can1" if index % 2 else "vcan0").text() + "\n"
                           for index, line in enumerate(leaf_lines)))
    both, one, other = (run_import(log, *options).json for options in ([], ["--bus", "0"], ["--bus", "1"]))
    assert both["frames"] == 130 and one["frames"] == other["frames"] == 65
    assert (one["start_ns"], other["start_ns"]) == (0, 250_000)
    assert any("came on can1 and vcan0" in note or "came on vcan0 and can1" in note for note in both["notes"])
    assert not one["notes"]


def test_a_bus_the_log_does_not_have_is_said(log: Path, run_import, tmp_path: Path) -> None:
    """Asked for a bus without frames, the command says which there are, fails and leaves no folder."""
    done = run_import(log, "--bus", "3", journal=tmp_path / "j")
    assert (done.status, done.json["frames"]) == (2, 0)
    assert "no frame on bus 3" in done.stderr and "can0" in done.stderr
    assert not (tmp_path / "j").exists()
    (tmp_path / "mine").mkdir()
    run_import(log, "--bus", "3", journal=tmp_path / "mine")
    assert not any((tmp_path / "mine").iterdir())


def test_checks_sort_frames_out(tmp_path: Path, leaf_lines, run_import) -> None:
    """A wrong checksum, missing bytes, a 29-bit twin and a skipped frame each land in their own count."""
    lines = [line.text() for line in leaf_lines]
    damaged = lines.copy()
    damaged[3] = damaged[3][:-1] + ("0" if damaged[3][-1] != "0" else "1")  # 0x1DB, checksum
    damaged[4] = damaged[4][:-4]  # 0x1DC, two bytes missing
    damaged[5] = damaged[5].replace("11A#", "000001DB#")  # the id of 0x1DB, but a 29-bit one
    log = tmp_path / "damaged.log"
    log.write_text("\n".join(damaged) + "\n")
    found = run_import(log).json
    assert [found[name] for name in ("decoded", "unknown_id", "bad_check", "short")] == [88, 40, 1, 1]
    assert found["counter_steps"] == 2
    assert found["current_a"]["n"] == 38
    messages = {each["message"]: each for each in found["messages"]}
    assert messages["LbcCurrentVoltage"]["steps"] == {"1": 37, "2": 1}


def test_a_longer_frame_is_read_by_its_first_bytes(tmp_path: Path, leaf_lines, run_import) -> None:
    """A CAN FD frame of a known id gives the values of its first eight bytes; one of an unknown id is unknown."""
    text = leaf_lines[3].text()
    longer = text.replace("1DB#", "1DB##1") + "00" * 8
    log = tmp_path / "fd.log"
    log.write_text(f"{leaf_lines[0].text()}\n{longer}\n{longer.replace('1DB##', '1DE##')}\n")
    found = run_import(log).json
    assert [found[name] for name in ("frames", "decoded", "unknown_id", "malformed_lines")] == [3, 2, 1, 0]
    assert found["current_a"]["n"] == 1


def test_a_page_without_a_name_counts_as_unknown(tmp_path: Path, run_import) -> None:
    """A frame of a known id with a multiplexer page the DBC does not have is not called decoded."""
    (tmp_path / "own.dbc").write_text(
        'VERSION ""\nNS_ :\nBS_:\nBU_: X\nBO_ 1 A: 2 X\n'
        ' SG_ P M : 0|8@1+ (1,0) [0|0] "" X\n SG_ V m1 : 8|8@1+ (1,0) [0|0] "V" X\n'
    )
    (tmp_path / "own.yaml").write_text(
        "pack: own\nkind: observed\ntitle: A pack of two bytes\nchemistry: lfp\ndbc: own.dbc\nsource: made up\n"
        "cells: {series: 1, voltage_min_v: 2.5, voltage_max_v: 3.6, source: made up}\nchecks: {}\nkeep_alive: []\n"
        "quantities:\n  pack_voltage_v: {message: A, signal: V}\n"
    )
    log = tmp_path / "own.log"
    log.write_text("(0.000000) can0 001#0107\n(0.100000) can0 001#0207\n(0.200000) can0 001#0109\n" * 20)
    for bulk in (True, False):
        pack = load_pack(tmp_path / "own.yaml")
        found = import_log(Request(log, pack, tmp_path / f"j{bulk}"), bulk=bulk)
        assert (found.frames, found.decoded, found.unknown_id) == (60, 40, 20)
        assert found.as_json()["pack_voltage_v"] == {"n": 40, "first": 7.0, "min": 7.0, "max": 9.0, "last": 9.0}


def test_a_folder_with_records_is_refused(log: Path, run_import, tmp_path: Path) -> None:
    """An import never mixes its records with others: a second one into the same folder changes nothing."""
    run_import(log, journal=tmp_path / "j")
    before = sorted((path, path.stat().st_size) for path in (tmp_path / "j").rglob("*"))
    done = run_import(log, journal=tmp_path / "j")
    assert done.status == 2 and "already holds records" in done.stderr and "--journal" in done.stderr
    assert before == sorted((path, path.stat().st_size) for path in (tmp_path / "j").rglob("*"))


def test_the_journal_of_a_running_gateway_is_refused(log: Path, run_import, tmp_path: Path) -> None:
    """A folder that a gateway writes to now is refused by that name."""
    writer = JournalWriter(tmp_path / "live", "0" * 32, now_ns=lambda: 0)
    try:
        done = run_import(log, journal=tmp_path / "live")
    finally:
        writer.close()
    assert done.status == 2 and "running gateway" in done.stderr


def test_a_folder_with_other_files_or_a_file_is_refused(log: Path, run_import, tmp_path: Path) -> None:
    """Neither a folder in use for something else nor a file is taken for a journal."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("x")
    assert "is not empty" in run_import(log, journal=tmp_path / "notes").stderr
    assert "is a file" in run_import(log, journal=log).stderr


def test_without_a_folder_the_journal_is_named_for_the_log(log: Path, tmp_path: Path, monkeypatch) -> None:
    """The default folder is import-<log name>-journal in the working directory, for a gzipped log too."""
    monkeypatch.chdir(tmp_path)
    packed = tmp_path / "other.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    for path, folder in ((log, "import-drive-journal"), (packed, "import-other-journal")):
        assert CliRunner().invoke(import_command, [str(path), "--pack", "leaf_aze0"]).exit_code == 0
        assert any((tmp_path / folder / "sample").iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--pack", "leaf_ze9"], "expected one of leaf_aze0, leaf_ze0, leaf_ze1"),
        (["--pack", "lfp_8s_320ah"], "kind"),
        (["--pack", "leaf_ze0", "--start", "yesterday"], "expected a time"),
        (["--pack", "leaf_ze0", "--start", "2026-11-24T06:30:00"], "expected a time"),
        (["--pack", "leaf_ze0", "--bus", "x"], "not a valid integer"),
        ([], "give either --pack NAME"),
        (["--pack", "leaf_ze0", "--id-mask", "0xFF"], "--id-mask goes with --dbc"),
    ],
)
def test_wrong_options_are_refused(log: Path, options: list[str], says: str) -> None:
    """A wrong option ends with status 2 and a sentence that says what was expected."""
    result = CliRunner().invoke(import_command, [str(log), *options])
    assert result.exit_code == 2 and says in result.stderr


def test_the_table_shows_what_was_found(log: Path, tmp_path: Path) -> None:
    """Without --json the account is a short table, with shares of one as percent."""
    result = CliRunner().invoke(import_command, [str(log), "--pack", "leaf_aze0", "--journal", str(tmp_path / "j")])
    assert result.exit_code == 0
    assert "130 frames in 0.4 s" in result.stdout
    soc = next(line for line in result.stdout.splitlines() if line.strip().startswith("soc"))
    assert soc.split() == ["soc", "4", "95.7", "95.7", "95.7", "95.7", "%"]


def test_the_database_hook_gets_the_finished_journal(log: Path, tmp_path: Path) -> None:
    """`lines_to` is called once, with a closed journal that holds every sample; not at all when nothing was found."""
    seen: list[int] = []

    def drain(folder: Path) -> None:
        JournalWriter(folder, "1" * 32, now_ns=lambda: 0).close()  # would be refused while the import holds it
        seen.append(len(list(JournalReader(folder).records("sample"))))

    pack = load_pack(find_pack("leaf_aze0"))
    found = import_log(Request(log, pack, tmp_path / "j"), lines_to=drain)
    assert seen == [found.samples]
    import_log(Request(log, pack, tmp_path / "k", bus=9), lines_to=drain)
    assert len(seen) == 1


def test_json_is_one_object_whatever_the_log(log: Path, tmp_path: Path, run_import) -> None:
    """A quantity that never came stands in the JSON with n 0 and nulls."""
    quiet = tmp_path / "quiet.log"
    quiet.write_text("(0.000000) can0 11A#00\n")
    found = run_import(quiet).json
    assert all(found[name] == NOTHING for name in ("soc", "pack_voltage_v", "current_a", "charge_limit_w"))
    assert json.loads(json.dumps(found)) == found


def test_a_disk_that_takes_no_more_is_said(log: Path, tmp_path: Path) -> None:
    """Records that do not reach the disk end the import with status 2, the reason, and what to do."""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
    options = [str(log), "--pack", "leaf_aze0", "--journal", str(tmp_path / "j")]
    command = [sys.executable, "-c", limited + COMMAND, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "did not reach" in done.stderr and "import again" in done.stderr


def test_a_folder_that_cannot_be_made_is_refused(log: Path, run_import) -> None:
    """A journal below a file cannot be: status 2 and the reason."""
    done = run_import(log, journal=log / "below")
    assert done.status == 2 and "below" in done.stderr


def test_without_numpy_a_log_is_imported_all_the_same(log: Path, tmp_path: Path) -> None:
    """The extra `bulk` is a matter of speed only: the frame-by-frame way never touches numpy."""
    code = (
        "import sys; sys.modules['numpy'] = None\nfrom pathlib import Path\n"
        "from twolbms.importing.pack import find_pack, load_pack\n"
        "from twolbms.importing.run import Request, import_log\n"
        "request = Request(Path(sys.argv[1]), load_pack(find_pack('leaf_aze0')), Path(sys.argv[2]))\n"
        "print(import_log(request, bulk=False).decoded)"
    )
    command = [sys.executable, "-c", code, str(log), str(tmp_path / "j")]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip() == "90"
