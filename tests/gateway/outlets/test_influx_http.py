"""The write connection against a scripted server: what goes over the wire, and how each broken answer ends."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from servers.fake_influx import FakeInflux, Step, answer, drip, hang, raw, store_then_cut
from servers.processes import free_port
from twolbms.outlets.influx_http import Unreachable, WriteConnection
from twolbms.outlets.influx_target import InfluxTarget, TokenUnreadable

LINES = [b"pack,pack=a,site=s soc=0.5 %d" % number for number in range(100)]
Connect = Callable[..., WriteConnection]


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A token file as `influx setup` leaves it."""
    path = tmp_path / "token"
    path.write_text("secret-1\n")
    return path


@pytest.fixture
def connect(token_file: Path) -> Iterator[Connect]:
    """Makes connections that wait at most 0.3 s for a byte."""
    made = []

    def build(url: str, **settings: Any) -> WriteConnection:
        made.append(WriteConnection(InfluxTarget("s", url, "my org", "b&c", token_file, timeout_s=0.3, **settings)))
        return made[-1]

    yield build
    for connection in made:
        connection.close()


def test_request(connect: Connect) -> None:
    """Organisation, bucket and precision stand in the query, the token in its header; large bodies are gzipped."""
    with FakeInflux() as server:
        connection = connect(f"{server.url}/behind/a/proxy/", compress=True)
        assert connection.post(LINES).status == 204
        assert connection.post(LINES[:1]).status == 204
    assert server.stored == LINES + LINES[:1]
    (path, headers, _), (_, small, _) = server.requests
    assert path == "/behind/a/proxy/api/v2/write?org=my+org&bucket=b%26c&precision=ns"
    assert headers["authorization"] == "Token secret-1" and headers["content-encoding"] == "gzip"
    assert "content-encoding" not in small


@pytest.mark.parametrize(("url", "compress", "packed"), [
    ("http://127.0.0.1:8086", None, False), ("http://localhost:8086", None, False), ("http://[::1]:8086", None, False),
    ("https://db.example:8086", None, True), ("http://10.0.0.7:8086", None, True),
    ("http://127.0.0.1:8086", True, True), ("https://db.example:8086", False, False)])
def test_what_is_packed(url: str, compress: bool | None, packed: bool) -> None:
    """Bodies are packed for a server elsewhere and not for one on this machine, unless the site file says otherwise."""
    assert InfluxTarget("s", url, "o", "b", None, compress=compress).compresses is packed


def test_one_connection_is_kept(connect: Connect) -> None:
    """A healthy server sees one connection for all batches."""
    with FakeInflux() as server:
        connection = connect(server.url)
        for _ in range(5):
            connection.post(LINES)
        assert server.connections == 1
        connection.close()
        connection.post(LINES)
        assert server.connections == 2


def test_token_is_read_at_each_connect(connect: Connect, token_file: Path) -> None:
    """A new token is used from the next connection on."""
    with FakeInflux() as server:
        connection = connect(server.url)
        connection.post(LINES)
        token_file.write_text("secret-2")
        connection.post(LINES)
        connection.close()
        connection.post(LINES)
    assert [headers["authorization"] for _, headers, _ in server.requests] == ["Token secret-1"] * 2 + [
        "Token secret-2"
    ]


@pytest.mark.parametrize("content", [b"", b"  \n", b"a\nb", "tökén".encode(), b"a\x00b", b"\xff"])
def test_token_that_no_header_can_carry(connect: Connect, token_file: Path, content: bytes) -> None:
    """An empty or impossible token is told with its file and never sent."""
    token_file.write_bytes(content)
    with FakeInflux() as server, pytest.raises(TokenUnreadable, match=str(token_file)):
        connect(server.url).post(LINES)
    assert server.requests == []


def test_no_token_file(connect: Connect, token_file: Path) -> None:
    """A missing token file is told by its path."""
    token_file.unlink()
    with pytest.raises(TokenUnreadable, match="No such file"):
        connect("http://127.0.0.1:1").post(LINES)


