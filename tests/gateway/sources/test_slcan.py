"""The slcan bus: whole frames whatever pieces they come in, and a port that may go and come again."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from can.interfaces.slcan import slcanBus
from hypothesis import given
from hypothesis import strategies as st

from twolbms.clock import StoryClock
from twolbms.config.buses import SLCAN_BITRATES
from twolbms.sim.frame_bits import frame_bits
from twolbms.sources.bus import wire_bits
from twolbms.sources.can import CanSource, OpenBus, open_bus
from twolbms.sources.slcan import SlcanBus, open_slcan
from twolbms.sources.slcan_lines import BITRATES, SlcanReader, line_of
from twolbms.wire import BusFrame
from voices.node_voice import NodeVoice
from voices.waiting import PATIENCE_S, Listener

CLOCK = StoryClock.begin(speed=50)


class Adapter(NamedTuple):
    """The far end of a pty: what an adapter writes and reads."""

    fd: int
    path: str

    def write(self, data: bytes) -> None:
        os.write(self.fd, data)

    def read(self) -> bytes:
        return os.read(self.fd, 4096)


@contextlib.contextmanager
def plugged_in() -> Iterator[Adapter]:
    near, far = os.openpty()
    tty.setraw(near)
    tty.setraw(far)
    yield Adapter(near, os.ttyname(far))
    for fd in (near, far):
        with contextlib.suppress(OSError):  # a test may have closed it
            os.close(fd)


@pytest.fixture
def adapter() -> Iterator[Adapter]:
    with plugged_in() as adapter:
        yield adapter


@pytest.fixture
def bus(adapter: Adapter) -> Iterator[SlcanBus]:
    opened = open_slcan("can0", adapter.path, 500_000, CLOCK, settle_s=0)
    assert adapter.read() == b"C\rS6\rO\r"
    yield opened
    opened.close()


def frames_of(bus: SlcanBus, count: int) -> list[BusFrame]:
    found: list[BusFrame] = []
    until = time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < until:
        found += [frame for frame, _ in bus.read(0.2)]
    return found


TEXT = b"T0CFF10018141E17F62F3C50E6\rt1230\r\rZ\rt7FF2AABB\r\aT000000011FF\r"
FRAMES = [BusFrame("can0", 0x0CFF1001, True, bytes.fromhex("141E17F62F3C50E6")), BusFrame("can0", 0x123, False, b""),
          BusFrame("can0", 0x7FF, False, b"\xaa\xbb"), BusFrame("can0", 1, True, b"\xff")]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_pieces(adapter: Adapter, bus: SlcanBus, size: int) -> None:
    """Frames are whole however the bytes are cut; answers and bells between them are no frames."""
    for start in range(0, len(TEXT), size):
        adapter.write(TEXT[start:start + size])
    assert frames_of(bus, 4) == FRAMES
    assert bus.read(0) == []
    assert (bus.counts()["bad_lines"], bus.counts()["refused"]) == (0, 1)


def test_the_same_as_python_can(adapter: Adapter) -> None:
    """python-can's own bus reads the same frames from the same text."""
    theirs = slcanBus(adapter.path, bitrate=500_000, sleep_after_open=0)
    adapter.read()
    adapter.write(TEXT.replace(b"\r\r", b"\r").replace(b"Z\r", b"").replace(b"\a", b""))
    messages = [theirs.recv(2.0) for _ in range(4)]
    assert [(m.arbitration_id, m.is_extended_id, bytes(m.data)) for m in messages if m] == [f[1:] for f in FRAMES]
    theirs.shutdown()


@given(st.lists(st.one_of(
    st.builds(BusFrame, st.just("can0"), st.integers(0, 0x1FFFFFFF), st.just(True), st.binary(max_size=8)),
    st.builds(BusFrame, st.just("can0"), st.integers(0, 0x7FF), st.just(False), st.binary(max_size=8))), max_size=30),
    st.integers(1, 40))
