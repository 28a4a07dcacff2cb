"""Addresses of ports and servers: what can be opened is taken, everything else is refused before it is tried."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from twolbms.config.addresses import is_device_path, is_tcp_port, is_web_address
from twolbms.config.buses import Bus
from twolbms.config.devices import Device

GOOD = ("socket://127.0.0.1:4000", "socket://[::1]:1", "socket://pi-2.local:65535", "socket://my_pi.lan.:4000")
BAD = ("spy:///dev/null?file=/tmp/x", "loop://", "rfc2217://127.0.0.1:4000", "alt:///dev/null?class=x", "hwgrep://USB",
       "foo://bar", "socket://", "socket://127.0.0.1", "socket://127.0.0.1:0", "socket://127.0.0.1:65536",
       "socket://a..b:4000", "socket://.a:4000", f"socket://{'a' * 64}:4000", "socket://[::1:4000", "socket://[x]:4000",
       "socket://a:4000/x", "socket://a:4000?logging=debug", "socket://me@a:4000", "socket://a b:4000")


@pytest.mark.parametrize("address", GOOD)
def test_what_can_be_opened(address: str) -> None:
    """Names, numbers of both kinds, every real port."""
    assert is_tcp_port(address)
    Bus(name="a", interface="slcan", channel=address)
    Device(name="a", kind="victron_ve_direct", port=address)


@pytest.mark.parametrize("address", BAD)
def test_what_cannot(address: str) -> None:
    """Other kinds of address, of which one writes files, and names and ports that cannot be: for buses and devices."""
    assert not is_tcp_port(address)
    with pytest.raises(ValidationError):
        Bus(name="a", interface="slcan", channel=address)
    with pytest.raises(ValidationError):
        Device(name="a", kind="victron_ve_direct", port=address)


def test_device_paths() -> None:
    """An absolute path in characters that can be seen."""
    assert is_device_path("/dev/serial/by-id/usb-x") and not is_device_path("ttyUSB0")
    assert not is_device_path("/dev/a\nb") and not is_device_path("/dev/a\0b")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8086", "https://db.lan", "http://[::1]:8086/", "http://bücher.de/x",
                                 "http://my_host:1/a/b"])
def test_web_addresses(url: str) -> None:
    """A host, perhaps a port and a path."""
    assert is_web_address(url)


@pytest.mark.parametrize("url", ["http://a:99999", "http://[::1", "http://a..b", "http://:80", "http://a:0", "ftp://a",
                                 "http://u:p@a", "http://a/?q", "http://a/#f", "http://a/ü", "http://a/ b",
                                 f"http://{'a' * 64}.de", "http://a:x"])
def test_what_is_no_web_address(url: str) -> None:
    """Whatever no client could connect to."""
    assert not is_web_address(url)
