"""What the node says, seen from outside: counters, checksums, periods and spread over a long story."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

import pytest
from generated import codec

from twolbms.scenario.play import Played, play_file

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
    assert frames and all(codec.crc8(d, number, 1) == d[7] for d in frames)
    assert [d[6] & 15 for d in frames] == [n % 15 for n in range(len(frames))]


def test_every_frame_is_one_of_the_contract() -> None:
    """29-bit ids with the node's number, eight bytes, and nothing that the contract does not name."""
    known = {value for name, value in vars(codec).items() if name.startswith("ID_") and "GATEWAY" not in name}
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
