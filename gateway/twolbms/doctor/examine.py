"""Runs every check of a site side by side, each in a thread of its own, and is done in time whatever hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import NamedTuple

from twolbms.config.errors import ConfigError
from twolbms.doctor import database, running, site_files, token_files
from twolbms.doctor.buses import check_bus
from twolbms.doctor.devices import check_device
from twolbms.doctor.folders import check_journal_folder, check_run
from twolbms.doctor.gateway import Asked, ask_gateway
from twolbms.doctor.journal_health import check_journal
from twolbms.doctor.machine import Machine
from twolbms.doctor.python_packages import check_python
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.doctor.sketch import Sketch, sketch_of
from twolbms.doctor.socketcan import ask_ip, check_interface
from twolbms.doctor.time_of_day import check_clock

WITHIN_S = 9.0

Look = Callable[[], Iterable[Finding]]

told = Rules(
    Rule("check.unfinished", "bad", "this could not be looked at within {seconds:g} s: something hangs",
         "a network folder, a dead adapter or a server may hang: look at the findings beside this one"),
    Rule("check.failed", "bad", "this could not be looked at: {error}", "please report this as a fault of 2lbms"),
    Rule("check.held", "unknown", "a gateway holds it and does not answer: it is not opened a second time",
         "see the finding about the gateway"),
    Rule("check.perhaps_held", "unknown", "whether a gateway holds it cannot be seen from here: it is not opened",
         "see the finding about the gateway"),
    Rule("check.mistake", "unknown", "not looked at: its section has a mistake",
         "correct {key} in {site}, then type: 2lbms doctor {site}"),
)


class Check(NamedTuple):
    """One thing to look at; what it is about is said even when the look at it hangs or fails."""

    section: str
    subject: str
    look: Look


class Report(NamedTuple):
    """Everything found, by section in the order of the page. `readable`: the site file could be used as it is."""

    file: Path
    site: str
    readable: bool
    sections: dict[str, list[Finding]]

    @property
    def findings(self) -> list[Finding]:
        """All of them."""
        return [finding for findings in self.sections.values() for finding in findings]

    def count(self, state: str) -> int:
        """How many findings are in a state."""
        return sum(finding.state == state for finding in self.findings)


def examine(file: Path, machine: Machine | None = None, within_s: float = WITHIN_S) -> Report:
    """Looks at a site file and everything it names. Never raises, changes nothing, takes no longer than `within_s`."""
    try:
        sketch = sketch_of(file)
    except ConfigError as error:
        return Report(file, file.stem, False, {"files": list(site_files.unusable_site(file, error))})
    found = run_checks(checks_of(sketch, machine or Machine()), within_s)
    return Report(file, sketch.name, sketch.site is not None, found)


def checks_of(sketch: Sketch, machine: Machine) -> list[Check]:
    """Every check of a site. Those that hang on the gateway wait for its answer in their own threads."""
    answer: Future[Asked] = Future()
    unread = partial(_unless_wrong, sketch)
    return [
        Check("files", "site file", partial(site_files.check_site, sketch)),
        Check("files", "packs", partial(site_files.check_pack_files, sketch)),
        *(Check("files", f"DBC of {bus.name}", partial(site_files.check_dbc, sketch, bus))
          for bus in sketch.buses if bus.dbc),
        Check("files", "tokens", unread("influxdb", "tokens", partial(token_files.check_tokens, sketch))),
        Check("machine", "clock", partial(check_clock, sketch)),
        Check("machine", "packages", partial(check_python, sketch)),
        Check("journal", "run folder", unread("run", "run folder", partial(check_run, sketch, machine))),
        Check("journal", "journal folder", unread("journal", "journal folder", partial(
            check_journal_folder, sketch, machine))),
        Check("journal", "journal", unread("journal", "journal", partial(check_journal, sketch))),
        Check("gateway", "gateway", partial(_gateway, sketch, answer)),
        *(Check("buses", f"bus {bus.name}", partial(_bus, bus.name, sketch, machine, answer)) for bus in sketch.buses),
        *_wrong_rows(sketch, "buses"),
        *(Check("packs", f"pack {entry.name}", partial(_later, answer, partial(_pack, entry.name, sketch)))
          for entry in sketch.packs),
        *_wrong_rows(sketch, "packs"),
        *(Check("devices", f"device {device.name}", partial(_device, device.name, sketch, machine, answer))
          for device in sketch.devices),
        *_wrong_rows(sketch, "devices"),
        Check("database", "database", unread("influxdb", "database", partial(database.check_database, sketch))),
        Check("database", "quarantine", partial(database.check_quarantine, sketch)),
        Check("database", "outlets", partial(_later, answer, running.check_outlets)),
    ]


def _mistake(sketch: Sketch, key: str, subject: str) -> Iterator[Finding]:
    yield told("check.mistake", subject, key=key, site=sketch.file)


def _wrong_rows(sketch: Sketch, section: str) -> Iterator[Check]:
    for key in sketch.wrong:
        if key.partition("[")[0] == section:
            yield Check(section, key, partial(_mistake, sketch, key, key))


def _unless_wrong(sketch: Sketch, section: str, subject: str, look: Look) -> Look:
    """The look, unless the section that it is about could not be read: what it would find is not this site's."""
    needs = (section, "run") if section == "journal" and sketch.journal.folder is None else (section,)
    wrong = next((key for key in needs if key in sketch.wrong), None)
    return look if wrong is None else partial(_mistake, sketch, wrong, subject)


