"""Logs as they come: cut, overwritten, packed, misnamed. What can be read is; what cannot is said; nothing crashes."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import can
import pytest

from twolbms.importing.pack import find_pack, load_pack
from twolbms.importing.run import Request, import_log


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def as_vector(text: str, path: Path) -> Path:
    """The log in the format of the path's suffix, written by python-can."""
    source = write(path.with_suffix(".source.log"), text)
    with can.LogReader(source) as reader, can.Logger(path) as writer:
        for message in reader:
            writer.on_message_received(message)
    return path


@pytest.mark.parametrize("cut", [1, 2, 4, 8, 16, 17, 20, 24, 31, 40])
def test_a_log_cut_in_its_last_line_loses_that_line_only(tmp_path: Path, leaf_text: str, run_import, cut: int) -> None:
    """Wherever the last line is cut, no frame is made of what is left of it, and the cut is said."""
    log = write(tmp_path / "cut.log", leaf_text[: -1 - cut])
    done = run_import(log)
    assert (done.status, done.json["frames"], done.json["malformed_lines"]) == (1, 129, 1)
    assert "line 130" in done.stderr


def test_a_whole_last_line_without_its_line_end_is_a_frame(tmp_path: Path, leaf_text: str, run_import) -> None:
    """An editor that drops the last line end costs nothing."""
    done = run_import(write(tmp_path / "edited.log", leaf_text[:-1]))
    assert (done.status, done.json["frames"], done.json["malformed_lines"]) == (0, 130, 0)


def test_garbage_between_lines_is_counted_and_passed_over(tmp_path: Path, leaf_text: str, run_import) -> None:
    """Binary rubbish and prose in the middle cost exactly the lines they stand in."""
    lines = leaf_text.encode().splitlines(keepends=True)
    lines[10:10] = [b"\x00\xff\xfe\x80 broken\n", b"the logger restarted\n", b"\n", b"   \r\n"]
    lines[60] = lines[60][:20] + b"\x9c\x00" + lines[60][22:]
    done = run_import(write(tmp_path / "rubbish.log", b"".join(lines)))
    assert (done.status, done.json["frames"], done.json["malformed_lines"]) == (1, 129, 3)
    assert "lines 11, 12, 61" in done.stderr


NO_LOGS = [b"", b"\n\n  \n", b"hello\nworld\n", bytes(range(256)) * 40, b"\x1f\x8b\x08", b"LOGG"]


@pytest.mark.parametrize("content", NO_LOGS)
@pytest.mark.parametrize("suffix", [".log", ".asc", ".blf", ".gz", ""])
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, run_import, content: bytes, suffix: str) -> None:
    """Empty, prose or binary: status 2, a sentence that names the file, and no journal folder."""
    done = run_import(write(tmp_path / f"thing{suffix}", content), journal=tmp_path / "j")
    assert done.status == 2 and f"thing{suffix}" in done.stderr
    assert not (tmp_path / "j").exists()


def test_a_missing_file_a_folder_and_a_forbidden_file_are_refused(tmp_path: Path, leaf_text: str, run_import) -> None:
    """What cannot be opened ends with status 2 and the reason."""
    assert "No such file" in run_import(tmp_path / "gone.log").stderr
    assert "Is a directory" in run_import(tmp_path).stderr
    secret = write(tmp_path / "secret.log", leaf_text)
    secret.chmod(0)
    if not os.access(secret, os.R_OK):
        assert "Permission denied" in run_import(secret).stderr


@pytest.mark.parametrize("name", ["drive.blf", "drive.asc", "drive", "drive.mp3"])
def test_the_content_counts_where_the_suffix_lies(tmp_path: Path, leaf_text: str, run_import, name: str) -> None:
    """Candump text is read as such under any name."""
    done = run_import(write(tmp_path / name, leaf_text))
    assert (done.status, done.json["frames"]) == (0, 130)


@pytest.mark.parametrize("suffix", [".asc", ".blf"])
def test_vector_logs_are_known_under_a_wrong_name(tmp_path: Path, leaf_text: str, run_import, suffix: str) -> None:
    """Vector's formats are found by content too, and give the same account."""
    wanted = run_import(write(tmp_path / "drive.log", leaf_text)).json
    log = as_vector(leaf_text, tmp_path / f"drive{suffix}").rename(tmp_path / "renamed.log")
    assert run_import(log).json == wanted


@pytest.mark.parametrize("suffix", [".log", ".asc", ".blf"])
def test_a_gzipped_log_is_read_as_it_is(tmp_path: Path, leaf_text: str, run_import, suffix: str) -> None:
    """Each format may come gzipped, in one member or in several."""
    plain = write(tmp_path / "a.log", leaf_text) if suffix == ".log" else as_vector(leaf_text, tmp_path / f"a{suffix}")
    content = plain.read_bytes()
    packed = write(tmp_path / "b.gz", gzip.compress(content[:1000]) + gzip.compress(content[1000:]))
    wanted = run_import(plain).json
    assert wanted["frames"] == 130
    assert run_import(packed).json == wanted


