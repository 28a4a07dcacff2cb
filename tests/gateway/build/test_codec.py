"""What the generator of the node's codec makes of a contract, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from twolbms.build.codec import ContractError, codec_text, update_codec_text
from twolbms.files import data_path

DBC = data_path("dbc", "node.dbc")
SPOILT = {
    "VAL_ 2365526016 PackVoltage 65535": ("VAL_ 2365526016 PackVoltage 65534", "PackVoltage: NotAvailable is not at"),
    "LinkVoltage : 33|15@1+ (0.05,0)": ("LinkVoltage : 33|15@1+ (0.0005,0)", "LinkVoltage: one raw step"),
    "PackVoltage : 0|16@1+ (0.02,0)": ("PackVoltage : 0|16@1+ (0.3,0)", "pack_voltage_mv: a number of its row"),
    "CellVoltage7 m1 : 50|14@1+ (0.001,0)": ("CellVoltage7 m1 : 50|14@1+ (0.002,0)", "CellVoltages: its groups differ"),
    "GatewayMinutes : 2|28@1+": ("GatewayMinutes : 4|28@1+", "GatewayMinutes: too long")}


@pytest.mark.parametrize("words", SPOILT)
def test_what_the_node_cannot_say_is_refused(words: str, tmp_path: Path) -> None:
    """Scales, codes and fields that its table cannot hold end the generator, with the signal's name."""
    text, (other, why) = DBC.read_text(encoding="utf-8"), SPOILT[words]
    assert text.count(words) == 1
    spoilt = tmp_path / "spoilt.dbc"
    spoilt.write_text(text.replace(words, other), encoding="utf-8")
    with pytest.raises(ContractError, match=why):
        codec_text(spoilt)


def test_the_update_is_apart() -> None:
    """A node that is not in service has nothing of the update's messages in its memory."""
    assert "Update" not in codec_text(DBC) and "read_update_block" in update_codec_text(DBC)
    assert "PackValues" not in update_codec_text(DBC)
