"""Serial and TCP ports, on ptys and sockets that really are missing, taken, silent or something else."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.doctor.conftest import Far, as_nobody
from twolbms.config.buses import Bus
from twolbms.config.devices import Device
from twolbms.doctor.devices import check_device
from twolbms.doctor.foreign import slcan_speech, speaker
from twolbms.doctor.machine import Machine
from twolbms.doctor.ports import _not_opened as not_opened
from twolbms.doctor.ports import look_at_port
from twolbms.doctor.rules import Finding
from twolbms.doctor.slcan import check_slcan, port_of
from twolbms.sim.smart_shunt import SmartShunt
from voices.bus_adapter import BusAdapter
from voices.listening import hash_of
from voices.node_voice import NodeVoice

HERE = Machine()
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
SHORT_S = 0.3
FRAME = b"T0CFF10018141E17F62F3C50E6\r"
VE_BLOCK = b"\r\nPID\t0xA389\r\nV\t12865\r\nI\t0\r\n"


def bus(channel: str, bitrate: int = 500_000) -> Bus:
    return Bus(name="can0", interface="slcan", channel=channel, bitrate=bitrate)


def device(port: str) -> Device:
    return Device(name="shunt", kind="victron_ve_direct", port=port)


def one(found: Iterator[Finding]) -> Finding:
    (finding,) = found
    assert finding.do or finding.state == "good"
    return finding


def slcan(channel: str, seconds: float = SHORT_S) -> Finding:
    return one(check_slcan(bus(channel), HERE, "site.yaml", seconds))


def shunt(port: str, seconds: float = SHORT_S) -> Finding:
    return one(check_device(device(port), HERE, "site.yaml", seconds))


@contextlib.contextmanager
def answering(far: Far, replies: dict[bytes, bytes]) -> Iterator[None]:
    """A far end that answers each command line."""
    def serve() -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while not stop.is_set() and (chunk := os.read(far.fd, 200)):
                *lines, rest = (rest + chunk).split(b"\r")
                for line in lines:
                    far.write(replies.get(line[:1], b"\a"))

    stop = threading.Event()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield
    stop.set()


# --- ports ---

def test_a_port_that_is_not_there(machine: Machine) -> None:
    """A missing port is told with those that are there, by names that stay."""
    by_id = machine.root / "dev/serial/by-id"
    by_id.mkdir(parents=True)
    (by_id / "usb-CANable_1234-if00").touch()
    found = look_at_port("bus can0", "/dev/ttyNONE7", machine, "site.yaml")
    assert found is not None and found.id == "port.absent"
    assert "here is /dev/serial/by-id/usb-CANable_1234-if00" in found.sentence


def test_a_file_is_no_port(tmp_path: Path) -> None:
    """A file or folder of that name is told as one."""
    (tmp_path / "port").touch()
    for path, words in ((tmp_path / "port", "is a file"), (tmp_path, "is a folder")):
        assert words in slcan(str(path)).sentence


@ROOT
def test_a_port_for_another_group(port: Far) -> None:
    """A port that the asking user may not open names its group and the command that lets him in."""
    os.chmod(port.path, 0o660)
    os.chown(port.path, 0, 20)  # dialout on Debian
    finding = as_nobody(lambda: [found for found in [look_at_port("b", port.path, HERE, "s")] if found])
    assert finding[0].startswith("port.forbidden") and "and nobody is not in it" in finding[0]
    assert "sudo usermod -aG dialout nobody" in finding[0]


def test_a_port_that_another_process_has(port: Far) -> None:
    """The other program is named with its process number."""
    code = f"import os; os.open({port.path!r}, os.O_RDWR | os.O_NOCTTY); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stdin=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"open\n"
        found = look_at_port("bus can0", port.path, HERE, "site.yaml")
        other.communicate(b"\n")
    assert found is not None and found.id == "port.busy" and f"(process {other.pid})" in found.sentence
    assert look_at_port("bus can0", port.path, HERE, "site.yaml") is None


def test_a_port_that_is_locked(port: Far) -> None:
    """A lock of a program that cannot be seen is told too."""
    import fcntl
    fd = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert slcan(port.path).id == "port.locked"
    os.close(fd)


def test_nobody_listens_on_tcp() -> None:
    """A refused connection is told with the address."""
    finding = slcan("socket://127.0.0.1:1")
    assert finding.id == "port.refused" and "socket://127.0.0.1:1" in finding.sentence


def test_a_host_without_a_name() -> None:
    """A name that no host has is told as that."""
    assert slcan("socket://no-such-host.invalid:4000").id in ("port.no_host", "port.no_answer")


def test_a_port_that_goes_away() -> None:
    """A TCP port that hangs up at once is told, and not as a cable."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def hang_up() -> None:
            connection, _ = server.accept()
            connection.close()
        thread = threading.Thread(target=hang_up)
        thread.start()
        assert slcan(f"socket://127.0.0.1:{server.getsockname()[1]}", 5.0).id == "port.hung_up"
        thread.join()


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/full"])
def test_a_device_of_another_kind(path: str) -> None:
    """A device without a baud rate is no serial port, whoever else has it open."""
    assert slcan(path).id == shunt(path).id == "port.not_serial"


