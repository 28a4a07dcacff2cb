"""A node's outputs on the bench: one at a time, for a second, off whatever happens, and refused where it could hurt."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from store.bench import FLOWING_MA, LIVE_MV, Bench
from store.config import Config

NA = -(1 << 28)


class Board:
    """Relays follow in the next cycle; `at(cycle)` may change anything or raise."""

    def __init__(self) -> None:
        self.afe = self.pins = self
        self.open_wires = 0
        self.config_ok = self.feedback_known = True
        self.interlock_closed = self.estop_closed = 1
        self.clear_pressed = self.heater_on = self.feedback = 0
        self.armed = True
        self.link_mv, self.current_ma = 100, 0
        self.cycles = self.commanded = self.dropped = 0
        self.fresh = 1
        self.written: list[int] = []
        self.at: Any = lambda cycle: None

    def wait(self) -> int:
        self.cycles += 1
        self.at(self.cycles)
        return self.cycles

    def read_into(self, m: Any) -> bool:
        for i in range(8):
            m.cell_mv[i] = 3300 + i
        m.pack_mv, m.link_mv, m.current_ma = 26428, self.link_mv, self.current_ma
        return self.cycles % self.fresh == 0 if self.fresh else False

    def read(self) -> None:
        self.feedback, self.heater_on = self.commanded & 7, self.commanded >> 3

    def write(self, paths: int, precharge: int, heater: int, mask: bytearray) -> None:
        self.commanded = paths | precharge << 2 | heater << 3
        self.written.append(self.commanded)

    def show(self, light: int, asleep: int) -> None:
        self.written.append(32 if light else 0)

    def drop(self) -> None:
        self.commanded = 0
        self.dropped += 1

    def finish(self) -> None:
        pass


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def bench(board: Board, lfp: Any) -> Bench:
    return Bench(lfp, board, lambda: board.armed)


@pytest.mark.parametrize("which, bit", [("precharge", 4), ("heater", 8)])
def test_a_second_and_no_longer(which: str, bit: int, board: Board, bench: Bench) -> None:
    """Ten cycles on, alone, its feedback followed, then off and seen off."""
    assert bench.refusal(which) is None
    told = bench.attempt(which)
    assert (told["before"], told["on"], told["after"], told["stopped"]) == (0, bit, 0, "")
    assert board.written.count(bit) == 10 and set(board.written) == {0, bit} and board.dropped == 1


def test_contactors_after_the_precharge(board: Board, bench: Bench) -> None:
    """Not before it, and each alone."""
    for which in ("charge", "discharge"):
        assert bench.refusal(which)[0] == "precharge_first"
    bench.attempt("precharge")
    for which, bit in (("charge", 1), ("discharge", 2)):
        board.written.clear()
        assert bench.refusal(which) is None and bench.attempt(which)["on"] == bit
        assert set(board.written) == {0, bit}


@pytest.mark.parametrize("change, why", [
    ({"armed": False}, "not_armed"), ({"estop_closed": 0}, "emergency_stop"), ({"link_mv": NA}, "unknown_reading"),
    ({"current_ma": NA}, "unknown_reading"), ({"link_mv": LIVE_MV + 1}, "link_live"),
    ({"link_mv": -LIVE_MV - 1}, "link_live")])
def test_what_refuses_an_output(change: dict[str, Any], why: str, board: Board, bench: Bench) -> None:
    """Without arming, with the emergency stop open, an unknown or a live link, nothing is commanded."""
    vars(board).update(change)
    assert bench.refusal("precharge")[0] == why
    assert set(board.written) <= {0}


def test_what_does_not_refuse_the_heater(board: Board, bench: Bench) -> None:
    """It draws from the pack, whatever the link does; arming and the emergency stop hold for it too."""
    board.link_mv = NA
    assert bench.refusal("heater") is None
    board.estop_closed = 0
    assert bench.refusal("heater")[0] == "emergency_stop"
    assert bench.refusal("toaster")[0] == "unknown_output" and bench.refusal(None)[0] == "unknown_output"


@pytest.mark.parametrize("change, why", [
    ({"armed": False}, "not_armed"), ({"estop_closed": 0}, "emergency_stop"), ({"link_mv": LIVE_MV + 1}, "fuse_in"),
    ({"current_ma": FLOWING_MA + 1}, "fuse_in"), ({"current_ma": -FLOWING_MA - 1}, "fuse_in"),
    ({"link_mv": NA}, "unknown_reading")])
def test_what_ends_a_second_early(change: dict[str, Any], why: str, board: Board, bench: Bench) -> None:
    """In the cycle that sees it the output goes off, and no contactor may be tried after it."""
    board.at = lambda cycle: vars(board).update(change) if cycle == 8 else None  # five cycles rest, then the third on
    assert bench.attempt("precharge")["stopped"] == why
    assert board.written.count(4) == 3 and board.commanded == 0
    vars(board).update({"armed": True, "estop_closed": 1, "link_mv": 0, "current_ma": 0})
    assert bench.refusal("charge")[0] == "precharge_first"


@pytest.mark.parametrize("error", [OSError(5), KeyboardInterrupt(), ValueError("x")])
def test_off_whatever_is_raised(error: BaseException, board: Board, bench: Bench) -> None:
    """An error, or a person who breaks off, leaves everything off."""
    def at(cycle: int) -> None:
        if cycle == 8:
            raise error

    board.at = at
    with pytest.raises(type(error)):
        bench.attempt("precharge")
    assert board.written[-1] == 0 and board.commanded == 0 and board.dropped == 1


def test_a_write_that_fails_is_followed_by_a_drop(board: Board, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pins that raise while they are switched off are dropped by the board's own way."""
    bench.attempt("precharge")

    def write(*_: Any) -> None:
        raise OSError(5)

    monkeypatch.setattr(board, "write", write)
    with pytest.raises(OSError):
        bench.attempt("precharge")
    assert board.dropped == 2


