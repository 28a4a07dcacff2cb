"""Which bucket of which server a site writes to, and with which token. It knows the site file and no protocol."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:  # pydantic, which costs a tenth of a second, is not needed to write
    from twolbms.config.influx import InfluxSection, Server
    from twolbms.config.site import Site


class TokenUnreadable(Exception):
    """The token file is missing, empty or holds what no HTTP header can carry."""


@dataclass(frozen=True)
class InfluxTarget:
    """Where to write: a server's bucket, and the file that holds the token for it, where it wants one.

    `rewind_s`: so much of what it has answered a restart of the server may take. `label`: a tag, as `name=value`, that
    VictoriaMetrics adds to every point. `compress`: None leaves it to whether the server is on this machine.
    """

    site: str
    url: str
    org: str
    bucket: str
    token_file: Path | None
    ca_file: Path | None = None
    timeout_s: float = 10.0
    server: Server = "influxdb2"
    rewind_s: float = 0.0
    label: str | None = None
    compress: bool | None = None

    @property
    def compresses(self) -> bool:
        """Whether bodies are packed: to a server on this machine that would cost both sides and spare nothing."""
        return not _on_this_machine(urlsplit(self.url).hostname or "") if self.compress is None else self.compress

    @property
    def write_path(self) -> str:
        """Path and query of the write call, below whatever path the url itself has."""
        query = {"org": self.org, "bucket": self.bucket, "precision": "ns"}
        if self.label:
            query["extra_label"] = self.label
        return f"{urlsplit(self.url).path.rstrip('/')}/api/v2/write?{urlencode(query)}"


def _on_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def target_of(site: Site, section: InfluxSection) -> InfluxTarget:
    """The target that a site file's `influxdb:` section names; its relative paths start at the site file."""
    return InfluxTarget(
        site=site.site, url=section.url, org=section.org, bucket=section.bucket,
        token_file=site.beside(section.token_file) if section.token_file else None,
        ca_file=site.beside(section.ca_file) if section.ca_file else None,
        timeout_s=section.timeout_s, server=section.server, rewind_s=section.rewind,
        compress=section.compress)


def minutes_target_of(site: Site, section: InfluxSection) -> InfluxTarget | None:
    """Where the minute values go; None where the site wants none.

    VictoriaMetrics keeps no buckets apart: there a label of the bucket's name tells minute values from raw ones.
    """
    minutes = section.minute_values
    if minutes is None:
        return None
    label = f"bucket={minutes.bucket}" if section.server == "victoriametrics" else None
    return replace(target_of(site, section), bucket=minutes.bucket, label=label)


def read_token(path: Path | None) -> str:
    """The token in `path`. Raises TokenUnreadable."""
    if path is None:
        raise TokenUnreadable("the site file names no token_file")
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenUnreadable(f"token file {path}: {getattr(error, 'strerror', None) or 'not text'}") from error
    if not token or not token.isascii() or not token.isprintable():
        raise TokenUnreadable(f"token file {path}: expected one line of printable ASCII")
    return token
