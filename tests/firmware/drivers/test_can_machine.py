"""machine.CAN: its documented traps, in the simulated controller and as the port meets them."""

from __future__ import annotations

from typing import Any

import pytest
from drivers.can_controller import FRAME, NOTHING, OTHER, ControllerCan
from drivers.can_machine import MachinePort

from firmware.drivers.can_bench import CELLS, FAULTS, HEARTBEAT, REQUEST, VALUES, make_bench
from twolbms.sim.chips.can_wire import Bystander, CanWire
from twolbms.sim.chips.machine_can import MachineCan
from twolbms.sim.slcan import CanFrame

DATA = bytes(range(8))


def heard_by(can: MachineCan) -> Any:
    return can.recv([0, memoryview(bytearray(64)), 0, 0])


@pytest.fixture
def bench() -> Any:
    return make_bench("machine")


# the simulated controller keeps what the documentation says


def test_nothing_is_received_before_filters_are_set() -> None:
    """Without set_filters and with an empty list nothing comes, with None everything."""
    wire = CanWire()
    can, far = MachineCan(wire), Bystander(wire)
    for filters, comes in ((..., False), ((), False), (None, True), ([(HEARTBEAT, 0x1FFFFFFF, 0)], None)):
        if comes is None:  # 29-bit digits need the flag
            with pytest.raises(ValueError, match="invalid id"):
                can.set_filters(filters)
            return
        if filters is not ...:
            can.set_filters(filters)
        far.outbox.append(CanFrame(HEARTBEAT, True, DATA))
        wire.run(1)
        assert (heard_by(can) is not None) is comes


def test_send_refuses_the_same_id_and_a_fourth_frame() -> None:
    """None for an id that waits already, unless unordered, and for a fourth frame."""
    can = MachineCan(CanWire())
    assert can.send(VALUES, DATA, 2) == 0 and can.send(VALUES, DATA, 2) is None
    assert can.send(VALUES, DATA, 2 | 16) == 1 and can.send(CELLS, DATA, 2) == 2
    assert can.send(FAULTS, DATA, 2) is None
    assert can.cancel_send(1) is True and can.cancel_send(1) is False and can.send(FAULTS, DATA, 2) == 1


def test_bus_off_ends_only_by_restart() -> None:
    """32 destroyed frames are bus-off, in which send raises; silence does not end it; restart drops and clears."""
    wire = CanWire()
    can = MachineCan(wire)
    can.send(VALUES, DATA, 2)
    wire.shorted = True
    wire.run(31)
    assert can.state() == 3 and can.get_counters([0] * 8)[:6] == [248, 0, 1, 1, 0, 1]
    wire.run(1)
    wire.shorted = False
    wire.run(1000)
    assert can.state() == 4 and can.get_counters([0] * 8)[4:6] == [1, 1]
    with pytest.raises(OSError, match="5"):
        can.send(CELLS, DATA, 2)
    can.restart()
    assert can.get_counters([0] * 8)[2:6] == [0, 0, 0, 0] and can.state() == 4
    wire.run(11)  # 128 times 11 recessive bits
    assert can.state() == 1


def test_an_empty_bus_acknowledges_nothing() -> None:
    """The frame stays pending, the counter rises by 8 to 128 and stays: passive, never off."""
    wire = CanWire()
    can = MachineCan(wire)
    can.send(VALUES, DATA, 2)
    wire.run(12)
    assert can.state() == 2 and can.get_counters([0] * 8)[0] == 96
    wire.run(5000)
    assert can.state() == 3 and can.get_counters([0] * 8)[:6] == [128, 0, 1, 1, 0, 1]
    far = Bystander(wire)
    wire.run(1)
    assert far.heard == [CanFrame(VALUES, True, DATA)] and can.get_counters([0] * 8)[0] == 127


def test_a_stopped_controller_raises() -> None:
    """After deinit every call but state and init raises OSError."""
    can = MachineCan(CanWire())
    can.deinit()
    assert can.state() == 0
    for call in (lambda: can.send(1, DATA), lambda: heard_by(can), lambda: can.get_counters([0] * 8), can.restart):
        with pytest.raises(OSError, match="22"):
            call()


# the port


def test_the_bit_rate_is_compared(bench: Any) -> None:
    """170 MHz gives 500 kbit/s exactly, sampled at 75 %."""
    timings = bench.chip.get_timings([0] * 6)
    assert bench.port.bitrate_set == timings[0] == 500_000
    assert (1 + timings[2]) / (1 + timings[2] + timings[3]) == 0.75


@pytest.mark.parametrize("clock_hz", [8_100_000, 8_020_000, 490_000])
def test_a_wrong_bit_rate_keeps_the_node_off_the_bus(clock_hz: int) -> None:
    """A clock that gives 506,250 or 501,250 bit/s, or none: open says no, nothing is sent, the node cycles on."""
    wire = CanWire()
    can = MachineCan(wire, 20_000, clock_hz=clock_hz)
    node = ControllerCan(MachinePort(can))
    assert node.open() is False and node.state == 0 and not can.online
    for _ in range(20):
        node.pump_in()
        node.send(VALUES, DATA)
        node.pump_out()
    assert node.state == 0 and node.bus_offs == 0 and not can.online


def test_a_bit_rate_within_a_thousandth_is_good() -> None:
    """500,250 bit/s are 0.05 % off, far inside what a bus takes."""
    can = MachineCan(CanWire(), clock_hz=8_004_000)
    node = ControllerCan(MachinePort(can))
    assert node.open() is True and can.get_timings([0] * 6)[0] == 500_250


