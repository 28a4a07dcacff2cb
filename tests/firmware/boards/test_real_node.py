"""The real boards' own application on simulated chips: from reset to reset, as a pack would have it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from generated import codec

from firmware.boards.node_bench import CLOSED, LEAF, LFP, NODE, POOL, WAKES, NodeBench, save
from twolbms.sim.real_board import Life, WatchdogReset

BOARDS = ("nucleo_g474re", "pico_mcp2515")
ALL = [(board, pack) for board in BOARDS for pack in (LFP, LEAF, POOL)]
Made = Callable[..., NodeBench]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A commissioned node of a board and a pack."""
    return lambda board="nucleo_g474re", pack=LFP: NodeBench(board, pack, tmp_path)


def tripped(life: Life) -> set[int]:
    """Rows that are tripped, held or wait for their clear."""
    state = life.node.protect.state
    return {row for row in range(len(state)) if state[row]}


def driven(bench: NodeBench, life: Life) -> list[str]:
    """Outputs in the order in which they were switched on."""
    names = {str(getattr(life.board, name)): name for name in ("CHARGE", "DISCHARGE", "PRECHARGE", "HEATER")}
    return [names[name] for name, level in bench.hardware.pin.log if level and name in names]


@pytest.mark.parametrize(("board", "pack"), ALL)
def test_boots_open_and_measures(made: Made, board: str, pack: str) -> None:
    """After a reset nothing is closed for a second, and every reading that the pack needs is known by then."""
    bench = made(board, pack)
    bench.hardware.pin.log.clear()
    with bench.life() as life:
        life.cycles(9)
        assert driven(bench, life) == [] and not bench.hardware.closed
        life.cycles(3)
        m = life.node.measure
        assert life.loop.code == 0 and m.known and m.implausible == 0 and tripped(life) == set()
        assert set(m.cell_mv) == ({3700} if pack == LEAF else {3300}) and max(abs(dc - 250) for dc in m.temp_dc) <= 1
        assert abs(m.pack_mv - bench.hardware.pack_mv) < 20 and 11_950 < m.supply_mv < 12_050


@pytest.mark.parametrize(("board", "pack"), ALL)
def test_closes_by_precharge_and_says_so(made: Made, board: str, pack: str) -> None:
    """A close precharges first, then closes both paths, but for a charge port of its own, which closes at once; the bus
    hears that, and the frames of each cycle."""
    bench = made(board, pack)
    with bench.life() as life:
        bench.close(life)
        life.cycles(5)
        order = ["CHARGE", "PRECHARGE", "DISCHARGE"] if life.node.limits.PORTS else ["PRECHARGE", "CHARGE", "DISCHARGE"]
        assert list(dict.fromkeys(driven(bench, life))) == order
        pins = (life.board.CHARGE, life.board.DISCHARGE, life.board.PRECHARGE, life.board.HEATER)
        assert [bench.hardware.pin(name).level for name in pins] == [1, 1, 0, 0]
        bench.hardware.gateway.heard.clear()
        life.cycles(10)
        assert len(bench.heard("PackValues")) in (9, 10, 11)
        told = bench.heard("PackState")[-1]
        assert (told["State"], told["ChargePath"], told["DischargePath"], told["PrechargePath"]) == (3, 1, 1, 0)


def test_a_request_opens(made: Made) -> None:
    """The gateway's open is obeyed, and holds for a pack that may close by itself."""
    bench = made()
    with bench.life() as life:
        bench.close(life)
        bench.ask(life, codec.REQUEST_OPEN)
        life.cycles(CLOSED)
        assert not bench.hardware.closed and life.node.contactor.open_requested


@pytest.mark.parametrize(("board", "pack"), ALL)
def test_over_voltage_at_the_chip_opens(made: Made, board: str, pack: str) -> None:
    """One cell above its trip opens the charge path after the row's delay and its 5 s of asking, and latches."""
    bench = made(board, pack)
    with bench.life() as life:
        bench.close(life)
        bench.hardware.set_current(20.0)
        bench.hardware.set_cell(3, 4203 if pack == LEAF else 3652)
        life.cycles(20 + 50 + 5)
        assert not life.node.contactor.paths & 1 and codec.REASON_CELL_OVER_VOLTAGE in tripped(life)
        assert not bench.hardware.pin(life.board.CHARGE).level


