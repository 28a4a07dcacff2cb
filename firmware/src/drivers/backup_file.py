"""Backup memory of a board that has none: a small record in flash, which littlefs keeps beside the file's name."""

_BYTES = 12


class FileBackup:
    """As WordBackup, over a store.record.Record. A write takes milliseconds; one that fails leaves what was before."""

    may_lag = True
    torn = False

    def __init__(self, record):
        self.record = record
        self.errors = 0

    def write(self, data):
        if self.record.write(bytes(data)):
            return True
        self.errors += 1
        return False

    def read(self, data):
        kept = self.record.read()
        if kept is None or len(kept) != _BYTES:
            return False
        data[:] = kept
        return True
