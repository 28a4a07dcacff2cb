"""A real board's life on CPython, every answer of its hardware taped, to be played again to the same application.

On MicroPython the tape is all the hardware there is: whoever asks for something else, or in another order, is found.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from firmware.boards.node_bench import CELLS, LEAF, LFP
from twolbms.sim.real_board import Hardware, SimulatedClock

# A controller that hears itself and nobody else: the same text runs on both sides.
CAN = '''
class CAN:
    MODE_NORMAL, MODE_SLEEP, MODE_LOOPBACK, MODE_SILENT, MODE_SILENT_LOOPBACK = range(5)
    STATE_STOPPED, STATE_ACTIVE, STATE_WARNING, STATE_PASSIVE, STATE_BUS_OFF = range(5)
    FLAG_RTR, FLAG_EXT_ID = 1, 2
    RECV_ERR_FULL, RECV_ERR_OVERRUN = 1, 2
    TX_QUEUE_LEN = 3

    def __init__(self, number, bitrate):
        self.rate = bitrate
        self.mode = -1
        self.sent = 0
        self.heard = 0
        self.frame = bytearray(8)

    def init(self, bitrate, mode=0, sample_point=75):
        self.mode = mode

    def deinit(self):
        self.mode = -1

    def set_filters(self, filters):
        pass

    def get_timings(self, into):
        into[0] = self.rate
        return into

    def state(self):
        return 0 if self.mode < 0 else 1

    def get_counters(self, into):
        for i in range(8):
            into[i] = 0
        return into

    def send(self, can_id, data, flags):
        self.sent += 1
        if self.mode == 4:
            self.heard = can_id
            for i in range(8):
                self.frame[i] = data[i]
        return self.sent % 3

    def cancel_send(self, slot):
        return False

    def recv(self, into):
        if not self.heard:
            return None
        into[0] = self.heard
        self.heard = 0
        for i in range(8):
            into[1][i] = self.frame[i]
        into[1] = into[1][:8]
        into[2] = 2
        into[3] = 0
        return into

    def restart(self):
        pass
'''

PLAYED = '''
class Tape:
    def __init__(self):
        self.answers = ANSWERS
        self.n = 0

    def next(self):
        self.n += 1
        return self.answers[self.n - 1]

    def fill(self, buffer):
        answer = self.next()
        for i in range(len(buffer)):
            buffer[i] = answer[i]

    def same(self, value):
        if self.next() != value:
            raise ValueError("not what was said on CPython")

TAPE = Tape()

class Clock:
    def ticks_ms(self):
        return TAPE.next()

    def sleep_us(self, us):
        TAPE.same(us)

    def ticks_diff(self, later, earlier):
        return (later - earlier + 0x20000000 & 0x3FFFFFFF) - 0x20000000

    def ticks_add(self, ticks, ms):
        return ticks + ms & 0x3FFFFFFF

class Pin:
    IN, OUT, OPEN_DRAIN, PULL_UP, PULL_DOWN = range(5)

    def __init__(self, name, mode=-1, pull=-1, value=None):
        pass

    def value(self, level=None):
        if level is None:
            return TAPE.next()
        TAPE.same(level)

class ADC:
    def __init__(self, pin):
        pass

    def read_u16(self):
        return TAPE.next()

class SoftI2C:
    def __init__(self, scl, sda, freq, timeout):
        pass

    def readfrom_mem_into(self, address, register, buffer):
        TAPE.fill(buffer)

    def writeto(self, address, data):
        return TAPE.next()

    def writeto_mem(self, address, register, data):
        TAPE.same(len(data))

class SPI:
    def __init__(self, number, baudrate, polarity, phase, sck=None, mosi=None, miso=None):
        pass

    def write(self, data):
        TAPE.same(len(data))

    def readinto(self, buffer, value):
        TAPE.fill(buffer)

    def write_readinto(self, out, into):
        TAPE.fill(into)

class WDT:
    feeds = 0

    def __init__(self, timeout):
        pass

    def feed(self):
        WDT.feeds += 1

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 0

def reset_cause():
    return HARD_RESET

def reset():
    pass

def idle():
    pass
'''


class Taped:
    """Stands before an object of the hardware and keeps each answer."""

    def __init__(self, target: Any, answers: list[Any]) -> None:
        self.target = target
        self.answers = answers

    def _kept(self, answer: Any) -> Any:
        self.answers.append(answer)
        return answer

    # Pin

    def value(self, *level: int) -> Any:
        if level:
            self.target.value(*level)
            return self._kept(level[0]) and None
        return self._kept(self.target.value())

    # ADC

    def read_u16(self) -> int:
        return int(self._kept(self.target.read_u16()))

    # I2C

    def readfrom_mem_into(self, address: int, register: int, buffer: Any) -> None:
        self.target.readfrom_mem_into(address, register, buffer)
        self.answers.append(bytes(buffer))

    def writeto(self, address: int, data: bytes) -> int:
        return int(self._kept(self.target.writeto(address, data)))

    def writeto_mem(self, address: int, register: int, data: bytes) -> None:
        self.target.writeto_mem(address, register, data)
        self.answers.append(len(data))

    # SPI

    def write(self, data: bytes) -> None:
        self.target.write(data)
        self.answers.append(len(data))

    def readinto(self, buffer: Any, value: int) -> None:
        self.target.readinto(buffer, value)
        self.answers.append(bytes(buffer))

    def write_readinto(self, out: bytes, into: Any) -> None:
        self.target.write_readinto(out, into)
        self.answers.append(bytes(into))


class TapedClock(SimulatedClock):
    def __init__(self, clock: SimulatedClock, answers: list[Any]) -> None:
        self.clock = clock
        self.base = clock.base
        self.answers = answers

    def ticks_ms(self) -> int:
        self.answers.append(self.clock.ticks_ms())
        return int(self.answers[-1])

    def sleep_us(self, us: int) -> None:
        self.clock.sleep_us(us)
        self.answers.append(us)


class TapedHardware(Hardware):
    """`answers` is what the hardware said, in order, since `begin`."""

    def __init__(self, board: str, pack: str, folder: Path) -> None:
        super().__init__(board, folder, CELLS[pack], chain=pack == LEAF, fets=pack == LFP)
        self.answers: list[Any] = []
        self.taping = False

    def begin(self) -> None:
        self.taping = True
        self.clock = TapedClock(self.clock, self.answers)

    def machine(self, cause: str) -> ModuleType:
        made = super().machine(cause)
        if not self.taping:
            return made
        names: dict[str, Any] = {}
        exec(CAN, names)
        made.CAN = names["CAN"]  # type: ignore[attr-defined]
        made.Pin = _TapedPins(self)  # type: ignore[attr-defined]
        made.SoftI2C = lambda **_: Taped(self.i2c, self.answers)  # type: ignore[attr-defined]
        made.SPI = lambda *_, **__: Taped(self.spi, self.answers)  # type: ignore[attr-defined]
        made.ADC = lambda pin: Taped(self._adc(pin.target), self.answers)  # type: ignore[attr-defined]
        return made


class _TapedPins:
    def __init__(self, hardware: TapedHardware) -> None:
        self.hardware = hardware
        for name in ("IN", "OUT", "OPEN_DRAIN", "PULL_UP", "PULL_DOWN"):
            setattr(self, name, getattr(hardware.pin, name))

    def __call__(self, *which: Any, **more: Any) -> Taped:
        return Taped(self.hardware.pin(*which, **more), self.hardware.answers)