def test_answer_comes_whole(connect: Connect) -> None:
    """Status, message, Retry-After and Date of an answer are handed on."""
    with FakeInflux(answer(503, "busy", Retry_After="7")) as server:
        found = connect(server.url).post(LINES)
    assert (found.status, found.message, found.retry_after) == (503, "busy", "7")
    assert found.date and found.date.endswith("GMT")


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(raw(b""), id="cut before the answer"),
        pytest.param(store_then_cut, id="stored, then cut"),
        pytest.param(raw(b"HTTP/1.1 20"), id="cut in the status"),
        pytest.param(raw(b"HTTP/1.1 400 Bad\r\nContent-Length: 500\r\n\r\nhalf"), id="cut in the body"),
        pytest.param(raw(b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), id="broken chunks"),
        pytest.param(raw(b"\x16\x03\x01\x02\x00junk\r\n\r\n"), id="junk"),
        pytest.param(raw(b"HTTP/1.1 204 No Content\r\n" + b"A: b\r\n" * 300 + b"\r\n"), id="endless headers"),
        pytest.param(raw(b"HTTP/1.1 204 " + b"x" * 100_000), id="endless status line"),
        pytest.param(hang, id="no answer"),
        pytest.param(drip, id="dripping answer"),
    ],
)
def test_a_broken_answer_is_no_answer_and_the_next_post_is_whole(connect: Connect, step: Step) -> None:
    """Cut, junk, silence or an endless answer end as Unreachable within bounds, and then the same lines go through."""
    with FakeInflux(step) as server:
        connection = connect(server.url)
        with pytest.raises(Unreachable):
            connection.post(LINES)
        assert connection.post(LINES).status == 204
        assert server.stored[-len(LINES) :] == LINES


def test_an_oversized_answer_is_cut_short(connect: Connect) -> None:
    """Megabytes of words are not read to their end; the connection starts anew."""
    with FakeInflux(answer(400, "x" * 3_000_000)) as server:
        connection = connect(server.url)
        assert len(connection.post(LINES).body) <= 1024 * 1024
        assert connection.post(LINES).status == 204
        assert server.connections == 2


def test_nobody_listens(connect: Connect) -> None:
    """A refused connection says what to look for."""
    with pytest.raises(Unreachable, match="is the server running"):
        connect(f"http://127.0.0.1:{free_port()}").post(LINES)


@pytest.mark.parametrize("url", ["http://no-such-host.invalid:1", "http://127.0.0.1:99999", "http://:1"])
def test_an_address_that_leads_nowhere(connect: Connect, url: str) -> None:
    """A wrong name or port is trouble like any other, never an escape."""
    with pytest.raises(Unreachable):
        connect(url).post(LINES)


def test_tls_spoken_to_a_plain_port(connect: Connect) -> None:
    """https to a server without TLS is told, not waited out."""
    with FakeInflux() as server, pytest.raises(Unreachable, match=r"(?i)ssl"):
        connect(server.url.replace("http:", "https:")).post(LINES)


def test_tls_trusts_only_the_named_certificate(tmp_path: Path, token_file: Path) -> None:
    """With ca_file the server's own certificate is accepted; without it the same server is not."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            key,
            "-out",
            certificate,
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with FakeInflux(tls=context) as server:
        target = InfluxTarget("s", server.url, "o", "b", token_file, ca_file=certificate, timeout_s=5)
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            WriteConnection(replace(target, ca_file=None)).post(LINES)
        trusting = WriteConnection(target)
        assert trusting.post(LINES).status == 204
        trusting.close()
    assert server.stored == LINES


def test_abort_ends_a_waiting_post(token_file: Path) -> None:
    """Another thread can cut off a post that waits for an answer."""
    with FakeInflux(hang) as server:
        connection = WriteConnection(InfluxTarget("s", server.url, "o", "b", token_file, timeout_s=60))
        ended: list[Exception] = []

        def post() -> None:
            try:
                connection.post(LINES)
            except Unreachable as error:
                ended.append(error)

        thread = threading.Thread(target=post)
        thread.start()
        server.wait_for_requests(1)
        connection.abort()
        thread.join(30)
        assert len(ended) == 1


def test_abort_without_a_connection_is_nothing(connect: Connect) -> None:
    """Aborting an idle connection raises nothing."""
    connect("http://127.0.0.1:1").abort()
    assert socket.getdefaulttimeout() is None
