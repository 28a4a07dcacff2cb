"""The power goes while a node's memory of faults is written; see power_cut_device.py.

With the word "backup" as second argument a backup memory has its own supply: it then knows what is held in any case.
"""

import sys
from array import array

from drivers.backup_memory import WordBackup
from generated import limits_lfp_8s_320ah as limits
from power_cut_device import FOLDER, MIXED, NEW, NONE, OLD, main
from store.config import Config
from store.memory import Memory
from store.service import save_config
from store.trips import COUNT, LAST_MINUTES, WORST

ROWS = len(limits.SIGN)


class Part:
    """What the cycle's parts would tell."""

    paths = precharge = tries = spent_j = 0

    def __init__(self, version):
        row = version % ROWS
        self.bits = bytearray(24)  # the four pages of node.protect: warn, limit, trip, latched
        self.bits[12 + (row >> 3)] = self.bits[18 + (row >> 3)] = 1 << (row & 7)
        self.wear_ppm = 1
        self.energy_wh = 10 * version
        self.open_requested = version % 2 == 1


class FaultCuts:
    def __init__(self, survivor):
        self.survivor = survivor
        self.backup = None if survivor is None else WordBackup(survivor)
        self.told = False  # the cycle has gone far enough to have told the backup memory

    def first(self):
        memory = Memory(limits, FOLDER, self.backup)
        memory.start(1)
        config = Config(limits)
        config.number = 1
        if not save_config(memory, config):
            raise OSError
        self.change(0)

    def change(self, version):
        """A boot, a cycle in which a row trips and the row before is over, what follows the cycle, and another boot."""
        self.told = False
        memory = Memory(limits, FOLDER, self.backup)
        memory.start(1)
        part = Part(version)
        memory.wear_ppm = version
        memory.faults.attach(part.bits)
        memory.step(array("i", [-version] * ROWS), b"\x01" * ROWS, 1000 + version)
        self.told = self.backup is not None
        if not memory.finish(part, part, True, True, 10):
            raise OSError
        Memory(limits, FOLDER, self.backup).start(1)

    def judge(self, version):
        memory = Memory(limits, FOLDER, self.backup)
        memory.start(1)
        if memory.bad:
            return NONE
        faults = memory.faults
        found = MIXED
        for name, n in ((NEW, version), (OLD, version - 1)):
            row = n % ROWS
            if (memory.wear_ppm == 1 + n and faults.heater_wh == 10 * n and faults.trips.get(row, COUNT) >= 1
                    and faults.trips.get(row, LAST_MINUTES) == 1000 + n and faults.trips.get(row, WORST) == -n):
                found = name
                break
        held = version if self.told or found == NEW else version - 1
        if found != MIXED and (not self.holds_only(faults, held) or faults.open_requested != (held % 2 == 1)):
            return MIXED
        return found

    def holds_only(self, faults, version):
        return all(faults.is_held(row) == (row == version % ROWS) for row in range(ROWS))


main(FaultCuts(array("I", [0] * 4) if "backup" in sys.argv else None))