def test_a_cut_gzip_file_gives_what_is_in_it(tmp_path: Path, leaf_text: str, run_import) -> None:
    """A gzip file that ends too early gives its frames up to there and says so."""
    rows = leaf_text.splitlines(keepends=True)
    source = random.Random(4)
    rows += [f"(0000000009.{i:06d}) can0 7{i % 256:02X}#{source.randbytes(8).hex()}\n" for i in range(5000)]
    packed = gzip.compress("".join(rows).encode())
    done = run_import(write(tmp_path / "cut.log.gz", packed[: len(packed) // 2]))
    assert done.status == 1 and "gzip" in done.stderr
    assert 1000 < done.json["frames"] < 5130 and done.json["decoded"] == 90


def test_a_damaged_gzip_file_gives_what_is_before(tmp_path: Path, leaf_text: str, run_import) -> None:
    """Rubbish behind the packed data is said; the log before it counts."""
    packed = gzip.compress(leaf_text.encode()) + b"rubbish after the end"
    done = run_import(write(tmp_path / "a.log.gz", packed))
    assert (done.status, done.json["frames"]) == (1, 130) and "gzip" in done.stderr


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_truncated_blf_gives_what_is_before_the_cut(tmp_path: Path, leaf_text: str, run_import, part: float) -> None:
    """A BLF file that was never closed, or cut in copying, gives frames up to the cut and says where that is."""
    content = as_vector(leaf_text, tmp_path / "whole.blf").read_bytes()
    done = run_import(write(tmp_path / "cut.blf", content[: int(len(content) * part)]))
    assert done.status == (1 if done.json["frames"] else 2)
    assert "cut off or damaged from byte" in done.stderr and done.json["malformed_lines"] == 1
    assert done.json["frames"] < 130 and done.json["bad_check"] == 0


def test_a_blf_with_a_damaged_container_gives_what_is_before(tmp_path: Path, leaf_text: str, run_import) -> None:
    """A flipped bit inside the packed data ends the reading there, never with a crash."""
    content = bytearray(as_vector(leaf_text * 200, tmp_path / "whole.blf").read_bytes())
    content[len(content) * 3 // 4] ^= 0x55
    done = run_import(write(tmp_path / "flipped.blf", bytes(content)))
    assert done.status == 1 and 0 < done.json["frames"] < 26000
    assert "cut off or damaged" in done.stderr


ODD_ASC = """// version 9.0.0
date Mit Nov 24 06:30:00.123 nachm. 2026
base dec timestamps relative
no internal events logged
Begin TriggerBlock Mit Nov 24 06:30:00.123 nachm. 2026
   0.000000 Start of measurement
   0.000100 CAN 1 Status:chip status error active
   1.500000 1  475             Rx   d 8 255 224 200 106 95 0 0 132  Length = 240000 BitCount = 124
   0.500000 1  Statistic: D 1 R 0 XD 0 XR 0 E 0 O 0 B 0.01%
   0.250000 2  476             Tx   d 8 110 0 143 253 8 192 195 238
   0.250000 1  ErrorFrame
   0.100000 1  475             Rx   r
   0.100000 1  282             Rx   d 2 1
   0.100000 1  EngineSpeed     Rx   d 1 17
   0.100000 CANFD   1 Rx        1471                                   0 0 8  8 1 2 3 4 5 6 7 8   0 0 0
End TriggerBlock
"""


def test_an_asc_with_odd_headers_is_read_by_what_they_say(tmp_path: Path, run_import) -> None:
    """Decimal numbers, times since the line before, events, CAN FD, cut lines and symbolic names: each in its place."""
    done = run_import(write(tmp_path / "odd.asc", ODD_ASC), "--start", "2026-11-24T06:30:00Z")
    found = done.json
    names = ("frames", "decoded", "unknown_id", "error_frames", "remote_frames")
    assert [found[name] for name in names] == [3, 2, 1, 1, 1]
    assert found["malformed_lines"] == 2 and "lines 13, 14" in done.stderr and done.status == 1
    assert found["start_ns"] == 1_795_501_800_000_000_000
    assert found["end_ns"] == 1_795_501_801_400_000_000
    assert (found["current_a"]["last"], found["charge_limit_w"]["last"]) == (-0.5, 2000.0)


def test_a_channel_zero_makes_a_vector_log_count_from_zero(tmp_path: Path, run_import) -> None:
    """Channel 1 is bus 0, but in a file that uses channel 0 the numbers are taken as they stand."""
    row = "   {:.6f} {}  1DB             Rx   d 8 FF E0 C8 6A 5F 00 00 84\n"
    head = "date Tue Nov 24 06:30:00 2026\nbase hex  timestamps absolute\n"
    from_one = write(tmp_path / "one.asc", head + row.format(0.1, 1) + row.format(0.2, 2))
    from_zero = write(tmp_path / "zero.asc", head + row.format(0.1, 0) + row.format(0.2, 1))
    for log in (from_one, from_zero):
        assert run_import(log, "--bus", "0").json["frames"] == 1
        assert run_import(log, "--bus", "1").json["start_ns"] == 100_000_000


def test_no_damage_whatever_makes_it_crash_or_lose_count(tmp_path: Path, leaf_text: str) -> None:
    """Logs of all formats with random bytes overwritten, cut out or put in: each ends with a consistent account."""
    source = random.Random(11)
    pack = load_pack(find_pack("leaf_aze0"))
    wholes = [leaf_text.encode()] + [as_vector(leaf_text, tmp_path / f"w{s}").read_bytes() for s in (".asc", ".blf")]
    for index in range(60):
        content = bytearray(source.choice(wholes))
        for _ in range(source.randint(1, 6)):
            at = source.randrange(len(content))
            content[at : at + source.randint(0, 9)] = source.randbytes(source.randint(0, 9))
        log = write(tmp_path / "damaged.log", bytes(content))
        found = [import_log(Request(log, pack, tmp_path / f"{index}-{bulk}"), bulk=bulk) for bulk in (True, False)]
        assert found[0].as_json() == found[1].as_json()
        fates = found[0].decoded + found[0].unknown_id + found[0].bad_check + found[0].short
        assert found[0].frames == fates <= 131


ABSURD = ["14365090520.000001000", "14365090520.000000", "9223372036.854775808", "5000000000.000000", "9" * 30 + ".5"]


def both_ways(log: Path, tmp_path: Path) -> list:
    """The findings of the numpy way and of the frame-by-frame way."""
    pack = load_pack(find_pack("leaf_aze0"))
    return [import_log(Request(log, pack, tmp_path / f"{log.name}-{bulk}"), bulk=bulk) for bulk in (True, False)]


@pytest.mark.parametrize("stamp", ABSURD)
@pytest.mark.parametrize("place", [0, 60, 130])
def test_an_absurd_time_costs_its_line_only(tmp_path: Path, leaf_text: str, stamp: str, place: int) -> None:
    """A line whose time no clock gives is malformed and the log goes on, read in bulk or frame by frame."""
    rows = leaf_text.splitlines(keepends=True)
    rows.insert(place, f"({stamp}) can0 55B#EF405500E3C00011\n")
    for found in both_ways(write(tmp_path / "a.log", "".join(rows)), tmp_path):
        assert (found.frames, found.malformed_lines, found.end_ns) == (130, 1, 390_500_000)
        assert found.problems == [f"1 line could not be read: line {place + 1}"]


@pytest.mark.parametrize("base", ["base hex timestamps absolute", "base hex timestamps relative"])
@pytest.mark.parametrize("stamp", ABSURD)
def test_an_absurd_time_in_an_asc_costs_its_line_only(tmp_path: Path, run_import, base: str, stamp: str) -> None:
    """The same in Vector's text; where times count from line to line the next line counts on from the one before."""
    lines = [base, "0.1 1 11A Rx d 1 00", f"{stamp} 1 11A Rx d 1 00", "0.2 1 11A Rx d 1 00"]
    done = run_import(write(tmp_path / "a.asc", "\n".join(lines) + "\n"))
    assert (done.status, done.json["frames"], done.json["malformed_lines"]) == (1, 2, 1)
    assert done.json["end_ns"] == (200_000_000 if base.endswith("relative") else 100_000_000)
    assert "line 3" in done.stderr


@pytest.mark.parametrize("seconds", [5e9, 1.4e10])
def test_an_absurd_time_in_a_blf_costs_its_frame_only(tmp_path: Path, run_import, seconds: float) -> None:
    """A BLF frame whose time no clock gives is left out, counted and said."""
    with can.Logger(tmp_path / "a.blf") as writer:
        for at in (0.0, 0.1, seconds, 0.2):
            writer.on_message_received(can.Message(at, 0x11A, is_extended_id=False, data=b"\0", channel=0))
    done = run_import(tmp_path / "a.blf")
    assert (done.status, done.json["frames"], done.json["malformed_lines"]) == (1, 3, 1)
    assert "frames of the BLF file with a time before 1970 or after 2116, left out: 1" in done.stderr


def test_times_that_jump_by_years_are_said(tmp_path: Path, leaf_text: str) -> None:
    """A clock set inside a log, forth and back over 50 years: all of it is read, and the jumps stand in `problems`."""
    rows = leaf_text.splitlines(keepends=True)
    rows[40:80] = [row.replace("(0000000000.", "(1600000000.") for row in rows[40:80]]
    for found in both_ways(write(tmp_path / "a.log", "".join(rows)), tmp_path):
        assert (found.frames, found.malformed_lines) == (130, 0)
        problem, = found.problems
        assert problem.startswith("times jump by years inside the log, 2 times: first 50.7 years ahead, from 0.1")


def test_a_night_inside_a_log_is_no_jump(tmp_path: Path, leaf_text: str) -> None:
    """Frames hours or months apart are nothing to speak of."""
    rows = leaf_text.splitlines(keepends=True)
    rows[40:] = [row.replace("(0000000000.", "(0030000000.") for row in rows[40:]]
    for found in both_ways(write(tmp_path / "a.log", "".join(rows)), tmp_path):
        assert found.problems == []
