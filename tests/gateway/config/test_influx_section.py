"""The section `influxdb:` of a site file, and the targets that follow from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.config.errors import ConfigError
from twolbms.config.site import Site, load_site
from twolbms.outlets.influx_delivery import Progress
from twolbms.outlets.influx_status import combined
from twolbms.outlets.influx_target import minutes_target_of, target_of

SITE = """\
site: house
buses: [{name: can0, interface: slcan, channel: /dev/ttyACM0}]
packs: [{name: one, type: lfp_8s_320ah, node: 1, bus: can0}]
influxdb: """


def load(folder: Path, section: str) -> Site:
    """A site with this section."""
    (folder / "site.yaml").write_text(SITE + section + "\n")
    return load_site(folder / "site.yaml")


def test_minute_values_are_kept_for_years_by_themselves(tmp_path: Path) -> None:
    """Who names an organisation and a token gets 30 days of raw values and ten years of minutes."""
    site = load(tmp_path, "{org: o, token_file: t}")
    assert site.influxdb is not None
    raw, minutes = target_of(site, site.influxdb), minutes_target_of(site, site.influxdb)
    assert minutes is not None and minutes.label is None
    assert (raw.bucket, minutes.bucket, raw.rewind_s) == ("bms", "bms_minutes", 0.0)
    assert site.influxdb.retention_days == 30 and site.influxdb.minutes is not None
    assert site.influxdb.minutes.retention_days == 3650


def test_no_minute_values(tmp_path: Path) -> None:
    """null turns them off."""
    site = load(tmp_path, "{org: o, token_file: t, minutes: null}")
    assert site.influxdb is not None and minutes_target_of(site, site.influxdb) is None


def test_victoria_metrics(tmp_path: Path) -> None:
    """It needs no organisation and no token, is rewound by 10 s, and gets minute values only when asked to."""
    site = load(tmp_path, "{server: victoriametrics, url: 'http://127.0.0.1:8428'}")
    assert site.influxdb is not None and minutes_target_of(site, site.influxdb) is None
    raw = target_of(site, site.influxdb)
    assert (raw.token_file, raw.rewind_s) == (None, 10.0)
    site = load(tmp_path, "{server: victoriametrics, minutes: {bucket: m}, rewind_s: 3}")
    assert site.influxdb is not None
    minutes = minutes_target_of(site, site.influxdb)
    assert minutes is not None and minutes.rewind_s == 3 and "extra_label=bucket%3Dm" in minutes.write_path
    assert "extra_label" not in target_of(site, site.influxdb).write_path


@pytest.mark.parametrize(("section", "words"), [
    ("{org: o}", "influxdb.token_file: this key is missing"),
    ("{org: o, token_file: t, bucket: b, minutes: {bucket: b}}", "influxdb.minutes.bucket: expected another bucket"),
    ("{org: o, token_file: t, server: influxdb1}", "influxdb.server: expected"),
    ("{org: o, token_file: t, url: 'http://127.0.0.1:99999'}", "influxdb.url: expected http:// or https://, a host"),
    ("{org: o, token_file: t, url: 'http://a..b:8086'}", "influxdb.url: expected http:// or https://, a host"),
    ("{org: o, token_file: t, rewind_s: -1}", "influxdb.rewind_s"),
    ("{org: o, token_file: t, minutes: {compress: true}}", "influxdb.minutes.compress"),
])
def test_what_cannot_be(tmp_path: Path, section: str, words: str) -> None:
    """A missing token, one bucket for both, an unknown kind: each is told with its key."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, section)
    assert words in str(caught.value)


def test_the_worst_of_the_lanes_is_told() -> None:
    """One state for people: the worst, its own words, and the sums."""
    lanes = [Progress("ok", None, 10, 1), Progress("waiting", "no answer", 20, 0), Progress("ok", None, 5, 0)]
    assert combined(lanes) == {"state": "waiting", "error": "no answer", "lines": 35, "refused": 1}
    lanes = [Progress(), Progress("waiting", "wall"), Progress("refused", "404 bucket")]
    assert combined(lanes)["error"] == "minute values: 404 bucket" and combined(lanes)["state"] == "refused"
    assert combined([Progress(), Progress()]) == {"state": "ok", "error": None, "lines": 0, "refused": 0}
