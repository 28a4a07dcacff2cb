"""CAN through a controller with a few mailboxes: what to send, what to abort, when to come back. Knows no chip.

The chip is a *port* (can_machine, can_pyb, can_mcp2515, or a simulated one). It raises nothing and has these members:
`open(ids)` True when on the bus at the wanted bit rate and receiving just these ids; `loopback(can_id)` the same, alone
with itself; `close()`; `restart()` out of bus-off; `look()` refreshes `state`, `tec`, `rec`; `load(can_id, frame)` the
slot that took the frame, -1 when the controller is full or holds one of that id; `waiting()` frames not yet sent, -1
when it cannot say; `abort(slot)` how many it gave up; `take()` NOTHING, FRAME (in `rx_id`, `rx_data`) or OTHER;
`slots`, one whose use again means that its frame was sent, or a single one for all; `one_by_one`, False when abort
gives up all at once; the counts `overruns`, `bad`, `errors`.
"""

from array import array

from drivers.can_fresh import FreshQueue
from drivers.can_inbox import Inbox

STOPPED, ACTIVE, WARNING, PASSIVE, BUS_OFF = range(5)
NOTHING, FRAME, OTHER = range(3)
UNHEARD_TEC = 128  # where the counter of a sender without any acknowledgement ends and stays (ISO 11898-1, exception 1)
_TEST_ID = 0x1FFF0000
_TEST_READS = 5000  # far more than the 0.3 ms of one frame


