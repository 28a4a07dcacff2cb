"""How a batch gets to the server: every line stored or accounted for, whatever is answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from twolbms.outlets.influx_answers import Answer
from twolbms.outlets.influx_delivery import Delivery, Pace
from twolbms.outlets.influx_http import Unreachable
from twolbms.outlets.influx_target import TokenUnreadable
from twolbms.outlets.line_text import LineText
from twolbms.outlets.quarantine import Quarantine

LINES = [b"m f=%d.0 1" % number for number in range(100)]
PACE = Pace(batch_lines=40, first_retry_s=1.0, most_retry_s=8.0, refused_retry_s=30.0)
Reaction = Answer | Exception


class Server:
    """Answers from a list, then by a rule; remembers what it stored."""

    def __init__(
        self, *script: Reaction, rule: Callable[[Sequence[bytes]], Reaction] = lambda lines: Answer(204)
    ) -> None:
        self.script, self.rule = list(script), rule
        self.stored: list[bytes] = []
        self.posts: list[int] = []
        self.closed = 0

    def post(self, lines: Sequence[bytes]) -> Answer:
        self.posts.append(len(lines))
        reaction = self.script.pop(0) if self.script else self.rule(lines)
        if isinstance(reaction, Exception):
            raise reaction
        if reaction.status == 204:
            self.stored += lines
        return reaction

    def close(self) -> None:
        self.closed += 1


class Patience:
    """Stands for waiting: remembers each wait and ends the test's patience after so many."""

    class Over(Exception):
        """No more waiting."""

    def __init__(self, most: int = 50) -> None:
        self.waits: list[tuple[float, str, str | None]] = []
        self.most = most
        self.delivery: Delivery

    def __call__(self, seconds: float) -> None:
        if seconds:
            self.waits.append((seconds, self.delivery.progress.state, self.delivery.progress.error))
        if len(self.waits) >= self.most:
            raise Patience.Over


@pytest.fixture
def make(tmp_path: Path) -> Callable[[Server], tuple[Delivery, Patience]]:
    """A delivery to a server, its waits recorded."""

    def build(server: Server) -> tuple[Delivery, Patience]:
        patience = Patience()
        patience.delivery = Delivery(server, Quarantine(tmp_path / "quarantine.log"), PACE, patience)
        return patience.delivery, patience

    return build


Make = Callable[[Server], tuple[Delivery, Patience]]


def quarantined(delivery: Delivery) -> list[dict[str, object]]:
    """What lies in quarantine."""
    path = delivery.quarantine.path
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_batches_in_order(make: Make) -> None:
    """Lines go out in their order, in batches of at most the size asked for."""
    server = Server()
    delivery, patience = make(server)
    delivery.deliver(LINES)
    assert server.posts == [40, 40, 20] and server.stored == LINES
    assert (delivery.progress.lines, delivery.progress.refused, patience.waits) == (100, 0, [])


@pytest.mark.parametrize("bad", [{0}, {99}, {40}, {39, 40, 41}, {3, 77}, set(range(10, 20))])
def test_bad_lines_are_found_and_quarantined(make: Make, bad: set[int]) -> None:
    """After a 400 exactly the lines at fault lie in quarantine, each with its reason, and all others are stored."""
    poison = {LINES[number] for number in bad}
    server = Server(
        rule=lambda lines: Answer(400, b'{"message":"unable to parse"}') if poison & set(lines) else Answer(204)
    )
    delivery, _ = make(server)
    delivery.deliver(LINES)
    assert server.stored == [line for line in LINES if line not in poison]
    notes = quarantined(delivery)
    assert {note["line"] for note in notes} == {line.decode() for line in poison}
    assert all(note["reason"] == "400 unable to parse" and note["count"] == 1 for note in notes)
    assert (delivery.progress.lines, delivery.progress.refused) == (100 - len(bad), len(bad))
    assert len(server.posts) <= 3 + len(bad) * 2 * 7, "halving 40 lines takes at most 6 steps of two a bad line"


def test_a_batch_of_one_bad_line(make: Make) -> None:
    """A single line that is refused is quarantined when the server takes an empty write."""
    server = Server(rule=lambda lines: Answer(400) if lines else Answer(204))
    delivery, _ = make(server)
    delivery.deliver(LINES[:1])
    assert [note["line"] for note in quarantined(delivery)] == [LINES[0].decode()]


