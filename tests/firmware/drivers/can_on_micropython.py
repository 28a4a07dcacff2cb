"""Runs a CAN back end through every trouble with the heap locked; for MicroPython, and for CPython to compare with.

The one argument is the back end's name. Prints one line of numbers a cycle. The controllers below are as small as can
be and take no memory themselves: what is right and wrong is tested elsewhere, here only that it takes none.
"""

import sys
from array import array

from drivers.can_controller import ControllerCan
from drivers.can_machine import MachinePort
from drivers.can_mcp2515 import Mcp2515Port
from drivers.can_pyb import PybPort
from drivers.can_slcan import SlcanCan

try:
    from micropython import heap_lock, heap_unlock
except ImportError:  # CPython
    def heap_lock():
        pass

    def heap_unlock():
        pass

CYCLES = 120
WIDTH = 9
REQUEST = 0x08FF8101


class Line:
    """Three mailboxes and what happens to them: `acknowledged`, `shorted` and `broken` are set by the story."""

    def __init__(self):
        self.acknowledged = True
        self.shorted = self.broken = self.off = False
        self.tec = 0
        self.held = array("i", [-1] * 3)
        self.sent = 0
        self.incoming = 0
        self.lost = False

    def check(self):
        if self.broken:
            raise OSError(5)

    def step(self):
        """The time of a frame or two."""
        for i in range(3):
            if self.held[i] < 0 or self.off:
                continue
            if self.shorted:
                self.tec = 255
                self.off = True
            elif not self.acknowledged:
                self.tec = 128
            else:
                self.tec = max(0, self.tec - 1)
                self.held[i] = -1
                self.sent += 1
                return

    def state(self):
        self.check()
        return 4 if self.off else 3 if self.tec >= 128 else 2 if self.tec >= 96 else 1

    def waiting(self):
        count = 0
        for i in range(3):
            count += self.held[i] >= 0
        return count

    def put(self, can_id):
        for i in range(3):
            if self.held[i] < 0:
                self.held[i] = can_id
                return i
        return -1

    def empty(self):
        for i in range(3):
            self.held[i] = -1


class Machine(Line):
    MODE_NORMAL, MODE_SILENT_LOOPBACK = 0, 4
    STATE_STOPPED, STATE_ACTIVE, STATE_WARNING, STATE_PASSIVE, STATE_BUS_OFF = range(5)
    FLAG_RTR, FLAG_EXT_ID, RECV_ERR_FULL, RECV_ERR_OVERRUN, TX_QUEUE_LEN = 1, 2, 1, 2, 3

    def init(self, bitrate, mode=0, sample_point=75):
        self.empty()

    def deinit(self):
        pass

    def set_filters(self, filters):
        pass

    def get_timings(self, into):
        into[0] = 500000
        return into

    def get_counters(self, into):
        self.check()
        into[0] = self.tec
        into[1] = 0
        into[5] = self.waiting()
        return into

    def send(self, can_id, data, flags):
        self.check()
        if self.off:
            raise OSError(5)
        for i in range(3):
            if self.held[i] == can_id:
                return None
        at = self.put(can_id)
        return None if at < 0 else at

    def cancel_send(self, at):
        self.check()
        waits = self.held[at] >= 0
        self.held[at] = -1
        return waits

    def restart(self):
        self.empty()
        self.off = self.shorted
        self.tec = 0

    def recv(self, into):
        self.check()
        if self.incoming == 0:
            return None
        self.incoming -= 1
        into[0] = REQUEST
        into[1] = self.view
        into[2] = 2
        into[3] = 2 if self.lost else self.incoming & 1
        return into


class Pyb(Line):
    NORMAL, SILENT_LOOPBACK = 0, 3
    STOPPED, ERROR_ACTIVE, ERROR_WARNING, ERROR_PASSIVE, BUS_OFF = range(5)
    counts_waiting = True

    def init(self, mode, auto_restart=False, baudrate=0, sample_point=75):
        self.check()
        self.empty()
        self.off = self.shorted
        self.tec = 0

    def deinit(self):
        pass

    def setfilter(self, bank, mode, fifo, params, extframe=False):
        pass

    def rxcallback(self, fifo, call):
        self.call = call

    def info(self, into):
        self.check()
        into[0] = self.tec
        into[5] = self.waiting() if self.counts_waiting else 0
        return into

    def any(self, fifo):
        self.check()
        return self.incoming > 0 and fifo == self.incoming & 1

    def recv(self, fifo, into, timeout=5000):
        self.incoming -= 1
        if self.lost:
            self.call(self, 2)
        into[0] = REQUEST
        into[1] = True
        into[2] = False
        into[4] = self.view
        return into

    def send(self, data, can_id, timeout=0, extframe=False):
        self.check()
        if self.put(can_id) < 0:
            raise OSError(16)


