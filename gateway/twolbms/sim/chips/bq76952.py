"""A BQ76952 by its registers: direct commands, the subcommand window, data memory, FETs, balancing, loss of supply.

Time moves only by `advance_us`; what happens on the way happens in its order. Where the maker's manual leaves open
what the chip does, it does what is worst for a host (see the switches of `Bq76952Chip`). Settings, protections and
wire stand in files of their own beside this one. It knows no driver.
"""

from __future__ import annotations

from collections.abc import Sequence

from twolbms.sim.chips.bq76952_memory import CELL_THERMISTOR, FET_THERMISTOR, MEMORY, PINS, DataMemory
from twolbms.sim.chips.bq76952_protections import LETTERS, Protections
from twolbms.sim.chips.bq76952_wires import SenseWires

DEVICE_NUMBER = 0x7695

# Alarm bits
ADSCAN, CB, XDSG, XCHG, FULLSCAN, INITCOMP, SSA, SSBC = 1 << 1, 1 << 2, 1 << 5, 1 << 6, 1 << 7, 1 << 9, 1 << 14, 1 << 15
# FET status bits, and the same order as FET_CONTROL has it
CHG, PCHG, DSG, PDSG = 1, 2, 4, 8
HOST_DSG, HOST_PDSG, HOST_CHG, HOST_PCHG = 1, 2, 4, 8

_BOOT_US = 250_000
_SCANS_OF_A_FULL_SCAN = 3
_BUSY_US = {0x0090: 2_000, 0x0092: 1_000}


def f_kelvin(celsius: float) -> int:
    """0.1 K, as the chip reports a temperature."""
    return round((celsius + 273.15) * 10)


