"""The chunked slcan bus: the same frames as python-can's, whatever pieces they come in."""

from __future__ import annotations

import contextlib
import os
import pty
import threading
import tty
from collections.abc import Iterator
from typing import NamedTuple

import can
import pytest
from can.interfaces.slcan import slcanBus

from twolbms.sources.slcan import ChunkedSlcanBus


class Adapter(NamedTuple):
    """The far end of a pty: what an adapter writes and reads."""

    fd: int
    path: str

    def write(self, data: bytes) -> None:
        os.write(self.fd, data)

    def read(self) -> bytes:
        return os.read(self.fd, 4096)


@pytest.fixture
def adapter() -> Iterator[Adapter]:
    near, far = pty.openpty()
    tty.setraw(near)
    tty.setraw(far)
    yield Adapter(near, os.ttyname(far))
    for fd in (near, far):
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(fd)


@pytest.fixture
def bus(adapter: Adapter) -> Iterator[ChunkedSlcanBus]:
    opened = ChunkedSlcanBus(adapter.path, bitrate=500_000, sleep_after_open=0)
    adapter.read()  # the commands that open it
    yield opened
    opened.shutdown()


def received(bus: can.BusABC, count: int) -> list[tuple[int, bool, bytes]]:
    messages = [bus.recv(2.0) for _ in range(count)]
    return [(m.arbitration_id, m.is_extended_id, bytes(m.data)) for m in messages if m is not None]


TEXT = b"T0CFF10018141E17F62F3C50E6\rt1230\r\rZ\rt7FF2AABB\r\aT000000011FF\r"
FRAMES = [(0x0CFF1001, True, bytes.fromhex("141E17F62F3C50E6")), (0x123, False, b""), (0x7FF, False, b"\xaa\xbb"),
          (1, True, b"\xff")]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pieces(adapter: Adapter, bus: ChunkedSlcanBus, size: int) -> None:
    """Frames are whole however the bytes are cut; answers and bells between them are no frames."""
    for start in range(0, len(TEXT), size):
        adapter.write(TEXT[start:start + size])
    assert received(bus, 4) == FRAMES
    assert bus.recv(0) is None
    assert bus.bad_lines == 0


def test_the_same_as_python_can(adapter: Adapter) -> None:
    """python-can's own bus reads the same frames from the same text."""
    theirs = slcanBus(adapter.path, bitrate=500_000, sleep_after_open=0)
    adapter.read()
    adapter.write(TEXT.replace(b"\r\r", b"\r").replace(b"Z\r", b"").replace(b"\a", b""))
    assert received(theirs, 4) == FRAMES
    theirs.shutdown()


GARBAGE = [b"T0CFF1001814\r", b"T0CFF1001G14\r", b"t12\r", b"tXYZ0\r", b"T0CFF10019141E17F62F3C50E600\r", b"t1231\r"]


@pytest.mark.parametrize("line", GARBAGE)
def test_garbage_is_counted(adapter: Adapter, bus: ChunkedSlcanBus, line: bytes) -> None:
    """A line that claims to be a frame and is none is counted, and the next frame is whole again."""
    adapter.write(line + TEXT)
    assert received(bus, 4) == FRAMES
    assert bus.bad_lines == 1


def test_endless_noise(adapter: Adapter, bus: ChunkedSlcanBus) -> None:
    """Bytes without an end are dropped instead of kept for ever."""
    adapter.write(b"x" * 3000)
    assert bus.recv(0.2) is None
    assert bus.bad_lines >= 1
    adapter.write(b"\r" + TEXT)
    assert received(bus, 4) == FRAMES


def test_an_adapter_that_goes_raises(adapter: Adapter, bus: ChunkedSlcanBus) -> None:
    """A pulled adapter is an error of reading, in time that a reader can wait for."""
    threading.Timer(0.05, os.close, [adapter.fd]).start()
    with pytest.raises(can.CanError):
        for _ in range(100):
            bus.recv(0.1)


def test_sending(adapter: Adapter, bus: ChunkedSlcanBus) -> None:
    """A sent frame is python-can's line."""
    bus.send(can.Message(arbitration_id=0x0CFF8080, is_extended_id=True, data=b"\x11\x00"), 0.5)
    assert adapter.read() == b"T0CFF808021100\r"
