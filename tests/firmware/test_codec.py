"""The generated codec against cantools on raw values, both ways; checksums against published numbers; the bus load."""

from __future__ import annotations

import re
import subprocess
import sys
from array import array
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from generated import codec, update_codec
from hypothesis import given, settings
from hypothesis import strategies as st
from node import frames

from servers.need import need
from twolbms.files import data_path

cantools = pytest.importorskip("cantools")
DATABASE = cantools.database.load_file(str(data_path("dbc", "node.dbc")))
PER_UNIT = {"V": ("mv", 1000), "A": ("ma", 1000), "degC": ("dc", 10), "s": ("ms", 1000), "Ah": ("mah", 1000)}
PLAIN = {"Counter", "Crc8"}
MANY = settings(deadline=None, max_examples=100)
FEW = settings(deadline=None, max_examples=15)  # for each of 48 groups


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class Page(NamedTuple):
    """One frame's layout: a message, its page or group (or None), its signals in the order of their bits."""

    message: Any
    page: int | None
    signals: list[Any]

    def __str__(self) -> str:
        return self.message.name + ("" if self.page is None else f"-{self.page}")

    @property
    def table(self) -> bytes:
        return update_codec.TABLE if self.message.name.startswith("Update") else codec.TABLE

    @property
    def row(self) -> int:
        """The first row of the table with this message's number, and as many on as pages have rows of their own."""
        number = self.message.frame_id >> 8 & 0xFF
        first = next(n for n in range(len(self.table) // 8) if self.table[8 * n + 1] == number)
        return first + (self.page or 0 if self.message.name in ("NodeInfo", "NodeHistory") else 0)

    def filled(self, values: list[int], counter: int = 0, node: int = 1) -> bytes:
        """The frame of these values, made where another one has been; its counter goes on and its id is right."""
        row = self.table[8 * self.row:8 * self.row + 8]
        place, counts = row[4], bytearray(16)
        if self.message.name in GROUPED:
            place += 4 * ((self.page or 0) % 4)
        v = array("i", [-1] * place + values + [-1] * 200)
        counts[row[6]] = counter
        ids, data = array("i", [-1, -1]), bytearray(b"\xa5" * 16)
        frames.fill(self.table, v, data, bytes((self.row, self.page or 0)), 1, counts, node, ids)
        assert ids[0] & ~frames.LATEST == self.message.frame_id | node and ids[1] == -1
        latest = self.message.cycle_time and self.page is None
        assert ids[0] & frames.LATEST == (frames.LATEST if latest else 0)
        assert data[8:] == b"\xa5" * 8
        protected = {"Counter", "Crc8"} <= {s.name for s in self.message.signals}
        assert counts[row[6]] == ((counter + 1) % 15 if protected else counter)
        return bytes(data[:8])


GROUPED = ("CellVoltages", "CellTemperatures")


def pages(sender: str) -> Iterator[Page]:
    for message in DATABASE.messages:
        if message.senders != [sender]:
            continue
        numbers = sorted({n for s in message.signals for n in s.multiplexer_ids or ()})
        for page in numbers or [None]:
            signals = [s for s in message.signals if not s.is_multiplexer and s.name not in PLAIN
                       and (page is None or page in (s.multiplexer_ids or (page,)))]
            yield Page(message, page, sorted(signals, key=lambda s: s.start))


SCALAR = [p for p in pages("Node") if p.message.name not in ("NodeFaults", *GROUPED)]
GROUPS = [p for p in pages("Node") if p.message.name in GROUPED]
FAULTS = [p for p in pages("Node") if p.message.name == "NodeFaults"]


def absent(signal: Any) -> int | None:
    return next((raw for raw, text in (signal.choices or {}).items() if str(text) == "NotAvailable"), None)


def bounds(signal: Any) -> tuple[int, int]:
    """Raw values that mean a value: the whole field but the one that means not available."""
    half, whole = 1 << signal.length - 1, 1 << signal.length
    low, high = (-half, half - 1) if signal.is_signed else (0, whole - 1)
    return (low + (absent(signal) == low), high - (absent(signal) == high))


def steps(signal: Any) -> Fraction:
    """How many of the node's counts make one raw step."""
    return Fraction(str(signal.scale)) * PER_UNIT.get(signal.unit or "", ("", 1))[1]


def toward_zero(signal: Any) -> bool:
    attribute = signal.dbc.attributes.get("Rounding") if signal.dbc else None
    return attribute is not None and attribute.value in (1, "TowardZero")


def scaled(signal: Any) -> bool:
    """Whether the node gives a number (which is held in bounds) and not a two-bit state or a code."""
    return absent(signal) is not None and (signal.choices is None or len(signal.choices) == 1)


def node_values(signal: Any) -> st.SearchStrategy[int]:
    low, high = bounds(signal)
    if not scaled(signal):
        return st.integers(low, (1 << signal.length) - 1)
    return st.one_of(st.integers(int(low * steps(signal)) - 3, int(high * steps(signal)) + 3),
                     st.integers(-(1 << 28) + 1, (1 << 28) - 1), st.just(codec.NA))


def check_raw(signal: Any, value: int, raw: int) -> None:
    """`raw` is `value` rounded as the contract says and held inside the field, or the code for not available."""
    if not scaled(signal):
        assert raw == value
        return
    if value == codec.NA:
        assert raw == absent(signal)
        return
    low, high = bounds(signal)
    exact = value / steps(signal)
    if exact < low or exact > high:
        assert raw == (low if exact < low else high)
    elif toward_zero(signal):
        assert raw <= exact < raw + 1
    else:
        assert abs(raw - exact) <= Fraction(1, 2)


@pytest.mark.parametrize("page", SCALAR, ids=str)
def test_what_the_node_fills_cantools_reads(page: Page) -> None:
    """Random values of every message come out of cantools rounded, held in bounds, or marked as not available."""
    @MANY
    @given(st.tuples(*map(node_values, page.signals)), st.integers(0, 14), st.integers(1, 127))
    def check(values: tuple[int, ...], counter: int, node: int) -> None:
        d = page.filled(list(values), counter, node)
        raw = page.message.decode(d, decode_choices=False, scaling=False)
        assert raw["Counter"] == counter
        assert d[7] == reference_crc(bytes((page.message.frame_id >> 8 & 0xFF, node)) + d[:7])
        for signal, value in zip(page.signals, values, strict=True):
            check_raw(signal, value, raw[signal.name])
    check()


@pytest.mark.parametrize("page", GROUPS, ids=str)
def test_every_group_lands_in_its_cells(page: Page) -> None:
    """Four values of a group are read under their own numbers."""
    @FEW
    @given(st.lists(node_values(page.signals[0]), min_size=4, max_size=4))
    def check(values: list[int]) -> None:
        raw = page.message.decode(page.filled(values), decode_choices=False, scaling=False)
        for k, signal in enumerate(page.signals):
            assert int(re.sub(r"\D", "", signal.name)) == 4 * (page.page or 0) + k
            check_raw(signal, values[k], raw[signal.name])
    check()


@pytest.mark.parametrize("page", FAULTS, ids=str)
@MANY
@given(bits=st.binary(min_size=24, max_size=24), counter=st.integers(0, 14), node=st.integers(1, 127))
def test_fault_pages_hold_one_bit_a_row(page: Page, bits: bytes, counter: int, node: int) -> None:
    """The bit of a row is the same in all four pages and is told under the row's name."""
    assert page.page is not None
    d = page.filled(list(bits), counter, node)
    raw = page.message.decode(d, decode_choices=False, scaling=False)
    assert (raw["FaultPage"], raw["Counter"]) == (page.page, counter)
    assert d[7] == reference_crc(bytes((0x13, node)) + d[:7])
    for signal in page.signals:
        assert raw[signal.name] == bits[6 * page.page + signal.start // 8] >> signal.start % 8 & 1


def test_a_plan_of_many_frames_makes_each_of_them() -> None:
    """Frames of one plan lie one after the other, each as when it is made alone; counters of a message go on."""
    rows = [(page.row, page.page or 0) for page in (*SCALAR[:3], *FAULTS)]
    v = array("i", range(3, 259))
    together, counts, ids = bytearray(8 * len(rows)), bytearray(16), array("i", [0] * len(rows))
    frames.fill(codec.TABLE, v, together, bytes(n for row in rows for n in row), len(rows), counts, 9, ids)
    again, one = bytearray(16), bytearray(8)
    for n, row in enumerate(rows):
        frames.fill(codec.TABLE, v, one, bytes(row), 1, again, 9, array("i", [0]))
        assert together[8 * n:8 * n + 8] == one
    assert counts == again and max(counts) == 4


@pytest.mark.parametrize("page", list(pages("Gateway")), ids=lambda p: p.message.name)
def test_what_cantools_encodes_the_node_reads(page: Page) -> None:
    """Random raw values reach the node in its own units; not available is NA; a wrong checksum reads nothing."""
    message = page.message
    read = getattr(update_codec if message.name.startswith("Update") else codec, f"read_{snake(message.name)}")
    ordered = [s for s in message.signals if s.name not in PLAIN]

    @MANY
    @given(st.fixed_dictionaries({s.name: st.integers(0, (1 << s.length) - 1) for s in message.signals}),
           st.integers(1, 127), st.integers(1, 255))
    def check(raw: dict[str, int], node: int, damage: int) -> None:
        d = bytearray(message.encode(raw, scaling=False, strict=False))
        d[7] = reference_crc(bytes((message.frame_id >> 8 & 0xFF, node)) + d[:7])
        got = [0] * len(ordered)
        assert read(d, node, got)
        for signal, value in zip(ordered, got, strict=True):
            assert value == (codec.NA if raw[signal.name] == absent(signal) else raw[signal.name] * steps(signal))
        d[7] ^= damage
        assert not read(d, node, got)
    check()


def test_allowances_are_never_told_higher_than_they_are() -> None:
    """What is allowed is rounded toward zero, what is measured to the nearest step."""
    by_name = {page.message.name: page for page in SCALAR}
    raw = decoded(by_name["PackAllowance"], 99999, 249, 28599, 48, 48)
    assert (raw["ChargeCurrentAllowed"], raw["DischargeCurrentAllowed"]) == (99.75, 0.0)
    assert raw["ChargeVoltageAllowed"] == pytest.approx(28.4)
    raw = decoded(by_name["PackValues"], 26409, -12349, 26424, 1, 1, 1)
    assert raw["PackVoltage"] == pytest.approx(26.40) and raw["PackCurrent"] == pytest.approx(-12.34)
    assert raw["LinkVoltage"] == pytest.approx(26.40)


def decoded(page: Page, *values: int) -> Any:
    return page.message.decode(page.filled(list(values)), decode_choices=False)


# ------------------------------------------------------------------------------------------------ checksum


def reference_crc(data: bytes) -> int:
    """CRC-8 SAE J1850 bit by bit: polynomial 0x1D, start and final xor 0xFF."""
    value = 0xFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1 ^ 0x1D) & 0xFF if value & 0x80 else value << 1
    return value ^ 0xFF


# Bytes and their CRC-8 SAE J1850, as AUTOSAR's CRC library publishes them.
PUBLISHED = (("00 00 00 00", 0x59), ("F2 01 83", 0x37), ("0F AA 00 55", 0x79), ("00 FF 55 11", 0xB8),
             ("33 22 55 AA BB CC DD EE FF", 0xCB), ("92 6B 55", 0x8C), ("FF FF FF FF", 0x74), ("00", 0x3B),
             ("01 02 03 04 05 06 07", 0x44), ("31 32 33 34 35 36 37 38 39", 0x4B))


@pytest.mark.parametrize("text, expected", PUBLISHED)
def test_the_table_gives_the_published_checksums(text: str, expected: int) -> None:
    """The node's table computes the published CRC-8 SAE J1850 values."""
    value = 0xFF
    for byte in bytes.fromhex(text):
        value = frames.CRC[value ^ byte]
    assert value ^ 0xFF == expected == reference_crc(bytes.fromhex(text))


# Message number, node number, bytes 0 to 6 and the checksum in byte 7.
FRAMES = (
    ("10 01", "14 1E 17 F6 2F 3C 50", 0xE6), ("10 01", "14 1E 17 F6 2F 3C 51", 0xFB),
    ("10 02", "14 1E 17 F6 2F 3C 51", 0x1A), ("11 01", "F0 10 1E E4 03 2D 0E", 0xDC),
    ("12 01", "53 10 00 04 00 00 05", 0x44), ("13 01", "B5 18 2E 22 9D 01 00", 0x64),
    ("14 01", "93 2E D3 75 11 10 03", 0x20), ("15 01", "26 3D 00 03 32 00 02", 0xB3),
    ("80 80", "11 00 00 F1 53 65 07", 0xDE))


@pytest.mark.parametrize("ids, body, expected", FRAMES)
def test_the_checksum_covers_message_and_node_number(ids: str, body: str, expected: int) -> None:
    """A frame's checksum is right only under its own message number and from its own node."""
    low, node = bytes.fromhex(ids)
    d, values = bytes.fromhex(body) + bytes((expected,)), array("i", [0] * 9)
    table = bytearray((0, low, 2, 0, 0, 0, 0, 0))
    assert frames.read(table, 0, d, node, values) and not frames.read(table, 0, d, node ^ 1, values)
    table[1] ^= 1
    assert not frames.read(table, 0, d, node, values)


def sound_request() -> bytearray:
    d = bytearray(bytes.fromhex("12 F5 FF FF FF 0F 03 00"))
    d[7] = reference_crc(b"\x81\x01" + d[:7])
    return d


def read_with(flips: int) -> bool:
    """Whether the node accepts a request with `flips` on it, bits in the order of the wire."""
    d = bytearray((int.from_bytes(sound_request(), "big") ^ flips).to_bytes(8, "big"))
    return bool(codec.read_node_request(d, 1, [0] * 6))


def test_one_or_two_wrong_bits_are_never_accepted() -> None:
    """Every frame with one or two bits flipped is refused."""
    assert read_with(0)
    assert not any(read_with(1 << a) for a in range(64))
    assert not any(read_with(1 << a | 1 << b) for a, b in combinations(range(64), 2))


def test_a_burst_of_eight_bits_is_never_accepted() -> None:
    """Every frame with one burst of up to eight wrong bits is refused."""
    assert not any(read_with((pattern << 1 | 1) << at) for pattern in range(128) for at in range(64) if at + 8 <= 64)


# ------------------------------------------------------------------------------------------------ machine code

BOTH_WAYS = """
from array import array
from generated import codec
from node import frames
try:
    from micropython import heap_lock, heap_unlock
except ImportError:
    heap_lock = heap_unlock = int
def run(v, ids, counts, data, got, plan):
    check = 0
    chance = 1
    for turn in range(3000):
        for n in range(256):
            chance = (chance * 1103 + 12345) & 0x3FFFF
            scale = chance >> 5 & 15
            v[n] = codec.NA if scale == 0 else (chance - 0x20000) >> scale if scale < 10 else (chance - 0x20000) * 2000
        for n in range(4):
            plan[2 * n] = (turn + n) % 17
            plan[2 * n + 1] = turn & 3
        frames.fill(codec.TABLE, v, data, plan, 4, counts, turn & 127, ids)
        for n in range(17, 19):
            data[7] = turn & 255
            check = (check + frames.read(codec.TABLE, n, data, turn & 127, got) * (got[1] & 1023)) & 0xFFFFF
        for n in range(32):
            check = (check * 31 + data[n] + (ids[n & 3] & 0xFF)) & 0xFFFFF
    return check
parts = (array("i", [0] * 256), array("i", [0] * 4), bytearray(16), bytearray(32), array("i", [0] * 8), bytearray(8))
check = 0
heap_lock()
check = run(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5])
heap_unlock()
print(check)
"""


@pytest.mark.need("micropython32")
def test_machine_code_makes_the_same_frames(tmp_path: Path) -> None:
    """The same values give the same bytes on CPython and as machine code of 32 bits, which takes no memory."""
    script = tmp_path / "both_ways.py"
    script.write_text(BOTH_WAYS)
    source = str(data_path("firmware", "src"))
    said = [subprocess.run([program, str(script)], env={"MICROPYPATH": source, "PYTHONPATH": source}, check=True,
                           capture_output=True, text=True).stdout for program in (sys.executable,
                                                                                  need("micropython32").program)]
    assert said[0] == said[1] and said[0].strip().isdigit()


# ------------------------------------------------------------------------------------------------ bus load

BITS = 67 + 8 * 8 + (54 + 8 * 8 - 1) // 4  # the longest 29-bit frame of eight bytes with its gap: 160 bits
BIT_RATE = 500_000
WORST_SITE = {"nodes": 16, "cells": 128, "sensors": 62}  # more packs than a 500 kbit/s line of 100 m is built for
REQUESTS_PER_NODE_S = 1  # and each is answered


def frames_per_s(cells: int, sensors: int) -> float:
    """Frames of one node a second, from cycle times and groups of the contract."""
    groups = {"CellVoltages": -(-cells // 4), "CellTemperatures": -(-sensors // 4), "NodeFaults": 4, "NodeInfo": 4}
    cyclic = [m for m in DATABASE.messages if m.senders == ["Node"] and m.cycle_time]
    return sum(groups.get(m.name, 1) * 1000 / m.cycle_time for m in cyclic)


def load(nodes: int, cells: int, sensors: int) -> float:
    """Share of the bus, with every frame at its longest."""
    heartbeat = 1000 / DATABASE.get_message_by_name("GatewayHeartbeat").cycle_time
    return (nodes * (frames_per_s(cells, sensors) + 2 * REQUESTS_PER_NODE_S) + heartbeat) * BITS / BIT_RATE


def test_the_worst_site_stays_below_half_the_bus() -> None:
    """16 packs of 128 cells and 62 sensors, a request a second to each and the heartbeat load 500 kbit/s below 50 %."""
    worst = load(**WORST_SITE)
    print(f"worst-case load: {worst:.1%} for {WORST_SITE}; {load(2, 16, 4):.1%} for two packs of 16 cells")
    assert worst < 0.5


def test_a_node_sends_no_more_than_the_contract_says() -> None:
    """In ten seconds without a change the node of a 14-cell pack sends exactly the frames the load is computed from."""
    from twolbms.build.columns import limit_image
    from twolbms.config.site_packs import load_guarded_pack
    from twolbms.scenario.model import Scenario
    from twolbms.scenario.nodes import CPythonNode, limits_object
    from twolbms.scenario.play import play
    pack = load_guarded_pack(data_path("packs", "leaf_2013_14s.yaml"))
    story = Scenario(scenario="nothing changes", pack=pack.pack, steps=[{"at_ms": 29900}])
    played = play(story, pack, CPythonNode(limits_object(limit_image(pack)), 1), keep_log=True)
    sent = [frame for one in played.log[200:300] for frame in one.frames]
    assert len(sent) == pytest.approx(10 * frames_per_s(14, 4))