class Bq76952Chip(DataMemory):
    """What lies at its pins is set from outside: mV, mA (positive charges), degC.

    `exit_forgets` lets the host's FET flags fall back to FET_INIT_OFF when CONFIG_UPDATE is left. `pdsg_alone` lets
    the pre-discharge FET follow its own flag while the discharge FET is blocked. `deaf` commands are not carried out,
    `holds` are addresses of data memory that take no write, `stuck` registers always read the same. `lost_commands`
    came while the chip was busy, `bad_checksums` and `refused_writes` were not carried out.
    """

    def __init__(self, crc: bool = True, shunt_ohm: float = 0.00025) -> None:
        super().__init__()
        self.crc = crc
        self.shunt_ohm = shunt_ohm
        self.cells_mv = [3300.0] * 16
        self.wires = SenseWires(self)
        self.stack_error_mv = 0.0
        self.link_mv = self.load_mv = 0.0  # PACK and LD pins
        self.current_ma: float = 0.0
        self.thermistors_c: dict[str, float] = dict.fromkeys(PINS, 25.0)
        self.die_c = 30.0
        self.noise_mv: Sequence[int] = (0,)  # added to every cell, one a scan, over and over
        self.frozen = False  # no conversion any more, everything else lives
        self.stuck: dict[int, bytes] = {}
        self.deaf: set[int] = set()
        self.device = DEVICE_NUMBER
        self.security = 1  # 1 full access, 2 unsealed, 3 sealed
        self.command_us, self.memory_us = 60, 500
        self.exit_forgets = True
        self.pdsg_alone = True
        self.lost_commands = self.bad_checksums = self.refused_writes = self.scans = self.unknown = 0
        self.neighbours = False  # two neighbours were balanced at once
        self.commands: list[int] = []
        self.now_us = 0
        self.powered = False
        self.wake()

    # Supply

    def wake(self, watchdog: bool = False) -> None:
        """Out of SHUTDOWN, after a loss of supply, a RESET or the internal watchdog: nothing of before is left."""
        self.powered, self.por, self.watchdog_bit = True, True, watchdog
        self.ready_us = self.now_us + _BOOT_US
        self.first_nack = not watchdog
        self.forget_settings()
        self.config = self.fet_en = False
        self.host_off = 0
        self.dsg_on = False
        self._pre_since: int | None = None
        self.balanced = 0
        self._balance_end = 0
        self.alarm = 0
        self.window = bytearray(36)  # 0x3E .. 0x61
        self._pending: int | None = None
        self._busy_until = self.now_us
        self._shut = 0
        self.heard_us = self.now_us
        self.protections = Protections(self)
        self._restart_measuring()

    def lose_power(self) -> None:
        self.powered = False

    def _restart_measuring(self) -> None:
        """What happens at every start and when CONFIG_UPDATE is left: settings are taken over, scans begin anew."""
        self.alarm_enable = self.u16(0x926D)
        self.measured = [0] * 16
        self.temperatures: dict[str, float] = {}
        self.stack_mv = 0.0
        self._loop = 0
        self._next_scan = max(self.now_us, self.ready_us) + self.scan_us
        self.wires.restart()
        self.protections.forget()
        if self.exit_forgets:
            self.host_off = 0xF if self.u8(0x9308) & 0x20 else 0

    # Time

    def advance_us(self, us: float) -> None:
        """Lets time pass. What is set at the pins holds for the whole of it."""
        end = self.now_us + round(us)
        self._settle()
        while self.powered and self.now_us < end:
            self.now_us = min([t for t in self._events() if t > self.now_us] + [end])
            self._settle()
        self.now_us = end

    def _events(self) -> list[int]:
        events = [self._busy_until, *self.protections.events()]
        if not self.config:
            events += [self._next_scan, self._balance_end, self.wires.next_check]
            if self._pre_since is not None:
                events.append(self._pre_since + self.u8(0x930E) * 10_000)
        return events

    def _settle(self) -> None:
        if not self.powered or self.now_us < self.ready_us:
            return
        if self._pending is not None and not self.busy:
            self._done(self._pending)
        if self.config or not self.powered:
            return
        raw = 0
        if not self.frozen:
            self.wires.step()
            raw = self._scan() if self.now_us >= self._next_scan else 0
        self.protections.step()
        if self.balanced and self.now_us >= self._balance_end:
            self.balanced = 0
        self._drive()
        self.alarm |= (raw | self.alarm_raw) & self.alarm_enable

    def _scan(self) -> int:
        """One loop: cells, stack and current; a full scan every third."""
        self._next_scan += self.scan_us
        noise = self.noise_mv[self.scans % len(self.noise_mv)]
        self.scans += 1
        self._loop += 1
        connected = self.connected
        self.measured = [self.wires.cell_mv(n) + noise if n in connected else 0 for n in range(16)]
        self.stack_mv = self.wires.stack_mv + self.stack_error_mv
        if self._loop % _SCANS_OF_A_FULL_SCAN:
            return ADSCAN
        self.temperatures = {pin: self.thermistors_c[pin]
                             for pin in self.sensors(CELL_THERMISTOR) + self.sensors(FET_THERMISTOR)}
        if self._too_warm_to_balance():
            self.balanced = 0
        return ADSCAN | FULLSCAN

    def _too_warm_to_balance(self) -> bool:
        cells = [self.temperatures[pin] for pin in self.sensors(CELL_THERMISTOR)]
        return self.die_c > self.i8(0x9338) or any(not self.i8(0x9336) <= c <= self.i8(0x9337) for c in cells)

    @property
    def alarm_raw(self) -> int:
        """The levels; the pulses of the scans are not in it."""
        a, b, c = self.protections.status
        return (SSA if a else 0) | (SSBC if b | c else 0) | (CB if self.balanced else 0) | (
            0 if self.fets & CHG else XCHG) | (0 if self.fets & DSG else XDSG)

    # FETs

    def _allowed(self, host: int, protections: int) -> bool:
        """A FET may be on: no host flag, no protection that opens it (three settings from `protections` on)."""
        if self.config or not self.fet_en or not self.u8(0x9308) & 0x08:
            return False
        blocked = any(self.protections.status[n] & self.u8(protections + n) for n in range(len(LETTERS)))
        return not blocked and not (self.host_off & host and self.u8(0x9308) & 0x04)

    def _drive(self) -> None:
        """The discharge FET comes after its pre-discharge, when that is enabled."""
        if not self._allowed(HOST_DSG, 0x9269):
            self.dsg_on, self._pre_since = False, None
        elif not self.dsg_on:
            pre = self.u8(0x9308) & 0x10 and self._allowed(HOST_PDSG, 0x9269)
            if pre and self._pre_since is None:
                self._pre_since = self.now_us
            near = abs(self.stack_mv - self.load_mv) <= self.u8(0x930F) * 10
            late = self._pre_since is not None and self.now_us - self._pre_since >= self.u8(0x930E) * 10_000
            if not pre or near or late:
                self.dsg_on, self._pre_since = True, None

    @property
    def fets(self) -> int:
        """Which drivers are on. Body diode protection turns the other one on while current flows through it."""
        if not self.powered or self.config:
            return 0
        on = (CHG if self._allowed(HOST_CHG, 0x9265) else 0) | (DSG if self.dsg_on else 0)
        alone = self.pdsg_alone and self.u8(0x9308) & 0x10 and not on & DSG and self._allowed(HOST_PDSG, 0x9269)
        if self._pre_since is not None or alone:
            on |= PDSG
        if self.u8(0x9308) & 0x01:
            if on & (DSG | PDSG) and self.current_ma < -self.u16(0x9273):
                on |= CHG
            if on & CHG and self.current_ma > self.u16(0x9273):
                on |= DSG
        return on

    # Direct commands

    def read(self, register: int, count: int) -> bytes:
        """`count` bytes from `register` on; registers follow each other."""
        self._settle()
        registers = self._direct()
        for at, value in self.stuck.items():
            registers[at : at + len(value)] = value
        return bytes(registers[register : register + count]).ljust(count, b"\xff")

    def _direct(self) -> bytearray:
        r = bytearray(128)
        for n in range(len(LETTERS)):
            r[2 + 2 * n], r[3 + 2 * n] = self.protections.alert[n], self.protections.status[n]
        r[0x12:0x14] = self.battery_status.to_bytes(2, "little")
        unit_ma = 10.0 ** ((self.u8(0x9303) & 3) - 1)
        words: dict[int, float] = {0x14 + 2 * n: mv for n, mv in enumerate(self.measured)}
        words |= {0x34: self.stack_mv / 10, 0x36: self.link_mv / 10, 0x38: self.load_mv / 10,
                  0x3A: 0.0 if self.config else self.current_ma * self.gain_error(self.shunt_ohm) / unit_ma}
        words |= {0x68: f_kelvin(self.die_c)} | {
            0x6A + 2 * n: f_kelvin(self.temperatures[pin]) for n, pin in enumerate(PINS) if pin in self.temperatures}
        for at, word in words.items():
            r[at : at + 2] = max(-0x8000, min(0x7FFF, round(word))).to_bytes(2, "little", signed=True)
        r[0x3E:0x62] = self.window if not self.busy else b"\xff" * 36
        for at, word in ((0x62, self.alarm), (0x64, self.alarm_raw), (0x66, self.alarm_enable)):
            r[at : at + 2] = word.to_bytes(2, "little")
        r[0x7F] = self.fets
        return r

    @property
    def battery_status(self) -> int:
        ready = self.now_us >= self.ready_us
        bits = {0: self.config, 2: self.u16(0x9234) >> 8 & 1, 3: self.por, 4: self.watchdog_bit,
                11: any(self.protections.status)}
        return sum(1 << bit for bit, on in bits.items() if on) | (self.security << 8 if ready else 0)

    def write(self, register: int, data: bytes) -> None:
        """Consecutive bytes of one transfer that came with their checks."""
        self._settle()
        if 0x3E <= register <= 0x61:
            self._write_window(register, data)
        if register == 0x62 and len(data) == 2:
            self.alarm &= ~int.from_bytes(data, "little")
        if register == 0x66 and len(data) == 2:
            self.alarm_enable = int.from_bytes(data, "little")
        self._settle()

    # Subcommands

    @property
    def busy(self) -> bool:
        return self.now_us < self._busy_until

    def _write_window(self, register: int, data: bytes) -> None:
        """A host that does not wait is not heard."""
        if self.busy:
            self.lost_commands += 1
            return
        for n, value in enumerate(data):
            at = register + n
            self.window[at - 0x3E] = value
            if at == 0x3F:
                self._command(self.window[0] | value << 8)
            if at >= 0x40:  # the host brings data: there is nothing to fetch
                self._pending, self._busy_until = None, self.now_us
            if at == 0x61 and n:
                self._transfer(value)

    def _command(self, code: int) -> None:
        self.commands.append(code)
        self._shut = self._shut + 1 if code == 0x0010 else 0
        memory = code >= MEMORY
        self._busy_until = self.now_us + _BUSY_US.get(code, self.memory_us if memory else self.command_us)
        self._pending = code

    def _done(self, code: int) -> None:
        """The time is over: the command has been carried out, its answer stands in the window."""
        self._pending = None
        if code not in self.deaf and code < MEMORY:
            self._carry_out(code)
        if self.powered:
            self._populate(code)

    def _carry_out(self, code: int) -> None:
        if code == 0x0090 and self.security != 3:
            self.config, self.balanced = True, 0
        elif code == 0x0092 and self.config:
            self.config = self.por = False
            self._restart_measuring()
        elif code == 0x0022 and self.security != 3:
            self.fet_en = not self.fet_en
        elif code in (0x0093, 0x0094, 0x0095, 0x0096):
            self.host_off = {0x0093: self.host_off | 3, 0x0094: self.host_off | 0xC, 0x0095: 0xF, 0x0096: 0}[code]
        elif code == 0x0010 and self._shut == 2:
            self.powered = False
        elif code == 0x0012 and self.security != 3:
            self.wake()
        elif code in (0x0099, 0x009A):
            power = self.u16(0x9234) & ~0x100 | (0x100 if code == 0x0099 else 0)
            self.ram[0x234:0x236] = power.to_bytes(2, "little")
        elif code in (0x009B, 0x009C):
            self.protections.recover(code)
        elif code not in (0x0001, 0x0057, 0x0083, 0x0097):
            self.unknown += 1

    def _populate(self, code: int) -> None:
        """The answer, with its checksum and length."""
        if code >= MEMORY:
            data = self.settings(code)
        else:
            words = {0x0001: self.device, 0x0057: 0x10 if self.fet_en else 0, 0x0083: self.balanced}
            data = words[code].to_bytes(2, "little") if code in words else b""
        self.window[:] = code.to_bytes(2, "little") + data.ljust(32, b"\0") + bytes(
            (~(sum(code.to_bytes(2, "little")) + sum(data)) & 0xFF, len(data) + 4))

    def _transfer(self, length: int) -> None:
        """0x60 and 0x61 came together: the host's data are taken when their sum is right."""
        code = self.window[0] | self.window[1] << 8
        data = bytes(self.window[2 : length - 2])
        if length < 5 or length > 36 or ~(sum(self.window[:2]) + sum(data)) & 0xFF != self.window[34]:
            self.bad_checksums += 1
        elif code >= MEMORY:
            self._write_memory(code, data)
        elif code == 0x0097 and code not in self.deaf:
            self.host_off = data[0] & 0xF
        elif code == 0x0083 and code not in self.deaf:
            self._balance(int.from_bytes(data[:2], "little"))
        self._busy_until = self.now_us + (self.memory_us if code >= MEMORY else self.command_us)

    def _write_memory(self, address: int, data: bytes) -> None:
        if self.config and self.security != 3:
            self.write_settings(address, data)
        else:
            self.refused_writes += 1

    def _balance(self, mask: int) -> None:
        most = max(1, self.u8(0x933A))
        unfit = self.u8(0x9335) & 0x10 or mask.bit_count() > most or self._too_warm_to_balance()
        if self.config or unfit or not self.temperatures:
            mask = 0
        self.neighbours = self.neighbours or mask & mask << 1 != 0
        self.balanced = mask & sum(1 << n for n in self.connected)
        self._balance_end = self.now_us + self.u8(0x9339) * 1_000_000
