"""One guarded pack: settles at each moment what is allowed, what is asked of its node and what a person should see.

What the node says stands in `hearing`, each rule in its own module; here they meet. Knows no bus and no other pack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twolbms.alarms import Alarms
from twolbms.battery.allowance import Allowance, Bounds, Cap, Known
from twolbms.battery.charge import Mark
from twolbms.battery.hearing import Hearing, NodeWords
from twolbms.battery.latest import NS, Values
from twolbms.battery.news import News
from twolbms.battery.pack_state import OUTPUTS
from twolbms.battery.requests import Answer, Asking, Authority, Hold, Requests, Signals, Ticket
from twolbms.battery.setup import PackSetup
from twolbms.battery.telling import outcome, reason_text
from twolbms.estimation.coulomb import SIGMA_GIVEN
from twolbms.recording import Recording

SETTLE_EVERY_NS = NS // 10  # the node's cycle: nothing new comes faster
MARK_EVERY_NS = 600 * NS
_HEARD_WITHIN_NS = 5 * NS  # a pack not heard by then is an alarm
_OPEN_LATE_NS = 10 * NS  # the node's grace of 5 s, doubled
_READINGS = ("cell_min_v", "cell_max_v", "temperature_min_c", "temperature_max_c")


class Pack:
    """Decisions about one pack. `take` is given the signals of accepted frames, `settle` and `step` the time."""

    def __init__(self, setup: PackSetup, own_hash: int, node: NodeWords, recording: Recording, alarms: Alarms,
                 expire_s: float, now_ns: int) -> None:
        self.setup = setup
        self.news = News(setup, recording)
        self.heard = Hearing(setup, own_hash, node, recording, self.news, now_ns)
        self.heard.handlers["NodeAnswer"] = self._take_answer
        if setup.soc is not None:
            self.heard.soc.start(setup.soc, SIGMA_GIVEN, "site", now_ns)
        self.requests = Requests(expire_s)
        self.heard.on_boot = self.requests.node_rebooted
        self.heard.on_state = self._forget_confirmation
        self.allowances = {way: Allowance(setup.type, way == "charge") for way in OUTPUTS}
        self.confirmed_open = False  # by a person at the enclosure, until the node's next PackState
        self.take = self.heard.take
        self._alarms = alarms
        self._started_ns = now_ns
        self._silent: bool | None = None
        self._turned_ns = now_ns  # when silence began or ended last
        self._due_ns = now_ns
        self._mark_due_ns = now_ns + MARK_EVERY_NS
        self._told_own: tuple[str, str] | None = None

    # --- what is allowed ---

    def settle(self, now_ns: int, *, force: bool = False) -> None:
        """Judges ages, allowances and alarms: at once after a change for the worse, else ten times a second."""
        heard = self.heard
        if not (force or heard.urgent or now_ns >= self._due_ns):
            return
        heard.urgent = False
        self._due_ns = now_ns + SETTLE_EVERY_NS
        self._note_silence(now_ns)
        stop, fresh = self.stop(now_ns), heard.state.fresh(now_ns)
        known = Known(*(heard.value(name, now_ns) for name in _READINGS))
        for way, allowance in self.allowances.items():
            bounds = Bounds(stop, self.requests.narrowed(way == "charge", now_ns), fresh)
            allowance.settle(known, self._node_cap(way, now_ns), bounds, now_ns)
            self.news.allowance(way, allowance.allowed, now_ns)
        self._raise_alarms(stop, now_ns)
        heard.tracks.settled(self.computed(now_ns), now_ns)
        if now_ns >= self._mark_due_ns:
            self.mark(now_ns)

    def stop(self, now_ns: int) -> str | None:
        """Why nothing at all is allowed now, None when something may be."""
        heard = self.heard
        if heard.info.foreign:
            return "wrong_protocol"
        if heard.state.silent(now_ns):
            return "pack_silent"
        if not heard.info.complete:
            return "hash_mismatch" if heard.info.hash_state == "mismatch" else "hash_unknown"
        return None if heard.cells.known(now_ns) else "cells_unknown"

    def _node_cap(self, way: str, now_ns: int) -> Cap | None:
        signal = self.heard.state.signal
        current = signal("PackAllowance", f"{way.capitalize()}CurrentAllowed", now_ns)
        by = signal("PackAllowance", f"{way.capitalize()}LimitedBy", now_ns)
        if current is None:
            return None
        return Cap(float(current), "nothing" if by is None else self.heard.words.reasons.get(int(by), "nothing"))

    def charge_to_v(self, now_ns: int) -> float | None:
        """Pack voltage to charge to: the smaller of the node's and the pack file's, None when the node's is unknown."""
        told = self.heard.state.signal("PackAllowance", "ChargeVoltageAllowed", now_ns)
        return None if told is None else min(float(told), self.setup.type.allowance.charge_v)

    def computed(self, now_ns: int) -> dict[str, float | None]:
        """The quantities that are reckoned rather than received, as of the last `settle`."""
        soc = self.heard.soc
        return {"soc": soc.soc, "soc_sigma": soc.sigma(now_ns),
                "charge_allowed_a": self.allowances["charge"].allowed.current_a,
                "discharge_allowed_a": self.allowances["discharge"].allowed.current_a,
                "charge_allowed_v": self.charge_to_v(now_ns), "pack_age_s": self.heard.state.age_s(now_ns)}

    def out_of_bank(self, way: str) -> bool:
        """Whether the path was last heard measured open, or a person at the enclosure says so of a silent node."""
        return self.confirmed_open or self.heard.state.last_path(way) == "open"

    def confirm_open_refusal(self, now_ns: int) -> str | None:
        """Why a person's word does not count now: PackState is known, whatever else is not, and goes before it."""
        if not self.heard.state.messages["PackState"].known(now_ns):
            return None
        return "its node is heard and says itself whether the pack is open"

    def _forget_confirmation(self) -> None:
        self.confirmed_open = False

    # --- what a person should see ---

    def _note_silence(self, now_ns: int) -> None:
        state = self.heard.state
        missing = state.silent(now_ns)
        paths = [state.last_path(path) for path in OUTPUTS]
        if missing and self._silent is False:
            self._turned_ns = now_ns
            self.news.silent(missing, paths, state.speaks(now_ns), now_ns)
        elif not missing and self._silent is not False:
            silent_s = None if self._silent is None else (now_ns - self._turned_ns) / NS
            self._turned_ns = now_ns
            self.news.heard(self.heard.word("State", now_ns), paths, silent_s, now_ns)
        if not missing:
            self._silent = False
        elif self._silent is not None:
            self._silent = True

    def _raise_alarms(self, stop: str | None, now_ns: int) -> None:
        heard, name = self.heard, self.setup.name
        missing = ", ".join(heard.state.silent(now_ns))
        silence = f"does not send {missing}" if heard.state.speaks(now_ns) else "is silent"
        silent = stop == "pack_silent" and (self._silent or now_ns - self._started_ns > _HEARD_WITHIN_NS)
        first_ns = heard.first_heard_ns
        late = first_ns is not None and heard.info.overdue(max(first_ns, self._turned_ns), now_ns)
        stopped = stop in ("hash_mismatch", "wrong_protocol") or heard.cells.disagrees \
            or (late and stop in ("hash_unknown", "cells_unknown"))  # when a node comes, both take their time
        latched = self.latched()
        hold = self.requests.hold
        open_late = hold is not None and now_ns - hold.since_ns > _OPEN_LATE_NS and heard.state.any_closed(now_ns)
        for key, raised, text in (
                ("silent", silent, f"node {self.setup.node} {silence}"),
                ("stopped", stopped, f"0 A: {self._stop_text(stop)}"),
                ("latched", latched, f"latched: {', '.join(latched)}"),
                ("open_late", open_late, "asked to open, but measured closed")):
            self._alarms.set(key, name, text if raised else None, now_ns)

    def _stop_text(self, stop: str | None) -> str:
        return "cell voltages contradict the extremes" if self.heard.cells.disagrees else reason_text(stop)

    def latched(self) -> list[str]:
        """The limits whose trip is remembered, as last heard."""
        return [name for name, fault in self.heard.faults.active.items() if fault.latched]

    # --- what is asked ---

    def close_refusal(self, now_ns: int) -> str | None:
        """Why the gateway does not ask this node to close now; the bank's join rule comes on top."""
        stop = self.stop(now_ns)
        if stop is not None:
            return reason_text(stop)
        if not self.heard.state.fresh(now_ns):
            return "its values are not fresh"
        if not self.heard.faults.complete:
            return "its faults are not all heard yet"
        latched = self.latched()
        return f"{', '.join(latched)} is latched: clear it first" if latched else None

    def closing(self, now_ns: int) -> bool:
        """Whether a close is under way, so that no other pack of the bank may begin one."""
        pending = self.requests.pending
        if (pending is not None and pending.what == "close") or self.heard.word("State", now_ns) == "precharge":
            return True
        return now_ns < self.requests.closing_until_ns and not self.heard.state.any_closed(now_ns)

    def wants_close(self, now_ns: int) -> bool:
        """Whether the site wants this pack closed and it rests measured open."""
        return self.setup.keep_closed and self._measured_open(now_ns) and self.heard.word("State", now_ns) == "open"

    def _measured_open(self, now_ns: int) -> bool:
        return all(self.heard.state.path(path, now_ns) == "open" for path in OUTPUTS)

    def step(self, join_refusal: str | None, now_ns: int) -> list[Signals]:
        """The signals of the NodeRequests to send now."""
        asking = Asking(not self.heard.info.foreign, self._allowance_to_ask(now_ns), self._measured_open(now_ns),
                        self.close_refusal(now_ns) or join_refusal, self.wants_close(now_ns))
        frames, ended = self.requests.step(asking, now_ns)
        for ticket in ended:
            self._ended(ticket, now_ns)
        hold = self.requests.hold
        self.heard.open_asked_by = None if hold is None else hold.by
        return frames

    def _allowance_to_ask(self, now_ns: int) -> tuple[float, float] | None:
        """Own allowances; nothing until the node had time to say which limits it holds, 0 A from then on."""
        info, heard_ns = self.heard.info, self.heard.first_heard_ns
        if heard_ns is None or not (info.told or info.overdue(heard_ns, now_ns)):
            return None
        return self.allowances["charge"].own.current_a, self.allowances["discharge"].own.current_a

    def _take_answer(self, values: Values, now_ns: int) -> None:
        words = self.heard.words
        limit, hold, answer = values["AnswerLimit"], values["AnswerHold"], values["Answer"]
        stands = None if limit is None else words.reasons.get(int(limit))
        ended = self.requests.take(Answer(
            int(values["AnsweredRequest"] or 0), int(values["AnsweredNumber"] or 0),
            "unknown" if answer is None else words.answers.get(int(answer), "unknown"),
            None if stands == "nothing" else stands, None if hold is None else float(hold)), now_ns)
        if ended is not None:
            self._ended(ended, now_ns)

    def _ended(self, ticket: Ticket, now_ns: int) -> None:
        """Tells the outcome; the gateway's own closes only when the answer is another than the last time."""
        if ticket.what == "close" and ticket.accepted:
            self.heard.close_accepted = (ticket.by, now_ns)
        if ticket.authority == Authority.GATEWAY:
            told = (ticket.what, outcome(ticket).split(",")[0])
            before, self._told_own = self._told_own, told
            if told == before and not ticket.accepted:
                return
        self.news.ended(ticket, now_ns)

    # --- over a restart ---

    def mark(self, now_ns: int) -> None:
        """Journals what the next run goes on from: state of charge, the counters and a hold."""
        self._mark_due_ns = now_ns + MARK_EVERY_NS
        soc, mark, hold = self.heard.soc, self.heard.charge.mark(), self.requests.hold
        sigma = soc.sigma(now_ns)
        data: dict[str, Any] = {"soc": round(soc.soc, 6), "sigma": round(sigma, 6)}
        data |= mark._asdict() if mark is not None else {}
        if hold is not None:
            data |= {"hold_by": hold.by, "hold_authority": int(hold.authority)}
        self.news.tell(now_ns, "mark", f"{soc.soc:.1%} ± {sigma:.1%} charged, start {soc.source}", data)

    def restore(self, mark: Mapping[str, Any], age_s: float | None, now_ns: int) -> None:
        """Goes on from the last mark of an earlier run, `age_s` old."""
        if "boot_id" in mark:
            self.heard.charge.restore(Mark(*(int(mark[name]) for name in Mark._fields)))
        since_ns = now_ns - int((age_s or 0) * NS)  # the sensor's offset went on meanwhile
        self.heard.soc.start(float(mark["soc"]), float(mark["sigma"]), "journal", since_ns)
        if mark.get("hold_by"):
            self.requests.hold = Hold(str(mark["hold_by"]), Authority(int(mark["hold_authority"])), now_ns)
