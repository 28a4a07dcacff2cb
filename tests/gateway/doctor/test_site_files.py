"""Site file, pack files and DBC files: every problem as a sentence with its place, and as far as possible on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.doctor.conftest import SITE, Sketched, as_nobody
from twolbms.doctor.examine import examine
from twolbms.doctor.rules import Finding
from twolbms.doctor.site_files import check_dbc, check_pack_files, check_site
from twolbms.doctor.sketch import sketch_of
from twolbms.site_databases import site_databases

DBC = """\
VERSION ""

BU_: Car

BO_ 1365 Battery: 8 Car
 SG_ Volts : 0|16@1+ (0.1,0) [0|0] "V" Car
 SG_ Amps : 16|16@1- (0.1,0) [0|0] "A" Car

BO_ 1366 Heat: 8 Car
 SG_ Warmest : 0|8@1- (1,0) [0|0] "degC" Car
"""
WITH_DBC = "site: house\nbuses: [{name: car, interface: virtual, channel: a, dbc: [mine.dbc%s]}]\n"


def dbc(sketched: Sketched, tmp_path: Path, raw: bytes | str, more: str = "") -> list[Finding]:
    """What is found about a DBC of these bytes."""
    (tmp_path / "mine.dbc").write_bytes(raw.encode("cp1252") if isinstance(raw, str) else raw)
    sketch = sketched(WITH_DBC % more)
    return list(check_dbc(sketch, sketch.buses[0]))


def test_a_right_site(sketched: Sketched) -> None:
    """A right file is summed up in a line."""
    sketch = sketched(SITE)
    assert [finding.sentence for finding in [*check_site(sketch), *check_pack_files(sketch)]] == [
        "site house: 1 bus, 1 pack", "the packs' types are right: lfp_8s_320ah"]


def test_mistakes_are_told_and_the_rest_is_looked_at(sketched: Sketched) -> None:
    """Each mistake has its line; buses, packs and the database that are right by themselves are still there."""
    sketch = sketched(SITE.replace("node: 1", "node: one") +
                      "devices: [{name: s, kind: victron_ve_direct, port: /dev/x}]\n"
                      "influxdb: {org: home, token_file: token}\nrun: elsewhere\nfrobnicate: 1\n")
    assert [(finding.id, finding.sentence.split(": ")[0]) for finding in check_site(sketch)] == [
        ("site.problem", "site.yaml:3:48"), ("site.problem", "site.yaml:7:1")]
    assert [bus.name for bus in sketch.buses] == ["can0"] and [device.name for device in sketch.devices] == ["s"]
    assert sketch.influxdb is not None and sketch.run.name == "elsewhere" and sketch.packs == ()
    assert all("2lbms check" in finding.do for finding in check_site(sketch))


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    """A file that cannot be read at all ends the report there, and says why."""
    (tmp_path / "site.yaml").write_text("site: [")
    for name, words in (("site.yaml", "site.yaml:1:"), ("none.yaml", "no such file")):
        report = examine(tmp_path / name)
        assert not report.readable
        (finding,) = report.findings
        assert finding.id == "site.unusable" and words in finding.sentence and "2lbms check" in finding.do


def test_a_pack_that_is_not_there_and_one_with_a_mistake(sketched: Sketched, tmp_path: Path) -> None:
    """A type nobody knows and a pack's own YAML with a mistake are both told."""
    (tmp_path / "mine.yaml").write_text("pack: mine\nfoo: 1\n")
    sketch = sketched(SITE.replace("lfp_8s_320ah", "lfp_8s_321ah") + SITE.splitlines()[0].replace("site: house", ""))
    (finding,) = check_pack_files(sketch)
    assert finding.id == "pack_file.problem" and 'did you mean "lfp_8s_320ah"?' in finding.sentence
    told = list(check_pack_files(sketched(SITE.replace("lfp_8s_320ah", "mine"))))
    assert any("mine.yaml:2:1: foo: unknown key" in finding.sentence for finding in told)
    half = sketched(SITE.replace("lfp_8s_320ah", "mine") + "frob: 1\n")
    assert half.site is None and any("mine.yaml:2:1" in finding.sentence for finding in check_pack_files(half))


