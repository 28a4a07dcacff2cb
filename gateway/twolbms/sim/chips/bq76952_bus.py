"""The I2C bus of a simulated BQ76952 with MicroPython's method names, its CRC mode, its mishaps, and its two lines.

As on the real ports a data byte that is not acknowledged raises nothing: `writeto` returns how many bytes were.
"""

from __future__ import annotations

from collections.abc import Callable

from twolbms.sim.chips.bq76952 import Bq76952Chip

Buffer = bytearray | memoryview
BYTE_US = 22.5  # nine clocks at 400 kHz


def crc8(data: bytes) -> int:
    """x8 + x2 + x + 1, start 0, bit by bit."""
    rest = 0
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = (rest << 1 ^ (0x07 if rest & 0x80 else 0)) & 0xFF
    return rest


class Bq76952Bus:
    """`machine.I2C` with one chip. Transfers take time, which is the chip's.

    `spoil(kind, frame)` may change a frame in place: kind is "write" (register, then data), "register" (the register
    of a read, as the chip hears it) or "read" (what comes back). `nacks` transfers to come are not acknowledged,
    `fails` are numbers of transfers that are not. While `lines.held` is set nothing gets through and every transfer
    takes `timeout_us`.
    """

    def __init__(self, chip: Bq76952Chip, address: int = 0x08) -> None:
        self.chip = chip
        self.address = address
        self.lines = Lines()
        self.spoil: Callable[[str, bytearray], None] | None = None
        self.nacks = 0
        self.fails: set[int] = set()
        self.timeout_us = 2_000
        self.transfers = self.bytes = self.bad_checks = 0
        self.timeouts = 0

    def _begin(self, address: int, count: int) -> None:
        """Raises OSError as the port does when nobody answers."""
        number = self.transfers
        self.transfers += 1
        if self.lines.held:
            self.timeouts += 1
            self.chip.advance_us(self.timeout_us)
            raise OSError(110)
        self.bytes += count
        self.chip.advance_us(count * BYTE_US)
        if self.nacks:
            self.nacks -= 1
            raise OSError(5)
        if number in self.fails or address != self.address or not self._awake():
            raise OSError(5)

    def _awake(self) -> bool:
        """The first transfer after waking up is not acknowledged."""
        chip = self.chip
        if not chip.powered or chip.now_us < chip.ready_us:
            return False
        if chip.first_nack:
            chip.first_nack = False
            return False
        return True

    def _spoiled(self, kind: str, frame: bytes) -> bytes:
        spoiled = bytearray(frame)
        if self.spoil:
            self.spoil(kind, spoiled)
        return bytes(spoiled)

    def readfrom_mem_into(self, address: int, register: int, buffer: Buffer) -> None:
        self._begin(address, len(buffer) + 3)
        heard = self._spoiled("register", bytes((register,)))[0]
        count = (len(buffer) + 1) // 2 if self.chip.crc else len(buffer)
        data = self.chip.read(heard, count)
        self.chip.heard_us = self.chip.now_us
        if self.chip.crc:
            head = bytes((address << 1, heard, address << 1 | 1))
            checks = [crc8(head + data[:1]), *[crc8(data[n : n + 1]) for n in range(1, count)]]
            data = bytes(b for pair in zip(data, checks, strict=True) for b in pair)
        buffer[:] = self._spoiled("read", data[: len(buffer)])

    def writeto(self, address: int, buffer: bytes | Buffer) -> int:
        """How many bytes were acknowledged; a byte whose check is wrong is the first that is not."""
        self._begin(address, len(buffer) + 1)
        frame = self._spoiled("write", bytes(buffer))
        register, data = frame[0], frame[1:]
        if self.chip.crc:
            data = self._checked(address, frame)
        if data:
            self.chip.heard_us = self.chip.now_us
            self.chip.write(register, data)
        return 1 + (2 * len(data) if self.chip.crc else len(data))

    def _checked(self, address: int, frame: bytes) -> bytes:
        good = bytearray()
        for n in range(1, len(frame) - 1, 2):
            head = bytes((address << 1, frame[0])) if n == 1 else b""
            if crc8(head + frame[n : n + 1]) != frame[n + 1]:
                self.bad_checks += 1
                break
            good.append(frame[n])
        return bytes(good)


class Lines:
    """SCL and SDA. Something holds SDA until `clocks` have been given to it; `scl_held` can not be helped."""

    def __init__(self) -> None:
        self.held = False
        self.clocks = 0
        self.scl_held = False
        self.stops = 0
        self.given = 0
        self.scl = Line(self, "scl")
        self.sda = Line(self, "sda")

    def stick(self, clocks: int) -> None:
        self.held = True
        self.clocks = clocks

    def edge(self, name: str, before: int, now: int) -> None:
        if name == "scl" and now > before and not self.scl_held:
            self.given += 1
            self.clocks -= 1
            self.held = self.held and self.clocks > 0
        if name == "sda" and now > before and self.scl.value() and self.sda.value():
            self.stops += 1


class Line:
    """`machine.Pin` of one line, open drain: what reads 1 is high only while nobody pulls it down."""

    def __init__(self, lines: Lines, name: str) -> None:
        self._lines = lines
        self._name = name
        self._driven = 1
        self.broken = False

    def value(self, *level: int) -> int:
        if self.broken:
            raise OSError(5)
        if level:
            before, self._driven = self._driven, 1 if level[0] else 0
            self._lines.edge(self._name, before, self._driven)
        pulled = self._lines.held if self._name == "sda" else self._lines.scl_held
        return 0 if pulled else self._driven


class Clock:
    """`sleep_us` and the ticks of MicroPython's `time`, by the chip's time; the ticks wrap half a second in."""

    def __init__(self, chip: Bq76952Chip) -> None:
        self._chip = chip
        self.slept_us = 0

    def sleep_us(self, us: int) -> None:
        self.slept_us += us
        self._chip.advance_us(us)

    def ticks_ms(self) -> int:
        return (self._chip.now_us // 1000 - 500) & 0x3FFFFFFF

    def ticks_diff(self, later: int, earlier: int) -> int:
        return (later - earlier + 0x20000000 & 0x3FFFFFFF) - 0x20000000
