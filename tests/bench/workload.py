"""What the benchmarks decode: a DBC of 16 packs with 7 messages each, a drive of 64 s that repeats, log files of it.

1,760 frames/s on one classic CAN bus, about 41 % of 500 kbit/s. Everything comes from fixed seeds, so two processes
that ask for the same number of frames have the same frames. No value stands at a "not available" code, so that a peer
needs no test for it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PACKS = 16
TICKS = 640  # of 100 ms: a whole number of rounds of every counter and page
FRAMES_PER_TICK = 11 * PACKS
FRAMES_PER_S = 10 * FRAMES_PER_TICK
DRIVE_FRAMES = TICKS * FRAMES_PER_TICK
DRIVE_S = TICKS // 10
START_S = 1_700_000_000
BUS = "can0"

Frame = tuple[int, int, bytes]
"""Time in nanoseconds since 1970, an 11-bit id, 8 bytes."""


class Row(NamedTuple):
    """One signal: place, scale, unit, its page in a multiplexed message, the words of a value table."""

    name: str
    start: int
    length: int
    signed: bool = False
    scale: str = "1"
    unit: str = ""
    page: int | None = None
    words: str = ""


NO_VALUE = 'NotAvailable'
SWITCH = '0 "Open" 1 "Closed" 2 "Welded" 3 "NotAvailable"'
FLAGS = ("CellHigh", "CellLow", "PackHigh", "PackLow", "ChargeCurrentHigh", "DischargeCurrentHigh", "CellHot",
         "CellCold", "BoardHot", "Imbalance", "InsulationLow", "InterlockOpen", "FuseBlown", "PrechargeFailed",
         "SensorLost", "CellWireBroken", "CommunicationLost", "StoreDamaged", "CrashSignal", "Wet", "Smoke", "DoorOpen",
         "Warning", "Latched")
ALIVE, CRC = Row("Alive", 52, 4), Row("Crc", 56, 8)

MESSAGES: dict[str, tuple[Row, ...]] = {
    "Values": (
        Row("Voltage", 0, 16, scale="0.01", unit="V", words=f'65535 "{NO_VALUE}"'),
        Row("Current", 16, 16, True, "0.1", "A", words=f'-32768 "{NO_VALUE}"'),
        Row("StateOfCharge", 32, 10, scale="0.1", unit="%", words=f'1023 "{NO_VALUE}"'),
        Row("State", 42, 4, words='0 "Boot" 1 "Open" 2 "Precharge" 3 "Closed" 4 "Opening" 5 "Latched" 6 "Service"'),
        ALIVE, CRC,
    ),
    "Limits": (
        Row("ChargeCurrentMaximum", 0, 12, scale="0.1", unit="A"),
        Row("DischargeCurrentMaximum", 12, 12, scale="0.1", unit="A"),
        Row("VoltageMaximum", 24, 14, scale="0.01", unit="V"),
        Row("VoltageMinimum", 38, 14, scale="0.01", unit="V"),
        ALIVE, CRC,
    ),
    "Flags": (
        *(Row(name, place, 1) for place, name in enumerate(FLAGS)),
        *(Row(name, 24 + 2 * place, 2, words=SWITCH) for place, name in
          enumerate(("ContactorPositive", "ContactorNegative", "ContactorPrecharge", "Heater", "Fan"))),
        ALIVE, CRC,
    ),
    "Energy": (
        Row("EnergyIn", 0, 22, scale="0.01", unit="kWh"),
        Row("EnergyOut", 22, 22, scale="0.01", unit="kWh"),
        Row("BalancedCells", 44, 8),
        ALIVE, CRC,
    ),
    "Extremes": (
        Row("CellVoltageMinimum", 0, 13, scale="0.001", unit="V", words=f'8191 "{NO_VALUE}"'),
        Row("CellVoltageMaximum", 13, 13, scale="0.001", unit="V", words=f'8191 "{NO_VALUE}"'),
        Row("TemperatureMinimum", 26, 9, True, "0.5", "degC", words=f'-256 "{NO_VALUE}"'),
        Row("TemperatureMaximum", 35, 9, True, "0.5", "degC", words=f'-256 "{NO_VALUE}"'),
        Row("CellOfMinimum", 44, 4), Row("CellOfMaximum", 48, 4),
        ALIVE, CRC,
    ),
    "CellVoltages": (
        Row("Page", 0, 4), Row("Alive", 4, 4),
        *(Row(f"CellVoltage{cell + 1:02d}", 8 + 14 * (cell % 4), 14, scale="0.001", unit="V", page=cell // 4,
              words=f'16383 "{NO_VALUE}"') for cell in range(16)),
    ),
    "CellTemps": (
        Row("Page", 0, 4), Row("Alive", 4, 4),
        *(Row(f"CellTemperature{cell + 1:02d}", 8 + 12 * (cell % 4), 12, True, "0.1", "degC", page=cell // 4,
              words=f'-2048 "{NO_VALUE}"') for cell in range(8)),
        CRC,
    ),
}
# The messages of one pack in one tick; the number is the page.
SLOTS = (("Values", 0), ("Limits", 0), ("Flags", 0), ("Energy", 0), ("Extremes", 0),
         *(("CellVoltages", page) for page in range(4)), *(("CellTemps", page) for page in range(2)))


def can_id(pack: int, message: str) -> int:
    """The 11-bit id of a pack's message; packs count from 0."""
    return 0x100 + 8 * pack + list(MESSAGES).index(message)


