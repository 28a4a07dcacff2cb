"""Damaged frames, exhaustively: every error of one or two bits and every burst of up to eight, in id, length and data.

The receiver is the gateway's own, with a node on every number; the bits are in the order in which they go over a wire.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from faults.table import Row
from twolbms.contract import FIRST_NODE, LAST_NODE, NODE_ID_MASK, Contract, node_contract
from twolbms.receiving import BusReceiver
from voices.node_voice import sealed

ID_BITS, LENGTH_BITS, DATA_BITS = 29, 4, 64
BITS = ID_BITS + LENGTH_BITS + DATA_BITS
MOST_BURST = 8


def one_and_two() -> Iterator[int]:
    """Every pattern of one or two damaged bits of a frame."""
    flips = [1 << bit for bit in range(BITS)]
    yield from flips
    yield from (a | b for a, b in itertools.combinations(flips, 2))


def bursts() -> Iterator[int]:
    """Every pattern whose first and last damaged bits are at most eight places apart."""
    for length in range(1, MOST_BURST + 1):
        inner = max(0, length - 2)
        ends = 1 | 1 << length - 1
        for middle in range(1 << inner):
            for place in range(BITS - length + 1):
                yield (ends | middle << 1) << place


PATTERNS = sorted(set(itertools.chain(one_and_two(), bursts())))


def ear(contract: Contract) -> BusReceiver:
    """A bus receiver with a node on every number."""
    receiver = BusReceiver(contract)
    for node in range(FIRST_NODE, LAST_NODE + 1):
        receiver.add_node(node, lambda message, values, now_ns: None)
    return receiver


def damaged(frame: int, pattern: int) -> tuple[int, bytes]:
    """Id and data of a frame after the damage. A length above 8 is 8 on a classic bus; a shorter one cuts."""
    bits = frame ^ pattern
    length = bits >> DATA_BITS & 0xF
    data = (bits & (1 << DATA_BITS) - 1).to_bytes(8, "big")
    return bits >> DATA_BITS + LENGTH_BITS, data[:min(length, 8)]


def check_message(message: str, nodes: list[int], bodies: int, seed: int) -> Counter[str]:
    """What becomes of every damage to frames of one protected message. A frame whose CRC is found good counts as
    accepted even where the counter's rules would still refuse it."""
    contract, chance, counted = node_contract(), random.Random(seed), Counter[str]()
    frame_id, patterns = contract.message(message).frame_id, PATTERNS
    bulk = {contract.message(name).frame_id for name in set(contract.of_node) - contract.protected}
    for node, _ in itertools.product(nodes, range(bodies)):
        can_id, receiver = frame_id | node, ear(contract)
        counts = receiver.counts
        data = sealed(can_id, chance.randbytes(8), chance.randrange(15))
        frame = (can_id << LENGTH_BITS | 8) << DATA_BITS | int.from_bytes(data, "big")
        for pattern in patterns:
            hurt_id, hurt = damaged(frame, pattern)
            if hurt == data and hurt_id == can_id:
                counted["harmless"] += 1  # a length above 8 means 8: id and data are whole
                continue
            counted["damaged"] += 1
            refused = counts.unknown_id + counts.short + counts.bad_check
            receiver.receive(hurt_id, True, hurt, 0)
            if counts.unknown_id + counts.short + counts.bad_check == refused:
                taken = hurt_id & NODE_ID_MASK in bulk
                counted["taken for a bulk message" if taken else "accepted"] += 1
    return counted


def damage(nodes_a_message: int, bodies: int = 1) -> Row:
    """Every damage to every protected message of so many node numbers."""
    protected = sorted(node_contract().protected)
    step = max(1, (LAST_NODE - FIRST_NODE + 1) // nodes_a_message)
    nodes = list(range(FIRST_NODE, LAST_NODE + 1, step))[:nodes_a_message]
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(partial(check_message, nodes=nodes, bodies=bodies, seed=20261124), protected))
    counts = sum(found, Counter[str]())
    return Row("frames damaged by 1-2 bits or a burst of up to 8", (
        f"every one of {len(PATTERNS):,} patterns over id, length and data, {len(protected)} protected messages, "
        f"{len(nodes)} nodes, {bodies} contents: {counts['damaged']:,} frames"),
        f"{counts['accepted']} accepted as protected frames; {counts['taken for a bulk message']:,} had the id of a "
        f"bulk message afterwards, {counts['harmless']:,} were hurt in the length only and whole",
        counts["accepted"] == 0 and counts["damaged"] > 0, dict(counts))


