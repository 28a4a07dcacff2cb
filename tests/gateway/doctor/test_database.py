"""The database: every way not to reach it, and every way not to be let in, on fake and real servers."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from gateway.doctor.conftest import SITE, Sketched, as_nobody
from twolbms.doctor import database
from twolbms.doctor.database import PAGE_S, check_database, check_quarantine
from twolbms.doctor.rules import Finding
from twolbms.doctor.sketch import sketch_of
from twolbms.outlets.influx_setup import set_up
from twolbms.outlets.quarantine import Quarantine

if TYPE_CHECKING:
    from servers.influx_server import InfluxServer
    from servers.victoria_server import VictoriaServer

ROOT = Path(__file__).resolve().parents[3]


class Says(NamedTuple):
    """An answer."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = {}


WELL = {"/ping": Says(204, None, {"X-Influxdb-Version": "v2.7.12"}), "/health": Says(200, {"status": "pass"}),
        "/api/v2/setup": Says(200, {"allowed": False}), "/api/v2/write": Says(204)}


@contextmanager
def server(answers: Mapping[str, Says], certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """A server that gives these answers by the beginning of the path, with TLS or without; its address."""
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            said = answers.get(self.path.partition("?")[0], Says(404, {"message": "no such path"}))
            body = b"" if said.body is None else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if said.status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() + SKEW_S["now"])

        def log_message(self, *arguments: Any) -> None:
            """Silent."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that do not like a certificate go away."""

    http = Quiet(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        http.socket = context.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{http.server_address[1]}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


SKEW_S = {"now": 0.0}


def look(sketched: Sketched, url: str, **more: Any) -> list[Finding]:
    """What is found about the database at `url`, with a token file that holds a token."""
    section = {"url": url, "org": "home", "bucket": "bms", "token_file": "token", "minutes": None} | more
    sketch = sketched(SITE + f"influxdb: {json.dumps(section)}\n")
    if not (sketch.folder / "token").exists():
        (sketch.folder / "token").write_text("secret")
    assert sketch.problems == ()
    return list(check_database(sketch))


def ids(found: list[Finding]) -> list[str]:
    assert all(finding.do for finding in found if finding.state != "good")
    return [finding.id for finding in found]


# --- reaching it ---

def test_no_database(sketched: Sketched) -> None:
    """A site without one is fine."""
    assert [finding.id for finding in check_database(sketched(SITE))] == ["database.none"]


def test_refused(sketched: Sketched) -> None:
    """Nobody listens."""
    assert ids(look(sketched, "http://127.0.0.1:1")) == ["server.refused"]


def test_no_such_host(sketched: Sketched) -> None:
    """A name without a host."""
    (finding,) = look(sketched, "http://no-such-host.invalid:8086")
    assert finding.id in ("server.no_host", "server.no_answer")


def test_silence(sketched: Sketched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and never answers is told in time."""
    monkeypatch.setattr(database, "WITHIN_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert ids(look(sketched, f"http://127.0.0.1:{silent.getsockname()[1]}")) == ["server.no_answer"]


@contextmanager
def saying(raw: bytes) -> Iterator[str]:
    """A port that answers these bytes to whatever comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(raw)
            connection.close()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"\x00" * 50, b"HTTP/1.1 abc\r\n\r\n"])
def test_no_http(sketched: Sketched, raw: bytes) -> None:
    """Another service, or one that hangs up, is told as no HTTP."""
    with saying(raw) as url:
        assert ids(look(sketched, url)) == ["server.not_http"]


def test_go_says_that_it_wants_tls(sketched: Sketched) -> None:
    """InfluxDB with TLS answers plain HTTP in these words."""
    raw = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
    with saying(raw) as url:
        assert ids(look(sketched, url)) == ["server.plain_on_tls"]


class Certificates(NamedTuple):
    """Certificates of one who signs: for this address, for another name, and one that has expired."""

    ca: Path
    right: tuple[Path, Path]
    other: tuple[Path, Path]
    expired: tuple[Path, Path]
    future: tuple[Path, Path]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made by openssl."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    (folder / "index").touch()
    (folder / "serial").write_text("01")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n"
        "unique_subject=no\n[p]\ncommonName=supplied\n[right]\nsubjectAltName=IP:127.0.0.1\n"
        "[other]\nsubjectAltName=DNS:elsewhere\n")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30",
            "-subj", "/CN=signer")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=server")

    def signed(name: str, extensions: str, first: str, last: str) -> tuple[Path, Path]:
        openssl("ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "csr.pem", "-out",
                f"{name}.pem", "-extensions", extensions, "-startdate", first, "-enddate", last)
        return folder / f"{name}.pem", folder / "key.pem"

    ever = ("20200101000000Z", "20990101000000Z")
    return Certificates(folder / "ca.pem", signed("right", "right", *ever), signed("other", "other", *ever),
                        signed("expired", "right", "20200101000000Z", "20200201000000Z"),
                        signed("future", "right", "20980101000000Z", "20990101000000Z"))


