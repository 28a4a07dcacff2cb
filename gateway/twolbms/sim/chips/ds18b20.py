"""DS18B20 sensors on one wire, with the method names of MicroPython's `onewire.OneWire`. Time is handed in."""

from __future__ import annotations

from collections.abc import Callable

POWER_ON = bytes.fromhex("50054b467fff0c10")
_SKIP_ROM, _MATCH_ROM, _CONVERT, _WRITE, _READ = 0xCC, 0x55, 0x44, 0x4E, 0xBE
_BITS_MS = {0x1F: 94, 0x3F: 188, 0x5F: 375, 0x7F: 750}


def maxim_crc(data: bytes) -> int:
    """CRC-8 of the maker, bit by bit from the wire: x^8 + x^5 + x^4 + 1."""
    crc = 0
    for byte in data:
        for bit in range(8):
            mixed = (crc ^ byte >> bit) & 1
            crc = crc >> 1 ^ (0x8C if mixed else 0)
    return crc


class Ds18b20Chip:
    """One sensor. `takes_ms` is how long it really converts; `supplied` is False when its supply pin hangs free."""

    def __init__(self, rom: bytes = bytes.fromhex("28ff641e8216038f")) -> None:
        self.rom = rom
        self.celsius = 20.0
        self.takes_ms: float | None = None
        self.supplied = True
        self.takes_configuration = True
        self.power_cycle()

    def power_cycle(self) -> None:
        """The scratchpad says 85 degC and nothing converts."""
        self.pad = bytearray(POWER_ON)
        self.left_ms = 0.0

    def convert(self) -> None:
        self.left_ms = _BITS_MS[self.pad[4]] if self.takes_ms is None else self.takes_ms

    def advance(self, ms: float) -> None:
        if self.left_ms > 0:
            self.left_ms -= ms
            if self.left_ms <= 0:
                self.pad[0:2] = round(self.celsius * 16).to_bytes(2, "little", signed=True)

    def configure(self, data: bytes) -> None:
        if self.takes_configuration:
            self.pad[2:5] = data[0], data[1], data[2] | 0x1F


class OneWireBus:
    """`onewire.OneWire`: reset(), writebyte(), readinto(). `mishap` sees what is read and may change it or raise."""

    def __init__(self, *chips: Ds18b20Chip) -> None:
        self.chips = list(chips)
        self.mishap: Callable[[bytes], bytes] | None = None
        self.held_low = False  # a short to ground
        self._got = bytearray()
        self._out = b""

    def advance(self, ms: float) -> None:
        for chip in self.chips:
            chip.advance(ms)

    def reset(self) -> bool:
        """True when a sensor pulls the wire low; a short looks the same."""
        self._got = bytearray()
        self._out = b""
        return bool(self.chips) or self.held_low

    def writebyte(self, value: int) -> None:
        self._got.append(value)
        self._command()

    def readinto(self, buffer: bytearray) -> None:
        data = self._read(len(buffer))
        buffer[:] = self.mishap(data) if self.mishap else data

    def _read(self, count: int) -> bytes:
        if self.held_low:
            return bytes(count)
        if any(chip.left_ms > 0 and chip.supplied for chip in self.chips):
            return bytes(count)
        data, self._out = self._out[:count], self._out[count:]
        return data.ljust(count, b"\xff")

    def _chosen(self) -> tuple[list[Ds18b20Chip], bytes]:
        """The sensors that were addressed, and the bytes after the address."""
        if self._got[:1] == bytes([_SKIP_ROM]):
            return self.chips, bytes(self._got[1:])
        if self._got[:1] == bytes([_MATCH_ROM]) and len(self._got) > 9:
            return [chip for chip in self.chips if chip.rom == self._got[1:9]], bytes(self._got[9:])
        return [], b""

    def _command(self) -> None:
        chips, command = self._chosen()
        for chip in chips:
            if command == bytes([_CONVERT]):
                chip.convert()
            elif command[:1] == bytes([_WRITE]) and len(command) == 4:
                chip.configure(command[1:])
            elif command == bytes([_READ]):
                pad = bytes(chip.pad)
                answer = pad + bytes([maxim_crc(pad)])
                self._out = bytes(a & b for a, b in zip(self._out, answer, strict=True)) if self._out else answer