class BxPyb(Pyb):
    LIST32 = 3


class FdPyb(Pyb):
    RANGE, MASK = 0, 2
    counts_waiting = False


class Mcp2515(Line):
    """Registers, SPI and CS in one."""

    def __init__(self):
        Line.__init__(self)
        self.registers = bytearray(256)

    def value(self, level):
        pass

    def flags(self):
        r = self.registers
        r[0x1C] = min(255, self.tec)
        r[0x2D] = (0x20 if self.off else 0) | (0x10 if self.tec >= 128 else 0) | (0x80 if self.lost else 0)
        r[0x2C] = 3 if self.incoming > 1 else self.incoming

    def write_readinto(self, out, into):
        self.check()
        self.flags()
        r = self.registers
        code = out[0]
        if code == 0xC0:
            r[0x0E] = 0x80
            self.empty()
            self.off = self.shorted
            self.tec = 0
        elif code == 0x02:
            for i in range(2, len(out)):
                r[out[1] + i - 2] = out[i]
        elif code == 0x03:
            for i in range(2, len(out)):
                into[i] = r[out[1] + i - 2]
        elif code == 0x05:
            if out[1] == 0x0F:
                r[0x0E] = out[3]
            elif out[1] >= 0x30:
                self.held[(out[1] - 0x30) >> 4] = -1
        elif code == 0xA0:
            into[1] = r[0x2C]
            for i in range(3):
                into[1] |= (self.held[i] >= 0) << 2 + 2 * i
        elif code & 0xF8 == 0x80:
            for i in range(3):
                if code >> i & 1:
                    self.held[i] = 1
        elif code & 0xF8 == 0x90:
            self.incoming -= 1
            into[1] = 0x47
            into[2] = 0xEB
            into[3] = 0x81
            into[4] = 0x01
            into[5] = 0x08 if self.incoming % 5 else 0x48


class Stream(Line):
    """An slcan adapter's end of a stream."""

    text = b"T08FF810181122334455667788\rz\rT08FF820181122334455667788\r\x07F2C\rtruck\rT08FF8101811223344"
    bells = b"\x07\x07\x07"

    def readinto(self, buffer):
        self.check()
        if self.incoming == 0:
            return None
        self.incoming -= 1
        text = self.text if self.acknowledged else self.bells
        for i in range(len(text)):
            buffer[i] = text[i]
        return len(text)

    def write(self, data):
        self.check()
        self.sent += 1
        return len(data) if not self.shorted else None if self.sent & 1 else len(data) // 3


def made(name):
    """The back end and the line below it."""
    if name == "slcan":
        line = Stream()
        return SlcanCan(line, ask_status=True), line
    if name == "mcp2515":
        line = Mcp2515()
        return ControllerCan(Mcp2515Port(line, line, 16)), line
    line = Machine() if name == "machine" else BxPyb() if name == "pyb_bxcan" else FdPyb()
    port = MachinePort(line) if name == "machine" else PybPort(line)
    line.view = memoryview(port.rx_data)[:8]
    return ControllerCan(port), line


IDS = array("i", [0x0CFF1001, 0x0CFF1401, 0x0CFF1101, 0x0CFF1201, 0x0CFF1301, 0x18FF2001, 0x18FF2001, 0x18FF2001,
                  0x1CFF4001, 0x0CFF4101])


def story(can, line, frame, out):
    """Sound, deaf, sound, shorted, whole, a flood each way, errors, sound; heap locked from begin to end."""
    for n in range(CYCLES):
        line.acknowledged = not (10 <= n < 20)
        line.shorted = 30 <= n < 50
        line.broken = 80 <= n < 90 and n != 85
        line.lost = n % 9 == 0
        line.incoming = 50 if n == 60 else n % 4
        can.pump_in()
        received = 0
        while can.receive():
            received += can.rx_data[7] + 1
        for k in range(60 if n == 70 else 10):
            frame[0] = n
            can.send(IDS[k % 10], frame, k < 4)
        can.pump_out()
        for _ in range(14):
            line.step()
            can.service()
        at = n * WIDTH
        out[at] = n
        out[at + 1] = received
        out[at + 2] = can.state
        out[at + 3] = can.tec
        out[at + 4] = line.sent
        out[at + 5] = can.stale
        out[at + 6] = can.dropped
        out[at + 7] = can.restarts
        out[at + 8] = can.overruns


def main():
    can, line = made(sys.argv[1])
    can.filters((REQUEST, 0x0CFF8080))
    if not can.open():
        raise ValueError("not opened")
    out = array("i", [0] * (CYCLES * WIDTH))
    frame = bytearray(8)
    heap_lock()
    try:
        story(can, line, frame, out)
    finally:
        heap_unlock()
    for n in range(CYCLES):
        print(*out[n * WIDTH:n * WIDTH + WIDTH])


main()