def test_every_frame_comes_back(frames: list[BusFrame], size: int) -> None:
    """Any frame's line, however cut, is read as that frame."""
    text, reader = b"".join(map(line_of, frames)), SlcanReader("can0")
    found = [item for start in range(0, len(text), size) for item in reader.take(text[start:start + size], start)]
    assert [frame for frame, _ in found] == frames
    assert reader.bad_lines == 0


@given(st.binary(max_size=200).map(lambda data: data.replace(b"\a", b"\r")))
def test_no_text_raises(noise: bytes) -> None:
    """Whatever comes: no exception, and the frame after the next end of line is whole."""
    reader = SlcanReader("can0")
    reader.take(noise + b"\r", 0)
    assert [frame for frame, _ in reader.take(TEXT, 1)] == FRAMES


GARBAGE = [b"T0CFF1001814\r", b"T0CFF1001G14\r", b"t12\r", b"tXYZ0\r", b"T0CFF10019141E17F62F3C50E600\r", b"t1231\r",
           b"T2000000080102030405060708\r", b"t8001FF\r", b"T+CFF10011FF\r", b"t12311122\r"]


@pytest.mark.parametrize("line", GARBAGE)
def test_garbage_is_counted(line: bytes) -> None:
    """A line that claims to be a frame and is none, or has an id that no bus carries, is counted; the next is whole."""
    reader = SlcanReader("can0")
    assert [frame for frame, _ in reader.take(line + TEXT, 0)] == FRAMES
    assert reader.bad_lines == 1


def test_bits_on_the_wire() -> None:
    """The estimate of a node's frames is within 3 % of their exact bits; both ways of counting agree."""
    frames = [frame for voice in (NodeVoice(0x12345678, node) for node in (1, 2)) for _ in range(50)
              for frame in voice.cycle()]
    exact = sum(frame_bits(frame.can_id, frame.extended, frame.data) for frame in frames)
    reader = SlcanReader("can0")
    reader.take(b"".join(map(line_of, frames)), 0)
    assert abs(reader.bits - exact) < 0.03 * exact
    assert reader.bits == wire_bits(len(frames), len(frames), sum(len(frame.data) for frame in frames))


def test_time_stamps_and_remote_frames() -> None:
    """Four digits of a time stamp behind the data are left out; remote frames are counted, not handed over."""
    reader = SlcanReader("can0")
    assert reader.take(b"t1232AABB1F40\rr1238\rR0CFF10018\r", 5) == [(BusFrame("can0", 0x123, False, b"\xaa\xbb"), 5)]
    assert (reader.remote, reader.bad_lines) == (2, 0)


def test_endless_noise_and_endless_ids() -> None:
    """Bytes without an end are dropped instead of kept for ever, and so is what was remembered of too many ids."""
    reader = SlcanReader("can0")
    for _ in range(10):
        assert reader.take(b"x" * 3000, 0) == []
    assert reader.bad_lines == 10
    assert [frame for frame, _ in reader.take(b"\r" + TEXT, 0)] == FRAMES
    for can_id in range(10_000):
        reader.take(line_of(BusFrame("can0", can_id, True, b"")), 0)
    assert len(reader._heads) <= 4096


def test_an_adapter_that_goes_raises(adapter: Adapter, bus: SlcanBus) -> None:
    """A pulled adapter is an error of reading, in time that a reader can wait for."""
    threading.Timer(0.05, os.close, [adapter.fd]).start()
    with pytest.raises(OSError, match="the adapter has gone"):
        for _ in range(100):
            bus.read(0.1)


def test_sending(adapter: Adapter, bus: SlcanBus) -> None:
    """A sent frame is its line; what slcan cannot say is refused."""
    bus.send(BusFrame("can0", 0x0CFF8080, True, b"\x11\x00"), 0.5)
    assert adapter.read() == b"T0CFF808021100\r"
    with pytest.raises(OSError, match="at most 8 bytes"):
        bus.send(BusFrame("can0", 1, False, bytes(12)), 0.5)


def test_a_closed_port_is_not_written(adapter: Adapter) -> None:
    """Closing says so to the adapter; who still sends then gets an error and writes nowhere."""
    bus = open_slcan("can0", adapter.path, 500_000, CLOCK, settle_s=0)
    adapter.read()
    bus.close()
    assert adapter.read() == b"C\r"
    with pytest.raises(OSError, match="is closed"):
        bus.send(BusFrame("can0", 1, False, b""), 0.5)