@pytest.mark.parametrize(("board", "pack"), ALL)
def test_no_conversion_opens_and_holds(made: Made, board: str, pack: str) -> None:
    """A monitor that still answers but converts no more has the node open within 2 s; it stays so for the hold time."""
    bench = made(board, pack)
    with bench.life() as life:
        bench.close(life)
        bench.hardware.chip.frozen = True
        for chip in bench.hardware.chain.chips if bench.hardware.chain else ():
            chip.frozen = True
        life.cycles(22)
        assert not bench.hardware.closed and tripped(life)
        life.cycles(100)
        assert not bench.hardware.closed and not life.node.contactor.paths


@pytest.mark.parametrize("board", BOARDS)
def test_a_chip_that_opens_by_itself_is_seen(made: Made, board: str) -> None:
    """A trip that the chip alone knows, its own die too hot: it cuts, and the row monitor_protection latches."""
    bench = made(board)
    with bench.life() as life:
        bench.close(life)
        bench.hardware.chip.die_c = 95.0
        life.cycles(40)
        assert life.loop.real.afe.hard_trip & 32 and codec.REASON_MONITOR_PROTECTION in tripped(life)
        assert not life.node.contactor.paths and not bench.hardware.closed


def test_a_short_circuit_waits_for_a_person(made: Made) -> None:
    """The chip's fastest trip is the row short_circuit: latched, nothing closes again by itself."""
    bench = made()
    with bench.life() as life:
        bench.close(life)
        bench.hardware.chip.current_ma = -900_000
        life.cycles(1)
        bench.hardware.chip.current_ma = 0
        life.cycles(300)
        assert codec.REASON_SHORT_CIRCUIT in tripped(life) and not bench.hardware.closed


@pytest.mark.parametrize(("board", "pack"), ALL)
def test_a_measurement_that_hangs_starves_the_watchdog(made: Made, board: str, pack: str) -> None:
    """A transfer that never ends is ended by the watchdog in 2 s, and the outputs are off with the reset."""
    bench = made(board, pack)
    with bench.life() as life:
        bench.close(life)
        before, feeds = bench.hardware.clock.base.now_us, bench.hardware.watchdog.feeds
        bench.hardware.i2c.hangs = True
        with pytest.raises(WatchdogReset):
            life.cycles(3)
        assert bench.hardware.watchdog.feeds <= feeds + 1
        assert bench.hardware.clock.base.now_us - before < 2_300_000
    bench.hardware.i2c.hangs = False
    assert not bench.hardware.closed


def test_the_watchdog_is_fed_only_by_a_healthy_cycle(made: Made) -> None:
    """A cycle in which the outputs could not be written feeds nobody."""
    bench = made()
    with bench.life() as life:
        life.cycles(WAKES)
        bench.hardware.pin(life.board.HEATER).broken = OSError(5)
        feeds = bench.hardware.watchdog.feeds
        life.cycles(5)
        bench.hardware.pin(life.board.HEATER).broken = None
        assert bench.hardware.watchdog.feeds == feeds


@pytest.mark.parametrize("board", BOARDS)
def test_a_fault_survives_a_reset(made: Made, board: str) -> None:
    """A latched row is latched in the next life, which never closes by itself; another node number is not invented."""
    bench = made(board)
    with bench.life() as life:
        bench.close(life)
        life.set_input("SMOKE", 0)
        life.cycles(10)
        assert codec.REASON_SMOKE in tripped(life)
    bench.hardware.gateway.heard.clear()
    with bench.life("WDT_RESET") as life:
        life.set_input("SMOKE", 1)
        life.cycles(CLOSED)
        assert codec.REASON_SMOKE in tripped(life) and not bench.hardware.closed
        assert life.loop.memory.config.number == NODE
        assert {3} == {told["ResetCause"] for told in bench.heard("NodeInfo") if "ResetCause" in told}


def test_calibration_is_applied(made: Made) -> None:
    """What was saved in service corrects cells, temperatures and current from the next start on."""
    bench = made()
    with bench.life() as life:
        save(life, cell_offset_mv=[0, -7, 0, 0, 0, 0, 0, 0], current_offset_ma=-40, current_gain_ppm=10_000)
    bench.hardware.set_current(-100.0)
    with bench.life() as life:
        life.cycles(WAKES)
        m = life.node.measure
        assert (m.cell_mv[0], m.cell_mv[1]) == (3300, 3293)
        assert abs(m.current_ma - (-101_040)) <= 20  # 10 mA a count
        assert abs(m.second_ma - (-100_000)) <= 20


