"""Whatever comes in whatever order: the promises that hold in every cycle of a node, through Node.step.

Hypothesis makes the stories: readings around limits, lost readings, faults, requests, gaps, a person at the button.
"""

from __future__ import annotations

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
from node.protect import HOLDING, KNOWN, OK, TRIPPED
from store.faults import FaultMemory

from firmware.surroundings import Surroundings, frame

CHARGE, DISCHARGE, BOTH = 1, 2, 3
GATEWAY, NODE = 0x80, 1
BOOT_CYCLES = 10
FLAGS = ("interlock_closed", "estop_closed", "smoke", "leak", "charger_present")
COLUMNS = st.sampled_from(["WARN", "LIMIT", "TRIP", "TRIP", "CLEAR"])
OFF = st.sampled_from([-1, 0, 1])
LASTING = st.sampled_from([1, 3, 12, 25, 55, 70])  # cycles: around the delays, and beyond the 5 s of a wait
REQUESTS = {"open": 1, "close": 2, "allowance": 3, "clear": 5}


class Story(RuleBasedStateMachine):
    """One node through whatever comes."""

    limits: Any = limits_lfp_8s_320ah

    @initialize()
    def boot(self) -> None:
        self.around = Surroundings(self.limits)
        store = SimpleNamespace(
            bad=0, commissioned=1, restarts=0, wear_ppm=0, read=lambda: None, attach=lambda protect: None,
            step=lambda values, known, minutes: None, faults=FaultMemory(self.limits.SIGN))
        self.node = Node(self.limits, NODE, self.around, self.around, self.around, store)
        self.now_ms = self.cycles = self.asked = self.number = self.beats = 0
        self.held = self.waited = 0
        self.gateway = True
        self.close_asked = False
        self.cleared = False
        self.latched_before: set[int] = set()
        self.rows_before = [(OK, 0)] * self.node.protect.rows
        self.paths_before = self.precharge_before = 0
        self.run(20)
        for what in ("allowance", "close"):
            self.ask(what)
        self.run(60)

    # --- what comes ---

    def run(self, cycles: int) -> None:
        for _ in range(cycles):
            self.step()

    @rule(cycles=LASTING)
    def time_passes(self, cycles: int) -> None:
        self.run(cycles)

    @rule()
    def all_is_well_again(self) -> None:
        """Sound readings, a gateway that clears and closes: so that the next story finds a closed pack."""
        around = self.around
        around.cells = [self.limits.CELL_HIGH_MV * 3 // 4] * self.limits.CELLS
        around.temps = [250] * self.limits.SENSORS
        around.current_ma, around.link_mv, around.fresh, around.stuck = 0, None, True, None
        around.interlock_closed = around.estop_closed = 1
        around.smoke = around.leak = around.charger_present = 0
        self.gateway = True
        self.now_ms += 59_900
        self.run(2)
        for what in ("allowance", "clear", "close"):
            self.ask(what)
        self.run(40)

    @rule(gap_ms=st.sampled_from([149, 150, 250, 1000, 5000, 60_000]))
    def stand_still(self, gap_ms: int) -> None:
        self.now_ms += gap_ms - 100
        self.step()

    @rule(cell=st.integers(0, 7), row=st.sampled_from([0, 1, 17]), column=COLUMNS, off=OFF, cycles=LASTING)
    def a_cell(self, cell: int, row: int, column: str, off: int, cycles: int) -> None:
        mv = getattr(self.limits, column)[row]
        if 0 < mv < 10_000:
            self.around.cells[cell] = mv + off
        self.run(cycles)

    @rule(sensor=st.integers(0, 3), row=st.sampled_from([4, 5, 6, 7]), column=COLUMNS, off=OFF, cycles=LASTING)
    def a_sensor(self, sensor: int, row: int, column: str, off: int, cycles: int) -> None:
        dc = getattr(self.limits, column)[row]
        if abs(dc) < 1000:
            self.around.temps[sensor] = dc + off
        self.run(cycles)

    @rule(cell=st.integers(0, 7), cycles=st.sampled_from([1, 5, 12]))
    def a_lost_cell(self, cell: int, cycles: int) -> None:
        before, self.around.cells[cell] = self.around.cells[cell], NA
        self.run(cycles)
        self.around.cells[cell] = before

    @rule(ma=st.sampled_from([0, 999, 1000, -1000, 20_000, -20_000, 100_000, -130_000, 310_000, -310_000, NA]),
          cycles=LASTING)
    def current(self, ma: int, cycles: int) -> None:
        self.around.current_ma = ma
        self.run(cycles)

    @rule(row=st.sampled_from([0, 1, 4, 5, 6, 7]), ma=st.sampled_from([999, 1000, 20_000, 100_000, 310_000]),
          way=st.sampled_from([-1, 1]))
    def a_trip_under_load(self, row: int, ma: int, way: int) -> None:
        """Something that waits for its request, with a current that does not go."""
        value = self.limits.TRIP[row] + self.limits.SIGN[row]
        if abs(value) < 10_000:
            (self.around.cells if row < 2 else self.around.temps)[2] = value
        self.around.current_ma = way * ma
        self.run(self.limits.DELAY[row] + 60)

    @rule(name=st.sampled_from(["supply_mv", "humidity_percent", "insulation_kohm"]),
          column=st.sampled_from(["LIMIT", "TRIP"]), off=OFF, cycles=st.sampled_from([1, 5, 120]))
    def a_sensor_beside_the_cells(self, name: str, column: str, off: int, cycles: int) -> None:
        row = {"supply_mv": 31, "humidity_percent": 30, "insulation_kohm": 26}[name]
        before, value = getattr(self.around, name), getattr(self.limits, column)[row]
        if abs(value) < 20_000:
            setattr(self.around, name, value + off)
        self.run(cycles)
        setattr(self.around, name, before)

    @rule(ma=st.sampled_from([7_999, 8_001, -9_000]), cycles=st.sampled_from([20, 60]))
    def the_second_sensor_disagrees(self, ma: int, cycles: int) -> None:
        self.around.apart_ma, self.around.current_ma = ma, 20_000
        self.run(cycles)
        self.around.apart_ma = self.around.current_ma = 0

    @rule()
    def a_latch_outlives_what_opened_everything(self) -> None:
        """A latched charge path, then everything open for something that ends by itself, then a minute."""
        self.around.cells[2] = self.limits.TRIP[0] + 1
        self.run(25)
        self.around.cells[2] = self.limits.CLEAR[0]
        self.no_conversions(25)
        self.run(2)
        self.now_ms += 59_900
        self.run(5)

    @rule(age=st.sampled_from([3, 4, 9, 10]))
    def the_monitor_answers_late(self, age: int) -> None:
        for self.around.comms_age in range(age + 1):
            self.step()
        self.around.comms_age = 0
        self.step()

    @rule(mv=st.sampled_from([0, 20]))
    def charged_cells(self, mv: int) -> None:
        """Above where balancing begins, and two of them side by side the highest."""
        self.around.cells = [self.limits.BALANCE_START_MV + 20 + mv * (cell in (2, 3))
                             for cell in range(self.limits.CELLS)]
        self.run(25)

    @rule(cycles=st.sampled_from([1, 12, 25]))
    def no_conversions(self, cycles: int) -> None:
        self.around.fresh = False
        self.run(cycles)
        self.around.fresh = True

    @rule(name=st.sampled_from(FLAGS), cycles=st.sampled_from([1, 3, 15]))
    def an_input_moves(self, name: str, cycles: int) -> None:
        setattr(self.around, name, 1 - getattr(self.around, name))
        self.run(cycles)
        setattr(self.around, name, 1 - getattr(self.around, name))

    @rule(stuck=st.sampled_from([0, 3, 7]), cycles=st.sampled_from([1, 7]))
    def feedback(self, stuck: int, cycles: int) -> None:
        self.around.stuck = stuck
        self.run(cycles)
        self.around.stuck = None

    @rule(link_mv=st.sampled_from([None, 0, 20_000, 30_000, NA]), cycles=LASTING)
    def link(self, link_mv: int | None, cycles: int) -> None:
        self.around.link_mv = link_mv
        self.run(cycles)

    @rule(alive=st.booleans())
    def the_gateway(self, alive: bool) -> None:
        self.gateway = alive
        self.run(15)

    @rule(what=st.sampled_from(sorted(REQUESTS)), times=st.sampled_from([1, 2, 2]),
          limit=st.sampled_from([63, 0, 2, 13, 27]), quarters=st.sampled_from([0, 40, 4095]))
    def ask(self, what: str, times: int = 2, limit: int = 63, quarters: int = 4095) -> None:
        self.number += 1
        for _ in range(times):
            self.asked += 1
            self.around.inbox.append(frame(
                "NodeRequest", NODE, self.asked, Request=REQUESTS[what], RequestNumber=self.number % 256,
                ChargeCurrentAsked=quarters, DischargeCurrentAsked=quarters, RequestLimit=limit, BalancingAsked=3))
        self.close_asked |= what == "close"
        self.cleared |= what == "clear"
        self.run(2)

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
        self.judge_doubt()
        self.judge_outputs()
        self.judge_allowance()
        self.judge_opening()

    def judge_doubt(self) -> None:
        """A value that is not complete and fresh brings no row nearer to its end."""
        protect = self.node.protect
        now = [(OK, 0) if state == OK else (state, protect.hold[n] if state == HOLDING else 0)
               for n, state in enumerate(protect.state)]
        for n, (before, after) in enumerate(zip(self.rows_before, now, strict=True)):
            if self.node.rows.known[n] != KNOWN and before[0] != OK and not self.cleared:
                assert after in (before, (TRIPPED, 0)), "doubt ended a cause or a hold"
        self.rows_before = now

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
    case.settings = settings(deadline=None, max_examples=50, stateful_step_count=25,
                             suppress_health_check=list(HealthCheck))
    case("runTest").runTest()
