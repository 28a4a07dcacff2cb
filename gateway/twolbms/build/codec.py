"""Writes the node's codec from dbc/node.dbc: integers in, eight bytes out, and back for what the gateway sends.

Scales become integer multiply and divide between the DBC's units and the node's (mV, mA, 0.1 °C, ms, mAh); a value
that is not available is NA on the node and the DBC's "NotAvailable" raw value on the wire. The text it writes
allocates nothing on MicroPython.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cantools
from cantools.database import Database, Message, Signal

from twolbms.wire import crc_table

NODE_UNITS = {"V": ("mv", 1000), "A": ("ma", 1000), "degC": ("dc", 10), "s": ("ms", 1000), "Ah": ("mah", 1000)}
NA_TEXT = "NotAvailable"

_HEAD = '''"""Generated from dbc/node.dbc by tools/generate; never edited.

Every fill_ function fills an 8-byte bytearray from integers (mV, mA, 0.1 degC, ms, mAh) and allocates nothing.
NA stands for a value that is not available.
"""

NA = -(1 << 28)

CRC = bytes((
{table}
))


def crc8(d, low, node):
    """CRC-8 SAE J1850 over message number, node number and bytes 0 to 6."""
    t = CRC
    c = t[0xFF ^ low]
    c = t[c ^ node]
    c = t[c ^ d[0]]
    c = t[c ^ d[1]]
    c = t[c ^ d[2]]
    c = t[c ^ d[3]]
    c = t[c ^ d[4]]
    c = t[c ^ d[5]]
    return t[c ^ d[6]] ^ 0xFF


def _raw(value, mul, div, half, low, high, na):
    """Node integer to raw: value * mul / div, rounded by half, held inside low..high; NA becomes na."""
    if value == NA:
        return na
    value = (value * mul + half) // div
    if value < low:
        return low
    if value > high:
        return high
    return value
'''


def codec_text(dbc: Path) -> str:
    """The text of `generated/codec.py` for the contract in `dbc`."""
    database = cantools.database.load_file(str(dbc))
    assert isinstance(database, Database)
    rows = crc_table()
    table = "\n".join("    " + ", ".join(f"0x{b:02X}" for b in rows[i : i + 16]) + "," for i in range(0, 256, 16))
    parts = [_HEAD.replace("{table}", table), _constants(database)]
    for message in database.messages:
        parts.append(_packers(message) if message.senders == ["Node"] else _unpacker(message))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def snake(name: str) -> str:
    """PascalCase to snake_case."""
    return "".join("_" + c.lower() if c.isupper() and i else c.lower() for i, c in enumerate(name))


def _constants(database: Database) -> str:
    lines = [f"ID_{snake(m.name).upper()} = 0x{m.frame_id:08X}" for m in database.messages]
    lines += [
        f"CYCLES_{snake(m.name).upper()} = {m.cycle_time // 100}"
        for m in database.messages
        if m.cycle_time and m.senders == ["Node"]
    ]
    wanted = {"State": "STATE", "LastRefusal": "ANSWER", "Request": "REQUEST", "OpenReason": "REASON"}
    for message in database.messages:
        for signal in message.signals:
            if signal.name in wanted and signal.choices:
                prefix = wanted.pop(signal.name)
                lines += [
                    f"{prefix}_{snake(str(text)).upper()} = {number}"
                    for number, text in signal.choices.items()
                    if str(text) != NA_TEXT
                ]
    return "\n".join(lines)


def node_name(signal: Signal) -> str:
    """The signal's name on the node: snake case with the node's unit."""
    suffix = NODE_UNITS.get(signal.unit or "", ("", 1))[0]
    return snake(signal.name) + (f"_{suffix}" if suffix else "")


def not_available(signal: Signal) -> int | None:
    """The raw value that means "not available", or None when the signal has none."""
    for number, text in (signal.choices or {}).items():
        if str(text) == NA_TEXT:
            return number
    return None


def raw_range(signal: Signal) -> tuple[int, int]:
    """Smallest and largest raw value, the "not available" one left out."""
    if signal.is_signed:
        low, high = -(1 << (signal.length - 1)), (1 << (signal.length - 1)) - 1
    else:
        low, high = 0, (1 << signal.length) - 1
    absent = not_available(signal)
    if absent is not None and not _is_enumeration(signal):
        return (low + 1, high) if absent == low else (low, high - 1)
    return low, high


def _is_enumeration(signal: Signal) -> bool:
    return len(signal.choices or {}) > 1


def scale_fraction(signal: Signal) -> tuple[int, int, int]:
    """(mul, div, half) so that raw = (value * mul + half) // div for a value in the node's unit."""
    per_unit = NODE_UNITS.get(signal.unit or "", ("", 1))[1]
    ratio = 1 / (Fraction(str(signal.scale)) * per_unit)
    toward_zero = _attribute(signal, "Rounding") == 1
    return ratio.numerator, ratio.denominator, 0 if toward_zero else ratio.denominator // 2


