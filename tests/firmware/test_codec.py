"""The generated codec against cantools on raw values, both ways; checksums against published numbers; the bus load."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from typing import Any, NamedTuple

import pytest
from generated import codec
from hypothesis import given, settings
from hypothesis import strategies as st

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
    """One frame's layout: a message, its page (or None) and the signals a fill_ function is given."""

    message: Any
    page: int | None
    signals: list[Any]

    @property
    def function(self) -> str:
        paged = self.page is not None and self.message.name in ("NodeInfo", "NodeHistory")
        return f"fill_{snake(self.message.name)}" + (f"_{self.page}" if paged else "")


def pages(sender: str) -> Iterator[Page]:
    for message in DATABASE.messages:
        if message.senders != [sender]:
            continue
        numbers = sorted({n for s in message.signals for n in s.multiplexer_ids or ()})
        for page in numbers or [None]:
            signals = [s for s in message.signals if not s.is_multiplexer and s.name not in PLAIN
                       and (page is None or page in (s.multiplexer_ids or (page,)))]
            yield Page(message, page, sorted(signals, key=lambda s: s.start))


SCALAR = [p for p in pages("Node") if p.message.name not in ("NodeFaults", "CellVoltages", "CellTemperatures")]
GROUPS = [p for p in pages("Node") if p.message.name in ("CellVoltages", "CellTemperatures")]


def argument(signal: Any) -> str:
    unit = PER_UNIT.get(signal.unit or "", ("", 1))[0]
    return snake(signal.name) + (f"_{unit}" if unit else "")


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


@pytest.mark.parametrize("page", SCALAR, ids=lambda p: p.function)
def test_what_the_node_fills_cantools_reads(page: Page) -> None:
    """Random values of every message come out of cantools rounded, held in bounds, or marked as not available."""
    fill = getattr(codec, page.function)
    names = list(inspect.signature(fill).parameters)
    by_name = {argument(s): s for s in page.signals}
    assert set(names[3:]) == set(by_name), "every signal is given, and nothing else"

    @MANY
    @given(st.fixed_dictionaries({name: node_values(s) for name, s in by_name.items()}),
           st.integers(0, 14), st.integers(1, 127))
    def check(values: dict[str, int], counter: int, node: int) -> None:
        d = bytearray(8)
        fill(d, node, counter, *(values[name] for name in names[3:]))
        raw = page.message.decode(bytes(d), decode_choices=False, scaling=False)
        assert raw["Counter"] == counter
        assert d[7] == reference_crc(bytes((page.message.frame_id >> 8 & 0xFF, node)) + d[:7])
        for name, signal in by_name.items():
            check_raw(signal, values[name], raw[signal.name])
    check()


@pytest.mark.parametrize("page", GROUPS, ids=lambda p: f"{p.function}-{p.page}")
def test_every_group_lands_in_its_cells(page: Page) -> None:
    """Four values of a group are read under their own numbers; past the last cell there is no value."""
    fill = getattr(codec, page.function)
    first = 4 * page.page

    @FEW
    @given(st.lists(node_values(page.signals[0]), min_size=first + 1, max_size=first + 6), st.data())
    def check(values: list[int], data: st.DataObject) -> None:
        d = bytearray(8)
        fill(d, page.page, values, len(values))
        raw = page.message.decode(bytes(d), decode_choices=False, scaling=False)
        for signal in page.signals:
            number = int(re.sub(r"\D", "", signal.name))
            check_raw(signal, values[number] if number < len(values) else codec.NA, raw[signal.name])
    check()


@MANY
@given(st.binary(min_size=24, max_size=24), st.integers(0, 3), st.integers(0, 14), st.integers(1, 127))
def test_fault_pages_hold_one_bit_a_row(bits: bytes, page: int, counter: int, node: int) -> None:
    """The bit of a row is the same in all four pages and is told under the row's name."""
    d = bytearray(8)
    codec.fill_node_faults(d, node, counter, page, bits, 6 * page)
    message = DATABASE.get_message_by_name("NodeFaults")
    raw = message.decode(bytes(d), decode_choices=False, scaling=False)
    assert (raw["FaultPage"], raw["Counter"]) == (page, counter)
    assert d[7] == reference_crc(bytes((0x13, node)) + d[:7])
    for signal in message.signals:
        if signal.multiplexer_ids == [page]:
            assert raw[signal.name] == bits[6 * page + signal.start // 8] >> signal.start % 8 & 1


@pytest.mark.parametrize("page", list(pages("Gateway")), ids=lambda p: p.message.name)
def test_what_cantools_encodes_the_node_reads(page: Page) -> None:
    """Random raw values reach the node in its own units; not available is NA; a wrong checksum reads nothing."""
    message = page.message
    read = getattr(codec, f"read_{snake(message.name)}")
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
    d = bytearray(8)
    codec.fill_pack_allowance(d, 1, 0, 99999, 249, 28599, 48, 48)
    raw = DATABASE.get_message_by_name("PackAllowance").decode(bytes(d), decode_choices=False)
    assert (raw["ChargeCurrentAllowed"], raw["DischargeCurrentAllowed"]) == (99.75, 0.0)
    assert raw["ChargeVoltageAllowed"] == pytest.approx(28.4)
    codec.fill_pack_values(d, 1, 0, 26409, -12349, 26424, 1, 1, 1)
    raw = DATABASE.get_message_by_name("PackValues").decode(bytes(d), decode_choices=False)
    assert raw["PackVoltage"] == pytest.approx(26.40) and raw["PackCurrent"] == pytest.approx(-12.34)
    assert raw["LinkVoltage"] == pytest.approx(26.40)


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
        value = codec.CRC[value ^ byte]
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
    assert codec.crc8(bytes.fromhex(body) + b"\0", low, node) == expected
    assert codec.crc8(bytes.fromhex(body) + b"\0", low, node ^ 1) != expected
    assert codec.crc8(bytes.fromhex(body) + b"\0", low ^ 1, node) != expected


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
