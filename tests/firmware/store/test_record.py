"""A record is two copies, each whole or not there; whatever damages one is noticed."""

from __future__ import annotations

import ast
import binascii
import os
import struct
import subprocess
from array import array
from pathlib import Path

import pytest
from store import record as record_module
from store.record import Record

from servers.need import need
from twolbms.files import data_path

OLD = b"the older payload"
NEW = b"the newer payload, which is longer"


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Two copies: OLD in .0 with number 1, NEW in .1 with number 2."""
    made = Record(str(tmp_path / "thing"))
    assert made.write(OLD) and made.write(NEW)
    return made


def again(record: Record) -> Record:
    return Record(record.path)


def by_hand(payload: bytes, sequence: int) -> bytes:
    """A copy as the layout says, typed again."""
    head = b"2LRC\x01\x00" + struct.pack("<H", len(payload)) + struct.pack("<I", sequence)
    return head + payload + struct.pack("<I", binascii.crc32(head + payload))


def test_nothing_was_ever_written(tmp_path: Path) -> None:
    """Without files there is no record, and nothing is called damaged."""
    empty = Record(str(tmp_path / "thing"))
    assert empty.read() is None and empty.bad == 0


def test_the_newer_copy_counts(record: Record) -> None:
    """What was written last is read, and the two copies are written in turn."""
    assert again(record).read() == NEW
    third = again(record)
    assert third.write(b"third") and third.sequence == 3
    assert Path(record.path + ".0").read_bytes() == by_hand(b"third", 3)
    assert Path(record.path + ".1").read_bytes() == by_hand(NEW, 2)
    assert again(record).read() == b"third"


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_damage_of_any_byte_is_noticed(record: Record, flip: int) -> None:
    """Whichever byte of the newer copy changes, the older one is read and one damaged copy counted."""
    path = Path(record.path + ".1")
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes((whole[at] ^ flip,)) + whole[at + 1 :])
        found = again(record)
        assert (found.read(), found.bad, found.sequence) == (OLD, 1, 1), at


def test_any_other_length_is_noticed(record: Record) -> None:
    """A copy that was cut short anywhere, or has a byte too many, is damaged."""
    path = Path(record.path + ".1")
    whole = path.read_bytes()
    for wrong in [whole[:length] for length in range(len(whole))] + [whole + b"\0"]:
        path.write_bytes(wrong)
        found = again(record)
        assert (found.read(), found.bad) == (OLD, 1), len(wrong)


def test_both_copies_damaged(record: Record) -> None:
    """Nothing is made up from two damaged copies."""
    for copy in "01":
        Path(f"{record.path}.{copy}").write_bytes(b"\xff" * 60)
    found = again(record)
    assert found.read() is None and found.bad == 2


def test_what_is_no_file_is_damage(record: Record) -> None:
    """A copy that cannot be opened counts as damaged; read() does not raise."""
    Path(record.path + ".1").unlink()
    Path(record.path + ".1").mkdir()
    found = again(record)
    assert found.read() == OLD and found.bad == 1


def test_a_damaged_copy_is_written_next(record: Record) -> None:
    """The only whole copy is never the one that is overwritten."""
    Path(record.path + ".1").write_bytes(b"rubbish")
    found = again(record)
    assert found.write(b"third")
    assert Path(record.path + ".0").read_bytes() == by_hand(OLD, 1)
    assert Path(record.path + ".1").read_bytes() == by_hand(b"third", 2)


@pytest.mark.parametrize("call", ["open", "rename"])
def test_a_write_that_fails(record: Record, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing medium makes write() False; both copies stay, and the next write comes through."""
    def broken(*_: object) -> None:
        raise OSError(28)
    with monkeypatch.context() as patch:
        patch.setattr(*{"open": (record_module, "open", broken), "rename": (os, "rename", broken)}[call], raising=False)
        assert not record.write(b"third")
    assert again(record).read() == NEW
    assert record.write(b"third") and again(record).read() == b"third"


def test_a_write_is_read_back(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """A medium that took other bytes than it was given makes write() False, and the newer copy is still there."""
    rename = os.rename

    def spoils(old: str, new: str) -> None:
        whole = bytearray(Path(old).read_bytes())
        whole[14] ^= 1
        Path(old).write_bytes(whole)
        rename(old, new)
    monkeypatch.setattr(os, "rename", spoils)
    assert not record.write(b"third")
    assert again(record).read() == NEW


def test_written_twice(record: Record) -> None:
    """A payload that is written twice outlives the loss of either copy."""
    assert record.write(b"third") and record.write(b"third")
    for lost in "01":
        kept = Path(f"{record.path}.{lost}").read_bytes()
        Path(f"{record.path}.{lost}").unlink()
        assert again(record).read() == b"third"
        Path(f"{record.path}.{lost}").write_bytes(kept)


def test_in_two_parts(record: Record) -> None:
    """A payload may come in two parts, the second an array; what is read is the bytes of both."""
    assert record.write(b"head", array("i", [1, -2]), 8)
    assert again(record).read() == b"head\x01\0\0\0\xfe\xff\xff\xff"


def test_too_long_a_payload(record: Record) -> None:
    """More than 4,096 bytes are refused when written, and 4,096 come back."""
    assert not record.write(bytes(4097))
    assert record.write(bytes(4096)) and again(record).read() == bytes(4096)


@pytest.mark.need("micropython32")
def test_micropython_writes_the_same(record: Record, tmp_path: Path) -> None:
    """A copy written on a 32-bit MicroPython is, byte for byte, the one written here, and each reads the other's."""
    script = "from store.record import Record\nr = Record('thing')\nassert r.read() == NEW\n" + (
        "assert r.write(b'third') and r.write(b'third')")
    done = subprocess.run([need("micropython32").program, "-c", script.replace("NEW", repr(NEW))], cwd=tmp_path,
                          env={**os.environ, "MICROPYPATH": str(data_path("firmware", "src"))}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert Path(record.path + ".0").read_bytes() == by_hand(b"third", 3)
    assert again(record).read() == b"third"


@pytest.mark.parametrize("name", ["cells", "check", "config", "config_form", "faults", "life", "memory", "record",
                                  "service", "startup", "trips"])
def test_the_room_knows_no_hardware(name: str) -> None:
    """What is remembered imports numbers of the node, itself, and nothing that talks."""
    allowed = {"array", "binascii", "json", "os", "store", "struct", "sys"}
    for node in ast.walk(ast.parse(data_path("firmware", "src", "store", f"{name}.py").read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        assert {found.split(".")[0] for found in names} <= allowed
        if isinstance(node, ast.ImportFrom):
            assert ((node.module or "").split(".")[0] in allowed or node.module == "node.machine_code"
                    or (node.module, node.names[0].name) in (("node.measure", "NA"), ("drivers.const", "const")))
