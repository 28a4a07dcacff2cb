"""The memory of faults: what it notes, what it holds, when it is saved, and that damage to it is noticed."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store.check import crc16
from store.faults import FaultMemory
from store.life import Life
from store.startup import begin, restore, restore_small
from store.trips import COUNT, FIRST_BOOT, FIRST_MINUTES, LAST_BOOT, LAST_MINUTES, WORST

NA = -(1 << 28)
NO_ROW = 255
SIGN = (1, -1, 1, 1, -1, 1, 1, 1, 1, 1)
ROWS = len(SIGN)
POWER_ON, PIN, WATCHDOG, SOFTWARE, SLEEP = 1, 2, 3, 4, 5


class Table:
    """The limit table's bits by hand, its values, and what is known of them."""

    def __init__(self, faults: FaultMemory) -> None:
        self.faults = faults
        self.bits = bytearray(24)  # warn, limit, trip, latched: six bytes each
        self.values = array("i", [0] * ROWS)
        self.known = bytearray(b"\x01" * ROWS)
        for row in range(ROWS):
            self.put(3, row, bool(faults.is_held(row)))
        faults.attach(self.bits)

    def put(self, page: int, row: int, on: bool) -> None:
        at = 6 * page + row // 8
        self.bits[at] = self.bits[at] | 1 << row % 8 if on else self.bits[at] & ~(1 << row % 8)

    def follow(self, minutes: int = NA) -> None:
        self.faults.follow(self.values, self.known, minutes)

    def trip(self, row: int, value: int, minutes: int = NA, latches: bool = True) -> None:
        self.put(2, row, True)
        self.put(3, row, latches)
        self.values[row] = value
        self.follow(minutes)

    def gone(self, row: int) -> None:
        """The cause has gone; a latch waits."""
        self.put(2, row, False)
        self.follow()

    def clear(self, row: int) -> None:
        self.put(3, row, False)
        self.gone(row)


def latch(faults: FaultMemory, row: int) -> None:
    Table(faults).trip(row, 1)


def unlatch(faults: FaultMemory, row: int) -> None:
    table = Table(faults)
    table.follow()
    table.clear(row)


@pytest.fixture
def faults() -> FaultMemory:
    made = FaultMemory(SIGN)
    begin(made.life, POWER_ON)
    return made


def held(faults: FaultMemory) -> list[int]:
    return [row for row in range(faults.rows) if faults.is_held(row)]


def copied(faults: FaultMemory, sign: tuple[int, ...] = SIGN) -> FaultMemory:
    """The same through bytes."""
    other = FaultMemory(sign)
    assert restore(other, stored(faults))
    return other


def stored(faults: FaultMemory) -> bytes:
    return faults.pack() + bytes(faults.trips.table)


def test_a_trip_is_noted(faults: FaultMemory) -> None:
    """A trip has its count, its first and last minute and boot, its value, and is held."""
    table = Table(faults)
    table.trip(3, 3651, 30000000)
    table.clear(3)
    begin(faults.life, WATCHDOG)
    table.trip(3, 3655, 30000007)
    trips = faults.trips
    assert held(faults) == [3] and trips.get(3, COUNT) == 2 and trips.get(3, WORST) == 3655
    assert (trips.get(3, FIRST_MINUTES), trips.get(3, LAST_MINUTES)) == (30000000, 30000007)
    assert (trips.get(3, FIRST_BOOT), trips.get(3, LAST_BOOT)) == (1, 2)
    assert trips.get(2, COUNT) == 0


def test_two_rows_at_once(faults: FaultMemory) -> None:
    """Rows that trip in one cycle are all noted, each with its own value."""
    table = Table(faults)
    table.put(2, 2, True)
    table.put(2, 9, True)
    table.values[2], table.values[9] = 22, 99
    table.trip(7, 5)
    assert held(faults) == [7]
    assert [faults.trips.get(row, COUNT) for row in range(ROWS)] == [0, 0, 1, 0, 0, 0, 0, 1, 0, 1]
    assert [faults.trips.get(row, WORST) for row in (2, 7, 9)] == [22, 5, 99]


@pytest.mark.parametrize("row, values, worst", [(0, (5, 9, 7), 9), (1, (5, 2, 4), 2), (0, (-5, -9), -5)])
def test_the_worst_value_is_kept(row: int, values: tuple[int, ...], worst: int, faults: FaultMemory) -> None:
    """Of a row that stays tripped the worst value is kept, by the direction in which it gets worse."""
    table = Table(faults)
    table.trip(row, values[0])
    for value in values[1:]:
        table.values[row] = value
        table.follow()
    assert faults.trips.get(row, WORST) == worst


