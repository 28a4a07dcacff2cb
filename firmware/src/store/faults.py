"""The node's memory of its faults: which rows are latched, how often each tripped, and how its lives ended.

It knows rows by number only and no threshold. What has changed shows in `backup_due` (twelve bytes for the backup
memory) and in `dirty`, `noted` and `urgent` (all of it, for flash). Only pack() allocates. How it is read back at a
boot is startup's.
"""

import struct

from drivers.const import const
from node.measure import NA

from store.check import crc16
from store.life import Life
from store.trips import NO_ROW, Trips

MOST_ROWS = 48
HELD_BYTES = 6
MAGIC = b"2LF"
FORMAT = 1
HEAD = "<3sBB6sBBBHIII6H"  # magic, format, rows, held, flags, restarts, tries, boot, wear, heater Wh and J, causes
SMALL = 0xA0  # first of the twelve bytes, with the flags in its low half

SPACING_CYCLES = 10  # between two saves of what is urgent: what is latched, asked, or worn
CLOSED_CYCLES = 600  # a minute: what is urgent waits no longer, even while outputs are closed
NOTED_CYCLES = 600  # between two saves of trips that do not latch: a flickering one must not wear out the flash
SLOW_CYCLES = 6000  # ten minutes: all the rest

_MOST = const(0x1FFFFFFF)
_MOST_TRIES = const(15)
_TRIP_PAGE = const(12)  # where node.protect has its third page of six bytes


class FaultMemory:
    """`sign` is the limits' column SIGN. `trips` has each row's count, times and worst value, `life` the boots."""

    def __init__(self, sign):
        self.rows = len(sign)
        if self.rows > MOST_ROWS:
            raise ValueError("48 rows at most")
        self.trips = Trips(sign)
        self.life = Life()
        self.small = bytearray(12)
        self.held = memoryview(self.small)[1 : 1 + HELD_BYTES]  # latched rows: bit n & 7 of byte n >> 3
        self.wear_ppm = 0  # of the outputs' life, used up by opening under load
        self.heater_wh = 0
        self.heater_j = 0  # heat since the pack was last charged
        self.tries = 0  # of the precharge, used up
        self.open_requested = False
        self.dirty = self.noted = self.urgent = self.backup_due = False
        self._seen = bytearray(2 * HELD_BYTES)
        self._pages = memoryview(self._seen)
        self._watched = NO_ROW
        self._since_save = SLOW_CYCLES
        self._waited = 0  # cycles that something urgent has waited

    def attach(self, bits):
        """`bits` are the four pages of node.protect, of which the two last are followed: trip and latched."""
        self._pages = memoryview(bits)[_TRIP_PAGE : _TRIP_PAGE + 2 * HELD_BYTES]
        self._seen[HELD_BYTES:] = self.held

    def is_held(self, row):
        """1 while row `row` is latched, also by what was restored."""
        return self.held[row >> 3] >> (row & 7) & 1

    # In the cycle.

    def follow(self, values, known, minutes):
        """Takes over what the limit table did: rows that have tripped, those that stay latched, and the worst value of
        the one that tripped last."""
        row = self._watched
        if self._pages != self._seen:
            self._compare(values, known, minutes)
        elif row != NO_ROW:
            if not self._pages[row >> 3] >> (row & 7) & 1:
                self._watched = NO_ROW
            elif known[row] and self.trips.worse(row, values[row]):
                self.dirty = True

    def _compare(self, values, known, minutes):
        """The trip page first, so that a row is noted before it counts as held."""
        pages = self._pages
        seen = self._seen
        for i in range(2 * HELD_BYTES):
            now = pages[i]
            before = seen[i]
            if now != before:
                seen[i] = now
                if i < HELD_BYTES:
                    self._tripped(8 * i, now & ~before, values, known, minutes)
                else:
                    self.held[i - HELD_BYTES] = now
                    self.change()

    def _tripped(self, row, risen, values, known, minutes):
        """Notes the rows of `risen`, from `row` on. One that is held already is not counted: its cause came back."""
        while risen:
            if risen & 1:
                if not self.is_held(row):
                    self.note(row, values[row] if known[row] else NA, minutes)
                self._watched = row
            risen >>= 1
            row += 1

    def note(self, row, value, minutes):
        """Counts a trip of `row`: its value, and the wall time in minutes as the gateway told it last, or NA."""
        self.trips.note(row, value, minutes, self.life.boot)
        self.dirty = self.noted = True

    def change(self):
        """Something has changed that is to outlive a reset in the next moment."""
        self.backup_due = self.urgent = self.dirty = True

    # Between cycles.

    def keep(self, wear_ppm, heater_wh, heater_j, tries, open_requested):
        """Totals over all lives, and what a boot must not forget. `heater_j` alone is no reason to save."""
        wear_ppm = min(_MOST, wear_ppm)
        tries = min(_MOST_TRIES, tries)
        self.heater_j = min(_MOST, heater_j)
        if wear_ppm != self.wear_ppm:
            self.wear_ppm = wear_ppm
            self.urgent = self.dirty = True
        if heater_wh != self.heater_wh:
            self.heater_wh = heater_wh
            self.dirty = True
        if tries != self.tries or open_requested != self.open_requested:
            self.tries = tries
            self.open_requested = open_requested
            self.change()

    def save_due(self, open_now, cycles):
        """Once a cycle, with the cycles since the last call. True: save now.

        A save erases up to three pages, each of which stalls an STM32G4 for 22 ms: while outputs are closed it waits.
        """
        self._since_save = min(SLOW_CYCLES, self._since_save + cycles)
        if not self.urgent:
            return self.dirty and self._since_save >= (NOTED_CYCLES if self.noted and open_now else SLOW_CYCLES)
        self._waited = min(CLOSED_CYCLES, self._waited + cycles)
        return self._since_save >= SPACING_CYCLES and (open_now or self._waited >= CLOSED_CYCLES)

    def tried(self, saved):
        """A save was tried. One that failed is tried again as if it were new."""
        self._since_save = self._waited = 0
        if saved:
            self.dirty = self.noted = self.urgent = False

    def pack(self):
        """The first bytes of what is stored; trips.table follows them, so that it is never in memory twice."""
        life = self.life
        return struct.pack(HEAD, MAGIC, FORMAT, self.rows, bytes(self.held), self._flags(), life.restarts, self.tries,
                           life.boot, self.wear_ppm, self.heater_wh, self.heater_j, *life.causes)

    def pack_small(self):
        """Makes `small` whole: held rows, boot number, restarts, tries, flags."""
        small = self.small
        life = self.life
        small[0] = SMALL | self._flags()
        small[7] = life.boot & 0xFF
        small[8] = life.boot >> 8
        small[9] = life.restarts << 4 | self.tries
        check = crc16(small, 10)
        small[10] = check & 0xFF
        small[11] = check >> 8

    def _flags(self):
        life = self.life
        return ((1 if self.open_requested else 0) | (2 if life.strained else 0) | (4 if life.doubt else 0)
                | (8 if life.proved else 0))
