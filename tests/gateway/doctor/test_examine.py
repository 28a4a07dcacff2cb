"""All checks together: in time, whole, silent about their own mishaps to nobody, and without a trace."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.text import Text

from gateway.doctor.conftest import SITE
from twolbms.doctor.catalogue import all_rules
from twolbms.doctor.examine import Check, Report, examine, run_checks
from twolbms.doctor.page import page, rank
from twolbms.doctor.rules import Finding
from twolbms.outlets.view.palette import ASCII, UNICODE

ALL_BROKEN = """\
site: house
run: run
buses:
  - {{name: hat, interface: socketcan, channel: can7, dbc: [none.dbc, broken.dbc]}}
  - {{name: usb, interface: slcan, channel: /dev/ttyNONE1}}
  - {{name: net, interface: slcan, channel: "socket://127.0.0.1:{port}"}}
packs: [{{name: bank, type: nothing_like_it, node: 7, bus: hat}}]
devices: [{{name: shunt, kind: victron_ve_direct, port: /dev/ttyNONE2}}]
influxdb: {{url: "http://127.0.0.1:{port}", org: home, token_file: token}}
"""


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Path]:
    """A site on which nothing works, with a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (tmp_path / "site.yaml").write_text(ALL_BROKEN.format(port=silent.getsockname()[1]))
        (tmp_path / "broken.dbc").write_text("BO_ 1")
        (tmp_path / "run").write_text("a file")
        yield tmp_path / "site.yaml"


def listing(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in folder.rglob("*")}


def test_everything_is_broken(broken: Path) -> None:
    """Each thing has its finding, none is lost, and nothing in the folder has changed."""
    before = listing(broken.parent)
    report = examine(broken)
    assert report.readable and listing(broken.parent) == before
    bad = {finding.subject: finding.id for finding in report.findings if finding.state == "bad"}
    assert bad == {
        "packs": "pack_file.problem", "none.dbc": "dbc.missing", "broken.dbc": "dbc.wrong",
        "token_file": "token.missing", "run folder": "folder.not_a_folder", "bus hat": "can.absent",
        "bus usb": "port.absent", "bus net": "slcan.mute",
        "device shunt": "port.absent", "database": "server.no_answer", "journal folder": "folder.not_a_folder"}
    assert all(finding.do for finding in report.findings if finding.state in ("bad", "warn", "unknown"))


def test_a_check_that_hangs_and_one_that_fails() -> None:
    """A hang is a finding after the time, with what was found before it; a fault of ours is one too."""
    never = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield Finding("x.good", "good", "first", "found before", "")
        never.wait()

    def fails() -> list[Finding]:
        raise RuntimeError("odd")

    found = run_checks([Check("a", "hanging", hangs), Check("b", "failing", fails), Check("b", "fine", list)], 0.2)
    never.set()
    assert [(each.subject, each.id) for each in found["a"]] == [("first", "x.good"), ("hanging", "check.unfinished")]
    (failed,) = found["b"]
    assert failed.id == "check.failed" and "RuntimeError: odd" in failed.sentence


def test_a_hanging_gateway_keeps_its_buses(tmp_path: Path) -> None:
    """While a process holds the journal without answering, no bus and no device is opened."""
    from twolbms.journal import JournalWriter
    (tmp_path / "site.yaml").write_text(SITE.replace("virtual, channel: a", "slcan, channel: /dev/null") +
                                        "devices: [{name: shunt, kind: victron_ve_direct, port: /dev/full}]\n")
    (tmp_path / "run" / "journal").mkdir(parents=True)
    writer = JournalWriter(tmp_path / "run" / "journal", "ab" * 16, now_ns=lambda: 0)
    report = examine(tmp_path / "site.yaml")
    writer.close()
    found = {finding.subject: finding.id for finding in report.findings}
    assert (found["gateway"], found["bus can0"], found["device shunt"]) == ("gateway.hangs", "check.held", "check.held")


def in_state(folder: Path, text: str) -> dict[str, tuple[str, str]]:
    (folder / "site.yaml").write_text(text)
    return {finding.subject: (finding.state, finding.id) for finding in examine(folder / "site.yaml").findings}


MISTAKE = ("unknown", "check.mistake")


def test_a_section_with_a_mistake_is_not_judged(tmp_path: Path) -> None:
    """What a wrong section is about is not known: no database is called absent and no default folder good."""
    found = in_state(tmp_path, SITE + "influxdb: {org: o, token_file: t, bukket: b}\n")
    assert found["database"] == found["tokens"] == MISTAKE and found["gateway"] == ("warn", "gateway.absent")
    found = in_state(tmp_path, SITE + "inflxdb: {org: o, token_file: t}\n")
    assert found["database"] == found["tokens"] == MISTAKE
    found = in_state(tmp_path, SITE + "journal: {keep: {sample: {size: 5}}}\n")
    assert [found[name] for name in ("journal folder", "journal", "gateway")] == [MISTAKE] * 3
    assert found["bus can0"] == ("unknown", "check.perhaps_held")
    found = in_state(tmp_path, SITE + f"journal: {{folder: {tmp_path}/j, keep: 5}}\n")
    assert (found["journal"], found["gateway"]) == (MISTAKE, ("warn", "gateway.absent"))
    found = in_state(tmp_path, SITE + "run: 5\n")
    assert [found[name] for name in ("run folder", "journal folder", "journal", "gateway")] == [MISTAKE] * 4
    found = in_state(tmp_path, SITE + f"run: 5\njournal: {{folder: {tmp_path}/j}}\n")
    assert found["run folder"] == MISTAKE and found["journal"] == ("good", "journal.none")


