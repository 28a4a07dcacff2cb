"""A device as a source: its port opened again and again, read as it speaks, asked where its kind asks."""

from __future__ import annotations

import os
import socket
import threading
import tty
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import serial

from twolbms.clock import StoryClock
from twolbms.devices.kinds import KINDS, DeviceSetup, Kind
from twolbms.devices.reading import DeviceReading
from twolbms.sim.smart_shunt import SmartShunt
from twolbms.sources.serial_device import Heard, SerialDevice, close_port, open_port
from voices.waiting import PATIENCE_S, Listener

FAST = 20.0  # a story's speed: pauses between tries are that much shorter
KIND = KINDS["victron_ve_direct"]


class Readings(Listener[Heard]):
    """Of a device."""

    def values(self, quantity: str) -> list[float | None]:
        return [reading.values[quantity] for reading, _ in self.heard if quantity in reading.values]


@pytest.fixture
def listener() -> Readings:
    return Readings()


@pytest.fixture
def listen(listener: Readings) -> Iterator[Callable[..., SerialDevice]]:
    """Starts a device on a port and stops it after the test."""
    started: list[SerialDevice] = []

    def start(port: str, kind: Kind = KIND) -> SerialDevice:
        device = SerialDevice(DeviceSetup("shunt", kind, port), StoryClock.begin(FAST), listener.deliver,
                              listener.changed)
        device.start()
        started.append(device)
        return device

    yield start
    assert all(device.stop() for device in started)


@pytest.fixture(params=[False, True], ids=["pty", "tcp"])
def shunt(request: pytest.FixtureRequest) -> Iterator[SmartShunt]:
    with SmartShunt(voltage_v=26.5, current_a=-2.5, tcp=request.param, period_s=0.02) as made:
        yield made


def test_it_is_heard(shunt: SmartShunt, listener: Readings, listen: Callable[..., SerialDevice]) -> None:
    """Both blocks of a shunt come through a serial port and a TCP port, with rising times, and are counted."""
    device = listen(shunt.path)
    listener.wait(lambda: 26.5 in listener.values("shunt_voltage_v") and 0.48 in listener.values("shunt_energy_in_kwh"))
    shunt.voltage_v = iter([25.0] * 1000).__next__
    listener.wait(lambda: 25.0 in listener.values("shunt_voltage_v"))
    times = [time_ns for _, time_ns in listener.heard]
    assert times == sorted(times)
    assert listener.states == [(True, None)]
    counts = device.counts()
    assert counts["readings"] >= 3 and counts["bytes"] > 300
    assert (counts["opened"], counts["sent"], counts["damaged"]) == (1, 0, 0)


def test_a_pulled_cable(shunt: SmartShunt, listener: Readings, listen: Callable[..., SerialDevice],
                        tmp_path: Path) -> None:
    """A port that goes is told with the reason; when it is there again, under the same name, it is heard again."""
    link = tmp_path / "by-id"
    path = shunt.path
    if path.startswith("/"):
        link.symlink_to(path)
        path = str(link)
    device = listen(path)
    listener.wait(lambda: listener.heard)
    link.unlink(missing_ok=True)
    shunt.pull()
    listener.wait(lambda: len([up for up, _ in listener.states if not up]) >= 2)  # gone, and still not there
    up, error = listener.states[1]
    assert not up and error
    before = len(listener.heard)
    shunt.plug()
    if shunt.path.startswith("/"):
        link.symlink_to(shunt.path)  # a serial port seldom comes back under its old number
    listener.wait(lambda: listener.states[-1][0] and len(listener.heard) > before + 1)
    assert device.counts()["opened"] == 2
    assert device.counts()["damaged"] == 0


@pytest.mark.parametrize(("port", "words"), [
    ("/dev/there-is-no-such-port", "No such file or directory (is it plugged in?)"),
    ("/dev/null", "Could not configure port: (25, 'Inappropriate ioctl for device')"),
])
def test_a_port_that_is_none(port: str, words: str, listener: Readings, listen: Callable[..., SerialDevice]) -> None:
    """Why a port cannot be opened is told in words, each time it was tried."""
    listen(port)
    listener.wait(lambda: len(listener.states) >= 2)
    assert listener.states[:2] == [(False, words)] * 2