def test_an_unknown_value_is_no_worst(faults: FaultMemory) -> None:
    """A value that is not known is not kept, and the first known one is."""
    table = Table(faults)
    table.known[0] = 0
    table.trip(0, 12345)
    table.follow()
    assert faults.trips.get(0, WORST) == NA
    table.known[0] = 2  # doubtful, but a value
    table.values[0] = 99
    table.follow()
    assert faults.trips.get(0, WORST) == 99


def test_held_is_what_is_latched(faults: FaultMemory) -> None:
    """A row is held until its latch is cleared, and its cause's coming back meanwhile is the same fault."""
    table = Table(faults)
    table.trip(4, 10)
    table.gone(4)
    table.trip(4, 5)
    table.values[4] = 4
    table.follow()
    assert held(faults) == [4] and faults.trips.get(4, COUNT) == 1 and faults.trips.get(4, WORST) == 4
    table.clear(4)
    assert held(faults) == []
    table.trip(4, 11)
    assert faults.trips.get(4, COUNT) == 2


def test_a_row_that_does_not_latch(faults: FaultMemory) -> None:
    """A row that does not latch is counted each time its cause comes, and never held."""
    table = Table(faults)
    for _ in range(3):
        table.trip(6, 1, latches=False)
        table.gone(6)
    assert held(faults) == [] and faults.trips.get(6, COUNT) == 3


def test_counts_stop(faults: FaultMemory) -> None:
    """A count is held at 255."""
    for _ in range(300):
        faults.note(0, 1, NA)
    assert faults.trips.get(0, COUNT) == 255


@given(st.integers(-(1 << 31), 1 << 31), st.integers(0, (1 << 28) - 1))
def test_numbers_come_back(value: int, minutes: int) -> None:
    """Any value and minute is kept as it is, up to 2^29."""
    faults = FaultMemory(SIGN)
    faults.note(0, value, minutes)
    assert faults.trips.get(0, WORST) == max(-(1 << 29) + 1, min((1 << 29) - 1, value))
    assert faults.trips.get(0, LAST_MINUTES) == faults.trips.get(0, FIRST_MINUTES) == minutes


def test_walking_the_noted_rows(faults: FaultMemory) -> None:
    """next() goes through the rows that ever tripped, round the end of the table."""
    assert faults.trips.next(0) == NO_ROW
    for row in (2, 5, 9):
        faults.note(row, 1, NA)
    assert [faults.trips.next(row) for row in (0, 2, 4, 5, 9)] == [2, 5, 5, 9, 2]


def full(faults: FaultMemory) -> FaultMemory:
    table = Table(faults)
    table.trip(0, 100, 7)
    table.trip(9, -3, 8)
    faults.keep(1234567, 16777215, 5760000, 2, True)
    faults.life.tick(True, True, 10)
    faults.life.doubt = False
    return faults


def test_all_comes_back(faults: FaultMemory) -> None:
    """Everything that is kept comes back from its bytes."""
    other = copied(full(faults))
    assert held(other) == [0, 9] and (other.trips.get(9, COUNT), other.trips.get(9, WORST)) == (1, -3)
    assert (other.wear_ppm, other.heater_wh, other.heater_j) == (1234567, 16777215, 5760000)
    assert (other.tries, other.open_requested) == (2, True)
    life = other.life
    assert (life.boot, life.restarts, life.strained, life.proved, life.doubt) == (1, 0, True, False, False)
    assert list(life.causes) == [0, 1, 0, 0, 0, 0]


