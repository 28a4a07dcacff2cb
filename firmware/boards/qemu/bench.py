"""The emulated board as running.loop takes a real one: plant and bus over UARTs, and the console on a third.

The clock is the plant's: a cycle is due when a reading has come. There is no watchdog and no backup memory.
"""

import safe
from drivers.afe_sim import SimulatedAfe
from drivers.can_slcan import SlcanCan
from drivers.pins_sim import SimulatedPins
from drivers.plant_link import PlantLink
from drivers.uart_mps2 import BusUart, PlantUart, heard

SLOT_BYTES = 98304  # firmware/platform/boards/qemu.json


class Board:
    """What a board has besides sensors, outputs and bus."""

    name = safe.BOARD.decode()
    SLOT_BYTES = SLOT_BYTES

    def console(self):
        return self

    def watchdog(self):
        return self

    def feed(self):
        pass

    def idle(self):
        pass

    def byte(self):
        """The next byte of the console, or -1."""
        return heard()

    def say(self, text):
        print(text)


class _Pins(SimulatedPins):
    def measured_open(self):
        """As SimulatedPins reads it, and nothing is asked to be closed."""
        return not (self.outputs & 15 or self.feedback or self.heater_on)

    def drop(self):
        self.outputs = 0


class _Afe(SimulatedAfe):
    def start(self, limits):
        return 0

    def sleep(self):
        pass


class _Can(SlcanCan):
    """`update` is a store.update.Update in service, else None: what it takes the node's requests do not see."""

    update = None

    def receive(self):
        update = self.update
        while SlcanCan.receive(self):
            if update is None or not update.frame(self.rx_id, self.rx_data):
                return True
        return False


class Bench:
    """`afe`, `pins` and `can` as node.cycle takes them; wait() and finish() stand around a cycle."""

    def __init__(self, limits, number):
        self.board = Board()
        bus = BusUart()
        self._plant = PlantUart(bus)
        self.link = PlantLink(self._plant, number, limits.CELLS, limits.SENSORS)
        self.afe = _Afe(self.link)
        self.pins = _Pins(self.link)
        self.can = _Can(bus)
        self.can.open()
        self.link.hello()

    def wait(self, meanwhile):
        """Until the next reading is there, `meanwhile` called for what comes on the console; its time in ms."""
        self._plant.hear = meanwhile
        self.link.wait()
        return self.link.time_ms()

    def finish(self):
        """Lets the cycle's frames and outputs out."""
        self.can.pump_out()
        self.link.answer(self.pins.outputs, self.pins.mask)
