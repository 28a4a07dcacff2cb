"""The wire: who sends first, how long it takes, who must be there, what is lost and counted."""

from __future__ import annotations

import pytest

from twolbms.sim.bus import QUEUE_FRAMES, Bus, Controller, arbitration_field, transmission
from twolbms.sim.bus_faults import FaultSettings
from twolbms.sim.slcan import CanFrame, encode, parse_frame

BIT_NS = 2000  # at 500 kbit/s
ALL_ZERO = CanFrame(0x000, False, bytes(8))  # 127 bits
ALL_ONE = CanFrame(0x7FF, False, b"\xff" * 8)  # 126 bits
LEAF = CanFrame(0x1DB, False, bytes.fromhex("0060C16A00000391"))  # 119 bits
NODE = CanFrame(0x0CFF5001, True, bytes(range(1, 9)))  # 143 bits


def open_bus(*names: str) -> tuple[Bus, list[Controller]]:
    bus = Bus()
    controllers = [bus.attach(name) for name in names]
    for controller in controllers:
        bus.set_open(controller, True)
    return bus, controllers


def send(bus: Bus, controller: Controller, *frames: CanFrame, at_ns: int = 0) -> list[bool]:
    return [bus.offer(controller, transmission(frame, at_ns)) for frame in frames]


def received(controller: Controller) -> list[CanFrame]:
    return [parse_frame(line[:-1]) for line in controller.outgoing]


def test_lowest_id_first() -> None:
    """Of frames waiting at once the lowest id wins, whoever sends it."""
    bus, (first, second, listener) = open_bus("a", "b", "c")
    send(bus, first, ALL_ONE, ALL_ZERO)
    send(bus, second, LEAF, NODE)
    bus.advance(10**9)
    assert received(listener) == [LEAF, NODE, ALL_ONE, ALL_ZERO]  # a queue is sent in its own order


def test_arbitration_field_order() -> None:
    """Standard wins over extended of the same leading bits, data over remote."""
    order = [CanFrame(0x100, False, b""), CanFrame(0x100, False, b"", True, 0), CanFrame(0x100 << 18, True, b""),
             CanFrame(0x100 << 18, True, b"", True, 0), CanFrame(0x100 << 18 | 1, True, b""),
             CanFrame(0x101, False, b"")]
    shuffled = [order[index] for index in (3, 0, 5, 1, 4, 2)]
    assert sorted(shuffled, key=arbitration_field) == order


def test_no_preemption() -> None:
    """A lower id that comes while a frame is on the wire waits for its end."""
    bus, (first, second, listener) = open_bus("a", "b", "c")
    send(bus, first, ALL_ONE, ALL_ONE)
    send(bus, second, ALL_ZERO, at_ns=100 * BIT_NS)
    bus.advance(10**9)
    assert received(listener) == [ALL_ONE, ALL_ZERO, ALL_ONE]


def test_paced_by_frame_length() -> None:
    """A frame arrives when its last bit has been sent, not a nanosecond before."""
    bus, (first, listener) = open_bus("a", "b")
    send(bus, first, ALL_ZERO, NODE)
    assert bus.advance(127 * BIT_NS - 1)
    assert received(listener) == []
    assert bus.advance(127 * BIT_NS)
    assert received(listener) == [ALL_ZERO]
    assert not bus.advance((127 + 143) * BIT_NS)
    assert received(listener) == [ALL_ZERO, NODE]


def test_same_result_in_small_and_large_steps() -> None:
    """How often the bus is run does not change what goes over it."""
    results = []
    for step_ns in (7_000, 10_000_000):
        bus, (first, second, listener) = open_bus("a", "b", "c")
        for at_us in range(0, 5000, 90):
            send(bus, first, CanFrame(0x300, False, bytes((at_us % 251,))), at_ns=at_us * 1000)
            send(bus, second, CanFrame(0x200 + at_us % 7, False, bytes(8)), at_ns=at_us * 1000)
        for now_ns in range(0, 30_000_000, step_ns):
            bus.advance(now_ns)
        bus.advance(10**9)
        results.append(received(listener))
    assert len(results[0]) == 112
    assert results[0] == results[1]


