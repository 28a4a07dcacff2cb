"""The port of `machine.CAN` (MicroPython 1.28 and newer: stm32, mimxrt; not Alif, which cannot cancel one frame).

What to know of it: nothing is received before set_filters; its transmit queue is sorted by priority and refuses with
None when it is full or holds a frame of that id; bus-off ends only by restart(), which drops what was pending and
clears the counters. Lost frames are told only after a first one was received. On parts with the older controller
(bxCAN: F4, F7, L4) restart() waits for the bus to be recessive and does not come back while the wire is stuck: the
watchdog then opens the node. FDCAN parts (G4, H7) do not wait.
"""

from drivers.can_controller import FRAME, NOTHING, OTHER, PASSIVE, STOPPED, UNHEARD_TEC

_ALL_BITS = 0x1FFFFFFF
_PENDING = 5  # of the eight counters; TEC and REC are the first two


class MachinePort:
    """`can` is a machine.CAN, made by the board with any settings: they are made anew here."""

    one_by_one = True

    def __init__(self, can, bitrate=500000, sample_point=75):
        self._can = can
        self.bitrate = bitrate
        self.bitrate_set = 0  # what the controller says, after open
        self.slots = can.TX_QUEUE_LEN
        self.state = STOPPED
        self.tec = self.rec = 0
        self.rx_id = 0
        self.rx_data = bytearray(64)  # an FDCAN part also takes CAN FD frames, and recv writes them whole
        self.overruns = 0
        self.full = 0  # frames that filled the receive FIFO: nothing lost yet
        self.bad = 0
        self.errors = 0
        self._sample_point = sample_point
        self._extended = can.FLAG_EXT_ID
        self._remote = can.FLAG_RTR
        self._err_full = can.RECV_ERR_FULL
        self._err_overrun = can.RECV_ERR_OVERRUN
        self._states = (can.STATE_STOPPED, can.STATE_ACTIVE, can.STATE_WARNING, can.STATE_PASSIVE, can.STATE_BUS_OFF)
        self._ids = ()
        self._filters = []
        self._timings = [0, 0, 0, 0, None, None]
        self._message = [0, memoryview(self.rx_data), 0, 0]
        self._counters = [0] * 8

    def open(self, ids):
        return self._begin(self._can.MODE_NORMAL, ids)

    def loopback(self, can_id):
        return self._begin(self._can.MODE_SILENT_LOOPBACK, (can_id,))

    def _begin(self, mode, ids):
        can = self._can
        self.state = STOPPED
        if ids != self._ids:
            self._ids = ids
            self._filters = [(can_id, _ALL_BITS, self._extended) for can_id in ids]
        try:
            can.deinit()  # a running controller keeps its mode
            can.init(self.bitrate, mode=mode, sample_point=self._sample_point)
            can.set_filters(self._filters)
            self.bitrate_set = can.get_timings(self._timings)[0]
            # Within 0.1 %, as pyb.CAN asks; another rate would destroy the frames of everyone.
            if 1000 * abs(self.bitrate_set - self.bitrate) <= self.bitrate:
                self.look()
                return True
        except (OSError, ValueError):  # no such bit rate, or too many filters
            self.errors += 1
        self.close()
        return False

    def close(self):
        self.state = STOPPED
        try:
            self._can.deinit()
        except OSError:
            self.errors += 1

    def restart(self):
        try:
            self._can.restart()
        except OSError:
            self.errors += 1

    def look(self):
        try:
            state = self._can.state()
            counters = self._can.get_counters(self._counters)
        except OSError:
            self.errors += 1
            self.state = STOPPED
            return
        for i in range(5):
            if self._states[i] == state:
                self.state = i
        self.tec = counters[0]
        self.rec = counters[1]
        if self.tec is None:  # a controller without this counter
            self.tec = UNHEARD_TEC if self.state == PASSIVE else 0
        if self.rec is None:
            self.rec = 0

    def waiting(self):
        try:
            count = self._can.get_counters(self._counters)[_PENDING]
        except OSError:
            self.errors += 1
            return -1
        return -1 if count is None else count

    def load(self, can_id, frame):
        try:
            slot = self._can.send(can_id, frame, self._extended)
        except OSError:  # bus-off since we looked
            self.errors += 1
            return -1
        return -1 if slot is None else slot

    def abort(self, slot):
        try:
            return 1 if self._can.cancel_send(slot) else 0
        except OSError:
            self.errors += 1
            return 0

    def take(self):
        m = self._message
        try:
            if self._can.recv(m) is None:
                return NOTHING
        except OSError:
            self.errors += 1
            return NOTHING
        if m[3] & self._err_overrun:
            self.overruns += 1
        elif m[3] & self._err_full:
            self.full += 1
        if len(m[1]) != 8 or not m[2] & self._extended or m[2] & self._remote:
            self.bad += 1
            return OTHER
        self.rx_id = m[0]
        return FRAME
