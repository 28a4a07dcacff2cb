"""Pins with the one method drivers use of MicroPython's `machine.Pin`, and what can go wrong with a pin."""

from __future__ import annotations


class GpioPin:
    """`value()` reads the level at the pin, `value(level)` drives it. `log` keeps what was driven, in order.

    `held` is a level that something outside forces on the pin; `broken` an exception that every use raises.
    """

    def __init__(self, name: str = "", level: int = 0, log: list[tuple[str, int]] | None = None) -> None:
        self.name = name
        self.driven = level
        self.held: int | None = None
        self.broken: BaseException | None = None
        self.log: list[tuple[str, int]] = [] if log is None else log

    @property
    def level(self) -> int:
        return self.driven if self.held is None else self.held

    def value(self, *level: int) -> int | None:
        if self.broken is not None:
            raise self.broken
        if not level:
            return self.level
        self.driven = 1 if level[0] else 0
        self.log.append((self.name, self.driven))
        return None


class Coil:
    """A contactor on an output pin: its auxiliary contact follows the coil `delay` looks later, or is stuck."""

    def __init__(self, output: GpioPin, active: int, delay: int = 0) -> None:
        self.output = output
        self.active = active
        self.delay = delay
        self.welded = False
        self._seen: list[int] = []

    def value(self) -> int:
        """The auxiliary contact: 1 while the main contacts are closed."""
        self._seen.append(1 if self.output.level == self.active else 0)
        if self.welded:
            return 1
        return self._seen[-1 - self.delay] if len(self._seen) > self.delay else 0
