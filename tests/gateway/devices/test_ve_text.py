"""VE.Direct text: whole blocks out of a stream that begins anywhere, is cut anywhere, and may be damaged."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.devices.captures import capture, needs_captures
from twolbms.devices.ve_text import LONGEST_HEX, Block, BlockParser

# Worked example of the vendor's page; the checksum byte is 4C.
SHUNT = (b"\r\nPID\t0xA389\r\nV\t12865\r\nVS\t-14\r\nI\t0\r\nP\t0\r\nCE\t0\r\nSOC\t1000\r\nTTG\t-1"
         b"\r\nAlarm\tOFF\r\nAR\t0\r\nBMV\tSmartShunt 500A/50mV\r\nFW\t0405\r\nChecksum\tL")
HEX = b":A8DED002005AC\n"


def made(*fields: tuple[bytes, bytes]) -> bytes:
    """A block with the byte that makes its sum 0."""
    text = b"".join(b"\r\n" + label + b"\t" + value for label, value in fields) + b"\r\nChecksum\t"
    return text + bytes([-sum(text) % 256])


def parsed(*chunks: bytes) -> tuple[list[Block], dict[str, int]]:
    parser = BlockParser()
    return [block for chunk in chunks for block in parser.feed(chunk)], parser.counts


def test_the_worked_example() -> None:
    """The vendor's own block is whole, with each field as text and its bytes kept."""
    (block,), counts = parsed(SHUNT)
    assert block.raw == SHUNT
    assert block.fields == {"PID": "0xA389", "V": "12865", "VS": "-14", "I": "0", "P": "0", "CE": "0", "SOC": "1000",
                            "TTG": "-1", "Alarm": "OFF", "AR": "0", "BMV": "SmartShunt 500A/50mV", "FW": "0405"}
    assert counts == {"damaged": 0, "hex": 0}


@pytest.mark.parametrize("byte", range(256))
def test_the_checksum_may_be_any_byte(byte: int) -> None:
    """Whatever byte the sum asks for, line ends and a colon too, is the checksum, and the next block follows."""
    bases = range(64, 64 + 256)  # what five letters add to the sum, spread over them
    block = next(block for base in bases if (block := made((b"V", _letters(base))))[-1] == byte)
    assert [found.raw for found in parsed(SHUNT + block + SHUNT)[0]] == [SHUNT, block, SHUNT]


def _letters(extra: int) -> bytes:
    return bytes(64 + min(max(extra - 63 * place, 0), 63) for place in range(6))


def test_hex_between_any_two_bytes() -> None:
    """A HEX message anywhere in a block is left out of it; only the checksum's own byte is never one's beginning."""
    for at in range(len(SHUNT)):
        (block, after), counts = parsed(SHUNT[:at] + HEX + SHUNT[at:] + SHUNT) if at < len(SHUNT) - 1 else \
            parsed(SHUNT + HEX + SHUNT)
        assert (block.raw, after.raw) == (SHUNT, SHUNT)
        assert counts == {"damaged": 0, "hex": 1}


@pytest.mark.parametrize("start", range(1, len(SHUNT) - 1))
def test_a_start_in_the_middle(start: int) -> None:
    """A stream that begins inside a block gives nothing of it, counts no damage, and gives the next."""
    blocks, counts = parsed(SHUNT[start:] + SHUNT)
    assert [block.raw for block in blocks] == [SHUNT]
    assert counts["damaged"] == 0


@pytest.mark.parametrize("at", range(len(SHUNT)))
@pytest.mark.parametrize("bit", [0, 3, 7])
def test_a_turned_bit(at: int, bit: int) -> None:
    """A block with one bit turned never gives a field, and the blocks behind it are heard again."""
    broken = bytearray(SHUNT)
    broken[at] ^= 1 << bit
    blocks, counts = parsed(SHUNT + bytes(broken) + SHUNT + SHUNT)
    assert {block.raw for block in blocks} == {SHUNT}
    assert 2 <= len(blocks) <= 3
    assert counts["damaged"] >= 1


@pytest.mark.parametrize("at", range(2, len(SHUNT)))
def test_a_lost_byte(at: int) -> None:
    """A block that lost a byte gives nothing; at most the one behind it goes too."""
    blocks, _ = parsed(SHUNT + SHUNT[:at] + SHUNT[at + 1:] + SHUNT + SHUNT)
    assert {block.raw for block in blocks} == {SHUNT}
    assert 2 <= len(blocks) <= 3


