"""pyb.CAN: its documented traps on both kinds of stm32 controller, in the simulated one and as the port meets them."""

from __future__ import annotations

from typing import Any

import pytest
from drivers.can_controller import FRAME, NOTHING, OTHER, ControllerCan
from drivers.can_pyb import PybPort

from firmware.drivers.can_bench import CELLS, FAULTS, HEARTBEAT, REQUEST, VALUES, make_bench
from twolbms.sim.chips.can_wire import Bystander, CanWire
from twolbms.sim.chips.pyb_can import BxPybCan, FdPybCan, PybCan
from twolbms.sim.slcan import CanFrame

DATA = bytes(range(8))
KINDS = ("pyb_bxcan", "pyb_fdcan")


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest) -> Any:
    return make_bench(request.param)


@pytest.fixture(params=[BxPybCan, FdPybCan])
def can(request: pytest.FixtureRequest) -> PybCan:
    made: PybCan = request.param(CanWire())
    return made


# the simulated controller keeps what the documentation says


def test_nothing_is_received_before_a_filter_is_set(can: PybCan) -> None:
    """Without setfilter both FIFOs stay empty, and recv raises."""
    far = Bystander(can.wire)
    far.outbox.append(CanFrame(HEARTBEAT, True, DATA))
    can.wire.run(2)
    assert not far.outbox and not can.any(0) and not can.any(1)
    with pytest.raises(OSError, match="110"):
        can.recv(0, [0, 0, 0, 0, memoryview(bytearray(8))], timeout=0)


def test_a_fourth_frame_raises(can: PybCan) -> None:
    """Three mailboxes; send without a timeout raises when they are full."""
    for can_id in (VALUES, CELLS, FAULTS):
        can.send(DATA, can_id, timeout=0, extframe=True)
    with pytest.raises(OSError, match=r"16|110"):
        can.send(DATA, HEARTBEAT, timeout=0, extframe=True)
    assert can.info([0] * 8)[5] == (0 if isinstance(can, FdPybCan) else 3)


def test_a_second_init_takes_the_callbacks_interrupt(can: PybCan) -> None:
    """A callback that was set before deinit and init is not called until it was taken away and set again."""
    lost: list[int] = []

    def note(which: Any, reason: int) -> None:
        lost.append(reason)

    def overrun() -> None:
        if isinstance(can, FdPybCan):
            can.setfilter(0, can.MASK, 0, (REQUEST, 0x1FFFFFFF), extframe=True)
        elif isinstance(can, BxPybCan):
            can.setfilter(0, can.LIST32, 0, (REQUEST, REQUEST))
        for _ in range(4):
            can.hear(CanFrame(REQUEST, True, DATA))
    can.rxcallback(0, note)
    overrun()
    assert lost == [2]
    for again, expected in ((lambda: can.rxcallback(0, note), 1),
                            (lambda: (can.rxcallback(0, None), can.rxcallback(0, note)), 2)):
        can.deinit()
        can.init(can.NORMAL, baudrate=500_000)
        again()
        overrun()
        assert len(lost) == expected


def test_restart_keeps_a_bxcans_mailboxes() -> None:
    """What waits in a bxCAN is sent after restart; an FDCAN drops it."""
    for kind, left in ((BxPybCan, 1), (FdPybCan, 0)):
        can = kind(CanWire())
        can.send(DATA, VALUES, extframe=True)
        can.restart()
        assert len(can.held()) == left


# the port


def test_a_bit_rate_that_does_not_fit_is_refused() -> None:
    """A clock that misses 500 kbit/s by more than 0.1 % keeps the node off the bus."""
    can = BxPybCan(CanWire(500_000), clock_hz=48_000_000)
    can._clock_hz = 8_100_000
    node = ControllerCan(PybPort(can))
    assert node.open() is False and node.state == 0 and node.errors == 1 and not can.online
    for _ in range(9):
        node.pump_in()
        node.pump_out()
    assert node.state == 0 and not can.online


@pytest.mark.parametrize("kind, most", [(BxPybCan, 14), (FdPybCan, 8)])
def test_filters_use_all_banks(kind: type[PybCan], most: int) -> None:
    """14 banks, or eight filters; one id more and open says no."""
    node = ControllerCan(PybPort(kind(CanWire())))
    node.filters(range(most))
    assert node.open() is True
    node.filters(range(most + 1))
    assert node.state == 0 and node.open() is False


def test_a_sound_bus_needs_no_second_init(bench: Any) -> None:
    """With and without service between the cycles the mailboxes are never emptied by force, and no call fails."""
    inits = bench.chip.inits
    for n in range(60):
        if n % 10 < 4:
            bench.full_cycle()
        else:
            bench.begin()
            bench.tell_all()
            bench.can.pump_out()
            bench.run(100)
    assert bench.chip.inits == inits and bench.can.errors == 0 and bench.can.restarts == 0


def test_two_frames_of_one_id_never_meet_in_a_bxcan() -> None:
    """Its mailboxes of one id go by number, so the second frame waits outside."""
    bench = make_bench("pyb_bxcan")
    bench.far.online = False
    bench.begin()
    bench.tell(CELLS)
    bench.tell(CELLS)
    bench.tell(FAULTS)
    bench.can.pump_out()
    assert sorted(frame.can_id for frame in bench.chip.held()) == [FAULTS, CELLS]