def test_a_server_that_refuses_everything_loses_nothing(make: Make) -> None:
    """Where even an empty write gets 400 (a TLS port, say) nothing is quarantined; it tells, waits and goes on."""
    server = Server(*[Answer(400, b"Client sent an HTTP request to an HTTPS server.")] * 11)
    delivery, patience = make(server)
    delivery.deliver(LINES[:4])
    assert sorted(server.stored) == sorted(LINES[:4]) and quarantined(delivery) == []
    assert patience.waits[0] == (
        30.0,
        "refused",
        "every write is refused: 400 Client sent an HTTP request to an HTTPS server.",
    )
    assert delivery.progress.state == "ok" and delivery.progress.error is None


def test_too_large_is_halved(make: Make) -> None:
    """413 halves the batch until it fits; nothing is refused."""
    server = Server(rule=lambda lines: Answer(413) if len(lines) > 7 else Answer(204))
    delivery, _ = make(server)
    delivery.deliver(LINES)
    assert server.stored == LINES and delivery.progress.refused == 0


def test_partly_stored_is_counted_and_passed(make: Make) -> None:
    """422 means the rest is stored: the count is taken from the message, noted with its reason, and it goes on."""
    server = Server(Answer(422, b'{"message":"partial write: field type conflict dropped=3"}'))
    delivery, _ = make(server)
    delivery.deliver(LINES[:40])
    assert server.posts == [40] and (delivery.progress.lines, delivery.progress.refused) == (37, 3)
    (note,) = quarantined(delivery)
    assert note["count"] == 3 and "type conflict" in str(note["reason"]) and note["line"] is None


@pytest.mark.parametrize("trouble", [Answer(401), Answer(403), Answer(404), TokenUnreadable("token file x: missing")])
def test_refusal_stops_and_retries_slowly(make: Make, trouble: Reaction) -> None:
    """Token, organisation or bucket wrong: told as refused, tried again slowly, and stored once it is mended."""
    server = Server(*[trouble] * 3)
    delivery, patience = make(server)
    delivery.deliver(LINES[:10])
    assert [(wait, state) for wait, state, _ in patience.waits] == [(30.0, "refused")] * 3
    assert server.stored == LINES[:10] and delivery.progress.state == "ok"
    assert server.closed == (3 if isinstance(trouble, Answer) else 0), "the token is read again"


@pytest.mark.parametrize(
    "trouble",
    [Answer(500), Answer(502), Answer(503), Answer(429), Answer(200), Answer(302), Unreachable("connection refused")],
)
def test_passing_trouble_backs_off_and_sends_the_same_again(make: Make, trouble: Reaction) -> None:
    """What may pass is waited for, longer each time up to the bound; then the very same lines go out."""
    server = Server(*[trouble] * 6)
    delivery, patience = make(server)
    delivery.deliver(LINES[:10])
    assert server.stored == LINES[:10] and server.posts == [10] * 7
    for (wait, state, error), whole in zip(patience.waits, [1, 2, 4, 8, 8, 8], strict=True):
        assert whole / 2 <= wait <= whole and state == "waiting" and error


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry_after": "20"}, 20, 22),
        ({"retry_after": "Tue, 24 Nov 2026 06:31:40 GMT", "date": "Tue, 24 Nov 2026 06:31:10 GMT"}, 30, 33),
        ({"retry_after": "0"}, 0.5, 1),
        ({"retry_after": "junk"}, 0.5, 1),
    ],
)
def test_retry_after_is_obeyed(make: Make, headers: dict[str, str], least: float, most: float) -> None:
    """503 with Retry-After waits that long and a little more; 0 or junk waits as without one, never in a hot loop."""
    server = Server(Answer(503, b"", **headers))
    delivery, patience = make(server)
    delivery.deliver(LINES[:10])
    ((wait, state, _),) = patience.waits
    assert least <= wait <= most and state == "waiting" and server.stored == LINES[:10]


def test_an_outlet_told_to_stop_gives_up(make: Make) -> None:
    """What ends the waiting ends the delivery, before anything counts as stored."""
    delivery, patience = make(Server(rule=lambda lines: Unreachable("gone")))
    patience.most = 3
    with pytest.raises(Patience.Over):
        delivery.deliver(LINES)
    assert delivery.progress.lines == 0 and len(patience.waits) == 3


def test_a_success_makes_the_next_wait_short_again(make: Make) -> None:
    """After an outage has ended, the next trouble begins with the shortest wait."""
    server = Server(*[Answer(500)] * 4, Answer(204), Answer(500))
    delivery, patience = make(server)
    delivery.deliver(LINES[:10])
    delivery.deliver(LINES[10:20])
    assert patience.waits[3][0] >= 4 and patience.waits[4][0] <= 1


