"""What the kernel's error frames say of the controller: counts, and its state. Knows linux/can/error.h only."""

from __future__ import annotations

from twolbms.sources.bus import ACTIVE, BUS_OFF, PASSIVE, WARNING

# Bits of the error frame's id
_CONTROLLER, _NO_ACK, _BUS_OFF, _RESTARTED = 0x04, 0x20, 0x40, 0x100
# Bits of its data[1] under _CONTROLLER
_RX_OVERFLOW, _BECAME_WARNING, _BECAME_PASSIVE, _BECAME_ACTIVE = 0x01, 0x0C, 0x30, 0x40


class Controller:
    """One controller since its bus was opened; `state` is None until somebody has told it."""

    def __init__(self, state: int | None = None) -> None:
        self.state = state
        self.errors = self.no_ack = self.bus_off = self.restarted = self.overflow = self.warning = self.passive = 0

    def take(self, error_id: int, data: bytes) -> None:
        """One error frame: its id without the flag, and its data, of which less than 8 bytes is read as zeros."""
        self.errors += 1
        detail = data[1] if error_id & _CONTROLLER and len(data) > 1 else 0
        self.overflow += bool(detail & _RX_OVERFLOW)
        self.no_ack += bool(error_id & _NO_ACK)
        if error_id & _RESTARTED:
            self.restarted += 1
            self.state = ACTIVE
        if detail & _BECAME_PASSIVE:
            self.passive += 1
            self.state = PASSIVE
        elif detail & _BECAME_WARNING:
            self.warning += 1
            self.state = WARNING
        elif detail & _BECAME_ACTIVE:
            self.state = ACTIVE
        if error_id & _BUS_OFF:
            self.bus_off += 1
            self.state = BUS_OFF

    def counts(self) -> dict[str, int]:
        """By the names of docs/buses.md."""
        counted = {"error": self.errors, "no_ack": self.no_ack, "bus_off": self.bus_off, "restarted": self.restarted,
                   "overflow": self.overflow, "warning": self.warning, "passive": self.passive}
        return counted if self.state is None else counted | {"state": self.state}
