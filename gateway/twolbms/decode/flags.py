"""The flags of a message: its signals of one or two bits, which are looked up together because they seldom change.

Knows bits and words; what is made of the flags' common number is up to the readers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from twolbms.decode.layout import Word, parts_of
from twolbms.decode.signals import Order, Signal

_LONGEST = 2
_FEWEST = 8  # below, taking each flag by itself is as fast
_ORDERS: tuple[Order, Order] = ("little", "big")

Words = Mapping[Order, Sequence[Word]]


@dataclass(frozen=True)
class Flags:
    """`number` is the expression for the number that holds all flags; `shifts` tells where in it each one begins."""

    number: str
    shifts: Mapping[str, int]


NO_FLAGS = Flags("", {})


def flags_of(signals: Sequence[Signal]) -> list[Signal]:
    """The flags worth looking up together; none if they are few."""
    flags = [signal for signal in signals if signal.length <= _LONGEST and not signal.is_float]
    return flags if len(flags) >= _FEWEST else []


def for_words(signals: Sequence[Signal]) -> list[Signal]:
    """The signals by which words are chosen: each run of flags without a hole stands as one signal."""
    flags = flags_of(signals)
    runs: list[Signal] = [signal for signal in signals if signal not in flags]
    for order in _ORDERS:
        bits = sorted({bit for flag in flags if flag.order == order for bit in flag.bits})
        first = 0
        for at in range(1, len(bits) + 1):
            if at == len(bits) or bits[at] != bits[at - 1] + 1:
                start = bits[first] if order == "little" else 8 * (bits[first] // 8) + 7 - bits[first] % 8
                runs.append(replace(flags[0], name="", order=order, start=start, length=at - first, signed=False))
                first = at
    return runs


def find_flags(signals: Sequence[Signal], words: Words) -> Flags:
    """The flags that lie in one word each, and their common number."""
    masks: dict[Word, int] = {}
    found = []
    for flag in flags_of(signals):
        parts = parts_of(flag, words[flag.order])
        if len(parts) == 1:
            found.append((flag.name, parts[0]))
            masks[parts[0].word] = masks.get(parts[0].word, 0) | ((1 << flag.length) - 1) << parts[0].shift
    texts, bases, base = [], {}, 0
    for word, mask in masks.items():
        text = f"({word.name} & {mask})"
        texts.append(f"{text} << {base}" if base else text)
        bases[word] = base
        base += 8 * word.size
    return Flags(" | ".join(texts), {name: bases[part.word] + part.shift for name, part in found})
