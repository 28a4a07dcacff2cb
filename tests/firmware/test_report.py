"""What the node says, seen from outside: counters, checksums, periods and spread over a long story."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

import pytest

from twolbms.build.codec import node_frames
from twolbms.files import data_path
from twolbms.scenario.bench import CAN_ID_MASK, node_database
from twolbms.scenario.play import Played, play_file
from voices.node_voice import crc8

STORIES = Path(__file__).resolve().parents[1] / "scenarios"
PROTECTED = [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x40, 0x41]


@cache
def story() -> Played:
    return play_file(STORIES / "leaf_2013_14s" / "cell_over_voltage.yaml", keep_log=True)


def sent(number: int) -> list[bytes]:
    return [data for one in story().log for can_id, data in one.frames if can_id >> 8 & 0xFF == number]


@pytest.mark.parametrize("number", PROTECTED, ids=hex)
def test_protected_frames_count_and_check(number: int) -> None:
    """Each protected message has its own counter, 0 to 14 without a gap, and a right checksum in every frame."""
    frames = sent(number)
    assert frames and all(crc8(bytes((number, 1)) + d[:7]) == d[7] for d in frames)
    assert [d[6] & 15 for d in frames] == [n % 15 for n in range(len(frames))]


def test_every_frame_is_one_of_the_contract() -> None:
    """29-bit ids with the node's number, eight bytes, and nothing that the contract does not name."""
    known = {m.frame_id & CAN_ID_MASK for m in node_database().messages if m.senders == ["Node"]}
    for can_id, data in (frame for one in story().log for frame in one.frames):
        assert can_id & 0xFF == 1 and can_id & 0x1FFFFF00 in known and len(data) == 8


@pytest.mark.parametrize("number, cycles", [(0x10, 1), (0x11, 1), (0x12, 1), (0x14, 1), (0x15, 5), (0x16, 10)], ids=hex)
def test_messages_come_in_their_period(number: int, cycles: int) -> None:
    """Every period of the contract is kept to the cycle."""
    at = [n for n, one in enumerate(story().log) if any(can_id >> 8 & 0xFF == number for can_id, _ in one.frames)]
    assert {b - a for a, b in pairwise(at)} == {cycles}


def test_all_cells_come_within_their_period() -> None:
    """In any ten cycles every group of cells comes once, and no cycle carries a burst of them."""
    groups = [[d[0] for can_id, d in one.frames if can_id >> 8 & 0xFF == 0x20] for one in story().log]
    assert all(Counter(chain(*groups[n:n + 10])) == {0: 1, 1: 1, 2: 1, 3: 1} for n in range(len(groups) - 10))
    assert max(map(len, groups)) == 1


def test_every_fault_page_comes_within_400_ms() -> None:
    """All four tiers are told at least every four cycles."""
    pages = [{d[6] >> 4 & 3 for can_id, d in one.frames if can_id >> 8 & 0xFF == 0x13} for one in story().log]
    assert all(set.union(*pages[n:n + 4]) == {0, 1, 2, 3} for n in range(len(pages) - 4))


def test_who_the_node_is_comes_at_once_and_every_ten_seconds() -> None:
    """All four pages of NodeInfo are in the first four cycles, and again within any 100."""
    pages = [[d[6] >> 4 & 3 for can_id, d in one.frames if can_id >> 8 & 0xFF == 0x40] for one in story().log]
    assert sorted(chain(*pages[:4])) == [0, 1, 2, 3]
    assert all(set(chain(*pages[n:n + 100])) == {0, 1, 2, 3} for n in range(4, len(pages) - 100))