def test_tls(sketched: Sketched, certificates: Certificates) -> None:
    """A trusted certificate is good; expired, not yet valid, of another name, of nobody: each is its own finding."""
    trust = {"ca_file": str(certificates.ca)}
    for pair, more, expected in ((certificates.right, trust, ["database.good", "database.may_write"]),
                                 (certificates.expired, trust, ["server.expired"]),
                                 (certificates.future, trust, ["server.not_yet_valid"]),
                                 (certificates.other, trust, ["server.wrong_name"]),
                                 (certificates.right, {}, ["server.untrusted"])):
        with server(WELL, pair) as url:
            assert ids(look(sketched, url, **more)) == expected


def test_plain_and_tls_confused(sketched: Sketched, certificates: Certificates) -> None:
    """https:// to a plain port and http:// to a TLS port say which letter is missing or too many."""
    with server(WELL) as url:
        (finding,) = look(sketched, url.replace("http:", "https:"))
    assert finding.id == "server.tls_on_plain" and "http://" in finding.do
    with server(WELL, certificates.right) as url:
        (finding,) = look(sketched, url.replace("https:", "http:"))
    assert finding.id in ("server.plain_on_tls", "server.not_http")


def test_a_certificate_file_that_is_not_there(sketched: Sketched, certificates: Certificates) -> None:
    """ca_file that is missing or no certificate is told before any handshake."""
    (certificates.ca.parent / "junk.pem").write_text("junk")
    with server(WELL, certificates.right) as url:
        for name, words in (("none.pem", "No such file"), ("junk.pem", "no certificate")):
            (finding,) = look(sketched, url, ca_file=str(certificates.ca.parent / name))
            assert finding.id == "server.no_ca_file" and words in finding.sentence


# --- being let in ---

@pytest.mark.parametrize(("answers", "expected"), [
    ({}, ["database.good", "database.may_write"]),
    ({"/ping": Says(404)}, ["database.not_influx"]),
    ({"/ping": Says(301)}, ["database.not_influx"]),
    ({"/health": Says(503, {"status": "fail", "message": "disk"})}, ["database.ill"]),
    ({"/api/v2/setup": Says(200, {"allowed": True})}, ["database.good", "database.empty"]),
    ({"/api/v2/write": Says(401, {"message": "unauthorized access"})}, ["database.good", "database.wrong_token"]),
    ({"/api/v2/write": Says(401, {"message": "insufficient permissions for write"})},
     ["database.good", "database.no_right"]),
    ({"/api/v2/write": Says(403, {"message": "forbidden"})}, ["database.good", "database.no_right"]),
    ({"/api/v2/write": Says(404, {"message": 'organization name "home" not found'})},
     ["database.good", "database.no_org"]),
    ({"/api/v2/write": Says(404, {"message": 'bucket "bms" not found'})}, ["database.good", "database.no_bucket"]),
    ({"/api/v2/write": Says(500, {"message": "boom"})}, ["database.good", "database.refuses"]),
    ({"/api/v2/write": Says(200, "<html>")}, ["database.good", "database.refuses"]),
])
def test_answers(answers: Mapping[str, Says], expected: list[str], sketched: Sketched) -> None:
    """What the server says becomes one sentence with what to do."""
    with server({**WELL, **answers}) as url:
        assert ids(look(sketched, url)) == expected


def test_without_a_token(sketched: Sketched) -> None:
    """No token file: it is told that setup makes one."""
    with server(WELL) as url:
        sketch = sketched(SITE + f"influxdb: {{url: '{url}', org: o, token_file: none, minutes: null}}\n")
        found = list(check_database(sketch))
    assert found[-1].id == "database.no_token" and "influx setup" in found[-1].do


def test_both_buckets_are_tried(sketched: Sketched) -> None:
    """The bucket of minute values needs its right too."""
    with server(WELL) as url:
        found = look(sketched, url, minutes={"bucket": "years"})
    assert [finding.sentence for finding in found if finding.id == "database.may_write"] == [
        "the gateway may write to bms", "the gateway may write to years"]


@pytest.mark.parametrize(("kept_s", "expected"), [
    (30 * 86400, []), (3600, ["database.retention_short"]), (7 * 86400, ["database.retention_differs"]),
    (0, ["database.retention_differs"])])
def test_retention(kept_s: int, expected: list[str], sketched: Sketched, tmp_path: Path) -> None:
    """A bucket that keeps less than the page shows, or another time than the site file says."""
    (tmp_path / "influx-read-token").write_text("read")
    rules = [{"type": "expire", "everySeconds": kept_s}] if kept_s else []
    with server({**WELL, "/api/v2/buckets": Says(200, {"buckets": [{"name": "bms", "retentionRules": rules}]})}) as url:
        assert ids(look(sketched, url))[2:] == expected


