"""A CAN wire in this process for simulated controllers: arbitration, acknowledgement, error counters, bus-off.

One step of `run` is one try to send a frame, or as much silence. It knows neither time nor what frames mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from twolbms.sim.bus import arbitration_field
from twolbms.sim.slcan import CanFrame

STOPPED, ACTIVE, WARNING, PASSIVE, BUS_OFF = range(5)
_REJOIN = 128  # sequences of 11 recessive bits to leave bus-off, ISO 11898-1
_SILENT_STEP = 12  # of them in the time of one frame


class ErrorCounters:
    """Transmit and receive error counters of one controller and the state that follows from them."""

    def __init__(self) -> None:
        self.warnings = self.passives = self.bus_offs = 0
        self._begin()

    def _begin(self) -> None:
        self.tec = self.rec = 0
        self.bus_off = False
        self._rejoining = 0

    @property
    def state(self) -> int:
        worst = max(self.tec, self.rec)
        if self.bus_off:
            return BUS_OFF
        return PASSIVE if worst >= 128 else WARNING if worst >= 96 else ACTIVE

    def sent(self) -> None:
        self.tec = max(0, self.tec - 1)

    def not_sent(self, acknowledge_missing: bool) -> None:
        """A failed try. A passive sender that only misses the acknowledgement counts no further (exception 1)."""
        if acknowledge_missing and self.tec >= 128:
            return
        before = self.state
        self.tec += 8
        if self.tec > 255:
            self.bus_off, self.bus_offs = True, self.bus_offs + 1
            self.tec = 255
        self.warnings += before < WARNING <= self.state
        self.passives += before < PASSIVE <= self.state

    def begin_rejoining(self) -> None:
        """From now on recessive bits lead out of bus-off."""
        if self.bus_off and not self._rejoining:
            self._rejoining = _REJOIN

    def recessive(self, sequences: int) -> None:
        """So many times 11 recessive bits were seen."""
        if self._rejoining:
            self._rejoining = max(0, self._rejoining - sequences)
            if not self._rejoining:
                self._begin()


class Station(ABC):
    """A controller as the wire sees it; what it wants to send and does with what it hears is each one's own."""

    rejoins = False  # whether bus-off ends by itself

    def __init__(self, wire: CanWire) -> None:
        self.wire = wire
        self.line = ErrorCounters()
        self.online = False
        self.silent = False
        self.bitrate = wire.bitrate
        wire.stations.append(self)

    @abstractmethod
    def held(self) -> list[CanFrame]:
        """The frames that wait in it, in no order."""

    def offered(self) -> CanFrame | None:
        """The frame it would send now: the first by priority, where a controller does not differ."""
        return min(self.held(), key=arbitration_field, default=None)

    @abstractmethod
    def delivered(self, frame: CanFrame) -> None:
        """That frame was sent and acknowledged."""

    @abstractmethod
    def hear(self, frame: CanFrame) -> None:
        """A frame of another."""

    @property
    def acknowledges(self) -> bool:
        return self.online and not self.silent and not self.line.bus_off and self.bitrate == self.wire.bitrate


class CanWire:
    """The stations on one pair of wires; `shorted` destroys every frame and leaves no recessive bit."""

    def __init__(self, bitrate: int = 500_000) -> None:
        self.bitrate = bitrate
        self.shorted = False
        self.stations: list[Station] = []

    def run(self, steps: int) -> None:
        """So many tries to send, or as much silence."""
        for _ in range(steps):
            self._step()

    def _step(self) -> None:
        talking = [(arbitration_field(frame), at, frame) for at, station in enumerate(self.stations)
                   if station.online and not station.silent and not station.line.bus_off
                   and (frame := station.offered()) is not None]
        if talking:
            _, at, frame = min(talking)
            self._send(self.stations[at], frame)
        if not self.shorted:
            for station in self.stations:
                if station.rejoins:
                    station.line.begin_rejoining()
                station.line.recessive(1 if talking else _SILENT_STEP)

    def _send(self, sender: Station, frame: CanFrame) -> None:
        if self.shorted or sender.bitrate != self.bitrate:
            sender.line.not_sent(acknowledge_missing=False)
        elif not any(other.acknowledges for other in self.stations if other is not sender):
            sender.line.not_sent(acknowledge_missing=True)
        else:
            sender.line.sent()
            sender.delivered(frame)
            for other in self.stations:
                if other is not sender and other.online and not other.line.bus_off and other.bitrate == self.bitrate:
                    other.hear(frame)


class Bystander(Station):
    """Another device on the wire: sends what stands in `outbox`, keeps what it `heard`, acknowledges while `online`."""

    def __init__(self, wire: CanWire, online: bool = True) -> None:
        super().__init__(wire)
        self.online = online
        self.outbox: deque[CanFrame] = deque()
        self.heard: list[CanFrame] = []
        self.babble: CanFrame | None = None  # sent without end

    def held(self) -> list[CanFrame]:
        return list(self.outbox)

    def offered(self) -> CanFrame | None:
        return self.outbox[0] if self.outbox else self.babble

    def delivered(self, frame: CanFrame) -> None:
        if self.outbox and self.outbox[0] is frame:
            self.outbox.popleft()

    def hear(self, frame: CanFrame) -> None:
        self.heard.append(frame)
