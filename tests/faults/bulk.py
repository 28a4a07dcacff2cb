"""Nothing unprotected raises an allowance: two gateways hear the same node, one of them with bulk messages that lie."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from faults.table import Row
from twolbms.contract import node_contract
from twolbms.wire import BusFrame
from voices.listening import World
from voices.node_voice import NodeVoice

_BULK = ("CellVoltages", "CellTemperatures")
_DIRECTIONS = ("charge", "discharge")
_SETTLED_S = 1.5  # NodeInfo, and every group once
_LIED_S = 0.5
_NOISE_FRAMES = 12
_EPSILON_A = 1e-9


def _state(chance: random.Random, voice: NodeVoice) -> None:
    """A pack in some state between its limits, its protected messages and its bulk in agreement."""
    low, high = sorted(chance.uniform(2.6, 3.62) for _ in range(2))
    cells = [round(chance.uniform(low, high), 3) for _ in range(8)]
    warm = [round(chance.uniform(-10, 50)) * 1.0 for _ in range(4)]
    voice.cells, voice.temperatures = list(cells), list(warm)
    voice.say("CellExtremes", CellVoltageMin=min(cells), CellVoltageMax=max(cells),
              CellMinIndex=cells.index(min(cells)), CellMaxIndex=cells.index(max(cells)))
    voice.say("TempExtremes", TemperatureMin=min(warm), TemperatureMax=max(warm), TemperatureMean=sum(warm) / 4,
              TemperatureMinIndex=warm.index(min(warm)), TemperatureMaxIndex=warm.index(max(warm)))
    voice.say("PackAllowance", ChargeCurrentAllowed=round(chance.uniform(0, 200)) * 1.0,
              DischargeCurrentAllowed=round(chance.uniform(0, 200)) * 1.0)


def _lie(chance: random.Random, node: int) -> BusFrame:
    """A bulk message of this node, or anything else without protection, with any content."""
    kind = chance.random()
    if kind < 0.8:
        can_id = node_contract().message(chance.choice(_BULK)).frame_id | node
        return BusFrame("can0", can_id, True, chance.randbytes(8 if kind < 0.7 else chance.randrange(9)))
    extended = kind < 0.9
    return BusFrame("can0", chance.getrandbits(29 if extended else 11), extended, chance.randbytes(chance.randrange(9)))


def one(seed: int) -> str | None:
    """One state and one set of lies; words when an allowance rose above that of the gateway that heard no lie."""
    true, lied = World(), World()
    for world in (true, lied):
        _state(random.Random(seed), world.voice)
        world.run(_SETTLED_S)
    chance = random.Random(~seed)
    silent = chance.random() < 0.5
    if silent:  # the lies stand alone, instead of beside the truth
        lied.voice.mute |= set(_BULK)
    for _ in range(round(_LIED_S / 0.1)):
        lied.hear(*(_lie(chance, 1) for _ in range(_NOISE_FRAMES)))
        for world in (true, lied):
            world.run(0.1)
        for name, may, does in zip(_DIRECTIONS, true.allowed(), lied.allowed(), strict=True):
            if does > may + _EPSILON_A:
                return f"seed {seed}: {name} {does} A instead of {may} A"
    return None


def _some(seeds: range) -> tuple[int, list[str]]:
    found = [words for seed in seeds if (words := one(seed)) is not None]
    return len(seeds), found


def nothing_unprotected_raises(count: int) -> Row:
    """So many states, each with 60 lies."""
    with ProcessPoolExecutor(2) as pool:
        parts = list(pool.map(_some, [range(start, min(start + 50, count)) for start in range(0, count, 50)]))
    made = Counter(cases=sum(part for part, _ in parts))
    broken = [words for _, found in parts for words in found]
    lies = made["cases"] * _NOISE_FRAMES * round(_LIED_S / 0.1)
    return Row("unprotected frames of any content", f"{made['cases']} states of a pack, {lies} frames",
               f"{len(broken)} times an allowance was higher than without them", not broken and made["cases"] > 0,
               {"cases": made["cases"], "raised": len(broken), "first": "; ".join(broken[:3])})
