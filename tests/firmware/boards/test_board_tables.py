"""The pins of the real boards: each once, those of the outputs as safe.py has them, sizes as the build has them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from twolbms.build.image import read_board
from twolbms.files import data_path

BOARDS = ("nucleo_g474re", "pico_mcp2515")
SHARED = {("pico_mcp2515", frozenset(names)) for names in (("KEY", "CHAIN_CS"), ("HUMIDITY_ADC", "INSULATION_ADC"))}
NO_PINS = {"PRECHARGE_AUX_FITTED", "HEATER_AUX_FITTED", "SLOT_BYTES", "WATCHDOG_MS", "CRYSTAL_MHZ", "FOLDER"}


def constants(path: Path) -> dict[str, Any]:
    """What is plainly written behind a name at the top of a module."""
    found: dict[str, Any] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = value
                elif isinstance(target, ast.Tuple):
                    names = [name.id for name in target.elts if isinstance(name, ast.Name)]
                    found |= dict(zip(names, value, strict=True))
    return found


def table(board: str, name: str) -> dict[str, Any]:
    return constants(data_path("firmware", "boards", board, f"{name}.py"))


@pytest.mark.parametrize("board", BOARDS)
def test_the_outputs_are_those_that_the_boot_drops(board: str) -> None:
    """Pins, auxiliary contacts and jumpers of board.py and safe.py are the same, in safe.py's order."""
    pins, safe = table(board, "board"), table(board, "safe")
    assert safe["OUTPUTS"] == (pins["CHARGE"], pins["DISCHARGE"], pins["PRECHARGE"], pins["HEATER"])
    assert safe["AUX"] == (pins["CHARGE_AUX"], pins["DISCHARGE_AUX"], pins["PRECHARGE_AUX"], pins["HEATER_AUX"])
    assert (safe["_SERVICE"], safe["_ARMING"]) == (pins["SERVICE"], pins["ARMING"])


@pytest.mark.parametrize("board", BOARDS)
def test_no_pin_has_two_jobs(board: str) -> None:
    """Apart from the two that the Pico shares, and says so."""
    pins = {name: str(value).removeprefix("P") for name, value in table(board, "board").items()
            if name.isupper() and not name.startswith("_") and name not in NO_PINS}
    for pin in set(pins.values()):
        names = frozenset(name for name, value in pins.items() if value == pin)
        assert len(names) == 1 or (board, names) in SHARED, names


def test_no_name_is_that_of_a_socket() -> None:
    """A4 and D2 are other pins than PA4 and PD2 to MicroPython on a NUCLEO: ports A and D need their P."""
    values = [value for value in table("nucleo_g474re", "board").values() if isinstance(value, str)]
    assert values and not [value for value in values if value[:1] in "AD" and value[1:].isdigit()]


@pytest.mark.parametrize("board", BOARDS)
def test_a_version_may_be_as_large_as_the_build_lets_it(board: str) -> None:
    """What the node takes over CAN is what the build checks."""
    assert table(board, "board")["SLOT_BYTES"] == read_board(board).slot_bytes


@pytest.mark.parametrize("board", BOARDS)
def test_the_watchdog_bites_before_the_front_end_gives_up_on_the_node(board: str) -> None:
    """2 s, and longer than the slowest start of the sensors, 1.5 s."""
    assert 1500 < table(board, "board")["WATCHDOG_MS"] <= 2000
