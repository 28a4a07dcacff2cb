"""A node on the builder's bench, in service: fresh readings, and one output at a time for at most a second.

An output is on only while the order for it is carried out: whatever happens then, it is off when the answer comes.
Takes a board as the cycle does: wait, the monitor, pins, finish. What a reading means is the tool's to judge.
"""

from array import array

from node.measure import NA

OUTPUTS = {"precharge": 4, "charge": 1, "discharge": 2, "both": 3, "heater": 8, "light": 0}  # bits as in feedback
ON_CYCLES = 10  # 1 s
SETTLE_CYCLES = 5  # as the row path_feedback lets a contact settle
FRESH_CYCLES = 30  # for a new conversion to be proven
LIVE_MV = 2000  # a link above this is live: something holds it up
FLOWING_MA = 1000  # with the pack's fuse out none flows
_NOBODY = bytearray(16)  # balances


class _Readings:
    """What a front-end driver fills in."""

    def __init__(self, limits):
        self.cell_mv = array("i", [NA] * limits.CELLS)
        self.temp_dc = array("i", [NA] * limits.SENSORS)
        self.pack_mv = self.link_mv = self.current_ma = self.second_ma = self.supply_mv = NA
        self.insulation_kohm = self.humidity_percent = NA


class Bench:
    """`board` has afe, pins, wait() and finish(), and `outputs`, the names of those it has, where not all.

    `armed()` tells whether the arming input is held now.
    """

    def __init__(self, limits, board, armed):
        self.board = board
        has = getattr(board, "outputs", ("precharge", "charge", "discharge", "heater", "light"))
        self.outputs = [name for name in has if name != "heater" or getattr(limits, "HEATER", 1)]
        self.by_tap = hasattr(board.afe, "gain_ppm")  # the gain of a tap, not of a cell
        self._m = _Readings(limits)
        self._armed = armed
        self._fuse_out = False  # a precharge has shown that nothing comes up behind it

    def readings(self, config):
        """A fresh reading corrected by `config`, or as it comes where that is None; "fresh" is False without one."""
        if self.by_tap:
            self._give_taps(config)
        fresh = self._measure()
        m = self._m
        if config is not None:
            config.arm()
            if self.by_tap:
                config.give_cells(self.board.afe)  # which then corrects all but the cells
            config.correct(m)
        pins = self.board.pins
        afe = self.board.afe
        return {
            "fresh": fresh, "cells_mv": [_known(mv) for mv in m.cell_mv], "temps_dc": [_known(dc) for dc in m.temp_dc],
            "pack_mv": _known(m.pack_mv), "link_mv": _known(m.link_mv), "current_ma": _known(m.current_ma),
            "second_ma": _known(m.second_ma), "supply_mv": _known(m.supply_mv), "feedback": pins.feedback,
            "feedback_known": bool(pins.feedback_known), "heater_on": bool(pins.heater_on),
            "interlock_closed": bool(pins.interlock_closed), "estop_closed": bool(pins.estop_closed),
            "clear_pressed": bool(pins.clear_pressed), "armed": bool(self._armed()), "open_wires": afe.open_wires,
            "monitor_sound": bool(afe.config_ok)}

    def _measure(self):
        """Cycles until the front-end proves a new conversion and the current is there; False without one in 3 s."""
        for _ in range(FRESH_CYCLES):
            if not self._cycle(0, 0, 0, 0):
                return False
            if self._fresh and self._m.current_ma != NA:
                return True
        return self._fresh

    def _give_taps(self, config):
        """A divider bank applies the gains of its taps before it takes differences."""
        bank = self.board.afe
        for i in range(len(self._m.cell_mv)):
            bank.gain_ppm[i] = 0 if config is None else config.cell_gain_ppm[i]
            bank.offset_mv[i] = 0 if config is None else config.cell_offset_mv[i]

    def refusal(self, which):
        """Why this output may not be tried now: a word and a sentence, or None."""
        if which not in self.outputs:
            return "unknown_output", "outputs: " + ", ".join(self.outputs)
        if which == "light":
            return None
        if not self._armed():
            return "not_armed", "hold the arming input (jumper or key) while an output is tried"
        if not self._measure():
            return "no_readings", "the board gives no fresh readings"
        if not self.board.pins.estop_closed:
            return "emergency_stop", "the emergency stop is pressed, or its loop is open"
        if which == "heater":
            return None
        if self._m.link_mv == NA or self._m.current_ma == NA:
            return "unknown_reading", "the link's voltage or the current is not known"
        if abs(self._m.link_mv) > LIVE_MV:
            return "link_live", f"{self._m.link_mv} mV on the link: switch off and discharge what holds it up"
        if which != "precharge" and not self._fuse_out:
            return "precharge_first", "try the precharge first: it shows whether the pack's fuse is out"
        return None

    def attempt(self, which):
        """Switches one output on for a second, and off again; what was measured of it, and what cut it short.

        The board's own errors are raised, with everything off.
        """
        told = {"which": which, "before": 0, "on": 0, "after": 0, "link_mv": None, "current_ma": None, "stopped": ""}
        bit = OUTPUTS[which]
        try:
            told["before"] = self._rest()
            for _ in range(ON_CYCLES):
                if not self._cycle(bit & 3, bit >> 2 & 1, bit >> 3 & 1, which == "light"):
                    told["stopped"] = "no_readings"
                    break
                told["on"] = self._seen()
                told["link_mv"] = _further(told["link_mv"], self._m.link_mv)
                told["current_ma"] = _further(told["current_ma"], self._m.current_ma)
                told["stopped"] = self._disturbed(which)
                if told["stopped"]:
                    break
        finally:
            self._off()
        told["after"] = self._rest()
        if which == "precharge":
            self._fuse_out = not told["stopped"]
        elif told["stopped"]:
            self._fuse_out = False
        return told

    def _disturbed(self, which):
        """Why the output goes off before its second is over, or ""."""
        if which == "light":
            return ""
        if not self._armed():
            return "not_armed"
        if not self.board.pins.estop_closed:
            return "emergency_stop"
        m = self._m
        if which != "heater" and (m.link_mv == NA or m.current_ma == NA):
            return "unknown_reading"
        if which != "heater" and (abs(m.link_mv) > LIVE_MV or abs(m.current_ma) > FLOWING_MA):
            return "fuse_in"
        return ""

    def _rest(self):
        """What is measured closed when all has been off for a moment."""
        for _ in range(SETTLE_CYCLES):
            if not self._cycle(0, 0, 0, 0):
                break
        return self._seen()

    def _seen(self):
        """Bits as in OUTPUTS of what is measured closed or on."""
        return self.board.pins.feedback & 7 | (8 if self.board.pins.heater_on else 0)

    def _cycle(self, paths, precharge, heater, light):
        """Senses and commands once; False when the board has no cycle to give."""
        board = self.board
        if board.wait() < 0:
            self._off()
            return False
        self._fresh = board.afe.read_into(self._m)
        board.pins.read()
        board.pins.write(paths, precharge, heater, _NOBODY)
        board.pins.show(1 if light else 0, 0)
        board.finish()
        return True

    def _off(self):
        """Everything off now, whatever raises."""
        pins = self.board.pins
        try:
            pins.write(0, 0, 0, _NOBODY)
        finally:
            if hasattr(pins, "drop"):
                pins.drop()


def _known(value):
    return None if value == NA else value


def _further(told, value):
    """The one that is further from nothing."""
    if value == NA:
        return told
    return value if told is None or abs(value) > abs(told) else told
