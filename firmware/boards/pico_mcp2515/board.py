"""Raspberry Pi Pico with an MCP2515: which pin does what. safe.py drives the same outputs.

The console is USB. Not used: 23, 24, 29 (the board's own).
"""

import machine
import safe
from drivers.backup_memory import WordBackup
from drivers.can_mcp2515 import Mcp2515Port
from machine import ADC, SPI, Pin, SoftI2C
from running.console_port import ConsolePort

# Outputs: high is on, each behind a driver with a pull-down of its own.
CHARGE = 10  # FETs: the gate's permission; contactors: the one at the positive pole
DISCHARGE = 11  # the same for discharge; the contactor at the negative pole
PRECHARGE = 12
HEATER = 13
LIGHT = 25  # the board's own light
# Auxiliary contacts to 3.3 V: high is closed.
CHARGE_AUX = 6  # with contactors only
DISCHARGE_AUX = 7  # with contactors only
PRECHARGE_AUX = 8
HEATER_AUX = 9
PRECHARGE_AUX_FITTED = HEATER_AUX_FITTED = False  # without one the output's own pin is what is measured
# Loops and sensors with a contact to 3.3 V that is closed while all is well: a broken wire is a fault.
INTERLOCK = 0
EMERGENCY_STOP = 1
SMOKE = 2  # a bridge where there is no detector
LEAK = 3
# Contacts to ground: low is pressed, held, there.
SERVICE = 14  # jumper; only the boot looks at it
ARMING = 15  # jumper or key
CHARGER = 21  # optocoupler on the charger's side
CLEAR = 22  # button: hold it for 3 s
KEY = 20  # wakes the node; with an LTC681x it is the chain's chip select, and there is no key
# SPI0: MCP2515 with a 16 MHz crystal; with an LTC681x the LTC6820 shares it, at its 1 MHz. Both take mode 3.
SCK, MOSI, MISO = 18, 19, 16
CAN_CS = 17
CRYSTAL_MHZ = 16
CHAIN_CS = 20
# I2C of BQ76952 and INA228, bit by bit; 2.2 kohm to 3.3 V. The INA228's alert has no pin left.
SCL, SDA = 5, 4
# Inputs of the converter; full scale is 3.3 V.
SUPPLY_ADC = 26  # coils' supply through 100 kohm, 22 kohm to ground
HUMIDITY_ADC = 27  # HIH-5030, fed from the same 3.3 V
INSULATION_ADC = 27  # or an insulation monitor's output: 0 to 3.0 V are 0 to 1000 kohm
PACK_ADC = 28  # pack through 191 kohm, 10 kohm to ground; only with an LTC681x

SLOT_BYTES = 196608  # firmware/platform/boards/pico_mcp2515.json
WATCHDOG_MS = 2000
_I2C_HZ = 400000
_I2C_TIMEOUT_US = 2000
_SPI_HZ = 8000000
_CHAIN_HZ = 1000000
_BACKUP = 0x4005800C  # WATCHDOG_SCRATCH0
_CAUSES = (("PWRON_RESET", 1), ("WDT_RESET", 3))
# (pin, counts, values): supply mV, humidity %, insulation kohm, pack mV
_ANALOG = ((SUPPLY_ADC, (0, 65535), (0, 18300)),
           (HUMIDITY_ADC, (3277, 9929, 51609, 58982), (0, 0, 100, 100)),
           (INSULATION_ADC, (0, 59578, 65535), (0, 1000, 1000)),
           (PACK_ADC, (0, 65535), (0, 66330)))


def _out(number):
    return Pin(number, Pin.OUT, value=0), 1


def _up(number):
    """An input with a contact to ground, active low."""
    return Pin(number, Pin.IN, Pin.PULL_UP), 0


def _down(number, active=1):
    """An input with a contact to 3.3 V."""
    return Pin(number, Pin.IN, Pin.PULL_DOWN), active