def _attribute(signal: Signal, name: str) -> Any:
    found = signal.dbc.attributes.get(name) if signal.dbc else None
    return found.value if found is not None else None


def is_protected(message: Message) -> bool:
    """Whether the message carries a counter and a CRC."""
    return {"Counter", "Crc8"} <= {s.name for s in message.signals}


def _raw_expression(signal: Signal) -> str:
    name, absent = node_name(signal), not_available(signal)
    low, high = raw_range(signal)
    mul, div, half = scale_fraction(signal)
    if (mul, div) == (1, 1) and (absent is None or _is_enumeration(signal)):
        return f"{name} & 0x{(1 << signal.length) - 1:X}"
    return f"_raw({name}, {mul}, {div}, {half}, {low}, {high}, {absent if absent is not None else low})"


def _store_lines(signals: list[tuple[Signal, str]]) -> list[str]:
    """Lines that lay the raw values in `r_…` variables into the bytes of d."""
    pieces: dict[int, list[str]] = {}
    for signal, variable in signals:
        bit, left = signal.start, signal.length
        while left > 0:
            byte, offset = bit // 8, bit % 8
            take = min(8 - offset, left)
            down = bit - signal.start
            text = f"{variable} >> {down}" if down else variable
            text = f"({text} & 0x{(1 << take) - 1:X})"
            pieces.setdefault(byte, []).append(f"{text} << {offset}" if offset else text)
            bit, left = bit + take, left - take
    return [f"    d[{byte}] = {' | '.join(pieces.get(byte, ['0']))}" for byte in range(8)]


def _packers(message: Message) -> str:
    selectors = [s for s in message.signals if s.is_multiplexer]
    if not selectors:
        return _packer(message, f"fill_{snake(message.name)}", message.signals, None)
    groups: dict[int, list[Signal]] = {}
    for signal in message.signals:
        for page in signal.multiplexer_ids or []:
            groups.setdefault(page, []).append(signal)
    if all(s.length == 1 for page in groups.values() for s in page):
        return _bitmap_packer(message, selectors[0])
    shapes = {tuple((s.start, s.length, s.is_signed, s.scale) for s in page) for page in groups.values()}
    if len(shapes) == 1 and not is_protected(message):
        return _array_packer(message, selectors[0], groups[0])
    common = [s for s in message.signals if not s.multiplexer_ids]
    return "\n\n\n".join(
        _packer(message, f"fill_{snake(message.name)}_{page}", signals + common, (selectors[0], page))
        for page, signals in sorted(groups.items())
    )


