"""The database of a site: is it one, may the gateway write, does the bucket keep what pages show. Stores nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from twolbms.config.influx import InfluxSection
from twolbms.config.path_state import closed_to_me
from twolbms.doctor.closed import closed
from twolbms.doctor.journal_health import span
from twolbms.doctor.reaching import Reply, Server, Unreached
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.doctor.sketch import Sketch
from twolbms.outlets.influx_answers import Answer, Verdict, judge
from twolbms.outlets.influx_http import Unreachable, WriteConnection
from twolbms.outlets.influx_target import InfluxTarget, TokenUnreadable, read_token

WITHIN_S = 2.0
"""Longest wait for one answer; a server on a slow card answers a ping in some hundred milliseconds."""
PAGE_S = 6 * 3600
"""What the page of a site shows when it is opened (grafana/site_page.py)."""
QUARANTINE = "quarantine-influx.log"

_CLOCKS_APART_S = 60.0
_TAIL_BYTES = 1 << 16
_DAY_S = 86400

told = Rules(
    Rule("database.good", "good", "{url} answers{version}"),
    Rule("database.none", "good", "this site has none: the journal alone serves"),
    Rule("database.not_influx", "bad", "{url} is a server, but no InfluxDB: it answers {status} to a ping",
         "correct influxdb.url in {site}; InfluxDB 2 has port 8086, 3 has 8181, VictoriaMetrics 8428"),
    Rule("database.ill", "bad", "{url} says of itself that it is not well: {message}",
         "look at its log: journalctl -u influxdb -n 50"),
    Rule("database.empty", "bad", "{url} was never set up", "type: 2lbms influx setup {site}"),
    Rule("database.may_write", "good", "the gateway may write to {bucket}"),
    Rule("database.no_token", "bad", "the gateway has no token it could write with: {reason}",
         "type: 2lbms influx setup {site}"),
    Rule("database.wrong_token", "bad", "{url} does not know the gateway's token",
         "type: 2lbms influx setup {site}: it makes a new one and revokes the old"),
    Rule("database.no_right", "bad", "the gateway's token may not write to the bucket {bucket}",
         "type: 2lbms influx setup {site}: it makes one that may"),
    Rule("database.no_org", "bad", "there is no organisation {org}",
         "correct influxdb.org in {site}, or type: 2lbms influx setup {site}"),
    Rule("database.no_bucket", "bad", "there is no bucket {bucket}, or the token may not see it",
         "type: 2lbms influx setup {site}; or correct influxdb.bucket there"),
    Rule("database.refuses", "bad", "{url} takes nothing from the gateway: {reason}", "look at its log: journalctl -u "
         "influxdb -n 50"),
    Rule("database.retention_short", "warn", "the bucket {bucket} keeps {kept}, and the page shows {page}",
         "set influxdb.retention_days in {site}, then type: 2lbms influx setup {site}"),
    Rule("database.retention_differs", "warn", "the bucket {bucket} keeps {kept}, and the site file says {wanted}",
         "type: 2lbms influx setup {site}"),
    Rule("database.clocks_apart", "warn", "its clock and this machine's are {apart} apart",
         "set both by network time; on each type: timedatectl set-ntp true"),
    Rule("database.quarantine", "warn", "{count} points were refused and lie in {path}, last: {reasons}",
         "read the file; once the cause is gone, delete it"),
)


def check_database(sketch: Sketch) -> Iterator[Finding]:
    """From the first packet to the right to write."""
    section = sketch.influxdb
    if section is None:
        yield told("database.none", "database")
        return
    target = _target(sketch, section)
    server = Server(section.url, target.ca_file, WITHIN_S, sketch.file)
    facts = {"url": section.url, "site": sketch.file, "org": section.org, "bucket": section.bucket}
    try:
        yield from _examine(server, target, section, sketch, facts)
    except Unreached as unreached:
        yield unreached.finding


def _target(sketch: Sketch, section: InfluxSection) -> InfluxTarget:
    return InfluxTarget(
        site=sketch.name, url=section.url, org=section.org, bucket=section.bucket, timeout_s=WITHIN_S,
        token_file=sketch.beside(section.token_file) if section.token_file else None,
        ca_file=sketch.beside(section.ca_file) if section.ca_file else None, server=section.server)


def _examine(server: Server, target: InfluxTarget, section: InfluxSection, sketch: Sketch,
             facts: dict[str, Any]) -> Iterator[Finding]:
    ping = server.get("/ping")
    if ping.status not in ((200, 204, 401) if section.server == "influxdb3" else (200, 204)):  # wants a token
        yield told("database.not_influx", "database", status=ping.status, **facts)
        return
    ill = _health(server, section, facts)
    if ill is not None:
        yield ill
        return
    version = ping.headers.get("X-Influxdb-Version")
    yield told("database.good", "database", version=f", version {version}" if version else "", **facts)
    yield from _clocks(ping)
    if section.server == "influxdb2" and _json(server.get("/api/v2/setup")).get("allowed") is True:
        yield told("database.empty", "database", **facts)
        return
    yield from _rights(target, section, facts)
    yield from _retention(server, section, sketch, facts)


def _health(server: Server, section: InfluxSection, facts: dict[str, Any]) -> Finding | None:
    """InfluxDB 2 tells of itself; what others say there is not understood, which is no illness."""
    if section.server != "influxdb2":
        return None
    reply = server.get("/health")
    health = _json(reply)
    if reply.status == 503 or health.get("status") == "fail":
        return told("database.ill", "database", message=health.get("message") or reply.status, **facts)
    return None


def _clocks(reply: Reply) -> Iterator[Finding]:
    try:
        there_s = parsedate_to_datetime(reply.headers.get("Date", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return
    apart_s = abs(there_s - time.time())
    if apart_s > _CLOCKS_APART_S:
        yield told("database.clocks_apart", "database", apart=span(apart_s))


def _rights(target: InfluxTarget, section: InfluxSection, facts: dict[str, Any]) -> Iterator[Finding]:
    """An empty write to each bucket: token, organisation and bucket are looked at, nothing is stored."""
    minutes = section.minute_values
    # VictoriaMetrics keeps no buckets apart
    apart = minutes is not None and section.server != "victoriametrics"
    for bucket in (section.bucket, minutes.bucket) if minutes is not None and apart else (section.bucket,):
        finding = _may_write(replace(target, bucket=bucket), facts | {"bucket": bucket})
        yield finding
        if finding.id in ("database.no_token", "database.wrong_token", "folder.closed"):
            return


def _may_write(target: InfluxTarget, facts: dict[str, Any]) -> Finding:
    connection = WriteConnection(target)
    try:
        return _of_answer(connection.post(()), target, facts)
    except TokenUnreadable as error:
        token = target.token_file
        if token and (hidden := closed_to_me(token)) and (finding := closed("database", token, facts["site"], hidden)):
            return finding
        return told("database.no_token", "database", reason=error, **facts)
    except Unreachable as error:
        return told("database.refuses", "database", reason=error, **facts)
    finally:
        connection.close()


def _of_answer(answer: Answer, target: InfluxTarget, facts: dict[str, Any]) -> Finding:
    judgement, words = judge(answer), answer.message.lower()
    rule = "database.refuses"
    empty_refused = target.server == "influxdb3" and answer.status == 400  # it takes no empty write, but looked at all
    if judgement.verdict is Verdict.STORED or empty_refused:
        rule = "database.may_write"
    elif answer.status == 403 or "insufficient permission" in words or "forbidden" in words:
        rule = "database.no_right"
    elif answer.status == 401:
        rule = "database.wrong_token"
    elif answer.status == 404 and "organization" in words:
        rule = "database.no_org"
    elif answer.status == 404:
        rule = "database.no_bucket"
    return told(rule, "database", reason=judgement.reason, **facts)


def _retention(server: Server, section: InfluxSection, sketch: Sketch, facts: dict[str, Any]) -> Iterator[Finding]:
    """How long the bucket keeps data, as far as Grafana's token may see it."""
    kept_s = _kept_s(server, section, sketch)
    if kept_s is None:
        return
    wanted_s = section.retention_days * _DAY_S
    if kept_s and kept_s < PAGE_S:
        yield told("database.retention_short", "database", kept=_kept(kept_s), page=span(PAGE_S), **facts)
    elif kept_s != wanted_s:
        yield told("database.retention_differs", "database", kept=_kept(kept_s), wanted=_kept(wanted_s), **facts)


