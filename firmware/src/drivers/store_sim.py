"""A simulated store: a fault memory of this life, and what the plant says of earlier ones."""

from node.report import PPM_PERCENT
from store.faults import FaultMemory


class SimulatedStore:
    """`bad` is 1 when configuration or fault memory is not sound; `restarts` counts those without a healthy minute;
    `wear_ppm` is the share of the outputs' life that earlier lives of the node have used."""

    def __init__(self, link, limits):
        self.link = link
        self.faults = FaultMemory(limits.SIGN)
        self.bad = 0
        self.commissioned = 1  # there is no wire to check
        self.restarts = 0
        self.wear_ppm = 0

    def attach(self, protect):
        self.faults.attach(protect.bits)

    def read(self):
        self.bad = self.link.reading[7] >> 6 & 1
        self.restarts = self.link.reading[32]
        self.wear_ppm = self.link.reading[33] * PPM_PERCENT

    def step(self, values, known, minutes):
        self.faults.follow(values, known, minutes)