def test_a_right_dbc(sketched: Sketched, tmp_path: Path) -> None:
    """A DBC that can be used says how many messages it has."""
    assert [(f.id, f.sentence) for f in dbc(sketched, tmp_path, DBC)] == [("dbc.good", "2 messages")]


def test_a_dbc_that_is_not_there(sketched: Sketched) -> None:
    """A missing DBC is told with those that come with 2lbms, or the one most likely meant."""
    sketch = sketched("site: a\nbuses: [{name: c, interface: virtual, channel: a, dbc: [zz.dbc, leaf_aze0.dbc]}]\n")
    one, two = check_dbc(sketch, sketch.buses[0])
    assert one.id == two.id == "dbc.missing"
    assert "with 2lbms come" in one.sentence and 'did you mean "ev/leaf_aze0.dbc"?' in two.sentence


@pytest.mark.parametrize(("raw", "sentence", "do"), [
    ("", "mine.dbc: the file is empty", "get the file again"),
    ("not a database\n", "mine.dbc:1: this is no DBC: it names no message", "name a DBC file"),
    ('{"messages": []}', "mine.dbc:1: this is no DBC but JSON", "name a DBC file"),
    ("<?xml version='1.0'?><a/>", "mine.dbc:1: this is no DBC but an XML file", "name a DBC file"),
    (b"PK\x03\x04\x00\x00", "mine.dbc:1: this is no DBC but a spreadsheet or ZIP archive", "name a DBC file"),
    ("(1.0) can0 123#00\n", "mine.dbc:1: this is no DBC but a recording (candump)", "name a DBC file"),
    (DBC.replace("SG_ Amps :", "SG_ Amps"), "mine.dbc:7: column 11 is not written as in a DBC: SG_ Amps 16|16",
     "correct this line"),
    (DBC + 'CM_ "unfinished', "mine.dbc:11: the text that begins in column 5 has no closing", "get it again, whole"),
    (DBC.replace("BO_ 1366", "BO_ 1365"), "mine.dbc:9: the messages Heat and Battery (line 5) have the same id 0x555",
     "delete one of them"),
    (DBC.replace("16|16@1-", "56|16@1-"), "mine.dbc:7: the signal Amps reaches beyond the end of the message Battery",
     "correct its start bit"),
    (DBC.replace("16|16@1-", "8|16@1-"), "mine.dbc:7: the signals Amps and Volts of the message Battery share bits",
     "correct the start bit"),
    (DBC.replace("BO_ 1365", "BO_ 136500"), "mine.dbc:5: the id 0x21534 of the message Battery has more than",
     "2147483648"),
    (DBC.encode("utf-16"), "mine.dbc:1: it is saved as UTF-16", "save it as Windows-1252"),
    (b"\xef\xbb\xbf" + DBC.encode(), "mine.dbc:1: it is saved as UTF-8 with a byte order", "save it as Windows-1252"),
])
def test_a_dbc_that_cannot_be_used(sketched: Sketched, tmp_path: Path, raw: bytes | str, sentence: str,
                                   do: str) -> None:
    """File, line where it is known, what is wrong with it, and what to do."""
    (finding,) = dbc(sketched, tmp_path, raw)
    assert finding.id == "dbc.wrong"
    assert finding.sentence.startswith(sentence), finding.sentence
    assert finding.do.startswith(do) or do in finding.do


def test_a_dbc_in_another_encoding(sketched: Sketched, tmp_path: Path) -> None:
    """A DBC saved as UTF-8 works, and is told with the line where a unit comes out wrong."""
    text = DBC.replace("degC", "°C")
    warned, good = dbc(sketched, tmp_path, text.encode("utf-8"))
    assert (warned.id, warned.state, good.id) == ("dbc.encoding", "warn", "dbc.good")
    assert warned.sentence == 'line 10: it is saved as UTF-8, so "°" is read as "Â°" in units and texts'
    assert [finding.id for finding in dbc(sketched, tmp_path, text)] == ["dbc.good"]


