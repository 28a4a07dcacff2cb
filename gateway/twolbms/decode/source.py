"""Python source of a message's readers. The text follows cantools operation by operation, so that every value and
type is the same: `raw * scale + offset` in that order, ints stay ints.

A step that cannot change the result is left out (times 1, plus 0), which is all of the optimising there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from twolbms.decode.layout import Part, Word, byte_words, choose_words, in_table, parts_of, struct_format
from twolbms.decode.signals import Order, Signal

_ORDERS: tuple[Order, Order] = ("little", "big")


def plain_reader(name: str, signals: Sequence[Signal], length: int, *, none_for_missing: bool) -> str:
    """Source of `name(data)` that returns the signals as a dict, or SHORT.

    With `none_for_missing` a signal at a "not available" raw value becomes None.
    """
    words: dict[Order, list[Word]] = {order: choose_words(signals, length, order) for order in _ORDERS}
    body = _fetch_lines(words, length)
    tables = []
    texts = {s.name: value_text(s, words[s.order], none_for_missing) for s in signals}
    for word in words["little"] + words["big"]:
        if inside := in_table(signals, word):
            table = f"{name}_{word.name}"
            row = ", ".join(texts[signal.name] for signal in inside)
            tables.append(f"{table} = tuple(({row}) for {word.name} in range(256))\n")
            texts.update({signal.name: f"{word.name}_{index}" for index, signal in enumerate(inside)})
            body.append(f"    {', '.join(texts[signal.name] for signal in inside)} = {table}[{word.name}]")
    items = ", ".join(f"{signal.name!r}: {texts[signal.name]}" for signal in signals)
    return "".join(tables) + "\n".join([f"def {name}(data):", *body, f"    return {{{items}}}"]) + "\n"


def _fetch_lines(words: dict[Order, list[Word]], length: int) -> list[str]:
    """Lines that fetch all words, or return SHORT."""
    fetches = []
    for order in _ORDERS:
        if words[order]:
            targets = ", ".join(word.name for word in words[order])
            fetches.append(f"        {targets}, = {unpacker_name(struct_format(words[order], length, order))}(data)")
    if fetches:
        return ["    try:", *fetches, "    except struct_error:", "        return SHORT"]
    return [f"    if len(data) < {length}:", "        return SHORT"]


def selecting_reader(name: str, selector: Signal, branches: dict[int, str], length: int) -> str:
    """Source of `name(data)` that looks at a multiplexer signal and calls the reader of its page."""
    table = ", ".join(f"{number}: {reader}" for number, reader in branches.items())
    number = value_text(selector, byte_words([selector]), none_for_missing=False)
    if not (isinstance(selector.scale, int) and isinstance(selector.offset, int)):
        number = f"int({number})"
    return (
        f"{name}_page = {{{table}}}.get\n"
        f"def {name}(data):\n"
        f"    try:\n"
        f"        page = {name}_page({number})\n"
        f"    except IndexError:\n"
        f"        return SHORT\n"
        f"    if page is None:\n"
        f"        return SHORT if len(data) < {length} else BAD_MULTIPLEXER\n"
        f"    return page(data)\n"
    )


def unpacker_name(struct_text: str) -> str:
    """Name under which the generated code finds the `unpack_from` of a struct format."""
    return "unpack_" + struct_text.replace("<", "l_").replace(">", "b_")


def unpackers_in(source: str) -> set[str]:
    """The struct formats a source needs."""
    names = {word.partition("(")[0] for word in source.split() if word.startswith("unpack_")}
    return {name.removeprefix("unpack_").replace("l_", "<").replace("b_", ">") for name in names}


def value_text(signal: Signal, words: Sequence[Word], none_for_missing: bool) -> str:
    """Expression for the physical value."""
    raw = _raw_text(signal, parts_of(signal, words))
    if not (none_for_missing and signal.not_available):
        return _scaled_text(signal, raw)
    missing = signal.not_available
    test = f"== {missing[0]}" if len(missing) == 1 else f"in {missing}"
    return f"None if (raw := {raw}) {test} else {_scaled_text(signal, 'raw')}"


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