def _kept_s(server: Server, section: InfluxSection, sketch: Sketch) -> int | None:
    """Seconds, 0 for ever; None when that cannot be seen."""
    if section.server != "influxdb2" or section.token_file is None:
        return None
    beside = sketch.beside(section.token_file).with_name("influx-read-token")
    try:
        token = read_token(sketch.beside(section.read_token_file) if section.read_token_file else beside)
    except TokenUnreadable:
        return None
    reply = server.get("/api/v2/buckets?" + urlencode({"name": section.bucket}), token)
    for bucket in _json(reply).get("buckets") or []:
        rules = bucket.get("retentionRules") or [{}]
        return int(rules[0].get("everySeconds") or 0)
    return None


def _kept(seconds: int) -> str:
    return span(seconds) if seconds else "data for ever"


def _json(reply: Reply) -> dict[str, Any]:
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def check_quarantine(sketch: Sketch) -> Iterator[Finding]:
    """Lines that the server would not take, with its last reasons."""
    path = sketch.run / QUARANTINE
    notes = list(_notes(path))
    if notes:
        reasons = dict.fromkeys(str(note.get("reason", ""))[:120] for note in notes[-3:])
        counts = [note.get("count") for note in notes]
        count = sum(each for each in counts if isinstance(each, int))
        yield told("database.quarantine", "quarantine", count=count, path=path, reasons="; ".join(reasons))


def _notes(path: Path) -> Iterator[dict[str, Any]]:
    """The last notes of a quarantine file; what is no note is left out."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            note = json.loads(line)
        except ValueError:
            continue
        if isinstance(note, dict):
            yield note
