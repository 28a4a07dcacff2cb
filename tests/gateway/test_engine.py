"""The core as a whole: frames and time in; heartbeats, requests, events and snapshots out."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twolbms.battery.setup import SiteSetup
from twolbms.contract import node_contract
from twolbms.engine import Engine
from twolbms.fields import FIELDS
from twolbms.wire import BusFrame
from voices.listening import World, hash_of, pack_type, setup
from voices.node_voice import NS, NodeVoice, database, sealed

LEAF = "leaf_2013_14s"


def two_packs(**options: Any) -> World:
    """Two packs of one bank, each kept closed."""
    return World(setup("north", 1, **options), setup("south", 2, **options), banks={"bank": ("north", "south")})


# --- heartbeat and requests ---

def test_heartbeat_each_quarter_second() -> None:
    """The heartbeat goes out every 250 ms, sealed, with its counter running, and lets the nodes balance."""
    world = World()
    world.run(5)
    beats = [(at, frame) for at, frame in world.sent if frame.can_id == 0x0CFF8080]
    assert [round((b - a) / 1e6) for (a, _), (b, _) in pairwise(beats)] == pytest.approx(
        [250] * (len(beats) - 1), abs=20)
    assert [frame.data[6] & 0x0F for _, frame in beats] == [n % 15 for n in range(len(beats))]
    for _, frame in beats:
        assert frame.data == sealed(0x0CFF8080, frame.data, frame.data[6] & 0x0F)
        assert str(database().get_message_by_name("GatewayHeartbeat").decode(frame.data)["BalancingAllowed"]) == "On"


# (wall time known?, minutes since 2020)
@pytest.mark.parametrize(("wall_ns", "minutes"), [(None, "NotAvailable"), (1_577_836_800 * NS + 90 * 60 * NS, 90),
                                                  (1_000 * NS, "NotAvailable")])
def test_heartbeat_tells_the_time(wall_ns: int | None, minutes: int | str) -> None:
    """Minutes since 2020 once the wall clock is known and plausible, "not available" before."""
    world = World()
    if wall_ns is not None:
        world.engine.set_wall(wall_ns - world.now_ns, "rtc")
    beat = world.engine.tick(world.now_ns)[0]
    assert database().get_message_by_name("GatewayHeartbeat").decode(beat.data)["GatewayMinutes"] == minutes


def test_a_bus_without_nodes_is_only_listened_to() -> None:
    """No heartbeat goes onto a bus that carries no node of ours: it may be a car's own."""
    kept = World().kept
    engine = Engine(SiteSetup("home", ("can0", "car"), (setup(),), {"north": ("north",)}), node_contract(), kept, 0)
    sent = [frame for tick in range(60) for frame in engine.tick(tick * NS // 50)]
    assert {frame.bus for frame in sent} == {"can0"}


def test_a_bus_that_is_down_is_sent_nothing() -> None:
    """Opening and closing of a bus are events and an alarm, and a closed one gets nothing."""
    world = World()
    world.engine.bus_state("can0", False, "no such device", world.now_ns)
    world.run(1)
    assert world.sent == []
    assert world.kept.texts("bus_down", "alarm") == ["bus can0 is down: no such device"] * 2
    world.engine.bus_state("can0", True, None, world.now_ns)
    world.run(1)
    assert world.sent
    assert world.kept.texts("bus_up") == ["bus can0 is open"]


# --- start and restart ---

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


# --- silence and banks ---

# (north, south; each "closed", "open", "silent while closed", "silent while open", "never heard") ->
# (bank discharge A, who limits)
BANK = {
    ("closed", "closed"): (200.0, "north"),
    ("closed", "open"): (100.0, "north"),
    ("closed", "silent while closed"): (0.0, "south: pack_silent"),
    ("closed", "silent while open"): (100.0, "north"),
    ("closed", "never heard"): (0.0, "south: pack_silent"),
    ("open", "open"): (0.0, "no pack is closed"),
    ("silent while closed", "silent while closed"): (0.0, "north: pack_silent"),
}


@pytest.mark.parametrize(("packs", "bank"), BANK.items(), ids=[" + ".join(packs) for packs in BANK])
def test_silence_in_a_bank(packs: tuple[str, str], bank: tuple[float, str]) -> None:
    """A pack leaves its bank only when last heard measured open; one silent while closed makes the bank 0 A."""
    world = two_packs(type=LEAF)
    for voice, what in zip(world.voices.values(), packs, strict=True):
        leaf_voice(voice)
        if "open" in what:
            voice.open()
    world.run(16, silent=[name for name, what in zip(world.voices, packs, strict=True) if what == "never heard"])
    silent = [name for name, what in zip(world.voices, packs, strict=True) if "silent" in what or "never" in what]
    world.run(6, silent=silent)
    picture = world.engine.snapshot(world.now_ns)["banks"]["bank"]
    assert picture["discharge_a"] == pytest.approx(bank[0])
    assert picture["discharge_limited_by"].startswith(bank[1])
    assert picture["packs"] == ["north", "south"]


def leaf_voice(voice: NodeVoice) -> None:
    """The voice of a healthy Leaf pack of fourteen groups."""
    voice.cells = [3.800 + 0.001 * n for n in range(14)]
    voice.say("CellExtremes", CellVoltageMin=3.800, CellVoltageMax=3.813, CellMinIndex=0, CellMaxIndex=13)
    voice.say("PackValues", PackVoltage=53.3, LinkVoltage=53.3)
    voice.say("PackAllowance", ChargeCurrentAllowed=60.0, DischargeCurrentAllowed=100.0, ChargeVoltageAllowed=57.4)


def test_a_person_at_the_enclosure_may_say_that_a_silent_pack_is_open() -> None:
    """confirm-open takes a silent pack out of its bank, until its node is heard again."""
    world = two_packs(type=LEAF)
    for voice in world.voices.values():
        leaf_voice(voice)
    world.run(16)
    world.run(6, silent=["south"])
    assert world.engine.snapshot(world.now_ns)["banks"]["bank"]["discharge_a"] == 0
    assert world.engine.ask("south", "confirm-open", "Ann", world.now_ns).accepted
    world.run(1, silent=["south"])
    assert world.engine.snapshot(world.now_ns)["banks"]["bank"]["discharge_a"] == pytest.approx(100.0)
    world.run(1)
    assert world.snapshot("south")["requests"]["confirmed_open"] is False


def test_nobody_confirms_open_what_the_node_says_is_closed() -> None:
    """While PackState is heard a person's word is refused, also when another message is missing, and the bank is 0 A.

    Only TempExtremes is missing: the pack is silent by rule, and still says that its paths are closed.
    """
    world = two_packs()
    world.run(16)
    world.voices["south"].mute.add("TempExtremes")
    world.run(7)
    ticket = world.engine.ask("south", "confirm-open", "Ann", world.now_ns)
    assert (ticket.accepted, ticket.note) == (False, "its node is heard and says itself whether the pack is open")
    world.run(1)
    assert world.engine.snapshot(world.now_ns)["banks"]["bank"]["discharge_a"] == 0


def test_the_first_pack_state_ends_a_confirmation() -> None:
    """One PackState from the node and the person's word no longer counts, though every other message is missing."""
    world = two_packs()
    world.run(16)
    world.run(7, silent=["south"])
    assert world.engine.ask("south", "confirm-open", "Ann", world.now_ns).accepted
    world.run(1, silent=["south"])
    assert world.engine.snapshot(world.now_ns)["banks"]["bank"]["discharge_a"] > 0
    voice = world.voices["south"]
    world.hear(voice.frame("PackState", voice.said["PackState"]))
    assert world.engine.snapshot(world.now_ns)["banks"]["bank"]["discharge_a"] == 0
    assert world.snapshot("south")["requests"]["confirmed_open"] is False
    refusal = world.engine.banks.join_refusal(world.engine.packs["north"], world.now_ns)
    assert refusal == "south is silent and was not heard measured open"


def with_twin(world: World, apart: int) -> NodeVoice:
    """A second node with the first one's number, its counters `apart` ahead; its cell 8 is above the limit."""
    twin = NodeVoice(hash_of(), world.voice.node)
    twin.counters = {name: (count + apart) % 15 for name, count in world.voice.counters.items()}
    twin.cycle_number = world.voice.cycle_number
    twin.cells[7] = 3.70
    twin.say("CellExtremes", CellVoltageMax=3.70)
    twin.say("PackAllowance", ChargeCurrentAllowed=0.0)
    return twin


@pytest.mark.parametrize("apart", range(15))
def test_two_nodes_of_one_number_are_allowed_nothing(apart: int) -> None:
    """Two nodes with the same number, their counters apart by any number or in step: 0 A, and why in an alarm."""
    world = World()
    world.run(12)
    twin = with_twin(world, apart)
    most = []
    for n in range(120):
        world.run(0.06)
        world.hear(*twin.cycle())
        world.run(0.04)
        most.append(world.allowed() if n > 60 else (0, 0))
    assert max(most) == (0, 0)
    alarms = [alarm["text"] for alarm in world.engine.snapshot(world.now_ns)["alarms"]]
    assert any(text.startswith("damaged or out of sequence: ") for text in alarms)
    assert ("two nodes answer as node 1" in alarms) == (apart in (0, 1))


def test_two_nodes_of_one_number_are_told_once() -> None:
    """That two nodes answer as one is one event however long it lasts, and over half a minute after the last sign."""
    world = World()
    world.run(12)
    twin = with_twin(world, 0)
    for _ in range(120):
        world.run(0.06)
        world.hear(*twin.cycle())
        world.run(0.04)
    world.run(20)
    assert world.kept.texts("alarm").count("two nodes answer as node 1") == 1
    assert "no longer: two nodes answer as node 1" not in world.kept.texts("alarm_gone")
    world.run(12)
    assert world.kept.texts("alarm_gone").count("no longer: two nodes answer as node 1") == 1


# (south's voltage, is it asked to close)
@pytest.mark.parametrize(("voltage_v", "asked"), [(53.3, True), (54.6, True), (54.9, False), (51.7, False)])
def test_a_pack_joins_only_under_the_join_rule(voltage_v: float, asked: bool) -> None:
    """keep_closed asks a pack to join only when the difference in voltage is harmless: at most 1.5 V."""
    world = two_packs(type=LEAF, keep_closed=True)
    for voice in world.voices.values():
        leaf_voice(voice)
    south = world.voices["south"]
    south.say("PackValues", PackVoltage=voltage_v)
    south.open()
    world.run(20)
    asks = [frame for _, frame in world.sent if frame.can_id & 0xFF == 2 and frame.data[0] & 0x0F == 2
            and frame.can_id >> 8 & 0xFF == 0x81]
    assert bool(asks) is asked


def test_two_packs_never_close_at_the_same_time() -> None:
    """While one pack of a bank is closing, no other is asked: they could meet at different voltages."""
    world = two_packs(type=LEAF, keep_closed=True)
    for voice in world.voices.values():
        leaf_voice(voice)
        voice.open()
    world.run(8)  # nobody answers: north's close stays under way
    assert {frame.can_id & 0xFF for _, frame in world.sent if frame.can_id >> 8 & 0xFF == 0x81
            and frame.data[0] & 0x0F == 2} == {1}
    world.voices["north"].close()
    leaf_voice(world.voices["north"])
    world.hear(world.voices["north"].answer(2, world.requests("Close")[-1]["RequestNumber"], 0))
    world.run(8)
    assert 2 in {frame.can_id & 0xFF for _, frame in world.sent if frame.data[0] & 0x0F == 2
                 and frame.can_id >> 8 & 0xFF == 0x81}


# --- what comes from a bus ---

def test_counts_of_what_is_dropped() -> None:
    """Damaged, short, repeated, foreign and unknown frames are counted each under its name, and change nothing."""
    world = World()
    world.run(2)
    good = world.voice.frame("PackValues", world.voice.said["PackValues"] | {"PackVoltage": 99.0})
    before = world.snapshot()["values"]["pack_voltage_v"]["value"]
    damaged = good._replace(data=good.data[:7] + bytes([good.data[7] ^ 1]))
    old = sealed(good.can_id, good.data, (good.data[6] & 0x0F) - 1 & 0x0F)
    told = world.voice.frame("NodeHistory", {"HistoryPage": 2})
    page = told._replace(data=sealed(told.can_id, told.data[:6] + b"\x30\0", told.data[6] & 0x0F))
    world.hear(damaged, good._replace(data=good.data[:7]), good._replace(data=old), good._replace(extended=False),
               BusFrame("can0", 0x123, False, b"\1"), BusFrame("can0", 0x18DA10F1, True, bytes(8)), page)
    bus = world.engine.snapshot(world.now_ns)["buses"]["can0"]
    assert {name: bus[name] for name in ("bad_check", "short", "bad_counter", "unknown_id", "bad_page")} == {
        "bad_check": 1, "short": 1, "bad_counter": 1, "unknown_id": 3, "bad_page": 1}
    assert world.snapshot()["values"]["pack_voltage_v"]["value"] == before


def test_bad_frames_are_told_once_a_minute() -> None:
    """However many frames are damaged, one event a minute counts them, with the two good ones until trust is back."""
    world = World()
    for _ in range(20):
        frame = world.voice.frame("PackValues", {})
        world.hear(frame._replace(data=frame.data[:7] + bytes([frame.data[7] ^ 1])))
    world.run(130)
    assert world.kept.texts("bad_frames") == ["bus can0: 22 frames of our nodes dropped in the last minute"]


def test_a_message_whose_protection_fails_is_an_alarm() -> None:
    """Three damaged of the last five frames raise an alarm; it goes when the frames are good again."""
    world = World()
    world.run(2)
    for _ in range(5):
        frame = world.voice.frame("PackState", {})
        world.hear(frame._replace(data=bytes(7) + bytes([frame.data[7] ^ 0xFF])))
    world.run(1.5)
    assert world.kept.texts("alarm") == ["damaged or out of sequence: PackState"] or world.kept.texts("alarm_gone")


def test_strangers_are_named() -> None:
    """A node that no pack of the site has, and another gateway, are alarms with their names; they go when they go."""
    world = World()
    stranger = NodeVoice(hash_of(), node=9)
    world.hear(stranger.frame("PackValues", {}), BusFrame("can0", 0x0CFF8080, True, bytes(8)))
    world.run(2)
    assert sorted(world.kept.texts("alarm")) == [
        "another gateway speaks on bus can0", "node 9 speaks on bus can0 but stands in no pack of the site file"]
    world.run(31)
    assert world.engine.snapshot(world.now_ns)["alarms"] == []


# --- records and pictures ---

def test_samples_follow_the_table() -> None:
    """Each quantity of a pack is recorded at the period its row gives, steps at once, cells each under its number."""
    world = World()
    world.run(21)
    counts: dict[tuple[str, int | None], int] = {}
    for sample in world.kept.samples:
        key = (sample.series.quantity, sample.series.cell)
        counts[key] = counts.get(key, 0) + 1
    assert 20 <= counts["pack_voltage_v", None] <= 22
    assert 4 <= counts["temperature_min_c", None] <= 5
    assert all(20 <= counts["cell_voltage_v", cell] <= 22 for cell in range(8))
    assert counts["state_code", None] == 1
    assert counts["temperature_c", 0] == 3
    assert counts["bus_frames", None] >= 2
    before = len([s for s in world.kept.samples if s.series.quantity == "current_a"])
    world.voice.say("PackValues", PackCurrent=-120.0)
    world.run(0.2)
    assert len([s for s in world.kept.samples if s.series.quantity == "current_a"]) == before + 1


def test_every_pack_quantity_is_published() -> None:
    """Snapshot and records hold every quantity of a pack that our node guards, under its name, inside its bounds."""
    world = World()
    world.run(15)
    values = world.snapshot()["values"]
    wanted = {name for name, row in FIELDS.items() if row.level == "pack" and "car's own" not in row.help}
    assert set(values) == wanted
    assert {s.series.quantity for s in world.kept.samples} >= wanted
    for name, value in values.items():
        assert FIELDS[name].low <= value["value"] <= FIELDS[name].high


def test_the_snapshot_is_json() -> None:
    """A snapshot can be written as JSON at any moment, also before anything was heard."""
    world = World()
    assert json.loads(json.dumps(world.engine.snapshot(world.now_ns), allow_nan=False))["time_ns"] is None
    world.engine.set_wall(1_700_000_000 * NS, "rtc")
    world.run(3)
    picture = json.loads(json.dumps(world.engine.snapshot(world.now_ns), allow_nan=False))
    assert (picture["time_ns"], picture["clock"]) == (world.now_ns + 1_700_000_000 * NS, "rtc")


def test_never_heard_is_unknown_not_zero() -> None:
    """Before a node is heard its values are null, its paths unknown and its allowance 0 A."""
    picture = World().snapshot()
    assert (picture["state"], picture["age_s"], picture["hash_ok"]) == (None, None, None)
    assert picture["values"]["current_a"] == {"value": None, "age_s": None}
    assert set(picture["paths"].values()) == {"unknown"}
    assert (picture["allowance"]["charge_a"], picture["allowance"]["charge_v"]) == (0.0, None)


def test_trouble_outside_is_an_alarm_and_nothing_more() -> None:
    """A journal that cannot write and an outlet that is refused are told; the nodes are asked as before."""
    world = World()
    world.engine.outside({"acknowledged": 5, "lost": 3, "error": "disk full"},
                         {"influxdb": {"state": "refused", "error": "401", "lag_s": 9.0}}, world.now_ns)
    world.run(3)
    assert sorted(world.kept.texts("alarm")) == [
        "3 records could not be journalled", "outlet influxdb refused: 401", "the journal cannot write: disk full"]
    assert world.requests("Allowance")
    world.engine.outside({"acknowledged": 5, "lost": 3, "error": None}, {}, world.now_ns)
    assert "no longer: the journal cannot write: disk full" in world.kept.texts("alarm_gone")


def test_allowance_changes_are_told_sparingly() -> None:
    """Another rule or 0 A is an event; a value that only moves is none, and a flutter is told once in a while."""
    world = World()
    world.run(15)
    for n in range(50):
        world.voice.say("PackAllowance", ChargeLimitedBy=51 if n % 2 else 48, ChargeCurrentAllowed=100.0 - n)
        world.run(0.2)
    assert len(world.kept.told("allowance")) <= 3
    world.voice.say("PackAllowance", ChargeLimitedBy=0, ChargeCurrentAllowed=0.0)
    world.run(2.2)
    event = world.kept.told("allowance")[-1]
    assert (event.data["direction"], event.data["current_a"], event.data["limited_by"]) == (
        "charge", 0.0, "cell_over_voltage")


# --- a story ---

def test_story_of_a_weak_cell() -> None:
    """Charging, a weak cell trips, the node opens, a person is refused, clears and closes: told in this order."""
    world = World(setup(keep_closed=True))
    voice = world.voice
    voice.say("PackValues", PackCurrent=100.0)
    world.run(12)
    voice.say("CellExtremes", CellVoltageMax=3.661, CellMaxIndex=4)
    voice.faults[2] = {"CellOverVoltage"}
    voice.say("PackAllowance", ChargeCurrentAllowed=0.0, ChargeLimitedBy=0)
    voice.mute = {"CellVoltages"}  # the table would lag behind this shorthand
    world.run(1)
    voice.open(reason=0)
    voice.say("PackState", State=5)
    voice.faults[2], voice.faults[3] = set(), {"CellOverVoltage"}
    voice.say("CellExtremes", CellVoltageMax=3.307, CellMaxIndex=7)
    voice.mute = set()
    world.run(3)
    world.answering = lambda pack, request: [] if request["Request"] != "Clear" else [
        voice.answer(5, request["RequestNumber"], 2, hold_s=20.0)]
    world.engine.ask("north", "clear", "Ann", world.now_ns)
    world.run(1)
    voice.faults[3] = set()
    voice.say("PackState", State=1)
    world.run(0.5)
    world.answering = lambda pack, request: [] if request["Request"] != "Close" else [
        voice.answer(2, request["RequestNumber"], 0)]
    world.run(3)
    voice.close()
    world.run(1)
    aside = ("mark", "allowance", "alarm", "alarm_gone")
    kinds = [event.kind for event in world.kept.events if event.kind not in aside]
    assert kinds == ["node_heard", "fault", "state", "opened", "fault_gone", "latched", "request", "answer",
                     "state", "latch_cleared", "answer", "state", "closed"]
    assert world.kept.texts("opened", "answer", "closed") == [
        "opened: cell over voltage, cell 5 at 3.661 V, above the trip value 3.65 V",
        "clear asked by Ann: refused: the hold time is still running, 20 s to go",
        "close asked by gateway: accepted", "closed: asked by gateway"]


# --- whatever comes ---

@st.composite
def frames(draw: st.DrawFn) -> list[tuple[BusFrame, int]]:
    """Sequences of sound, damaged and foreign frames with pauses, around a voice whose values wander."""
    voice = NodeVoice(hash_of())
    names = [*voice.said, "NodeFaults", "NodeInfo", "CellVoltages", "NodeAnswer"]
    found: list[tuple[BusFrame, int]] = []
    for _ in range(draw(st.integers(1, 40))):
        name = draw(st.sampled_from(names))
        message = database().get_message_by_name(name)
        can_id = message.frame_id | draw(st.sampled_from([1, 1, 1, 2]))
        data = draw(st.binary(min_size=draw(st.sampled_from([8, 8, 8, 3])), max_size=8))
        if len(data) == 8 and draw(st.integers(0, 4)):
            data = sealed(can_id, data, voice.count(name))
        found.append((BusFrame("can0", can_id, draw(st.integers(0, 9)) > 0, data),
                      draw(st.sampled_from([0, NS // 50, NS // 10, 2 * NS, 11 * NS]))))
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames(), st.lists(st.integers(0, 60), max_size=6))
def test_no_frame_crashes_and_no_allowance_is_too_high(story: list[tuple[BusFrame, int]], spoken: list[int]) -> None:
    """Whatever frames come in whatever order: nothing raises, and an allowance is never above node, own or rating,
    never positive with unknown readings or cells.
    """
    world = World()
    world.run(1.5)
    for n, (frame, pause_ns) in enumerate(story):
        world.hear(frame)
        if n in spoken:
            world.hear(*world.voice.cycle())
        world.now_ns += pause_ns
        world.engine.tick(world.now_ns)
        check_allowances(world)


def check_allowances(world: World) -> None:
    picture = world.engine.snapshot(world.now_ns)
    json.dumps(picture, allow_nan=False)
    pack, heard = picture["packs"]["north"], world.pack.heard
    for way, most_a in (("charge", 200.0), ("discharge", 200.0)):
        allowed = pack["allowance"][f"{way}_a"]
        node = heard.state.signal("PackAllowance", f"{way.capitalize()}CurrentAllowed", world.now_ns) or 0.0
        assert 0 <= allowed <= min(node, world.pack.allowances[way].own.current_a, most_a) + 1e-6
        unknown = bool(heard.state.silent(world.now_ns)) or None in [cell["value"] for cell in pack["cells_v"]] \
            or pack["values"]["cell_max_v"]["value"] is None or pack["values"]["temperature_min_c"]["value"] is None
        assert allowed == 0 or not unknown
    assert picture["banks"]["north"]["charge_a"] <= pack["allowance"]["charge_a"] + 1e-6


def test_an_unknown_pack_type_is_not_needed() -> None:
    """An engine without packs ticks and says nothing, for a site that only records."""
    engine = Engine(SiteSetup("home", ("can0",), (), {}), node_contract(), World().kept, 0)
    assert engine.tick(0) == []
    assert engine.snapshot(0)["packs"] == {}
    assert pack_type().cells.series == 8


def test_nobody_joins_a_silent_pack() -> None:
    """Beside a pack that fell silent while closed no other is closed, by nobody, and the refusal names it."""
    world = two_packs(type=LEAF)
    for voice in world.voices.values():
        leaf_voice(voice)
    world.voices["north"].open()
    world.run(16)
    world.run(6, silent=["south"])
    ticket = world.engine.ask("north", "close", "Ann", world.now_ns)
    assert ticket.accepted is False
    assert ticket.note == "south is silent and was not heard measured open"
