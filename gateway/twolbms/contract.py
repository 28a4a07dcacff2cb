"""dbc/node.dbc as the gateway uses it: readers and writers of its messages, their periods, its words in our spelling.

Knows what nodes and gateway can say to each other; knows no pack, no bus and no rule.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from twolbms.decode import CompiledDatabase, CompiledMessage
from twolbms.decode.cache import database_from
from twolbms.files import data_path

NODE_ID_MASK = 0x1FFFFF00  # the low byte is the node number
FIRST_NODE, LAST_NODE = 1, 127
GATEWAY_ADDRESS = 0x80
_INFO_WORDS = ("ResetCause", "CanState", "FirmwareSlot", "FirmwareTrial")
GATEWAY_EPOCH_S = 1_577_836_800  # 2020-01-01T00:00Z, where GatewayHeartbeat.GatewayMinutes begins



def words(name: str) -> str:
    """PascalCase of the DBC in our spelling: CellOverVoltage becomes cell_over_voltage."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Contract:
    """The compiled messages, and the words for the numbers that their signals carry.

    `of_node` are the names of what a node sends, `protected` those of them with counter and CRC.
    """

    def __init__(self, database: CompiledDatabase) -> None:
        self.database = database
        self.of_node = tuple(name for name, message in database.messages.items() if message.senders == ("Node",))
        self.protected = frozenset(name for name in self.of_node if "Crc8" in database.message(name).signals)
        self.states = self.choices("PackState", "State")
        self.reasons = self.choices("PackState", "OpenReason")
        self.answers = self.choices("NodeAnswer", "Answer")
        self.requests = self.choices("NodeRequest", "Request")
        self.info_words = {signal: self.choices("NodeInfo", signal) for signal in _INFO_WORDS}
        self.update_states = self.choices("UpdateStatus", "UpdateState")
        self.update_errors = self.choices("UpdateStatus", "UpdateError")
        self.heartbeat_id = database.message("GatewayHeartbeat").frame_id

    def message(self, name: str) -> CompiledMessage:
        """The compiled message of this name."""
        return self.database.message(name)

    def cycle_s(self, name: str) -> float | None:
        """Period of a message in seconds, None when it has none."""
        return self.database.message(name).cycle_time_s

    def stranger(self, can_id: int) -> int | None:
        """The node number in an id that one of the node's messages has, None for any other id."""
        message = self.database.find(can_id, True)
        node = can_id & 0xFF
        ours = message is not None and message.name in self.of_node and FIRST_NODE <= node <= LAST_NODE
        return node if ours else None

    def choices(self, message: str, signal: str) -> dict[int, str]:
        """What the numbers of an enumerated signal mean, in our spelling; "not available" is left out."""
        found = self.database.message(message).signals[signal]
        return {int(raw): words(text) for raw, text in found.choices.items() if raw not in found.not_available}


@cache
def node_contract(path: Path | None = None) -> Contract:
    """The contract that travels with the package, made once a process."""
    return Contract(database_from(path or data_path("dbc", "node.dbc"), id_mask=NODE_ID_MASK))