class Board:
    """What real_board composes a node of. Nothing is switched on by anything here."""

    name = safe.BOARD.decode()
    FOLDER = ""
    SLOT_BYTES = SLOT_BYTES

    def __init__(self):
        self._spi = None
        self._analog = []  # pins that are given away
        self._shared = False

    def reset_cause(self):
        """As NodeInfo tells it; a reset that the node asked for looks like the watchdog's here."""
        cause = machine.reset_cause()
        for name, told in _CAUSES:
            if getattr(machine, name, None) == cause:
                return told
        return 0

    def slot_state(self):
        """What the boot found: slot, trial, versions rolled back."""
        return getattr(safe, "slot_state", (2, 0, 0))

    def backup(self):
        """The watchdog's scratch registers, which outlive a reset but no power cut."""
        if hasattr(machine, "mem_backup"):
            return WordBackup(machine.mem_backup())
        from drivers.backup_registers import Registers

        return WordBackup(Registers(machine.mem32, _BACKUP, 4))

    def pins(self, fets):
        """Pins by name, as drivers.pins_gpio takes them; FETs have no auxiliary contacts."""
        named = {
            "charge": _out(CHARGE), "discharge": _out(DISCHARGE), "precharge": _out(PRECHARGE), "heater": _out(HEATER),
            "light": _out(LIGHT), "interlock": _down(INTERLOCK), "estop": _down(EMERGENCY_STOP), "arming": _up(ARMING),
            "charger": _up(CHARGER), "smoke": _down(SMOKE, 0), "leak": _down(LEAK, 0), "clear": _up(CLEAR)}
        if not self._shared:
            named["wake"] = _up(KEY)
        if not fets:
            named["charge_aux"] = _down(CHARGE_AUX)
            named["discharge_aux"] = _down(DISCHARGE_AUX)
        if PRECHARGE_AUX_FITTED:
            named["precharge_aux"] = _down(PRECHARGE_AUX)
        if HEATER_AUX_FITTED:
            named["heater_aux"] = _down(HEATER_AUX)
        return named

    def i2c(self):
        return SoftI2C(scl=Pin(SCL), sda=Pin(SDA), freq=_I2C_HZ, timeout=_I2C_TIMEOUT_US)

    def recovery(self, clock):
        """For a stuck bus: its two pins stay what they are, open drain."""
        from drivers.i2c_bus import BusRecovery

        return BusRecovery(Pin(SCL, Pin.OPEN_DRAIN, value=1), Pin(SDA, Pin.OPEN_DRAIN, value=1), clock=clock)

    def alert(self):
        """None: no pin is left for it."""

    def chain(self):
        """SPI in mode 3 and chip select of an LTC6820; asked for before pins() and can_port()."""
        self._shared = True
        return self._bus(), Pin(CHAIN_CS, Pin.OUT, value=1)

    def _bus(self):
        if self._spi is None:
            self._spi = SPI(0, baudrate=_CHAIN_HZ if self._shared else _SPI_HZ, polarity=1, phase=1, sck=Pin(SCK),
                            mosi=Pin(MOSI), miso=Pin(MISO))
        return self._spi

    def analog(self, which):
        """0 supply, 1 humidity, 2 insulation, 3 pack: the converter's channel and its table.

        ValueError for a pin that is given away: one sensor's voltage must never be read by another's table.
        """
        number, counts, values = _ANALOG[which]
        if number in self._analog:
            raise ValueError(f"a pack with both sensors on GP{number} does not fit this board")
        self._analog.append(number)
        return ADC(Pin(number)), counts, values

    def can_port(self):
        return Mcp2515Port(self._bus(), Pin(CAN_CS, Pin.OUT, value=1), CRYSTAL_MHZ)

    def watchdog(self):
        return machine.WDT(timeout=WATCHDOG_MS)

    def console(self):
        return ConsolePort()

    def idle(self):
        """Rests until something happens."""
        machine.idle()
