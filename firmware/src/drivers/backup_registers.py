"""Backup registers where MicroPython is older than 1.29 and has no machine.mem_backup(): words for backup_memory."""


class Registers:
    """They are reached by `machine.mem32`; their addresses are made once, being large numbers.

    STM32G4: TAMP_BKP0R is 0x40002500 (RM0440); the port opens the backup domain for writing when it starts its clock.
    """

    def __init__(self, mem32, base, count):
        self.mem32 = mem32
        self.addresses = [base + 4 * k for k in range(count)]

    def __len__(self):
        return len(self.addresses)

    def __getitem__(self, k):
        return self.mem32[self.addresses[k]]

    def __setitem__(self, k, word):
        self.mem32[self.addresses[k]] = word