def test_cells_are_told_as_they_were_read() -> None:
    """Every cell and sensor under its own number; places in a last group that the pack does not have are empty."""
    database = node_database()
    last = [frame for cycle in story().log[:20] for frame in cycle.frames]
    for name, signal, count in (("CellVoltages", "CellVoltage", 14), ("CellTemperatures", "Temperature", 4)):
        message = database.get_message_by_name(name)
        told = {}
        for can_id, data in last:
            if can_id & ~0xFF == message.frame_id & CAN_ID_MASK:
                told |= message.decode(data, decode_choices=True)
        numbers = {int(key.removeprefix(signal)): value for key, value in told.items()
                   if key.removeprefix(signal).isdecimal()}
        assert all(isinstance(numbers[n], float) for n in range(count))
        assert {str(value) for n, value in numbers.items() if n >= count} <= {"NotAvailable"}
        assert len(numbers) == 4 * -(-count // 4)


REPORT = data_path("firmware", "src", "node", "report.py").read_text(encoding="utf-8")
NUMBERS = {name: int(number) for name, number in re.findall(r"^(_[A-Z_]+) = const\((\d+)\)", REPORT, re.M)}
ROWS = node_frames(data_path("dbc", "node.dbc"))


def row(message: str, page: int | None = None) -> int:
    return next(n for n, frame in enumerate(ROWS) if frame.message.name == message and frame.page in (None, page))


@pytest.mark.parametrize(("name", "message"), [
    ("VALUES", "PackValues"), ("ALLOWANCE", "PackAllowance"), ("STATE", "PackState"), ("FAULTS", "NodeFaults"),
    ("CELLS", "CellExtremes"), ("TEMPS", "TempExtremes"), ("CHARGE", "NodeCharge"), ("ANSWER", "NodeAnswer"),
    ("CELL_GROUPS", "CellVoltages"), ("TEMP_GROUPS", "CellTemperatures")])
def test_the_report_knows_rows_and_places(name: str, message: str) -> None:
    """The numbers that the report is written with are those of the generated table."""
    assert NUMBERS[f"_{name}"] == row(message) and NUMBERS[f"_OF_{name}"] == ROWS[row(message)].place


@pytest.mark.parametrize(("name", "message", "page"), [
    ("FIRST_TRIP", "NodeHistory", 0), ("LAST_TRIP", "NodeHistory", 1), ("USE", "NodeHistory", 2),
    ("VERSION", "NodeInfo", 0), ("LIMITS", "NodeInfo", 1), ("BOOT", "NodeInfo", 2), ("BUS", "NodeInfo", 3)])
def test_pages_stand_in_their_places(name: str, message: str, page: int) -> None:
    """Pages follow each other, row by row; cells and sensors are counted where NodeInfo tells them."""
    assert NUMBERS[f"_OF_{name}"] == ROWS[row(message, page)].place
    assert NUMBERS["_HISTORY" if message == "NodeHistory" else "_INFO"] + page == row(message, page)
    version = ROWS[row("NodeInfo", 0)]
    names = [signal.name for signal in version.signals]
    assert NUMBERS["_OF_CELL_COUNT"] == version.place + names.index("CellCount")
    assert NUMBERS["_OF_SENSOR_COUNT"] == version.place + names.index("SensorCount")


def test_the_report_has_room_for_all_of_it() -> None:
    """Values, counters, frames of a cycle, groups of a cycle: as many as the contract can ask for."""
    sent = [frame for frame in ROWS if frame.message.senders == ["Node"]]
    protected = {frame.message.name for frame in sent if "Crc8" in {s.name for s in frame.message.signals}}
    assert NUMBERS["_PLACES"] == max(frame.place + frame.repeats * frame.values for frame in sent)
    assert NUMBERS["_COUNTERS"] == len(protected)
    most = 0
    for name, every in (("CellVoltages", "_CELLS_EVERY"), ("CellTemperatures", "_SENSORS_EVERY")):
        message = node_database().get_message_by_name(name)
        groups = len({page for signal in message.signals for page in signal.multiplexer_ids or ()})
        assert -(-groups // NUMBERS[every]) <= NUMBERS["_WINDOW"] == ROWS[row(name)].repeats
        most += -(-groups // NUMBERS[every])
    assert 4 + 4 + 4 + most <= NUMBERS["_MOST"]  # each cycle's, fault pages, slow ones


@pytest.mark.parametrize(("name", "message", "parts"), [
    ("TEMPS", "TempExtremes", 1), ("CHARGE", "NodeCharge", 1), ("CHARGE", "NodeHistory", 1),
    ("CELLS", "CellVoltages", 1), ("SENSORS", "CellTemperatures", 1), ("INFO", "NodeInfo", 4)])
def test_the_report_keeps_the_periods_of_the_contract(name: str, message: str, parts: int) -> None:
    """A page or a whole set comes in the period that the DBC gives it."""
    assert NUMBERS[f"_{name}_EVERY"] * parts * 100 == node_database().get_message_by_name(message).cycle_time
