"""What site.yaml may say, what follows from it, and what must agree within it."""

from pathlib import Path

import pytest

from twolbms.config.errors import ConfigError
from twolbms.config.site import Site, load_site

SITE = """\
site: house
buses:
  - {name: can0, interface: slcan, channel: /dev/ttyACM0}
packs:
  - {name: one, type: lfp_8s_320ah, node: 1, bus: can0}
  - {name: two, type: leaf_2013_14s, node: 2, bus: can0}
"""


def load(tmp_path: Path, text: str) -> Site:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    return load_site(path)


def told(tmp_path: Path, text: str) -> list[str]:
    """The problems of a site file with `text`, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    return [str(problem).removeprefix(f"{tmp_path / 'site.yaml'}:") for problem in caught.value.problems]


def test_defaults(tmp_path: Path) -> None:
    """A short site file is enough: folders lie beside it, each pack is a bank, requests expire after 30 s."""
    site = load(tmp_path, SITE)
    assert site.run == tmp_path / "run"
    assert site.journal_folder == tmp_path / "run" / "journal"
    assert site.socket == tmp_path / "run" / "2lbms.sock"
    assert site.pack_names_by_bank == {"one": ("one",), "two": ("two",)}
    assert (site.requests.expire_s, site.influxdb, site.buses[0].bitrate) == (30.0, None, 500_000)
    assert (site.packs[0].keep_closed, site.packs[0].serial, site.packs[0].soc) == (False, None, None)


def test_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the same wherever the program is started; ~ and absolute paths stay what they are."""
    monkeypatch.setenv("HOME", "/home/someone")
    site = load(tmp_path, SITE + "run: ../run\njournal: {folder: ~/journal}\n"
                "influxdb: {org: o, token_file: secrets/token}\n")
    assert site.run == tmp_path / ".." / "run"
    assert site.journal_folder == Path("/home/someone/journal")
    assert site.influxdb is not None
    assert site.beside(site.influxdb.token_file) == tmp_path / "secrets" / "token"
    assert site.beside("/etc/token") == Path("/etc/token")


def test_sizes_and_ages(tmp_path: Path) -> None:
    """Sizes become bytes and ages seconds; what is not said is left to the journal."""
    keep = load(tmp_path, SITE + "journal: {keep: {sample: {size: 2 GiB, age: 30d}, frame: {size: 512MiB}, "
                "event: {age: 8w}}}\n").journal.keep
    assert (keep.sample.size, keep.sample.age) == (2 * 2**30, 30 * 86400)
    assert (keep.frame.size, keep.frame.age) == (512 * 2**20, None)
    assert (keep.event.age, keep.reading.size) == (56 * 86400, None)


def test_banks(tmp_path: Path) -> None:
    """Packs that a bank names are behind one inverter; the others stay banks by themselves."""
    third = "  - {name: three, type: leaf_2013_14s, node: 3, bus: can0}\n"
    site = load(tmp_path, SITE + third + "banks: [{name: both, packs: [one, three]}]\n")
    assert site.pack_names_by_bank == {"both": ("one", "three"), "two": ("two",)}


