"""Where a port or a server is: a device's path, `socket://host:port`, an http address. Looks nothing up."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

# An underscore is no letter of a host's name (RFC 952), but of some that are in use; 63 is RFC 1035's.
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_TCP = re.compile(r"socket://(\[[^\[\]]*\]|[^\[\]/?#@:]+):([0-9]{1,5})")
_MOST_HOST = 253


def is_device_path(path: str) -> bool:
    """An absolute path in characters that people can see."""
    return path.startswith("/") and path.isprintable()


def is_tcp_port(address: str) -> bool:
    """`socket://host:port` and nothing behind it."""
    found = _TCP.fullmatch(address)
    return found is not None and is_host(found[1]) and 0 < int(found[2]) < 65536


def is_host(host: str) -> bool:
    """A name or number of a host; an IPv6 number stands in brackets."""
    if host.startswith("["):
        return _is_ipv6(host[1:-1])
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:  # an empty label, or a longer one than a name may have
        return False
    return len(name) <= _MOST_HOST and _HOST.fullmatch(name) is not None


def is_web_address(url: str) -> bool:
    """`http://` or `https://`, a host, perhaps a port and a plain path: no user, query or fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    return (parts.scheme in ("http", "https") and is_host(f"[{host}]" if ":" in host else host)
            and (port is None or port > 0) and "@" not in parts.netloc and not parts.query and not parts.fragment
            and parts.path.isascii() and parts.path.isprintable() and " " not in parts.path)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True
