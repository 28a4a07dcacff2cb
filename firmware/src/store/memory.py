"""All that a node remembers, as its cycle and its main loop use it: configuration, faults, backup memory."""

import sys

from drivers.const import const

from store.faults import FaultMemory
from store.record import Record

_MOST_FAILED = const(3)  # saves in a row
_ONLY_AT_BOOT = ("startup", "config_form")


class Memory:
    """`bad` is 1 while the configuration or the memory is not sound, `commissioned` 1 when the node was checked under
    these limits; `wear_ppm` is what earlier lives used up.

    `backup` is a WordBackup, a FileBackup, or None; `folder` ends in a slash where it is not empty.
    """

    def __init__(self, limits, folder="", backup=None):
        self.limits = limits
        self.backup = backup
        self.config_record = Record(folder + "config")
        self.fault_record = Record(folder + "faults")
        self.faults = FaultMemory(limits.SIGN)
        self.config = None
        self.bad = 1
        self.commissioned = 0
        self.restarts = 0
        self.wear_ppm = 0
        self.boot_id = 0
        self._failed = 0

    def start(self, cause):
        """Reads everything and begins a life, by reset cause as NodeInfo tells it; blocks, outputs are open.

        Do this before the node is imported: what only a boot needs has left the heap again when it returns.
        """
        from store import startup

        startup.start(self, cause)
        self.judge()
        package = sys.modules["store"]
        for name in _ONLY_AT_BOOT:
            if sys.modules.pop("store." + name, None):
                delattr(package, name)

    def attach(self, protect):
        """Follows the limit table from now on. Each row that was held goes to protect.remember(): it blocks again."""
        self.faults.attach(protect.bits)
        for row in range(self.faults.rows):
            if self.faults.is_held(row):
                protect.remember(row)

    def read(self):
        """Nothing is read in a cycle; a simulated store is."""

    def step(self, values, known, minutes):
        """In the cycle, when nothing changes a latch any more: what tripped, and what is latched. Allocates nothing."""
        self.faults.follow(values, known, minutes)

    def finish(self, contactor, heat, healthy, open_now, periods):
        """Right after each cycle, outside its locked part: totals, health, the backup memory, and a save to flash when
        one is due: then True. `open_now`: outputs are off, and measured off. Only the save allocates."""
        faults = self.faults
        faults.keep(self.wear_ppm + contactor.wear_ppm, heat.energy_wh, heat.spent_j, contactor.tries,
                    contactor.open_requested)
        if faults.life.tick(healthy, contactor.paths or contactor.precharge, periods):
            faults.change()
        self.restarts = faults.life.restarts
        if faults.backup_due:
            self.back_up()
        return faults.save_due(open_now, periods) and self.save()

    def back_up(self):
        """Keeps the twelve bytes; a backup memory that does not take them counts that itself."""
        faults = self.faults
        faults.backup_due = False
        if self.backup is not None:
            faults.pack_small()
            self.backup.write(faults.small)

    def save(self):
        """Writes flash; False when that failed."""
        table = self.faults.trips.table
        try:
            saved = self.fault_record.write(self.faults.pack(), table, 4 * len(table))
        except MemoryError:
            saved = False
        self.faults.tried(saved)
        self._failed = 0 if saved else min(_MOST_FAILED, self._failed + 1)
        self.judge()
        return saved

    def judge(self):
        sound = self.config.sound and not self.faults.life.doubt and self._failed < _MOST_FAILED
        self.bad = 0 if sound else 1
        self.commissioned = 1 if self.config.sound and self.config.commissioned else 0
