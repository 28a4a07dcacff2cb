"""Why a DBC cannot be used, in one sentence with the line and what to do. Knows the words of cantools' errors."""

from __future__ import annotations

import re
from typing import NamedTuple

_SYNTAX = re.compile(r'Invalid syntax at line (\d+), column (\d+)')
_NO_FIT = re.compile(r"The signal (\w+) does not fit in message (\w+)")
_OVERLAP = re.compile(r"The signals (\w+) and (\w+) are overlapping in message (\w+)")
_LONG_ID = re.compile(r"(Standard|Extended) frame id (0x[0-9a-f]+) is more than (\d+) bits in message (\w+)")
_TWINS = re.compile(r"(\w+) and (\w+) have the same id (0x[0-9A-F]+)")

# How files begin that people take for a DBC.
_OTHERS = (
    ("PK\x03\x04", "a spreadsheet or ZIP archive"), ("<?xml", "an XML file (ARXML, KCD, FIBEX or a web page)"),
    ("<!DOCTYPE", "a web page"), ("<html", "a web page"), ("{", "JSON"), ("FormatVersion=", "a PCAN SYM file"),
    ("version https://git-lfs", "a Git LFS pointer, not the file itself"), ("MDF ", "a recording (MDF)"),
    ("LOGG", "a recording (BLF)"), ("date ", "a recording (ASC)"), ("(", "a recording (candump)"),
)


class Complaint(NamedTuple):
    """What is wrong, where it is known in which line (from 1), and what to do."""

    line: int | None
    sentence: str
    do: str

    def told(self, name: str) -> str:
        """One line: file, line, sentence, and what to do."""
        place = name if self.line is None else f"{name}:{self.line}"
        return f"{place}: {self.sentence}; {self.do}"


def complaint(text: str, error: Exception) -> Complaint:
    """What `error`, raised over a DBC of this `text`, means to the person who has the file."""
    words = str(error) or type(error).__name__
    return (_not_a_dbc(text) or _syntax(text, words) or _no_fit(text, words) or _overlap(text, words)
            or _long_id(text, words) or _twins(text, words)
            or Complaint(None, f"it cannot be used: {' '.join(words.split())}",
                         "open it in a DBC editor, correct this and save it again"))


def undecodable(raw: bytes) -> Complaint | None:
    """Why bytes are not the text of a DBC, which is written in code page 1252; None when they may be one."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or raw[:200].count(0) > len(raw[:200]) // 3:
        return Complaint(1, "it is saved as UTF-16", "save it as Windows-1252 (also called ANSI or Western)")
    if raw.startswith(b"\xef\xbb\xbf"):
        return Complaint(1, "it is saved as UTF-8 with a byte order mark",
                         "save it as Windows-1252 (also called ANSI or Western)")
    return None


def misread(raw: bytes) -> Complaint | None:
    """A DBC saved as UTF-8 can be used, but its ° and µ come out wrong; None when there is nothing of the kind."""
    if raw.isascii():
        return None
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    line = next(number for number, each in enumerate(raw.splitlines(), 1) if not each.isascii())
    wrong = re.search("[^\0-\x7f]+", raw.splitlines()[line - 1].decode("utf-8"))
    assert wrong is not None
    shown = wrong[0].encode("utf-8").decode("cp1252", "replace")
    return Complaint(line, f'it is saved as UTF-8, so "{wrong[0]}" is read as "{shown}" in units and texts',
                     "save it as Windows-1252 (also called ANSI or Western)")


def _not_a_dbc(text: str) -> Complaint | None:
    begin = text.lstrip()[:200]
    if not begin:
        return Complaint(None, "the file is empty", "get the file again from where it came")
    for mark, what in _OTHERS:
        if begin.startswith(mark):
            return Complaint(1, f"this is no DBC but {what}", "name a DBC file, or make one from this with a DBC tool")
    if not re.search(r"^\s*(BO_|VERSION|NS_|BS_|BU_)", text, re.MULTILINE):
        return Complaint(1, "this is no DBC: it names no message (no line begins with BO_)", "name a DBC file")
    return None


def _syntax(text: str, words: str) -> Complaint | None:
    found = _SYNTAX.search(words)
    if found is None:
        return None
    line, column = int(found[1]), int(found[2])
    lines = text.splitlines()
    written = " ".join(lines[line - 1].split())[:60] if line <= len(lines) else ""
    if not written or (line >= len(lines) and column > len(lines[-1])):
        return Complaint(line, "it ends in the middle of something: the file was cut", "get the file again, whole")
    if lines[line - 1][column - 1:column] == '"':
        return Complaint(line, f'the text that begins in column {column} has no closing "',
                         "close it; a file that was cut ends so too: then get it again, whole")
    return Complaint(line, f"column {column} is not written as in a DBC: {written}",
                     "correct this line, or save the file again with a DBC editor")


def _no_fit(text: str, words: str) -> Complaint | None:
    if (found := _NO_FIT.search(words)) is None:
        return None
    signal, message = found.groups()
    return Complaint(_line_of(text, "SG_", signal, message),
                     f"the signal {signal} reaches beyond the end of the message {message}",
                     "correct its start bit or length, or the length of the message")


def _overlap(text: str, words: str) -> Complaint | None:
    if (found := _OVERLAP.search(words)) is None:
        return None
    one, two, message = found.groups()
    return Complaint(_line_of(text, "SG_", one, message),
                     f"the signals {one} and {two} of the message {message} share bits",
                     "correct the start bit or length of one of them, or give them their multiplexer")


def _long_id(text: str, words: str) -> Complaint | None:
    if (found := _LONG_ID.search(words)) is None:
        return None
    kind, number, bits, message = found.groups()
    return Complaint(_line_of(text, "BO_", message), f"the id {number} of the message {message} has more than the "
                     f"{bits} bits of a{'n extended' if kind == 'Extended' else ' standard'} id",
                     "correct the id; the id of an extended frame stands in a DBC with 2147483648 added")


def _twins(text: str, words: str) -> Complaint | None:
    if (found := _TWINS.search(words)) is None:
        return None
    one, two, number = found.groups()
    first = _line_of(text, "BO_", one)
    place = f" (line {first})" if first else ""
    return Complaint(_line_of(text, "BO_", two), f"the messages {two} and {one}{place} have the same id {number}",
                     "delete one of them, or correct its id")


def _line_of(text: str, keyword: str, name: str, message: str | None = None) -> int | None:
    """The line where a message, or a signal of a message, is defined."""
    inside = message is None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.replace(":", " ").split()
        if message is not None and words[:1] == ["BO_"]:
            inside = words[2:3] == [message]
        if inside and words[:1] == [keyword] and name in words[1:3]:
            return number
    return None