def test_load_is_the_arithmetic() -> None:
    """The worked frames of 127, 126, 119 and 143 bits, a hundred times in a second, are a load of 10.3 %."""
    bus, (first, _) = open_bus("a", "b")
    for cycle in range(100):
        send(bus, first, ALL_ZERO, ALL_ONE, LEAF, NODE, at_ns=cycle * 10_000_000)
        bus.advance(cycle * 10_000_000 + 9_000_000)
    assert bus.busy_ns == 100 * (127 + 126 + 119 + 143) * BIT_NS
    assert bus.load(10**9 - 1) == pytest.approx(0.103, rel=1e-6)
    assert bus.load(5 * 10**9) == 0.0


def test_full_bus_carries_its_limit() -> None:
    """A saturated 500 kbit/s bus carries 1 s / (143 bits of 2 µs) frames, and its load is 1."""
    bus, (first, listener) = open_bus("a", "b")
    for now_ns in range(0, 10**9 + 1, 5_000_000):
        while len(first.queue) < QUEUE_FRAMES:
            send(bus, first, NODE, at_ns=now_ns)
        bus.advance(now_ns)
    assert len(received(listener)) == 10**9 // (143 * BIT_NS)
    assert bus.load(10**9) == pytest.approx(1.0, abs=1e-3)


def test_everybody_else_receives() -> None:
    """A frame reaches every open controller but its sender."""
    bus, (first, second, third) = open_bus("a", "b", "c")
    closed = bus.attach("d")
    send(bus, first, LEAF)
    bus.advance(10**9)
    assert [len(each.outgoing) for each in (first, second, third, closed)] == [0, 1, 1, 0]
    assert (first.sent.total(), second.received) == (1, 1)


def test_nobody_acknowledges() -> None:
    """Alone on the bus a frame waits, and the newest of its id takes its place; each replacement is counted."""
    bus, (first,) = open_bus("a")
    send(bus, first, CanFrame(0x10, False, b"\x01"), CanFrame(0x20, False, b"\x02"))
    assert not bus.advance(10**9)
    send(bus, first, CanFrame(0x10, False, b"\x03"), at_ns=10**9)
    assert (len(first.queue), first.replaced[0x10], first.sent.total()) == (2, 1, 0)
    late = bus.attach("b")
    bus.set_open(late, True)
    bus.advance(2 * 10**9)
    assert [frame.data for frame in received(late)] == [b"\x03", b"\x02"]


def test_listener_gives_no_ack() -> None:
    """A controller in listen-only mode hears others but is no one to talk to."""
    bus, (first,) = open_bus("a")
    listener = bus.attach("l")
    bus.set_open(listener, True, listen_only=True)
    send(bus, first, LEAF)
    bus.advance(10**9)
    assert received(listener) == []
    bus.set_open(bus.attach("b"), True)
    bus.advance(2 * 10**9)
    assert received(listener) == [LEAF]


def test_multiplexed_frames_not_replaced() -> None:
    """With somebody there, frames of one id all arrive."""
    bus, (first, listener) = open_bus("a", "b")
    send(bus, first, *(CanFrame(0x20, False, bytes((group,))) for group in range(4)))
    bus.advance(10**9)
    assert [frame.data[0] for frame in received(listener)] == [0, 1, 2, 3]


def test_full_queue_drops_and_counts() -> None:
    """What does not fit into a controller's queue is refused and counted by id."""
    bus, (first, _) = open_bus("a", "b")
    taken = send(bus, first, *(NODE for _ in range(QUEUE_FRAMES + 3)))
    assert taken == [True] * QUEUE_FRAMES + [False] * 3
    assert first.dropped == {0x8CFF5001: 3}


