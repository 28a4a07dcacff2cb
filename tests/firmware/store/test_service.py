"""The lines by which a tool reads and writes a node's configuration, and what it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from store.memory import Memory
from store.record import Record
from store.service import Service

NA = -(1 << 28)


@pytest.fixture
def memory(tmp_path: Path, lfp: Any) -> Memory:
    made = Memory(lfp, f"{tmp_path}/")
    made.start(1)
    return made


def ask(service: Service, order: dict[str, Any] | str, armed: bool = True) -> dict[str, Any]:
    text = order if isinstance(order, str) else json.dumps(order)
    answer: dict[str, Any] = json.loads(service.line(text, armed))
    return answer


def test_a_node_gets_its_configuration(memory: Memory, lfp: Any) -> None:
    """Set, save, read back, start again: the node has what was set, and nothing of it before."""
    service = Service(memory)
    for key, value in (("number", 9), ("serial", "LFP-0009"), ("current_gain_ppm", -20000), ("current_offset_ma", 1000),
                       ("temp_offset_dc", [1, 2, 3, -20]), ("cell_offset_mv", [0] * 8)):
        assert ask(service, {"do": "set", "key": key, "value": value}) == {"ok": True}
    assert ask(service, {"do": "set", "key": "cell_gain_ppm", "at": 7, "value": 5000}) == {"ok": True}
    assert ask(service, {"do": "read_back"})["equal"] is False
    assert ask(service, {"do": "save"}) == {"ok": True, "sequence": 2}
    answer = ask(service, {"do": "read_back"}, armed=False)
    assert answer["equal"] and answer["sound"] and answer["damaged_copies"] == 0 and answer["number"] == 9
    assert answer["cell_gain_ppm"] == [0] * 7 + [5000] and answer["current_gain_ppm"] == -20000
    assert answer["made_for"] == answer["limits"] == f"{lfp.HASH_HIGH:04X}{lfp.HASH_LOW:04X}"
    assert memory.bad and memory.config.number == 0
    again = Memory(lfp, str(memory.config_record.path).removesuffix("config"))
    again.start(1)
    assert not again.bad and again.config.number == 9 and list(again.config.temp_offset_dc) == [1, 2, 3, -20]


def test_get_tells_the_bounds(memory: Memory) -> None:
    """The answer to get says what is set, why the node is not sound, and what the pack's row allows."""
    answer = ask(Service(memory), {"do": "get"}, armed=False)
    assert answer["ok"] and not answer["sound"] and answer["reason"] == "no configuration is stored"
    assert answer["bounds"] == {"cell_gain_ppm": 5000, "cell_offset_mv": 10, "current_gain_ppm": 20000,
                                "current_offset_ma": 1000, "temp_offset_dc": 20}


@pytest.mark.parametrize("order", [
    {"do": "set", "key": "number", "value": 9}, {"do": "save"}, {"do": "new_contactor"},
    {"do": "set", "key": "commissioned", "value": "1234ABCD"}])
def test_without_arming_nothing_is_written(order: dict[str, Any], memory: Memory) -> None:
    """Each order that writes is refused while the arming input is not held, and says so."""
    before = memory.config_record.sequence, memory.fault_record.sequence
    answer = ask(Service(memory), order, armed=False)
    assert answer["ok"] is False and answer["why"] == "not_armed" and "arming input" in answer["text"]
    assert (memory.config_record.sequence, memory.fault_record.sequence) == before
    assert Record(memory.config_record.path).read() is None


