"""A node in this process without the byte stream between: the same drivers, given their packets whole. Only faster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twolbms.scenario.nodes import CPythonNode, CycleResult, Frames, NodeDied
from twolbms.sim.plant_packets import Reading

_HEAD, _CHECK = 4, 1  # bytes of a packet around its payload


class DirectNode(CPythonNode):
    """As CPythonNode; test_direct.py holds that it gives the same."""

    def __init__(self, limits: Any, number: int) -> None:
        super().__init__(limits, number)
        self._sent: Frames = []
        self._link: Any = self.board.link
        self._link.send_frame = lambda can_id, data: self._sent.append((can_id, bytes(data)))
        self._link.answer = lambda outputs, mask: None

    def cycle(self, frames: Iterable[tuple[int, bytes]], reading: Reading) -> CycleResult:
        """One cycle in this process."""
        link, board = self._link, self.board
        link.reading[:] = reading.packet()[_HEAD:-_CHECK]
        link.frame_count = 0
        for can_id, data in list(frames)[:link.MOST_FRAMES]:
            at = 12 * link.frame_count
            link.frames[at:at + 12] = can_id.to_bytes(4, "little") + data
            link.frame_count += 1
        self._sent.clear()
        try:
            self.node.step(link.time_ms())
            board.finish()
        except Exception as error:  # as in CPythonNode: a node that raises is dead
            raise NodeDied(f"{type(error).__name__}: {error}") from error
        return CycleResult(board.pins.outputs, bytes(board.pins.mask), list(self._sent))
