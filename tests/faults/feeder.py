"""A process of its own that is a bus: an slcan adapter on a TCP port, nodes that speak, and numbered frames.

Each frame of the numbered kind says its number and the number's CRC-32, so that a reader knows which are missing and
whether one is wrong. One JSON command a line on standard input, one JSON answer a line; it ends with its input.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from twolbms.battery.pack_state import SAFETY
from twolbms.contract import node_contract
from twolbms.wire import BusFrame
from voices.listening import hash_of
from voices.node_voice import NodeVoice

NUMBERED_ID = 0x18F00A00  # and the three behind it, in turn
TICK_S = 0.01
_CYCLE_TICKS = 10  # of a node
_BURST_PIECE = 200
_OPEN_AFTER_BOOT_S = 2.0
_REQUESTS = 0x08FF8100  # NodeRequest; the low byte is the node
_FROM_GATEWAY = (0x0CFF8000, _REQUESTS)  # and GatewayHeartbeat


_PRIORITIES = (0x0CFF0000, 0x10FF0000, 0x14FF0000, 0x18FF0000)
_SAFETY_IDS = [node_contract().message(name).frame_id for name in SAFETY]


def numbered(number: int) -> bytes:
    """The eight bytes of a numbered frame."""
    head = struct.pack("<I", number)
    return head + struct.pack("<I", zlib.crc32(head))


def number_of(can_id: int, data: bytes) -> int | None:
    """The number of a numbered frame, None when the frame is not what was sent under this id."""
    number = struct.unpack_from("<I", data)[0] if len(data) == 8 else -1
    return number if data == numbered(number) and can_id == NUMBERED_ID + number % 4 else None


def dbc_text() -> str:
    """A DBC that reads the numbered frames."""
    messages = "".join(
        f"BO_ {NUMBERED_ID + n | 1 << 31} Numbered{n}: 8 Feeder\n"
        ' SG_ Number : 0|32@1+ (1,0) [0|0] "" Vector__XXX\n SG_ Check : 32|32@1+ (1,0) [0|0] "" Vector__XXX\n\n'
        for n in range(4))
    return f'VERSION ""\n\nNS_ :\n\nBS_:\n\nBU_: Feeder\n\n{messages}'


def line_of(frame: BusFrame) -> bytes:
    """The slcan line of a frame."""
    head = b"T%08X" % frame.can_id if frame.extended else b"t%03X" % frame.can_id
    return head + b"%d%s\r" % (len(frame.data), frame.data.hex().upper().encode())


class Flood:
    """A foreign device: `high` ids win over every frame of ours, `low` ones lose, `near` ones have ids like ours, `own`
    ones are the safety messages of node 1."""

    def __init__(self, kind: str, rate: int) -> None:
        self.rate = rate
        self._kind = kind
        self._random = random.Random(rate)

    def frame(self) -> BusFrame:
        """The next frame, of any content."""
        chance = self._random
        data = chance.randbytes(8)
        if self._kind == "high":
            return BusFrame("can0", chance.randrange(0x20), False, data)
        if self._kind == "low":
            return BusFrame("can0", 0x1FFF0000 + chance.randrange(1 << 16), True, data)
        if self._kind == "own":
            return BusFrame("can0", chance.choice(_SAFETY_IDS) | 1, True, data)
        low = 0x10 + chance.randrange(0x20)  # message numbers of ours and around them
        node = 1 if chance.random() < 0.05 else chance.randrange(256)
        return BusFrame("can0", chance.choice(_PRIORITIES) | low << 8 | node, True, data)


class Feeder:
    """Serves one client after the other. Commands change `rate` (numbered frames a second) and what the nodes say."""

    def __init__(self, nodes: Iterable[int], connect: int | None = None) -> None:
        self.voices = {node: NodeVoice(hash_of(), node) for node in nodes}
        self.twins: list[NodeVoice] = []
        self.flood: Flood | None = None
        self.refused = 0  # frames that a bus had no room for
        self.rate = 0
        self.sent = 0  # numbered frames so far
        self.mute = False
        self.heard: list[tuple[int, int, str]] = []
        self._server = socket.create_server(("127.0.0.1", 0)) if connect is None else None
        self.port: int = connect or (self._server.getsockname()[1] if self._server else 0)
        self._client: socket.socket | None = None
        self._lock = threading.Lock()
        self._paused = False

    def start(self) -> None:
        """Begins to serve and to speak."""
        for run in (self._serve, self._speak):
            threading.Thread(target=run, daemon=True).start()

    # --- to the client ---

    def write(self, data: bytes) -> bool:
        """Whole, or not at all when nobody is connected."""
        client = self._client
        if client is None or not data:
            return False
        try:
            with self._lock:
                client.sendall(data)
        except OSError:
            return False
        return True

    def numbers(self, count: int) -> bytes:
        """The lines of the next numbered frames."""
        first, self.sent = self.sent, self.sent + count
        return b"".join(b"T%08X8%s\r" % (NUMBERED_ID + n % 4, numbered(n).hex().upper().encode())
                        for n in range(first, first + count))

    def burst(self, count: int) -> None:
        """So many numbered frames as fast as they are taken; nodes speak in between."""
        for start in range(0, count, _BURST_PIECE):
            self.write(self.numbers(min(_BURST_PIECE, count - start)))

    def _foreign(self) -> bytes:
        """What a foreign device says in a tick."""
        flood = self.flood
        return b"" if flood is None else b"".join(line_of(flood.frame()) for _ in range(int(flood.rate * TICK_S)))

    def _speak(self) -> None:
        due_s, owed, tick = time.monotonic(), 0.0, 0
        while True:
            tick, due_s = tick + 1, due_s + TICK_S
            frames = [] if self.mute or tick % _CYCLE_TICKS else \
                [frame for voice in (*self.voices.values(), *self.twins) for frame in voice.cycle()]
            owed += self.rate * TICK_S if self._client is not None and not self._paused else 0
            count, owed = int(owed), owed % 1
            self.write(b"".join(map(line_of, frames)) + self.numbers(count) + self._foreign())
            time.sleep(max(0.0, due_s - time.monotonic()))
            due_s = max(due_s, time.monotonic() - 1)  # a second behind: what is owed is forgotten

    # --- from the client ---

    def _serve(self) -> None:
        while True:
            if self._server is not None:
                client, _ = self._server.accept()
            else:
                client = socket.create_connection(("127.0.0.1", self.port))
                client.sendall(b"C\rS6\rO\r")
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for voice in self.voices.values():
                voice.cycle_number = 97  # NodeInfo is due soon
            self._client = client
            with contextlib.suppress(OSError):
                self._read(client)
            self._client = None
            client.close()

    def _read(self, client: socket.socket) -> None:
        rest = b""
        while data := client.recv(65536):
            self.refused += data.count(b"\a")
            *lines, rest = (rest + data).replace(b"\a", b"\r").split(b"\r")
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        if line[:1] != b"T":
            return
        can_id, data = int(line[1:9], 16), bytes.fromhex(line[10:].decode())
        if can_id & 0xFFFFFF00 not in _FROM_GATEWAY:
            return
        self.heard.append((time.monotonic_ns(), can_id, data.hex()))
        voice = self.voices.get(can_id & 0xFF)
        if voice is not None and can_id & 0xFFFFFF00 == _REQUESTS:
            self._answer(voice, data)

    def _answer(self, voice: NodeVoice, data: bytes) -> None:
        """Accepts open and close, and says so in its state."""
        what, number = data[0] & 0x0F, data[0] >> 4 | (data[1] & 0x0F) << 4
        if what in (1, 2):
            voice.open(reason=53) if what == 1 else voice.close()
            self.write(line_of(voice.answer(what, number, 0)))

    # --- commands ---

    def _reboot(self, node: int, boot_id: int, cells: list[float], silent_s: float) -> None:
        """The node stops between two groups of cells, and is back with other cells and counters from 0."""
        self.mute = True
        time.sleep(_CYCLE_TICKS * TICK_S)
        voice = self.voices[node]
        whole = NodeVoice(hash_of(), node)
        whole.cells, whole.info["InfoBootId"] = list(cells), boot_id
        whole.say("NodeCharge", BootId=boot_id)
        whole.say("CellExtremes", CellVoltageMin=min(cells), CellVoltageMax=max(cells),
                  CellMinIndex=cells.index(min(cells)), CellMaxIndex=cells.index(max(cells)))
        self.write(line_of(voice.group("CellVoltages", "CellGroup", "CellVoltage", 0, voice.cells)))
        time.sleep(silent_s)
        whole.open()  # a node boots open
        self.voices[node] = whole
        self.mute = False
        threading.Timer(_OPEN_AFTER_BOOT_S, whole.close).start()

    def obey(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carries out one command; what was heard since the last one is part of every answer."""
        match command:
            case {"rate": int(rate)}:
                self.rate = rate
            case {"burst": int(count)}:
                self.burst(count)
            case {"flood": str(kind), "per_s": int(rate)}:
                self.flood = Flood(kind, rate) if rate else None
            case {"twin": int(node)}:
                self.twins = [NodeVoice(hash_of(), node)]
                self.twins[0].say("PackValues", PackCurrent=-3.0)
                self.twins[0].cycle_number = 50
            case {"twin": None}:
                self.twins = []
            case {"reboot": int(node), "boot_id": int(boot_id), "cells": list(cells), "silent_s": int() | float() as s}:
                self._reboot(node, boot_id, cells, s)
            case {"mute": bool(mute)}:
                self.mute = mute
            case {"raw": str(text)}:
                self.write(bytes.fromhex(text))
            case {"say": {"node": int(node), "message": str(message), "signals": dict(signals)}}:
                self.voices[node].say(message, **signals)
            case {"pull": True}:
                if self._client is not None:
                    self._client.shutdown(socket.SHUT_RDWR)
        heard, self.heard = self.heard, []
        return {"sent": self.sent, "heard": heard, "connected": self._client is not None, "refused": self.refused}


def main() -> None:
    """Says its port, then obeys."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("nodes", type=int, nargs="*")
    arguments.add_argument("--connect", type=int, help="be a client of this bus hub instead of an adapter")
    chosen = arguments.parse_args()
    feeder = Feeder(chosen.nodes, chosen.connect)
    feeder.start()
    print(json.dumps({"port": feeder.port}), flush=True)
    for line in sys.stdin:
        print(json.dumps(feeder.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