def test_closing_aborts() -> None:
    """Closing the channel forgets what was queued."""
    bus, (first, listener) = open_bus("a", "b")
    send(bus, first, LEAF)
    bus.set_open(first, False)
    bus.set_open(first, True)
    bus.advance(10**9)
    assert received(listener) == []


def test_deaf_user_overruns() -> None:
    """A user that does not read loses frames, counted; its controller still acknowledges."""
    bus, (first, listener) = open_bus("a", "b")
    listener.deaf = True
    send(bus, first, LEAF)
    bus.advance(10**9)
    assert (first.sent.total(), listener.received, listener.overrun, listener.outgoing) == (1, 0, 1, [])


def test_detached_controller_gone() -> None:
    """A controller taken off the bus neither sends nor acknowledges."""
    bus, (first, second) = open_bus("a", "b")
    bus.detach(second)
    assert not bus.acknowledged(first)


def test_silent_bus() -> None:
    """On a silenced bus nothing moves; afterwards what waited is sent, not before its time."""
    bus, (first, listener) = open_bus("a", "b")
    bus.faults.settings = FaultSettings(silent=True)
    send(bus, first, NODE)
    assert not bus.advance(10**9)
    bus.faults.settings = FaultSettings()
    assert bus.advance(10**9 + 143 * BIT_NS - 1)
    bus.advance(10**9 + 143 * BIT_NS)
    assert received(listener) == [NODE]


@pytest.mark.parametrize(("settings", "lost"), [
    (FaultSettings(drop_next=3), {0, 1, 2}), (FaultSettings(drop_every=4), {3, 7}),
    (FaultSettings(drop_next=2, only_id=0x55), set()), (FaultSettings(drop_fraction=1.0), set(range(10))),
])
def test_lost_frames(settings: FaultSettings, lost: set[int]) -> None:
    """Injected losses hit the frames they name; the sender believes that they were sent."""
    bus, (first, listener) = open_bus("a", "b")
    bus.faults.settings = settings
    send(bus, first, *(CanFrame(0x20, False, bytes((number,))) for number in range(10)))
    bus.advance(10**9)
    assert {frame.data[0] for frame in received(listener)} == set(range(10)) - lost
    assert (first.sent[0x20], bus.lost.total()) == (10, len(lost))


def test_fraction_repeats_under_its_seed() -> None:
    """A lost fraction is near its size and the same in every run."""
    def run() -> list[int]:
        bus, (first, listener) = open_bus("a", "b")
        bus.faults.settings = FaultSettings(drop_fraction=0.25)
        for number in range(200):
            send(bus, first, CanFrame(0x20, False, bytes((number,))), at_ns=number * 10**6)
            bus.advance((number + 1) * 10**6)
        return [frame.data[0] for frame in received(listener)]

    assert run() == run()
    assert 130 < len(run()) < 170


def test_corruption_flips_one_bit() -> None:
    """A damaged frame keeps id and length and differs in exactly one bit of its data."""
    bus, (first, listener) = open_bus("a", "b")
    bus.faults.settings = FaultSettings(corrupt_next=1)
    send(bus, first, NODE, NODE)
    bus.advance(10**9)
    damaged, good = received(listener)
    assert good == NODE
    assert (damaged.can_id, damaged.length, bus.corrupted) == (NODE.can_id, 8, 1)
    assert (int.from_bytes(damaged.data) ^ int.from_bytes(NODE.data)).bit_count() == 1


def test_counters_are_json_words() -> None:
    """Counters name ids in hex, 29-bit ids with bit 31 as in a DBC file."""
    bus, (first, _) = open_bus("a", "b")
    send(bus, first, NODE, LEAF)
    bus.advance(10**9)
    counters = bus.counters(10**9)
    assert counters["frames_by_id"] == {"1DB": 1, "8CFF5001": 1}
    assert counters["clients"]["a"]["sent_by_id"] == {"1DB": 1, "8CFF5001": 1}
    assert encode(NODE) == b"T0CFF500180102030405060708\r"
