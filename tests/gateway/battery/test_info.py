"""Who the node is: protocol version, and whether its limits are those of our own pack file."""

from __future__ import annotations

import cantools
import pytest

from twolbms.battery.info import PROTOCOL_VERSION
from twolbms.files import data_path
from voices.listening import World, hash_of

# (spoiled page 0 or 1, seconds to wait, reason, whether requests other than heartbeats go out)
SPOILED = {
    "other limits": ({"LimitHashLow": 0x1234}, 1, "hash_mismatch", True),
    "limits differ in the high half": ({"LimitHashHigh": 0x1234}, 1, "hash_mismatch", True),
    "another protocol": ({"ProtocolVersion": 2}, 1, "wrong_protocol", False),
}


@pytest.mark.parametrize(("info", "wait_s", "reason", "asks"), SPOILED.values(), ids=SPOILED.keys())
def test_a_node_that_is_not_ours(info: dict[str, int], wait_s: float, reason: str, asks: bool) -> None:
    """Other limits or another protocol: 0 A, an alarm, never asked to close."""
    from voices.listening import setup
    world = World(setup(keep_closed=True))
    world.voice.open()
    world.voice.info |= info
    world.run(wait_s + 15)
    assert world.allowed() == (0.0, 0.0)
    assert world.snapshot()["allowance"]["charge_limited_by"] == reason
    assert any(text.startswith("0 A:") for text in world.kept.texts("alarm"))
    assert world.requests("Close", "Clear") == []
    assert bool(world.requests("Allowance")) is asks
    assert all(request["ChargeCurrentAsked"] == 0 for request in world.requests("Allowance"))


def test_a_mismatch_still_shows_values_and_still_opens() -> None:
    """With other limits the pack's values are shown, and a person's open still goes out; close and clear do not."""
    world = World()
    world.voice.info["LimitHashLow"] ^= 1
    world.run(3)
    assert world.snapshot()["values"]["pack_voltage_v"]["value"] == pytest.approx(26.4)
    assert world.snapshot()["hash_ok"] is False
    assert not world.engine.ask("north", "close", "Ann", world.now_ns).accepted
    assert world.engine.ask("north", "clear", "Ann", world.now_ns).accepted is False
    world.engine.ask("north", "open", "Ann", world.now_ns)
    world.run(0.1)
    assert len(world.requests("Open")) == 1


def test_a_foreign_node_is_ignored() -> None:
    """Of a node with another protocol version nothing is believed, though its frames are sound."""
    world = World()
    world.voice.info["ProtocolVersion"] = 2
    world.run(8)
    assert world.snapshot()["values"]["pack_voltage_v"]["value"] is None
    world.voice.info["ProtocolVersion"] = PROTOCOL_VERSION
    world.voice.cycle_number = 0
    world.run(2)
    assert world.snapshot()["values"]["pack_voltage_v"]["value"] == pytest.approx(26.4)


def test_a_hash_never_heard() -> None:
    """Without NodeInfo the pack is 0 A; nothing is asked for the first 12 s, 0 A with an alarm from then on."""
    world = World()
    world.voice.mute = {"NodeInfo"}
    world.run(11.8)
    assert world.allowed() == (0.0, 0.0)
    assert world.requests() == []
    assert world.kept.told("alarm") == []
    world.run(1.5)
    assert world.requests("Allowance")[0]["DischargeCurrentAsked"] == 0
    assert world.kept.texts("alarm") == ["0 A: the node has not yet told which limits it holds"]


def test_a_reboot_forgets_the_hash() -> None:
    """After a boot the image may be another one: 0 A until the hash is heard again, and a person is told."""
    world = World()
    world.run(15)
    assert min(world.allowed()) > 0
    world.voice.mute = {"NodeInfo"}
    world.voice.say("NodeCharge", BootId=78)
    world.run(1.2)
    assert world.snapshot()["allowance"]["charge_limited_by"] == "hash_unknown"
    assert world.kept.texts("node_rebooted") == ["node 1 has booted"]
    world.voice.mute = set()
    world.voice.info["InfoBootId"] = 78
    world.voice.cycle_number = 0
    world.run(1)
    assert world.snapshot()["allowance"]["charge_limited_by"] != "hash_unknown"
    assert len(world.kept.told("node_rebooted")) == 1


def test_the_protocol_version_is_that_of_the_dbc() -> None:
    """The version this gateway speaks is the one that dbc/node.dbc names."""
    database = cantools.database.load_file(str(data_path("dbc", "node.dbc")))
    assert database.dbc.attributes["ProtocolVersion"].value == PROTOCOL_VERSION


def test_info_is_shown() -> None:
    """Firmware, cells, reset cause and hash stand in the snapshot in words."""
    world = World()
    world.voice.info |= {"FirmwareMajor": 0, "FirmwareMinor": 1, "FirmwarePatch": 4, "CellCount": 8, "ResetCause": 3,
                         "FreeHeap": 40_000, "WorstCycle": 0.042}
    world.run(1)
    info = world.snapshot()["info"]
    assert (info["firmware"], info["cells"], info["reset_cause"]) == ("0.1.4", 8, "watchdog")
    assert (info["free_heap_bytes"], info["worst_cycle_s"]) == (40_000, pytest.approx(0.042))
    assert info["limit_hash"] == info["own_hash"] == f"{hash_of():08x}"


def test_bus_slot_and_restarts_are_shown() -> None:
    """Page 3: controller, versions and restarts in words; unknown before it came, and again after a boot."""
    world = World()
    world.run(1)
    names = ("can_state", "bus_offs", "firmware_slot", "firmware_trial", "failed_updates", "restarts")
    assert {world.snapshot()["info"][name] for name in names} == {None}
    world.hear(world.voice.frame("NodeInfo", {
        "InfoPage": 3, "CanState": 3, "TransmitErrors": 128, "BusOffs": 2, "FirmwareSlot": 1, "FirmwareTrial": 2,
        "FailedUpdates": 1, "Restarts": 4}))
    info = world.snapshot()["info"]
    assert [info[name] for name in names] == ["passive", 2, "b", "waits_for_arming", 1, 4]
    assert info["transmit_errors"] == 128
    world.hear(world.voice.frame("NodeInfo", {"InfoPage": 3, "CanState": None, "FirmwareSlot": None,
                                              "FirmwareTrial": None}))
    assert world.snapshot()["info"]["firmware_slot"] is None


def test_an_update_is_shown_while_it_is_told_and_judges_nothing() -> None:
    """UpdateStatus stands in the snapshot for as long as it comes; it keeps no node alive."""
    world = World()
    world.run(1)
    assert world.snapshot()["update"] is None
    status = {"UpdateState": 2, "UpdateWindow": 12, "NextBlock": 300}
    world.hear(world.voice.frame("UpdateStatus", status))
    assert world.snapshot()["update"] == {"state": "receiving", "error": None, "next_block": 300}
    world.voice.mute = {*world.voice.said, "NodeFaults", "NodeInfo", "CellVoltages", "CellTemperatures"}
    for _ in range(6):
        world.run(1)
        world.hear(world.voice.frame("UpdateStatus", status | {"UpdateState": 7, "UpdateError": 5}))
    assert world.snapshot()["update"]["error"] == "damaged" and world.allowed() == (0.0, 0.0)
    assert world.snapshot()["state"] is None and world.snapshot()["last_state"] == "closed"
    world.run(4)
    assert world.snapshot()["update"] is None