def test_a_row_with_a_mistake_is_not_judged(tmp_path: Path) -> None:
    """A bus, pack or device with a mistake has a line that says so, beside those that are right."""
    found = in_state(tmp_path, SITE.replace("channel: a}", 'channel: a}, {name: b, interface: slcan, channel: "l://"}')
                     .replace("node: 1", "node: x") + "devices: [{name: s, kind: none, port: /dev/x}]\n")
    assert found["buses[1]"] == found["packs[0]"] == found["devices[0]"] == MISTAKE
    assert "bus can0" in found
    assert in_state(tmp_path, SITE + "devices: 5\n")["devices"] == MISTAKE
    assert in_state(tmp_path, SITE.replace("channel: a", 'channel: "a\\0"'))["buses[0]"] == MISTAKE


def test_where_to_begin() -> None:
    """What a person wrote, then what cannot be reached, then the rest, then rights and tokens, last our own faults."""
    order = ("pack_file.problem", "server.refused", "can.bus_off", "token.missing", "check.unfinished")
    assert [rank(Finding(each, "bad", "", "", "")) for each in order] == [0, 1, 2, 3, 4]
    assert rank(Finding("port.absent", "bad", "", "", "")) < rank(Finding("port.forbidden", "bad", "", "", ""))
    bad = [Finding(each, "bad", each, "", f"mend {each}")
           for each in ("check.failed", "token.missing", "server.no_host")]
    text = " ".join(line.plain for line in page(Report(Path("s"), "s", True, {"files": bad}), 80, UNICODE))
    assert "Begin with: server.no_host. Mend server.no_host" in text


def test_a_site_file_writes_nothing(tmp_path: Path) -> None:
    """An address that would make the port's driver write a file is refused before it is opened."""
    spied = tmp_path / "spied"
    found = in_state(tmp_path, SITE.replace("virtual, channel: a", f'slcan, channel: "spy:///dev/null?file={spied}"'))
    assert found["buses[0]"] == MISTAKE and not spied.exists()


def test_the_page(broken: Path) -> None:
    """Every finding's sentence and what to do stand on the page, within its width, in plain ASCII if need be."""
    report = examine(broken)
    for width, glyphs in ((80, UNICODE), (120, UNICODE), (80, ASCII)):
        lines = list(page(report, width, glyphs))
        assert all(isinstance(line, Text) for line in lines)
        text = " ".join(" ".join(line.plain for line in lines).split())
        for finding in report.findings:
            assert " ".join(glyphs.plain(finding.sentence).split()[:3]) in text
        assert not glyphs.ascii_only or text.isascii()
        assert f"{report.count('bad')} wrong" in text and "Begin with: packs." in text
    long = [line.plain for line in page(report, 80, UNICODE) if line.cell_len > 80]
    assert all(str(broken.parent) in line for line in long), "only a long path may reach over the edge"


def test_rules_are_unique_and_complete() -> None:
    """Each id stands once; what is not good says what to do; every place in a text is filled by its check."""
    rules = list(all_rules())
    assert len({rule.id for rule in rules}) == len(rules) > 100
    assert [rule.id for rule in rules if rule.state != "good" and not rule.do] == []


ROOT = Path(__file__).resolve().parents[3]
SOURCES = "\n".join(path.read_text() for path in sorted((ROOT / "gateway/twolbms/doctor").glob("*.py")))


@pytest.mark.parametrize("rule", [rule.id for rule in all_rules()])
def test_every_rule_is_told_somewhere(rule: str) -> None:
    """No rule is dead: each is named where it is defined and again where it is told."""
    by_state = ("outlet.refused", "outlet.stopped", "pack.twins", "pack.protection")  # put together from a word
    assert rule in by_state or SOURCES.count(f'"{rule}"') >= 2


def test_the_documentation_lists_every_finding() -> None:
    """docs/doctor.md holds each finding with its words."""
    from twolbms.doctor.catalogue import page_rows
    assert page_rows().strip() in (ROOT / "docs/doctor.md").read_text(encoding="utf-8")


def run_doctor(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "twolbms", "doctor", *arguments], cwd=folder, text=True,
                          capture_output=True, check=False, env=os.environ | {"PYTHONIOENCODING": "utf-8"})


def test_the_command(broken: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Exit status 1 with everything broken, 0 on a fine site, 2 where the file cannot be used; --json is one object."""
    done = run_doctor(broken.parent, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr, told["ok"]) == (1, "", False)
    assert {"section", "id", "state", "subject", "sentence", "do"} == set(told["findings"][0])
    fine = tmp_path_factory.mktemp("fine")
    (fine / "site.yaml").write_text(SITE)
    done = run_doctor(fine)
    assert (done.returncode, done.stderr) == (0, "") and "Nothing is wrong" in done.stdout
    (fine / "site.yaml").write_text(SITE + "bogus: 1\n")
    done = run_doctor(fine, "site.yaml")
    assert done.returncode == 2 and "bogus: unknown key" in done.stdout and "bus can0" in done.stdout
    assert run_doctor(fine, "none.yaml").returncode == 2
