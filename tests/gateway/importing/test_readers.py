"""Every reader against python-can's, frame for frame; bulk and plain see the same, whole or damaged."""

from __future__ import annotations

import gzip
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import can
import numpy as np
import pytest

from gateway.importing.log_frames import as_frame, bulk, messages, of_python_can, plain, write
from twolbms.importing.frames import DATA, ERROR, REMOTE, LogFrame
from twolbms.importing.readers import blf_objects, log_file
from twolbms.importing.readers.log_file import UnreadableLog

Read = Callable[[Path], tuple]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("read", [plain, bulk])
def test_a_blf_is_read_as_python_can_reads_it(tmp_path: Path, monkeypatch, read: Read, seed: int) -> None:
    """Classic, FD, remote and error frames, objects over the ends of containers, in pieces of any size."""
    monkeypatch.setattr(blf_objects, "PIECE_BYTES", [1, 5000, 1 << 20][seed % 3])
    monkeypatch.setattr(can.io.blf.BLFWriter, "max_container_size", [300, 4096, 128 * 1024][seed % 3])
    path = write(tmp_path / "a.blf", messages(1500, seed), compression_level=[0, 1, 9][seed % 3])
    frames, damage = read(path)
    assert frames == of_python_can(path) and len(frames) == 1500
    assert {frame.kind for frame in frames} == {DATA, REMOTE, ERROR} and damage.sentences() == []


def blf_object(kind: int, body: bytes, stamp: int = 1000, unit: int = 2, version: int = 1, pad: bool = True) -> bytes:
    """One object as Vector lays it out, with its padding."""
    extra = b"" if version == 1 else bytes(8)
    head_size = 32 + len(extra)
    size = head_size + len(body)
    head = struct.pack("<4sHHLL", b"LOBJ", head_size, version, size, kind) + struct.pack("<LHHQ", unit, 0, 0, stamp)
    return head + extra + body + bytes(size % 4 if pad else 0)


def blf_file(path: Path, objects: bytes, packed: bool = True) -> Path:
    """A file of one container, begun on a Tuesday in November."""
    start = (2023, 11, 2, 14, 22, 13, 20, 500)
    head = struct.pack("<4sL8BQQLL16H", b"LOGG", 144, *range(8), 0, 0, 0, 0, *start, *start)
    content = zlib.compress(objects) if packed else objects
    container = struct.pack("<4sHHLLH6xL4x", b"LOBJ", 16, 1, 32 + len(content), 10, 2 if packed else 0, len(objects))
    path.write_bytes(head.ljust(144, b"\0") + container + content + bytes((32 + len(content)) % 4))
    return path


FD64 = struct.Struct("<BBBBLLLLLLLHBBL")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("read", [plain, bulk])
def test_the_objects_of_vector_tools_are_read(tmp_path: Path, read: Read, packed: bool) -> None:
    """CAN_MESSAGE2, CAN FD in both forms, either head, both units of time, and foreign objects between them."""
    classic = struct.pack("<HBBL8s", 2, 0, 8, 0x98FF0001, bytes(range(8)))
    fd = struct.pack("<HBBLLBBB5x64s", 1, 0, 9, 0x123, 0, 0, 3, 12, bytes(range(64)))
    fd64 = FD64.pack(3, 9, 12, 0, 0x124, 0, 0x3000, 0, 0, 0, 0, 0, 0, 0, 0) + bytes(range(12))
    short = FD64.pack(3, 9, 12, 0, 0x124, 0, 0x3000, 0, 0, 0, 0, 0, 0, 0, 0) + bytes(range(1, 5))
    objects = b"".join([
        blf_object(86, classic + bytes(8), stamp=1_500_000), blf_object(1, classic, stamp=7, unit=1),
        blf_object(6, b"anything"), blf_object(100, fd, stamp=2_000_499), blf_object(101, fd64, version=2),
        blf_object(101, short, stamp=2_000_500), blf_object(96, b"x" * 33), blf_object(86, classic + bytes(8)),
    ])
    path = blf_file(tmp_path / "v.blf", objects, packed=packed)
    frames, damage = read(path)
    start_ns = round(can.BLFReader(path).start_timestamp * 1000) * 1_000_000
    wanted = [
        LogFrame(start_ns + 1_500_000, "can1", 0x18FF0001, True, bytes(range(8))),
        LogFrame(start_ns + 70_000, "can1", 0x18FF0001, True, bytes(range(8))),
        LogFrame(start_ns + 2_000_000, "can0", 0x123, False, bytes(range(12))),
        LogFrame(start_ns + 1_000, "can2", 0x124, False, bytes(range(12))),
        LogFrame(start_ns + 2_001_000, "can2", 0x124, False, bytes([1, 2, 3, 4]) + bytes(8)),
        LogFrame(start_ns + 1_000, "can1", 0x18FF0001, True, bytes(range(8))),
    ]
    assert frames == wanted and damage.sentences() == []
    assert [frame._replace(time_ns=0) for frame in of_python_can(path)] == [row._replace(time_ns=0) for row in wanted]


