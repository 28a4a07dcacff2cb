"""A simulated store: what the plant says the node remembers of earlier lives."""

PPM_PERCENT = 10000


class SimulatedStore:
    """`bad` is 1 when configuration or fault memory is not sound; `restarts` counts those without a healthy minute;
    `wear_ppm` is the share of the outputs' life that earlier lives of the node have used."""

    def __init__(self, link):
        self.link = link
        self.bad = 0
        self.restarts = 0
        self.wear_ppm = 0

    def read(self):
        self.bad = self.link.reading[7] >> 6 & 1
        self.restarts = self.link.reading[32]
        self.wear_ppm = self.link.reading[33] * PPM_PERCENT