def test_a_dbc_that_was_cut_in_a_signal(sketched: Sketched, tmp_path: Path) -> None:
    """A file that ends in the middle of a signal is refused here, although cantools reads the rest of it."""
    for cut, line in ((DBC.partition("(0.1")[0], 6), (DBC + "BO_ 1367 Cut", 11), (DBC + "BO_ 13", 11)):
        (finding,) = dbc(sketched, tmp_path, cut)
        assert (finding.id, finding.sentence) == ("dbc.cut", f"line {line} is cut, and what it defines is not read")
    assert [found.id for found in dbc(sketched, tmp_path, DBC.rstrip())] == ["dbc.good"]


def test_two_dbcs_with_one_id(sketched: Sketched, tmp_path: Path) -> None:
    """An id that two files of one bus name is told once, with both messages."""
    (tmp_path / "two.dbc").write_text(DBC.replace("Battery", "Engine"))
    first, second = dbc(sketched, tmp_path, DBC, ", two.dbc")
    assert (first.id, second.id) == ("dbc.good", "dbc.clash")
    assert second.sentence == "2 of its messages have ids that mine.dbc has too, first Engine (0x555, there Battery)"


def test_a_dbc_nobody_may_read(sketched: Sketched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the asking user may not read says how to give it to him."""
    (tmp_path / "mine.dbc").write_text(DBC)
    sketch = sketched(WITH_DBC % "")
    if os.geteuid() == 0:  # root reads everything: then the refusal is the system's words alone
        def refused(path: Path) -> bytes:
            raise PermissionError(13, "Permission denied")
        monkeypatch.setattr(Path, "read_bytes", refused)
    else:
        (tmp_path / "mine.dbc").chmod(0)
    (finding,) = check_dbc(sketch, sketch.buses[0])
    assert finding.sentence == "cannot be read: Permission denied" and "chmod a+r" in finding.do


def test_a_dbc_named_twice(sketched: Sketched, tmp_path: Path) -> None:
    """The same file twice, also by another name, is told as that and not as a clash of its messages."""
    (tmp_path / "again.dbc").symlink_to("mine.dbc")
    for again in ("mine.dbc", "again.dbc"):
        good, twice = dbc(sketched, tmp_path, DBC, f", {again}")
        assert (good.id, twice.id, twice.subject) == ("dbc.good", "dbc.twice", again)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_dbc_in_a_closed_folder(open_folder: Path, closed_folder: Path) -> None:
    """A DBC below a closed folder is not called missing."""
    (open_folder / "site.yaml").write_text(
        f"site: a\nbuses: [{{name: c, interface: virtual, channel: a, dbc: [{closed_folder}/mine.dbc]}}]\n")
    sketch = sketch_of(open_folder / "site.yaml")
    (told,) = as_nobody(lambda: check_dbc(sketch, sketch.buses[0]))
    assert told.startswith(f"folder.closed {closed_folder} is closed to nobody")


def test_a_large_dbc(sketched: Sketched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DBC too large to be read in time is told as that, and looked at once a command has read it; nothing is kept."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr("twolbms.doctor.site_files.MOST_MESSAGES", 1)
    (large,) = dbc(sketched, tmp_path, DBC)
    assert (large.id, large.state) == ("dbc.large", "unknown") and large.sentence.startswith("2 messages: ")
    assert "type: 2lbms check" in large.do and not cache.exists()
    site = sketched(WITH_DBC % "").site
    assert site is not None
    site_databases(site)
    kept = sorted(cache.rglob("*.json"))
    assert [found.id for found in dbc(sketched, tmp_path, DBC)] == ["dbc.good"]
    assert sorted(cache.rglob("*.json")) == kept


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_site_file_in_a_closed_folder(closed_folder: Path) -> None:
    """A site file that the asking user may not read is not a file to correct."""
    (closed_folder / "site.yaml").write_text(SITE)
    (told,) = as_nobody(lambda: examine(closed_folder / "site.yaml").findings)
    assert told.startswith(f"folder.closed {closed_folder} is closed to nobody") and "sudo -u root 2lbms doctor" in told
