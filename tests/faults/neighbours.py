"""Faults of who else is on the bus: a node that reboots in mid-multiplex, two of one number, a device that floods."""

from __future__ import annotations

import threading
import time
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from faults.bus_user import Beats, FeederProcess, beats
from faults.home import Home, NeverHappened, Site, charge_allowed, may_charge, wait_until
from faults.kills import wall_clock
from faults.table import Row
from twolbms.journal import Event

_BEFORE = [round(3.300 + 0.001 * n, 3) for n in range(8)]  # what the voice says
_AFTER = [round(3.200 + 0.001 * n, 3) for n in range(8)]
_NODE_ALLOWS_A = 150.0  # what the voice says
_FULL = 0.9  # of the bus; with less of it the fault is not made
_KNOWN_S = 6.5  # TempExtremes, the slowest of the five, comes each 0.5 s and is known for 5 s; and a picture's age
_SATURATED = 6000  # frames a second; 500 kbit/s carry about 3,900 extended ones of eight bytes


PICTURE_S = 0.05
_WHOLE_S = 2.0  # docs/architecture.md: whole means that all groups came within two of their periods


class Pictures:
    """Every picture that a gateway shows, followed in a thread."""

    def __init__(self, home: Home) -> None:
        self.all: list[dict[str, Any]] = []
        self._home = home
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        for picture in self._home.client.follow(PICTURE_S):
            self.all.append(picture)


def reboot(folder: Path, count: int) -> Row:
    """A node reboots `count` times between two groups of its cells, with other voltages each time."""
    with FeederProcess() as feeder, Home(folder, Site(feeder.port), wall_clock()) as home:
        home.started()
        home.shows(may_charge, "the pack may be charged")
        pictures, stretches, zeros = Pictures(home), [0], 0
        for number in range(count):
            cells = _AFTER if number % 2 == 0 else _BEFORE
            seen = len(pictures.all)
            feeder.ask(reboot=1, boot_id=100 + number, cells=cells, silent_s=(0.3, 1.5, 7.0)[number % 3])
            wait_until(partial(_has_told_reboots, home, number + 1), "the boot is told")
            home.shows(partial(_believes, cells), "the node is believed again, with its new cells")
            new = pictures.all[seen:]
            zeros += any(charge_allowed(picture) == 0 for picture in new)
            stretches += [len(list(run)) for mixed, run in groupby(map(_is_mixed, new)) if mixed]
        home.stop()
        told, longest_s = _told_reboots(home), max(stretches) * PICTURE_S
        return Row("a node reboots between two groups", f"{count} times, silent for 0.3, 1.5 and 7 s", (
            f"told {told} times, 0 A in between {zeros} times; old and new cells stood side by side as a whole "
            f"table for at most {longest_s:.2f} s; {len(home.complaints())} complaints"),
            told == count == zeros and longest_s <= _WHOLE_S and not home.complaints(),
            {"told": told, "zeros": zeros, "longest_mixed_s": round(longest_s, 2)})


def _told_reboots(home: Home) -> int:
    return sum(isinstance(event, Event) and event.kind == "node_rebooted" for event in home.reader().records("event"))


def _has_told_reboots(home: Home, count: int) -> bool:
    return _told_reboots(home) >= count


def _believes(cells: list[float], picture: dict[str, Any]) -> bool:
    return may_charge(picture) and _cells(picture) == cells


def _cells(picture: dict[str, Any]) -> list[float | None]:
    values = [cell["value"] for cell in picture["packs"]["north"]["cells_v"]]
    return [None if value is None else round(value, 3) for value in values]


def _is_mixed(picture: dict[str, Any]) -> bool:
    known = [value for value in _cells(picture) if value is not None]
    return bool(picture["packs"]["north"]["cells_whole"] and known and max(known) - min(known) > 0.05)


def twins(folder: Path, seconds: int) -> Row:
    """A second node speaks with the first one's number."""
    with FeederProcess() as feeder, Home(folder, Site(feeder.port), wall_clock()) as home:
        home.started()
        home.shows(may_charge, "the pack may be charged")
        feeder.ask(twin=1)
        began_ns = time.monotonic_ns()
        told = _told(home, "two nodes answer", "damaged or out of sequence")
        zero_s = wait_until(lambda: charge_allowed(home.picture()) == 0, "0 A")
        most = _most_allowed(home, seconds)
        heard = beats(feeder.listen(), began_ns, time.monotonic_ns())
        feeder.ask(twin=None)
        back_s = wait_until(lambda: may_charge(home.picture()), "one node alone is believed again", 90.0)
        return Row("two nodes with one number", f"once, for {seconds} s", (
            f"told \"{told}\", 0 A {zero_s:.1f} s after that, at most {most:.0f} A for {seconds} s; {heard}; believed "
            f"again {back_s:.1f} s after the second had gone; {len(home.complaints())} complaints"),
            most == 0 and heard.kept and not home.complaints(), {"most_a": most, "back_s": round(back_s, 1)})


