"""The InfluxDB outlet that a site file asks for: target, minute values, and the frames of buses with DBC files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from twolbms.clock import Clock
from twolbms.config.site import Site
from twolbms.decode import CompiledDatabase
from twolbms.journal import JournalReader
from twolbms.outlets.influx import InfluxOutlet
from twolbms.outlets.influx_gather import Encoder
from twolbms.outlets.influx_target import minutes_target_of, target_of


def influx_outlet(site: Site, clock: Clock, databases: Mapping[str, tuple[CompiledDatabase, ...]]) -> InfluxOutlet:
    """Not started. `databases`: those of each bus that names DBC files (`site_databases`)."""
    assert site.influxdb is not None
    counts: Counter[str] = Counter()

    more: dict[str, Encoder] = {}
    if databases:
        from twolbms.outlets.influx_frames import FrameEncoder
        more["frame"] = FrameEncoder(databases, site.site, counts)

    return InfluxOutlet(
        JournalReader(site.journal_folder), target_of(site, site.influxdb), site.run / "influxdb.cursor", clock,
        minutes=minutes_target_of(site, site.influxdb), more=more, frame_counts=counts)
