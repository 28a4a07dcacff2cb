"""The loop around a real node's cycle: what is done between two cycles, and when the watchdog is fed.

A cycle runs with the heap locked. Whatever raises ends the loop: the boot files then drop the outputs and reset.
"""

import gc

from drivers.const import const
from generated.codec import STATE_SERVICE
from store.console import NOTHING, SERVICE, Console, service_line, status_line

try:
    from micropython import heap_lock, heap_unlock
except ImportError:  # CPython
    def heap_lock():
        pass

    def heap_unlock():
        pass

_CYCLE_MS = const(100)
_MOST_CYCLES = const(600)
_MOST_BYTES = const(64)  # of the console at once
_FIRST_TRY = const(10)  # cycles until a monitor that lost its settings is started again
_NEXT_TRY = const(100)  # and again, each time that fails


class Loop:
    """`real` is a RealBoard, `memory` a started store.Memory, `trial` a store.Trial, `node` a node.cycle.Node.

    `bus_heard` is the bus controller's test of itself, `code` what starting the sensors gave. `update(real, node)`
    makes a store.update.Update when service is entered.
    """

    def __init__(self, limits, real, memory, node, trial, update, bus_heard, code):
        self.limits = limits
        self.real = real
        self.board = real.board
        self.memory = memory
        self.node = node
        self.trial = trial
        self.code = code
        self.reset_due = False
        self._make_update = update
        self._bus_heard = bus_heard
        self._measured = code == 0  # the sensors started once in this life
        self._words = Console()
        self._console = self.board.console()
        self._watchdog = self.board.watchdog()
        self._listening = self._listen  # bound once
        self._resting = self._rest
        self._last_ms = -1
        self._retry = _FIRST_TRY
        self._slept = False

    def run(self):
        """Until the node is to be reset."""
        self._tell()
        self._say_code()
        while not self.reset_due:
            self.step()

    def step(self):
        """The time until the next cycle, the cycle, and what follows it."""
        real = self.real
        node = self.node
        now_ms = real.wait(self._resting if node.power.asleep else self._listening)
        periods = self._periods(now_ms)
        heap_lock()
        try:
            real.can.pump_in()
            node.step(now_ms)
            self._update_step(periods)
            real.finish()
        finally:
            heap_unlock()
        open_now = real.pins.measured_open()
        self._remember(open_now, periods)
        self._serve(open_now)
        if node.power.asleep or self._slept:
            self._sleep()
        elif open_now and not real.afe.config_ok:
            self._try_again(periods)
        if node.healthy:
            self._watchdog.feed()

    def _periods(self, now_ms):
        """Cycles since the last call, as the node counts them."""
        last_ms = self._last_ms
        self._last_ms = now_ms
        if last_ms < 0:
            return 1
        elapsed_ms = (now_ms - last_ms) & 0x3FFFFFFF
        return min(max(1, (elapsed_ms + _CYCLE_MS // 2) // _CYCLE_MS), _MOST_CYCLES)

    # What outlives this life.

    def _remember(self, open_now, periods):
        node = self.node
        memory = self.memory
        trial = self.trial
        memory.finish(node.contactor, node.heat, node.healthy, open_now, periods)
        trial.step(node.healthy and self._bus_heard and self._measured, periods)
        if trial.keep_due:
            trial.keep()
            self._tell()
        if trial.give_up and open_now:
            self.reset_due = True
        node.report.restarts = memory.restarts

    def _tell(self):
        """What NodeInfo says of the slots."""
        report = self.node.report
        trial = self.trial
        report.slot = trial.slot
        report.trial = trial.state
        report.failed_updates = trial.failed

    # Service: an update over CAN, or the prompt after a reset.

    def _update_step(self, periods):
        """In the cycle, after its frames."""
        update = self.real.can.update
        if update is not None:
            update.step(self.node.contactor.state == STATE_SERVICE and self.real.pins.measured_open(), periods)

    def _serve(self, open_now):
        can = self.real.can
        if self.node.contactor.state == STATE_SERVICE:
            if can.update is None:
                can.update = self._make_update(self.real, self.memory)
            can.update.pump()
            if can.update.reset_due and open_now:
                self.reset_due = True
        elif can.update is not None:
            can.update.step(False, 1)  # what was begun is given up, its file closed
            can.update.pump()
            can.update = None
            gc.collect()

    def _listen(self):
        """Between two cycles: what a tool says on the console."""
        for _ in range(_MOST_BYTES):
            byte = self._console.byte()
            if byte < 0:
                return
            heard = self._words.take(byte)
            if heard != NOTHING:
                self._answer(heard)

    def _rest(self):
        """The same, asleep: the processor waits for its next interrupt."""
        self._listen()
        self.board.idle()

    def _answer(self, heard):
        trial = self.trial
        if heard != SERVICE:
            self._console.say(status_line(self.board.name, trial.slot, trial.state, trial.failed))
        elif not self.real.pins.measured_open():
            self._console.say(service_line("the outputs are not measured open"))
        else:
            from store.trial import ask_service

            ask_service()
            self._console.say(service_line())
            self.reset_due = True

    # The sensors.

    def _sleep(self):
        """Asleep the cell monitor is in ship mode; it is started again when the node wakes."""
        if not self.node.power.asleep:
            self._slept = False
            self._start()
        elif not self._slept:
            self._slept = True
            self.real.afe.sleep()

    def _try_again(self, periods):
        """A monitor that restarted, or never started, gets its settings again while nothing is closed."""
        self._retry -= periods
        if self._retry <= 0:
            self._retry = _NEXT_TRY
            self._start()

    def _start(self):
        """Takes up to 1.5 s, less than the watchdog's time. Where no memory is left for it a reset makes room."""
        self._watchdog.feed()
        before = self.code
        try:
            self.code = self.real.afe.start(self.limits)
        except MemoryError:
            self.reset_due = True
            return
        if self.code == 0:
            self._measured = True
            self._retry = _FIRST_TRY
        if self.code != before:
            self._say_code()

    def _say_code(self):
        """Sensors that do not start are told where a person looks for the reason; the bus has the row."""
        if self.code:
            self._console.say("2lbms sensors do not start: error " + str(self.code))
