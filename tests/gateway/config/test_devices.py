"""The `devices:` section of site.yaml: what it may say, and what must agree with the rest of the site."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from twolbms.app import device_setups
from twolbms.config.devices import Device
from twolbms.config.errors import ConfigError
from twolbms.config.site import Site, load_site
from twolbms.devices.kinds import KINDS

SITE = """\
site: house
buses:
  - {name: can0, interface: slcan, channel: /dev/ttyACM0}
packs:
  - {name: one, type: lfp_8s_320ah, node: 1, bus: can0}
devices:
  - {name: shunt, kind: victron_ve_direct, port: /dev/ttyUSB0, pack: one}
  - {name: spare, kind: victron_ve_direct, port: 'socket://127.0.0.1:4000', max_age_s: 20}
"""


def load(tmp_path: Path, text: str) -> Site:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    return load_site(path)


def test_devices_of_a_site(tmp_path: Path) -> None:
    """A device has a name, a kind and a port; what it measures and its greatest age may be added."""
    shunt, spare = device_setups(load(tmp_path, SITE))
    assert (shunt.name, shunt.kind.name, shunt.port, shunt.pack, shunt.known_ns) == (
        "shunt", "victron_ve_direct", "/dev/ttyUSB0", "one", 5 * 10**9)
    assert (spare.port, spare.pack, spare.known_ns) == ("socket://127.0.0.1:4000", "", 20 * 10**9)


def test_a_device_is_enough_for_a_site(tmp_path: Path) -> None:
    """A site may have no pack and no bus: a battery monitor alone is recorded."""
    site = load(tmp_path, "site: cabin\ndevices: [{name: shunt, kind: victron_ve_direct, port: /dev/ttyUSB0}]\n")
    assert len(site.devices) == 1 and site.packs == site.buses == []


def test_the_kinds_of_the_file_are_the_kinds_there_are() -> None:
    """What `kind:` may be is what the table of kinds has."""
    assert set(get_args(Device.model_fields["kind"].annotation)) == set(KINDS)


@pytest.mark.parametrize(("old", "new", "expected"), [
    ("kind: victron_ve_direct, port: /dev/ttyUSB0", "kind: victron, port: /dev/ttyUSB0",
     '7:25: devices[0].kind: expected victron_ve_direct, found "victron"'),
    ("/dev/ttyUSB0", "ttyUSB0", "7:50: devices[0].port: expected a serial port such as /dev/serial/by-id/usb-Victron"
                                'Energy_… or /dev/ttyUSB0, or socket://host:port, found "ttyUSB0"'),
    ("127.0.0.1:4000", "127.0.0.1", "8:50: devices[1].port: expected a serial port"),
    ("127.0.0.1:4000", "127.0.0.1:66000", "8:50: devices[1].port: expected a serial port"),
    ("socket:", "rfc2217:", "8:50: devices[1].port: expected a serial port"),
    ("pack: one", "pack: ones", '7:70: devices[0].pack: no pack is called "ones"; did you mean "one"?'),
    ("name: spare", "name: shunt", 'devices[1].name: expected a name of its own: there is another "shunt"'),
    ("name: spare", "name: one", 'devices[1].name: a pack is called "one": expected another name'),
    ("'socket://127.0.0.1:4000'", "/dev/ttyUSB0", 'devices[1].port: port "/dev/ttyUSB0" is taken by "shunt" already'),
    ("/dev/ttyUSB0", "/dev/ttyACM0", 'devices[0].port: "/dev/ttyACM0" is the channel of the bus "can0"'),
    ("max_age_s: 20", "max_age_s: 0", "devices[1].max_age_s: expected a number above 0"),
    ("max_age_s: 20", "baud: 9600", "devices[1].baud: unknown key; expected"),
])
def test_mistakes(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """A mistake is told with its line, its key and what was expected."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, SITE.replace(old, new))
    assert expected in str(caught.value.problems[0])