@cache
def dbc_text() -> str:
    """The DBC of all 112 messages."""
    names = [(can_id(pack, kind), f"Pack{pack + 1:02d}{kind}", rows)
             for pack in range(PACKS) for kind, rows in MESSAGES.items()]
    lines = ['VERSION ""', "", "NS_ :", "", "BS_:", "", "BU_: Pack Gateway", ""]
    for frame_id, name, rows in names:
        lines += [f"BO_ {frame_id} {name}: 8 Pack", *map(_signal_line, rows), ""]
    for frame_id, _, rows in names:
        lines += [f"VAL_ {frame_id} {row.name} {row.words} ;" for row in rows if row.words]
    return "\n".join(lines) + "\n"


def _signal_line(row: Row) -> str:
    mux = " M" if row.name == "Page" else "" if row.page is None else f" m{row.page}"
    place = f"{row.start}|{row.length}@1{'-' if row.signed else '+'}"
    return f' SG_ {row.name}{mux} : {place} ({row.scale},0) [0|0] "{row.unit}" Gateway'


def write_dbc(path: Path) -> Path:
    """The DBC as a file; returns the path."""
    path.write_text(dbc_text(), encoding="cp1252")
    return path


# --- frames ----------------------------------------------------------------------------------------------------------

class Drive(NamedTuple):
    """The frames of the drive in the order of time: microseconds from its start, ids, rows of 8 bytes."""

    time_us: Any
    can_id: Any
    data: Any


@cache
def drive() -> Drive:
    """64 s that end about where they begin."""
    raws = _raw_values()
    data = np.empty((TICKS, len(SLOTS), PACKS, 8), dtype=np.uint8)
    rounds = np.arange(TICKS)
    for slot, (kind, page) in enumerate(SLOTS):
        pages = sum(each == kind for each, _ in SLOTS)
        raws[kind, "Page"], raws[kind, "Alive"] = page, (rounds * pages + page) % 16
        words = np.zeros((PACKS, TICKS), dtype=np.uint64)
        for row in MESSAGES[kind]:
            if row.page in (None, page) and row != CRC:
                raw = np.asarray(raws[kind, row.name]).astype(np.int64).view(np.uint64)
                words |= (raw & np.uint64((1 << row.length) - 1)) << np.uint64(row.start)
        if CRC in MESSAGES[kind]:
            words |= _crc8(words).astype(np.uint64) << np.uint64(CRC.start)
        data[:, slot] = words.T.astype("<u8")[:, :, None].view(np.uint8)
    ids = np.array([[can_id(pack, kind) for pack in range(PACKS)] for kind, _ in SLOTS])
    offsets_us = np.arange(FRAMES_PER_TICK) * 100_000 // FRAMES_PER_TICK
    return Drive((rounds[:, None] * 100_000 + offsets_us).ravel(), np.tile(ids.ravel(), TICKS), data.reshape(-1, 8))


