from __future__ import annotations

import threading

import pytest

from twolbms.journal.intake import Intake, Loss


def test_full_queue_counts_and_keeps_what_it_has():
    """What finds the queue full is counted with its time range; what was in before stays."""
    intake = Intake(limit=3, large=100, wake=lambda: None)
    for time_ns in (10, 11, 12, 40, 20, 30):
        intake.put((time_ns,))
    assert intake.take(10) == [(10,), (11,), (12,)]
    assert intake.lost == 3
    assert intake.take_loss() == Loss(3, 20, 40)
    assert intake.take_loss() is None


def test_large_batch_wakes_the_writer():
    """The writer is woken when a batch is large, not for every record."""
    woken = []
    intake = Intake(limit=100, large=5, wake=lambda: woken.append(len(intake)))
    for number in range(7):
        intake.put((number,))
    assert woken == [6, 7]


def test_take_leaves_the_rest():
    """Records are taken oldest first, and no more than asked for."""
    intake = Intake(limit=100, large=100, wake=lambda: None)
    for number in range(5):
        intake.put((number,))
    assert intake.take(2) == [(0,), (1,)]
    assert intake.take(9) == [(2,), (3,), (4,)]
    assert intake.take(9) == []


def test_shut_counts_everything():
    """After closing, each record is a lost one."""
    intake = Intake(limit=100, large=100, wake=lambda: None)
    intake.shut()
    intake.put((7,))
    assert (len(intake), intake.lost) == (0, 1)


def test_many_threads_lose_nothing():
    """Records put by several threads while another takes are each taken once."""
    intake = Intake(limit=10**6, large=10**6, wake=lambda: None)
    putters = [threading.Thread(target=lambda first=first: [intake.put((first + number,)) for number in range(5000)])
               for first in range(0, 20_000, 5000)]
    taken = []
    for putter in putters:
        putter.start()
    while any(putter.is_alive() for putter in putters):
        taken += intake.take(100)
    taken += intake.take(10**6)
    assert sorted(taken) == [(number,) for number in range(20_000)]


@pytest.mark.parametrize("sizes", [(10,), (4, 4, 4), (3, 0, 9, 2), (0,), (7, 1)])
def test_batches_keep_to_the_limit(sizes):
    """Batches are taken as single records are: the oldest while there is room, the others counted with their times."""
    woken = []
    intake = Intake(7, 5, lambda: woken.append(1))
    records = [(number,) for number in range(sum(sizes))]
    at = 0
    for size in sizes:
        intake.put_all(records[at:at + size])
        at += size
    assert intake.take(100) == records[:7]
    assert intake.lost == max(0, len(records) - 7)
    assert intake.take_loss() == (Loss(len(records) - 7, 7, len(records) - 1) if len(records) > 7 else None)
    assert bool(woken) == (len(records) > 5)
