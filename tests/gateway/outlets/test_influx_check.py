"""`influx check` says in a sentence what is wrong with a database and what to do; real servers: test_influx_servers."""

from __future__ import annotations

import email.utils
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from servers.processes import free_port
from twolbms.outlets.influx_check import Step, check
from twolbms.outlets.influx_target import InfluxTarget


@contextmanager
def server(write: tuple[int, bytes] = (204, b""), date_off_s: float = 0.0, health: bytes = b'{"status":"pass"}',
           tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A database that answers as it is told."""

    class Handler(BaseHTTPRequestHandler):
        def reply(self, status: int, body: bytes) -> None:
            self.send_response_only(status)
            self.send_header("Date", email.utils.formatdate(time.time() + date_off_s, usegmt=True))
            self.send_header("X-Influxdb-Version", "v2.7.12")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if status != 204 else b"")

        def do_GET(self) -> None:
            self.reply(200, health if self.path == "/health" else b"")

        def do_POST(self) -> None:
            self.reply(*write)

        def log_message(self, *arguments: Any) -> None:
            """Silent."""

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        made.socket = tls.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{made.server_address[1]}"
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


@pytest.fixture
def target(tmp_path: Path) -> InfluxTarget:
    """A site's wishes, its url still to be filled in."""
    (tmp_path / "token").write_text("secret")
    return InfluxTarget("s1", "", "home", "bms", tmp_path / "token", timeout_s=2)


def checked(target: InfluxTarget, url: str, **changes: Any) -> list[Step]:
    """What is said of the database at `url`."""
    from dataclasses import replace

    return check(replace(target, url=url, **changes))


def wrong(target: InfluxTarget, url: str, **changes: Any) -> str:
    """The one thing that is wrong there."""
    (text,) = [step.text for step in checked(target, url, **changes) if not step.good]
    return text


def test_all_well(target: InfluxTarget) -> None:
    """A healthy server that lets the gateway write has nothing wrong with it."""
    with server() as url:
        steps = checked(target, url)
    assert all(step.good for step in steps)
    assert [step.text for step in steps] == [
        f"{url} answers, version v2.7.12", "its health: pass", "its clock agrees within 60 s",
        "the gateway may write to home/bms"]


@pytest.mark.parametrize(("off_s", "words"), [
    (7200, "2.0 h ahead of"), (-300, "5 min behind"), (-86400, "24.0 h behind")])
def test_a_clock_that_is_far_off(target: InfluxTarget, off_s: float, words: str) -> None:
    """A server whose clock is not this machine's is told by how much and what it does to pages."""
    with server(date_off_s=off_s) as url:
        text = wrong(target, url)
    assert words in text and "network time" in text


@pytest.mark.parametrize(("answer", "kind", "words"), [
    ((401, b'{"message":"unauthorized access"}'), "influxdb2",
     "no right to write this bucket; type 2lbms influx setup"),
    ((403, b""), "influxdb3", "no right to write this bucket"),
    ((404, b'{"message":"bucket \\"bms\\" not found"}'), "influxdb2",
     "the server has no bucket 'bms': correct it, or type"),
    ((404, b'{"message":"organization name \\"home\\" not found"}'), "influxdb2",
     "the server has no organisation 'home'"),
    ((404, b"<html>nginx</html>"), "influxdb2", "this is no InfluxDB 2, or its address has a path that url lacks"),
    ((400, b"Client sent an HTTP request to an HTTPS server."), "influxdb2", "does the server want https://?"),
    ((500, b""), "victoriametrics", "look at the server's own log; is it a VictoriaMetrics?"),
    ((200, b"ok"), "influxdb2", "is the url right?"),
])
def test_a_write_that_is_refused(target: InfluxTarget, answer: tuple[int, bytes], kind: str, words: str) -> None:
    """Each refusal is told in the server's words with what to do next."""
    with server(answer) as url:
        assert words in wrong(target, url, server=kind)


def test_influxdb_3_takes_no_empty_write(target: InfluxTarget) -> None:
    """A 400 to nothing from an InfluxDB 3 says that token and database are right."""
    with server((400, b'{"error":"incoming write was empty"}')) as url:
        assert all(step.good for step in checked(target, url, server="influxdb3"))


def test_a_server_that_is_ill(target: InfluxTarget) -> None:
    """What a server says of its health is told."""
    with server(health=b'{"status":"fail","message":"disk full"}') as url:
        assert wrong(target, url) == "its health: fail, disk full"


def test_nobody_there(target: InfluxTarget) -> None:
    """A port where nobody listens, a name that does not exist."""
    assert "Connection refused): start the server, or correct url" in wrong(target, f"http://127.0.0.1:{free_port()}")
    assert "nobody answers at http://no-such-host.invalid:1" in wrong(target, "http://no-such-host.invalid:1")


def test_a_port_that_is_silent_or_no_http(target: InfluxTarget) -> None:
    """A port that accepts and says nothing, and one that says something else."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        text = wrong(target, f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
    assert "does not answer within 0.2 s" in text

    with socket.create_server(("127.0.0.1", 0)) as other:
        def talk() -> None:
            connection, _ = other.accept()
            connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=talk)
        thread.start()
        text = wrong(target, f"http://127.0.0.1:{other.getsockname()[1]}")
        thread.join()
    assert "speaks no HTTP" in text


def test_tls(target: InfluxTarget, tmp_path: Path) -> None:
    """https to a plain port, and a certificate that nobody vouches for, are two different sentences."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    with server() as url:
        assert "does not speak TLS there" in wrong(target, url.replace("http:", "https:"))
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with server(tls=context) as url:
        assert "is not trusted" in wrong(target, url) and "as ca_file" in wrong(target, url)
        assert all(step.good for step in checked(target, url, ca_file=certificate))


def test_no_token(target: InfluxTarget, tmp_path: Path) -> None:
    """A token file that is missing is told with its path and what makes one."""
    (tmp_path / "token").unlink()
    with server() as url:
        text = wrong(target, url)
    assert str(tmp_path / "token") in text and "type 2lbms influx setup" in text


def test_victoria_metrics_needs_no_token(target: InfluxTarget) -> None:
    """A kind of server without tokens is asked without one."""
    with server() as url:
        steps = checked(target, url, token_file=None, server="victoriametrics")
    assert steps[-1] == Step(True, "the gateway may write to bms")
