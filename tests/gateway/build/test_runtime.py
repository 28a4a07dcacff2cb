"""MicroPython itself for each board: built or explained, never half."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.build.runtime import RuntimeProblem, micropython_for
from twolbms.files import data_path

RUNTIME = data_path("firmware", "boards", "nucleo_g474re", "runtime")


def source(folder: Path, recipe: str) -> str:
    """A folder that looks like MicroPython's source and builds by `recipe`."""
    port = folder / "ports" / "stm32"
    port.mkdir(parents=True)
    (port / "Makefile").write_text(f"all:\n\t{recipe}\n")
    return str(folder)


def test_the_pico_takes_the_makers_image() -> None:
    """There is nothing to build; how it gets there is said."""
    assert "BOOTSEL" in micropython_for("pico_mcp2515")


def test_the_nucleo_is_built_with_our_board_definition(tmp_path: Path) -> None:
    """MicroPython's own make is called with the folder of the board, and the next step is named."""
    words = micropython_for("nucleo_g474re", source(tmp_path, "@echo '$(BOARD_DIR)' > told"))
    assert (tmp_path / "ports" / "stm32" / "told").read_text().strip() == str(RUNTIME)
    assert "st-flash write firmware.bin 0x8000000" in words


@pytest.mark.parametrize("named", ["", "nowhere"])
def test_the_nucleo_wants_a_source(named: str) -> None:
    """Without one, or with another folder, the option is named."""
    with pytest.raises(RuntimeProblem, match="custom_micropython_source"):
        micropython_for("nucleo_g474re", named)


def test_a_build_that_fails_is_no_image(tmp_path: Path) -> None:
    """What make says stands above; nothing is claimed."""
    with pytest.raises(RuntimeProblem, match="failed"):
        micropython_for("nucleo_g474re", source(tmp_path, "@false"))