def test_times_of_a_blf_are_rounded_not_cut(tmp_path: Path) -> None:
    """A float that a writer cut to 499,963 ns is the 500 us it was."""
    path = blf_file(tmp_path / "r.blf", blf_object(1, struct.pack("<HBBL8s", 1, 0, 8, 1, bytes(8)), stamp=499_963) * 20)
    for read in (plain, bulk):
        assert {frame.time_ns % 1_000_000 for frame in read(path)[0]} == {500_000}


@pytest.mark.parametrize("unit", [1, 2])
def test_a_run_of_either_unit_of_time_is_read_alike(tmp_path: Path, unit: int) -> None:
    """Stamps of 10 us or 1 ns, alone or in one run with a stamp that no clock gives, are the same to both readers."""
    body = struct.pack("<HBBL8s", 1, 0, 8, 1, bytes(8))
    stamps = [*range(1000, 60_000, 777), *range(5, 30)]
    for odd in ([], [1 << 63]):
        objects = b"".join(blf_object(1, body, stamp=stamp, unit=unit) for stamp in [*stamps, *odd])
        path = blf_file(tmp_path / f"{len(odd)}.blf", objects)
        (frames, damage), other = plain(path), bulk(path)
        assert (frames, damage) == other and len(frames) == len(stamps) and damage.malformed_lines == len(odd)
        start_ns = round(can.BLFReader(path).start_timestamp * 1000) * 1_000_000
        step_ns = 10_000 if unit == 1 else 1
        assert [frame.time_ns - start_ns for frame in frames] == [
            (stamp * step_ns + 500) // 1000 * 1000 for stamp in stamps]


@pytest.mark.parametrize("seed", range(40))
def test_damaged_blf_files_are_the_same_to_both_readers(tmp_path: Path, monkeypatch, seed: int) -> None:
    """Bytes overwritten, cut out or put in, inside or outside the packed data: the same frames and the same account."""
    source = random.Random(seed)
    monkeypatch.setattr(can.io.blf.BLFWriter, "max_container_size", 3000)
    path = write(tmp_path / "w.blf", messages(900, seed), compression_level=source.choice([0, 6]))
    content = bytearray(path.read_bytes())
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(content))
        content[at : at + source.randint(0, 9)] = source.randbytes(source.randint(0, 9))
    path.write_bytes(content)
    for (one, one_damage), (other, other_damage) in [(plain(path), bulk(path))]:
        assert one == other and one_damage == other_damage


def test_an_object_of_no_size_ends_the_reading(tmp_path: Path) -> None:
    """A damaged size of 0 is damage, not a loop without end."""
    good = blf_object(1, struct.pack("<HBBL8s", 1, 0, 8, 1, bytes(8)))
    bad = bytearray(good)
    bad[8:12] = bytes(4)
    path = blf_file(tmp_path / "z.blf", good * 30 + bytes(bad) + good * 3)
    for read in (plain, bulk):
        frames, damage = read(path)
        assert len(frames) == 30 and "cut off or damaged from byte 144" in damage.sentences()[0]


def asc_messages(seed: int) -> list[can.Message]:
    """What python-can reads back: it takes an empty FD frame for a remote one. The first is at a whole second."""
    found = [message for message in messages(900, seed) if message.data or not message.is_fd]
    return [can.Message(1_700_000_000.0, 1, data=b"\1", channel=0, is_extended_id=False), *found[:800]]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("read", [plain, bulk])
def test_an_asc_is_read_as_python_can_reads_it(tmp_path: Path, monkeypatch, read: Read, seed: int) -> None:
    """Classic and FD frames, both kinds of id, remote and error frames, in chunks of any size."""
    monkeypatch.setattr(log_file, "BLOCK_BYTES", [700, 20_000, 1 << 20][seed % 3])
    path = write(tmp_path / "a.asc", asc_messages(seed))
    frames, damage = read(path)
    wanted = [frame._replace(can_id=0, extended=False) if frame.kind == ERROR else frame
              for frame in of_python_can(path)]
    zero = wanted[0].time_ns
    assert [frame._replace(time_ns=frame.time_ns - zero) for frame in wanted] == frames
    assert damage.sentences() == [] and len(frames) == 801


