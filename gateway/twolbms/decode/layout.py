"""How the bits of a message are fetched: which words one `struct` call reads, and which bits of them make a signal.

Pure arithmetic on bit numbers in stream order. Knows no scale and writes no code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twolbms.decode.signals import Order, Signal

# What a choice of words costs, in units of about 25 ns of CPython 3.11: fetching a word, taking a signal's bits out of
# it (integers above 30 bits have two digits and are slower), and each further word a signal needs.
_WORD_COST = 0.4
_TAKE_COST = {1: 1.0, 2: 1.0, 4: 1.4, 8: 1.6}
_JOIN_COST = 2.0

_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_FLOAT_CODES = {16: "e", 32: "f", 64: "d"}


@dataclass(frozen=True, slots=True)
class Word:
    """Bytes [offset, offset + size) of the data, fetched as one number called `name` with struct code `code`.

    `signed` is set when the topmost signal is: the others are masked, which takes the right bits of either.
    """

    name: str
    offset: int
    size: int
    code: str
    signed: bool = False

    @property
    def bits(self) -> range:
        """The bits of the stream it holds."""
        return range(8 * self.offset, 8 * (self.offset + self.size))


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bits of a word from bit `shift` up, which become bits of the signal from bit `place` up."""

    word: Word
    shift: int
    length: int
    place: int

    @property
    def on_top(self) -> bool:
        """It reaches to the most significant bit of the word."""
        return self.shift + self.length == 8 * self.word.size


def choose_words(signals: Sequence[Signal], length: int, order: Order) -> list[Word]:
    """The cheapest words that hold all signals of one byte order in a message of `length` bytes, in ascending order."""
    chosen = [signal for signal in signals if signal.order == order]
    spans = [signal.bits for signal in chosen]
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, length + 1):
        sizes = [size for size in _CODES if size <= end]
        best.append(min((best[end - size][0] + _cost(spans, _bits(end - size, size)), size) for size in sizes))
    words = []
    end = length
    while end > 0:
        size = best[end][1]
        if _touching(spans, _bits(end - size, size)):
            words.append(_word(chosen, end - size, size, order))
        end -= size
    return words[::-1]


def parts_of(signal: Signal, words: Sequence[Word]) -> list[Part]:
    """The bits of a signal in the words (all of its own byte order), least significant part first."""
    parts = []
    for word in words:
        low, high = max(signal.bits.start, word.bits.start), min(signal.bits.stop, word.bits.stop)
        if low >= high:
            continue
        if signal.order == "little":
            parts.append(Part(word, low - word.bits.start, high - low, low - signal.bits.start))
        else:
            parts.append(Part(word, word.bits.stop - high, high - low, signal.bits.stop - high))
    return sorted(parts, key=lambda part: part.place)


def byte_words(signals: Sequence[Signal]) -> list[Word]:
    """One word a byte, for a signal read straight from the data by index."""
    touched = sorted({bit // 8 for signal in signals for bit in signal.bits})
    return [Word(f"data[{index}]", index, 1, "B") for index in touched]


def struct_format(words: Sequence[Word], length: int, order: Order) -> str:
    """The `struct` format that fetches the words and spans the whole message, so that a short frame is noticed."""
    text = "<" if order == "little" else ">"
    position = 0
    for word in words:
        text += _pad(word.offset - position) + word.code
        position = word.offset + word.size
    return text + _pad(length - position)


def _cost(spans: Sequence[range], word: range) -> float:
    """What a word costs: nothing if it is a single unused byte, else its fetch and what its signals need."""
    size = len(word) // 8
    touching = _touching(spans, word)
    if not touching:
        return 0.0 if size == 1 else _WORD_COST
    joins = sum(span.start < word.start for span in touching) * _JOIN_COST
    takes = len(touching) - sum(span == word for span in touching)  # a signal that is the word needs no taking
    return _WORD_COST + joins + takes * _TAKE_COST[size]


def _bits(offset: int, size: int) -> range:
    return range(8 * offset, 8 * (offset + size))


def _touching(spans: Sequence[range], word: range) -> list[range]:
    return [span for span in spans if span.start < word.stop and span.stop > word.start]


def _within(span: range, word: range) -> bool:
    return word.start <= span.start and span.stop <= word.stop


def _word(signals: Sequence[Signal], offset: int, size: int, order: Order) -> Word:
    """A word fetched signed if its topmost signal is, or as a float if it is one."""
    word = Word(f"{order[0]}{offset}", offset, size, _CODES[size])
    touching = [s for s in signals if _touching([s.bits], word.bits)]
    if len(touching) == 1 and touching[0].is_float and touching[0].bits == word.bits:
        return Word(word.name, offset, size, _FLOAT_CODES[8 * size])
    tops = [s for s in touching if parts_of(s, [word])[0].on_top]
    fits = len(tops) == 1 and tops[0].signed and not tops[0].is_float and _within(tops[0].bits, word.bits)
    if fits:
        return Word(word.name, offset, size, _CODES[size].lower(), signed=True)
    return word


def _pad(count: int) -> str:
    return f"{count}x" if count else ""