def test_a_controller_made_in_another_mode_is_put_right() -> None:
    """A board may hand over a controller that listens only: opened, it speaks."""
    wire = CanWire()
    can = MachineCan(wire, 500_000, MachineCan.MODE_SILENT)
    far, node = Bystander(wire), ControllerCan(MachinePort(can))
    assert can.silent and node.open()
    node.send(VALUES, DATA)
    node.pump_out()
    wire.run(1)
    assert far.heard == [CanFrame(VALUES, True, DATA)]


def test_two_ids_use_both_fifos(bench: Any) -> None:
    """Three heartbeats and three requests fit without any service."""
    for can_id in (HEARTBEAT, REQUEST) * 3:
        bench.say(can_id, DATA)
    bench.run(8)
    assert len(bench.begin()) == 6


def test_too_many_filters_are_refused() -> None:
    """Eight 29-bit ids fit into an FDCAN of the G4, nine do not: open says so."""
    node = ControllerCan(MachinePort(MachineCan(CanWire())))
    node.filters(range(8))
    assert node.open() is True
    node.filters(range(9))
    assert node.state == 0 and node.errors == 1 and node.open() is False


def test_without_filters_nothing_comes() -> None:
    """A board that forgets its filters is deaf, not flooded."""
    wire = CanWire()
    node, far = ControllerCan(MachinePort(MachineCan(wire))), Bystander(wire)
    assert node.open()
    far.outbox.append(CanFrame(REQUEST, True, DATA))
    wire.run(2)
    node.pump_in()
    assert not far.outbox and not node.receive()


def test_full_is_not_lost(bench: Any) -> None:
    """A FIFO that filled up is counted apart from one that lost a frame."""
    bench.say(REQUEST, DATA)
    bench.cycle()
    for expected in ((3, 1, 0), (4, 1, 1)):
        for _ in range(expected[0]):
            bench.say(REQUEST, DATA)
        bench.run(4)
        bench.cycle()
        assert (bench.port.full, bench.can.overruns) == expected[1:]


def test_overruns_stay_counted_over_a_restart(bench: Any) -> None:
    """restart clears the controller's counters, not the node's."""
    for _ in range(2):
        bench.say(REQUEST, DATA)
        bench.cycle()
    for _ in range(9):
        bench.say(REQUEST, DATA)
    bench.run(9)
    bench.cycle()
    before = bench.can.overruns
    bench.wire.shorted = True
    for _ in range(6):
        bench.full_cycle()
    assert bench.can.restarts > 0 and bench.can.overruns == before > 0


def test_a_can_fd_frame_has_room(bench: Any) -> None:
    """An FDCAN part takes frames of 64 bytes and writes them whole: there is room, and they are no frames of ours."""
    bench.chip.hear(CanFrame(REQUEST, True, bytes(range(64))))
    bench.chip.hear(CanFrame(REQUEST, True, DATA))
    assert [bench.port.take() for _ in range(3)] == [OTHER, FRAME, NOTHING]
    assert bytes(bench.port.rx_data[:8]) == DATA and bench.can.bad == 1


@pytest.mark.parametrize("missing", [(0, 1), (5,), (0, 1, 5)])
def test_counters_that_the_hardware_lacks(bench: Any, missing: tuple[int, ...]) -> None:
    """Without TEC the state tells; without the count of pending frames the ages do: still nothing old is heard."""
    bench.chip.counters_missing = missing
    bench.far.online = False
    for _ in range(9):
        bench.full_cycle()
        assert all(age < 3 for age in bench.held_ages())
    assert bench.can.tec == 128 and bench.can.rec == 0 and bench.can.quiet
    bench.far.online = True
    for _ in range(3):
        bench.full_cycle()
    ages = [mark - each.cycle for mark, each in zip(bench.marks, bench.listened(), strict=True)]
    assert max(ages) < 3 and len(ages) >= 16 and bench.can.state < 3 and bench.can.restarts == 0


def test_buffers_that_are_never_freed_are_found(bench: Any) -> None:
    """When the driver below forgets sent frames it refuses all; after three cycles of that it is restarted."""
    bench.chip.forgets = 3
    for _ in range(3):
        bench.full_cycle()
    heard = len(bench.listened())
    assert heard == 3 and bench.can.restarts == 0
    for _ in range(4):
        bench.full_cycle()
    assert bench.can.restarts == 1 and bench.can.bus_offs == 0 and len(bench.listened()) > heard + 16


def test_a_full_controller_is_not_restarted(bench: Any) -> None:
    """On a bus full of others frames are refused because they wait: no reason for a restart."""
    bench.far.babble = CanFrame(0, True, DATA)
    for _ in range(12):
        bench.full_cycle()
    assert bench.can.restarts == 0


def test_a_chip_that_stops_is_opened_again(bench: Any) -> None:
    """A controller that was switched off below the node's feet is counted as stopped, then opened with its filters."""
    bench.chip.deinit()
    bench.begin()
    assert bench.can.state == 0
    bench.cycle()
    bench.say(REQUEST, DATA)
    bench.full_cycle()
    assert bench.can.state == 1 and bench.can.restarts == 1 and bench.begin() == [(REQUEST, DATA)]


CALLS = ("state", "get_counters", "send", "cancel_send", "recv", "restart", "init", "deinit", "set_filters",
         "get_timings")


@pytest.mark.parametrize("name", CALLS)
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
    assert bench.can.errors > 0