def _gateway(sketch: Sketch, answer: Future[Asked]) -> Iterable[Finding]:
    try:
        asked = _asked(sketch)
    except BaseException:
        # Nobody knows now whether the buses are held: nothing is opened.
        answer.set_result(Asked(None, None, True, (), seen=False))
        raise
    answer.set_result(asked)
    return asked.findings


def _asked(sketch: Sketch) -> Asked:
    """What the gateway says. Where the site file does not tell where it would be, one may run all the same."""
    unknown = [key for key in ("run", "journal") if key in sketch.wrong and not (key == "journal" and
                                                                                 sketch.journal.folder)]
    nowhere = next(iter(unknown), None)
    asked = Asked(None, None, False, ()) if nowhere == "run" else ask_gateway(sketch)
    if nowhere is None or asked.held:
        return asked
    return Asked(None, None, True, tuple(_mistake(sketch, nowhere, "gateway")), seen=False)


def _held(subject: str, asked: Asked) -> Finding:
    return told("check.held" if asked.seen else "check.perhaps_held", subject)


def _later(answer: Future[Asked], look: Callable[[Asked], Iterable[Finding]]) -> Iterable[Finding]:
    return look(answer.result())


def _pack(name: str, sketch: Sketch, asked: Asked) -> Iterator[Finding]:
    entry = next(entry for entry in sketch.packs if entry.name == name)
    yield from running.check_pack(entry, asked, sketch.file)


def _bus(name: str, sketch: Sketch, machine: Machine, answer: Future[Asked]) -> Iterator[Finding]:
    bus, asked = next(bus for bus in sketch.buses if bus.name == name), answer.result()
    if asked.first is not None:
        yield from running.check_running_bus(bus, asked, sketch.file)
        if bus.interface == "socketcan":  # the interface can be looked at without opening the bus
            about = check_interface(bus, sketch.file, ask_ip(), machine)
            yield from (finding for finding in about if finding.state != "good")
    elif asked.held:
        yield _held(f"bus {name}", asked)
    else:
        yield from check_bus(bus, sketch, machine)


def _device(name: str, sketch: Sketch, machine: Machine, answer: Future[Asked]) -> Iterator[Finding]:
    device, asked = next(device for device in sketch.devices if device.name == name), answer.result()
    if asked.first is not None:
        yield from running.check_running_device(device, asked, sketch.file)
    elif asked.held:
        yield _held(f"device {name}", asked)
    else:
        yield from check_device(device, machine, sketch.file)


def run_checks(checks: list[Check], within_s: float) -> dict[str, list[Finding]]:
    """All checks at once; what each found, by section. What is not done in time is a finding of its own."""
    until = time.monotonic() + within_s
    started = [(check, _Running(check)) for check in checks]
    sections: dict[str, list[Finding]] = {}
    for check, thread in started:
        thread.join(max(0.0, until - time.monotonic()))
        sections.setdefault(check.section, []).extend(thread.outcome(within_s))
    return sections


class _Running:
    """One check at work in a daemon thread: one that hangs for ever ends with the program."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._found: list[Finding] = []
        self._done = False
        self._thread = threading.Thread(target=self._run, name=f"doctor-{check.subject}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for finding in self._check.look():
                self._found.append(finding)
        except Exception as error:
            words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            self._found.append(told("check.failed", self._check.subject, error=words))
        self._done = True

    def join(self, seconds: float) -> None:
        """Waits until it is done, at most so long."""
        self._thread.join(seconds)

    def outcome(self, within_s: float) -> list[Finding]:
        """What it has found by now."""
        late = [] if self._done else [told("check.unfinished", self._check.subject, seconds=within_s)]
        return [*list(self._found), *late]
