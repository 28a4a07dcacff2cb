"""How many series a site makes in its database, by measurement: what its index has to hold. No server is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from twolbms.config.pack import GuardedPack
from twolbms.config.site import Site
from twolbms.decode import CompiledDatabase
from twolbms.fields import FIELDS

ALL_BITS = 0x1FFFFFFF


class Series(NamedTuple):
    """A measurement: how many series, how many fields each has at most, and what makes one."""

    measurement: str
    series: int
    fields: int
    each: str


def series_of(site: Site, types: Mapping[str, GuardedPack],
              databases: Mapping[str, tuple[CompiledDatabase, ...]]) -> list[Series]:
    """Every measurement of the site but `event`, which has one series a kind, limit and tier that ever happened.

    A message with an id mask counts once; it has one series for each node that sends it.
    """
    fields = Counter(row.level for row in FIELDS.values())
    cells = sum(pack.cells.series for pack in types.values())
    sensors = sum(len(pack.sensors.temperatures) for pack in types.values())
    rows = [
        Series("pack", len(site.packs), fields["pack"], "a pack"),
        Series("cell", cells, fields["cell"], "a cell"),
        Series("sensor", sensors, fields["sensor"], "a temperature sensor"),
        Series("bank", len(site.pack_names_by_bank), fields["bank"], "a bank"),
        Series("bus", len(site.buses), fields["bus"], "a bus"),
        Series("device", len(site.devices), fields["device"], "a device"),
        Series("gateway", 1, fields["gateway"], "the gateway"),
    ]
    messages: Counter[tuple[str, int, bool]] = Counter()
    for each in databases.values():
        for database in each:
            for message in database.messages.values():
                masked = message.extended and database.id_mask != ALL_BITS
                messages[message.name, len(message.signals), masked] += 1
    rows += [Series(name, count, signals, "a bus and node" if masked else "a bus")
             for (name, signals, masked), count in sorted(messages.items())]
    return [row for row in rows if row.series]