def test_two_ids_use_both_fifos(bench: Any) -> None:
    """Three heartbeats and three requests fit without any service."""
    for can_id in (HEARTBEAT, REQUEST) * 3:
        bench.say(can_id, DATA)
    bench.run(8)
    assert len(bench.begin()) == 6


def test_the_oldest_frame_counts_for_all(bench: Any) -> None:
    """Behind a babbler one frame a cycle goes into the mailboxes: none gets three cycles old there."""
    bench.far.babble = CanFrame(0, True, DATA)
    for _ in range(9):
        bench.begin()
        bench.tell(CELLS)
        bench.tell(FAULTS)
        bench.tell(VALUES, latest=True)
        bench.tell(HEARTBEAT + bench.now)
        bench.can.pump_out()
        bench.idle()
        assert all(age < 3 for age in bench.held_ages())
    one = make_bench("pyb_bxcan")
    one.far.babble = CanFrame(0, True, DATA)
    for _ in range(9):
        one.begin()
        one.tell(HEARTBEAT + one.now)
        one.can.pump_out()
        one.idle()
        assert all(age < 3 for age in one.held_ages())


def test_a_frame_under_way_at_the_cycles_begin_makes_nothing_old() -> None:
    """On a bus so full that a fresh frame always waits, but each one goes, nothing is given up."""
    bench = make_bench("pyb_bxcan")
    inits = bench.chip.inits
    for _ in range(20):
        bench.begin()
        bench.run(3)
        bench.can.service()
        bench.tell(CELLS)
        bench.can.pump_out()
    assert bench.chip.inits == inits and bench.can.stale == 0


def test_abort_leaves_filters_and_callbacks_in_place(bench: Any) -> None:
    """After frames had to be given up, frames still come in and lost ones are still counted."""
    inits = bench.chip.inits
    bench.far.online = False
    for _ in range(9):
        bench.full_cycle()
    assert bench.chip.inits >= inits + 3 and bench.can.restarts == 0
    bench.far.online = True
    for n in range(2, 9):
        for _ in range(n):
            bench.say(REQUEST, DATA)
        bench.run(20)
        bench.full_cycle()
    assert bench.begin() == [] and bench.can.overruns > 0
    bench.say(HEARTBEAT, DATA)
    bench.idle()
    assert bench.begin() == [(HEARTBEAT, DATA)]


def test_while_nobody_listens_it_is_emptied_every_third_cycle(bench: Any) -> None:
    """Not in every cycle: an init makes the controller active again, and takes time."""
    bench.far.online = False
    inits = bench.chip.inits
    for expected in (0, 1, 1, 1, 2):
        bench.full_cycle()
        assert bench.chip.inits == inits + expected
    inits = bench.chip.inits
    for _ in range(30):
        bench.full_cycle()
    assert bench.chip.inits == inits + 10


def test_a_bus_that_is_never_idle_does_not_hold_up_the_node(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An init that fails stops the controller; it is tried again after 1, 2, 4 cycles and comes back."""
    begin = bench.chip.init

    def fails(*_: object, **__: object) -> None:
        raise ValueError("CAN(1) init failure")
    monkeypatch.setattr(bench.chip, "init", fails)
    bench.far.online = False
    for _ in range(12):
        bench.full_cycle()
    assert bench.can.state == 0 and bench.can.errors >= 3 and bench.can.restarts >= 2
    monkeypatch.setattr(bench.chip, "init", begin)
    bench.far.online = True
    for _ in range(12):
        bench.full_cycle()
    assert bench.can.state == 1 and len(bench.listened()) > 8


def test_a_can_fd_frame_has_room() -> None:
    """An FDCAN part takes frames of 64 bytes and writes them whole: there is room, and they are no frames of ours."""
    bench = make_bench("pyb_fdcan")
    bench.chip.hear(CanFrame(REQUEST, True, bytes(range(64))))
    bench.chip.hear(CanFrame(REQUEST, True, DATA))
    assert [bench.port.take() for _ in range(3)] == [OTHER, FRAME, NOTHING]
    assert bytes(bench.port.rx_data[:8]) == DATA and bench.can.bad == 1


@pytest.mark.parametrize("name", ["state", "info", "send", "recv", "any", "init", "deinit", "setfilter", "rxcallback"])
@pytest.mark.parametrize("opened", [True, False])
def test_no_error_gets_out(bench: Any, name: str, opened: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever call raises OSError, the node's cycle goes on, on a dead and on a broken bus too."""
    def broken(*_: object, **__: object) -> None:
        raise OSError(5)
    monkeypatch.setattr(bench.chip, name, broken)
    if not opened:
        bench.can.open()
    for shorted, online in ((False, True), (False, False), (True, True)):
        bench.wire.shorted, bench.far.online = shorted, online
        for _ in range(6):
            bench.say(REQUEST, DATA)
            bench.full_cycle()
    bench.can.close()
    bench.can.self_test()
    assert bench.can.errors > 0 or (name == "send" and isinstance(bench.chip, FdPybCan))
