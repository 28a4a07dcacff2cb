"""What `ip -details -statistics -json link show` says of CAN interfaces. Parses text; asks nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple


class Link(NamedTuple):
    """One network interface. None is what was not told: a vcan has no bit rate, an old `ip` no counts.

    `kind` is "can", "vcan", … ; `state` is the controller's: ERROR-ACTIVE, ERROR-WARNING, ERROR-PASSIVE, BUS-OFF,
    STOPPED. `restart_ms` 0: a bus-off lasts until somebody ends it. Counts are since the interface was made.
    """

    name: str
    kind: str | None
    up: bool
    state: str | None = None
    bitrate: int | None = None
    sample_point: float | None = None
    restart_ms: int | None = None
    listen_only: bool = False
    loopback: bool = False
    tx_errors: int | None = None
    rx_errors: int | None = None
    bus_offs: int | None = None
    overruns: int | None = None


def parse_links(text: str) -> dict[str, Link] | None:
    """Every interface by its name; None when the text is not what `ip` prints."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(rows, list):
        return None
    links = [_link(row) for row in rows if isinstance(row, dict) and isinstance(row.get("ifname"), str)]
    return {link.name: link for link in links}


def _link(row: Mapping[str, Any]) -> Link:
    info = _mapping(row, "linkinfo")
    data, counts = _mapping(info, "info_data"), _mapping(info, "info_xstats")
    timing, errors = _mapping(data, "bittiming"), _mapping(data, "berr_counter")
    modes, flags = _words(data, "ctrlmode"), _words(row, "flags")
    kind = info.get("info_kind")
    return Link(
        row["ifname"], kind if isinstance(kind, str) else None, "UP" in flags,
        state=data["state"] if isinstance(data.get("state"), str) else None,
        bitrate=_number(timing, "bitrate"), sample_point=_fraction(timing, "sample_point"),
        # `ip` leaves restart_ms out when it is 0
        restart_ms=_number(data, "restart_ms") or 0 if kind == "can" else None,
        listen_only="LISTEN-ONLY" in modes, loopback="LOOPBACK" in modes,
        tx_errors=_number(errors, "tx"), rx_errors=_number(errors, "rx"), bus_offs=_number(counts, "bus_off"),
        overruns=_number(_mapping(_mapping(row, "stats64"), "rx"), "over_errors"))


def _mapping(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = row.get(key)
    return value if isinstance(value, dict) else {}


def _words(row: Mapping[str, Any], key: str) -> frozenset[str]:
    value = row.get(key)
    return frozenset(word for word in value if isinstance(word, str)) if isinstance(value, list) else frozenset()


def _number(row: Mapping[str, Any], key: str) -> int | None:
    value = row.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _fraction(row: Mapping[str, Any], key: str) -> float | None:
    try:
        return float(row[key])  # `ip` prints "0.875", in quotes
    except (KeyError, TypeError, ValueError):
        return None