def _raw_values() -> dict[tuple[str, str], Any]:
    """Raw values by message and signal: arrays of packs by ticks, or one number."""
    random = np.random.default_rng(5)

    def wander(middle: float, step: float, each: float, many: int = PACKS) -> Any:
        walk = np.cumsum(random.normal(0, step, (many, TICKS)), axis=1)
        walk -= np.linspace(0, 1, TICKS) * walk[:, -1:]  # back to where it began
        return np.round(middle + random.normal(0, each, (many, 1)) + walk)

    current = np.clip(wander(-120, 6, 60), -900, 900)
    soc = np.clip(wander(640, 0.4, 40), 50, 990)
    drop = np.repeat(current * 0.02, 16, axis=0)
    cells = np.clip(wander(3650, 0.3, 12, 16 * PACKS) + np.round(drop), 2800, 4190).reshape(PACKS, 16, TICKS)
    temps = np.clip(wander(230, 0.8, 15, 8 * PACKS), -200, 600).reshape(PACKS, 8, TICKS)
    closed = np.arange(TICKS) > 20
    flags = {("Flags", name): (random.random((PACKS, TICKS)) < 0.002) for name in FLAGS}
    return flags | {
        ("Values", "Voltage"): cells.sum(axis=1) // 10, ("Values", "Current"): current,
        ("Values", "StateOfCharge"): soc, ("Values", "State"): np.where(closed, 3, 2),
        ("Limits", "ChargeCurrentMaximum"): np.clip(wander(600, 2, 50), 0, 4000),
        ("Limits", "DischargeCurrentMaximum"): np.clip(wander(1500, 3, 80), 0, 4000),
        ("Limits", "VoltageMaximum"): 6700, ("Limits", "VoltageMinimum"): 4800,
        ("Flags", "ContactorPositive"): closed, ("Flags", "ContactorNegative"): 1,
        ("Flags", "ContactorPrecharge"): ~closed, ("Flags", "Heater"): 0, ("Flags", "Fan"): 1,
        ("Energy", "EnergyIn"): 120_000 + 5_000 * np.arange(PACKS)[:, None] + np.arange(TICKS) // 40,
        ("Energy", "EnergyOut"): 110_000 + 4_000 * np.arange(PACKS)[:, None] + np.arange(TICKS) // 25,
        ("Energy", "BalancedCells"): wander(4, 0.2, 1).clip(0, 16),
        ("Extremes", "CellVoltageMinimum"): cells.min(axis=1), ("Extremes", "CellVoltageMaximum"): cells.max(axis=1),
        ("Extremes", "TemperatureMinimum"): temps.min(axis=1) // 5,
        ("Extremes", "TemperatureMaximum"): temps.max(axis=1) // 5,
        ("Extremes", "CellOfMinimum"): cells.argmin(axis=1), ("Extremes", "CellOfMaximum"): cells.argmax(axis=1),
    } | {("CellVoltages", f"CellVoltage{cell + 1:02d}"): cells[:, cell] for cell in range(16)} | {
        ("CellTemps", f"CellTemperature{cell + 1:02d}"): temps[:, cell] for cell in range(8)}


def _crc8(words: Any) -> Any:
    """SAE J1850 CRC-8 of the first seven bytes."""
    table = np.arange(256, dtype=np.uint16)
    for _ in range(8):
        table = np.where(table & 0x80, table << 1 ^ 0x11D, table << 1)
    crc = np.full(words.shape, 0xFF, dtype=np.uint8)
    for place in range(7):
        crc = table.astype(np.uint8)[crc ^ (words >> np.uint64(8 * place)).astype(np.uint8)]
    return crc ^ 0xFF