def test_a_terminal_that_is_none() -> None:
    """What refuses to be set to a baud rate is no serial port either."""
    import termios
    for number in (errno.ENOTTY, errno.EINVAL):
        error = Exception("could not configure port")
        error.__context__ = termios.error(number, "no")
        assert not_opened("bus can0", "/dev/x", error, "site.yaml", HERE).id == "port.not_serial"
    unnamed = UnicodeError("label empty or too long")
    assert not_opened("bus can0", "socket://a..b:1", unnamed, "site.yaml", HERE).id == "port.no_host"


@ROOT
def test_a_port_in_a_closed_folder(closed_folder: Path) -> None:
    """A port below a folder that is closed to the asking user is not called absent."""
    finding = as_nobody(lambda: [found for found in [look_at_port("b", f"{closed_folder}/port", HERE, "s")] if found])
    assert finding[0].startswith(f"folder.closed {closed_folder} is closed to nobody")


# --- slcan ---

def test_an_adapter_with_a_node() -> None:
    """Frames of a node through a real TCP adapter."""
    with BusAdapter(NodeVoice(hash_of())) as adapter:
        finding = slcan(f"socket://127.0.0.1:{adapter.port}", 5.0)
    assert finding.id == "slcan.good" and "frames heard" in finding.sentence


def test_an_adapter_without_a_node(port: Far) -> None:
    """An adapter that answers on a silent bus: wiring, termination, bit rate."""
    with answering(port, {b"C": b"\r", b"V": b"V1013\r", b"S": b"\r", b"O": b"\r"}):
        finding = slcan(port.path)
    assert finding.id == "slcan.silent" and "60 Ohm" in finding.do and "500000 bit/s" in finding.do


def test_an_adapter_is_opened_and_closed_again(port: Far) -> None:
    """The bit rate's command, open, and close at the end."""
    with port.saying(FRAME * 30):
        assert slcan(port.path, 5.0).id == "slcan.good"
    assert port.heard() == b"\rC\rV\rS6\rO\rC\r"


def test_nothing_at_all(port: Far) -> None:
    """A port that says nothing is no slcan adapter, and may be one of another kind."""
    finding = slcan(port.path)
    assert finding.id == "slcan.mute" and "socketcan" in finding.do


@pytest.mark.parametrize(("raw", "words"), [
    (VE_BLOCK, "speaks VE.Direct: it is a Victron device"), (b"$GPGGA,12,N\r\n", "speaks NMEA: it is a GPS receiver"),
    (b"\r\nMicroPython v1.28\r\n>>> ", "a MicroPython prompt"), (bytes(range(128, 250)), "bytes that make no sense"),
    (b"hello\r\nworld\r\n", "says text that nobody here knows ('world')")])
def test_something_else_on_the_port(raw: bytes, words: str, port: Far) -> None:
    """What speaks instead is named by what it says."""
    with port.saying(raw):
        finding = slcan(port.path)
    assert finding.id == "slcan.stranger" and words in finding.sentence


def test_a_port_with_its_baud_rate(port: Far) -> None:
    """The baud rate behind an @ is no part of the port's name."""
    assert port_of("/dev/ttyUSB0@921600") == ("/dev/ttyUSB0", 921_600)
    assert port_of("socket://me@host:4000") == ("socket://me@host:4000", 115_200)
    assert slcan(f"{port.path}@57600").id == "slcan.mute"


# --- devices ---

def test_a_shunt_is_heard() -> None:
    """A SmartShunt's block is enough, with its name."""
    with SmartShunt(period_s=0.05) as far:
        finding = shunt(far.path, 5.0)
    assert finding.id == "device.good" and "SmartShunt" in finding.sentence


def test_a_shunt_that_is_off(port: Far) -> None:
    """Silence for three seconds: supply and cable."""
    assert shunt(port.path).id == "device.silent"


def test_a_shunt_through_noise(port: Far) -> None:
    """Blocks whose sums are wrong are a bad cable, or two readers."""
    with port.saying(VE_BLOCK + b"Checksum\tX"):
        assert shunt(port.path).id == "device.damaged"


@pytest.mark.parametrize(("raw", "words"), [(FRAME * 3, "speaks slcan: it is a CAN adapter"),
                                            (bytes(range(128, 250)), "wrong baud rate or wrong device")])
def test_something_else_than_a_shunt(raw: bytes, words: str, port: Far) -> None:
    """A CAN adapter, or garbage of a wrong baud rate."""
    with port.saying(raw):
        finding = shunt(port.path)
    assert finding.id == "device.stranger" and words in finding.sentence


def test_a_shunt_that_is_not_there() -> None:
    """A missing port is told for a device as for a bus."""
    assert shunt("/dev/ttyNONE8").id == "port.absent"


# --- recognising ---

@pytest.mark.parametrize(("raw", "frames", "answers"), [
    (b"\r\r\rV1013\r", 0, 3), (b"\a\a", 0, 2), (FRAME + b"t1232AABB\rr1230\r", 3, 0), (b"t12", 0, 0),
    (b"t1238AABB\r", 0, 0), (VE_BLOCK, 0, 0), (b"", 0, 0)])
def test_slcan_speech(raw: bytes, frames: int, answers: int) -> None:
    """Whole frames and answers are counted; line feeds are no slcan."""
    assert slcan_speech(raw) == (frames, answers)


def test_every_byte_has_a_speaker() -> None:
    """Whatever was heard, there are words for it."""
    assert all(speaker(bytes([byte]) * 5) for byte in range(256))
    assert speaker(b"")
