"""The closing sequence where two things happen at once, or one of them just before it matters."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from generated import codec
from node.contactor import Contactor
from node.measure import NA

LIMITS = {"COMMON": 0, "PORTS": 0, "CLOSE_ALONE": 0, "PRECHARGE_CYCLES": 30, "PRECHARGE_DIFFERENCE_MV": 1500,
          "PRECHARGE_CURRENT_MA": 5000, "BREAK_MAX_MA": 300_000, "BREAK_HOLD_CYCLES": 3, "PRECHARGE_TRIES": 3,
          "PRECHARGE_COOL_CYCLES": 20, "LIFE_X": (1000, 200_000, 300_000), "LIFE_PPM": (1, 10, 1000)}
SOUND = {"blocks_now": 0, "blocks_after": 0, "beyond": 0, "latched": 0, "opened_by": 255}
READINGS = {"measured": True, "known": True, "pack_mv": 26400, "link_mv": 26400, "current_ma": 0}
BOOT, OPEN = (codec.STATE_BOOT, 0, 0), (codec.STATE_OPEN, 0, 0)
CLOSED, COOLING = (codec.STATE_CLOSED, 3, 0), (codec.STATE_COOLING, 0, 0)
PRECHARGING = (codec.STATE_PRECHARGE, 0, 1)


class Rig:
    """A contactor after its boot, with things around it that are set by name; `charger` goes in with each cycle."""

    def __init__(self, **limits: int) -> None:
        self.contactor = Contactor(SimpleNamespace(**{**LIMITS, **limits}))
        self.m = SimpleNamespace(**READINGS)
        self.protect = SimpleNamespace(**SOUND)
        self.charger = 0
        self.run(10)

    def run(self, cycles: int = 1, **changes: Any) -> Rig:
        for name, value in changes.items():
            where = next(place for place in (self.m, self.protect, self) if hasattr(place, name))
            setattr(where, name, value)
        for _ in range(cycles):
            follows = self.contactor.paths | 4 * self.contactor.precharge
            self.contactor.step(self.m, self.protect, follows, True, 1, self.charger)
        return self

    def close(self) -> Rig:
        assert self.contactor.close(self.m, self.protect) == codec.ANSWER_ACCEPTED
        return self

    def ask_close(self) -> int:
        answer: int = self.contactor.close(self.m, self.protect)
        return answer

    @property
    def state(self) -> tuple[int, int, int]:
        return self.contactor.state, self.contactor.paths, self.contactor.precharge


def charging(**changes: Any) -> Rig:
    """Only the charge path is closed."""
    rig = Rig().close().run().run(blocks_now=2)
    assert rig.state == (codec.STATE_CLOSED, 1, 0)
    return rig.run(**changes) if changes else rig


def test_a_fresh_contactor_knows_no_current_of_its_own() -> None:
    """Until the node says so nothing is taken off for a heater."""
    assert Contactor(SimpleNamespace(**LIMITS)).own_ma == 0


# --- closing ---

def test_at_rest_nothing_is_commanded() -> None:
    """Whatever was left on goes off in the next cycle of a node that is open."""
    rig = Rig()
    rig.contactor.paths, rig.contactor.precharge = 3, 1
    assert rig.run().state == OPEN


def test_an_unproven_wiring_closes_nothing() -> None:
    """A board that nobody has commissioned refuses with that reason, asked or closing alone; commissioned it closes."""
    for alone in (0, 1):
        rig = Rig(CLOSE_ALONE=alone)
        rig.contactor.paths = 0
        rig.contactor.boot()
        rig.contactor.commissioned = 0
        assert rig.run(100).state == OPEN and rig.ask_close() == codec.ANSWER_NOT_COMMISSIONED
        rig.contactor.commissioned = 1
        assert rig.close().run().state == CLOSED


def test_a_close_while_closing_or_closed_changes_nothing() -> None:
    """Asked again, a node that precharges, cools or is closed says yes and goes on, whatever its readings are now."""
    for rig in (Rig().close().run(), Rig().run(link_mv=0).close().run(3), Rig().run(link_mv=0).close().run(35)):
        before = rig.state
        rig.m.known = False
        assert rig.ask_close() == codec.ANSWER_ACCEPTED and rig.state == before
    assert before == COOLING


def test_a_new_close_has_all_its_tries() -> None:
    """Tries of a close that was given up do not count against the next one."""
    rig = Rig().run(link_mv=0).close().run(30 + 20 + 30)
    assert rig.state == COOLING
    rig.contactor.request_open()
    assert rig.run().state == OPEN
    rig.contactor.open_requested = False
    rig.run(20).close()
    for _ in range(2):
        assert rig.run(30).state == COOLING and not rig.contactor.precharge_failed
        rig.run(20)
    assert rig.run(30).state == OPEN and rig.contactor.precharge_failed == 1


def test_a_bank_that_closes_alone_has_all_its_tries_each_time() -> None:
    """Three tries from boot, and three again after the fault of the last one was cleared."""
    rig = Rig(CLOSE_ALONE=1).run(link_mv=0)
    for _ in range(2):
        failures = 0
        for _ in range(200):
            before = rig.contactor.precharge
            rig.run()
            failures += before and not rig.contactor.precharge
            if rig.contactor.precharge_failed:
                break
        assert failures == 3 and rig.contactor.precharge_failed


def following() -> Rig:
    """Closed after two failed tries; then an under-voltage, an empty link, and the discharge path may follow."""
    rig = Rig().run(link_mv=0).close().run(30 + 20 + 30 + 20)
    assert rig.run(link_mv=26_400).state == CLOSED
    rig.run(blocks_now=2).run(25, link_mv=0)
    assert rig.run(blocks_now=0).state == (codec.STATE_PRECHARGE, 1, 1)
    return rig


def test_a_path_that_follows_has_all_its_tries_too() -> None:
    """Three tries for the discharge path that comes later, and a cool resistor between; charging goes on throughout."""
    rig = following()
    for _ in range(2):
        assert rig.run(29).state == (codec.STATE_PRECHARGE, 1, 1)
        assert rig.run().state == (codec.STATE_CLOSED, 1, 0) and not rig.contactor.precharge_failed
        assert rig.run(19).state == (codec.STATE_CLOSED, 1, 0)
        assert rig.run().state == (codec.STATE_PRECHARGE, 1, 1)
    rig.run(30)
    assert rig.contactor.precharge_failed == 1 and rig.state == (codec.STATE_CLOSED, 1, 0) and rig.contactor.tries == 0


@pytest.mark.parametrize("current_ma, state", [(5001, CLOSED), (50_000, CLOSED), (-5000, CLOSED),
                                               (-5001, (codec.STATE_PRECHARGE, 1, 1))])
def test_a_chargers_current_lets_discharge_follow(current_ma: int, state: tuple[int, int, int]) -> None:
    """With the charge path closed what comes in says nothing of the link; what goes out through the resistor does."""
    assert following().run(5, link_mv=26_000, current_ma=current_ma).state == state


@pytest.mark.parametrize("current_ma, state", [(5000, CLOSED), (5001, PRECHARGING), (-5000, CLOSED),
                                               (-5001, PRECHARGING)])
def test_with_everything_open_either_current_holds_the_precharge(current_ma: int, state: tuple[int, int, int]) -> None:
    """Nothing should flow but the precharge itself, in neither direction."""
    assert Rig().run(link_mv=0).close().run(5, link_mv=26_000, current_ma=current_ma).state == state


@pytest.mark.parametrize("own_ma, current_ma, state", [
    (7600, -12_600, CLOSED), (7600, -12_601, PRECHARGING), (0, -12_600, PRECHARGING)])
def test_the_heaters_own_current_does_not_hold_the_precharge(own_ma: int, current_ma: int,
                                                             state: tuple[int, int, int]) -> None:
    """What the heater draws through the shunt does not flow into the link; a count more does."""
    rig = Rig().run(link_mv=0).close()
    rig.contactor.own_ma = own_ma
    assert rig.run(5, link_mv=26_000, current_ma=current_ma).state == state


@pytest.mark.parametrize("block", ["blocks_now", "blocks_after", "beyond"])
def test_an_empty_bank_is_charged_however_low_its_link_is(block: str) -> None:
    """Where discharge may not close there is nothing to precharge: the charge path closes at once."""
    assert Rig().run(link_mv=0, **{block: 2}).close().state == (codec.STATE_CLOSED, 1, 0)
    assert Rig().run(link_mv=0, **{block: 1}).close().state == PRECHARGING
    assert Rig(COMMON=1).run(link_mv=0, **{block: 2}).ask_close() != codec.ANSWER_ACCEPTED


def test_a_charge_port_of_its_own_does_not_wait_for_the_loads() -> None:
    """It closes first, whatever the link of the discharge port is; discharge follows at once or after its precharge."""
    rig = Rig(PORTS=1).close()
    assert rig.state == (codec.STATE_CLOSED, 1, 0) and rig.run().state == CLOSED
    rig = Rig(PORTS=1).run(link_mv=0).close()
    assert rig.state == (codec.STATE_CLOSED, 1, 0) and rig.run().state == (codec.STATE_PRECHARGE, 1, 1)
    assert rig.run(link_mv=26_000).state == CLOSED


def test_a_charge_port_that_is_blocked_leaves_the_loads_their_precharge() -> None:
    """Discharge alone closes as anywhere else: into a low link only after precharge."""
    assert Rig(PORTS=1).run(blocks_now=1).close().state == (codec.STATE_CLOSED, 2, 0)
    assert Rig(PORTS=1).run(blocks_now=1, link_mv=0).close().state == PRECHARGING


@pytest.mark.parametrize("cycles, warm", [(1, False), (2, True)])
def test_the_resistor_cools_only_when_it_was_on(cycles: int, warm: bool) -> None:
    """A precharge that was ended before it reached the output leaves nothing to cool."""
    rig = Rig().run(link_mv=0).close().run(cycles - 1)
    rig.run(known=False)
    assert rig.state == OPEN
    assert rig.run(known=True).close().state == (COOLING if warm else PRECHARGING)


def test_the_last_cycle_of_cooling_still_counts() -> None:
    """One cycle before the resistor is cool a close waits for it; in the next it precharges."""
    rig = Rig().run(link_mv=0).close().run(1).run(known=False).run(18, known=True)
    assert rig.run().close().state == COOLING
    assert rig.run().state == PRECHARGING


@pytest.mark.parametrize("changes, ends", [
    ({"blocks_now": 3}, True), ({"beyond": 3}, True), ({"known": False}, True), ({"blocks_now": 1}, False),
    ({"blocks_now": 2}, False), ({}, False)])
def test_cooling_ends_with_its_reason(changes: dict[str, Any], ends: bool) -> None:
    """Waiting for the resistor ends when nothing may close or the readings are lost; one free path is enough."""
    rig = Rig().run(link_mv=0).close().run(30)
    assert rig.run(**changes).state == (OPEN if ends else COOLING)


def test_an_open_request_ends_cooling() -> None:
    """Nothing closes later on what was asked before."""
    rig = Rig().run(link_mv=0).close().run(30)
    rig.contactor.request_open()
    assert rig.run().state == OPEN and rig.run(50).state == OPEN


@pytest.mark.parametrize("changes, state", [
    ({"charger": 1}, (codec.STATE_CLOSED, 1, 0)),
    ({"charger": 0}, PRECHARGING),
    ({"charger": 1, "link_mv": 10_000}, PRECHARGING),
    ({"charger": 1, "blocks_now": 1}, PRECHARGING),
    ({"charger": 1, "link_mv": 20_000}, CLOSED)])
def test_only_a_charger_above_the_pack_is_let_in(changes: dict[str, Any], state: tuple[int, int, int]) -> None:
    """A charger that is there, above the pack, and a charge path that may close: else precharge, or both at once."""
    rig = Rig().run(**{"pack_mv": 20_000, "link_mv": 27_000, **changes})
    assert rig.close().state == state


def test_common_outputs_never_let_a_charger_in() -> None:
    """They would let it into the discharge path as well."""
    rig = Rig(COMMON=1).run(pack_mv=20_000, link_mv=27_000, charger=1)
    assert rig.close().state == PRECHARGING


def test_a_cleared_latch_closes_alone_in_the_same_cycle() -> None:
    """A bank that may close alone does not lose a cycle to the state that says latched."""
    rig = Rig(CLOSE_ALONE=1).run(blocks_now=3, latched=1).run(3)
    assert rig.state == (codec.STATE_LATCHED, 0, 0)
    assert rig.run(blocks_now=0, latched=0).state == CLOSED


# --- one path while the other is closed ---

def test_charge_follows_without_precharge() -> None:
    """The charge path lets nothing rush out: it follows at once, whatever the link is."""
    rig = Rig().close().run().run(blocks_now=1)
    assert rig.state == (codec.STATE_CLOSED, 2, 0)
    assert rig.run(blocks_now=0, link_mv=0).state == CLOSED


def test_a_precharge_beside_a_closed_path_goes_on() -> None:
    """The closed path does not end it, nor is it opened by it."""
    rig = charging(link_mv=0)
    for _ in range(10):
        assert rig.run(blocks_now=0).state == (codec.STATE_PRECHARGE, 1, 1)


def test_a_precharge_that_is_not_wanted_any_more_leaves_the_closed_path() -> None:
    """Blocked again, the discharge path waits open; the resistor cools before it is tried once more."""
    rig = charging(link_mv=0).run(5, blocks_now=0)
    assert rig.run(blocks_now=2).state == (codec.STATE_CLOSED, 1, 0)
    assert rig.run(19, blocks_now=0).state == (codec.STATE_CLOSED, 1, 0)
    assert rig.run(2).state == (codec.STATE_PRECHARGE, 1, 1)


def test_unknown_readings_do_not_start_a_precharge() -> None:
    """The discharge path does not follow on what is not known."""
    assert charging(link_mv=0).run(5, blocks_now=0, known=False).state == (codec.STATE_CLOSED, 1, 0)


def test_a_path_that_waits_to_open_ends_the_precharge() -> None:
    """While the charge path waits for its current to go, nothing is precharged."""
    rig = charging(link_mv=0).run(5, blocks_now=0)
    assert rig.run(blocks_after=1, current_ma=20_000).state == (codec.STATE_OPENING, 1, 0)


# --- opening ---

def test_the_wait_begins_with_the_block() -> None:
    """5 s from the first blocked cycle, also in the first cycle after closing."""
    rig = Rig().close()
    assert rig.run(50, blocks_after=1, current_ma=20_000).contactor.paths == 3
    assert rig.run().contactor.paths == 2


def test_a_block_that_comes_back_waits_anew() -> None:
    """What was waited for an earlier block does not count."""
    rig = Rig().close().run().run(30, blocks_after=1, current_ma=20_000).run(blocks_after=0)
    assert rig.run(50, blocks_after=1).contactor.paths == 3
    assert rig.run().contactor.paths == 2


def test_another_paths_block_does_not_shorten_the_wait() -> None:
    """A discharge path that had to open at once leaves the charge path its 5 s."""
    rig = charging()
    assert rig.run(50, blocks_after=1, current_ma=20_000).contactor.paths == 1
    assert rig.run().contactor.paths == 0


@pytest.mark.parametrize("blocks, current_ma, paths", [
    (1, 1000, 3), (1, 999, 2), (1, -50_000, 2), (2, -1000, 3), (2, -999, 1), (2, 50_000, 1),
    (3, 1000, 3), (3, 999, 0), (3, -1000, 3), (3, -999, 0), (3, 50_000, 3), (3, -50_000, 3)])
def test_current_holds_the_paths_it_flows_through(blocks: int, current_ma: int, paths: int) -> None:
    """1 A in the direction that is to open holds it; when both are to open, in either direction."""
    assert Rig().close().run().run(blocks_after=blocks, current_ma=current_ma).contactor.paths == paths


@pytest.mark.parametrize("current_ma, paths", [(1000, 3), (-1000, 3), (999, 0), (-999, 0)])
def test_current_in_either_direction_holds_common_outputs(current_ma: int, paths: int) -> None:
    """They carry both directions."""
    assert Rig(COMMON=1).close().run().run(blocks_after=1, current_ma=current_ma).contactor.paths == paths


# --- requests, service, sleep ---

def test_an_open_request_is_a_reason_only_where_something_was_closed() -> None:
    """An open node keeps telling what opened it; one that is closed, precharges or cools was opened by the gateway."""
    for rig in (Rig(), Rig().run(blocks_now=3, latched=1)):
        rig.contactor.open_reason = 7
        rig.contactor.request_open()
        assert rig.contactor.open_reason == 7
    for rig in (Rig().close().run(), Rig().run(link_mv=0).close().run(3), Rig().run(link_mv=0).close().run(35)):
        rig.contactor.request_open()
        assert rig.contactor.open_reason == codec.REASON_GATEWAY_REQUEST


def test_service_is_given_from_open_and_latched_and_renewed() -> None:
    """A node that boots or cools is not in service; ten minutes count from the last request."""
    fresh = Contactor(SimpleNamespace(**LIMITS))
    assert fresh.request_service() == codec.ANSWER_WRONG_STATE
    assert Rig().run(link_mv=0).close().run(35).contactor.request_service() == codec.ANSWER_WRONG_STATE
    rig = Rig().run(blocks_now=3, latched=1)
    assert rig.contactor.request_service() == codec.ANSWER_ACCEPTED
    rig.run(5999)
    assert rig.contactor.request_service() == codec.ANSWER_ACCEPTED
    assert rig.run(6000).state == (codec.STATE_SERVICE, 0, 0)


def test_after_service_the_node_watches_its_readings_again() -> None:
    """It boots anew: ten cycles before anything may close."""
    rig = Rig()
    rig.contactor.request_service()
    assert rig.run(6001).state == BOOT
    assert rig.run(9).state == BOOT and rig.run().state == OPEN


def test_asleep_everything_is_open_and_stays_so() -> None:
    """Whatever was closed opens with sleep, and no cycle ends it; after boot the node begins as from a reset."""
    for rig in (Rig().close().run(), charging(link_mv=0).run(3, blocks_now=0)):
        rig.contactor.sleep()
        assert rig.state == (codec.STATE_ASLEEP, 0, 0)
        assert rig.run(100).state == (codec.STATE_ASLEEP, 0, 0)
        assert rig.ask_close() == codec.ANSWER_WRONG_STATE
        rig.contactor.boot()
        assert rig.state == BOOT


def test_a_lost_link_voltage_lets_nothing_follow() -> None:
    """What is not known could be anything: the discharge path does not follow."""
    assert charging(link_mv=NA).run(5, blocks_now=0).contactor.paths == 1
