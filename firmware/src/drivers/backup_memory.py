"""Small memory that outlives a reset: the backup registers of a microcontroller. Knows no content.

Of each 32-bit word 24 bits are used: no value leaves MicroPython's small integers, and a write allocates nothing.
"""

from drivers.const import const

_WORDS = const(4)  # as many as the smallest chip of ours has; twelve bytes
_TORN = const(0x4E5254)  # in word 0 while the others change; as the first three bytes it is never written


class WordBackup:
    """`words` is a memoryview of 32-bit words: machine.mem_backup() from MicroPython 1.29 on, or backup_registers.

    STM32G4: 16 or 32 words, kept through resets, and through power cuts while VBAT is fed. RP2040: 4 words, kept
    through resets only. `first` is the first word that is ours.
    """

    may_lag = False  # what is there is what was written last

    def __init__(self, words, first=0):
        if len(words) - first < _WORDS:
            raise ValueError("backup memory: four words are needed")
        self.words = words
        self.first = first
        self.torn = False  # the last read() found a write that a reset had interrupted
        self.errors = 0

    def write(self, data):
        """Keeps the 12 bytes of `data`; False when they do not read back, as with a write-protected backup domain."""
        words = self.words
        first = self.first
        words[first] = _TORN
        taken = True
        for k in range(_WORDS - 1, -1, -1):
            at = 3 * k
            word = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            words[first + k] = word
            taken = words[first + k] == word and taken
        if not taken:
            self.errors += 1
        return taken

    def read(self, data):
        """Fills the 12 bytes of `data`; False when nothing of ours is there."""
        words = self.words
        blank = True
        for k in range(_WORDS):
            word = words[self.first + k]
            if not 0 <= word <= 0xFFFFFF:
                return False
            blank = blank and word == 0
            for i in range(3):
                data[3 * k + i] = word >> 8 * i & 0xFF
        self.torn = words[self.first] == _TORN
        return not blank and not self.torn