@pytest.mark.parametrize(("block", "whole"), [
    (made((b"12345678", b"x")), True),
    (made((b"123456789", b"x")), False),
    (made((b"V", b"1" * 32)), True),
    (made((b"V", b"1" * 33)), False),
    (made(*((b"L%d" % at, b"1") for at in range(22))), True),
    (made(*((b"L%d" % at, b"1") for at in range(23))), False),
    (made(), False),
    (made((b"", b"1")), True),
    (made((b"V", b"")), True),
    (made((b"V", b"\xff\x00")), True),
])
def test_bounds(block: bytes, whole: bool) -> None:
    """Labels of 8, values of 32, blocks of 22 fields are taken; one more is refused and counted, whatever the sum."""
    blocks, counts = parsed(SHUNT + block + SHUNT)
    assert len(blocks) == 2 + whole
    assert counts["damaged"] == 1 - whole


def test_a_colon_without_an_end() -> None:
    """A stray colon swallows a bounded stretch and not the rest of the day."""
    blocks, counts = parsed(SHUNT + b":" + b"A" * (2 * LONGEST_HEX) + SHUNT + SHUNT)
    assert blocks[0].raw == SHUNT
    assert len(blocks) >= 2
    assert counts["damaged"] <= 1


def test_noise_needs_no_memory() -> None:
    """A line that never ends and a block that never ends are given up, not collected."""
    parser = BlockParser()
    for chunk in (b"\r\n" + b"x" * 10_000, b"\r\nV\t" + b"1" * 10_000, b"\r\nV\t1" * 10_000):
        parser.feed(chunk)
        assert len(parser._raw) < 2000 and len(parser._fields) <= 22 and len(parser._part) <= 32


@needs_captures
def test_recorded_streams() -> None:
    """Every published block of the recorded units is whole, field by field as it was published."""
    for name in ("smartshunt_fw0405_idle", "bmv700_discharging", "constructed_unsynchronised_with_alarm"):
        found = capture(name)
        blocks, counts = parsed(found.received)
        assert [block.fields for block in blocks] == [block["fields"] for block in found.expected["blocks"]]
        assert [len(block.raw) for block in blocks] == [
            block.get("length", len(own.raw)) for block, own in zip(found.expected["blocks"], blocks, strict=True)]
        assert counts == {"damaged": 0, "hex": 0}


@needs_captures
def test_a_recorded_start() -> None:
    """The recorded stream that begins with the end of another block gives both of its whole ones."""
    found = capture("smartshunt_fw0405_stream_with_leading_fragment")
    blocks, counts = parsed(found.received)
    assert ["H1" in block.fields for block in blocks] == [True, False]
    assert blocks[1].fields == found.expected["blocks"][0]["fields"]
    assert counts == {"damaged": 0, "hex": 0}


@needs_captures
def test_constructed_damage_and_hex() -> None:
    """A wrong sum is refused; a HEX message inside a block is left out of it."""
    assert parsed(SHUNT + capture("constructed_bad_checksum").received)[1]["damaged"] == 1
    found = capture("constructed_hex_inside_text_block")
    (block,), counts = parsed(found.received)
    assert block.fields == found.expected["text_block"]["fields"]
    assert counts == {"damaged": 0, "hex": 1}


PIECES = st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([
    SHUNT, SHUNT[:50], SHUNT[50:], HEX, b":", b"\r", b"\n", b"\t", b"\r\n", b"\r\nChecksum\t", b"V\t1",
    made((b"H18", b"8527"))])), max_size=12).map(b"".join)


@given(PIECES, st.lists(st.integers(0, 400), max_size=12))
def test_any_bytes_in_any_chunks(stream: bytes, cuts: list[int]) -> None:
    """No bytes raise, and how the stream is cut changes nothing of what is found or counted."""
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    assert parsed(stream) == parsed(*pieces) == parsed(*(bytes([byte]) for byte in stream))


@given(PIECES)
def test_what_is_found_was_sent(stream: bytes) -> None:
    """A block's bytes sum to 0 and end with its checksum; after any noise whole blocks bring the parser back."""
    blocks, _ = parsed(stream)
    for block in blocks:
        assert sum(block.raw) % 256 == 0
        assert block.raw.startswith(b"\r\n") and b"\r\nChecksum\t" in block.raw
    after, _ = parsed(stream + b"\n" + SHUNT * 4)
    assert after[-1].raw == SHUNT and [block.raw for block in after[-2:]] == [SHUNT, SHUNT]
