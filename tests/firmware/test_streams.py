"""The bus stream of the simulated board: a bus that goes away is no reason to stop protecting."""

import socket

from drivers.can_slcan import SlcanCan
from drivers.streams import BusStream

OPENING = b"C\rS6\rO\r"


def listener() -> socket.socket:
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    server.settimeout(5)
    return server


def test_a_bus_that_hangs_up_is_opened_again() -> None:
    """After the other side has closed, reading and writing go on without an error, and the bus is opened anew."""
    with listener() as server:
        can = SlcanCan(BusStream(f"127.0.0.1:{server.getsockname()[1]}"))
        can.open()
        first, _ = server.accept()
        assert first.recv(100) == OPENING
        first.close()
        for _ in range(2 * BusStream.RETRY_READS):
            can.pump_in()
            can.send(0x0CFF1001, bytes(8))
            can.pump_out()
        second, _ = server.accept()
        second.settimeout(5)
        assert second.recv(len(OPENING)) == OPENING
        second.close()
    assert can.dropped > 0


def test_a_bus_that_was_never_there_does_not_stop_the_node() -> None:
    """A node starts and sends although nobody listens; its frames are counted as dropped."""
    with listener() as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    can = SlcanCan(BusStream(address))
    can.open()
    can.pump_in()
    can.send(0x0CFF1001, bytes(8))
    can.pump_out()
    assert can.dropped == 1 and not can.receive()
