"""Python source of a message's readers. The text follows cantools operation by operation, so that every value and
type is the same: `raw * scale + offset` in that order, ints stay ints.

A step that cannot change the result is left out (times 1, plus 0), short signals are looked up in tables, and flags in
one table together. The source is made of numbers, quoted names and names made here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twolbms.decode.flags import Flags, find_flags, for_words
from twolbms.decode.layout import Part, Word, byte_words, choose_words, parts_of, struct_format
from twolbms.decode.refused import Refused
from twolbms.decode.signals import Order, Signal
from twolbms.decode.value_tables import Group, ValueTables, float_of, value_of

_ORDERS: tuple[Order, Order] = ("little", "big")
_MOST_MERGED = 4  # pages that are told apart one after the other
_LONGEST_INDEX = 8  # bits of a multiplexer whose pages stand in a list

Reader = Callable[..., Any]
Words = dict[Order, list[Word]]


_FLOATS = {f"float{length}": float_of(length) for length in (16, 32, 64)}


def make(source: str, values: Mapping[str, Any]) -> Reader:
    """The function `reader` that the source defines; `values` are what it uses beside the refusals."""
    space: dict[str, Any] = {"SHORT": Refused.SHORT, "struct_error": struct.error, **_FLOATS, **values}
    exec(compile(source, "<reader of a DBC message>", "exec"), space)
    return space["reader"]  # type: ignore[no-any-return]


def plain_reader(tables: ValueTables, signals: Sequence[Signal], length: int) -> Reader:
    """`reader(data)` that returns the signals as a dict, None where one is not available; or SHORT."""
    words = words_of(signals, length)
    values: dict[str, Any] = {}
    body = fetch_lines(words, length, values)
    return make("\n".join(["def reader(data):", *body, *_dict_lines(tables, signals, words, values, "")]), values)


def can_merge(selector: Signal, pages: Mapping[int, Sequence[Signal]]) -> bool:
    """Whether `merged_reader` is for these pages: few of them, chosen by a plain number."""
    plain = selector.identity and not selector.signed and not selector.is_float
    return plain and len(pages) <= _MOST_MERGED


def merged_reader(tables: ValueTables, selector: Signal, pages: Mapping[int, Sequence[Signal]], length: int) -> Reader:
    """`reader(data)` of a message with few pages, in one function: a call less than one for each page."""
    everything = list({signal.name: signal for signals in pages.values() for signal in signals}.values())
    words = words_of(everything, length)
    values: dict[str, Any] = {"BAD_MULTIPLEXER": Refused.BAD_MULTIPLEXER}
    body = fetch_lines(words, length, values)
    body.append(f"    page = {value_text(selector.without_codes(), words[selector.order])}")
    for number, signals in pages.items():
        body.append(f"    if page == {number}:")
        body += [f"    {line}" for line in _dict_lines(tables, signals, words, values, f"p{number}_")]
    body.append("    return BAD_MULTIPLEXER")
    return make("\n".join(["def reader(data):", *body]), values)


def _dict_lines(
    tables: ValueTables, signals: Sequence[Signal], words: Words, values: dict[str, Any], tag: str
) -> list[str]:
    """Lines that return the dict of signals from fetched words. The names they use begin with `tag`."""
    flags = find_flags(signals, words)
    rows, texts = _flag_rows(signals, flags, values, tag)
    others = {}
    for at, signal in enumerate(signals):
        if signal.name not in flags.shifts:
            if (table := tables.table(signal)) is not None:
                values[f"{tag}table_{at}"] = table
                others[signal.name] = f"{tag}table_{at}[{bits_text(signal, words[signal.order])}]"
            else:
                others[signal.name] = value_text(signal, words[signal.order])
    texts |= others
    whole = f"{{{', '.join(f'{signal.name!r}: {texts[signal.name]}' for signal in signals)}}}"
    if not flags.shifts:
        return [f"    return {whole}"]
    group = Group()
    values |= {f"{tag}known": group.known.get, f"{tag}noisy": group.noisy, f"{tag}learn": group.learn}
    return [
        f"    number = {flags.number}",
        f"    if not {tag}noisy:",
        f"        values = {tag}known(number)",
        "        if values is not None:",
        "            values = values.copy()",
        *(f"            values[{name!r}] = {text}" for name, text in others.items()),
        "            return values",
        *rows,
        f"    values = {whole}",
        f"    if not {tag}noisy:",
        f"        {tag}learn(number, values)",
        "    return values",
    ]


def _flag_rows(
    signals: Sequence[Signal], flags: Flags, values: dict[str, Any], tag: str
) -> tuple[list[str], dict[str, str]]:
    """Lines that take the flags out of `number`, and the expression for each; a byte of flags is one row of a table."""
    by_byte: dict[int, list[tuple[str, Signal]]] = {}
    texts = {}
    for at, signal in enumerate(signals):
        if signal.name in flags.shifts:
            shift = flags.shifts[signal.name]
            if shift % 8 + signal.length <= 8:
                by_byte.setdefault(shift // 8, []).append((f"flag_{at}", signal))
                texts[signal.name] = f"flag_{at}"
            else:
                values[f"{tag}two_{at}"] = [value_of(signal)(bits) for bits in range(4)]
                texts[signal.name] = f"{tag}two_{at}[number >> {shift} & 3]"
    lines = []
    for byte, inside in by_byte.items():
        columns = [(value_of(signal), flags.shifts[signal.name] % 8, (1 << signal.length) - 1) for _, signal in inside]
        values[f"{tag}rows_{byte}"] = [tuple(value(bits >> shift & mask) for value, shift, mask in columns)
                                  for bits in range(256)]
        lines.append(f"    {', '.join(name for name, _ in inside)}, = {tag}rows_{byte}[number >> {8 * byte} & 255]")
    return lines, texts


def selecting_reader(selector: Signal, branches: Mapping[int, Reader], length: int, arguments: str = "data") -> Reader:
    """`reader(data)` that looks at a multiplexer signal and calls the reader of its page.

    `arguments` are the names that this reader takes and hands on; the last is `data`.
    """
    def no_page(*given: Any) -> Refused:
        return Refused.SHORT if len(given[-1]) < length else Refused.BAD_MULTIPLEXER

    words = byte_words([selector])
    if selector.length <= _LONGEST_INDEX and not selector.is_float:
        number = value_of(selector.without_codes())
        pages: Any = [branches.get(int(number(bits) or 0), no_page) for bits in range(1 << selector.length)]
        choice = f"pages[{bits_text(selector, words)}]"
    else:
        pages = branches
        choice = f"pages.get(int({value_text(selector.without_codes(), words)}), no_page)"
    source = f"""
