"""`why` without a gateway: what the newest events of a journal say, and how old that is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from twolbms.journal.records import Event
from twolbms.outlets.sentence import Sentence
from twolbms.outlets.words import capital, date_time, span

# What tells how a pack was left; the newest of each counts.
_TELLING = ("opened", "closed", "latched", "node_silent", "fault", "allowance")
_UNDOES = {"latch_cleared": "latched", "fault_gone": "fault", "node_heard": "node_silent"}
_NOW = "start the gateway; until then the nodes protect their cells alone and hold the pack's gateway_silent allowance"


def last_words(events: Sequence[Event], pack: str | None, now_ns: int, zone: tzinfo | None = None) -> list[Sentence]:
    """One sentence a pack, or one that nothing was recorded; `now_ns` is wall time."""
    packs = list(dict.fromkeys(event.pack for event in events if event.pack)) if pack is None else [pack]
    found = [_pack_words(name, [event for event in events if event.pack == name], now_ns, zone) for name in packs]
    return [sentence for sentence in found if sentence is not None] or [
        Sentence("The journal holds no event of a pack." if pack is None else f"The journal holds no event of {pack}.",
                 _NOW, pack, by="journal")]


def _pack_words(name: str, events: Sequence[Event], now_ns: int, zone: tzinfo | None) -> Sentence | None:
    standing = _standing(events)
    if not standing:
        return None
    newest = max(event.time_ns for event in events)
    age_s = (now_ns - newest) / 1e9
    told = "; ".join(f"{date_time(event.time_ns, zone)} {event.data.get('text') or event.kind}" for event in standing)
    text = (f"{capital(name)}: how it stands now is unknown; the last that was recorded is {span(age_s)} old: {told}.")
    return Sentence(text, _NOW, name, by="journal", age_s=age_s, since_ns=standing[-1].time_ns)


def _standing(events: Sequence[Event]) -> list[Event]:
    """The newest event of each telling kind that no later event has undone, oldest first."""
    newest: dict[str, Event] = {}
    for event in events:
        undone = newest.get(_UNDOES.get(event.kind, ""))
        if undone is not None and undone.data.get("limit") == event.data.get("limit"):
            del newest[undone.kind]
        if event.kind in _TELLING:
            newest[event.kind] = event
    if "opened" in newest and "closed" in newest:  # the later of the two holds
        older = min(("opened", "closed"), key=lambda kind: newest[kind].time_ns)
        if newest[older].data.get("path") == newest["closed" if older == "opened" else "opened"].data.get("path"):
            del newest[older]
    return sorted(newest.values(), key=lambda event: event.time_ns)