def test_a_port_that_takes_nothing(adapter: Adapter, bus: SlcanBus) -> None:
    """Sending into a port that nobody empties ends after its time."""
    with pytest.raises(TimeoutError, match="took no data"):
        for _ in range(10_000):
            bus.send(BusFrame("can0", 1, True, bytes(8)), 0.05)


def test_what_cannot_be_opened_is_a_sentence() -> None:
    """No device, no such bit rate: the words say which, and what to look at."""
    with pytest.raises(OSError, match="there is no /dev/ttyNONE7: is the adapter plugged in"):
        open_bus("can0", "slcan", "/dev/ttyNONE7", 500_000, CLOCK)
    with pytest.raises(OSError, match="no bit rate of 33333; it knows 10000"):
        open_bus("can0", "slcan", "/dev/null", 33_333, CLOCK)
    with pytest.raises(OSError, match="refused"):
        open_bus("can0", "slcan", "socket://127.0.0.1:9", 500_000, CLOCK)


def test_the_site_file_knows_the_same_bit_rates() -> None:
    """A bit rate that the site file takes is one that has a command, and the other way round."""
    assert sorted(SLCAN_BITRATES) == sorted(BITRATES)


def test_an_unplugged_adapter_comes_back(listener: Listener, start: Callable[[OpenBus], CanSource],
                                         tmp_path: Path) -> None:
    """A stick that is pulled and plugged in again, as another device under the same name, is heard again by itself."""
    name = tmp_path / "ttyCAN"
    with plugged_in() as first, plugged_in() as second:
        name.symlink_to(first.path)
        start(lambda: open_bus("can0", "slcan", str(name), 500_000, CLOCK))
        listener.wait(lambda: listener.states)
        first.write(TEXT)
        listener.wait(lambda: len(listener.heard) == 4)
        name.unlink()
        os.close(first.fd)
        listener.wait(lambda: len([up for up, _ in listener.states if not up]) >= 2)
        name.symlink_to(second.path)
        listener.wait(lambda: listener.states[-1][0])
        second.write(TEXT)
        listener.wait(lambda: len(listener.heard) == 8)
    assert "the adapter has gone" in str(listener.states[1][1])
    assert "is the adapter plugged in" in str(listener.states[2][1])


def test_a_hub_that_dies_comes_back(listener: Listener, start: Callable[[OpenBus], CanSource]) -> None:
    """A TCP hub that is killed and started again on its port is heard again by itself, and gets frames."""
    hub = socket.create_server(("127.0.0.1", 0))
    port = hub.getsockname()[1]
    source = start(lambda: open_bus("can0", "slcan", f"socket://127.0.0.1:{port}", 500_000, CLOCK))
    user, _ = hub.accept()
    listener.wait(lambda: listener.states)  # what an adapter says before it is opened counts for nothing
    user.sendall(TEXT)
    listener.wait(lambda: len(listener.heard) == 4)
    hub.close()
    user.close()
    listener.wait(lambda: len([up for up, _ in listener.states if not up]) >= 2)
    with socket.create_server(("127.0.0.1", port)) as again:
        user, _ = again.accept()
        user.settimeout(PATIENCE_S)
        listener.wait(lambda: listener.states[-1][0])
        user.sendall(TEXT)
        listener.wait(lambda: len(listener.heard) == 8)
        source.send(BusFrame("can0", 0x123, False, b"\1"))
        heard = b""
        while b"t123101\r" not in heard:
            heard += user.recv(100)
        user.close()
    assert source.counts()["opened"] == 2


def test_an_adapter_is_opened_by_one_program_alone(bus: SlcanBus, adapter: Adapter) -> None:
    """A second program would take frames away and close the channel: it is refused in words."""
    with pytest.raises(OSError, match=f"{adapter.path} is used by another program: `fuser -v {adapter.path}`"):
        open_slcan("can1", adapter.path, 500_000, CLOCK, settle_s=0)
