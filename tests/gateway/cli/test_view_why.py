"""`2lbms view` and `2lbms why` from the command line, with a gateway behind the real local socket and without one."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.outlets.snapshots import garage, house, site
from twolbms.cli.program import run
from twolbms.journal import JournalWriter
from twolbms.outlets.local_socket import LocalSocket

SITE = """site: shed
run: run
buses: [{name: can0, interface: virtual, channel: a}]
packs: [{name: house, type: lfp_8s_320ah, node: 1, bus: can0}]
"""


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[Path]:
    """A local socket that tells of two packs, on a loop of its own."""
    path, loop, ready = tmp_path / "2lbms.sock", asyncio.new_event_loop(), threading.Event()

    async def nobody(request: dict[str, Any], by: str) -> dict[str, Any]:
        return {"error": "nobody"}

    async def serve(stop: asyncio.Event) -> None:
        server = LocalSocket(path, lambda: site(house=house(), garage=garage()), nobody)
        await server.start()
        ready.set()
        await stop.wait()
        await server.stop()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(stop)))
    thread.start()
    assert ready.wait(20)
    yield path
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    """A site whose gateway does not run, with a journal in which something happened."""
    (tmp_path / "site.yaml").write_text(SITE)
    writer = JournalWriter(tmp_path / "run" / "journal", "0" * 32, now_ns=lambda: 7)
    writer.fix_wall(1_795_521_600 * 10**9, "network")
    writer.event(1, "opened", "house", {"text": "opened: asked by anna", "path": "both"})
    writer.close()
    return tmp_path / "site.yaml"


def test_view_once(socket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One picture as text, of the snapshot that the gateway sent, without any control characters."""
    assert run(["view", "--socket", str(socket), "--once", "--ascii"]) == 0
    text = capsys.readouterr().out
    assert "gateway answers" in text and "cell over voltage latched" in text and "3.341" in text
    assert text.isascii() and "\x1b" not in text


def test_view_of_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a gateway the view says that it is silent, and the exit status that there was nobody to ask."""
    assert run(["view", "--socket", str(tmp_path / "none"), "--once"]) == 2
    assert "gateway silent for 1." in capsys.readouterr().out


def test_why_in_sentences(socket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each pack's sentences, one a line."""
    assert run(["why", "--socket", str(socket)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("House: charging is limited to 160 A because")
    assert "cell 3 was 4.203 V, above the 4.200 V trip" in lines[1]


def test_why_for_programs(socket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One pack as JSON."""
    assert run(["why", "garage", "--json", "--socket", str(socket)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["gateway"] is True
    (sentence,) = told["sentences"]
    assert (sentence["pack"], sentence["by"], sentence["cell"]) == ("garage", "cell_over_voltage", 3)


def test_why_of_no_pack(socket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name is answered with the right ones."""
    assert run(["why", "shed", "--socket", str(socket)]) == 2
    assert "there is house, garage" in capsys.readouterr().err


def test_why_without_a_gateway(site_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last events of the site's journal are told with their age, and that no gateway answers."""
    assert run(["why", "--site", str(site_file)]) == 2
    text = capsys.readouterr().out
    assert "no gateway answers" in text and "how it stands now is unknown" in text and "opened: asked by anna" in text
    assert run(["why", "--json", "--site", str(site_file)]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["gateway"] is False and told["sentences"][0]["pack"] == "house"


def test_why_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With neither gateway nor journal it says where it looked and what to name."""
    assert run(["why", "--socket", str(tmp_path / "none")]) == 2
    assert "--journal" in capsys.readouterr().err


def test_a_wrong_site_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A site file with a mistake is told as everywhere: file, line, key."""
    (tmp_path / "site.yaml").write_text(SITE.replace("buses", "busses"))
    for command in ("view", "why"):
        assert run([command, "--site", str(tmp_path / "site.yaml")]) == 2
        assert "busses" in capsys.readouterr().err
