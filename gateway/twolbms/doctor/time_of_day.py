"""Whether this machine knows what time it is, and whether its clock was moved under a running gateway."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from twolbms.clock import EARLIEST_PLAUSIBLE_NS, LinuxTime, TimeEvidence, read_boot_id
from twolbms.doctor.journal_health import span
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.doctor.sketch import Sketch
from twolbms.journal.boots import read_boots

_RTC_APART_NS = 60 * 10**9
_STEP_NS = 10 * 10**9  # what network time corrects slowly stays below this

told = Rules(
    Rule("clock.good", "good", "set by {by}"),
    Rule("clock.past", "bad", "it says {now}: this machine has no idea what time it is",
         "give it network, or a clock with a battery, then type: timedatectl set-ntp true; or set it by hand: "
         "sudo date -s 'YYYY-MM-DD HH:MM'"),
    Rule("clock.not_synchronised", "warn", "no time service has set it, no hardware clock agrees with it: {now}",
         "type: timedatectl set-ntp true; after ten minutes the gateway takes this time as it is, marked as guessed"),
    Rule("clock.rtc_apart", "warn", "the hardware clock is {apart} away from the system's time",
         "if the system's time is right, type: sudo hwclock --systohc"),
    Rule("clock.stepped", "warn", "it was moved by {step} since the gateway fixed the time of this boot; records go on "
         "with the old time", "if it is right now, restart the machine: a new boot takes the new time"),
)


def check_clock(sketch: Sketch, evidence: TimeEvidence | None = None) -> Iterator[Finding]:
    """The system's clock against the evidence there is."""
    found = evidence or LinuxTime()
    now_ns = found.system_ns()
    now = f"{datetime.fromtimestamp(now_ns / 1e9, UTC):%Y-%m-%d %H:%M} UTC"
    apart_ns = min((abs(rtc_ns - now_ns) for rtc_ns in found.rtc_ns()), default=None)
    by_network = found.network_synchronised()
    if now_ns < EARLIEST_PLAUSIBLE_NS:
        yield told("clock.past", "clock", now=now)
    elif by_network or (apart_ns is not None and apart_ns < _RTC_APART_NS):
        yield told("clock.good", "clock", by="network time" if by_network else "the hardware clock")
    else:
        yield told("clock.not_synchronised", "clock", now=now)
    if apart_ns is not None and apart_ns >= _RTC_APART_NS:
        yield told("clock.rtc_apart", "clock", apart=span(apart_ns / 1e9))
    yield from check_step(sketch.journal_folder, read_boot_id(), now_ns - time.monotonic_ns())


def check_step(folder: Path, boot_id: str, offset_ns: int) -> Iterator[Finding]:
    """Whether wall minus monotonic time is now what the journal fixed earlier in this boot."""
    try:
        fixed = read_boots(folder).walls.get(boot_id)
    except OSError:
        return
    if fixed is not None and abs(step_ns := offset_ns - fixed.offset_ns) > _STEP_NS:
        direction = "forward" if step_ns > 0 else "back"
        yield told("clock.stepped", "clock", step=f"{span(abs(step_ns) / 1e9)} {direction}")