def _told(home: Home, *words: str, within_s: float = 60.0) -> str:
    """The first alarm that holds one of the words."""
    found: list[str] = []

    def look() -> bool:
        found.extend(text for text in home.alarms() if any(word in text for word in words))
        return bool(found)

    wait_until(look, f"an alarm with {' or '.join(words)}", within_s)
    return found[0]


def _most_allowed(home: Home, seconds: float) -> float:
    """The largest current allowed while it is watched."""
    most, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        most = max(most, charge_allowed(home.picture()))
        time.sleep(0.05)
    return most


class _OnHub:
    """A gateway, a node and a stranger on one simulated bus of 500 kbit/s."""

    def __init__(self, folder: Path) -> None:
        self.hub = FeederProcess(program="hub.py")
        self.node = FeederProcess(1, connect=self.hub.port)
        self.stranger = FeederProcess(200, connect=self.hub.port)
        self.stranger.ask(mute=True)
        self.home = Home(folder, Site(self.hub.port), wall_clock())

    def __enter__(self) -> _OnHub:
        self.home.started()
        self.home.shows(may_charge, "the pack may be charged")
        return self

    def __exit__(self, *details: object) -> None:
        self.home.kill()
        for process in (self.stranger, self.node, self.hub):
            process.__exit__(None, None, None)

    def flooded(self, kind: str, seconds: float) -> tuple[Beats, float, list[str], tuple[float, float, float, int]]:
        """What the node hears, the bus's load, what is told; the least, the most and the last allowance, and how many
        pictures allowed something of a node that was not known any more."""
        self.stranger.ask(flood=kind, per_s=_SATURATED)
        time.sleep(1.0)
        began_ns, allowed, alarms, unheard = time.monotonic_ns(), list[float](), set[str](), 0
        until, loads = time.monotonic() + seconds, list[float]()
        while time.monotonic() < until:
            picture = self.home.picture()
            loads.append(float(self.hub.ask(do="status")["load"]))
            allowed.append(charge_allowed(picture))
            unheard += allowed[-1] > 0 and (picture["packs"]["north"]["age_s"] or 0.0) > _KNOWN_S
            alarms |= {alarm["text"] for alarm in picture["alarms"]}
            time.sleep(0.05)
        load = sum(loads) / len(loads)
        heard = beats(self.node.listen(), began_ns, time.monotonic_ns())
        self.stranger.ask(flood=kind, per_s=0)
        return heard, load, sorted(alarms), (min(allowed), max(allowed), allowed[-1], unheard)


def floods(folder: Path, seconds: int) -> list[Row]:
    """A saturated bus of ids that lose against ours, that look like ours, and that win against ours."""
    rows = []
    with _OnHub(folder) as on:
        for kind, words in (("low", "ids below ours"), ("near", "ids like ours, some the node's own"),
                            ("own", "the node's own ids"),
                            ("high", "ids above ours")):
            heard, load, alarms, (least, most, last, unheard) = on.flooded(kind, seconds)
            try:
                back_s: float | None = wait_until(lambda: may_charge(on.home.picture()), "believed again", 90.0)
            except NeverHappened:
                back_s = None
            good = {"low": heard.kept and least > 0,
                    "near": heard.kept and most <= _NODE_ALLOWS_A
                    and any("in no pack of the site file" in text for text in alarms),
                    "own": heard.kept and last == 0 and any("damaged" in text for text in alarms),
                    "high": least == 0 and any("silent" in text or "does not send" in text for text in alarms)}[kind]
            shown = "; ".join(alarms[:2]) + (f"; and {len(alarms) - 2} more" if len(alarms) > 2 else "")
            if load < _FULL:
                rows.append(Row(f"bus flooded: {words}", f"once, for {seconds} s", (
                    f"needs a machine with time to keep the simulated bus full: its load was {load:.0%}"), None))
                continue
            rows.append(Row(f"bus flooded: {words}", f"once, for {seconds} s, load {load:.0%}", (
                f"the node heard {heard}; {least:.0f} to {most:.0f} A, {last:.0f} A at the end; "
                f"told: {shown or 'nothing'}; "
                f"normal {'never' if back_s is None else f'{back_s:.1f} s'} afterwards; "
                f"{len(on.home.complaints())} complaints"),
                bool(good and not unheard and back_s is not None and not on.home.complaints()),
                {"load": load, "longest_s": round(heard.longest_s, 3), "least_a": least, "last_a": last,
                 "alarms": len(alarms)}))
    return rows

