"""The frames of an update over CAN: what is sent to a node, and what of its answers matters. Knows no bus and no order.

Layouts, ids and numbers are those of dbc/node.dbc.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from twolbms.build.verdict import SlotState
from twolbms.contract import node_contract
from twolbms.decode import Refused, ValuesOrNone
from twolbms.wire import COUNTS, FRAME_LENGTH, BusFrame, Sender, check_of

NODE_MASK = 0xFF
DATA_BYTES = 5  # BlockData0 to BlockData4

# What the node's UpdateError and Answer mean, for people.
ERRORS = {
    "not_in_service": "the node is not in service, or its outputs are not measured open",
    "on_trial": "a version is on trial: wait until it is kept or rolled back",
    "too_large": "the version is too large for this node",
    "not_for_this_node": "the version is for another board or core",
    "damaged": "the version did not arrive whole",
    "write_failed": "the node's flash could not be written",
    "failed_twice": "the node refuses it: this version was rolled back twice",
    "send_twice": "the node waits for the second of two starts",
    "wrong_order": "not now: the node is at another step",
}
ANSWERS = {
    "cause_present": "a cause is present", "hold_running": "a hold time runs", "latched": "a fault is latched",
    "local_clear_only": "only at the node", "wrong_state": "it is not open; ask it to open first",
    "unknown_reading": "a reading is unknown", "not_supported": "its firmware cannot",
}


def frame_id(message: str) -> int:
    """The id of a message of the contract, without its node."""
    return node_contract().message(message).frame_id


class UpdateSender:
    """What is said to one node; each message has a counter of its own."""

    def __init__(self, node: int) -> None:
        messages = [node_contract().message(name) for name in ("NodeRequest", "UpdateBegin", "UpdateBlock")]
        self._senders = {m.name: Sender("", m.frame_id | node, m.encode) for m in messages}

    def service(self, number: int) -> BusFrame:
        """NodeRequest: service; everything else is not available."""
        return self._senders["NodeRequest"].frame({
            "Request": "Service", "RequestNumber": number, "ChargeCurrentAsked": None, "DischargeCurrentAsked": None,
            "RequestLimit": None, "BalancingAsked": None})

    def operate(self, operation: str, size: int, check: bytes) -> BusFrame:
        """UpdateBegin: Begin, Start or Abandon the version of this size and these first four bytes of its hash."""
        return self._senders["UpdateBegin"].frame({
            "UpdateOperation": operation, "ImageSizeLow": size & 0xFFFF, "ImageSizeHigh": size >> 16,
            "ImageCheckLow": int.from_bytes(check[:2], "little"), "ImageCheckHigh": int.from_bytes(check[2:], "little"),
        })

    def block(self, number: int, data: bytes) -> BusFrame:
        """UpdateBlock: five bytes, and the low twelve bits of their number."""
        said: dict[str, int | float | str | None] = {
            f"BlockData{n}": byte for n, byte in enumerate(data.ljust(DATA_BYTES, b"\0"))}
        return self._senders["UpdateBlock"].frame(
            said | {"BlockLow": number & 0xFF, "BlockHigh": number >> 8 & 0x0F})


class Status(NamedTuple):
    """UpdateStatus: `state` and `error` in our words; blocks count from 0."""

    state: str
    error: str
    window: int
    next_block: int


class Answer(NamedTuple):
    """NodeAnswer, in our words."""

    request: str
    number: int
    answer: str


def read(can_id: int, data: bytes) -> tuple[str, ValuesOrNone] | None:
    """(message, its signals) of a sound frame of a node: right CRC, a counter that is sent. None for any other."""
    message = node_contract().database.find(can_id, True)
    if message is None or message.name not in node_contract().protected or len(data) != FRAME_LENGTH:
        return None
    if data[6] & 0x0F == COUNTS or check_of(can_id, data) != data[7]:
        return None
    values = message.decode_values(data)
    return None if isinstance(values, Refused) else (message.name, values)


def read_status(values: ValuesOrNone) -> Status:
    """Of an UpdateStatus."""
    return Status(_word("UpdateStatus", "UpdateState", values), _word("UpdateStatus", "UpdateError", values),
                  int(values["UpdateWindow"] or 0), int(values["NextBlock"] or 0))


def read_answer(values: ValuesOrNone) -> Answer:
    """Of a NodeAnswer."""
    return Answer(_word("NodeAnswer", "AnsweredRequest", values), int(values["AnsweredNumber"] or 0),
                  _word("NodeAnswer", "Answer", values))


def in_service_and_open(values: ValuesOrNone) -> bool:
    """PackState: service, and charge, discharge and precharge path measured open."""
    paths = {_word("PackState", path, values) for path in ("ChargePath", "DischargePath", "PrechargePath")}
    return _word("PackState", "State", values) == "service" and paths == {"open"}


def read_slots(values: ValuesOrNone) -> SlotState | None:
    """Of a NodeInfo; None for pages that do not tell it, and while the node knows none."""
    slot, trial = values.get("FirmwareSlot"), values.get("FirmwareTrial")
    failed = values.get("FailedUpdates")
    return None if slot is None or trial is None else SlotState(int(slot), int(trial), int(failed or 0))


def _word(message: str, signal: str, values: ValuesOrNone) -> str:
    number = values.get(signal)
    return "unknown" if number is None else _words(message, signal).get(int(number), f"number {number}")


@cache
def _words(message: str, signal: str) -> dict[int, str]:
    return node_contract().choices(message, signal)