@pytest.mark.parametrize(("board", "pack"), ALL)
def test_a_monitor_that_is_not_there(made: Made, board: str, pack: str) -> None:
    """The node runs, says so on console and bus, stays open, and takes the monitor when it comes."""
    bench = made(board, pack)
    monitor = bench.hardware.i2c.chips.pop(8, None)
    if bench.hardware.chain:
        bench.hardware.chain.broken_after = 0
    with bench.life() as life:
        life.loop._tell()
        life.loop._say_code()
        life.cycles(30)
        assert bench.hardware.console.said == [f"2lbms sensors do not start: error {2 if pack == LEAF else 3}"]
        assert codec.REASON_MONITOR_CONFIGURATION in tripped(life) and not bench.hardware.closed
        assert bench.heard("NodeFaults") and bench.hardware.watchdog.feeds >= 30
        if monitor:
            bench.hardware.i2c.chips[8] = monitor
        if bench.hardware.chain:
            bench.hardware.chain.broken_after = 2
        life.cycles(220)
        assert life.loop.code == 0 and codec.REASON_MONITOR_CONFIGURATION not in tripped(life)
        assert life.node.measure.known


def test_a_monitor_that_restarts_is_started_again(made: Made) -> None:
    """A chip that lost its settings opens the node; open, it is configured anew, and the bank comes back by itself."""
    bench = made()
    with bench.life() as life:
        bench.close(life)
        bench.hardware.chip.lose_power()
        bench.hardware.chip.wake()
        life.cycles(8)
        assert not bench.hardware.closed
        life.cycles(150)
        assert life.loop.real.afe.config_ok and life.node.measure.known


def test_a_dead_bus_latches_nothing_of_the_feedback(made: Made) -> None:
    """A monitor lost for 5 s opens by its own row, which comes back: the unknown FETs are no welded contactor."""
    bench = made()
    with bench.life() as life:
        bench.close(life)
        bench.hardware.monitor_bus.nacks = 1 << 20
        life.cycles(30)
        assert not bench.hardware.closed and codec.REASON_MONITOR_COMMUNICATION in tripped(life)
        bench.hardware.monitor_bus.nacks = 0
        assert codec.REASON_PATH_FEEDBACK not in tripped(life)


def test_an_emergency_stop_opens_at_once(made: Made) -> None:
    """A broken loop is a pressed button."""
    bench = made()
    with bench.life() as life:
        bench.close(life)
        life.set_input("EMERGENCY_STOP", 0)
        life.cycles(2)
        assert not bench.hardware.closed


@pytest.mark.parametrize("board", BOARDS)
def test_service_on_the_console(made: Made, board: str) -> None:
    """Refused while closed; open, it is accepted, remembered for the next start, and ends the application."""
    bench = made(board)
    with bench.life() as life:
        bench.close(life)
        bench.hardware.console.type(b"2lbms status\r2lbms service\r\n")
        life.cycles(1)
        assert bench.hardware.console.said == [f"2lbms {board} slot a kept, rolled back 0",
                                               "2lbms service refused: the outputs are not measured open"]
        assert not life.ends
        bench.ask(life, codec.REQUEST_OPEN)
        life.cycles(5)
        bench.hardware.console.type(b"2lbms service\n")
        life.cycles(1)
        assert bench.hardware.console.said[-1] == "2lbms service accepted" and life.ends
        import slot_record
        assert slot_record.load().service == 1


def test_other_bytes_on_the_console_are_nothing(made: Made) -> None:
    """Noise, a control-C and half a word change nothing, however much comes."""
    bench = made()
    with bench.life() as life:
        bench.close(life)
        bench.hardware.console.type(bytes(range(256)) * 40 + b"2lbms serv\x03ice\r{\"do\": \"get\"}\r")
        life.cycles(20)
        assert bench.hardware.closed and bench.hardware.console.said == [] and not life.ends


def test_a_node_without_a_number_says_nothing(tmp_path: Path) -> None:
    """A node that was never commissioned measures, stays open, and leaves the bus alone."""
    bench = NodeBench("nucleo_g474re", LFP, tmp_path)
    for path in tmp_path.glob("config.*"):
        path.unlink()
    with bench.life() as life:
        bench.hardware.gateway.heard.clear()
        life.cycles(CLOSED)
        assert bench.hardware.gateway.heard == [] and not bench.hardware.closed
        assert life.node.measure.known and codec.REASON_NODE_MEMORY in tripped(life)


