"""The port of `pyb.CAN` (stm32 only; where machine.CAN is there, prefer it).

What to know of it: nothing is received before setfilter; recv with an empty FIFO and send with full mailboxes raise, so
both are asked first; lost frames show only in rxcallback. It cannot abort a frame: only deinit and init empty the
mailboxes (restart() does not on bxCAN), so abort gives up all at once, filters and callbacks set anew. A second init
leaves callbacks without their interrupt unless they were taken away in between. On FDCAN parts (G4, H7) `info` counts
no waiting frames: there only the transmit error counter and a refused frame tell that they wait, and among the frames
counted as given up may be some that were sent. The H7's FIFO holds more frames than the three counted on here, so a bus
that others fill for long may get a frame of one cycle more from it.
"""

from array import array

from drivers.can_controller import FRAME, NOTHING, OTHER, STOPPED, UNHEARD_TEC

_ALL_BITS = 0x1FFFFFFF
_MAILBOXES = 3
_PENDING = 5  # of the eight values of info; TEC and REC are the first two
_MOST_IDS = 16
_LOST = 2  # reason of rxcallback


class PybPort:
    """`can` is a pyb.CAN, made by the board with any settings: they are made anew here."""

    one_by_one = False

    def __init__(self, can, bitrate=500000, sample_point=75):
        self._can = can
        self.bitrate = bitrate
        self.state = STOPPED
        self.tec = self.rec = 0
        self.rx_id = 0
        self.rx_data = bytearray(64)  # an FDCAN part also takes CAN FD frames, and recv writes them whole
        self.overruns = 0
        self.bad = 0
        self.errors = 0
        self._fd = hasattr(can, "RANGE")
        self.slots = _MAILBOXES if self._fd else 1  # the FDCAN is used as a FIFO: the fourth frame follows the first
        self._slot = 0
        self._sample_point = sample_point
        self._mode = can.NORMAL
        self._ids = ()
        self._filters = []
        self._states = (can.STOPPED, can.ERROR_ACTIVE, can.ERROR_WARNING, can.ERROR_PASSIVE, can.BUS_OFF)
        self._message = [0, 0, 0, 0, memoryview(self.rx_data)]
        self._info = [0] * 8
        self._loaded = array("i", [0] * _MOST_IDS)  # since the mailboxes were last empty
        self._count = 0
        self._refused = False
        self._on_receive = self._noted  # bound once: it is called in an interrupt

    def open(self, ids):
        return self._begin(self._can.NORMAL, ids)

    def loopback(self, can_id):
        return self._begin(self._can.SILENT_LOOPBACK, (can_id,))

    def _begin(self, mode, ids):
        self._mode = mode
        if ids != self._ids:
            self._ids = ids
            # A bxCAN's bank holds two ids; one each lets the ids take turns with the FIFOs.
            self._filters = [[can_id, _ALL_BITS if self._fd else can_id] for can_id in ids]
        return self._renew()

    def _renew(self):
        """Deinit and init: the only way to empty the mailboxes. Allocates nothing."""
        can = self._can
        self._count = 0
        self._refused = False
        self.state = STOPPED
        try:
            can.deinit()
            can.init(self._mode, auto_restart=False, baudrate=self.bitrate, sample_point=self._sample_point)
            for i in range(len(self._filters)):
                if self._fd:
                    can.setfilter(i, can.MASK, i & 1, self._filters[i], extframe=True)
                else:
                    can.setfilter(i, can.LIST32, i & 1, self._filters[i])
            for fifo in range(2):
                can.rxcallback(fifo, None)
                can.rxcallback(fifo, self._on_receive)
            self.look()
            return True
        except (OSError, ValueError):  # no such bit rate, too many filters, or a bus that is never idle
            self.errors += 1
        self.close()
        return False

    def _noted(self, can, reason):
        if reason == _LOST:
            self.overruns += 1

    def close(self):
        self.state = STOPPED
        try:
            self._can.deinit()
        except OSError:
            self.errors += 1

    def restart(self):
        self._renew()

    def look(self):
        try:
            state = self._can.state()
            self._can.info(self._info)
        except OSError:
            self.errors += 1
            self.state = STOPPED
            return
        for i in range(5):
            if self._states[i] == state:
                self.state = i
        self.tec = self._info[0]
        self.rec = self._info[1]
        if self._fd and self.tec < UNHEARD_TEC and not self._refused:
            self._count = 0  # a cycle was time enough for all of them

    def waiting(self):
        try:
            self._can.info(self._info)
        except OSError:
            self.errors += 1
            return -1
        if not self._fd:
            if self._info[_PENDING] == 0:
                self._count = 0
            return self._info[_PENDING]
        if self._refused:
            return _MAILBOXES
        if self._count == 0 or self._info[0] >= UNHEARD_TEC:
            return min(self._count, _MAILBOXES)
        return -1

    def load(self, can_id, frame):
        if not self._fd:  # two frames of one id may change places in the mailboxes
            if self.waiting() >= _MAILBOXES:
                return -1
            for i in range(self._count):
                if self._loaded[i] == can_id:
                    return -1
        if self._count == _MOST_IDS:
            if not self._fd:
                return -1
            self._count = 0
        try:
            self._can.send(frame, can_id, timeout=0, extframe=True)
        except OSError:
            self._refused = True
            if not self._fd:
                self.errors += 1
            return -1
        self._refused = False
        self._loaded[self._count] = can_id
        self._count += 1
        self._slot = (self._slot + 1) % self.slots
        return self._slot

    def abort(self, slot):
        """Gives up all frames, whatever the slot."""
        waiting = self.waiting()
        if waiting != 0:
            self._renew()
        return max(0, waiting)

    def take(self):
        can = self._can
        m = self._message
        try:
            if can.any(0):
                can.recv(0, m, timeout=0)
            elif can.any(1):
                can.recv(1, m, timeout=0)
            else:
                return NOTHING
        except OSError:
            self.errors += 1
            return NOTHING
        if not m[1] or m[2] or len(m[4]) != 8:
            self.bad += 1
            return OTHER
        self.rx_id = m[0]
        return FRAME
