"""The frames of an update over CAN: what is sent to a node, and what of its answers matters. Knows no bus and no order.

Layouts as in dbc/node.dbc: little-endian, counter in bits 48 to 51, CRC-8 in byte 7.
"""

from __future__ import annotations

from typing import NamedTuple

from twolbms.build.verdict import SlotState
from twolbms.wire import COUNTS, check_of

PACK_STATE, NODE_INFO, NODE_ANSWER, UPDATE_STATUS = 0x0CFF1200, 0x1CFF4000, 0x0CFF4100, 0x18FF4200
NODE_REQUEST, UPDATE_BEGIN, UPDATE_BLOCK = 0x08FF8100, 0x18FF8200, 0x1CFF8300
NODE_MASK = 0xFF

REQUEST_SERVICE = 6
ANSWER_ACCEPTED, ANSWER_SEND_TWICE = 0, 5
STATE_SERVICE = 6
BEGIN, START, ABANDON = 0, 1, 2
IDLE, PREPARING, RECEIVING, CHECKING, VERIFIED, STARTING, STARTS, FAILED = range(8)
DATA_BYTES = 5

ERRORS = {
    1: "the node is not in service, or its outputs are not measured open",
    2: "a version is on trial: wait until it is kept or rolled back",
    3: "the version is too large for this node",
    4: "the version is for another board or core",
    5: "the version did not arrive whole",
    6: "the node's flash could not be written",
    7: "the node refuses it: this version was rolled back twice",
    8: "the node waits for the second of two starts",
    9: "not now: the node is at another step",
}
ANSWERS = {
    1: "a cause is present", 2: "a hold time runs", 3: "a fault is latched", 4: "only at the node",
    6: "it is not open; ask it to open first", 7: "a reading is unknown", 8: "its firmware cannot",
}
_NOT_AVAILABLE = 0xFFF


def sealed(can_id: int, payload: bytes | bytearray, counter: int, high: int = 0) -> bytes:
    """Six bytes, the counter with the four bits above it, and the CRC."""
    data = bytearray(payload.ljust(6, b"\0")) + bytes([counter | high << 4])
    return bytes(data + bytes([check_of(can_id, data)]))


def sound(can_id: int, data: bytes | bytearray) -> bool:
    """Whether a received frame is one: eight bytes, its CRC, and a counter that is sent."""
    return len(data) == 8 and data[6] & 0x0F != COUNTS and check_of(can_id, data) == data[7]


def service_request(node: int, number: int, counter: int) -> tuple[int, bytes]:
    """NodeRequest: service; everything else is not available."""
    can_id = NODE_REQUEST | node
    bits = REQUEST_SERVICE | number << 4 | _NOT_AVAILABLE << 12 | _NOT_AVAILABLE << 24 | 0x3F << 36 | 3 << 42
    return can_id, sealed(can_id, bits.to_bytes(6, "little"), counter)


def update_begin(node: int, operation: int, size: int, check: bytes, counter: int) -> tuple[int, bytes]:
    """UpdateBegin: what is to be done with the version of this size and these first four bytes of its hash."""
    can_id = UPDATE_BEGIN | node
    return can_id, sealed(can_id, check + (size & 0xFFFF).to_bytes(2, "little"), counter, size >> 16 | operation << 2)


def update_block(node: int, number: int, data: bytes, counter: int) -> tuple[int, bytes]:
    """UpdateBlock: five bytes, and the low twelve bits of their number."""
    can_id = UPDATE_BLOCK | node
    payload = data.ljust(DATA_BYTES, b"\0") + bytes([number & 0xFF])
    return can_id, sealed(can_id, payload, counter, number >> 8 & 0x0F)


class Status(NamedTuple):
    """UpdateStatus."""

    state: int
    error: int
    window: int
    next_block: int
    check_low: int


def read_status(data: bytes | bytearray) -> Status:
    """Of a sound frame."""
    return Status(data[0] & 15, data[0] >> 4, data[1], data[2] | data[3] << 8, data[4] | data[5] << 8)


class Answer(NamedTuple):
    """NodeAnswer."""

    request: int
    number: int
    answer: int


def read_answer(data: bytes | bytearray) -> Answer:
    """Of a sound frame."""
    return Answer(data[0] & 15, data[0] >> 4 | (data[1] & 15) << 4, data[1] >> 4)


def in_service_and_open(data: bytes | bytearray) -> bool:
    """PackState: service, and charge, discharge and precharge path measured open."""
    return data[0] & 15 == STATE_SERVICE and data[0] >> 4 == 0 and data[1] & 3 == 0


def read_slots(data: bytes | bytearray) -> SlotState | None:
    """Of page 3 of a sound NodeInfo; None for its other pages, and while the node knows none."""
    if data[6] >> 4 & 3 != 3:
        return None
    bits = int.from_bytes(data[:6], "little")
    slot, trial = bits >> 27 & 3, bits >> 29 & 3
    return None if slot == 3 or trial == 3 else SlotState(slot, trial, bits >> 31 & 15)
