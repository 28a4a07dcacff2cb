"""A chain of LTC6811 or LTC6813 by their registers, behind an SPI bus and a CS pin as MicroPython's `machine` has them.

Time moves only by bytes on the bus and by `advance_us`. Cores fall asleep and lose their configuration, ports go idle,
conversions take their time and hold what lay at the inputs when they began. It knows no driver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Buffer = bytearray | memoryview

WAKE_US, READY_US = 400, 10  # t_wake, t_ready
IDLE_AFTER_US, SLEEP_AFTER_US = 4_300, 2_000_000  # the shortest idle time; "about 2 s"
CONVERSION_US = {1: 1_100, 2: 2_300, 3: 201_000}  # MD: all cells; taken for the GPIO inputs too
NOT_CONVERTED = 0xFFFF
CONFIG_A, CONFIG_B = bytes((0xF8, 0, 0, 0, 0, 0)), bytes((0x0F, 0, 0, 0, 0, 0))
RDCV = (0x004, 0x006, 0x008, 0x00A, 0x009, 0x00B)
RDAUX = (0x00C, 0x00E, 0x00D, 0x00F)
WRCFGA, RDCFGA, WRCFGB, RDCFGB = 0x001, 0x002, 0x024, 0x026
CLRCELL, CLRAUX, PLADC, MUTE, UNMUTE = 0x711, 0x712, 0x714, 0x028, 0x029
ADCV, ADOW, ADAX = 0x260, 0x228, 0x460  # without MD, DCP, PUP, CH


def pec15(data: bytes) -> int:
    """PEC15 bit by bit, as the data sheet draws it."""
    rest = 0x0010
    for byte in data:
        for bit in range(7, -1, -1):
            high = (rest >> 14 ^ byte >> bit) & 1
            rest = (rest << 1 ^ (0x4599 if high else 0)) & 0x7FFF
    return rest << 1


def framed(data: bytes) -> bytes:
    return data + pec15(data).to_bytes(2, "big")


def adc_command(code: int) -> tuple[int, int] | None:
    """(ADCV, ADOW or ADAX; MD) of a command that starts a conversion of all channels."""
    for base, options in ((ADCV, 0x190), (ADOW, 0x1D0), (ADAX, 0x180)):
        if code & ~options == base and code >> 7 & 3:
            return base, code >> 7 & 3
    return None


class Chip:
    """One monitor. `cells_mv` by input and `gpio_mv` by pin lie at its terminals; `open_wires` names C0, C1 …

    `pull_mv` is how far one ADOW moves an open wire with its filter. `ignores` are codes that do not reach it,
    `frozen` one that answers reads but takes no command. The counts watch what a driver must not do.
    """

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.cells_mv = [0.0] * inputs
        self.gpio_mv = [1500.0] * (5 if inputs == 12 else 9)
        self.reference_mv = 3000.0
        self.open_wires: set[int] = set()
        self.pull_mv = 10_000.0
        self.bleed_drop_mv = 50.0  # what a bleeding cell reads too low
        self.dten = False
        self.ignores: set[int] = set()
        self.frozen = False
        self.commands: list[int] = []
        self.unknown = self.bad_frames = self.neighbours_driven = self.measured_while_bleeding = self.unmuted = 0
        self.cells = [NOT_CONVERTED] * inputs
        self.aux = [NOT_CONVERTED] * 12
        self.awake = False
        self._lift_mv = [0.0] * (inputs + 1)
        self._pending: tuple[int, list[int], list[int]] | None = None  # done at, where to, codes
        self._ready_at = self._traffic_at = self._valid_at = 0
        self._forget()

    def _forget(self) -> None:
        self.config_a, self.config_b = bytearray(CONFIG_A), bytearray(CONFIG_B)
        self.muted = False

    # Timers

    def settle(self, now: int) -> None:
        """Brings conversion and sleep up to `now`."""
        if self._pending and self._pending[0] <= now:
            _, registers, codes = self._pending
            registers[:] = codes
            self._pending = None
        if self.awake and now - self._valid_at > SLEEP_AFTER_US:
            self.awake = False
            self._pending = None
            if not (self.dten and self.config_a[5] >> 4):  # else the discharge timer keeps it, how long is not modelled
                self._forget()

    def ready(self, now: int) -> bool:
        return self.awake and self._ready_at <= now and now - self._traffic_at <= IDLE_AFTER_US

    def pulse(self, now: int) -> bool:
        """An edge of CS; True when it is passed on."""
        if self.ready(now):
            self._traffic_at = now
            return True
        if self._ready_at <= now:
            self._ready_at = self._traffic_at = now + (READY_US if self.awake else WAKE_US)
            self._valid_at = now if not self.awake else self._valid_at
            self.awake = True
        return False

    def traffic(self, now: int) -> None:
        self._traffic_at = now

    def busy(self, now: int) -> bool:
        self.settle(now)
        return self._pending is not None

    # Discharge

    @property
    def dcc(self) -> int:
        """Discharge bits as configured, bit 0 is input 1."""
        a, b = self.config_a, self.config_b
        return a[4] | (a[5] & 0x0F) << 8 | (b[0] >> 4) << 12 | (b[1] & 3) << 16

    @property
    def bleeding(self) -> int:
        """Inputs that are bled now, bit 0 is input 1."""
        return 0 if self.muted else self.dcc

    # Commands

    def command(self, code: int, now: int) -> None:
        """A command with a good PEC."""
        self._valid_at = now
        if code in self.ignores or (self.frozen and (adc_command(code) or code in (CLRCELL, CLRAUX))):
            return
        self.commands.append(code)
        if conversion := adc_command(code):
            self._convert(*conversion, code, now)
        elif code == CLRCELL:
            self.cells[:] = [NOT_CONVERTED] * self.inputs
        elif code == CLRAUX:
            self.aux[:] = [NOT_CONVERTED] * 12
        elif code in (MUTE, UNMUTE) and self.inputs == 18:
            self.muted = code == MUTE
        elif code not in (WRCFGA, PLADC, *self.groups()) and not (code == WRCFGB and self.inputs == 18):
            self.unknown += 1

    def _convert(self, kind: int, mode: int, code: int, now: int) -> None:
        if kind == ADAX:
            self._pending = now + CONVERSION_US[mode], self.aux, self._aux_codes()
            return
        if kind == ADOW:
            self._pull(self.pull_mv if code & 0x40 else -self.pull_mv)
        permitted = bool(code & 0x10)
        self.measured_while_bleeding += permitted and self.bleeding != 0
        self.unmuted += self.inputs == 18 and not self.muted and self.dcc != 0
        self._pending = now + CONVERSION_US[mode], self.cells, self._cell_codes(permitted)

    def _pull(self, by_mv: float) -> None:
        for wire in self.open_wires:
            above = self.cells_mv[wire] if wire < self.inputs else 0.0
            below = self.cells_mv[wire - 1] if wire else 0.0
            self._lift_mv[wire] = max(-below, min(above, self._lift_mv[wire] + by_mv))

    def _cell_codes(self, discharge: bool) -> list[int]:
        codes = []
        for n, mv in enumerate(self.cells_mv):
            lift = [self._lift_mv[w] if w in self.open_wires else 0.0 for w in (n, n + 1)]
            drop = self.bleed_drop_mv if discharge and self.bleeding >> n & 1 else 0.0
            codes.append(_code(mv + lift[1] - lift[0] - drop))
        return codes

    def _aux_codes(self) -> list[int]:
        """Words by place; a GPIO whose bit is 0 is pulled to ground."""
        released = self.config_a[0] >> 3 | (self.config_b[0] & 0x0F) << 5
        pins = [_code(mv) if released >> n & 1 else 0 for n, mv in enumerate(self.gpio_mv)]
        return (pins[:5] + [_code(self.reference_mv)] + pins[5:] + [0] * 7)[:12]

    # Register groups

    def groups(self) -> tuple[int, ...]:
        """Codes of the groups this chip has."""
        return (RDCFGA, *RDCV[:4], *RDAUX[:2]) if self.inputs == 12 else (RDCFGA, RDCFGB, *RDCV, *RDAUX)

    def read(self, code: int) -> bytes:
        """The six bytes of a group."""
        if code == RDCFGA:
            levels = sum(8 << n for n, mv in enumerate(self.gpio_mv[:5]) if mv > self.reference_mv / 2)
            return bytes((self.config_a[0] & (levels | 5) | self.dten << 1, *self.config_a[1:]))
        if code == RDCFGB:
            levels = sum(1 << n for n, mv in enumerate(self.gpio_mv[5:]) if mv > self.reference_mv / 2)
            b = self.config_b
            return bytes((b[0] & (0xF0 | levels), b[1] | self.muted << 7, *b[2:]))
        words, at = (self.cells, RDCV.index(code)) if code in RDCV else (self.aux, RDAUX.index(code))
        return b"".join(word.to_bytes(2, "little") for word in words[3 * at : 3 * at + 3])

    def write(self, code: int, data: bytes) -> None:
        """Eight bytes of a written group; the PEC decides."""
        if framed(data[:6]) != data:
            self.bad_frames += 1
            return
        if code == WRCFGA:
            self.config_a[:] = data[:6]
        elif code == WRCFGB and self.inputs == 18:
            self.config_b[:] = data[:6]
        self.neighbours_driven += self.dcc & self.dcc << 1 != 0


def _code(mv: float) -> int:
    return max(0, min(0xFFFE, round(mv * 10)))


@dataclass
class Flip:
    """A bit that changes its value on the bus: of a group read, of a command or of data written; `times` left to go."""

    code: int
    bit: int
    times: int = 1
    of: str = "read"  # "command" and "write" are seen so by chip `chip` and all behind it
    chip: int = 0


class Chain:
    """Chips, the nearest first. `spi`, `cs` and `clock` are what a driver gets; `broken_after` chips are in reach."""

    def __init__(self, chips: int, inputs: int, byte_us: int = 8) -> None:
        self.chips = [Chip(inputs) for _ in range(chips)]
        self.byte_us = byte_us
        self.now_us = 0
        self.bytes = 0
        self.flips: list[Flip] = []
        self.broken_after = chips
        self.mishap: Callable[[], None] | None = None  # called at each transfer; may raise OSError
        self.spi, self.cs, self.clock = Spi(self), CsPin(self), Clock(self)
        self._sent = bytearray()
        self._answer = bytearray()
        self._at = 0
        self._heard = self._polled = 0

    def advance_us(self, us: int) -> None:
        self.now_us += us
        for chip in self.chips:
            chip.settle(self.now_us)

    def select(self) -> None:
        """CS falls: a pulse runs down the chain as far as it is ready."""
        self._sent.clear()
        self._answer.clear()
        self._at = self._polled = 0
        for chip in self.chips[: self.broken_after]:
            chip.settle(self.now_us)
            if not chip.pulse(self.now_us):
                break

    def release(self) -> None:
        """CS rises: written data is taken, the farthest chip's came first."""
        code, data = self._code(), bytes(self._sent[4:])
        for n in range(self._heard):
            block = bytearray(data[len(data) - 8 * (n + 1) : len(data) - 8 * n])
            if code in (WRCFGA, WRCFGB) and len(block) == 8 and self._understood(code, n):
                self._apply(block, "write", code, n)
                self.chips[n].write(code, bytes(block))
        for flip in [flip for flip in self.flips if flip.code == code]:
            flip.times -= 1
        self.flips = [flip for flip in self.flips if flip.times > 0]
        self._sent.clear()

    def write(self, data: bytes | Buffer) -> None:
        self._transfer(len(data))
        before = len(self._sent)
        self._sent += data
        if before < 4 <= len(self._sent):
            self._command()

    def read_into(self, buffer: Buffer) -> None:
        if self._code() == PLADC:
            for i in range(len(buffer)):
                self._transfer(1)
                self._polled += 8
                busy = any(chip.busy(self.now_us) for chip in self.chips[: self._heard])
                buffer[i] = 0 if busy or self._polled <= len(self.chips) else 0xFF
            return
        self._transfer(len(buffer))
        for i in range(len(buffer)):
            buffer[i] = self._answer[self._at] if self._at < len(self._answer) else 0xFF
            self._at += 1

    def _transfer(self, count: int) -> None:
        if self.mishap:
            self.mishap()
        self.bytes += count
        self.advance_us(count * self.byte_us)
        for chip in self.chips[: self._reach()]:
            chip.traffic(self.now_us)

    def _reach(self) -> int:
        """How many chips, from the nearest on, hear what is sent."""
        for n, chip in enumerate(self.chips[: self.broken_after]):
            if not chip.ready(self.now_us):
                return n
        return min(self.broken_after, len(self.chips))

    def _code(self) -> int:
        return int.from_bytes(self._sent[:2], "big") if len(self._sent) >= 4 else -1

    def _understood(self, code: int, n: int) -> bool:
        """Whether chip n gets this command undamaged."""
        spoiled = bytearray(self._sent[:4])
        self._apply(spoiled, "command", code, n)
        return framed(bytes(spoiled[:2])) == spoiled

    def _apply(self, data: bytearray, of: str, code: int, n: int) -> None:
        for flip in self.flips:
            if flip.of == of and flip.code == code and n >= flip.chip:
                data[flip.bit // 8] ^= 0x80 >> flip.bit % 8

    def _command(self) -> None:
        code = self._code()
        self._heard = self._reach()
        for n, chip in enumerate(self.chips[: self._heard]):
            if not self._understood(code, n):
                chip.bad_frames += 1
                self._answer += b"\xff" * 8
                continue
            chip.command(code, self.now_us)
            self._answer += framed(chip.read(code)) if code in chip.groups() else b"\xff" * 8
        self._answer += b"\xff" * (8 * (len(self.chips) - self._heard))
        self._apply(self._answer, "read", code, 0)


class Spi:
    """`machine.SPI` as far as a driver needs it."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def write(self, buf: bytes | Buffer) -> None:
        self._chain.write(buf)

    def readinto(self, buf: Buffer, write: int = 0) -> None:
        self._chain.read_into(buf)


class CsPin:
    """`machine.Pin` of the chip select, low while a frame runs."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.level = 1

    def value(self, level: int) -> None:
        if level != self.level:
            self.level = level
            (self._chain.release if level else self._chain.select)()


class Clock:
    """`sleep_us` of MicroPython's `time`."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def sleep_us(self, us: int) -> None:
        self._chain.advance_us(us)
