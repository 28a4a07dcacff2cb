"""The bench over a node's service console: its integers become V, A, degC, its refusals words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twolbms.build.node_port import PortError
from twolbms.build.service_console import OrderRefusedError, ServiceConsole, Version
from twolbms.commissioning.readings import Attempt, BenchError, Calibration, Facts, Readings

_BITS = {"charge": 1, "discharge": 2, "precharge": 4, "heater": 8}


class ConsoleBench:
    """A node whose console has begun. `places`, `not_fitted` and `silent_outputs` are the pack's, see Facts."""

    def __init__(self, console: ServiceConsole, version: Version, places: Iterable[str] = (),
                 not_fitted: Iterable[str] = (), silent_outputs: Iterable[str] = ()) -> None:
        self._console = console
        self._version = version
        self._of_pack = tuple(places), frozenset(not_fitted), frozenset(silent_outputs)

    def facts(self) -> Facts:
        """See Bench."""
        stored, now = self._order("read_back"), self._order("readings", raw=True)
        places, not_fitted, silent = self._of_pack
        return Facts(
            board=self._version.board, pack=self._version.pack, firmware=self._version.firmware,
            limit_hash=self._version.limit_hash, serial=stored["serial"], number=stored["number"],
            sound=stored["sound"], reason=stored["reason"], cells=stored["cells"], sensors=stored["sensors"],
            outputs=tuple(now["outputs"]), by_tap=now["by_tap"], bounds=stored["bounds"],
            commissioned=stored["commissioned"], places=places,
            not_fitted=not_fitted, silent_outputs=silent)

    def readings(self, raw: bool) -> Readings:
        """See Bench."""
        told = self._order("readings", raw=raw)
        closed = told["feedback"] | (8 if told["heater_on"] else 0)
        return Readings(
            cells_v=_scaled(told["cells_mv"], 1000), temps_c=_scaled(told["temps_dc"], 10),
            pack_v=_in(told["pack_mv"], 1000), link_v=_in(told["link_mv"], 1000),
            current_a=_in(told["current_ma"], 1000), closed=_named(closed), feedback_known=told["feedback_known"],
            interlock_closed=told["interlock_closed"], estop_closed=told["estop_closed"],
            clear_pressed=told["clear_pressed"], armed=told["armed"], open_wires=told["open_wires"],
            monitor_sound=told["monitor_sound"], fresh=told["fresh"])

    def attempt(self, which: str) -> Attempt:
        """See Bench."""
        try:
            told = self._console.order("output", which=which)
        except OrderRefusedError as error:
            return Attempt(which, why=error.why, refused=str(error))
        except PortError as error:
            raise BenchError(str(error)) from error
        return Attempt(which, _named(told["before"]), _named(told["on"]), _named(told["after"]),
                       _in(told["link_mv"], 1000), _in(told["current_ma"], 1000), told["stopped"])

    def calibrate(self, calibration: Calibration) -> None:
        """See Bench."""
        self._save(calibration.values)

    def commission(self, record: str) -> None:
        """See Bench."""
        self._save({"commissioned": record})

    def _save(self, values: Any) -> None:
        """Sets, saves, and sees that flash has what was set."""
        for key, value in values.items():
            self._order("set", key=key, value=value)
        self._order("save")
        if not self._order("read_back")["equal"]:
            raise BenchError("what was written reads back differently")

    def _order(self, do: str, **more: Any) -> dict[str, Any]:
        try:
            return self._console.order(do, **more)
        except (OrderRefusedError, PortError) as error:
            raise BenchError(f"the node: {error}") from error


def _in(value: int | None, divisor: int) -> float | None:
    return None if value is None else value / divisor


def _scaled(values: Iterable[int | None], divisor: int) -> tuple[float | None, ...]:
    return tuple(_in(value, divisor) for value in values)


def _named(bits: int) -> frozenset[str]:
    return frozenset(name for name, bit in _BITS.items() if bits & bit)
