"""What each answer of the write path leads to."""

from __future__ import annotations

import random

import pytest

from twolbms.outlets.influx_answers import Answer, Backoff, Blamed, Verdict, dropped_points, judge, retry_after_s

CONFLICT = (
    b'{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type '
    b'conflict: input field \\"f\\" on measurement \\"m\\" is type integer, already exists as type float dropped=7"}'
)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (204, Verdict.STORED),
        (200, Verdict.LATER),
        (301, Verdict.LATER),
        (400, Verdict.SPLIT),
        (401, Verdict.REFUSED),
        (403, Verdict.REFUSED),
        (404, Verdict.REFUSED),
        (405, Verdict.REFUSED),
        (408, Verdict.LATER),
        (413, Verdict.SPLIT),
        (422, Verdict.PARTLY),
        (429, Verdict.LATER),
        (500, Verdict.LATER),
        (502, Verdict.LATER),
        (503, Verdict.LATER),
        (599, Verdict.LATER),
    ],
)
def test_verdict_of_each_status(status: int, verdict: Verdict) -> None:
    """Each status has one consequence; only 204 counts as stored."""
    assert judge(Answer(status)).verdict is verdict


def test_reason_is_the_servers_own_word() -> None:
    """People read the server's message, and the count of dropped points is taken from it."""
    judgement = judge(Answer(422, CONFLICT))
    assert judgement.dropped == 7
    assert (
        judgement.reason.startswith("422 failure writing points") and "already exists as type float" in judgement.reason
    )


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"code":1}', b"<html>oops", b"\xff\xfe", b'{"message": "x',
                                  b"[" * 100_000, b'{"a":' * 100_000],
                         ids=lambda body: body[:12].decode(errors="replace"))
def test_junk_bodies_are_only_words(body: bytes) -> None:
    """Whatever stands in the body, the status decides and nothing is raised."""
    assert judge(Answer(422, body)).dropped == 1
    assert judge(Answer(503, body)).verdict is Verdict.LATER
    assert judge(Answer(400, body)).reason.startswith("400")


@pytest.mark.parametrize(
    ("message", "count"),
    [
        ("dropped=12", 12),
        ("partial write: dropped 3 points … dropped=3 for database: x", 3),
        ("no count", 1),
        ("dropped=0", 1),
    ],
)
def test_dropped_count(message: str, count: int) -> None:
    """The count stands after `dropped=`; a partial write without one has dropped something all the same."""
    assert dropped_points(message) == count


DATE = "Tue, 24 Nov 2026 06:31:10 GMT"


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        ("7", None, 7.0),
        (" 2.5 ", None, 2.5),
        ("0", None, 0.0),
        ("100000", None, 300.0),
        (None, None, None),
        ("", DATE, None),
        ("soon", DATE, None),
        ("-3", DATE, None),
        ("Tue, 24 Nov 2026 06:31:40 GMT", DATE, 30.0),
        ("Tue, 24 Nov 2026 06:00:00 GMT", DATE, 0.0),
        ("Tue, 24 Nov 2026 06:31:40 GMT", None, None),
        ("Wed, 25 Nov 2026 06:31:40 GMT", DATE, 300.0),
    ],
)
def test_retry_after(header: str | None, date: str | None, seconds: float | None) -> None:
    """Seconds or a date against the answer's own Date, never more than five minutes, None when unreadable."""
    assert retry_after_s(Answer(503, retry_after=header, date=date)) == seconds


def test_backoff_grows_to_its_bound_with_jitter() -> None:
    """Each wait lies between half and the whole of a doubling step, up to the bound; a success begins anew."""
    backoff = Backoff(1.0, 60.0, random.Random(4))
    waits = [backoff.next_s() for _ in range(2000)]
    for wait, whole in zip(waits, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, *[60.0] * 1994], strict=True):
        assert whole / 2 <= wait <= whole
    assert len(set(waits)) > 1900
    backoff.reset()
    assert backoff.next_s() <= 1.0


def test_a_reason_keeps_the_cause_behind_a_long_quotation() -> None:
    """A refusal that quotes a line of many kilobytes is told by its two ends."""
    reason = judge(
        Answer(400, b'{"message":"unable to parse \'' + b"y" * 70_000 + b"': max key length exceeded\"}")
    ).reason
    assert (
        reason.startswith("400 unable to parse 'yyy")
        and reason.endswith("max key length exceeded")
        and len(reason) < 600
    )


PARTIAL = (
    b'{"error":"partial write of line protocol occurred","data":[{"original_line":"m f=x 1","line_number":2,'
    b'"error_message":"invalid number"},{"original_line":"m f=1i","line_number":4,"error_message":"column type"}]}'
)


def test_influxdb_3_names_the_lines_that_it_refused() -> None:
    """400 with a list of lines means that the rest is stored: nothing is halved, each line is told with its reason."""
    judgement = judge(Answer(400, PARTIAL))
    assert judgement.verdict is Verdict.PARTLY and judgement.dropped == 2
    assert judgement.blamed == (Blamed(1, "invalid number"), Blamed(3, "column type"))
    assert judgement.reason == "400 partial write of line protocol occurred"


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":"parsing failed for write_lp endpoint","data":{"original_line":"x","line_number":1}}',
        b'{"error":"parsing failed","data":[]}',
        b'{"error":"parsing failed","data":[1,"x",{"line_number":0},{"line_number":true},{"line_number":"3"}]}',
        b'{"code":"invalid","message":"unable to parse","data":[{"line_number":2}]}',
        b'[{"line_number":2}]',
        b"[" * 100_000,
    ],
)
def test_a_400_without_such_a_list_stored_nothing(body: bytes) -> None:
    """An object, an empty list or junk names no lines: the batch is searched as ever."""
    assert judge(Answer(400, body)).verdict is Verdict.SPLIT
