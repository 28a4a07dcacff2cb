"""One word per thing: the DBC, the diagnoses, the packs and the firmware spell names and numbers alike."""

import ast
import re
from pathlib import Path

import cantools
import pytest

from twolbms.build.columns import limit_image
from twolbms.build.generate import read_guarded
from twolbms.diagnoses import BY_NUMBER, COUNT, CYCLE_MS, DIAGNOSES

ROOT = Path(__file__).resolve().parents[2]
DB = cantools.database.load_file(str(ROOT / "dbc" / "node.dbc"))
GUARDED = [path for path in sorted((ROOT / "packs").glob("*.yaml")) if read_guarded(path)]


def own_messages():
    return DB.messages


@pytest.mark.parametrize("tier", ["Warn", "Limit", "Trip", "Latched"])
def test_fault_bits_are_the_diagnoses(tier: str) -> None:
    """Each page of NodeFaults has one bit a diagnosis, at the diagnosis's number."""
    bits = {s.name.removeprefix(tier): s.start for s in DB.get_message_by_name("NodeFaults").signals
            if s.name.startswith(tier)}
    assert bits == {d.signal: d.number for d in DIAGNOSES.values()}


@pytest.mark.parametrize(("message", "signal"), [("PackState", "OpenReason"), ("PackAllowance", "ChargeLimitedBy"),
                                                 ("PackAllowance", "DischargeLimitedBy"), ("NodeAnswer", "AnswerLimit"),
                                                 ("NodeRequest", "RequestLimit")])
def test_reasons_name_the_diagnoses(message: str, signal: str) -> None:
    """Numbers below 48 in a reason table are diagnoses, spelt alike; those from 48 up are rules."""
    table = {n: str(t) for n, t in DB.get_message_by_name(message).get_signal_by_name(signal).choices.items()}
    assert {n: t for n, t in table.items() if n < 48} == {n: d.signal for n, d in BY_NUMBER.items()}


def test_numbers_run_without_gaps_and_leave_room() -> None:
    """Diagnoses are numbered 0, 1, 2, … and at most 48 fit into a page."""
    assert sorted(BY_NUMBER) == list(range(COUNT)) and COUNT <= 48


def test_every_signal_says_what_it_is() -> None:
    """Every signal of ours has a comment, and every cyclic message a period."""
    missing = [f"{m.name}.{s.name}" for m in own_messages() for s in m.signals if not s.comment]
    assert not missing
    assert {m.name for m in own_messages() if not m.cycle_time} == {
        "NodeAnswer", "NodeRequest", "UpdateStatus", "UpdateBegin", "UpdateBlock"}


def test_every_value_has_a_raw_code_for_not_available() -> None:
    """A number with a unit, and every state, can say "not available"; counts that wrap and flags need not."""
    bare = [s.name for m in own_messages() for s in m.signals
            if s.length > 1 and not s.is_multiplexer and "NotAvailable" not in map(str, (s.choices or {}).values())]
    assert set(bare) == {"Crc8", "ChargeIn", "ChargeOut", "BootId", "LimitHashLow", "LimitHashHigh", "InfoBootId",
                         "FramesDropped", "AnsweredNumber", "RequestNumber", "TransmitErrors", "ReceiveErrors",
                         "BusOffs", "FailedUpdates", "Restarts", "FirstCount", "HeaterEnergy",
                         "UpdateWindow", "NextBlock", "StatusCheckLow", "ImageCheckLow", "ImageCheckHigh",
                         "ImageSizeLow", "ImageSizeHigh", "BlockLow", "BlockHigh", *(f"BlockData{n}" for n in range(5))}


def test_protected_messages_have_counter_and_crc_in_the_same_place() -> None:
    """Every message but the two bulk ones carries Counter at bit 48 and Crc8 at bit 56."""
    places = {m.name: (m.get_signal_by_name("Counter").start, m.get_signal_by_name("Crc8").start)
              for m in own_messages() if m.name not in ("CellVoltages", "CellTemperatures")}
    assert set(places.values()) == {(48, 56)}


def test_the_cycle_is_the_same_on_both_sides() -> None:
    """Firmware and generator agree on the cycle."""
    text = (ROOT / "firmware/src/node/cycle.py").read_text()
    assert int(re.search(r"^CYCLE_MS = (\d+)", text, re.M).group(1)) == CYCLE_MS == 100


@pytest.mark.parametrize("path", GUARDED, ids=lambda p: p.stem)
def test_limit_hash_follows_the_columns_only(path: Path) -> None:
    """Another title leaves the hash alone; another trip by one count changes it."""
    pack = read_guarded(path)
    same = pack.model_copy(update={"title": "another title"})
    row = pack.limits["cell_over_voltage"]
    less = row.model_copy(update={"trip": row.trip - 0.001})
    moved = pack.model_copy(update={"limits": {**pack.limits, "cell_over_voltage": less}})
    assert limit_image(same).hash32 == limit_image(pack).hash32 != limit_image(moved).hash32


def test_the_rows_have_their_numbers_in_the_node_s_codec() -> None:
    """The firmware takes a row's number from the generated codec by its name, and types none itself."""
    codec = {node.targets[0].id: node.value.value
             for node in ast.parse((ROOT / "firmware/src/generated/codec.py").read_text()).body
             if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)}
    assert {name: codec[f"REASON_{name.upper()}"] for name in DIAGNOSES} == {
        name: row.number for name, row in DIAGNOSES.items()}


@pytest.mark.parametrize(("message", "signal", "last"), [("UpdateStatus", "UpdateState", "FAILED"),
                                                         ("UpdateStatus", "UpdateError", "WRONG_ORDER"),
                                                         ("UpdateBegin", "UpdateOperation", "ABANDON")])
def test_the_transfer_counts_as_the_contract_does(message: str, signal: str, last: str) -> None:
    """States, errors and operations of an update have the numbers of the DBC, under its names."""
    choices = DB.get_message_by_name(message).get_signal_by_name(signal).choices
    words = {number: re.sub(r"(?<!^)(?=[A-Z])", "_", str(text)).upper() for number, text in choices.items()}
    text = (ROOT / "firmware/src/store/transfer.py").read_text()
    rows = re.findall(r"^((?:[A-Z_]+, \\?\s*)+[A-Z_]+) = ", text, re.M)
    names = next(found for found in rows if found.endswith(last))
    assert re.split(r"[,\s\\]+", names) == [words[n] for n in sorted(words) if words[n] != "NOT_AVAILABLE"]