def test_nobody_at_a_tcp_port(listener: Readings, listen: Callable[..., SerialDevice]) -> None:
    """A TCP port that refuses is told as such."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    listen(f"socket://127.0.0.1:{port}")
    listener.wait(lambda: listener.states)
    assert listener.states[0] == (False, "Connection refused")


def test_one_reader_at_a_time(listener: Readings, listen: Callable[..., SerialDevice]) -> None:
    """A port that another program has open is not shared: that would give each of them half of the bytes."""
    with SmartShunt(period_s=0.02) as shunt:
        other = open_port(shunt.path, KIND.line)
        try:
            listen(shunt.path)
            listener.wait(lambda: listener.states)
            up, error = listener.states[0]
            assert not up and error is not None and error.endswith("(another program has it open)")
            with pytest.raises(serial.SerialException):
                open_port(shunt.path, KIND.line)
        finally:
            close_port(other)
        listener.wait(lambda: listener.heard)


def test_garbage_is_counted_and_does_no_harm(listener: Readings, listen: Callable[..., SerialDevice]) -> None:
    """Noise on the line costs the blocks it hits; they are counted and the next ones are heard."""
    with SmartShunt(period_s=0.02) as shunt:
        device = listen(shunt.path)
        listener.wait(lambda: len(listener.heard) >= 2)
        shunt.send(b"\r\nV\t1\r\nChecksum\t\x00" + os.urandom(500).replace(b":", b"") + b"\r\nChecksum\t")
        before = len(listener.heard)
        listener.wait(lambda: len(listener.heard) >= before + 4)
        assert device.counts()["damaged"] >= 1
        assert set(listener.values("shunt_voltage_v")) == {26.5}
        assert listener.states == [(True, None)]


class Asked:
    """A made-up device that answers only when asked: one question at a time, again after a second without an answer."""

    PATIENCE_NS = 10**9

    def __init__(self) -> None:
        self.counts = {"damaged": 0, "asked": 0}
        self._asked_ns: int | None = None
        self._rest = b""

    def feed(self, chunk: bytes) -> Sequence[DeviceReading]:
        *lines, self._rest = (self._rest + chunk).split(b"\r")
        if lines:
            self._asked_ns = None
        return [DeviceReading(line, {"shunt_voltage_v": float(line)}, {}) for line in lines]

    def poll(self, now_ns: int) -> bytes:
        if self._asked_ns is not None and now_ns - self._asked_ns < self.PATIENCE_NS:
            return b""
        self._asked_ns = now_ns
        self.counts["asked"] += 1
        return b"V?\r"


def test_a_kind_that_is_asked(listener: Readings, listen: Callable[..., SerialDevice]) -> None:
    """The same source asks where a kind has questions: the next one after an answer, and again when none came."""
    near, far = os.openpty()
    tty.setraw(far)

    def answer() -> None:
        for number in range(8):
            question = os.read(near, 100)
            assert question == b"V?\r"
            if number != 3:  # this one stays without an answer
                os.write(near, b"%d\r" % number)

    answering = threading.Thread(target=answer, daemon=True)
    answering.start()
    device = listen(os.ttyname(far), replace(KIND, name="asked", talk=Asked))
    listener.wait(lambda: len(listener.heard) >= 7)
    assert [int(value or 0) for value in listener.values("shunt_voltage_v")][:7] == [0, 1, 2, 4, 5, 6, 7]
    answering.join(PATIENCE_S)
    assert device.counts()["sent"] >= 8 * 3 and device.counts()["asked"] >= 8
    device.stop()
    os.close(near)
    os.close(far)


def test_stop_ends_it_at_once(listener: Readings, listen: Callable[..., SerialDevice]) -> None:
    """A device without a port, and one that says nothing, both stop when told to."""
    with SmartShunt() as shunt:
        shunt.quiet = True
        for port in (shunt.path, "/dev/there-is-no-such-port"):
            device = listen(port)
            listener.wait(lambda: listener.states)
            assert device.stop()
            listener.states.clear()
