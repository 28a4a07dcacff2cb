"""Every fault with its sizes: what `make faults` makes in full and in short. The tests make smaller ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from faults import bulk, clocks, damage, databases, disks, kills, neighbours, noise
from faults.table import Row


class Scenario(NamedTuple):
    """`run(folder, size)` gives the rows; `counts` says what a size counts."""

    name: str
    counts: str
    run: Callable[[Path, int], list[Row]]
    full: int
    short: int


SCENARIOS = (
    Scenario("kill-gateway", "kills", lambda folder, size: [kills.kill_gateway(folder, size)], 500, 24),
    Scenario("kill-database", "kills", lambda folder, size: [kills.kill_database(folder, size)], 50, 4),
    Scenario("disk-full", "frames beyond what memory holds",
             lambda folder, size: [disks.full_disk(folder, disks.QUEUE_FRAMES + size)], 500_000, 10_000),
    Scenario("disk-start", "starts", lambda folder, size: [disks.starts_on_full_disk(folder, size)], 20, 1),
    Scenario("disk-card", "frames meanwhile", lambda folder, size: [disks.read_only_card(folder, size)], 50_000, 1000),
    Scenario("database", "seconds of each fault", databases.all_databases, 60, 4),
    Scenario("clock-steps", "seconds between two steps", lambda folder, size: [clocks.steps(folder, size)], 20, 1),
    Scenario("clock-unset", "seconds without a time", lambda folder, size: [clocks.not_set(folder, size)], 60, 2),
    *(Scenario(f"noise {kind}", "frames", lambda folder, size, kind=kind: [noise.frames(kind, size)],  # type: ignore[misc]
               10_000_000, 100_000) for kind in noise.KINDS),
    Scenario("noise VE.Direct", "fields", lambda folder, size: [noise.serial(size)], 10_000_000, 100_000),
    Scenario("noise live", "pieces of 2,000 bytes", lambda folder, size: [noise.line_noise(folder, size)], 2000, 100),
    Scenario("damage", "node numbers a message", lambda folder, size: [damage.damage(size, 4)], 127, 16),
    Scenario("bulk", "states of a pack", lambda folder, size: [bulk.nothing_unprotected_raises(size)], 5000, 200),
    Scenario("reboot", "reboots", lambda folder, size: [neighbours.reboot(folder, size)], 30, 1),
    Scenario("twins", "seconds", lambda folder, size: [neighbours.twins(folder, size)], 60, 3),
    Scenario("flood", "seconds of each flood", neighbours.floods, 60, 8),
)