@pytest.mark.parametrize("seed", range(40))
def test_damaged_asc_files_are_the_same_to_both_readers(tmp_path: Path, monkeypatch, seed: int) -> None:
    """Bytes of lines changed at random, other bases in the middle, broken ends: same frames, same damaged lines."""
    source = random.Random(seed)
    monkeypatch.setattr(log_file, "BLOCK_BYTES", source.choice([3000, 1 << 20]))
    rows = write(tmp_path / "w.asc", asc_messages(seed)).read_bytes().splitlines(keepends=True)
    if seed % 4 == 0:
        rows.insert(source.randrange(len(rows)), b"base dec timestamps absolute\n")
    if seed % 4 == 1:
        rows.insert(source.randrange(len(rows)), b"base hex timestamps relative\n")
    for _ in range(source.randint(1, 60)):
        row = bytearray(source.choice(rows))
        at = source.randrange(len(row))
        row[at : at + source.randint(0, 2)] = source.choice([b"", b" ", b"F", b"x", b"0", b"\x85", source.randbytes(1)])
        rows[source.randrange(len(rows))] = bytes(row)
    path = tmp_path / "damaged.asc"
    path.write_bytes(b"".join(rows)[: None if seed % 3 else -7])
    assert plain(path) == bulk(path)


def test_asc_rows_of_vector_tools_are_read_in_bulk(tmp_path: Path) -> None:
    """Tabs, small letters, fewer bytes than stand there, and what follows the data."""
    rows = [f"   {at}.{at:06d}\t2\t18ff{at:04x}x\tRx\td 4 de ad be ef 12  Length = 1 BitCount = {at}\r\n"
            for at in range(100, 200)]
    path = tmp_path / "v.asc"
    path.write_text("base hex timestamps absolute\n" + "".join(rows))
    assert plain(path) == bulk(path)
    frames, damage = bulk(path)
    assert len(frames) == 100 and damage.sentences() == []
    assert frames[5] == LogFrame(105_000_105_000, "can1", 0x18FF0069, True, bytes.fromhex("deadbeef"))


@pytest.mark.parametrize("read", [plain, bulk])
def test_python_cans_csv_is_read(tmp_path: Path, read: Read) -> None:
    """Times as Python writes floats, data in Base64, remote and error frames."""
    found = messages(500, 3, fd=False) + messages(20, 4, fd=False, start_s=0.00001)
    path = write(tmp_path / "a.csv", found)
    frames, damage = read(path)
    assert frames == [frame._replace(bus="can0") for frame in of_python_can(path)]
    assert damage.sentences() == []


CSV = {
    "Time Stamp,ID,Extended,Dir,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8\n"
    "166064000,0000021A,false,Rx,1,3,FE,36,2,\n-5,18FF0001,true,Tx,0,0,\n":
        [LogFrame(166_064_000_000, "can1", 0x21A, False, b"\xfe\x36\x02"),
         LogFrame(-5000, "can0", 0x18FF0001, True, b"")],
    "Time Stamp,ID,Extended,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8\n1000,1DB,false,0,2,01,02,00,00,\n":
        [LogFrame(1_000_000, "can0", 0x1DB, False, b"\1\2")],
    "TimestampEpoch;BusChannel;ID;IDE;DLC;DataLength;Dir;EDL;BRS;DataBytes\n"
    "1578922367.777150;1;14FEF131;1;8;8;0;0;0;CFFFFFF300FFFF30\n1578922368.5;2;123;0;9;12;0;1;0;000102030405060708090A0B\n":
        [LogFrame(1_578_922_367_777_150_000, "can1", 0x14FEF131, True, bytes.fromhex("CFFFFFF300FFFF30")),
         LogFrame(1_578_922_368_500_000_000, "can2", 0x123, False, bytes(range(12)))],
    "# made by a script\ntime\tcan_id\tdata\n0.5\t0x1DB\t0x0102\n":
        [LogFrame(500_000_000, "can0", 0x1DB, False, b"\1\2")],
}


@pytest.mark.parametrize("text", CSV)
@pytest.mark.parametrize("read", [plain, bulk])
@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_csv_of_loggers_is_read_by_the_names_of_its_columns(tmp_path: Path, read: Read, text: str, suffix: str) -> None:
    """SavvyCAN with and without direction, CANedge, and a table somebody made: whatever the file is called."""
    path = tmp_path / f"a{suffix}"
    path.write_text(text)
    frames, damage = read(path)
    assert frames == CSV[text] and damage.sentences() == []


def test_csv_with_other_columns_is_refused_by_their_names(tmp_path: Path) -> None:
    """Nothing is guessed: the sentence names the columns that were found, and what was expected."""
    path = tmp_path / "a.csv"
    path.write_text("when,speed,temperature\n1,2,3\n")
    with pytest.raises(UnreadableLog, match="the columns when, speed, temperature: expected a time, an id and data"):
        plain(path)


