"""Packages beyond those that 2lbms always brings: which of them this site needs and has not got."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import NamedTuple

from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.doctor.sketch import Sketch

told = Rules(
    Rule("python.good", "good", "{packages} are there"),
    Rule("python.missing", "warn", "{package} is missing: {without}", "type: pip install '2lbms[{extra}]'"),
    Rule("python.not_needed", "good", "{packages} are missing, and this site needs none of them"),
)


class Extra(NamedTuple):
    """A package, the extra that brings it, what does not go without it, and whether a site needs it."""

    package: str
    extra: str
    without: str
    needed: Callable[[Sketch], bool]


def _records_signals(sketch: Sketch) -> bool:
    return sketch.influxdb is not None and any(bus.dbc for bus in sketch.buses)


EXTRAS = (
    Extra("numpy", "bulk", "a bus with many signals takes much more processor time on its way to the database",
          _records_signals),
    Extra("influxdb_client", "influx", "`2lbms influx setup` cannot make bucket and tokens",
          lambda sketch: sketch.influxdb is not None),
    Extra("asammdf", "mf4", "`2lbms import` cannot read .mf4 and .mdf files", lambda sketch: False),
    Extra("msgpack", "multicast", "a bus by udp_multicast cannot be opened",
          lambda sketch: any(bus.interface == "udp_multicast" for bus in sketch.buses)),
)


def installed(package: str) -> bool:
    """Whether a package can be imported; imports nothing."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # ValueError: blocked by a None in sys.modules
        return False


def check_python(sketch: Sketch) -> Iterator[Finding]:
    """Each extra package."""
    there = [extra.package for extra in EXTRAS if installed(extra.package)]
    missing = [extra for extra in EXTRAS if extra.package not in there]
    needless = [extra.package for extra in missing if not extra.needed(sketch)]
    for extra in missing:
        if extra.needed(sketch):
            yield told("python.missing", "packages", package=extra.package, without=extra.without, extra=extra.extra)
    if there:
        yield told("python.good", "packages", packages=", ".join(there))
    if needless:
        yield told("python.not_needed", "packages", packages=", ".join(needless))