def test_a_board_without_cycles(board: Board, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plant that has gone: refused, and what was on goes off."""
    monkeypatch.setattr(board, "wait", lambda: -1)
    assert bench.refusal("precharge")[0] == "no_readings"
    assert bench.attempt("precharge")["stopped"] == "no_readings" and board.commanded == 0
    assert bench.readings(None)["fresh"] is False


def test_readings_are_fresh_or_say_so(board: Board, bench: Bench, lfp: Any) -> None:
    """It waits for a proven conversion, at most 3 s; what is missing is null; the calibration is applied on request."""
    board.fresh = 7
    told = bench.readings(None)
    assert told["fresh"] is True and board.cycles == 7 and told["cells_mv"] == list(range(3300, 3308))
    assert told["temps_dc"] == [None] * 4 and told["supply_mv"] is None and told["link_mv"] == 100
    board.fresh = 0
    assert bench.readings(None)["fresh"] is False and board.cycles == 37
    board.fresh = 1
    config = Config(lfp)
    config.cell_offset_mv[2], config.current_offset_ma = 5, -40
    told = bench.readings(config)
    assert told["cells_mv"][2] == 3307 and told["current_ma"] == -40


def test_only_the_outputs_of_the_board(board: Board, lfp: Any) -> None:
    """A board says which it has; a pack without a heater has none; the light needs no arming."""
    board.outputs = ("precharge", "both", "heater", "light")  # type: ignore[attr-defined]
    bench = Bench(SimpleNamespace(CELLS=8, SENSORS=4, HEATER=0), board, lambda: False)
    assert bench.outputs == ["precharge", "both", "light"]
    assert bench.refusal("charge")[0] == "unknown_output" and bench.refusal("light") is None
    told = bench.attempt("light")
    assert told["on"] == 0 and board.written.count(32) == 10
    assert bench.refusal("both")[0] == "not_armed"


def test_a_divider_bank_applies_its_taps_itself(board: Board, lfp: Any) -> None:
    """It gets the gains of its taps for a corrected reading and none for a plain one; the rest is corrected here."""
    board.gain_ppm, board.offset_mv = [7] * 8, [7] * 8  # type: ignore[attr-defined]
    bench = Bench(lfp, board, lambda: True)
    config = Config(lfp)
    config.cell_gain_ppm[0], config.cell_offset_mv[1], config.current_offset_ma = 5000, -3, 20
    told = bench.readings(config)
    assert bench.by_tap and told["cells_mv"][:2] == [3300, 3301] and told["current_ma"] == 20
    assert board.gain_ppm == [5000] + [0] * 7 and board.offset_mv == [0, -3] + [0] * 6  # type: ignore[attr-defined]
    assert bench.readings(None)["current_ma"] == 0
    assert board.gain_ppm == board.offset_mv == [0] * 8  # type: ignore[attr-defined]
