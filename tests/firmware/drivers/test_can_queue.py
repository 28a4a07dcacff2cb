"""The queues in front of and behind a controller, compared with lists that say the same more simply."""

from __future__ import annotations

from array import array
from typing import NamedTuple

import pytest
from drivers import can_fresh
from drivers.can_fresh import FreshQueue
from drivers.can_inbox import Inbox
from drivers.can_queue import LATEST, SendQueue
from hypothesis import given
from hypothesis import strategies as st
from node import frames

MOST = 5


class Waiting(NamedTuple):
    can_id: int
    number: int
    latest: bool
    age: int


class Model:
    """A fresh queue as a sorted list."""

    def __init__(self) -> None:
        self.frames: list[Waiting] = []
        self.dropped = self.stale = 0

    def put(self, frame: Waiting, front: bool = False) -> None:
        same = [n for n, each in enumerate(self.frames) if each.latest and each.can_id == frame.can_id]
        if frame.latest and same:
            self.stale += 1
            if not front:
                self.frames[same[0]] = frame
            return
        if len(self.frames) == MOST:
            self.dropped += 1
            if self.frames[-1].can_id <= frame.can_id:
                return
            self.frames.pop()
        at = sum(each.can_id < frame.can_id or (not front and each.can_id == frame.can_id) for each in self.frames)
        self.frames.insert(at, frame)

    def grow_old(self, most: int) -> None:
        older = [each._replace(age=each.age + 1) for each in self.frames]
        self.frames = [each for each in older if each.age < most]
        self.stale += len(older) - len(self.frames)


def content(queue: FreshQueue) -> list[Waiting]:
    """What waits, in order."""
    data = bytearray(8)
    found = []
    for k in range(queue.count):
        place = queue.order[k]
        queue.copy_into(place, data)
        found.append(Waiting(queue.ids[place], data[0], bool(queue.latest[place]), queue.ages[place]))
    return found


STEPS = st.lists(st.tuples(st.sampled_from(["put", "latest", "back", "back latest", "age", "take"]), st.integers(0, 3),
                           st.integers(0, 2)), max_size=60)


@given(STEPS)
def test_the_fresh_queue_is_a_sorted_list(steps: list[tuple[str, int, int]]) -> None:
    """By id, equal ids in the order in which they came, one latest of an id, ages kept, all losses counted."""
    queue, model = FreshQueue(MOST), Model()
    for number, (step, can_id, n) in enumerate(steps):
        data = bytes([number] * 8)
        latest = step.endswith("latest")
        if step in ("put", "latest"):
            queue.put(can_id, data, latest)
            model.put(Waiting(can_id, number, latest, 0))
        elif step.startswith("back"):
            queue.put_back(can_id, data, latest, n)
            model.put(Waiting(can_id, number, latest, n), front=True)
        elif step == "age":
            queue.grow_old(3)
            model.grow_old(3)
        elif n < queue.count:
            queue.remove(n)
            del model.frames[n]
        assert content(queue) == model.frames
        assert (queue.dropped, queue.stale) == (model.dropped, model.stale)
        assert sorted(queue.order) == list(range(MOST))


def test_a_plain_queue_keeps_the_order() -> None:
    """Frames stay as they came; a latest one takes its elder's place; the fourth of three is dropped."""
    queue = SendQueue(3)
    for can_id, number, latest in ((9, 1, True), (5, 2, False), (9, 3, True), (9, 4, False), (1, 5, False)):
        queue.put(can_id, bytes([number] * 8), latest)
    assert list(queue.ids[:3]) == [9, 5, 9] and [queue.data[8 * i] for i in range(3)] == [3, 2, 4]
    assert (queue.count, queue.dropped, queue.stale) == (3, 1, 1)


BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=4, unique_by=lambda each: each[0]),
                   max_size=6)


@given(BATCHES)
def test_many_at_once_are_taken_as_one_by_one(batches: list[list[tuple[int, bool]]]) -> None:
    """Either queue holds and counts the same whether a cycle's frames come in one call or each in its own."""
    plain, fresh = (SendQueue(MOST), SendQueue(MOST)), (FreshQueue(MOST), FreshQueue(MOST))
    number = 0
    for batch in batches:
        ids = array("i", [can_id | (LATEST if latest else 0) for can_id, latest in batch])
        data = bytearray(b"".join(bytes([number + n] * 8) for n in range(len(batch))))
        for queue in (plain[0], fresh[0]):
            queue.put_all(ids, data, len(batch))
        for n, (can_id, latest) in enumerate(batch):
            for queue in (plain[1], fresh[1]):
                queue.put(can_id, data[8 * n:8 * n + 8], latest)
        number += len(batch)
    assert content(fresh[0]) == content(fresh[1])
    count = plain[0].count
    assert plain[0].ids[:count] == plain[1].ids[:count] and plain[0].data[:8 * count] == plain[1].data[:8 * count]
    for together, alone in (plain, fresh):
        assert (together.count, together.dropped, together.stale) == (alone.count, alone.dropped, alone.stale)


def test_the_mark_is_that_of_the_frames() -> None:
    """A queue and what makes the frames mean the same bit, which no id has."""
    assert LATEST == can_fresh.LATEST == frames.LATEST == 1 << 29


@pytest.mark.parametrize("start", range(4))
def test_the_inbox_is_a_ring(start: int) -> None:
    """First in, first out, from every place of the ring, full when it holds all."""
    inbox, data = Inbox(4), bytearray(8)
    for n in range(start):
        inbox.put(n, bytes(8))
        inbox.take_into(data)
    for n in range(4):
        assert not inbox.full()
        inbox.put(0x1FFFFFFC + n, bytes([n] * 8))
    assert inbox.full()
    for n in range(4):
        assert inbox.take_into(data) == 0x1FFFFFFC + n and data == bytes([n] * 8)
    assert inbox.take_into(data) == -1 and not inbox.full()