def test_csv_lines_that_are_none_are_counted(tmp_path: Path) -> None:
    """A wrong length, an impossible id, a time without a unit, missing fields: each costs its line."""
    path = tmp_path / "a.csv"
    path.write_text("time,id,len,data\n0.1,1DB,2,0102\n0.2,1DB,3,0102\n0.3,20000000,2,0102\n4,1DB,2,0102\n0.5,1DB\n"
                    "0.6,1DB,2,01zz\n0.7,1DB,2,0102\n")
    for read in (plain, bulk):
        frames, damage = read(path)
        assert [frame.time_ns for frame in frames] == [100_000_000, 700_000_000]
        assert damage.malformed_lines == 5 and "lines 3, 4, 5 and later" in damage.sentences()[0]


TRC = {
    "1.0": ";##\n     1)    1841 0001 8 00 01 02 03 04 05 06 07\n     2)    1843 18FF0001 2 AB CD\n"
           "     3) 1844 0003 4 RTR\n",
    "1.1": ";$FILEVERSION=1.1\n;$STARTTIME=43474.6\n     1)      1059.9  Rx     0300  7  00 01 02 03 04 05 06\n"
           "     2)      1283.231  Rx     18FF0001  1  A8\n     3)      1298.9  Rx     0005  8  RTR\n"
           "     4)      1299.9  Warng  FFFFFFFF  4  00 00 00 08  BUSHEAVY\n",
    "1.3": ";$FILEVERSION=1.3\n;$STARTTIME=43474.6\n"
           "     1)      1059.900 1  Rx        0300 -  7    00 01 02 03 04 05 06\n"
           "     2)      1283.231 2  Tx    18FF0001 -  1    A8\n",
    "2.1": ";$FILEVERSION=2.1\n;$STARTTIME=43474.6\n;$COLUMNS=N,O,T,B,I,d,R,L,D\n"
           "      1      1059.900 DT 1      0300 Rx -  7    00 01 02 03 04 05 06\n"
           "      2      1283.231 FD 2  18FF0001 Rx -  9    00 01 02 03 04 05 06 07 08 09 0A 0B\n"
           "      3      1298.945 RR 1      0005 Rx -  8\n      4      1299.0 ST 1 -  Rx - 4 00 00 00 08\n",
    "2.0": ";$FILEVERSION=2.0\n;$STARTTIME=43474.6\n;$COLUMNS=N,O,T,I,d,l,D\n"
           "      1      1059.900 DT     0300 Rx  3    00 01 02\n",
}


@pytest.mark.parametrize("version", TRC)
@pytest.mark.parametrize("read", [plain, bulk])
def test_pcan_traces_are_read_as_python_can_reads_them(tmp_path: Path, read: Read, version: str) -> None:
    """Versions 1.0 to 2.1, times from the start of the trace; status lines are no frames."""
    path = tmp_path / "a.trc"
    path.write_text(TRC[version])
    frames, damage = read(path)
    with can.TRCReader(path) as reader:
        found = list(reader)
        start_s = reader._start_time
    wanted = []
    for message in found:
        message.timestamp -= start_s
        wanted.append(as_frame(message, first_bus=1))
    assert frames and damage.sentences() == []
    assert [(row.bus, row.can_id, row.extended, row.data, row.kind) for row in frames] == \
        [(row.bus, row.can_id, row.extended, row.data, row.kind) for row in wanted]
    assert all(abs(one.time_ns - other.time_ns) <= 2000 for one, other in zip(frames, wanted, strict=True))


def test_a_gzipped_log_is_read_in_bulk_too(tmp_path: Path) -> None:
    """Packed in several members, over the ends of objects."""
    path = write(tmp_path / "a.blf", messages(700, 9))
    content = path.read_bytes()
    packed = tmp_path / "b.gz"
    packed.write_bytes(gzip.compress(content[:333]) + gzip.compress(content[333:]))
    assert bulk(packed) == bulk(path) == plain(packed)


def test_tables_hold_zeros_behind_the_data(tmp_path: Path) -> None:
    """Bytes behind the length of a frame are 0, whatever a file has there."""
    from twolbms.importing.frames import Damage
    from twolbms.importing.readers.open_log import read_tables

    body = struct.pack("<HBBL8s", 1, 0, 3, 1, b"\xff" * 8)
    table, = read_tables(blf_file(tmp_path / "a.blf", blf_object(1, body) * 20), Damage(), lambda done: None)
    assert np.array_equal(np.unique(table.data, axis=0), [[255, 255, 255, 0, 0, 0, 0, 0]])
