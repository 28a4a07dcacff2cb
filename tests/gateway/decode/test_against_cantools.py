"""cantools is the oracle: the same values of the same types, on random databases, our own files and public ones."""

from __future__ import annotations

import math
import random
from pathlib import Path

import cantools
import numpy as np
import pytest
from cantools.database.errors import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.decode.random_dbc import EXAMPLES, random_dbc
from twolbms.decode import CompiledMessage, Refused, compile_database
from twolbms.decode.columns import read_columns
from twolbms.files import data_path

OURS = ["node.dbc", "ev/leaf_ze0.dbc", "ev/leaf_aze0.dbc", "ev/leaf_ze1.dbc"]
PUBLIC = ["leaf_ev_can_ze0", "leaf_ev_can_aze0", "bmw_i3_pt_can2", "kona_pcan_with_header", "foxbms"]
def same(ours: object, theirs: object) -> bool:
    """Equal in type and in every bit that shows (repr tells -0.0 from 0.0 and finds NaN equal to NaN)."""
    return type(ours) is type(theirs) and repr(ours) == repr(theirs)


def oracle(message, data: bytes) -> dict | None:
    try:
        return message.decode(data, decode_choices=False)
    except DecodeError:
        return None


def frames(source: random.Random, message, count: int) -> list[bytes]:
    """Random data, much of it of a right length and of pages that exist."""
    out = []
    for _ in range(count):
        length = message.length if source.random() < 0.85 else source.randint(0, message.length + 2)
        out.append(bytes(source.choice([0, 255, source.randrange(256), source.randrange(4)]) for _ in range(length)))
    return out


def check_plain(ours: CompiledMessage, theirs, data: bytes) -> None:
    got, want = ours.decode(data), oracle(theirs, data)
    if want is None:
        assert isinstance(got, Refused)
        assert (got is Refused.SHORT) == (len(data) < theirs.length)
        return
    assert isinstance(got, dict), (theirs.name, data.hex(), got)
    assert list(got) == list(want)
    assert all(same(got[name], want[name]) for name in want), (theirs.name, data.hex(), got, want)


def check_columns(ours: CompiledMessage, theirs, datas: list[bytes]) -> None:
    full = [data for data in datas if len(data) == theirs.length]
    if not full or not theirs.length:
        return
    matrix = np.frombuffer(b"".join(full), dtype=np.uint8).reshape(len(full), theirs.length)
    columns = read_columns(ours, matrix)
    seen: list[dict] = [{} for _ in full]
    for name, column in columns.items():
        for row, value, valid in zip(column.rows.tolist(), column.values.tolist(), column.valid.tolist(), strict=True):
            seen[row][name] = (value, valid)
    for data, got in zip(full, seen, strict=True):
        want = oracle(theirs, data)
        if want is None:
            continue
        known = ours.decode_values(data)
        assert isinstance(known, dict)
        assert got.keys() == want.keys()
        for name, (value, valid) in got.items():
            assert same(value, want[name]), (theirs.name, name, data.hex(), value, want[name])
            assert valid == (known[name] is not None)


def check_encode(ours: CompiledMessage, theirs, data: bytes) -> None:
    """What cantools decodes is encoded to the same bytes by both."""
    values = oracle(theirs, data)
    if values is None or any(isinstance(v, float) and not math.isfinite(v) for v in values.values()):
        return
    try:
        want = theirs.encode(values, strict=False)
    except Exception:
        return  # a scale so large that the raw value does not come back: cantools cannot say it either
    try:
        got = ours.encode(values, "nearest")
    except ValueError as error:
        assert "outside" in str(error) or "fit" in str(error)
        return
    assert got == want, (theirs.name, values)


@given(st.randoms(use_true_random=False), st.sampled_from([8, 64]))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_databases_decode_as_cantools(source: random.Random, longest: int) -> None:
    """Any database of plain and multiplexed signals decodes frame by frame and in bulk exactly as cantools does."""
    text = random_dbc(source, longest)
    theirs = cantools.database.load_string(text, "dbc").messages[0]
    ours = compile_database(text).message("Any")
    datas = frames(source, theirs, 12)
    for data in datas:
        check_plain(ours, theirs, data)
        check_encode(ours, theirs, data)
    check_columns(ours, theirs, datas)


def check_file(path: Path, count: int) -> None:
    theirs = cantools.database.load_file(path)
    ours = compile_database(path)
    source = random.Random(path.name)
    assert len(ours.messages) == len(theirs.messages)
    for message in theirs.messages:
        compiled = ours.message(message.name)
        datas = frames(source, message, count) + [bytes([n] * message.length) for n in (0, 255)]
        for data in datas:
            check_plain(compiled, message, data)
            assert repr(ours.decode(message.frame_id, message.is_extended_frame, data)) == repr(compiled.decode(data))
        check_encode(compiled, message, datas[0])
        check_columns(compiled, message, datas)


@pytest.mark.parametrize("name", OURS)
def test_our_files_decode_as_cantools(name: str) -> None:
    """Every message of our own DBC files decodes as cantools decodes it, frame by frame and in bulk."""
    check_file(data_path("dbc", *name.split("/")), 60)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_files_decode_as_cantools(reference_folder: Path, name: str) -> None:
    """Public DBC files of real cars and of foxBMS decode as cantools decodes them."""
    check_file(reference_folder / "can_logs" / "dbc" / f"{name}.dbc", 15)


NESTED = """VERSION ""
NS_ :
BS_:
BU_: X
BO_ 100 Nested: 8 X
 SG_ Outer M : 0|4@1+ (1,0) [0|0] "" X
 SG_ Inner m0M : 4|4@1+ (1,0) [0|0] "" X
 SG_ A m0 : 8|8@1+ (1,0) [0|0] "" X
 SG_ B m1 : 8|8@1+ (0.5,0) [0|0] "" X
 SG_ C m1 : 16|16@1- (1,0) [0|0] "" X
 SG_ D m1 : 16|8@1- (1,0) [0|0] "" X
 SG_ E : 56|8@1+ (1,0) [0|0] "" X

SG_MUL_VAL_ 100 Inner Outer 0-0;
SG_MUL_VAL_ 100 A Inner 0-2;
SG_MUL_VAL_ 100 B Inner 3-3, 5-6;
SG_MUL_VAL_ 100 C Inner 3-3;
SG_MUL_VAL_ 100 D Outer 1-1;
"""


def test_nested_multiplexers_and_ranges_decode_as_cantools() -> None:
    """A multiplexer inside a multiplexer, with ranges of numbers, is read as cantools reads it."""
    theirs = cantools.database.load_string(NESTED, "dbc").messages[0]
    ours = compile_database(NESTED).message("Nested")
    datas = [bytes([first, 7, 200, 255, 0, 0, 0, 9]) for first in range(256)]
    for data in datas:
        check_plain(ours, theirs, data)
        check_encode(ours, theirs, data)
    check_columns(ours, theirs, datas)
