"""A reader written from `docs/journal.md` alone, with nothing of ours: the page and the files must agree."""

from __future__ import annotations

import json
import struct
import zlib

import pytest

from twolbms.journal import Event, Frame, JournalReader, Reading, Sample, Series

MAGIC = bytes.fromhex("B2324C4A")
FAMILIES = {1: "frame", 2: "reading", 3: "sample", 4: "event"}
BOOT = "0123456789abcdef" * 2


class Payload:
    """Takes the page's columns off a payload."""

    def __init__(self, raw: bytes, count: int) -> None:
        self.raw, self.at, self.count = raw, 0, count

    def fields(self, layout: str) -> tuple:
        values = struct.unpack_from("<" + layout, self.raw, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def integers(self) -> list[int]:
        letter, = self.fields("c")
        return list(self.fields(f"{self.count}{letter.decode()}"))

    def steps(self) -> list[int]:
        value, = self.fields("q")
        return [value := value + step for step in self.integers()]

    def text(self) -> str:
        length, = self.fields("H")
        return self.fields(f"{length}s")[0].decode()

    def names(self) -> list[str]:
        return [self.text() for _ in range(self.fields("H")[0])]

    def series(self) -> list[tuple]:
        table: list[tuple] = []
        for _ in range(self.fields("H")[0]):
            many, first = self.fields("Hi")
            quantity, pack = self.text(), self.text()
            table += [(quantity, pack, None if first < 0 else first + number) for number in range(many)]
        return table

    def data_by_bytes(self, lengths: list[int]) -> list[bytes]:
        columns = [self.fields(f"{self.count}s")[0] for _ in range(max(lengths))]
        return [bytes(column[row] for column in columns)[:length] for row, length in enumerate(lengths)]

    def data(self, lengths: list[int]) -> list[bytes]:
        return [self.fields(f"{length}s")[0] for length in lengths]


def samples(payload: Payload) -> list[tuple]:
    table, index, times = payload.series(), payload.steps(), payload.steps()
    values = payload.fields(f"{payload.count}d")
    return [(time_ns, *table[row], value) for time_ns, row, value in zip(times, index, values, strict=True)]


def frames(payload: Payload, by_bytes: bool = False) -> list[tuple]:
    table, index, times, ids = payload.names(), payload.integers(), payload.steps(), payload.integers()
    lengths = payload.integers()
    data = payload.data_by_bytes(lengths) if by_bytes else payload.data(lengths)
    return [(time_ns, table[row], number + 2**31 if number < 0 else number, number < 0, raw)
            for time_ns, row, number, raw in zip(times, index, ids, data, strict=True)]


def readings(payload: Payload) -> list[tuple]:
    table, index, times = payload.names(), payload.integers(), payload.steps()
    data = payload.data(payload.integers())
    return [(time_ns, table[row], raw) for time_ns, row, raw in zip(times, index, data, strict=True)]


def events(payload: Payload) -> list[tuple]:
    return [tuple(json.loads(line)) for line in payload.raw.split(b"\n")]


READERS = {"sample": samples, "frame": frames, "reading": readings, "event": events}


def read_segment(raw: bytes) -> list[tuple]:
    """(family, boot, records) of each block; a summary's records are their count and times."""
    blocks, at = [], 0
    while raw[at:].strip(b"\0"):  # zeros up to the end are room for blocks to come
        (magic, version, family, kind, zero, count, plain, stored, first, last, boot, crc,
         header_crc) = struct.unpack_from("<4s4B3I2q16s2I", raw, at)
        payload = raw[at + 60:at + 60 + stored]
        assert (magic, version, zero) == (MAGIC, 1, 0)
        assert (crc, header_crc) == (zlib.crc32(payload), zlib.crc32(raw[at:at + 56]))
        at += 60 + stored
        if kind == 2:
            blocks.append((FAMILIES[family], boot.hex(), (count, first, last)))
            continue
        payload = zlib.decompress(payload) if kind in (1, 4) else payload
        assert len(payload) == plain
        records = READERS[FAMILIES[family]](Payload(payload, count), *([True] if kind == 4 else []))
        assert (min(records)[0], max(records)[0], len(records)) == (first, last, count)
        blocks.append((FAMILIES[family], boot.hex(), records))
    return blocks


def test_a_reader_from_the_page_reads_every_family(open_writer, folder):
    """What the page says suffices to read all four families, boots and lock, record by record."""
    writer = open_writer(BOOT)
    for number in range(20):
        writer.sample(Series("cell_voltage_v", "north", number), 10**12 - number, 3.3 + number / 1000)
        writer.sample(Series("current_a", "", None), 10**12 + number * 10**9, -number)
        writer.frame(number, "can0", 0x0CFF0001 + number, True, bytes(number % 9))
        writer.frame(number * 10**12, "can1", 0x7FF - number, False, b"\xff" * (number % 9))
        writer.reading(number, f"shunt {number % 3}", bytes(range(number * 13)))
        writer.event(number, "note", "north", {"text": "°C\n", "number": number, "none": None})
    writer.fix_wall(-5, "demo")
    assert writer.flush(5)
    for family in READERS:
        ours = [(record[0] + 5, *record[1], record[2]) if family == "sample" else (record[0] + 5, *record[1:])
                for block in JournalReader(folder).blocks(family) for record in block.records]
        (read_family, boot, theirs), *more = read_segment((folder / family / "00000001.seg").read_bytes())
        theirs += [record for _, _, records in more for record in records]
        assert (read_family, boot) == (family, BOOT)
        assert theirs == ours
        assert len(theirs) in (20, 40)
    crc, _, rest = (folder / "boots").read_bytes().rstrip(b"\n").partition(b" ")
    assert rest.decode().split(" ") == [BOOT, "-5", "demo"]
    assert int(crc, 16) == zlib.crc32(rest)
    assert (folder / "lock").read_text().split()[::2] == ["open", BOOT]


def test_a_summary_tells_of_its_segment(open_writer, folder):
    """A full segment ends with a summary of all its records, as the page says."""
    writer = open_writer(BOOT)
    for time_ns in (7, 5, 9):
        writer.event(time_ns, "note", "", {})
        assert writer.flush(5)
    writer.close()
    open_writer("cc" * 16).close()
    *blocks, summary = read_segment((folder / "event" / "00000001.seg").read_bytes())
    assert len(blocks) == 3
    assert summary == ("event", BOOT, (3, 5, 9))


# Written by the first version of the format; every later program must read them as they stand.
OLD = {
    "sample": (
        "b2324c4a0103010003000000670000005c0000000010a5d4e80000000510a5d4e80000000123456789abcdef0123456789ab"
        "cdef690b84cba167be9b78016362606200013e86e4d49c9cf8b2fc9c92c4f4d4f8325686bcfca2920c4686ff40c0c9905c5a"
        "54949a57129f081507eb0112490c8c8c0c024bafbc00b319589f5e50bafdb38ecb415affae0a5b239703585d83c20100eb72"
        "1d2d",
        [Sample(10**12, Series("cell_voltage_v", "north", 0), 3.312),
                Sample(10**12, Series("cell_voltage_v", "north", 1), 3.313),
                Sample(10**12 + 5, Series("current_a", "north", None), -8.25)]),
    "event": (
        "b2324c4a01040000010000001d0000001d000000070000000000000007000000000000000123456789abcdef0123456789ab"
        "cdeff1bf062ea570d8425b372c2274726970222c226e6f727468222c7b2263656c6c223a337d5d",
        [Event(7, "trip", "north", {"cell": 3})]),
    "frame": (
        "b2324c4a01010000020000002400000024000000070000000000000009000000000000000123456789abcdef0123456789ab"
        "cdefe08bf6293ee416200100040063616e306200000700000000000000620002690100ff8c5500000062020000ff",
        [Frame(7, "can0", 0x0CFF0001, True, b"\x00\xff"), Frame(9, "can0", 0x55, False, b"")]),
    "reading": (
        "b2324c4a01020000010000001a0000001a000000070000000000000007000000000000000123456789abcdef0123456789ab"
        "cdef522c8be6b3153104010005007368756e7462000700000000000000620062033a3531",
        [Reading(7, "shunt", b":51")]),
}


@pytest.mark.parametrize("family", OLD)
def test_old_blocks_stay_readable(folder, family):
    """A block that was written once is read by every later version."""
    block, records = OLD[family]
    folder.joinpath(family).mkdir(parents=True)
    (folder / family / "00000001.seg").write_bytes(bytes.fromhex(block))
    found, = JournalReader(folder).blocks(family)
    assert (found.boot_id, found.records, found.damaged) == (BOOT, records, 0)
