"""A commissioned node of this project's boards, on simulated chips: one pack, its files, and the gateway on its bus."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generated import codec

from firmware.surroundings import frame
from twolbms.scenario.bench import CAN_ID_MASK, node_database
from twolbms.sim.real_board import Hardware, Life
from twolbms.sim.slcan import CanFrame

LFP, LEAF, POOL = "lfp_8s_320ah", "leaf_2013_14s", "lfp_16s_280ah"  # FETs, a pair of contactors, separate ports
CELLS = {LFP: 8, LEAF: 14, POOL: 16}
NODE = 5
NOTHING = {
    "NodeRequest": {"RequestNumber": 1, "ChargeCurrentAsked": 4095, "DischargeCurrentAsked": 4095, "RequestLimit": 63,
                    "BalancingAsked": 3},
    "GatewayHeartbeat": {"GatewayMinutes": 0x0FFFFFFF}}
WAKES = 14  # cycles until a node that may close by itself has begun
CLOSED = 60  # cycles in which it has precharged and closed


class NodeBench:
    """`hardware` and files stay, lives come and go."""

    def __init__(self, board: str, pack: str, folder: Path) -> None:
        self.pack = pack
        self.hardware = Hardware(board, folder, CELLS[pack], chain=pack == LEAF, fets=pack == LFP)
        self.hardware.backup = array("I", [0] * 8)
        self._counter = 0
        with self.hardware.life(pack) as life:
            save(life, number=NODE)

    @contextmanager
    def life(self, cause: str = "HARD_RESET", slot: tuple[int, int, int] = (0, 0, 0)) -> Iterator[Life]:
        with self.hardware.life(self.pack, cause, slot) as life:
            self.hardware.console.said.clear()
            yield life

    def ask(self, life: Life, request: int, **raw: int) -> None:
        """A request of the gateway, sent twice with consecutive counters, and the cycles that hear it."""
        for _ in range(2):
            self._counter += 1
            self.send("NodeRequest", NODE, self._counter, Request=request, **raw)
            life.cycles(2)

    def send(self, name: str, address: int, counter: int, **raw: int) -> None:
        can_id, data = frame(name, address, counter, **NOTHING.get(name, {}) | raw)
        self.hardware.gateway.outbox.append(CanFrame(can_id, True, data))

    def heard(self, name: str) -> list[dict[str, Any]]:
        """What the node has said in messages of this name, as raw signals."""
        message = node_database().get_message_by_name(name)
        can_id = message.frame_id & CAN_ID_MASK | NODE
        return [message.decode_simple(one.data, decode_choices=False, scaling=False)
                for one in self.hardware.gateway.heard if one.can_id == can_id]

    def close(self, life: Life) -> None:
        """Closed, by itself where the pack may, else by request."""
        life.cycles(WAKES)
        if self.pack == LEAF:
            self.ask(life, codec.REQUEST_CLOSE)
        life.cycles(CLOSED)
        assert self.hardware.closed and life.node.contactor.state == codec.STATE_CLOSED


def save(life: Life, **settings: Any) -> None:
    """Commissions as the service does: what is set counts from the next life."""
    from store.service import save_config

    config = life.loop.memory.config
    for key, value in settings.items():
        if isinstance(value, list):
            getattr(config, key)[:] = array("i", value)
        else:
            setattr(config, key, value)
    config.commissioned = b"test"
    assert save_config(life.loop.memory, config)