def test_bytes_of_something_else(faults: FaultMemory) -> None:
    """Bytes of another length, kind or format are not taken; that none was damaged is the record's promise."""
    whole = stored(full(faults))
    assert len(whole) == 40 + 24 * ROWS
    wrong = [whole[:length] for length in range(len(whole))] + [whole + b"\0"]
    for at in range(5):  # the kind, the format, the number of rows
        wrong.append(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
    for data in wrong:
        other = FaultMemory(SIGN)
        assert not restore(other, data)
        assert held(other) == [] and other.life.doubt and other.life.boot == 0 and not any(other.trips.table)


def test_damage_of_any_bit_of_the_backup(faults: FaultMemory) -> None:
    """One or two changed bits of the twelve bytes are noticed, and so are twelve of 0 or FF."""
    full(faults).pack_small()
    whole = bytes(faults.small)
    for first in range(96):
        for second in range(first, 96):
            data = bytearray(whole)
            for bit in {first, second}:
                data[bit // 8] ^= 1 << bit % 8
            assert not restore_small(FaultMemory(SIGN), data), (first, second)
    assert not restore_small(FaultMemory(SIGN), bytes(12)) and not restore_small(FaultMemory(SIGN), b"\xff" * 12)


def test_the_backup_brings_back_what_gates_a_restart(faults: FaultMemory) -> None:
    """Held rows, boot number, restarts, precharge tries and the gateway's open come back from twelve bytes."""
    full(faults).life.restarts = 3
    faults.pack_small()
    other = FaultMemory(SIGN)
    assert restore_small(other, faults.small)
    assert held(other) == [0, 9] and (other.life.boot, other.life.restarts, other.tries) == (1, 3, 2)
    assert other.open_requested and other.life.strained and not other.life.doubt
    assert other.trips.get(0, COUNT) == other.trips.get(9, COUNT) == 1  # noted, the value and time being lost
    assert other.trips.get(0, WORST) == other.trips.get(0, LAST_MINUTES) == NA


def test_the_newer_of_image_and_backup(faults: FaultMemory) -> None:
    """A backup of this life or a later one replaces what the image holds; an older one does not."""
    latch(faults, 1)
    image = copied(faults)
    unlatch(faults, 1)
    latch(faults, 2)
    faults.pack_small()
    assert restore_small(image, faults.small) and held(image) == [2]
    image = copied(faults)
    for _ in range(3):
        begin(image.life, PIN)
    assert not restore_small(image, faults.small) and image.life.boot == 4
    careful = FaultMemory(SIGN)
    latch(careful, 1)
    assert restore_small(careful, faults.small, True) and held(careful) == [1, 2]


def test_boot_numbers_wrap(faults: FaultMemory) -> None:
    """Boot 0 follows 65535, and its backup counts as the newer one."""
    faults.life.boot = 65535
    image = copied(faults)
    begin(faults.life, PIN)
    assert faults.life.boot == 0
    faults.pack_small()
    assert restore_small(image, faults.small) and image.life.boot == 0


def test_rows_of_another_firmware(faults: FaultMemory) -> None:
    """A longer table takes over what a shorter one noted; a held row that is not in the table raises a doubt."""
    unlatch(full(faults), 9)
    longer = copied(faults, (*SIGN, 1, 1))
    assert held(longer) == [0] and not longer.life.doubt
    assert longer.trips.get(9, WORST) == -3 and longer.trips.get(11, COUNT) == 0
    shorter = copied(faults, SIGN[:5])
    assert shorter.is_held(0) and not shorter.life.doubt
    latch(faults, 9)
    assert copied(faults, SIGN[:5]).life.doubt


def test_48_rows_at_most() -> None:
    """The frame of faults has room for 48 rows, and so has the memory."""
    full = FaultMemory((1,) * 48)
    full.attach(b"\0" * 17 + b"\x80" + b"\0" * 5 + b"\x80")
    full.follow([7] * 48, [1] * 48, NA)
    assert held(full) == [47] and full.trips.get(47, WORST) == 7
    with pytest.raises(ValueError):
        FaultMemory((1,) * 49)


def test_what_must_be_told_at_once(faults: FaultMemory) -> None:
    """Held rows, tries and the gateway's open ask for a backup; counts, wear and heat do not."""
    def due(change: str, *numbers: object) -> tuple[bool, bool, bool]:
        faults.backup_due = faults.urgent = faults.dirty = False
        getattr(faults, change)(*numbers)
        return faults.backup_due, faults.urgent, faults.dirty
    table = Table(faults)
    table.put(3, 1, True)
    assert due("follow", table.values, table.known, NA) == (True, True, True)
    table.put(3, 1, False)
    assert due("follow", table.values, table.known, NA) == (True, True, True)
    assert due("follow", table.values, table.known, NA) == (False, False, False)
    assert due("keep", 0, 0, 0, 1, False) == due("keep", 0, 0, 0, 1, True) == (True, True, True)
    assert due("keep", 9, 0, 0, 1, True) == (False, True, True)
    assert due("keep", 9, 1, 0, 1, True) == due("note", 1, 5, NA) == (False, False, True)
    assert due("keep", 9, 1, 500, 1, True) == (False, False, False)


def test_when_it_is_saved(faults: FaultMemory) -> None:
    """What is latched: after a second with outputs open, after a minute with them closed. Other trips: a minute after
    the last save, with outputs open. All the rest, and with them closed: every ten minutes."""
    faults.tried(True)
    assert not faults.save_due(True, 60000)  # nothing to save
    faults.tried(True)
    latch(faults, 1)
    assert [faults.save_due(True, 3) for _ in range(4)] == [False, False, False, True]
    faults.tried(True)
    unlatch(faults, 1)
    assert not faults.save_due(False, 599) and faults.save_due(False, 1)
    faults.tried(True)
    faults.note(1, 5, NA)
    assert not faults.save_due(True, 599) and not faults.save_due(False, 1) and faults.save_due(True, 0)
    faults.tried(True)
    faults.note(1, 5, NA)
    assert not faults.save_due(False, 5999) and faults.save_due(False, 1)
    faults.tried(True)
    faults.keep(0, 5, 0, 0, False)
    assert not faults.save_due(True, 5999) and faults.save_due(True, 1)


def test_opening_ends_the_wait(faults: FaultMemory) -> None:
    """What waited while outputs were closed is saved when they open."""
    faults.tried(True)
    latch(faults, 1)
    assert not faults.save_due(False, 100) and faults.save_due(True, 1)


def test_a_failed_save_is_tried_again(faults: FaultMemory) -> None:
    """A save that failed stays due, a second later with outputs open."""
    latch(faults, 1)
    faults.tried(False)
    assert not faults.save_due(True, 9) and faults.save_due(True, 1)
    faults.tried(True)
    assert not faults.save_due(True, 6000)


def test_a_latch_that_was_cleared_before_the_first_cycle(faults: FaultMemory) -> None:
    """What is restored and no longer in the limit table's bits is not held any more."""
    latch(faults, 4)
    other = copied(faults)
    other.attach(bytes(24))
    other.follow([0] * ROWS, [1] * ROWS, NA)
    assert held(other) == [] and other.backup_due


def life_after(*causes: int, seconds: float = 1, closed: bool = False) -> Life:
    """A first life by power-on, and one more for each cause; each lives `seconds` in health."""
    life = Life()
    for cause in (POWER_ON, *causes):
        begin(life, cause)
        life.tick(True, closed, round(10 * seconds))
    return life


def test_restarts_in_a_row() -> None:
    """Watchdog, software, pin and unknown resets count as restarts when the life before had no healthy minute."""
    assert life_after(WATCHDOG, SOFTWARE, PIN, 0).restarts == 4
    assert life_after(WATCHDOG, WATCHDOG, seconds=60).restarts == 0
    assert life_after(*[WATCHDOG] * 40).restarts == 15


def test_a_healthy_minute_ends_the_row() -> None:
    """60 s of health without a break, and no less, prove a life and set the restarts to 0."""
    life = life_after(WATCHDOG, WATCHDOG)
    assert life.restarts == 2 and not life.tick(True, False, 589) and life.restarts == 2
    assert not life.tick(False, False, 1)
    assert not life.tick(True, False, 599)
    assert life.tick(True, False, 1) and life.restarts == 0 and life.proved
    assert not life.tick(True, True, 1)


def test_switching_off_is_no_restart() -> None:
    """Somebody who switches the node off and on does not make it a restart loop; neither does waking from sleep."""
    assert life_after(POWER_ON, POWER_ON, SLEEP, SLEEP).restarts == 0


def test_a_coil_that_pulls_the_supply_down() -> None:
    """A power-on soon after outputs were closed is a restart: a brown-out looks like a power-on."""
    assert life_after(POWER_ON, POWER_ON, POWER_ON, closed=True).restarts == 3
    assert life_after(POWER_ON, POWER_ON, seconds=60, closed=True).restarts == 0


def test_causes_are_counted() -> None:
    """Each reset cause has its counter, held at 65535; one that is not known counts as unknown."""
    life = life_after(WATCHDOG, WATCHDOG, PIN, 9)
    assert list(life.causes) == [1, 1, 1, 2, 0, 0]
    life.causes[WATCHDOG] = 65535
    begin(life, WATCHDOG)
    assert life.causes[WATCHDOG] == 65535


def test_the_check() -> None:
    """The published check value of CRC-16 with this polynomial and start: 29B1 for "123456789"."""
    assert crc16(b"123456789", 9) == 0x29B1
