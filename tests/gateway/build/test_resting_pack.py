"""The pack that an emulated board has when nobody gives it another: at rest, good readings, outputs fed back."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from twolbms.build.resting_pack import CELL_MV, RestingPack
from twolbms.sim.plant_packets import (
    ESTOP_CLOSED,
    INTERLOCK_CLOSED,
    MONITOR_SOUND,
    READING,
    Hello,
    Output,
    PacketReader,
    Reading,
    parse_reading,
)


@pytest.fixture
def pack() -> Iterator[RestingPack]:
    pack = RestingPack()
    yield pack
    pack.close()


def node(pack: RestingPack) -> socket.socket:
    host, port = pack.address.split(":")
    line = socket.create_connection((host, int(port)))
    line.settimeout(10)
    return line


def reading(line: socket.socket) -> Reading:
    reader = PacketReader()
    while True:
        for kind, payload in reader.feed(line.recv(4096)):
            assert kind == READING
            return parse_reading(payload)


def test_a_node_is_answered_with_the_next_reading(pack: RestingPack) -> None:
    """100 ms later, newly converted, with as many cells and sensors as it has; its outputs are what is measured."""
    with node(pack) as line:
        line.sendall(Hello(1, 14, 4).packet())
        first = reading(line)
        assert first.cells_mv == (CELL_MV,) * 14 and first.temps_dc == (250,) * 4 and first.pack_mv == 14 * CELL_MV
        assert first.flags & (INTERLOCK_CLOSED | MONITOR_SOUND) == INTERLOCK_CLOSED | MONITOR_SOUND
        assert not first.flags & ESTOP_CLOSED and first.link_mv == 0  # the emergency stop is pressed: it stays open
        line.sendall(Output(3, bytes(16)).packet())
        second = reading(line)
        assert second.time_ms == first.time_ms + 100 and second.scan == first.scan + 1
        assert second.flags & 15 == 3 and second.link_mv == 14 * CELL_MV
        assert pack.cycles == 1


def test_a_board_that_resets_is_another_node(pack: RestingPack) -> None:
    """The connection ends in the middle of a packet; the next one begins anew, with another pack if it likes."""
    with node(pack) as line:
        line.sendall(Hello(1, 8, 4).packet())
        reading(line)
        line.sendall(Output(0, bytes(16)).packet()[:7])
    with node(pack) as line:
        line.sendall(Hello(1, 16, 2).packet())
        assert len(reading(line).cells_mv) == 16 and pack.cycles == 0