@cache
def _drive_lists() -> tuple[list[int], list[bytes]]:
    """Ids and data of the drive as Python objects, shared by all rounds."""
    one = drive()
    whole = one.data.tobytes()
    return one.can_id.tolist(), [whole[at:at + 8] for at in range(0, len(whole), 8)]


def columns(count: int, first: int = 0) -> tuple[Any, Any, Any]:
    """Frames `first` to `first + count`: time in ns (int64), id (int64), data (count rows of 8 bytes)."""
    one = drive()
    place = np.arange(first, first + count)
    rounds, rows = np.divmod(place, DRIVE_FRAMES)
    time_us = one.time_us[rows] + (rounds * DRIVE_S + START_S) * 1_000_000
    return time_us * 1000, one.can_id[rows], one.data[rows]


def iterate(count: int) -> Iterator[Frame]:
    """The first `count` frames, one by one; memory stays flat."""
    ids, datas = _drive_lists()
    for first in range(0, count, DRIVE_FRAMES):
        many = min(DRIVE_FRAMES, count - first)
        times_ns = columns(many, first)[0].tolist()
        yield from zip(times_ns, ids, datas, strict=False)


def frames(count: int) -> list[Frame]:
    """The first `count` frames."""
    return list(iterate(count))


# --- files -----------------------------------------------------------------------------------------------------------

def write_candump(path: Path, count: int) -> None:
    """A candump -l log: 46 bytes a frame."""
    def line(second: str, fraction_us: int, frame_id: int, data: bytes) -> str:
        return f"({second}.{fraction_us:06d}) {BUS} {frame_id:03X}#{data.hex().upper()}\n"

    with path.open("w", encoding="ascii") as file:
        for text in _texts(line, count, lambda second: f"{START_S + second:010d}"):
            file.write(text)


def write_asc(path: Path, count: int) -> None:
    """A Vector ASCII log, as python-can writes it, with times from the start of the measurement."""
    def line(second: str, fraction_us: int, frame_id: int, data: bytes) -> str:
        return f"{second}.{fraction_us:06d} 1  {frame_id:<15X} Rx   d 8 {data.hex(' ').upper()}\n"

    date = datetime.fromtimestamp(START_S, UTC).strftime("%a %b %d %I:%M:%S.000 %p %Y")
    with path.open("w", encoding="ascii") as file:
        file.write(f"date {date}\nbase hex  timestamps absolute\ninternal events logged\n")
        file.write(f"Begin Triggerblock {date}\n 0.000000 Start of measurement\n")
        for text in _texts(line, count, lambda second: f"{second: 2d}"):
            file.write(text)
        file.write("End TriggerBlock\n")


def _texts(line: Any, count: int, second_text: Any) -> Iterator[str]:
    """Log text a second at a time: a second of the drive is made once, its place in time put in."""
    made: dict[int, list[str]] = {}
    for first in range(0, count, FRAMES_PER_S):
        second = first // FRAMES_PER_S
        if (within := second % DRIVE_S) not in made:
            made[within] = _lines_of_second(line, within)
        many = made[within][: count - first]
        yield "".join(many).replace("@@", second_text(second))


def _lines_of_second(line: Any, second: int) -> list[str]:
    ids, datas = _drive_lists()
    part = slice(second * FRAMES_PER_S, (second + 1) * FRAMES_PER_S)
    fractions_us = (drive().time_us[part] % 1_000_000).tolist()
    return [line("@@", *each) for each in zip(fractions_us, ids[part], datas[part], strict=True)]


BLF_OBJECT = np.dtype([("signature", "S4"), ("header", "<u2"), ("version", "<u2"), ("size", "<u4"), ("type", "<u4"),
                       ("flags", "<u4"), ("client", "<u2"), ("object_version", "<u2"), ("time_ns", "<u8"),
                       ("channel", "<u2"), ("message_flags", "u1"), ("dlc", "u1"), ("can_id", "<u4"),
                       ("data", "u1", (8,))])
BLF_CONTAINER = 128 * 1024


