"""Why a DBC cannot be used: one line with file, line, what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.decode import DatabaseError, compile_database
from twolbms.decode.complaints import complaint, misread, undecodable

GOOD = 'VERSION ""\nBO_ 1 A: 8 X\n SG_ V : 0|8@1+ (1,0) [0|0] "V" X\n'


@pytest.mark.parametrize(("raw", "expected"), [
    (b"BO_ 1 A: 8 X\n SG_ V 0|8@1+ (1,0)", ":2: column 8 is not written as in a DBC: SG_ V 0|8@1+ (1,0); correct this "
     "line, or save the file again with a DBC editor"),
    (GOOD.encode() + b"BO_ 1 B: 8 X\n", ":4: the messages B and A (line 2) have the same id 0x1; delete one of them, "
     "or correct its id"),
    ("BO_".encode("utf-16"), ":1: it is saved as UTF-16; save it as Windows-1252 (also called ANSI or Western)"),
    (b"", ": the file is empty; get the file again from where it came"),
])
def test_one_line_with_place_and_cure(raw: bytes, expected: str, tmp_path: Path) -> None:
    """The file's name, the line where it is known, a sentence, and what to do behind a semicolon."""
    path = tmp_path / "mine.dbc"
    path.write_bytes(raw)
    with pytest.raises(DatabaseError) as caught:
        compile_database(path)
    told = str(caught.value)
    assert told.startswith(str(path)) and "; " in told and "\n" not in told
    assert told == f"{path}{expected}"


def test_windows_files_are_read(tmp_path: Path) -> None:
    """Line ends of Windows and the letters of its code page are what a DBC has."""
    path = tmp_path / "mine.dbc"
    path.write_bytes(GOOD.replace('"V"', '"°C"').replace("\n", "\r\n").encode("cp1252"))
    assert compile_database(path).messages["A"].signals["V"].unit == "°C"
    assert undecodable(path.read_bytes()) is None and misread(path.read_bytes()) is None


def test_an_error_nobody_foresaw() -> None:
    """What cantools says beyond what is known here is passed on, on one line."""
    told = complaint(GOOD, KeyError("something\n  odd")).told("x.dbc")
    assert told.startswith("x.dbc: it cannot be used: ") and "\n" not in told
