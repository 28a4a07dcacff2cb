"""A pack at rest, for a node on the emulated board that has no plant: good readings, in lockstep, without a clock.

Its emergency stop is pressed: a node that closes by itself stays open, as for whoever flashes it. The healthy minute
passes as fast as the node computes its cycles.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from twolbms.sim.plant_packets import (
    HELLO,
    INTERLOCK_CLOSED,
    MONITOR_SOUND,
    OUTPUT,
    TIME_WRAP_MS,
    PacketReader,
    Reading,
    parse_hello,
    parse_output,
)

CELL_MV = 3300  # inside the limits of every chemistry of ours
_CYCLE_MS = 100
_OUTPUTS = 15


class RestingPack:
    """Serves node after node on `address` ("host:port") from a thread of its own, until close()."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._line: socket.socket | None = None
        self.cycles = 0  # answered, of all nodes
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        """Where a node's plant is to be looked for."""
        host, port = self._server.getsockname()[:2]
        return f"{host}:{port}"

    def close(self) -> None:
        """Ends it; a node that waits for its next reading waits for ever."""
        for each in (self._server, self._line):
            if each is not None:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    def _serve(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                self._line = self._server.accept()[0]
                with self._line as line, suppress(ConnectionError):
                    self._answer(line)

    def _answer(self, line: socket.socket) -> None:
        """Each output of the node is followed by the next reading."""
        reader = PacketReader()
        shape, time_ms, scan = (0, 0), 0, 0
        while data := line.recv(65536):
            for kind, payload in reader.feed(data):
                outputs = 0
                if kind == HELLO:
                    shape = parse_hello(payload)[1:]
                elif kind == OUTPUT:
                    outputs = parse_output(payload).outputs & _OUTPUTS
                    self.cycles += 1
                else:
                    continue
                time_ms, scan = (time_ms + _CYCLE_MS) % TIME_WRAP_MS, scan + 1 & 0xFFFF
                line.sendall(_reading(time_ms, scan, outputs, *shape).packet())


def _reading(time_ms: int, scan: int, outputs: int, cells: int, sensors: int) -> Reading:
    pack_mv = CELL_MV * cells
    flags = INTERLOCK_CLOSED | MONITOR_SOUND | outputs
    return Reading(time_ms, scan, flags, pack_mv, pack_mv if outputs else 0, 0, (CELL_MV,) * cells,
                   (250,) * sensors, second_ma=0, supply_mv=12_000, insulation_kohm=2_000, humidity_percent=45)