@pytest.mark.parametrize(("old", "new", "expected"), [
    ("site: house", "site: My House", '1:7: site: expected a name of at most 32 characters: a-z, 0-9, _ and -, '
                                      'found "My House"'),
    ("site: house", "site: house\ntoken: x", "2:1: token: unknown key; expected run, journal, devices, banks, "
                                             "influxdb or requests"),
    ("slcan, channel: /dev/ttyACM0", "slcan, channel: ttyACM0",
     "3:45: buses[0].channel: expected a device such as /dev/ttyACM0, with its baud rate /dev/ttyUSB0@921600, or an "
     "address such as socket://127.0.0.1:4000, "
     'found "ttyACM0"'),
    ("channel: /dev/ttyACM0", "channel: /dev/ttyACM0, bitrate: 33000",
     "3:68: buses[0].bitrate: slcan adapters know no 33000: expected 10000, 20000, 50000, 83300, 100000, 125000, "
     "250000, 500000, 750000, 800000 or 1000000"),
    ("slcan, channel: /dev/ttyACM0", "socketcan, channel: a-name-too-long-for-linux",
     "3:49: buses[0].channel: expected the name of a network interface, such as can0, "
     'found "a-name-too-long-for-linux"'),
    ("slcan, channel: /dev/ttyACM0", "udp_multicast, channel: 192.168.0.1",
     "3:53: buses[0].channel: expected a multicast address, such as 239.74.163.2, found \"192.168.0.1\""),
    ("interface: slcan", "interface: slacn",
     "3:29: buses[0].interface: expected slcan, socketcan, virtual or udp_multicast, "
     'found "slacn"; did you mean "slcan"?'),
    ("node: 2", "node: 1", '6:44: packs[1].node: bus "can0" and node 1 is taken by "one" already'),
    ("node: 2", "node: 128", "6:44: packs[1].node: expected a whole number from 1 to 127, found 128"),
    ("node: 2", "node: 0", "6:44: packs[1].node: expected a whole number from 1 to 127, found 0"),
    ("name: two", "name: one", '6:12: packs[1].name: expected a name of its own: there is another "one"'),
    ("node: 2, bus: can0", "node: 2, bus: can1", '6:52: packs[1].bus: no bus is called "can1"; did you mean "can0"?'),
    ("node: 2, bus: can0", "node: 2, bus: other", '6:52: packs[1].bus: no bus is called "other"; there is can0'),
    ("node: 2", "node: 2, serial: 12345", "6:55: packs[1].serial: expected text of 1 to 80 characters, found 12345"),
    ("node: 2", "node: 2, soc: 85", "6:52: packs[1].soc: expected a number from 0 to 1, found 85"),
])
def test_refused_lines(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """Each mistake is told at its line and column with what was expected."""
    assert old in SITE
    assert told(tmp_path, SITE.replace(old, new)) == [expected]


@pytest.mark.parametrize(("more", "expected"), [
    ("banks: [{name: all, packs: [one, tow]}]",
     '7:34: banks[0].packs[1]: no pack is called "tow"; did you mean "two"?'),
    ("banks: [{name: all, packs: [one, one]}]", '7:34: banks[0].packs[1]: the pack "one" is in the bank "all" already'),
    ("banks:\n- {name: a, packs: [one]}\n- {name: b, packs: [one]}",
     '9:21: banks[1].packs[0]: the pack "one" is in the bank "a" already'),
    ("banks:\n- {name: a, packs: [one]}\n- {name: a, packs: [two]}",
     '9:10: banks[1].name: expected a name of its own: there is another "a"'),
    ("banks: [{name: two, packs: [one]}]", '7:16: banks[0].name: a pack of another bank is called "two": '
                                           "expected another name"),
    ("banks: [{name: all, packs: []}]",
     "7:21: banks[0].packs: expected a list of 1 to 32 entries, found an empty list"),
    ("requests: {expire_s: 0}", "7:22: requests.expire_s: expected a number above 0 and of at most 600, found 0"),
    ("requests: {expire_s: 601}", "7:22: requests.expire_s: expected a number above 0 and of at most 600, found 601"),
    ("journal: {keep: {sample: {size: 512}}}",
     '7:33: journal.keep.sample.size: expected a size such as "512 MiB" or "2 GiB", found 512'),
    ("journal: {keep: {sample: {size: 512 MB}}}",
     '7:33: journal.keep.sample.size: expected a size such as "512 MiB" or "2 GiB", found "512 MB"'),
    ("journal: {keep: {event: {age: 30}}}",
     '7:31: journal.keep.event.age: expected an age such as "12h", "30d" or "8w", found 30'),
    ("run: 5", "7:6: run: expected a path, found 5"),
    ('run: ""', '7:6: run: expected a path, found ""'),
    ("influxdb: {org: o, token_file: t, url: ftp://x}",
     '7:40: influxdb.url: expected text that matches ^https?://[^\\s/]+, found "ftp://x"'),
    ("influxdb: {org: o, token_file: t, url: 'http://:8086'}",
     "7:40: influxdb.url: expected http:// or https://, a host and perhaps a port; no user, password or query"),
    ("influxdb: {org: o, token_file: t, url: 'http://[::1'}",
     "7:40: influxdb.url: expected http:// or https://, a host and perhaps a port; no user, password or query"),
    ("influxdb: {token_file: t}", "7:1: influxdb.org: this key is missing: expected text of at least 1 character"),
])
def test_refused_sections(tmp_path: Path, more: str, expected: str) -> None:
    """Banks, requests, journal, folders and database are checked with the same care."""
    assert told(tmp_path, SITE + more + "\n") == [expected]


@pytest.mark.parametrize("secret", ["token: abc", "url: 'http://me:abc@db:8086'"])
def test_secrets_are_refused_and_not_repeated(tmp_path: Path, secret: str) -> None:
    """A token or password in the site file is refused, and the refusal does not show it."""
    (line,) = told(tmp_path, SITE + f"influxdb: {{org: o, token_file: t, {secret}}}\n")
    assert line.startswith(f"7:{42 if secret.startswith('token') else 40}: influxdb.")
    assert "abc" not in line


def test_one_channel_is_one_bus(tmp_path: Path) -> None:
    """Two buses on one channel would read every frame twice."""
    text = SITE.replace("packs:", "  - {name: can1, interface: slcan, channel: /dev/ttyACM0}\npacks:")
    assert told(tmp_path, text) == [
        '4:45: buses[1].channel: interface "slcan" and channel "/dev/ttyACM0" is taken by "can0" already']


def test_equal_node_numbers_on_two_buses(tmp_path: Path) -> None:
    """A node number must be unique on its bus only."""
    text = SITE.replace("packs:", "  - {name: can1, interface: socketcan, channel: can1}\npacks:")
    site = load(tmp_path, text.replace("node: 2, bus: can0", "node: 1, bus: can1"))
    assert [(pack.bus, pack.node) for pack in site.packs] == [("can0", 1), ("can1", 1)]


def test_a_run_folder_too_deep_for_a_socket(tmp_path: Path) -> None:
    """A path that Linux refuses for the socket is told before the start: 107 bytes are allowed.

    No folder in memory is advised: cursors and, unless it is elsewhere, the journal lie in it.
    """
    fits = "/" + "x" * (107 - len("//2lbms.sock"))
    assert len(bytes(load(tmp_path, SITE + f"run: {fits}\n").socket)) == 107
    (line,) = told(tmp_path, SITE + f"run: {fits}x\n")
    assert line.startswith("7:6: run: the path of the socket 2lbms.sock in it would have 108 bytes, and Linux allows "
                           "107: choose a shorter folder, such as /var/lib/twolbms; on a disk, for the cursors")


def test_several_disagreements_come_together(tmp_path: Path) -> None:
    """All that does not agree is told at once, in file order."""
    text = SITE.replace("node: 2, bus: can0", "node: 2, bus: no-bus") + "banks: [{name: all, packs: [ten, eleven]}]\n"
    assert [line.split(": ")[1] for line in told(tmp_path, text)] == ["packs[1].bus", "banks[0].packs[0]",
                                                                      "banks[0].packs[1]"]