@pytest.mark.parametrize("order, why", [
    ("", "not_json"), ("{", "not_json"), ("[1]", "not_json"), ("7", "not_json"),
    ('{"a": "' + 2048 * "x" + '"}', "not_json"),
    ({}, "unknown"), ({"do": "reset"}, "unknown"), ({"do": ["get"]}, "unknown"),
    ({"do": "readings"}, "no_bench"), ({"do": "output", "which": "charge"}, "no_bench"),
    ({"do": "set", "key": "commissioned", "value": "1234"}, "out_of_range"),
    ({"do": "set", "key": "commissioned", "value": "00000000"}, "out_of_range"),
    ({"do": "set", "key": "commissioned", "value": "wxyzwxyz"}, "out_of_range"),
    ({"do": "set", "key": "commissioned", "value": 1}, "out_of_range"),
    ({"do": "set", "key": "commissioned"}, "out_of_range"),
    ({"do": "set"}, "unknown_key"), ({"do": "set", "key": "sound", "value": True}, "unknown_key"),
    ({"do": "set", "key": "hash_low", "value": 1}, "unknown_key"),
    ({"do": "set", "key": "number", "value": 0}, "out_of_range"),
    ({"do": "set", "key": "number", "value": 128}, "out_of_range"),
    ({"do": "set", "key": "number", "value": True}, "out_of_range"),
    ({"do": "set", "key": "number", "value": 1.5}, "out_of_range"),
    ({"do": "set", "key": "number", "value": "9"}, "out_of_range"),
    ({"do": "set", "key": "number"}, "out_of_range"),
    ({"do": "set", "key": "serial", "value": 17 * "A"}, "out_of_range"),
    ({"do": "set", "key": "serial", "value": 17}, "out_of_range"),
    ({"do": "set", "key": "current_gain_ppm", "value": 20001}, "out_of_range"),
    ({"do": "set", "key": "current_offset_ma", "value": -1001}, "out_of_range"),
    ({"do": "set", "key": "cell_gain_ppm", "value": [5001] + 7 * [0]}, "out_of_range"),
    ({"do": "set", "key": "cell_gain_ppm", "value": 7 * [0]}, "out_of_range"),
    ({"do": "set", "key": "cell_gain_ppm", "value": 1}, "out_of_range"),
    ({"do": "set", "key": "cell_gain_ppm", "value": 1, "at": 8}, "out_of_range"),
    ({"do": "set", "key": "cell_gain_ppm", "value": 1, "at": -1}, "out_of_range"),
    ({"do": "set", "key": "cell_gain_ppm", "value": [1], "at": 0}, "out_of_range"),
    ({"do": "set", "key": "temp_offset_dc", "value": 21, "at": 3}, "out_of_range"),
    ({"do": "save"}, "out_of_range")])
def test_what_is_refused(order: dict[str, Any] | str, why: str, memory: Memory) -> None:
    """Anything that is no order, or beyond the pack's row, is refused by a named reason and changes nothing."""
    service = Service(memory)
    before = ask(service, {"do": "get"})
    answer = ask(service, order)
    assert answer["ok"] is False and answer["why"] == why and answer["text"]
    assert ask(service, {"do": "get"}) == before


