"""What a node remembers: heard page by page, shown in the snapshot, and no stranger on the bus."""

from __future__ import annotations

from voices.listening import World

MINUTES = 3_628_800  # since 2020: 2026-11-25T00:00Z


def test_a_tripped_limit_is_shown_with_its_times() -> None:
    """First and last time come in two pages; a time the node never had stays unknown."""
    world = World()
    world.run(1)
    for page in ({"HistoryPage": 0, "FirstRow": 28, "FirstCount": 3, "FirstMinutes": MINUTES},
                 {"HistoryPage": 1, "LastRow": 28, "LastMinutes": None},
                 {"HistoryPage": 2, "HeaterEnergy": 1600, "ContactorWear": 42}):
        world.hear(world.voice.frame("NodeHistory", page))
    assert world.snapshot()["history"] == {
        "heater_wh": 1600, "contactor_wear_percent": 42,
        "trips": {"smoke": {"count": 3, "first_s": 1_795_564_800, "last_s": None}}}


def test_what_the_node_says_is_no_stranger() -> None:
    """Every message that the contract gives a node is heard, by its id, and counted as good."""
    world = World()
    world.run(1)
    before = dict(world.engine.snapshot(world.now_ns)["buses"]["can0"])
    world.hear(world.voice.frame("NodeHistory", {"HistoryPage": 0, "FirstRow": None, "FirstMinutes": None}))
    after = world.engine.snapshot(world.now_ns)["buses"]["can0"]
    assert after["unknown_id"] == before["unknown_id"] and after["frames"] == before["frames"] + 1
    assert world.snapshot()["history"]["trips"] == {}
