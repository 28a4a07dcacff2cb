"""The flash interface of an STM32G474 in dual-bank mode, at register level: RM0440, chapter 5.

`registers` stands for machine.mem32, `content` for what the processor reads in the simulated range. A write that the
chip would refuse sets the chip's error flag and changes nothing.
"""

from __future__ import annotations

ACR, KEYR, SR, CR, OPTR = 0x40022000, 0x40022008, 0x40022010, 0x40022014, 0x40022020
KEYS = (0x45670123, 0xCDEF89AB)
LOCK, BUSY = 1 << 31, 1 << 16
PROGRAM, ERASE, START, SECOND_BANK = 1, 2, 1 << 16, 1 << 11
PROGERR, PGAERR, PGSERR = 1 << 3, 1 << 5, 1 << 7
BANK_BYTES, PAGE = 256 * 1024, 2048
FLASH = 0x08000000


class Stm32g4Flash:
    """`first` and `size` are of the range that is simulated; `busy_reads` is how often SR says busy afterwards."""

    def __init__(self, first: int, size: int, busy_reads: int = 2) -> None:
        self.first = first
        self.content = bytearray(b"\xff" * size)
        self.busy_reads = busy_reads
        self.erased: list[int] = []  # pages of the range, in order
        self.programmed = 0  # double words
        self.stale_reads = False  # the data cache was on while the flash changed, and was not reset since
        self._words: dict[int, int] = {ACR: 0x0600, SR: 0, CR: LOCK, OPTR: 0xFFEFF8AA}
        self._written = [False] * (size // 8)  # a double word is programmed once, also with ones
        self._half: tuple[int, int] | None = None
        self._busy = 0
        self._keys: list[int] = []

    @property
    def registers(self) -> Stm32g4Flash:
        """This object, as machine.mem32."""
        return self

    def __getitem__(self, address: int) -> int:
        if address == SR and self._busy:
            self._busy -= 1
            return self._words[SR] | BUSY
        value = self._words[address]
        return value - (1 << 32) if value & LOCK else value  # mem32 reads signed

    def __setitem__(self, address: int, value: int) -> None:
        value &= 0xFFFFFFFF
        if self.first <= address < self.first + len(self.content):
            self._program(address - self.first, value)
        elif address == KEYR:
            self._unlock(value)
        elif address == SR:
            self._words[SR] &= ~value
        elif address == CR:
            self._control(value)
        elif address == ACR:
            if value & 1 << 12 and not self._words[ACR] & 1 << 10:
                self.stale_reads = False
            self._words[ACR] = value
        else:
            raise AssertionError(f"nothing is at {address:08x}")

    def _unlock(self, key: int) -> None:
        self._keys.append(key)
        if self._keys == list(KEYS):
            self._words[CR] &= ~LOCK
            self._keys = []
        elif self._keys != list(KEYS[:len(self._keys)]):
            raise AssertionError("a wrong key: a bus error, and locked until the next reset")

    def _control(self, value: int) -> None:
        if self._words[CR] & LOCK:
            raise AssertionError("CR is locked")
        assert not self._busy, "CR may not be written while busy"
        self._words[CR] = value & ~START
        if value & START:
            assert value & ERASE
            self._erase(value >> 3 & 0x7F, bool(value & SECOND_BANK))

    def _erase(self, page: int, second: bool) -> None:
        at = FLASH + (BANK_BYTES if second else 0) + page * PAGE - self.first
        if not 0 <= at < len(self.content):
            raise AssertionError("erases what is not this range: MicroPython itself, or the boot files")
        self.content[at:at + PAGE] = b"\xff" * PAGE
        self._written[at // 8:(at + PAGE) // 8] = [False] * (PAGE // 8)
        self.erased.append(at // PAGE)
        self._change()

    def _program(self, at: int, word: int) -> None:
        if self._words[CR] & LOCK or not self._words[CR] & PROGRAM:
            self._words[SR] |= PGSERR
        elif self._half is None:
            if at % 8:
                self._words[SR] |= PGAERR
            self._half = (at, word)
        else:
            first, low = self._half
            self._half = None
            if at != first + 4:
                self._words[SR] |= PGAERR
            elif self._written[first // 8]:
                self._words[SR] |= PROGERR
            else:
                self._written[first // 8] = True
                self.content[first:first + 8] = (low | word << 32).to_bytes(8, "little")
                self.programmed += 1
                self._change()

    def _change(self) -> None:
        self._busy = self.busy_reads
        if self._words[ACR] & 1 << 10:
            self.stale_reads = True
