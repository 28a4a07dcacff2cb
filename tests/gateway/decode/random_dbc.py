"""Random DBC texts: one message of any length, both byte orders, floats, value tables, multiplexers in multiplexers.

TWOLBMS_EXAMPLES sets how many databases each property is tried on (60; thousands for a long search).
"""

from __future__ import annotations

import os
import random

EXAMPLES = int(os.environ.get("TWOLBMS_EXAMPLES", "60"))
SCALES = ["1", "1.0", "2", "-3", "0.1", "0.5", "-0.25", "0.001", "1000", "4294967296", "1e-7", "2.5"]
OFFSETS = ["0", "-40", "0.5", "-273.15", "1000000", "-0.1"]
LENGTHS = [1, 1, 1, 2, 2, 3, 7, 8, 9, 12, 13, 16, 17, 24, 31, 32, 33, 48, 64]
HEAD = ['VERSION ""', "", "NS_ :", "", "BS_:", "", "BU_: X", ""]


class Draft:
    """A message on its way to a DBC text. Bits that are `used` are kept free of others."""

    def __init__(self, source: random.Random, size: int) -> None:
        self.source = source
        self.bits = 8 * size
        self.lines: list[str] = []
        self.after: list[str] = []
        self.used: set[int] = set()

    def signal(self, name: str, mux: str, used: set[int]) -> bool:
        """Adds a signal in free bits; whether there was a place."""
        source = self.source
        for _ in range(20):
            kind = source.choice(["", "", "", "", "1", "2"])
            length = {"1": 32, "2": 64}.get(kind) or source.choice(LENGTHS)
            if self.bits == 512 and source.random() < 0.03:
                kind, length = "", source.choice([65, 80, 100])
            start, big = source.randrange(self.bits), source.random() < 0.5
            first = 8 * (start // 8) + 7 - start % 8 if big else start
            places = {8 * (b // 8) + 7 - b % 8 if big else b for b in range(first, first + length)}
            if first + length > self.bits or places & used:
                continue
            used |= places
            plain = length <= 2 and source.random() < 0.7
            scale, offset = ("1", "0") if plain else (source.choice(SCALES), source.choice(OFFSETS))
            sign = source.choice("+-")
            self.lines.append(f' SG_ {name}{mux} : {start}|{length}@{0 if big else 1}{sign} '
                              f'({scale},{offset}) [0|0] "" X')
            self._extras(name, length, kind, sign)
            return True
        return False

    def _extras(self, name: str, length: int, kind: str, sign: str) -> None:
        if kind:
            self.after.append(f"SIG_VALTYPE_ 291 {name} : {kind};")
        if self.source.random() < 0.3:
            codes = [-1, -(1 << length - 1)] if sign == "-" and not kind else [(1 << min(length, 31)) - 1, 0]
            code = self.source.choice(codes)
            self.after.append(f'VAL_ 291 {name} {code} "Not available" 1 "One" ;' if code != 1 else
                              f'VAL_ 291 {name} 1 "NotAvailable" ;')

    def selector(self, name: str, mux: str) -> None:
        """Adds a multiplexer of one byte that nothing else may use."""
        free = [at for at in range(0, self.bits - 7, 8) if not set(range(at, at + 8)) & self.used]
        start = self.source.choice(free)
        self.used |= set(range(start, start + 8))
        self.lines.append(f' SG_ {name}{mux} : {start}|8@1+ (1,0) [0|0] "" X')

    def text(self) -> str:
        """The DBC."""
        return "\n".join([*HEAD, f"BO_ 291 Any: {self.bits // 8} X", *self.lines, "", *self.after]) + "\n"


def random_dbc(source: random.Random, longest: int = 8) -> str:
    """A strict DBC with one message of random plain and multiplexed signals."""
    size = source.randint(1, 8) if longest == 8 else source.choice([12, 16, 32, 64])
    draft = Draft(source, size)
    form = source.choice(["plain", "plain", "pages", "pages", "nested"]) if size > 2 else "plain"
    if form != "plain":
        draft.selector("Page", " M")
    if form == "nested":
        draft.selector("Inner", " m0M")
        draft.after.append("SG_MUL_VAL_ 291 Inner Page 0-0;")
    many = source.choice([3, 7, 20])
    for index in range(source.randint(1, many)):
        draft.signal(f"{source.choice('ABxyz')}{index}", "", draft.used)
    if form != "plain":
        for page in range(source.randint(2, 3)):
            number = source.choice([0, 90, 200]) + page if form == "pages" else page
            inside = set(draft.used)
            for index in range(source.randint(1, 4)):
                draft.signal(f"P{page}S{index}", f" m{number}", inside)
    if form == "nested":
        _fill_inner(draft)
    return draft.text()


def _fill_inner(draft: Draft) -> None:
    """Pages of the inner multiplexer: a number, or a range of them. All pages of the outer one are told by ranges too,
    because a DBC with SG_MUL_VAL_ names its multiplexers there."""
    draft.after += [f"SG_MUL_VAL_ 291 {line.split()[1]} Page {line.split()[2][1:]}-{line.split()[2][1:]};"
                    for line in draft.lines if line.split()[1].startswith("P") and line.split()[2] != "M"]
    for page, numbers in enumerate(("0-0", "1-3, 7-7", "200-255")):
        inside = set(draft.used) | _bits_of_outer(draft)
        for index in range(draft.source.randint(1, 3)):
            if draft.signal(f"I{page}S{index}", f" m{page}", inside):
                draft.after.append(f"SG_MUL_VAL_ 291 I{page}S{index} Inner {numbers};")


def _bits_of_outer(draft: Draft) -> set[int]:
    """The bits of page 0 of the outer multiplexer, which are there together with the inner one's."""
    bits: set[int] = set()
    for line in draft.lines:
        words = line.split()
        if words[1].startswith("P0S"):
            start, length, order = int(words[4].split("|")[0]), int(words[4].split("|")[1].split("@")[0]), words[4][-2]
            first = 8 * (start // 8) + 7 - start % 8 if order == "0" else start
            bits |= {8 * (b // 8) + 7 - b % 8 if order == "0" else b for b in range(first, first + length)}
    return bits