class ControllerCan:
    """The node's side of a CAN controller: `pump_in` and `pump_out` once a cycle, `service` as often as there is time.

    A controller has about three mailboxes and the node sends ten frames a cycle: `service` moves the next ones in
    while the node waits for its next cycle, and takes received frames before the controller overruns. The cycle itself
    gets at most MOST_IN frames; the rest comes in the next.

    **Nothing older than STALE_CYCLES is sent.** A frame's age counts from the cycle that made it, in the queue and in
    the controller alike; what reaches the limit is aborted. A frame in the controller also yields to a waiting `latest`
    one of its id. When nobody acknowledges (`quiet`: the error counter stands at 128), all comes back into the queue
    and only one frame at a time is given to the controller, the first by priority. So a listener who comes hears the
    newest of the first id, then what is fresh in the queue. Where a controller can only give up all at once those
    frames are lost, and the first one heard may be any of the last STALE_CYCLES. What was aborted or replaced counts as
    `stale`; `dropped` are frames that found no room.

    **Bus-off** (or a controller that has stopped, such as an MCP2515 after a brown-out) is left after 1, 2, 4 ... at
    most LONGEST_WAIT cycles, counted in `restarts`; nothing is sent in that time and the node's cycle is not held up.
    After CALM_CYCLES without trouble the first wait is short again.

    `state`, `tec` and `rec` are those of the last `pump_in`. `bus_offs` counts each time bus-off was found, once more
    when a restart did not help.
    """

    MOST_IN = 16
    STALE_CYCLES = 3
    LONGEST_WAIT = 50
    CALM_CYCLES = 50
    STUCK_CYCLES = 3

    def __init__(self, port, most=48):
        self.port = port
        self.rx_id = 0
        self.rx_data = bytearray(8)
        self.state = STOPPED
        self.tec = self.rec = 0
        self.bus_offs = 0
        self.restarts = 0
        self.quiet = False
        self._queue = FreshQueue(most)
        self.send_all = self._queue.put_all  # many at once, as node.frames makes them
        self._frame = bytearray(8)
        self._inbox = Inbox(self.MOST_IN)
        self._ids = ()
        self._opened = False
        self._held = bytearray(port.slots)  # 1 where a frame is in the controller, as far as known
        self._held_age = bytearray(port.slots)
        self._held_id = array("i", [0] * port.slots)
        self._held_latest = bytearray(port.slots)
        self._held_frame = [bytearray(8) for _ in range(port.slots)]
        self._wait = 0  # cycles until the next try, 0 when on the bus
        self._next_wait = 1
        self._calm = 0
        self._refused = False
        self._stuck = 0

    @property
    def dropped(self):
        return self._queue.dropped

    @property
    def stale(self):
        return self._queue.stale

    @property
    def overruns(self):
        return self.port.overruns

    @property
    def bad(self):
        """Received frames that no node's are: 11-bit, remote, or not eight bytes."""
        return self.port.bad

    @property
    def errors(self):
        """Calls that the controller refused with an error."""
        return self.port.errors

    def filters(self, ids):
        """The 29-bit ids to receive; none without it. An open controller is opened anew."""
        self._ids = tuple(ids)
        if self._opened:
            self.open()

    def open(self):
        """True when on the bus at the wanted bit rate; else it is closed and `pump_in` tries again. May block."""
        self._opened = True
        self._give_up_all()
        self._wait = 0
        good = self.port.open(self._ids)
        self.state = self.port.state
        return good

    def close(self):
        self._give_up_all()
        self._queue.stale += self._queue.count
        self._queue.count = self._inbox.count = 0
        self._opened = False
        self.port.close()
        self.state = STOPPED

    def self_test(self):
        """True when the controller hears its own frame, bus and transceiver left out; closed afterwards. May block."""
        self.close()
        port = self.port
        frame = bytearray(b"2lbms ok")
        heard = False
        if port.loopback(_TEST_ID) and port.load(_TEST_ID, frame) >= 0:
            for _ in range(_TEST_READS):
                if port.take() == FRAME:
                    heard = port.rx_id == _TEST_ID and all(port.rx_data[i] == frame[i] for i in range(8))
                    break
        port.close()
        return heard

    def send(self, can_id, d, latest=False):
        """Queues a frame; `latest`: an older one of this id that still waits is not needed any more."""
        self._queue.put(can_id, d, latest)

    def receive(self):
        """True when a frame is in rx_id and rx_data."""
        can_id = self._inbox.take_into(self.rx_data)
        if can_id < 0:
            return False
        self.rx_id = can_id
        return True

    def pump_in(self):
        """Begins a cycle: state, recovery, ages, and what was received."""
        self._queue.grow_old(self.STALE_CYCLES)
        if not self._opened:
            return
        self._look()
        self._recover()
        self._grow_old()
        self._fetch()

    def pump_out(self):
        """Ends a cycle: what it queued goes to the controller, as far as there is room."""
        if self.port.one_by_one:
            for slot in range(len(self._held)):
                if self._held[slot] and self._queue.find_latest(self._held_id[slot]) >= 0:
                    self._give_up(slot)
        self._load()

    def service(self):
        """Between cycles, as often as there is time: the next frames out, what has come in."""
        if self._opened:
            self._fetch()
            self._load()

    def _look(self):
        port = self.port
        port.look()
        self.state = port.state
        self.tec = port.tec
        self.rec = port.rec

    def _down(self):
        return self.state == BUS_OFF or self.state == STOPPED

    def _recover(self):
        if self._wait > 0:
            self._wait -= 1
            if self._wait == 0:
                self._return()
        elif self._down():
            if self.state == BUS_OFF:
                self.bus_offs += 1
            self._wait = self._next_wait
            self._next_wait = min(2 * self._next_wait, self.LONGEST_WAIT)
            self._calm = 0
            self._leave()
        elif self._calm < self.CALM_CYCLES:
            self._calm += 1
        else:
            self._next_wait = 1

    def _leave(self):
        """No frame may go out by itself when the controller comes back; an abort that is a restart waits its turn."""
        if self.port.one_by_one:
            for slot in range(len(self._held)):
                if self._held[slot]:
                    self._take_back(slot)
            return
        self._queue.stale += max(0, self.port.waiting())
        self._forget_all()

    def _return(self):
        """Back to the bus; a controller that came back by itself meanwhile is only let send again."""
        self.restarts += 1
        if self.state == STOPPED:
            self.port.open(self._ids)
        elif self.state == BUS_OFF:
            self.port.restart()
        self._look()

    def _grow_old(self):
        self._forget_sent()  # only saves asking for each slot
        quiet = self.tec >= UNHEARD_TEC
        for slot in range(len(self._held)):
            if self._held[slot]:
                self._held_age[slot] += 1
                if self._held_age[slot] >= self.STALE_CYCLES:
                    self._give_up(slot)
                elif quiet and not self.quiet:
                    self._take_back(slot)
        self.quiet = quiet
        self._free_stuck()

    def _free_stuck(self):
        """A controller that refuses although nothing waits in it has lost count of its mailboxes: only a restart helps.

        stm32's FDCAN driver of MicroPython 1.28 and 1.29 can: it frees one mailbox an interrupt, and two frames that
        are sent while interrupts are held up (a flash page being erased) make one interrupt.
        """
        self._stuck = self._stuck + 1 if self._refused else 0
        self._refused = False
        if self._stuck >= self.STUCK_CYCLES:
            self._stuck = 0
            self.restarts += 1
            self.port.restart()

    def _forget_sent(self):
        """False when the controller may still hold frames."""
        if self.port.waiting() != 0:
            return False
        self._forget_all()
        return True

    def _forget_all(self):
        for slot in range(len(self._held)):
            self._held[slot] = 0

    def _give_up(self, slot):
        self._queue.stale += self.port.abort(slot)
        self._held[slot] = 0

    def _take_back(self, slot):
        """A frame that is still worth sending goes from the controller back into the queue."""
        if not self.port.one_by_one:
            self._give_up(slot)
            return
        self._held[slot] = 0
        if self.port.abort(slot):
            self._queue.put_back(self._held_id[slot], self._held_frame[slot], self._held_latest[slot],
                                 self._held_age[slot])

    def _give_up_all(self):
        for slot in range(len(self._held)):
            if self._held[slot]:
                self._give_up(slot)

    def _holds(self):
        for slot in range(len(self._held)):
            if self._held[slot]:
                return not self._forget_sent()
        return False

    def _fetch(self):
        port = self.port
        inbox = self._inbox
        for _ in range(self.MOST_IN):
            if inbox.full():
                return
            kind = port.take()
            if kind == NOTHING:
                return
            if kind == FRAME:
                inbox.put(port.rx_id, port.rx_data)

    def _load(self):
        queue = self._queue
        if self._wait > 0 or self._down():
            return
        while queue.count > 0 and not (self.quiet and self._holds()):
            if self._held[0] and len(self._held) == 1:
                self._forget_sent()
            place = queue.order[0]
            queue.copy_into(place, self._frame)
            slot = self.port.load(queue.ids[place], self._frame)
            if slot < 0:
                self._refused = self.port.waiting() == 0
                return
            self._refused = False
            self._note(slot, place)
            queue.remove(0)

    def _note(self, slot, place):
        """The frame at that place of the queue is in the controller now."""
        queue = self._queue
        age = queue.ages[place]
        if self._held[slot] and len(self._held) == 1:  # the slot of all: as old as the oldest
            age = max(age, self._held_age[slot])
        self._held[slot] = 1
        self._held_age[slot] = age
        self._held_id[slot] = queue.ids[place]
        self._held_latest[slot] = queue.latest[place]
        queue.copy_into(place, self._held_frame[slot])
