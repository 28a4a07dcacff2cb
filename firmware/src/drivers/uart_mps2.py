"""The UARTs of the emulated board (qemu's mps2-an385) as byte streams: its plant and its bus.

A UART of that board holds one received byte and has no speed; what comes after that byte waits outside and is never
lost. For a chip's receive buffer the bus has a ring, filled while the plant's next reading is awaited, which is how a
node on this board spends its time. Meanwhile it sleeps: the emulator needs the processor to bring the next byte.
"""

from array import array

from node.machine_code import micropython, ptr8, ptr16, ptr32

CONSOLE = 0x40004000
PLANT = 0x40005000
BUS = 0x40006000

RING = 4096  # a power of two; a bus at half its load brings 2.5 kB of slcan text in a cycle

# Words of a UART: DATA, STATE (1 TXFULL, 2 RXFULL), CTRL, INTSTATUS, BAUDDIV.

# Interrupts wake the processor and are never taken: nothing here has a handler. Compiled where it runs, since there is
# no such code for any other core.
_THUMB = """
@micropython.asm_thumb
def mask():
    cpsid(i)

@micropython.asm_thumb
def sleep():
    wfi()
"""
_names = {}
try:
    exec(_THUMB, _names)
except (NameError, SyntaxError):
    pass  # another processor, on which nothing here is called
mask = _names.get("mask")
sleep = _names.get("sleep")


@micropython.viper
def enable(uart: ptr32):
    """Sends and receives from now on."""
    uart[4] = 16  # its least
    uart[2] = 11  # send, receive, interrupt when a byte has come
    uart[0]  # without this read the emulator notices waiting input late


@micropython.viper
def wake_by_uarts(console: ptr32):
    """A byte on any of the three ends a sleep."""
    console[2] = 11  # it is enabled already, and may hold a byte
    enabled = ptr32(0xE000E100)  # in the interrupt controller: receivers are 0, 2 and 4
    enabled[0] = 0b10101


@micropython.viper
def write(uart: ptr32, data: ptr8, count: int, patient: int) -> int:
    """How many bytes were written: all, or as many as the other side reads at once."""
    for i in range(count):
        while uart[1] & 1:  # the other side does not read
            if not patient:
                return i
        uart[0] = data[i]
    return count


@micropython.viper
def byte(uart: ptr32) -> int:
    """A byte that has come, or -1."""
    if uart[1] & 2:
        return uart[0]
    return -1


@micropython.viper
def take(ring: ptr8, ends: ptr16, into: ptr8, most: int) -> int:
    """Bytes that are in the ring."""
    at = int(ends[0])
    end = int(ends[1])
    n = 0
    while n < most and at != end:
        into[n] = ring[at]
        at = at + 1 & 4095
        n += 1
    ends[0] = at
    return n


@micropython.viper
def fill(uart: ptr32, into: ptr8, most: int, console: ptr32, bus: ptr32, ring: ptr8, ends: ptr16) -> int:
    """Waits for `most` bytes, or for one on the console; what the bus brings meanwhile goes into the ring."""
    pending = ptr32(0xE000E280)  # in the interrupt controller
    n = 0
    quiet = 0
    while n < most:
        after = int(ends[1]) + 1 & 4095
        if uart[1] & 2:
            into[n] = uart[0]
            n += 1
            quiet = 0
        elif console[1] & 2:
            return n
        elif bus[1] & 2 and after != int(ends[0]):
            ring[int(ends[1])] = bus[0]
            ends[1] = after
            quiet = 0
        elif quiet:
            sleep()
            quiet = 0
        else:  # what came before this is seen by the next look, what comes after it wakes
            uart[3] = bus[3] = console[3] = 2
            pending[0] = 255
            quiet = 1
    return n


def heard():
    """A byte that has come on the console, or -1."""
    return byte(CONSOLE)


class BusUart:
    """The bus: reads only what is there and writes only what fits."""

    def __init__(self, address=BUS):
        self.address = address
        self.ring = bytearray(RING)
        self.ends = array("H", (0, 0))
        enable(address)

    def readinto(self, buffer):
        """Bytes read, 0 when there are none now."""
        return take(self.ring, self.ends, buffer, len(buffer))

    def write(self, data):
        """Bytes taken; fewer than given when the other side does not read."""
        return write(self.address, data, len(data), 0)


class PlantUart:
    """The plant: fills the whole buffer, however long that takes, and the ring of `bus` meanwhile.

    A byte on the console ends the run, unless `hear` is set: it is called then, and takes what has come.
    """

    hear = None

    def __init__(self, bus):
        self._bus = bus
        mask()
        enable(PLANT)
        wake_by_uarts(CONSOLE)

    def readinto(self, buffer):
        """Bytes read: all, or fewer when a byte came on the console; 0 when it ended the run."""
        bus = self._bus
        while True:
            n = fill(PLANT, buffer, len(buffer), CONSOLE, bus.address, bus.ring, bus.ends)
            if n or self.hear is None:
                return n
            self.hear()

    def write(self, data):
        """All of it."""
        return write(PLANT, data, len(data), 1)
