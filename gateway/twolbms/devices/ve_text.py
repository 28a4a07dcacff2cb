"""VE.Direct text: bytes as they come from the wire to whole blocks of labels and values. Knows the frame, no label.

A block is CR LF label TAB value … and ends with the field Checksum, whose value is one raw byte that makes the sum of
all bytes of the block 0 modulo 256. HEX messages (":" … LF) may stand between any two bytes and are not summed.
Source: Victron, "VE.Direct Protocol" 3.33.
"""

from __future__ import annotations

from typing import NamedTuple

LONGEST_LABEL = 8
LONGEST_VALUE = 32
MOST_FIELDS = 22  # in a block, beside Checksum
LONGEST_HEX = 256  # bytes; far above any HEX message: a ":" without an end is noise

_CR, _LF, _TAB, _COLON = 0x0D, 0x0A, 0x09, 0x3A
_BETWEEN, _LABEL, _VALUE, _LINE_END, _CHECKSUM = range(5)
_CHECKSUM_LABEL = b"Checksum"


class Block(NamedTuple):
    """One whole block: its bytes without HEX messages, and its fields without Checksum."""

    raw: bytes
    fields: dict[str, str]


class BlockParser:
    """Finds the whole blocks in a stream that may begin anywhere, break off and be damaged. Never raises.

    `counts`: `damaged` blocks (wrong sum, empty, or beyond the bounds above), `hex` messages. The block in whose middle
    the stream began is not counted: it was not damaged, only cut.
    """

    def __init__(self) -> None:
        self.counts = {"damaged": 0, "hex": 0}
        self._state = _BETWEEN
        self._hex = 0  # bytes of the HEX message so far, 0 outside
        self._whole = False  # a block has ended before: the next one is seen from its first byte
        self._begin(_BETWEEN)

    def feed(self, chunk: bytes) -> list[Block]:
        """The blocks that these bytes complete."""
        blocks = []
        for byte in chunk:
            if self._state == _CHECKSUM:
                block = self._end(byte)
                if block is not None:
                    blocks.append(block)
            elif self._hex or byte == _COLON:
                self._take_hex(byte)
            else:
                self._take(byte)
        return blocks

    def _begin(self, state: int) -> None:
        self._state = state
        self._sum = 0
        self._bad = False
        self._raw = bytearray()
        self._part = bytearray()
        self._label = b""
        self._fields: dict[str, str] = {}

    def _take_hex(self, byte: int) -> None:
        self._hex += 1
        if byte == _LF:
            self._hex = 0
            self.counts["hex"] += 1
        elif self._hex > LONGEST_HEX:
            self._hex = 0
            self._bad = True

    def _take(self, byte: int) -> None:
        if self._state == _BETWEEN:
            if byte != _CR:
                return None
            self._state = _LINE_END
        elif byte == _LF and self._state == _LINE_END:
            self._state = _LABEL
        elif self._state == _LINE_END and self._raw == b"\r":  # a lone CR between blocks begins none
            self._begin(_BETWEEN)
            return self._take(byte)
        elif byte == _TAB and self._state == _LABEL:
            self._end_label()
        elif byte == _CR and self._state == _VALUE:
            self._end_value()
        elif byte in (_CR, _LF) or self._state == _LINE_END:
            self._lose(byte)
        else:
            self._grow(byte)
        return self._add(byte)

    def _add(self, byte: int) -> None:
        self._sum += byte
        if not self._bad:  # what is lost already needs no room
            self._raw.append(byte)

    def _grow(self, byte: int) -> None:
        if len(self._part) >= (LONGEST_LABEL if self._state == _LABEL else LONGEST_VALUE):
            self._bad = True
        else:
            self._part.append(byte)

    def _lose(self, byte: int) -> None:
        """A line end where none may be, or its half: the block is lost, the next line is still a line."""
        self._bad = True
        self._part.clear()
        self._state = _LABEL if byte == _LF else _LINE_END

    def _end_label(self) -> None:
        self._label = bytes(self._part)
        self._part.clear()
        self._state = _CHECKSUM if self._label == _CHECKSUM_LABEL else _VALUE

    def _end_value(self) -> None:
        if len(self._fields) >= MOST_FIELDS:
            self._bad = True
        if not self._bad:
            self._fields[self._label.decode(errors="replace")] = self._part.decode(errors="replace")
        self._part.clear()
        self._state = _LINE_END

    def _end(self, byte: int) -> Block | None:
        self._add(byte)
        good = not self._bad and self._sum % 256 == 0 and bool(self._fields)
        block = Block(bytes(self._raw), self._fields) if good else None
        if block is None and self._whole:
            self.counts["damaged"] += 1
        self._whole = True
        self._begin(_BETWEEN)
        return block