def all_bad(lines: Sequence[bytes]) -> Answer:
    """A server that takes an empty write and no line of ours."""
    return Answer(400, b'{"message":"unable to parse"}') if lines else Answer(204)


def test_the_search_for_bad_lines_is_bounded(tmp_path: Path) -> None:
    """5,000 bad lines cost a bounded number of posts, not 10,000; all are counted, in pieces with their first line."""
    server = Server(rule=all_bad)
    patience = Patience()
    patience.delivery = delivery = Delivery(server, Quarantine(tmp_path / "quarantine.log"), Pace(), patience)
    lines = [b"m f=%d.0 1" % number for number in range(5000)]
    delivery.deliver(lines)
    assert len(server.posts) <= 400 + 2 * 128
    assert delivery.progress.refused == 5000
    notes = quarantined(delivery)
    assert sum(int(str(note["count"])) for note in notes) == 5000
    assert any("of these 78 lines" in str(note["reason"]) for note in notes)
    posts = []
    for _ in range(8):
        server.posts.clear()
        delivery.deliver(lines)
        posts.append(len(server.posts))
    assert posts[-1] <= 25 + 2 * 128, "what was bad in every batch is searched less in the next"


def test_some_bad_lines_are_still_found_one_by_one(tmp_path: Path) -> None:
    """Ten bad lines among 5,000 are each found, and 4,990 stored."""
    poison = {b"m f=%d.0 1" % number for number in range(0, 5000, 500)}
    server = Server(rule=lambda lines: Answer(400) if poison & set(b"\n".join(lines).split(b"\n")) else Answer(204))
    patience = Patience()
    patience.delivery = delivery = Delivery(server, Quarantine(tmp_path / "quarantine.log"), Pace(), patience)
    delivery.deliver([b"m f=%d.0 1" % number for number in range(5000)])
    assert (delivery.progress.lines, delivery.progress.refused) == (4990, 10)
    assert {note["line"] for note in quarantined(delivery)} == {line.decode() for line in poison}


def test_a_text_of_many_lines_is_cut_only_when_it_must_be(make: Make) -> None:
    """A ready text goes out as it is; after a 400 it is searched line by line like any other."""
    poison = LINES[7]
    server = Server(rule=lambda lines: Answer(400) if poison in b"\n".join(lines).split(b"\n") else Answer(204))
    delivery, _ = make(server)
    delivery.deliver(LineText((b"\n".join(LINES[:5]),), 5))
    assert server.stored == [b"\n".join(LINES[:5])]
    delivery.deliver(LineText((b"\n".join(LINES[5:25]),), 20))
    assert {line for text in server.stored for line in text.split(b"\n")} == {*LINES[:25]} - {poison}
    assert [note["line"] for note in quarantined(delivery)] == [poison.decode()]


def test_a_learned_limit_is_kept_strictly(make: Make) -> None:
    """After one 413 no text of many lines is sent whole again, though it is less than twice too long."""
    counts: list[int] = []

    def small(chunks: Sequence[bytes]) -> Answer:
        counts.append(len(b"\n".join(chunks).splitlines()))
        return Answer(413) if counts[-1] > 25 else Answer(204)

    delivery, _ = make(Server(rule=small))
    for _ in range(3):
        delivery.deliver(LineText((b"\n".join(LINES[:40]),), 40))
    assert counts == [40] + 6 * [20]


def test_what_was_too_large_once_is_not_tried_again(make: Make) -> None:
    """After 413 the next batches are sent in pieces of the size that fitted."""
    server = Server(rule=lambda lines: Answer(413) if len(lines) > 12 else Answer(204))
    delivery, _ = make(server)
    delivery.deliver(LINES[:40])
    server.posts.clear()
    delivery.deliver(LINES[40:80])
    assert max(server.posts) <= 12


def test_lines_that_the_server_names_are_quarantined_with_their_reasons(make: Make) -> None:
    """InfluxDB 3 stores the rest and names what it refused: just those lines lie in quarantine, nothing is resent."""
    body = json.dumps({"error": "partial write of line protocol occurred", "data": [
        {"line_number": 2, "error_message": "no number"}, {"line_number": 9999, "error_message": "beyond"}]}).encode()
    server = Server(Answer(400, body))
    delivery, _ = make(server)
    delivery.deliver(LINES[:10])
    assert server.posts == [10] and (delivery.progress.lines, delivery.progress.refused) == (8, 2)
    first, second = quarantined(delivery)
    assert first["line"] == LINES[1].decode() and "no number" in str(first["reason"])
    assert second["line"] is None and "beyond" in str(second["reason"])
