"""One slcan adapter between a byte stream and a controller of the simulated bus: commands in, answers and frames out.

Knows the Lawicel command set as far as the clients need it; the stream itself (TCP, pty) is the hub's.
"""

from __future__ import annotations

from collections.abc import Callable

from twolbms.sim.bus import QUEUE_FRAMES, Bus, Controller, transmission
from twolbms.sim.slcan import BELL, CR, LineReader, is_frame_line, parse_frame

# Lawicel's table; S7 is 800 kbit/s there and 750 kbit/s in python-can, S9 is python-can's own: neither is offered.
BITRATES = {b"S0": 10_000, b"S1": 20_000, b"S2": 50_000, b"S3": 100_000, b"S4": 125_000, b"S5": 250_000,
            b"S6": 500_000, b"S8": 1_000_000}

UNREAD_BYTES = 65536
"""With more than this waiting for its user, an adapter overruns."""

_VERSION = b"V1013\r"  # hardware 1.0, software 1.3 of the original adapter
_SERIAL = b"N2LBM\r"
_TX_QUEUE_FULL = 0x02  # Lawicel status bits
_RX_OVERRUN = 0x08
_ERROR_PASSIVE = 0x20  # where a controller ends when nobody acknowledges it


class SlcanPort:
    """Reads commands for one controller; with `letter_answers` frames are answered z or Z and CR, as by some adapters.

    `bad_lines` counts what was neither a known command nor a whole frame. Empty lines are ignored: clients send them
    to clear the line.
    """

    def __init__(self, bus: Bus, controller: Controller, *, letter_answers: bool = False) -> None:
        self._bus = bus
        self.controller = controller
        self._letters = letter_answers
        self._lines = LineReader()
        self._bad = 0
        self._bitrate = bus.bitrate
        self._seen = (0, 0)
        self._commands: dict[bytes, Callable[[bytes], bytes]] = {
            b"O": self._open, b"L": self._open, b"C": self._close, b"S": self._set_bitrate, b"Z": self._time_stamps,
            b"V": lambda line: _VERSION, b"v": lambda line: _VERSION, b"N": lambda line: _SERIAL, b"F": self._flags,
        }

    @property
    def bad_lines(self) -> int:
        """Lines that meant nothing."""
        return self._bad + self._lines.bad_lines

    def feed(self, data: bytes, now_ns: int) -> None:
        """Takes bytes of the client; frames are queued as of `now_ns`, answers go to the controller's `outgoing`."""
        answer = self.controller.outgoing.append
        for line in self._lines.feed(data):
            if is_frame_line(line):
                answer(self._frame(line, now_ns))
            elif line:
                answer(self._command(line))

    def take(self) -> bytes:
        """Everything for the client since the last call: answers and frames."""
        outgoing = self.controller.outgoing
        data = b"".join(outgoing)
        outgoing.clear()
        return data

    def _frame(self, line: bytes, now_ns: int) -> bytes:
        try:
            frame = parse_frame(line)
        except ValueError:
            self._bad += 1
            return BELL
        controller = self.controller
        if not controller.open or controller.listen_only:
            return BELL
        if not self._bus.offer(controller, transmission(frame, now_ns)):
            return BELL
        return (b"Z\r" if frame.extended else b"z\r") if self._letters else CR

    def _command(self, line: bytes) -> bytes:
        handler = self._commands.get(line[:1])
        if handler is None:
            self._bad += 1
            return BELL
        return handler(line)

    def _open(self, line: bytes) -> bytes:
        # At another bit rate a real adapter would only make error frames.
        if self.controller.open or self._bitrate != self._bus.bitrate:
            return BELL
        self._bus.set_open(self.controller, True, listen_only=line == b"L")
        return CR

    def _close(self, line: bytes) -> bytes:
        # Also when it is closed: most clients begin so, and a bell has no end of line that would part it from the next.
        self._bus.set_open(self.controller, False)
        return CR

    def _set_bitrate(self, line: bytes) -> bytes:
        bitrate = BITRATES.get(line)
        if self.controller.open or bitrate is None:
            return BELL
        self._bitrate = bitrate
        return CR

    def _time_stamps(self, line: bytes) -> bytes:
        return CR if line == b"Z0" else BELL

    def _flags(self, line: bytes) -> bytes:
        """Lawicel's status byte; the overflow bits tell of what happened since they were last asked for."""
        controller = self.controller
        if not controller.open:
            return BELL
        counted = (controller.dropped.total(), controller.overrun)
        flags = _TX_QUEUE_FULL if counted[0] > self._seen[0] or len(controller.queue) >= QUEUE_FRAMES else 0
        flags |= _RX_OVERRUN if counted[1] > self._seen[1] else 0
        flags |= 0 if self._bus.acknowledged(controller) else _ERROR_PASSIVE
        self._seen = counted
        return b"F%02X\r" % flags
