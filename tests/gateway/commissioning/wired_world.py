"""A pack on a builder's bench that can be wired wrongly, a person who does what is asked, and the node's own code.

The node's service modules run as they are sent to its prompt, over a board that this world answers for.
"""

from __future__ import annotations

import io
import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from twolbms.build.node_port import PortError, Progress
from twolbms.commissioning.conversation import Choice, Number, Step, Verdict
from twolbms.commissioning.readings import OUTPUT_NAMES, Readings
from twolbms.files import data_path

NA = -(1 << 28)
BITS = {"charge": 1, "discharge": 2, "precharge": 4, "heater": 8}
SOURCE = str(data_path("firmware", "src"))
if SOURCE not in sys.path:
    sys.path.insert(0, SOURCE)


@dataclass
class World:
    """What is true, and how it is wired. Cells and sensors count from 1; all mappings are identities when right."""

    cells_v: list[float] = field(default_factory=lambda: [3.301, 3.304, 3.299, 3.302, 3.300, 3.305, 3.298, 3.303])
    room_c: float = 21.0
    # wiring
    wires: dict[int, int] = field(default_factory=dict)  # input of the monitor: wire that is on it
    channels: dict[int, int] = field(default_factory=dict)  # cell as the monitor counts: cell it is
    sensors: dict[int, int] = field(default_factory=dict)  # input: sensor that is on it
    coils: dict[str, str] = field(default_factory=dict)  # output: relay that it moves, "" none
    contacts: dict[str, str] = field(default_factory=dict)  # relay: auxiliary input that it closes, "" none
    welded: set[str] = field(default_factory=set)
    shunt: float = 1.0  # shown over true; negative the wrong way round
    zero_a: float = 0.0
    gain: dict[int, float] = field(default_factory=dict)  # of a cell's reading
    sensor_error_k: dict[int, float] = field(default_factory=dict)
    pack_error: float = 0.0
    estop_wired: bool = True
    interlock_wired: bool = True
    button_wired: bool = True
    light_wired: bool = True
    estop_open_circuit: bool = False
    feedback_known: bool = True
    fuse_in: bool = False
    monitor_moves: bool = True
    # what the person does
    armed: bool = True
    pulled: int = -1
    loaded: int = 0
    hand: int = 0
    current_a: float = 0.0
    interlock_open: bool = False
    estop_pressed: bool = False
    button: bool = False
    # what the node does
    commanded: int = 0
    light: int = 0
    warmth_k: float = 0.0
    link_v: float = 0.1
    cycles: int = 0
    history: list[int] = field(default_factory=list)
    clicked: str = ""
    lit: bool = False

    def closed(self) -> set[str]:
        """Relays that are closed now."""
        moved = {self.coils.get(name, name) for name, bit in BITS.items() if self.commanded & bit}
        return (moved | self.welded) - {""}

    def feedback(self) -> int:
        """Bits of the auxiliary contacts that are closed."""
        seen = {self.contacts.get(relay, relay) for relay in self.closed()} - {""}
        return sum(BITS[name] for name in seen)

    def shown_cells_v(self) -> list[float | None]:
        """As the monitor shows them."""
        level = [0.0]
        for number, volts in enumerate(self.cells_v, 1):
            level.append(level[-1] + volts - (0.06 if number == self.loaded else 0.0))
        if self.pulled >= 0 and self.monitor_moves:
            level[self.pulled] -= 0.4
        on = [level[self.wires.get(wire, wire)] for wire in range(len(level))]
        cells = [upper - lower for lower, upper in pairwise(on)]
        return [cells[self.channels.get(n, n) - 1] * (1 + self.gain.get(n, 0.0)) for n in range(1, len(cells) + 1)]

    def shown_temps_c(self) -> list[float]:
        """As the node shows them, one for each input."""
        return [self.room_c + self.sensor_error_k.get(n, 0.0)
                + (self.warmth_k if self.sensors.get(n, n) == self.hand else 0.0) for n in range(1, 5)]


class WorldAfe:
    """The front-end of that pack."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.open_wires = 0
        self.config_ok = True

    def read_into(self, m: Any) -> bool:
        world = self.world
        for n, volts in enumerate(world.shown_cells_v()):
            m.cell_mv[n] = NA if volts is None else round(volts * 1000)
        for n, degrees in enumerate(world.shown_temps_c()):
            m.temp_dc[n] = round(degrees * 10)
        m.pack_mv = round(sum(world.cells_v) * 1000 * (1 + world.pack_error))
        m.link_mv = round(world.link_v * 1000)
        m.current_ma = round((world.current_a * world.shunt + world.zero_a) * 1000)
        return world.cycles > 1


class WorldPins:
    """Its outputs and inputs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.feedback = self.heater_on = self.clear_pressed = 0
        self.feedback_known = world.feedback_known
        self.interlock_closed = self.estop_closed = 1

    def read(self) -> None:
        world = self.world
        seen = world.feedback()
        self.feedback, self.heater_on = seen & 7, seen >> 3
        self.interlock_closed = 0 if world.interlock_open and world.interlock_wired else 1
        pressed = world.estop_pressed and world.estop_wired
        self.estop_closed = 0 if pressed or world.estop_open_circuit else 1
        self.clear_pressed = 1 if world.button and world.button_wired else 0

    def write(self, paths: int, precharge: int, heater: int, mask: bytearray) -> None:
        world = self.world
        world.commanded = paths | precharge << 2 | heater << 3
        world.history.append(world.commanded)
        for name in world.closed() - world.welded:
            world.clicked = name

    def show(self, light: int, asleep: int) -> None:
        self.world.light = light
        self.world.lit |= bool(light) and self.world.light_wired

    def drop(self) -> None:
        self.world.commanded = 0


