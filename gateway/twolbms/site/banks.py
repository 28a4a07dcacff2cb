"""The banks of a site at work: their allowances, and whether one of their packs may join. Moves no pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twolbms.battery.pack import Pack
from twolbms.battery.pack_state import OUTPUTS
from twolbms.recording import Recording
from twolbms.site.bank import BankAllowance, Share, bank_allowance
from twolbms.site.join import Side, join_refusal


class Bank:
    """Packs behind one inverter. `allowed` is as of the last `settle`."""

    def __init__(self, name: str, packs: Sequence[Pack], recording: Recording) -> None:
        self.name = name
        self.packs = packs
        self.allowed: dict[str, BankAllowance] = {way: BankAllowance(0.0, "nothing heard yet") for way in OUTPUTS}
        self._tracks = {way: recording.track(f"bank_{way}_allowed_a", name) for way in OUTPUTS}

    def settle(self, now_ns: int) -> None:
        """Reckons both directions from the packs' settled allowances."""
        for way, track in self._tracks.items():
            self.allowed[way] = bank_allowance([self._share(pack, way) for pack in self.packs])
            track.offer(self.allowed[way].current_a, now_ns)

    @staticmethod
    def _share(pack: Pack, way: str) -> Share:
        allowed = pack.allowances[way].allowed
        return Share(pack.setup.name, allowed.current_a, allowed.by, pack.setup.resistance_ohm, pack.out_of_bank(way))

    def join_refusal(self, pack: Pack, now_ns: int) -> str | None:
        """Why `pack` may not close onto the others of this bank now, None when it may."""
        closed = []
        for other in self.packs:
            if other is pack:
                continue
            if other.closing(now_ns):
                return f"{other.setup.name} is closing"
            if all(other.out_of_bank(way) for way in OUTPUTS):
                continue
            if other.heard.state.silent(now_ns):
                return f"{other.setup.name} is silent and was not heard measured open"
            closed.append(self._side(other, now_ns, own=False))
        return join_refusal(self._side(pack, now_ns, own=True), closed)

    @staticmethod
    def _side(pack: Pack, now_ns: int, own: bool) -> Side:
        """A pack for the join rule; what an open pack's node allows is 0 A, so its own reckoning stands for it."""
        charge, discharge = (pack.allowances[way].own if own else pack.allowances[way].allowed for way in OUTPUTS)
        return Side(pack.setup.name, pack.heard.value("pack_voltage_v", now_ns), pack.setup.resistance_ohm,
                    charge.current_a, discharge.current_a)


class Banks:
    """All banks of a site."""

    def __init__(self, banks: Mapping[str, Sequence[str]], packs: Mapping[str, Pack], recording: Recording) -> None:
        self.all = [Bank(name, [packs[pack] for pack in members], recording) for name, members in banks.items()]

    def settle(self, now_ns: int) -> None:
        """Reckons every bank."""
        for bank in self.all:
            bank.settle(now_ns)

    def join_refusal(self, pack: Pack, now_ns: int) -> str | None:
        """Why a bank of `pack` does not let it close now."""
        refusals = (bank.join_refusal(pack, now_ns) for bank in self.all if pack in bank.packs)
        return next((refusal for refusal in refusals if refusal is not None), None)