def _packer(message: Message, function: str, signals: list[Signal], page: tuple[Signal, int] | None) -> str:
    payload = [s for s in signals if s.name not in ("Counter", "Crc8") and not s.is_multiplexer]
    names = [node_name(s) for s in payload]
    protected = is_protected(message)
    arguments = ["d"] + (["node", "counter"] if protected else []) + names
    lines = [f"def {function}({', '.join(arguments)}):", f'    """{message.comment or message.name}"""']
    stores: list[tuple[Signal, str]] = []
    for signal in payload:
        expression = _raw_expression(signal)
        if expression.startswith("_raw"):
            lines.append(f"    {node_name(signal)} = {expression}")
        stores.append((signal, node_name(signal)))
    if page:
        stores.append((page[0], str(page[1])))
    if protected:
        stores.append((message.get_signal_by_name("Counter"), "counter"))
    lines += _store_lines(stores)
    if protected:
        lines.append(f"    d[7] = crc8(d, 0x{message.frame_id >> 8 & 0xFF:02X}, node)")
    return "\n".join(lines)


def _bitmap_packer(message: Message, selector: Signal) -> str:
    """A page of one-bit signals: the bits are copied as six bytes."""
    assert selector.start >= 48
    counter = message.get_signal_by_name("Counter")
    shift = selector.start - 48
    lines = [
        f"def fill_{snake(message.name)}(d, node, counter, page, bits, first):",
        f'    """{message.comment} bits[first] holds limits 0 to 7."""',
    ]
    lines += [f"    d[{i}] = bits[first{f' + {i}' if i else ''}]" for i in range(6)]
    lines += [
        f"    d[6] = (counter & 0x{(1 << counter.length) - 1:X}) | page << {shift}",
        f"    d[7] = crc8(d, 0x{message.frame_id >> 8 & 0xFF:02X}, node)",
    ]
    return "\n".join(lines)


def _array_packer(message: Message, selector: Signal, group: list[Signal]) -> str:
    """Groups of equal signals: the values come from an array; past `count` they are not available."""
    group = sorted(group, key=lambda s: s.start)
    mul, div, half = scale_fraction(group[0])
    low, high = raw_range(group[0])
    lines = [
        f"def fill_{snake(message.name)}(d, group, values, count):",
        f'    """{message.comment} values[0:count] in {NODE_UNITS[group[0].unit or ""][0]}."""',
        f"    i = group * {len(group)}",
    ]
    for k in range(len(group)):
        at = f"i + {k}" if k else "i"
        lines.append(
            f"    v{k} = _raw(values[{at}] if {at} < count else NA, {mul}, {div}, {half}, {low}, {high}, "
            f"{not_available(group[0])})"
        )
    lines += _store_lines([(selector, "group")] + [(s, f"v{k}") for k, s in enumerate(group)])
    return "\n".join(lines)


def _unpacker(message: Message) -> str:
    """For what the node receives: values into an array, in the order of the DBC; False when the CRC is wrong."""
    payload = [s for s in message.signals if s.name not in ("Counter", "Crc8")]
    names = ", ".join(f"{i} {node_name(s)}" for i, s in enumerate(payload))
    lines = [
        f"def read_{snake(message.name)}(d, node, v):",
        f'    """{message.comment} Fills v: {names}."""',
        f"    if crc8(d, 0x{message.frame_id >> 8 & 0xFF:02X}, node) != d[7]:",
        "        return False",
    ]
    for index, signal in enumerate(payload):
        lines += _load_lines(index, signal)
    return "\n".join([*lines, "    return True"])


def _load_lines(index: int, signal: Signal) -> list[str]:
    assert not signal.is_signed and signal.length < 30
    parts, bit, left = [], signal.start, signal.length
    while left > 0:
        byte, offset = bit // 8, bit % 8
        take = min(8 - offset, left)
        text = f"d[{byte}] >> {offset}" if offset else f"d[{byte}]"
        text = f"({text} & 0x{(1 << take) - 1:X})" if take < 8 else text
        up = bit - signal.start
        parts.append(f"({text}) << {up}" if up else text)
        bit, left = bit + take, left - take
    mul, div, _ = scale_fraction(signal)
    raw, absent = " | ".join(parts), not_available(signal)
    back = "r" + (f" * {div}" if div != 1 else "") + (f" // {mul}" if mul != 1 else "")
    if absent is None:
        return [f"    r = {raw}", f"    v[{index}] = {back}"]
    return [f"    r = {raw}", f"    v[{index}] = NA if r == {absent} else {back}"]
