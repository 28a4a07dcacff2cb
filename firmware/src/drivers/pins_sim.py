"""Simulated pins: outputs with their feedback, interlock, arming and charger sense, carried by the plant link."""


class SimulatedPins:
    """Two-bit states as in the DBC: 0 open or off, 1 closed or on."""

    def __init__(self, link):
        self.link = link
        self.feedback = 0
        self.feedback_known = True
        self.heater_on = 0
        self.interlock_closed = 1
        self.armed = 0
        self.charger_present = 0
        self.estop_closed = 1
        self.smoke = self.leak = 0
        self.clear_pressed = 0
        self.wake = 0
        self.beat = 0
        self.outputs = 0
        self.mask = bytearray(16)

    def read(self):
        """Takes what is measured from the last reading."""
        low = self.link.reading[6]
        self.feedback = low & 7
        self.heater_on = low >> 3 & 1
        self.interlock_closed = low >> 4 & 1
        self.armed = low >> 5 & 1
        self.charger_present = low >> 6 & 1
        self.feedback_known = not low & 0x80
        high = self.link.reading[7]
        self.estop_closed = high & 1
        self.smoke = high >> 1 & 1
        self.leak = high >> 2 & 1
        self.clear_pressed = high >> 3 & 1
        self.wake = high >> 4 & 1

    def write(self, paths, precharge, heater, mask):
        """Sets the outputs; they are sent when the cycle is over."""
        self.outputs = paths | precharge << 2 | heater << 3
        if self.mask != mask:
            for i in range(16):
                self.mask[i] = mask[i]
        self.beat = self.beat + 1 & 0xFF

    def show(self, light, asleep):
        """Lights or darkens the status light; `asleep` tells the plant that the node has gone to sleep."""
        self.outputs = self.outputs & 15 | asleep << 4 | light << 5
