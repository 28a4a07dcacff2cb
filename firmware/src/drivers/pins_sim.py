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

    def write(self, paths, precharge, heater, mask):
        """Sets the outputs; they are sent when the cycle is over."""
        self.outputs = paths | precharge << 2 | heater << 3
        for i in range(16):
            self.mask[i] = mask[i]