def test_a_save_that_fails_is_told(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flash that does not take the configuration is told, and the old configuration still holds."""
    service = Service(memory)
    ask(service, {"do": "set", "key": "number", "value": 9})
    assert ask(service, {"do": "save"})["ok"]
    ask(service, {"do": "set", "key": "number", "value": 10})
    with monkeypatch.context() as patch:
        patch.setattr(Record, "write", lambda *_: False)
        assert ask(service, {"do": "save"})["why"] == "not_written"
        assert ask(service, {"do": "new_contactor"})["why"] == "not_written"
    answer = ask(service, {"do": "read_back"})
    assert answer["number"] == 9 and not answer["equal"]


def test_the_faults_are_told(memory: Memory) -> None:
    """Each row that ever tripped is told once, with null for what is not known, and how the node's lives ended."""
    faults = memory.faults
    assert ask(Service(memory), {"do": "faults"})["rows"] == []
    faults.note(39, 3, NA)
    faults.note(0, 3655, 30000000)
    faults.attach(b"\0" * 18 + b"\x01" + b"\0" * 5)
    faults.follow([0] * 40, [1] * 40, NA)
    answer = ask(Service(memory), {"do": "faults"}, armed=False)
    assert answer["rows"] == [
        {"row": 0, "count": 1, "held": 1, "worst": 3655, "first": 30000000, "first_boot": 1, "last": 30000000,
         "last_boot": 1},
        {"row": 39, "count": 1, "held": 0, "worst": 3, "first": None, "first_boot": 1, "last": None, "last_boot": 1}]
    assert answer["boot"] == 1 and answer["causes"] == [0, 1, 0, 0, 0, 0] and answer["confirmed"] is False


def test_a_new_contactor(memory: Memory) -> None:
    """A replaced contactor begins with no wear."""
    memory.faults.keep(900000, 0, 0, 0, False)
    assert ask(Service(memory), {"do": "new_contactor"}) == {"ok": True}
    assert ask(Service(memory), {"do": "faults"})["wear_ppm"] == 0


def commissioned(memory: Memory) -> Service:
    """A node that was checked."""
    service = Service(memory)
    for key, value in (("number", 9), ("serial", "LFP-0009"), ("commissioned", "1234abcd")):
        assert ask(service, {"do": "set", "key": key, "value": value})["ok"]
    assert ask(service, {"do": "save"})["ok"]
    return service


def started_again(memory: Memory) -> Memory:
    again = Memory(memory.limits, str(memory.config_record.path).removesuffix("config"))
    again.start(1)
    return again


def test_a_node_is_told_that_it_was_checked(memory: Memory) -> None:
    """The id of the record stands in its configuration, and counts from the next start on; before, it did not."""
    assert memory.commissioned == 0
    service = commissioned(memory)
    assert ask(service, {"do": "read_back"})["commissioned"] == "1234abcd"
    again = started_again(memory)
    assert again.commissioned == 1 and not again.bad
    assert ask(Service(again), {"do": "get"})["commissioned"] == "1234abcd"


@pytest.mark.parametrize("order", [
    {"do": "set", "key": "commissioned", "value": ""}, {"do": "set", "key": "serial", "value": "LFP-0010"}])
def test_what_takes_the_mark_away(order: dict[str, Any], memory: Memory) -> None:
    """Taking it back, or another serial: what was checked was not this node. Its number and calibration may change."""
    service = commissioned(memory)
    for kept in ({"key": "number", "value": 10}, {"key": "serial", "value": "LFP-0009"},
                 {"key": "current_offset_ma", "value": 40}):
        ask(service, {"do": "set", **kept})
    ask(service, {"do": "save"})
    assert started_again(memory).commissioned == 1
    ask(service, order)
    ask(service, {"do": "save"})
    again = started_again(memory)
    assert again.commissioned == 0 and not again.bad


def test_a_new_contactor_is_to_be_checked(memory: Memory) -> None:
    """What was replaced was not checked; settings that were not saved are not saved by that."""
    service = commissioned(memory)
    ask(service, {"do": "set", "key": "number", "value": 11})
    assert ask(service, {"do": "new_contactor"}) == {"ok": True}
    again = started_again(memory)
    assert again.commissioned == 0 and again.config.number == 9 and not again.bad


def test_other_limits_take_the_mark_away(memory: Memory) -> None:
    """A node whose limits changed is checked again, also when its configuration is saved anew for them."""
    commissioned(memory)
    other = SimpleNamespace(**{name: getattr(memory.limits, name) for name in dir(memory.limits) if name[0] != "_"})
    other.HASH_LOW ^= 1
    again = Memory(other, str(memory.config_record.path).removesuffix("config"))
    again.start(1)
    assert again.bad and again.commissioned == 0
    assert ask(Service(again), {"do": "save"})["ok"]
    once_more = started_again(again)
    assert not once_more.bad and once_more.commissioned == 0


def test_a_damaged_configuration_is_not_commissioned(memory: Memory) -> None:
    """The mark counts only with the whole record around it."""
    commissioned(memory)
    for copy in (0, 1):
        path = Path(f"{memory.config_record.path}.{copy}")
        data = bytearray(path.read_bytes())
        data[20] ^= 1
        path.write_bytes(data)
    assert started_again(memory).commissioned == 0


def test_the_bench_answers_lines(memory: Memory) -> None:
    """It is made when it is first asked for; it refuses in its own words; its answers carry the draft's calibration."""
    made: list[Any] = []

    class Bench:
        outputs = ("precharge", "light")
        by_tap = False

        def readings(self, config: Any) -> dict[str, Any]:
            return {"current_ma": None if config is None else config.current_offset_ma}

        def refusal(self, which: Any) -> Any:
            return None if which in self.outputs else ("unknown_output", "outputs: precharge, light")

        def attempt(self, which: str) -> dict[str, Any]:
            return {"which": which}

    def make() -> Bench:
        made.append(Bench())
        return made[-1]

    service = Service(memory, make)
    ask(service, {"do": "set", "key": "current_offset_ma", "value": 40})
    assert made == []
    assert ask(service, {"do": "readings"})["current_ma"] == 40
    assert ask(service, {"do": "readings", "raw": True}, armed=False) == {
        "ok": True, "current_ma": None, "by_tap": False, "outputs": ["precharge", "light"]}
    assert ask(service, {"do": "output", "which": "precharge"}) == {"ok": True, "which": "precharge"}
    assert ask(service, {"do": "output", "which": ["x"]})["why"] == "unknown_output"
    assert len(made) == 1