def reader({arguments}):
    try:
        return {choice}({arguments})
    except (IndexError, ValueError, OverflowError):  # too short for the number, or a NaN
        return no_page({arguments})
"""
    return make(source, {"pages": pages, "no_page": no_page})


def words_of(signals: Sequence[Signal], length: int) -> Words:
    """The words that hold the signals, by byte order."""
    chosen = for_words(signals)
    return {order: choose_words(chosen, length, order) for order in _ORDERS}


def fetch_lines(words: Words, length: int, values: dict[str, Any]) -> list[str]:
    """Lines that fetch all words of `data`, or return SHORT. What they need goes into `values`."""
    fetches = []
    for order in _ORDERS:
        if words[order]:
            targets = ", ".join(word.name for word in words[order])
            values[f"unpack_{order}"] = struct.Struct(struct_format(words[order], length, order)).unpack_from
            fetches.append(f"        {targets}, = unpack_{order}(data)")
    if fetches:
        return ["    try:", *fetches, "    except struct_error:", "        return SHORT"]
    return [f"    if len(data) < {length}:", "        return SHORT"]


def value_text(signal: Signal, words: Sequence[Word]) -> str:
    """Expression for the physical value, None at a "not available" code."""
    raw = _raw_text(signal, parts_of(signal, words))
    if not signal.not_available:
        return _scaled_text(signal, raw)
    missing = signal.not_available
    test = f"== {missing[0]}" if len(missing) == 1 else f"in {missing}"
    return f"None if (raw := {raw}) {test} else {_scaled_text(signal, 'raw')}"


def bits_text(signal: Signal, words: Sequence[Word]) -> str:
    """Expression for the raw bits of a signal that is no float, as an index: unsigned, or the same bits as a negative
    number where the word was fetched signed."""
    parts = parts_of(signal, words)
    return " | ".join(_part_text(part, joined=len(parts) > 1) for part in parts)


def _raw_text(signal: Signal, parts: Sequence[Part]) -> str:
    """Expression for the raw value; an int, or a float for a float signal."""
    first = parts[0]
    if len(parts) == 1 and first.on_top and (first.word.signed or first.word.code in "efd"):
        return f"{first.word.name} >> {first.shift}" if first.shift else first.word.name
    text = " | ".join(_part_text(part, joined=len(parts) > 1) for part in parts)
    if signal.is_float:
        return f"float{signal.length}({text})"
    if signal.signed:
        sign = 1 << (signal.length - 1)
        return f"(({text}) ^ {sign}) - {sign}"
    return text


def _part_text(part: Part, joined: bool) -> str:
    text = part.word.name
    if part.shift:
        text = f"{text} >> {part.shift}"
    if not part.on_top:
        text = f"{text} & {(1 << part.length) - 1}"
    if part.place:
        return f"({text}) << {part.place}"
    return f"({text})" if joined else text


def _scaled_text(signal: Signal, raw: str) -> str:
    if signal.identity:
        return raw
    simple = raw.isidentifier()
    text = raw if simple else f"({raw})"
    if signal.scale != 1:
        text = f"{text} * {signal.scale!r}"
    if signal.offset or not _sign_of_zero_is_safe(signal):
        text = f"{text} + {signal.offset!r}"
    return text


def _sign_of_zero_is_safe(signal: Signal) -> bool:
    """Adding a zero turns -0.0 into 0.0, so it may be left out only where no -0.0 can arise."""
    return not signal.is_float and signal.scale > 0
