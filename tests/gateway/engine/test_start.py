"""Start, stop and restart: what is told, what is remembered, what is left alone."""

from __future__ import annotations

import pytest

from voices.listening import World, setup


def test_a_gateway_that_restarts_beside_closed_packs_opens_nothing() -> None:
    """It learns the state from the bus, takes up the node's own allowance and sends neither open nor close nor 0 A."""
    world = World(setup(keep_closed=True))
    world.voice.cycle_number = 40  # in the middle of things: NodeInfo comes only later
    world.run(20)
    assert {request["Request"] for request in world.requests()} == {"Allowance"}
    assert min(request["DischargeCurrentAsked"] for request in world.requests()) >= 180.0
    assert world.kept.texts("node_heard") == ["node 1 is heard: state closed, paths closed"]
    assert world.allowed() == (150.0, 180.0)


def test_start_and_stop_are_events() -> None:
    """Both are journalled with the version, and a stop leaves a mark of each pack to go on from."""
    world = World()
    world.engine.start("0.1.0", world.now_ns)
    world.run(2)
    world.engine.stop("SIGTERM", world.now_ns)
    assert world.kept.texts("gateway_start") == ["gateway 0.1.0 started: site home, packs north"]
    assert world.kept.texts("gateway_stop") == ["gateway stopped: SIGTERM"]
    assert world.kept.told("mark")[-1].data["boot_id"] == 77


def test_counting_goes_on_over_a_restart() -> None:
    """State of charge starts from the last mark, and what flowed while the gateway was dead is counted."""
    world = World()
    world.voice.say("NodeCharge", ChargeIn=100.0, ChargeOut=10.0)
    world.run(2)
    mark = {"soc": 0.5, "sigma": 0.03, "in_mah": 40_000, "out_mah": 20_000, "boot_id": 77, "node_in_mah": 68_000,
            "node_out_mah": 10_000}
    later = World()
    later.engine.restore({"north": (mark, 600.0)}, later.now_ns)
    later.voice.say("NodeCharge", ChargeIn=100.0, ChargeOut=10.0)
    later.run(2)
    picture = later.snapshot()
    assert picture["soc"]["value"] == pytest.approx(0.6)  # 32 Ah of 320 Ah
    assert 0.03 < picture["soc"]["sigma"] < 0.031
    assert picture["values"]["charge_in_ah"]["value"] == pytest.approx(72.0)


def test_a_persons_figure_starts_the_count_where_the_journal_knows_none() -> None:
    """site.yaml's soc is taken for a new pack; a mark of the journal wins over it."""
    world = World(setup(soc=0.8))
    assert world.snapshot()["soc"] == {"value": 0.8, "sigma": 0.05, "source": "site"}
    world.engine.restore({"north": ({"soc": 0.4, "sigma": 0.1}, None)}, world.now_ns)
    assert world.snapshot()["soc"]["value"] == 0.4
