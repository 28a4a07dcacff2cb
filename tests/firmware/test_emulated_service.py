"""A node in service on the emulated Cortex-M3: configured and read by the commands, over its console."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware.small_app import SERVING
from servers.need import need
from twolbms.build.columns import limit_image
from twolbms.build.emulated_node import EmulatedNode
from twolbms.build.flash import Flasher, install_boot
from twolbms.build.image import build_image, read_board
from twolbms.build.node_port import SerialNodePort
from twolbms.build.resting_pack import RestingPack
from twolbms.build.service_console import OrderRefusedError, ServiceConsole
from twolbms.build.verdict import Outcome
from twolbms.cli.program import run
from twolbms.config.load import load_model
from twolbms.config.pack import GuardedPack
from twolbms.files import data_path

APP = SERVING + """
def carried():  # by every version of a real board, for its own use
    import board
    import drivers.uart_mps2
    import store.memory
    import store.startup

main = serve
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[EmulatedNode]:
    """A node that keeps a version for the eight LiFePO4 cells; its plant is a pack at rest, its stop is pressed."""
    need("qemu")
    pytest.importorskip("mpremote", reason="needs mpremote")
    pack = RestingPack()
    board = EmulatedNode(tmp_path / "flash", plant=pack.address)
    threading.Thread(target=board.serve, daemon=True).start()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(APP)
    folders = [tmp_path / "src", data_path("firmware", "src"), data_path("firmware", "boot")]
    limits = limit_image(load_model(data_path("packs", "lfp_8s_320ah.yaml"), GuardedPack))
    port = SerialNodePort(board.address)
    install_boot(port, "qemu", lambda line: None)
    port.run("open('/arming_jumper', 'w').close()")
    image = build_image(read_board("qemu"), limits, sources=folders)
    assert Flasher(port, lambda line: None).flash(image, 60.0) is Outcome.KEPT
    port.close()
    yield board
    board.close()
    pack.close()


def test_a_node_is_configured_over_its_console(board: EmulatedNode, capsys: pytest.CaptureFixture[str]) -> None:
    """From the running application into service, set, saved, read back, reset: the next look finds it in flash."""
    enough = ["node", "config", "--isolated", "--port", board.address, "--json"]
    assert run([*enough, "--set", "number=3", "--set", "serial=LFP-0003", "--set", "cell_gain_ppm[4]=120"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["written"] and told["differs"] == [] and (told["board"], told["pack"]) == ("qemu", "lfp_8s_320ah")
    assert run([*enough, "--set", "cell_gain_ppm[4]=5001"]) == 2
    assert "the pack's row allows 5000" in capsys.readouterr().err
    assert run(enough) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["number"], told["serial"], told["sound"]) == (3, "LFP-0003", True)
    assert told["cell_gain_ppm"] == [0, 0, 0, 120, 0, 0, 0, 0] and told["commissioned"] == ""

    port = SerialNodePort(board.address)
    console = ServiceConsole(port, lambda line: None)
    console.begin()
    now = console.order("readings", raw=True)
    assert now["fresh"] and now["cells_mv"] == [3300] * 8 and not now["estop_closed"]
    with pytest.raises(OrderRefusedError) as refused:
        console.order("output", which="precharge")
    assert refused.value.why == "emergency_stop"
    port.run("import os\nos.remove('/arming_jumper')")
    with pytest.raises(OrderRefusedError) as refused:
        console.order("set", key="number", value=4)
    assert refused.value.why == "not_armed"
    console.leave()
    assert port.ask("2lbms status", 5.0).startswith("2lbms qemu slot ")
    port.close()
