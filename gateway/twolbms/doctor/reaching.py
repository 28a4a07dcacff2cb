"""Reaches a server by HTTP or TLS and tells precisely why not. Knows certificates and sockets, no database."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from twolbms.doctor.rules import Finding, Rule, Rules

_NOT_YET, _EXPIRED, _WRONG_NAME, _WRONG_NUMBER = 9, 10, 62, 64  # X509_V_ERR_… of <openssl/x509_vfy.h>
_ALERT = b"\x15\x03"  # how a TLS server answers what is no TLS
_LONGEST = 1 << 16

told = Rules(
    Rule("server.refused", "bad", "nobody listens at {url}: the connection was refused",
         "is it running? type: systemctl status influxdb; or correct influxdb.url in {site}"),
    Rule("server.no_host", "bad", "no host is called {host}",
         "correct influxdb.url in {site}, or write the host's number instead of its name"),
    Rule("server.no_answer", "bad", "{url} did not answer within {seconds:g} s",
         "is the machine on, in this network, and its firewall open? type: ping {host}"),
    Rule("server.failed", "bad", "{url} cannot be reached: {reason}", "look at the network: ip route get {host}"),
    Rule("server.tls_on_plain", "bad", "{url} speaks plain HTTP, not TLS", "write http:// in influxdb.url of {site}"),
    Rule("server.plain_on_tls", "bad", "{url} speaks TLS, not plain HTTP", "write https:// in influxdb.url of {site}"),
    Rule("server.expired", "bad", "the certificate of {url} has expired",
         "renew it on the server; and look whether this machine's clock is right: date"),
    Rule("server.not_yet_valid", "bad", "the certificate of {url} is not valid yet",
         "look whether this machine's clock is right: date"),
    Rule("server.wrong_name", "bad", "the certificate of {url} is made for another name",
         "use the name it is made for in influxdb.url of {site}; see it with: openssl s_client -connect {host}:{port} "
         "</dev/null | openssl x509 -noout -ext subjectAltName"),
    Rule("server.untrusted", "bad", "the certificate of {url} is signed by nobody this machine trusts",
         "name its certificate, or that of who signed it, as influxdb.ca_file in {site}"),
    Rule("server.no_ca_file", "bad", "influxdb.ca_file {ca_file} cannot be used: {reason}",
         "put the certificate (PEM) there, or correct influxdb.ca_file in {site}"),
    Rule("server.tls_failed", "bad", "{url} and this machine agree on no TLS: {reason}",
         "look at it with: openssl s_client -connect {host}:{port}"),
    Rule("server.not_http", "bad", "{url} answers something that is no HTTP",
         "correct the port in influxdb.url of {site}"),
)


class Reply(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Server:
    """One address. `get` raises Unreached, which carries the finding."""

    def __init__(self, url: str, ca_file: Path | None, timeout_s: float, site: object) -> None:
        self._address: SplitResult = urlsplit(url)
        self._ca_file = ca_file
        self._timeout_s = timeout_s
        port = self._address.port or (443 if self._address.scheme == "https" else 80)
        self._facts = {"url": url, "host": self._address.hostname or "", "port": port, "seconds": timeout_s,
                       "ca_file": ca_file, "site": site}

    def get(self, path: str, token: str | None = None) -> Reply:
        """GET of a path below the address."""
        host, port = str(self._facts["host"]), int(str(self._facts["port"]))
        connection = http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        try:
            connection.sock = self._connected(host, port)
            if self._address.scheme == "https":
                connection.sock = self._secured(connection.sock, host)
            connection.request("GET", self._address.path.rstrip("/") + path,
                               headers={"Authorization": f"Token {token}"} if token else {})
            answer = connection.getresponse()
            return self._plausible(Reply(answer.status, answer.headers, answer.read(_LONGEST)))
        except http.client.BadStatusLine as error:
            raise self._unreached("server.plain_on_tls" if _ALERT in str(error).encode("latin-1", "replace")
                                  else "server.not_http") from error
        except UnicodeError as error:  # of a name that cannot be asked for; before ValueError, which it is
            raise self._unreached("server.no_host") from error
        except OSError as error:  # before ValueError, which a certificate's error is too
            raise self._from_system(error) from error
        except (http.client.HTTPException, ValueError) as error:
            raise self._unreached("server.not_http") from error
        finally:
            connection.close()

    def _connected(self, host: str, port: int) -> socket.socket:
        return socket.create_connection((host, port), timeout=self._timeout_s)

    def _secured(self, plain: socket.socket, host: str) -> ssl.SSLSocket:
        try:
            trust = ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            plain.close()
            raise self._unreached("server.no_ca_file", reason=error.strerror or "no certificate in it") from error
        try:
            return trust.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise

    def _plausible(self, reply: Reply) -> Reply:
        if reply.status == 400 and b"HTTP request to an HTTPS server" in reply.body:  # Go's words
            raise self._unreached("server.plain_on_tls")
        return reply

    def _from_system(self, error: OSError) -> Unreached:
        if isinstance(error, ssl.SSLCertVerificationError):
            return self._unreached(_CERTIFICATES.get(error.verify_code, "server.untrusted"))
        if isinstance(error, ssl.SSLError):
            plain = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
            rule = "server.tls_on_plain" if error.reason in plain else "server.tls_failed"
            return self._unreached(rule, reason=error.reason or error.strerror)
        if isinstance(error, socket.gaierror):
            return self._unreached("server.no_host")
        if isinstance(error, TimeoutError):
            return self._unreached("server.no_answer")
        if isinstance(error, ConnectionRefusedError):
            return self._unreached("server.refused")
        if isinstance(error, ConnectionResetError | BrokenPipeError):
            return self._unreached("server.not_http")
        return self._unreached("server.failed", reason=error.strerror or os.strerror(error.errno or 0))

    def _unreached(self, rule: str, **more: object) -> Unreached:
        return Unreached(told(rule, "database", **self._facts, **more))


_CERTIFICATES = {_NOT_YET: "server.not_yet_valid", _EXPIRED: "server.expired", _WRONG_NAME: "server.wrong_name",
                 _WRONG_NUMBER: "server.wrong_name"}


class Unreached(Exception):
    """No HTTP answer came; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding.sentence)

    def __iter__(self) -> Iterator[Finding]:
        yield self.finding
