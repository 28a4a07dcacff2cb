"""Who the node is: protocol, firmware, reset cause, and whether its limits are those of our own pack file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from twolbms.battery.latest import NS, Values

HashState = Literal["ok", "mismatch", "unknown"]

PROTOCOL_VERSION = 1  # what this gateway speaks, as dbc/node.dbc has it


class NodeInfo:
    """The four pages of NodeInfo. `own_hash` is that of the limit columns of the gateway's own pack file.

    `grace_s` is how long a node may be heard before a missing hash is an alarm: NodeInfo's period and a fifth.
    """

    def __init__(self, own_hash: int, cycle_s: float) -> None:
        self.own_hash = own_hash
        self.grace_s = cycle_s * 1.2
        self.hash32: int | None = None
        self.boot_id: int | None = None
        self._pages: dict[int, Values] = {}

    def take(self, values: Values) -> bool:
        """A page; True when it tells of a boot that was not known yet."""
        page = int(values["InfoPage"] or 0)
        booted = page == 2 and self.note_boot(int(values["InfoBootId"] or 0))
        self._pages[page] = values
        if page == 1:
            self.hash32 = int(values["LimitHashHigh"] or 0) << 16 | int(values["LimitHashLow"] or 0)
        return booted

    def note_boot(self, boot_id: int) -> bool:
        """The boot id as heard in any message; a new one forgets what an earlier image said. True when it changed."""
        known, self.boot_id = self.boot_id, boot_id
        if known is None or known == boot_id:
            return False
        self.hash32 = None
        self._pages.clear()
        return True

    @property
    def protocol(self) -> int | None:
        """The protocol version the node speaks, None before page 0 came."""
        return self._number(0, "ProtocolVersion")

    @property
    def foreign(self) -> bool:
        """Whether the node speaks another protocol than we do: then nothing it says is used."""
        return self.protocol not in (None, PROTOCOL_VERSION)

    @property
    def hash_state(self) -> HashState:
        """Whether node and gateway hold the same limits."""
        if self.hash32 is None:
            return "unknown"
        return "ok" if self.hash32 == self.own_hash else "mismatch"

    @property
    def complete(self) -> bool:
        """Whether version and hash are known and good: before that nothing is allowed and no close is asked."""
        return self.protocol == PROTOCOL_VERSION and self.hash_state == "ok"

    @property
    def told(self) -> bool:
        """Whether the node has said both its protocol version and its hash since its boot."""
        return self.protocol is not None and self.hash32 is not None

    def overdue(self, first_heard_ns: int, now_ns: int) -> bool:
        """Whether the node should have told its version and hash by now."""
        return now_ns - first_heard_ns > self.grace_s * NS

    def shown(self, words: Mapping[str, Mapping[int, str]]) -> dict[str, int | float | str | None]:
        """For the snapshot: what is known, None for the rest. `words` are those of the enumerated signals."""
        firmware = [self._number(0, f"Firmware{part}") for part in ("Major", "Minor", "Patch")]
        return {
            "protocol": self.protocol,
            "firmware": None if None in firmware else ".".join(str(part) for part in firmware),
            "cells": self._number(0, "CellCount"), "sensors": self._number(0, "SensorCount"),
            "limit_hash": None if self.hash32 is None else f"{self.hash32:08x}", "own_hash": f"{self.own_hash:08x}",
            "free_heap_bytes": self._number(1, "FreeHeap"),
            "reset_cause": self._word(2, "ResetCause", words),
            "boot_id": self.boot_id, "worst_cycle_s": self._pages.get(2, {}).get("WorstCycle"),
            "frames_dropped": self._number(2, "FramesDropped"),
            "can_state": self._word(3, "CanState", words), "bus_offs": self._number(3, "BusOffs"),
            "transmit_errors": self._number(3, "TransmitErrors"), "receive_errors": self._number(3, "ReceiveErrors"),
            "firmware_slot": self._word(3, "FirmwareSlot", words),
            "firmware_trial": self._word(3, "FirmwareTrial", words),
            "failed_updates": self._number(3, "FailedUpdates"), "restarts": self._number(3, "Restarts"),
        }

    def _word(self, page: int, signal: str, words: Mapping[str, Mapping[int, str]]) -> str | None:
        number = self._number(page, signal)
        return None if number is None else words[signal].get(number)

    def _number(self, page: int, signal: str) -> int | None:
        value = self._pages.get(page, {}).get(signal)
        return None if value is None else int(value)
