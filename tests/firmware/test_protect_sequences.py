"""Whatever comes in whatever order: the promises that hold in every cycle of a node, through Node.step.

Hypothesis makes the stories: readings around limits, lost readings, faults, requests, gaps, a person at the button.
"""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from generated import codec, limits_leaf_2013_14s, limits_lfp_8s_320ah
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from node.contactor import GRACE_CYCLES, STILL_MA
from node.cycle import Node
from node.measure import NA
from node.protect import OK
from store.faults import FaultMemory

from twolbms.scenario.bench import CAN_ID_MASK, crc8, node_database

CHARGE, DISCHARGE, BOTH = 1, 2, 3
GATEWAY, NODE = 0x80, 1
BOOT_CYCLES = 10
FLAGS = ("interlock_closed", "estop_closed", "smoke", "leak", "charger_present")
REQUESTS = {"open": 1, "close": 2, "allowance": 3, "clear": 5}


class Surroundings:
    """Front-end, pins and bus of a node, all in one: what is set is what the node sees."""

    state, tec, rec, bus_offs, dropped, beat = 1, 0, 0, 0, 0, 0
    comms_age = open_wires = hard_trip = 0
    config_ok = True
    armed, wake, feedback_known, clear_pressed = 0, 0, True, 0

    def __init__(self, limits: Any) -> None:
        self.cells = [limits.CELL_HIGH_MV * 3 // 4] * limits.CELLS
        self.temps = [250] * limits.SENSORS
        self.current_ma = 0
        self.link_mv: int | None = None
        self.fresh = True
        self.interlock_closed = self.estop_closed = 1
        self.smoke = self.leak = self.charger_present = 0
        self.paths = self.precharge = self.heater = 0
        self.bleeding = b""
        self.stuck: int | None = None
        self.inbox: deque[tuple[int, bytes]] = deque()
        self.rx_id, self.rx_data = 0, bytearray(8)

    @property
    def feedback(self) -> int:
        return self.paths | self.precharge << 2 if self.stuck is None else self.stuck

    @property
    def heater_on(self) -> int:
        return self.heater

    def read_into(self, m: Any) -> bool:
        for i, mv in enumerate(self.cells):
            m.cell_mv[i] = mv
        for i, dc in enumerate(self.temps):
            m.temp_dc[i] = dc
        m.pack_mv = sum(mv for mv in self.cells if mv != NA)
        up = m.pack_mv if self.paths or self.precharge else 0
        m.link_mv = up if self.link_mv is None else self.link_mv
        m.current_ma = m.second_ma = self.current_ma
        m.supply_mv, m.humidity_percent, m.insulation_kohm = 12_000, 45, 2000
        return self.fresh

    def read(self) -> None:
        pass

    def write(self, paths: int, precharge: int, heater: int, mask: bytearray) -> None:
        self.paths, self.precharge, self.heater, self.bleeding = paths, precharge, heater, bytes(mask)
        self.beat += 1

    def show(self, light: int, asleep: int) -> None:
        pass

    def send(self, can_id: int, data: bytearray, latest: bool = False) -> None:
        pass

    def receive(self) -> bool:
        if not self.inbox:
            return False
        self.rx_id, data = self.inbox.popleft()
        self.rx_data[:] = data
        return True


def frame(name: str, address: int, counter: int, **raw: int) -> tuple[int, bytes]:
    """A frame of the gateway with a right CRC."""
    message = node_database().get_message_by_name(name)
    data = message.encode({**raw, "Counter": counter % 15, "Crc8": 0}, scaling=False, strict=False)
    can_id = message.frame_id & CAN_ID_MASK | address
    return can_id, data[:7] + bytes((crc8(can_id, data),))


class Story(RuleBasedStateMachine):
    """One node through whatever comes."""

    limits: Any = limits_lfp_8s_320ah

    @initialize()
    def boot(self) -> None:
        self.around = Surroundings(self.limits)
        store = SimpleNamespace(bad=0, restarts=0, wear_ppm=0, read=lambda: None, attach=lambda protect: None,
                                step=lambda values, known, minutes: None, faults=FaultMemory(self.limits.SIGN))
        self.node = Node(self.limits, NODE, self.around, self.around, self.around, store)
        self.now_ms = self.cycles = self.asked = self.number = self.beats = 0
        self.held = self.waited = 0
        self.gateway = True
        self.close_asked = False
        self.cleared = False
        self.latched_before: set[int] = set()
        self.paths_before = self.precharge_before = 0
        self.run(20)

    # --- what comes ---

    @rule(cycles=st.sampled_from([1, 2, 3, 5, 11, 25, 60]))
    def run(self, cycles: int) -> None:
        for _ in range(cycles):
            self.step()

    @rule(gap_ms=st.sampled_from([149, 150, 250, 1000, 5000, 60_000]))
    def stand_still(self, gap_ms: int) -> None:
        self.now_ms += gap_ms - 100
        self.step()

    @rule(cell=st.integers(0, 7), row=st.sampled_from([0, 1, 17]),
          column=st.sampled_from(["WARN", "LIMIT", "TRIP", "CLEAR"]), off=st.sampled_from([-1, 0, 1]))
    def a_cell(self, cell: int, row: int, column: str, off: int) -> None:
        mv = getattr(self.limits, column)[row]
        if 0 < mv < 10_000:
            self.around.cells[cell] = mv + off

    @rule()
    def sound_cells(self) -> None:
        self.around.cells = [self.limits.CELL_HIGH_MV * 3 // 4] * self.limits.CELLS
        self.around.temps = [250] * self.limits.SENSORS

    @rule(cell=st.integers(0, 7))
    def a_lost_cell(self, cell: int) -> None:
        self.around.cells[cell] = NA

    @rule(sensor=st.integers(0, 3), row=st.sampled_from([4, 5, 6, 7]),
          column=st.sampled_from(["LIMIT", "TRIP", "CLEAR"]), off=st.sampled_from([-1, 0, 1]))
    def a_sensor(self, sensor: int, row: int, column: str, off: int) -> None:
        dc = getattr(self.limits, column)[row]
        if abs(dc) < 1000:
            self.around.temps[sensor] = dc + off

    @rule(ma=st.sampled_from([0, 999, 1000, -1000, 20_000, -20_000, 100_000, -130_000, 310_000, -310_000, NA]))
    def current(self, ma: int) -> None:
        self.around.current_ma = ma

    @rule(fresh=st.booleans())
    def conversions(self, fresh: bool) -> None:
        self.around.fresh = fresh

    @rule(name=st.sampled_from(FLAGS))
    def an_input_moves(self, name: str) -> None:
        setattr(self.around, name, 1 - getattr(self.around, name))

    @rule(stuck=st.sampled_from([None, None, 0, 3, 7]))
    def feedback(self, stuck: int | None) -> None:
        self.around.stuck = stuck

    @rule(link_mv=st.sampled_from([None, None, 0, 20_000, 30_000, NA]))
    def link(self, link_mv: int | None) -> None:
        self.around.link_mv = link_mv

    @rule(alive=st.booleans())
    def the_gateway(self, alive: bool) -> None:
        self.gateway = alive

    @rule(what=st.sampled_from(sorted(REQUESTS)), times=st.sampled_from([1, 2, 2]),
          limit=st.sampled_from([63, 0, 2, 13, 27]), quarters=st.sampled_from([0, 40, 4095]))
    def a_request(self, what: str, times: int, limit: int, quarters: int) -> None:
        self.number += 1
        for _ in range(times):
            self.asked += 1
            self.around.inbox.append(frame(
                "NodeRequest", NODE, self.asked, Request=REQUESTS[what], RequestNumber=self.number % 256,
                ChargeCurrentAsked=quarters, DischargeCurrentAsked=quarters, RequestLimit=limit, BalancingAsked=3))
        self.close_asked |= what == "close"
        self.cleared |= what == "clear"
        self.step()

    @rule()
    @precondition(lambda self: any(self.node.protect.state))
    def the_button(self) -> None:
        self.around.clear_pressed = 1
        self.cleared = True
        self.run(31)
        self.around.clear_pressed = 0

    # --- a cycle, and what must hold after it ---

    def step(self) -> None:
        if self.gateway and self.cycles % 2 == 0:
            self.beats += 1
            beat = frame("GatewayHeartbeat", GATEWAY, self.beats, BalancingAllowed=1, GatewayMinutes=1)
            self.around.inbox.append(beat)
        self.node.step(self.now_ms & 0x3FFFFFFF)
        self.now_ms += 100
        self.cycles += 1
        self.judge()
        around = self.around
        if self.node.protect.latched == 0 or around.paths:
            self.close_asked = self.close_asked and not around.paths
        self.cleared = bool(around.inbox) or bool(around.clear_pressed)
        self.latched_before = self.latched()
        self.paths_before, self.precharge_before = around.paths, around.precharge

    def latched(self) -> set[int]:
        protect = self.node.protect
        return {n for n in range(protect.rows) if protect.state[n] != OK and self.limits.LATCH[n]}

    def blocked_by_trips(self) -> int:
        blocked = 0
        for n, state in enumerate(self.node.protect.state):
            if state != OK:
                blocked |= self.limits.TRIP_BLOCKS[n]
        return BOTH if self.limits.COMMON and blocked else blocked

    def judge(self) -> None:
        node, around = self.node, self.around
        new = around.paths & ~self.paths_before
        assert not new & self.blocked_by_trips(), "closes what a trip, its hold or its latch blocks"
        began = (around.paths or around.precharge) and not (self.paths_before or self.precharge_before)
        if began and self.latched():
            assert self.close_asked, "closes by itself with a latched trip"
        if self.cycles <= BOOT_CYCLES - 1:
            assert not around.paths and not around.precharge, "closes while it boots"
        if new:
            assert node.measure.known, "closes on what it does not know"
        if not self.cleared:
            assert self.latched_before <= self.latched(), "a latch went that nobody has cleared"
        self.judge_outputs()
        self.judge_allowance()
        self.judge_opening()

    def judge_outputs(self) -> None:
        node, around = self.node, self.around
        assert not (around.precharge and around.paths & DISCHARGE), "precharges what is closed"
        assert not self.limits.COMMON or around.paths in (0, BOTH), "parts what cannot be parted"
        assert not around.heater or (self.limits.HEATER and node.measure.known), "heats on what it does not know"
        if node.power.asleep:
            assert not (around.paths or around.precharge or around.heater), "sleeps with something on"
        bled = int.from_bytes(around.bleeding, "little")
        assert not bled & bled << 1, "bleeds neighbours"

    def judge_allowance(self) -> None:
        node = self.node
        if node.power.asleep:
            return
        blocked = self.blocked_by_trips()
        for n in range(node.protect.rows):
            if node.protect.get(1, n):
                blocked |= self.limits.LIMIT_BLOCKS[n]
        for mask, allowed_ma in ((CHARGE, node.allowance.charge_ma), (DISCHARGE, node.allowance.discharge_ma)):
            if blocked & mask or not node.contactor.paths & mask or not node.measure.known:
                assert allowed_ma == 0, "allows current where it is blocked, open or unknown"
        assert 0 <= node.allowance.charge_ma <= self.limits.MAX_CHARGE_MA
        assert 0 <= node.allowance.discharge_ma <= self.limits.MAX_DISCHARGE_MA

    def judge_opening(self) -> None:
        """What has to open opens: at once, after the wait for the current, after the hold above what can be broken."""
        node, around, ma = self.node, self.around, self.around.current_ma
        at_once = node.protect.blocks_now
        if node.contactor.open_requested:
            at_once = BOTH
        if self.limits.COMMON and at_once:
            at_once = BOTH
        late = around.paths & at_once
        too_much = ma != NA and abs(ma) > self.limits.BREAK_MAX_MA
        self.held = self.held + 1 if late else 0
        assert not late or (too_much and self.held <= self.limits.BREAK_HOLD_CYCLES), "does not open at once"
        waits = around.paths & self.blocked_by_trips()
        self.waited = self.waited + 1 if waits else 0
        if waits:
            assert ma == NA or abs(ma) >= STILL_MA, "waits although no current flows"
            assert self.waited <= GRACE_CYCLES + self.limits.BREAK_HOLD_CYCLES + 1, "waits for ever"

    @invariant()
    def says_its_state(self) -> None:
        if hasattr(self, "node"):
            closed = self.around.paths or self.around.precharge
            at_rest = (codec.STATE_BOOT, codec.STATE_OPEN, codec.STATE_LATCHED, codec.STATE_COOLING, codec.STATE_ASLEEP)
            assert not closed or self.node.contactor.state not in at_rest


class LeafStory(Story):
    """Common outputs, never closing alone."""

    limits = limits_leaf_2013_14s


@pytest.mark.parametrize("story", [Story, LeafStory], ids=["fets", "common"])
def test_no_story_breaks_a_promise(story: type[Story]) -> None:
    """Never closes what is blocked or by itself after a latching trip; allows nothing that is blocked, open or unknown;
    opens at once, after 5 s without a load, or after the hold; heats and bleeds only on what it knows."""
    case = story.TestCase
    case.settings = settings(deadline=None, max_examples=25, stateful_step_count=40,
                             suppress_health_check=list(HealthCheck))
    case("runTest").runTest()