class WorldBoard:
    """As a cycle has it. `wait` gives each cycle its time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.afe = WorldAfe(world)
        self.pins = WorldPins(world)

    def wait(self) -> int:
        world = self.world
        world.cycles += 1
        world.warmth_k = min(5.0, world.warmth_k + 0.3) if world.hand else 0.0
        through = world.closed() & {"precharge", "charge", "discharge"}
        world.link_v = min(26.0, world.link_v + 3.0) if through and world.fuse_in else world.link_v
        return world.cycles

    def finish(self) -> None:
        """Nothing to let out."""


class WorldPort:
    """A node at its prompt: what a tool brings is run for real; only the mounting of its version is not."""

    def __init__(self, world: World, folder: Path, monkeypatch: Any, pack: str = "lfp_8s_320ah") -> None:
        self.world = world
        self.left = 0
        self.silent = False
        self.names: dict[str, Any] = {"__name__": "__main__", "bench": lambda limits: WorldBoard(world)}
        limits = getattr(__import__(f"generated.limits_{pack}"), f"limits_{pack}")
        self.limit_hash = f"{limits.HASH_HIGH:04X}{limits.HASH_LOW:04X}"
        self.pack = pack
        for name, content in (("built", {"PACK": pack}), ("slot_record", {"FOLDER": f"{folder}/"}),
                              ("safe", {"arming": lambda: world.armed, "outputs_open": lambda: not world.commanded})):
            module = ModuleType(name)
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, name, module)

    def ask(self, line: str, wait_s: float = 1.0, begins: str = "2lbms ") -> str:
        return ""

    def prompt(self) -> bool:
        return not self.silent

    def run(self, code: str) -> str:
        if self.silent:
            raise PortError("the node answers nothing")
        if "vfs.mount" in code:
            return repr(("bench", self.pack, (0, 1, 0), tuple(bytes.fromhex(self.limit_hash)[::-1])))
        said = io.StringIO()
        with redirect_stdout(said):
            exec(code, self.names)
        return said.getvalue()

    def put(self, path: str, data: bytes, progress: Progress) -> None:
        raise AssertionError("nothing is put onto a node here")

    def leave(self, code: str) -> None:
        assert code.endswith("safe.reset()")
        self.left += 1

    def close(self) -> None:
        """Nothing to give back."""


class Builder:
    """A person who does to the world what is asked. `answers` overrule, by a piece of the question."""

    def __init__(self, world: World, answers: dict[str, Any] | None = None) -> None:
        self.world = world
        self.answers = answers or {}
        self.said: list[str] = []
        self.verdicts: list[tuple[str, str, str]] = []
        self.begun: list[str] = []

    def _overruled(self, text: str) -> Any:
        self.said.append(text)
        for piece, answer in self.answers.items():
            if piece in text:
                if isinstance(answer, Exception):
                    raise answer
                return answer
        return None

    def tell(self, text: str) -> None:
        self.said.append(text)

    def ready(self, text: str) -> None:
        self._overruled(text)
        world = self.world
        world.clicked = ""
        if sensor := re.search(r"temperature sensor (\d+)", text):
            world.hand, world.warmth_k = int(sensor[1]), 0.0
        elif "Nothing may flow" in text:
            world.current_a = 0.0

    def yes_no(self, text: str) -> bool:
        overruled = self._overruled(text)
        if overruled is not None:
            return bool(overruled)
        return self.world.lit if "Was it on" in text else True

    def number(self, asked: Number) -> float:
        overruled = self._overruled(asked.text)
        if overruled is not None:
            return float(overruled)
        if cell := re.search(r"across cell (\d+)", asked.text):
            return self.world.cells_v[int(cell[1]) - 1]
        return self.world.room_c if "Thermometer" in asked.text else abs(self.world.current_a)

    def choice(self, asked: Choice) -> str:
        overruled = self._overruled(asked.text)
        if overruled is not None:
            return str(overruled)
        return OUTPUT_NAMES.get(self.world.clicked, "nothing") if "clicked" in asked.text else asked.options[0]

    def watching(self, text: str, now: Readings | None, left_s: float) -> None:
        if now is not None:
            return
        if self._overruled(text) is not None:
            return  # the person does nothing
        world = self.world
        if wire := re.search(r"Pull the sense wire at the plus pole of cell (\d+)", text):
            world.pulled = int(wire[1])
        elif load := re.search(r"Put the load or charger on cell (\d+)", text):
            world.loaded = int(load[1])
        elif "Put it back" in text:
            world.pulled, world.loaded = -1, 0
        elif "off the shunt" in text:
            world.current_a = 0.0
        elif "in the direction of" in text:
            world.current_a = 10.0 if "direction of charging" in text else -10.0
        elif "interlock" in text or "Close it again" in text:
            world.interlock_open = text.startswith("Open")
        elif "emergency stop" in text:
            world.estop_pressed = text.startswith("Press")
        elif "button" in text or text == "Let go.":
            world.button = text.startswith("Press")

    def begins(self, step: Step, number: int, count: int) -> None:
        self.begun.append(step.name)

    def ended(self, step: Step, verdict: Verdict) -> None:
        self.verdicts.append((step.name, verdict.result, verdict.reason))
        self.world.hand = 0

    def passed_before(self, step: Step, verdict: Verdict) -> None:
        self.verdicts.append((step.name, "before", verdict.reason))

    def again(self, step: Step) -> bool:
        return False


def ticking() -> Any:
    """A clock that a reading moves on by a fifth of a second."""
    now = SimpleNamespace(s=0.0)

    def clock() -> float:
        now.s += 0.2
        return now.s

    return clock