def test_a_version_on_trial_is_kept_when_it_is_healthy(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Self-test passed and health for long enough: the record keeps it, and NodeInfo says so."""
    bench = made()
    monkeypatch.setattr("store.trial.HEALTHY_CYCLES", 50)
    with bench.life(slot=(1, 1, 2)) as life:
        life.loop._tell()
        life.cycles(48)
        assert life.loop.trial.state == 1
        life.cycles(4)
        assert (life.loop.trial.state, life.node.report.trial, life.node.report.failed_updates) == (0, 0, 0)
        life.cycles(100)
        told = [one for one in bench.heard("NodeInfo") if "FirmwareSlot" in one]
        first, last = told[0], told[-1]
        assert (first["FirmwareSlot"], first["FirmwareTrial"], first["FailedUpdates"]) == (1, 1, 2)
        assert (last["FirmwareSlot"], last["FirmwareTrial"], last["FailedUpdates"]) == (1, 0, 0)


@pytest.mark.parametrize("trouble", ["sensors", "bus"])
def test_a_version_that_fails_its_self_test_gives_up(made: Made, trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sensors that start, or a bus controller that hears itself, it resets in time, with outputs open."""
    bench = made()
    monkeypatch.setattr("store.trial.LONGEST_CYCLES", 200)
    monkeypatch.setattr("store.trial.HEALTHY_CYCLES", 100)
    if trouble == "sensors":
        bench.hardware.i2c.chips.pop(8)
    with bench.life(slot=(1, 1, 0)) as life:
        if trouble == "bus":
            life.loop._bus_heard = False
            bench.ask(life, codec.REQUEST_OPEN)
        for _ in range(210):
            if life.ends:
                break
            life.cycles()
        assert life.ends and life.loop.trial.state == 1 and not bench.hardware.closed


def test_an_empty_pack_puts_the_monitor_into_ship_mode(made: Made) -> None:
    """Asleep the chip is off and nothing measured; a charger wakes chip and node, which begins as after a boot."""
    bench = made()
    for cell in range(8):
        bench.hardware.set_cell(cell, 2450)
    with bench.life() as life:
        life.cycles(80)
        life.node.power._patience = 60  # instead of 10 min
        life.cycles(70)
        assert life.node.power.asleep and not bench.hardware.chip.powered
        feeds = bench.hardware.watchdog.feeds
        life.cycles(50)
        assert bench.hardware.watchdog.feeds == feeds + 50
        bench.hardware.chip.wake()
        life.set_input("CHARGER", 0)
        life.cycles(30)
        assert not life.node.power.asleep and life.loop.code == 0 and life.node.measure.known


def test_balancing_reaches_the_chip(made: Made) -> None:
    """A cell above the others near full is bled when the gateway allows it."""
    bench = made()
    bench.hardware.set_cell(2, 3430)
    for cell in (0, 1, 3, 4, 5, 6, 7):
        bench.hardware.set_cell(cell, 3405)
    with bench.life() as life:
        seen = set()
        for beat in range(30):
            bench.send("GatewayHeartbeat", 0x80, beat, BalancingAllowed=1)
            life.cycles(2)
            seen.add(bench.hardware.chip.balanced)
        assert seen == {0, 1 << 2}


def test_an_update_over_can_is_taken_in_service_only(made: Made) -> None:
    """In service the node answers an UpdateBegin and makes room for it; awake again it knows no update any more."""
    bench = made()
    begin = {"ImageCheckLow": 1, "ImageCheckHigh": 2, "ImageSizeLow": 5000, "ImageSizeHigh": 0, "UpdateOperation": 0}
    with bench.life() as life:
        bench.ask(life, codec.REQUEST_OPEN)
        life.cycles(WAKES)
        bench.send("UpdateBegin", NODE, 1, **begin)
        life.cycles(3)
        assert bench.heard("UpdateStatus") == [] and life.loop.real.can.update is None
        bench.ask(life, codec.REQUEST_SERVICE)
        life.cycles(2)
        assert life.node.contactor.state == codec.STATE_SERVICE
        bench.send("UpdateBegin", NODE, 2, **begin)
        life.cycles(5)
        assert [told["UpdateState"] for told in bench.heard("UpdateStatus")][-1] == 2  # Receiving
        bench.send("UpdateBlock", NODE, 3, **{f"BlockData{n}": n for n in range(5)}, BlockLow=0, BlockHigh=0)
        life.cycles(3)
        assert bench.heard("UpdateStatus")[-1]["NextBlock"] == 1
        life.node.contactor.boot()
        life.cycles(5)
        assert life.loop.real.can.update is None


def test_two_sensors_never_share_a_pin(made: Made) -> None:
    """On the Pico humidity and insulation have one converter pin: who asks for the second one is refused by name."""
    with made("pico_mcp2515").life() as life:
        life.cycles(1)
        board = life.board.Board()
        board.analog(1)
        with pytest.raises(ValueError, match="GP27"):
            board.analog(2)