def test_the_page_is_as_long_as_is_said() -> None:
    """What is called too short is measured by the page that comes with 2lbms."""
    page = json.loads((ROOT / "grafana/dashboards/site.json").read_text())
    assert page["time"]["from"] == f"now-{PAGE_S // 3600}h"


@pytest.mark.parametrize(("skew_s", "expected"), [(5.0, []), (7200.0, ["database.clocks_apart"]),
                                                  (-7200.0, ["database.clocks_apart"])])
def test_clocks(skew_s: float, expected: list[str], sketched: Sketched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's clock against ours, by the Date of its answer."""
    monkeypatch.setitem(SKEW_S, "now", skew_s)
    with server(WELL) as url:
        found = look(sketched, url)
    assert [finding.id for finding in found if finding.state == "warn"] == expected


@pytest.mark.parametrize(("answers", "expected"), [
    ({"/ping": Says(401)}, ["database.good", "database.may_write"]),
    ({"/api/v3/x": Says(1), "/api/v2/write": Says(400, {"error": "no data"})}, ["database.good", "database.may_write"]),
    ({"/api/v2/write": Says(401, {"error": "unauthenticated"})}, ["database.good", "database.wrong_token"])])
def test_influxdb_3(answers: Mapping[str, Says], expected: list[str], sketched: Sketched) -> None:
    """InfluxDB 3 may want a token even for a ping, and refuses an empty write after it has looked at everything."""
    with server({**WELL, **answers}) as url:
        assert ids(look(sketched, url, server="influxdb3")) == expected


def test_a_real_victoria_metrics(victoria_metrics: VictoriaServer, sketched: Sketched) -> None:
    """VictoriaMetrics knows no organisation, no token and no bucket, and is good."""
    found = look(sketched, victoria_metrics.url, server="victoriametrics", org="", token_file=None)
    assert ids(found) == ["database.good", "database.may_write"]


# --- quarantine ---

def test_quarantine(sketched: Sketched) -> None:
    """Refused points are counted with the last reasons; an empty or damaged file is no trouble."""
    sketch = sketched(SITE)
    assert list(check_quarantine(sketch)) == []
    quarantine = Quarantine(sketch.run / database.QUARANTINE)
    quarantine.add("field type conflict", 3, b"x y=1")
    quarantine.add("unable to parse", 2)
    with quarantine.path.open("a") as file:
        file.write("{half a no")
    (finding,) = check_quarantine(sketch)
    assert finding.sentence.startswith("5 points were refused")
    assert "field type conflict; unable to parse" in finding.sentence


# --- a real InfluxDB 2 ---

def test_a_real_server(own_influxd: InfluxServer, tmp_path: Path, sketched: Sketched) -> None:
    """On the real server: never set up, ready, no bucket, no organisation, no right, another token, stopped."""
    plan = own_influxd.plan("bms", 30 * 86400)
    assert ids(look(sketched, own_influxd.url))[-1] == "database.empty"
    set_up(plan)
    (tmp_path / "token").write_text(plan.target.token_file.read_text())
    (tmp_path / "influx-read-token").write_text(plan.read_token_file.read_text())
    org = plan.target.org
    assert ids(look(sketched, own_influxd.url, org=org)) == ["database.good", "database.may_write"]
    assert ids(look(sketched, own_influxd.url, org=org, retention_days=7))[-1] == "database.retention_differs"
    assert ids(look(sketched, own_influxd.url, org=org, bucket="none"))[-1] == "database.no_bucket"
    assert ids(look(sketched, own_influxd.url, org="none"))[-1] == "database.no_org"
    (tmp_path / "token").write_text(plan.read_token_file.read_text())
    assert ids(look(sketched, own_influxd.url, org=org))[-1] == "database.no_right"
    (tmp_path / "token").write_text("wrong")
    assert ids(look(sketched, own_influxd.url, org=org))[1] == "database.wrong_token"
    own_influxd.kill()
    assert ids(look(sketched, own_influxd.url, org=org)) == ["server.refused"]


def test_a_name_that_cannot_be_asked_for() -> None:
    """A host's name with an empty label or one too long is no host, not an answer that is no HTTP."""
    from twolbms.doctor.reaching import Server, Unreached
    for host in ("a..b", "a" * 64 + ".de"):
        with pytest.raises(Unreached) as caught:
            Server(f"http://{host}:1", None, 1.0, "site.yaml").get("/ping")
        assert caught.value.finding.id == "server.no_host"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_token_in_a_closed_folder(open_folder: Path, closed_folder: Path) -> None:
    """A token that cannot be seen is no reason to set the server up anew."""
    with server(WELL) as url:
        (open_folder / "site.yaml").write_text(
            SITE + f"influxdb: {{url: '{url}', org: o, token_file: {closed_folder}/token, minutes: null}}\n")
        sketch = sketch_of(open_folder / "site.yaml")
        told = as_nobody(lambda: check_database(sketch))
    assert told[1].startswith(f"folder.closed {closed_folder} is closed to nobody") and "influx setup" not in told[1]