def write_blf(path: Path, count: int) -> None:
    """A Vector binary log: compressed containers of 128 KiB; an object may begin in one and end in the next."""
    with path.open("wb") as file:
        file.write(bytes(144))
        size, tail = 144, b""
        for first in range(0, count, DRIVE_FRAMES):
            tail += _blf_objects(min(DRIVE_FRAMES, count - first), first)
            last = first + DRIVE_FRAMES >= count
            while len(tail) >= BLF_CONTAINER or (last and tail):
                part, tail = tail[:BLF_CONTAINER], tail[BLF_CONTAINER:]
                packed = zlib.compress(part, 6)
                file.write(struct.pack("<4sHHLLH6xL4x", b"LOBJ", 16, 1, 32 + len(packed), 10, 2, len(part)) + packed)
                file.write(bytes((32 + len(packed)) % 4))
                size += 32 + len(part)
        length = file.tell()
        file.seek(0)
        file.write(_blf_header(length, size, count))


def _blf_objects(count: int, first: int) -> bytes:
    time_ns, ids, data = columns(count, first)
    objects = np.zeros(count, dtype=BLF_OBJECT)
    for name, value in {"signature": b"LOBJ", "header": 32, "version": 1, "size": 48, "type": 1, "flags": 2,
                        "time_ns": time_ns - START_S * 1_000_000_000, "channel": 1, "dlc": 8, "can_id": ids,
                        "data": data}.items():
        objects[name] = value
    return objects.tobytes()


def _blf_header(length: int, size: int, count: int) -> bytes:
    start = datetime.fromtimestamp(START_S, UTC)
    times: list[int] = []
    for each in (start, start + timedelta(seconds=count // FRAMES_PER_S)):
        times += [each.year, each.month, each.isoweekday() % 7, each.day, each.hour, each.minute, each.second, 0]
    return struct.pack("<4sL8BQQLL16H", b"LOGG", 144, 5, 0, 0, 0, 2, 6, 8, 1, length, size, count, 0, *times)


MDF_FRAME = [("CAN_DataFrame.BusChannel", "<u1"), ("CAN_DataFrame.ID", "<u4"), ("CAN_DataFrame.IDE", "<u1"),
             ("CAN_DataFrame.DLC", "<u1"), ("CAN_DataFrame.DataLength", "<u1"), ("CAN_DataFrame.DataBytes", "(8,)u1"),
             ("CAN_DataFrame.Dir", "<u1"), ("CAN_DataFrame.EDL", "<u1"), ("CAN_DataFrame.BRS", "<u1")]


def write_mf4(path: Path, count: int) -> None:
    """An MDF 4 file of ASAM bus logging, compressed with columns transposed. Needs asammdf."""
    from asammdf import MDF, Signal
    from asammdf.blocks.v4_blocks import SourceInformation
    from asammdf.blocks.v4_constants import BUS_TYPE_CAN, SOURCE_BUS

    source = SourceInformation(source_type=SOURCE_BUS, bus_type=BUS_TYPE_CAN)
    with MDF(version="4.10") as file:
        file.start_time = datetime.fromtimestamp(START_S, UTC)
        for first in range(0, max(count, 1), 4 * DRIVE_FRAMES):
            seconds, samples = _mdf_rows(min(4 * DRIVE_FRAMES, count - first), first)
            if first:
                file.extend(0, [(seconds, None), (samples, None)])
            else:
                file.append(Signal(samples=samples, timestamps=seconds, name="CAN_DataFrame", source=source))
        file.save(path, overwrite=True, compression=2)


def _mdf_rows(count: int, first: int) -> tuple[Any, Any]:
    time_ns, ids, data = columns(count, first)
    rows = np.zeros(count, dtype=MDF_FRAME)
    for name, value in {"BusChannel": 1, "ID": ids, "DLC": 8, "DataLength": 8, "DataBytes": data}.items():
        rows[f"CAN_DataFrame.{name}"] = value
    return (time_ns - START_S * 1_000_000_000) / 1e9, rows
