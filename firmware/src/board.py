"""The simulated board: pins and front-end over the plant link, the bus over slcan or over the same link.

A real board has a file like this with its pins; nothing below `node/` knows which one runs.
"""

import gc
import os

from drivers.afe_sim import SimulatedAfe
from drivers.can_link import LinkCan
from drivers.can_slcan import SlcanCan
from drivers.pins_sim import SimulatedPins
from drivers.plant_link import PlantLink
from drivers.store_sim import SimulatedStore

RESET_POWER_ON = 1


class SimulatedBoard:
    """Everything outside the node's logic, over two byte streams; without a bus, frames go over the plant's."""

    def __init__(self, limits, number, plant, bus=None):
        self.link = PlantLink(plant, number, limits.CELLS, limits.SENSORS)
        self.afe = SimulatedAfe(self.link)
        self.pins = SimulatedPins(self.link)
        self.store = SimulatedStore(self.link, limits)
        if bus:
            self.can = SlcanCan(bus)
            self.can.open()
        else:
            self.can = LinkCan(self.link)
        self.reset_cause = RESET_POWER_ON

    def boot_id(self):
        """Another number with every boot; a scenario fixes it by having no bus of its own."""
        return os.urandom(1)[0] if hasattr(os, "urandom") and isinstance(self.can, SlcanCan) else 0

    def free_heap(self):
        gc.collect()
        return gc.mem_free() if hasattr(gc, "mem_free") else 0

    def wait(self):
        """Blocks until the next cycle is due; its time in ms, or -1 when the plant has gone."""
        if not self.link.wait():
            return -1
        self.can.pump_in()
        return self.link.time_ms()

    def finish(self):
        """Lets the outputs and frames of the cycle out."""
        self.can.pump_out()
        self.link.answer(self.pins.outputs, self.pins.mask)
