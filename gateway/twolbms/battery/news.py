"""Turns changes of one pack into events: states, paths, heater, silence, faults, allowances. Only tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twolbms.battery.allowance import Cap
from twolbms.battery.faults import Change, Faults, reading_of
from twolbms.battery.latest import NS
from twolbms.battery.pack_state import PackState, PathWord
from twolbms.battery.requests import Ticket
from twolbms.battery.setup import PackSetup
from twolbms.battery.telling import answer_told, evidence, fault_told, number, reason_text
from twolbms.diagnoses import DIAGNOSES
from twolbms.recording import Recording

_ALLOWANCE_EVERY_NS = 10 * NS
_ZERO_EVERY_NS = 2 * NS


class News:
    """Events of one pack."""

    def __init__(self, setup: PackSetup, recording: Recording) -> None:
        self._setup = setup
        self._recording = recording
        self._sensors: Sequence[str] = setup.type.sensors.temperatures
        self._allowances: dict[str, tuple[str, bool, int]] = {}

    def tell(self, now_ns: int, kind: str, text: str, data: dict[str, Any] | None = None) -> None:
        """An event of this pack."""
        self._recording.event(now_ns, kind, self._setup.name, text, data)

    # --- node ---

    def heard(self, state: str | None, paths: Sequence[PathWord], silent_s: float | None, now_ns: int) -> None:
        """The node is heard, for the first time or again."""
        again = "" if silent_s is None else f" again after {silent_s:.0f} s"
        shown = "closed" if "closed" in paths else paths[0]
        self.tell(now_ns, "node_heard", f"node {self._setup.node} is heard{again}: state {state}, paths {shown}",
                  {"node": self._setup.node, "state": state, "silent_s": silent_s})

    def silent(self, messages: Sequence[str], paths: Sequence[PathWord], speaks: bool, now_ns: int) -> None:
        """The node is not heard any more, or, while it still `speaks`, one of its safety messages."""
        shown = "measured open" if set(paths) == {"open"} else "not open"
        which = f"not sending {' and '.join(messages)}" if speaks else "silent"
        self.tell(now_ns, "node_silent", f"node {self._setup.node} is {which}; last heard {shown}",
                  {"node": self._setup.node, "messages": list(messages)})

    def rebooted(self, boot_id: int, now_ns: int) -> None:
        """The node has booted since it was heard last."""
        self.tell(now_ns, "node_rebooted", f"node {self._setup.node} has booted", {"boot_id": boot_id})

    def state(self, old: str | None, new: str | None, now_ns: int) -> None:
        """The node's state of the closing sequence changed."""
        self.tell(now_ns, "state", f"state {old} to {new}", {"from": old, "to": new})

    # --- paths ---

    def opened(self, paths: str, why: dict[str, Any], now_ns: int) -> None:
        """`paths` (both, charge or discharge) are measured open now; `why` is what `opened_why` gave."""
        said = "opened" if paths == "both" else f"{paths} path opened"
        self.tell(now_ns, "opened", f"{said}: {why['text']}", {**why, "path": paths})

    def closed(self, paths: str, by: str | None, now_ns: int) -> None:
        """`paths` are measured closed now; `by` asked for it, None when the node did it by itself."""
        said = "closed" if paths == "both" else f"{paths} path closed"
        who = "the node closed by itself" if by is None else f"asked by {by}"
        self.tell(now_ns, "closed", f"{said}: {who}", {"path": paths, "by": by or "node"})

    def path_unclear(self, path: str, word: PathWord, now_ns: int) -> None:
        """The feedback of a path is an error or unknown."""
        self.tell(now_ns, "path_unclear", f"{path} path: feedback {word}", {"path": path, "feedback": word})

    def opened_why(self, reason: str | None, faults: Faults, state: PackState, asked_by: str | None) -> dict[str, Any]:
        """Why a path opened: the limit with its worst reading, or the reason in words."""
        if reason not in DIAGNOSES:
            text = f"asked by {asked_by}" if reason == "gateway_request" and asked_by else reason_text(reason)
            return {"text": text, "reason": reason}
        fault = faults.active.get(reason)
        reading = fault.worst if fault is not None else reading_of(reason, state.messages)
        text, data = evidence(reason, "trip", reading, faults.threshold(reason, "trip"), self._sensors)
        return {"text": f"{reason.replace('_', ' ')}, {text}", "reason": reason, **data}

    def heater(self, word: str, coldest_c: float | None, now_ns: int) -> None:
        """The heater relay as measured changed."""
        cold = "" if coldest_c is None else f", coldest sensor {number(coldest_c, 'degC')}"
        self.tell(now_ns, "heater", f"heater {word}{cold}", {"on": word == "on", "temperature_min_c": coldest_c})

    # --- faults, allowances, requests ---

    def fault(self, change: Change, faults: Faults, now_ns: int) -> None:
        """A tier or a latch appeared or went away."""
        tier = change.what if change.what != "latched" else "trip"
        threshold = faults.threshold(change.fault.diagnosis.name, tier)
        text, data = fault_told(change.fault, change.what, change.appeared, threshold, self._sensors, now_ns)
        kinds = ("latched", "latch_cleared") if change.what == "latched" else ("fault", "fault_gone")
        self.tell(now_ns, kinds[0 if change.appeared else 1], text, data)

    def allowance(self, direction: str, cap: Cap, now_ns: int) -> None:
        """Tells that another rule sets the allowance, or that it came to or from 0 A: that soon, else each 10 s."""
        now = (cap.by, cap.current_a > 0)
        told = self._allowances.get(direction)
        pause_ns = _ALLOWANCE_EVERY_NS if now[1] else _ZERO_EVERY_NS
        if told is not None and (told[:2] == now or now_ns - told[2] < pause_ns):
            return
        self._allowances[direction] = (*now, now_ns)
        if told is not None:
            text = f"{direction} allowed {cap.current_a:.0f} A: {reason_text(cap.by)}"
            self.tell(now_ns, "allowance", text, {"direction": direction, "current_a": round(cap.current_a, 2),
                                                  "limited_by": cap.by})

    def asked(self, ticket: Ticket, now_ns: int) -> None:
        """Somebody asks something of the node."""
        self.tell(now_ns, "request", f"{ticket.by} asks for {ticket.what}", {"what": ticket.what, "by": ticket.by})

    def ended(self, ticket: Ticket, now_ns: int) -> None:
        """A request has its outcome."""
        text, data = answer_told(ticket)
        self.tell(now_ns, "answer", text, data)
