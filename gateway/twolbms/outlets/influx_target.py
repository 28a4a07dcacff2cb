"""Which bucket of which server a site writes to, and with which token. It knows the site file and no protocol."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from twolbms.config.influx import InfluxSection
from twolbms.config.site import Site


class TokenUnreadable(Exception):
    """The token file is missing, empty or holds what no HTTP header can carry."""


@dataclass(frozen=True)
class InfluxTarget:
    """Where to write: a server's bucket, and the file that holds the token for it."""

    site: str
    url: str
    org: str
    bucket: str
    token_file: Path
    ca_file: Path | None = None
    timeout_s: float = 10.0

    @property
    def write_path(self) -> str:
        """Path and query of the write call, below whatever path the url itself has."""
        query = urlencode({"org": self.org, "bucket": self.bucket, "precision": "ns"})
        return f"{urlsplit(self.url).path.rstrip('/')}/api/v2/write?{query}"


def target_of(site: Site, section: InfluxSection) -> InfluxTarget:
    """The target that a site file's `influxdb:` section names; its relative paths start at the site file."""
    return InfluxTarget(
        site=site.site, url=section.url, org=section.org, bucket=section.bucket,
        token_file=site.beside(section.token_file), ca_file=site.beside(section.ca_file) if section.ca_file else None,
        timeout_s=section.timeout_s)


def read_token(path: Path) -> str:
    """The token in `path`. Raises TokenUnreadable."""
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenUnreadable(f"token file {path}: {getattr(error, 'strerror', None) or 'not text'}") from error
    if not token or not token.isascii() or not token.isprintable():
        raise TokenUnreadable(f"token file {path}: expected one line of printable ASCII")
    return token
