"""Says in sentences whether a database can be written, and what to do where it cannot. Writes nothing.

Plain HTTP with the standard library, so that it works wherever the gateway does.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import ssl
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from twolbms.outlets.influx_answers import Answer, Verdict, judge
from twolbms.outlets.influx_http import Unreachable, WriteConnection
from twolbms.outlets.influx_target import InfluxTarget, TokenUnreadable

CLOCK_OFF_S = 60.0
_KINDS = {"influxdb2": "InfluxDB 2", "influxdb3": "InfluxDB 3", "victoriametrics": "VictoriaMetrics"}


class Step(NamedTuple):
    """One thing looked at: whether it is as it should be, what was found, and whether it was changed just now."""

    good: bool
    text: str
    changed: bool = False


class _Reply(NamedTuple):
    status: int
    body: bytes
    version: str | None
    date: str | None


def check(target: InfluxTarget, minutes: InfluxTarget | None = None) -> list[Step]:
    """Is somebody there, is it well, is its clock ours, may the gateway write raw values and, if so, minute values."""
    try:
        ping = _get(target, "/ping")
    except (OSError, http.client.HTTPException) as error:
        return [Step(False, _nobody(target, error))]
    steps = [Step(True, f"{target.url} answers, version {ping.version or 'not told'}")]
    steps += [_health(target), *_clock(ping.date)]
    return [*steps, *(may_write(one) for one in (target, minutes) if one is not None)]


def _get(target: InfluxTarget, path: str) -> _Reply:
    address = urlsplit(target.url)
    host, port = address.hostname or "", address.port
    connection: http.client.HTTPConnection
    if address.scheme == "https":
        trust = ssl.create_default_context(cafile=target.ca_file)
        connection = http.client.HTTPSConnection(host, port, timeout=target.timeout_s, context=trust)
    else:
        connection = http.client.HTTPConnection(host, port or 80, timeout=target.timeout_s)
    try:
        connection.request("GET", address.path.rstrip("/") + path, headers={"User-Agent": "2lbms"})
        answer = connection.getresponse()
        version = answer.headers.get("X-Influxdb-Version")
        return _Reply(answer.status, answer.read(65_536), version, answer.headers.get("Date"))
    finally:
        connection.close()


def _nobody(target: InfluxTarget, error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (f"the certificate of {target.url} is not trusted ({error.verify_message}): name its certificate, or "
                "that of who signed it, as ca_file")
    if isinstance(error, ssl.SSLError):
        return f"{target.url} does not speak TLS there ({error.reason or error}): write http:// or another port"
    if isinstance(error, http.client.HTTPException | ConnectionResetError):
        return (f"something listens at {target.url} but speaks no HTTP: is the port right, and does it want https://? "
                f"({type(error).__name__})")
    if isinstance(error, TimeoutError):
        return f"{target.url} does not answer within {target.timeout_s:g} s: is a firewall between, or the server hung?"
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"nobody answers at {target.url} ({why}): start the server, or correct url"


def _health(target: InfluxTarget) -> Step:
    """What the server says of itself. Where nothing is said that can be read, that is no illness."""
    try:
        reply = _get(target, "/health")
        told: Any = json.loads(reply.body) if reply.status in (200, 503) else None
    except (OSError, http.client.HTTPException, ValueError):
        return Step(True, "its health: not told")
    if not isinstance(told, dict) or "status" not in told:
        return Step(True, "its health: not told")
    return Step(told["status"] == "pass", f"its health: {told['status']}, {told.get('message', '')}".rstrip(", "))


def _clock(date: str | None) -> list[Step]:
    """The server's clock against this machine's; a retention of weeks and pages of "the last hour" go by it."""
    try:
        theirs_s = email.utils.parsedate_to_datetime(date or "").timestamp()
    except (TypeError, ValueError):
        return []
    off_s = theirs_s - time.time()
    if abs(off_s) <= CLOCK_OFF_S:
        return [Step(True, f"its clock agrees within {CLOCK_OFF_S:g} s")]
    words = f"{abs(off_s) / 3600:.1f} h" if abs(off_s) >= 3600 else f"{abs(off_s) / 60:.0f} min"
    return [Step(False, f"its clock is {words} {'ahead of' if off_s > 0 else 'behind'} this machine's: set both by "
                        "network time, or points fall outside the retention and pages look empty")]


def may_write(target: InfluxTarget) -> Step:
    """An empty write: the server checks token, organisation and bucket, and stores nothing."""
    connection = WriteConnection(target)
    try:
        answer = connection.post(())
    except (Unreachable, TokenUnreadable) as error:
        hint = ": type 2lbms influx setup" if isinstance(error, TokenUnreadable) else ""
        return Step(False, f"the gateway cannot write: {error}{hint}")
    finally:
        connection.close()
    return _judged(target, answer)


def _judged(target: InfluxTarget, answer: Answer) -> Step:
    judgement = judge(answer)
    place = target.bucket if target.server != "influxdb2" else f"{target.org}/{target.bucket}"
    empty_refused = target.server == "influxdb3" and answer.status == 400  # it takes no empty write, but looked at all
    if judgement.verdict is Verdict.STORED or empty_refused:
        return Step(True, f"the gateway may write to {place}")
    return Step(False, f"the gateway may not write to {place}: {judgement.reason}: {_what_to_do(target, answer)}")


def _what_to_do(target: InfluxTarget, answer: Answer) -> str:
    text = answer.message.lower()
    kind = _KINDS[target.server]
    if answer.status in (401, 403):
        return (f"the token in {target.token_file} is wrong, was revoked, or has no right to write this bucket; type "
                "2lbms influx setup to make another")
    if answer.status == 404 and "organization" in text:
        return f"the server has no organisation {target.org!r}: correct org, or type 2lbms influx setup to make it"
    if answer.status == 404 and "bucket" in text:
        return f"the server has no bucket {target.bucket!r}: correct it, or type 2lbms influx setup to make it"
    if answer.status == 404:
        return f"this is no {kind}, or its address has a path that url lacks"
    if answer.status == 400:
        return "every write is refused: does the server want https://?"
    return f"look at the server's own log; is it a {kind}?"
