"""The bars between packs and inverter: capacitor, charger, load, and the packs whose paths are closed.

Two packs on one link exchange current when they close at different voltages, as in a real bank. Charger and load sit
on the same bars also for packs with separate ports: never both at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from twolbms.sim.branch import Branch, Feed, settle, total_a
from twolbms.sim.profile import Profile

_HOLDING_A = 10.0  # what a charger gives at most to bars without a battery


class LinkedPack(Protocol):
    """What the link needs of a pack."""

    def main_branch(self) -> Branch | None:
        """The pack through its charge and discharge paths, None when both are open."""

    def precharge_branch(self) -> Branch | None:
        """The pack through its precharge resistor, None when that is open."""

    def carry(self, current_a: float, peak_a: float, bar_v: float, elapsed_s: float) -> None:
        """Lets a mean current flow for a time; `peak_a` is the current at its beginning."""


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """Input of an inverter: its capacitor, its bleed resistor, the range in which charger and load work.

    `charger_v` is the charger's constant voltage; the load stops below `load_min_v`.
    """

    charger_v: float
    load_min_v: float = 1.0
    capacitance_f: float = 10e-3
    bleed_ohm: float = 10_000.0


class Link:
    """The bars; `request` is what the story wants, the two allowances are what the gateway lets it have.

    `obeys` False makes an inverter that ignores allowances. `charger_present` None: present while charging is wanted.
    """

    def __init__(self, parameters: LinkParameters) -> None:
        self.parameters = parameters
        self.packs: list[LinkedPack] = []
        self.request = Profile(())
        self.request_from_s = 0.0
        self.charger_v = parameters.charger_v
        self.charger_present: bool | None = None
        self.charge_allowed_a: float | None = None
        self.discharge_allowed_a: float | None = None
        self.obeys = True
        self.bar_v = 0.0
        self.current_a = 0.0
        self._bleed = Branch(0.0, parameters.bleed_ohm)
        self._wanted_a = 0.0

    @property
    def charger_on(self) -> bool:
        """Whether charger voltage is there."""
        return self._wanted_a > 0 if self.charger_present is None else self.charger_present

    def ask(self, request: Profile, now_s: float) -> None:
        """Sets what charger and load want, counted from now."""
        self.request, self.request_from_s = request, now_s

    def step(self, now_s: float, elapsed_s: float) -> None:
        """Moves bars and packs on by a time that ends at `now_s`."""
        self._wanted_a = self.request.current_a(now_s - self.request_from_s)
        mains = [pack.main_branch() for pack in self.packs]
        pairs = list(zip(mains, (pack.precharge_branch() for pack in self.packs), strict=True))
        closed = [branch for pair in pairs for branch in pair if branch is not None]
        if self._wanted_a < 0 and not closed:
            self.bar_v = min(self.bar_v, self.parameters.load_min_v)  # the load empties the capacitor at once
        begin_v, feed = self.bar_v, self._feed(any(mains))
        self.bar_v, currents_a = settle((*closed, self._bleed), feed, begin_v, self.parameters.capacitance_f, elapsed_s)
        self.current_a = sum(currents_a) + self.parameters.capacitance_f * (self.bar_v - begin_v) / elapsed_s
        self._share(pairs, currents_a, begin_v, elapsed_s)

    def _share(self, pairs: list[tuple[Branch | None, Branch | None]], currents_a: list[float], begin_v: float,
               elapsed_s: float) -> None:
        flows = iter(currents_a)
        for pack, pair in zip(self.packs, pairs, strict=True):
            own = [branch for branch in pair if branch is not None]
            pack.carry(sum(next(flows) for _ in own), total_a(own, begin_v), self.bar_v, elapsed_s)

    def _feed(self, any_main: bool) -> Feed:
        if not any_main:  # no load runs without a battery, and a charger only holds its constant voltage
            return Feed(_HOLDING_A if self.charger_on else 0.0, self.charger_v)
        wanted_a = self._allowed(self._wanted_a)
        if wanted_a > 0:
            return Feed(wanted_a if self.charger_on else 0.0, self.charger_v)
        return Feed(wanted_a, self.parameters.load_min_v)

    def _allowed(self, wanted_a: float) -> float:
        if not self.obeys:
            return wanted_a
        if wanted_a > 0 and self.charge_allowed_a is not None:
            return min(wanted_a, self.charge_allowed_a)
        if wanted_a < 0 and self.discharge_allowed_a is not None:
            return max(wanted_a, -self.discharge_allowed_a)
        return wanted_a
