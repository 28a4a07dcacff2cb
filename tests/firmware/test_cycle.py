"""The cycle as a whole: time, order, and what happens when a driver fails."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from generated.codec import ANSWER_NOT_COMMISSIONED
from node.cycle import Node
from node.measure import NA
from store.faults import FaultMemory


class FakeAfe:
    """Gives the same good readings every cycle; `broken` makes it raise."""

    broken = False
    current_ma = 36_000
    temperature_dc = 250
    comms_age = open_wires = hard_trip = 0
    config_ok = True

    def read_into(self, m: Any) -> bool:
        if self.broken:
            raise OSError("no answer")
        for i in range(len(m.cell_mv)):
            m.cell_mv[i] = 3300
        for i in range(len(m.temp_dc)):
            m.temp_dc[i] = self.temperature_dc
        m.pack_mv = m.link_mv = 3300 * len(m.cell_mv)
        m.current_ma = m.second_ma = self.current_ma
        m.supply_mv, m.humidity_percent = 12_000, 45
        return True


class FakePins:
    feedback, feedback_known, heater_on, interlock_closed, armed, charger_present = 0, True, 0, 1, 0, 0
    estop_closed, smoke, leak, clear_pressed, wake, beat = 1, 0, 0, 0, 0, 0

    def read(self) -> None:
        pass

    def write(self, paths: int, precharge: int, heater: int, mask: bytearray) -> None:
        self.feedback = paths | precharge << 2
        self.beat += 1

    def show(self, light: int, asleep: int) -> None:
        pass


def made(lfp: Any) -> Node:
    can = SimpleNamespace(dropped=0, state=1, tec=0, rec=0, bus_offs=0, sent=[], receive=lambda: False,
                          send_all=lambda ids, data, many: can.sent.extend(one & 0x1FFFFFFF for one in ids[:many]))
    store = SimpleNamespace(bad=0, commissioned=1, restarts=0, wear_ppm=0, faults=FaultMemory(lfp.SIGN),
                            read=lambda: None, attach=lambda protect: None, step=lambda values, known, minutes: None)
    return Node(lfp, 1, FakeAfe(), FakePins(), can, store)


def elapsed(node: Node, *times: int) -> int:
    """What the node takes for the time between its last two cycles."""
    found = 0
    for now_ms in times:
        found = node._elapsed(now_ms)
    return found


@pytest.mark.parametrize("times, expected", [
    ((0,), 100), ((0, 100), 100), ((0, 730), 730), ((1_073_741_800, 76), 100), ((1_073_741_823, 0), 1),
    ((500, 400), 0), ((0, 536_870_912), 0)])
def test_time_goes_by_difference(lfp: Any, times: tuple[int, ...], expected: int) -> None:
    """The clock wraps at 2^30; a clock that goes back is no time, and never a huge one."""
    assert elapsed(made(lfp), *times) == expected


@pytest.mark.parametrize("gap_ms, mah", [(100, 1), (500, 5), (60_000, 5)])
def test_a_gap_counts_as_half_a_second_of_charge_at_most(lfp: Any, gap_ms: int, mah: int) -> None:
    """36 A are 1 mAh in 100 ms; what a node that stood still did not see is not made up."""
    node = made(lfp)
    node.step(0)
    before = node.charge.in_mah
    node.step(gap_ms)
    assert node.charge.in_mah - before == mah


def test_a_driver_that_fails_ends_the_cycle(lfp: Any) -> None:
    """An escape is not swallowed: the program ends, and outputs drop with the watchdog."""
    node = made(lfp)
    node.step(0)
    node.afe.broken = True
    with pytest.raises(OSError, match="no answer"):
        node.step(100)


def test_the_first_cycle_tells_who_and_how(lfp: Any) -> None:
    """From its first cycle a node says its state, its values and its faults."""
    node = made(lfp)
    node.step(0)
    assert {can_id >> 8 & 0xFF for can_id in node.can.sent} >= {0x10, 0x11, 0x12, 0x13, 0x14, 0x40}


def test_a_board_that_was_never_checked_stays_open(lfp: Any) -> None:
    """Without the mark of `2lbms node check` a bank that closes by itself does not, and says why to who asks."""
    nodes = {}
    for commissioned in (0, 1):
        nodes[commissioned] = node = made(lfp)
        node.store.commissioned = commissioned
        node.afe.current_ma = 0
        node._resume()
        for cycle in range(60):
            node.step(100 * cycle)
    assert nodes[0].contactor.paths == 0 and nodes[1].contactor.paths == 3
    assert nodes[0].contactor.close(nodes[0].measure, nodes[0].protect) == ANSWER_NOT_COMMISSIONED


def test_a_board_that_was_never_checked_does_not_heat(lfp: Any) -> None:
    """Sensors, relay and feedback that nobody has proved switch no heater on, however cold it seems."""
    for commissioned in (0, 1):
        node = made(lfp)
        node.store.commissioned = commissioned
        node.afe.current_ma, node.afe.temperature_dc = 0, 10
        node._resume()
        for cycle in range(60):
            node.step(100 * cycle)
        assert node.heat.on == commissioned


def test_unknown_rows_are_marked(lfp: Any) -> None:
    """Before a first conversion only the rows that need none are judged."""
    node = made(lfp)
    node.afe.read_into = lambda m: False
    node.step(0)
    known = node.rows.known
    assert [n for n in range(41) if known[n]] == [8, 10, 11, 12, 13, 16, 20, 23, 24, 27, 28, 29, *range(32, 41)]
    assert node.measure.current_ma == NA


@pytest.mark.parametrize("part", ["measure", "protect", "pins"])
def test_a_cycle_that_leaves_a_part_out_is_not_healthy(lfp: Any, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog is fed only when measure, protect and actuate have each done their step."""
    node = made(lfp)
    node.step(0)
    node.step(100)
    assert node.healthy
    monkeypatch.setattr(getattr(node, part), "write" if part == "pins" else "step", lambda *_: None)
    node.step(200)
    assert not node.healthy


def test_the_longest_cycle_is_remembered(lfp: Any) -> None:
    """NodeInfo tells the longest time from one cycle to the next."""
    node = made(lfp)
    for now_ms in (0, 100, 340, 440):
        node.step(now_ms)
    assert node.report.worst_cycle_ms == 240
