"""NUCLEO-G474RE: which pin does what, and what MicroPython has for it. safe.py drives the same outputs.

Names of ports A and D need their P: without it "A4" and "D2" are the sockets of the Arduino header. Not used: PB8
(BOOT0: a pull-up there starts the chip's own loader), PC13 (the blue button), PA2 and PA3 (console), PA13 to PA15 and
PB3, PB4 (ST-LINK).
"""

import machine
import safe
from drivers.backup_memory import WordBackup
from machine import ADC, SPI, Pin, SoftI2C
from running.console_port import ConsolePort

try:
    from disk import FOLDER
except ImportError:  # weighed without the board's own files
    FOLDER = ""

# Outputs: high is on, each behind a driver with a pull-down of its own.
CHARGE = "C6"  # FETs: the gate's permission; contactors: the one at the positive pole
DISCHARGE = "C7"  # the same for discharge; the contactor at the negative pole
PRECHARGE = "C8"
HEATER = "C9"
LIGHT = "C12"  # status light at the enclosure
# Auxiliary contacts to 3.3 V: high is closed.
CHARGE_AUX = "B0"  # with contactors only
DISCHARGE_AUX = "B1"  # with contactors only
PRECHARGE_AUX = "B2"
HEATER_AUX = "B10"
PRECHARGE_AUX_FITTED = HEATER_AUX_FITTED = False  # without one the output's own pin is what is measured
# Loops and sensors with a contact to 3.3 V that is closed while all is well: a broken wire is a fault.
INTERLOCK = "B12"
EMERGENCY_STOP = "B13"
SMOKE = "B14"  # a bridge where there is no detector
LEAK = "B15"
# Contacts to ground: low is pressed, held, there.
SERVICE = "C10"  # jumper; only the boot looks at it
ARMING = "C11"  # jumper or key
CHARGER = "B5"  # optocoupler on the charger's side
CLEAR = "B6"  # button: hold it for 3 s
KEY = "B7"  # wakes the node
# The bus: FDCAN1, through an isolated transceiver. MicroPython knows its pins.
CAN_TX, CAN_RX = "PA12", "PA11"
# I2C of BQ76952 and INA228, bit by bit on any two pins; 2.2 kohm to 3.3 V.
SCL, SDA = "PA9", "PA8"
ALERT = "B11"  # of the INA228, which pulls it low
# SPI1 of the LTC6820, at 1 MHz. SCK is the green light's pin.
SCK, MISO, MOSI = "PA5", "PA6", "PA7"
CHAIN_CS = "C4"
# Inputs of the converter; full scale is 3.3 V.
SUPPLY_ADC = "PA0"  # coils' supply through 100 kohm, 22 kohm to ground
PACK_ADC = "PA1"  # pack through 191 kohm, 10 kohm to ground; only with an LTC681x
HUMIDITY_ADC = "C0"  # HIH-5030, fed from the same 3.3 V
INSULATION_ADC = "C1"  # insulation monitor's output: 0 to 3.0 V are 0 to 1000 kohm

SLOT_BYTES = 98304  # firmware/platform/boards/nucleo_g474re.json
WATCHDOG_MS = 2000
_I2C_HZ = 400000
_I2C_TIMEOUT_US = 2000
_BACKUP = 0x40002500  # TAMP_BKP0R
_CAUSES = (("PWRON_RESET", 1), ("HARD_RESET", 2), ("WDT_RESET", 3), ("SOFT_RESET", 4), ("DEEPSLEEP_RESET", 5))
# (pin, counts, values): supply mV, humidity %, insulation kohm, pack mV
_ANALOG = ((SUPPLY_ADC, (0, 65535), (0, 18300)),
           (HUMIDITY_ADC, (3277, 9929, 51609, 58982), (0, 0, 100, 100)),
           (INSULATION_ADC, (0, 59578, 65535), (0, 1000, 1000)),
           (PACK_ADC, (0, 65535), (0, 66330)))


def _out(name):
    return Pin(name, Pin.OUT, value=0), 1


def _up(name):
    """An input with a contact to ground, active low."""
    return Pin(name, Pin.IN, Pin.PULL_UP), 0


def _down(name, active=1):
    """An input with a contact to 3.3 V."""
    return Pin(name, Pin.IN, Pin.PULL_DOWN), active


class Board:
    """What real_board composes a node of. Nothing is switched on by anything here."""

    name = safe.BOARD.decode()
    FOLDER = FOLDER
    SLOT_BYTES = SLOT_BYTES

    def reset_cause(self):
        """As NodeInfo tells it."""
        cause = machine.reset_cause()
        for name, told in _CAUSES:
            if getattr(machine, name, None) == cause:
                return told
        return 0

    def slot_state(self):
        """What the boot found: slot, trial, versions rolled back."""
        return getattr(safe, "slot_state", (2, 0, 0))

    def backup(self):
        """Registers that outlive a reset, and a power cut while VBAT is fed."""
        if hasattr(machine, "mem_backup"):
            return WordBackup(machine.mem_backup())
        from drivers.backup_registers import Registers

        return WordBackup(Registers(machine.mem32, _BACKUP, 16))

    def pins(self, fets):
        """Pins by name, as drivers.pins_gpio takes them; FETs have no auxiliary contacts."""
        named = {
            "charge": _out(CHARGE), "discharge": _out(DISCHARGE), "precharge": _out(PRECHARGE), "heater": _out(HEATER),
            "light": _out(LIGHT), "interlock": _down(INTERLOCK), "estop": _down(EMERGENCY_STOP), "arming": _up(ARMING),
            "charger": _up(CHARGER), "smoke": _down(SMOKE, 0), "leak": _down(LEAK, 0), "clear": _up(CLEAR),
            "wake": _up(KEY)}
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
        return Pin(ALERT, Pin.IN, Pin.PULL_UP)

    def chain(self):
        """SPI in mode 3 and chip select of an LTC6820."""
        return SPI(1, baudrate=1000000, polarity=1, phase=1), Pin(CHAIN_CS, Pin.OUT, value=1)

    def analog(self, which):
        """0 supply, 1 humidity, 2 insulation, 3 pack: the converter's channel and its table."""
        name, counts, values = _ANALOG[which]
        return ADC(Pin(name)), counts, values

    def can_port(self):
        """machine.CAN, from MicroPython 1.28 on; pyb.CAN before."""
        try:
            from machine import CAN
        except ImportError:
            from drivers.can_pyb import PybPort
            from pyb import CAN

            return PybPort(CAN(1))
        from drivers.can_machine import MachinePort

        return MachinePort(CAN(1, 500000))

    def watchdog(self):
        return machine.WDT(timeout=WATCHDOG_MS)

    def console(self):
        return ConsolePort()

    def idle(self):
        """Rests until something happens, at most a millisecond."""
        machine.idle()
