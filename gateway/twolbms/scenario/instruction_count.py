"""Counts the instructions of a node's cycle on the emulated Cortex-M3: whole, and part by part.

The board is given a recorded story at once and hears nothing from outside while it runs, so that the counts are the
same on every machine. What it answers must be what CPython answers, to the byte. It counts instructions, not cycles: a
Cortex-M4 takes 1.2 to 1.6 cycles for one of them.

`python -m twolbms.scenario.instruction_count` prints the table for 16 cells of LiFePO4 and for 96.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import NamedTuple

from twolbms.build.columns import limit_image
from twolbms.build.emulator import REPEATABLE, Emulator
from twolbms.config.pack import GuardedPack
from twolbms.config.site_packs import load_guarded_pack
from twolbms.diagnoses import CYCLE_MS
from twolbms.files import data_path
from twolbms.scenario.bench import Bench, node_database
from twolbms.scenario.model import Request, Set
from twolbms.scenario.nodes import CPythonNode, CycleResult, emulated_files, limits_object
from twolbms.sim.plant_packets import Output, frame_packet

NODE = 1
SETTLED_CYCLES = 100  # after the request to close
CYCLES = 200
STORY_ADDRESS = 0x21800000  # in the board's PSRAM, above its ROMFS partition
CLOSED = 3
_ASK_CLOSE = 20  # cycle; the node has booted by then
_CHECK = 31  # factor of a sum that depends on the order; 2^24 times it stays a small integer

# What the parts are called, and the methods of which they consist: module, class, method.
PARTS = {
    "sense": ("drivers.afe_sim SimulatedAfe read_into", "drivers.pins_sim SimulatedPins read",
              "drivers.store_sim SimulatedStore read"),
    "measure": ("node.measure Measure step",),
    "requests": ("drivers.can_link LinkCan receive", "node.requests Requests step", "node.requests Requests frame"),
    "gather": ("node.rows Rows step",),
    "protect": ("node.protect Protect step",),
    "contactor": ("node.contactor Contactor step", "node.weld Weld step"),
    "power": ("node.power Power step",),
    "heat": ("node.heat Heat step",),
    "balance": ("node.balance Balance step",),
    "panel": ("node.panel Panel step",),
    "write": ("node.cycle Node _write",),
    "allowance": ("node.allowance Allowance step",),
    "charge": ("node.charge Charge step",),
    "report": ("node.report Report step",),
}

# All of it is given at once, so that the names it brings in are the same for both runs: how fast MicroPython finds an
# attribute depends on the numbers of all names.
_CODE = '''
import gc, machine, uctypes
from micropython import heap_lock, heap_unlock
import built
from board import SimulatedBoard
from main import load_limits
from node.cycle import Node

class Story:
    def __init__(self):
        self.memory = memoryview(uctypes.bytearray_at(ADDRESS, SIZE))
        self.at = self.check = 0
    def readinto(self, buffer):
        n = len(buffer)
        buffer[:] = self.memory[self.at:self.at + n]
        self.at += n
        return n
    def write(self, data):
        check = self.check
        for byte in data:
            check = (check * 31 + byte) & 0xFFFFFF
        self.check = check

mem = machine.mem32
# Timer 1: 25 MHz, counts down, 40 ns a tick; an instruction is 32 ns of emulated time. Setting it begins a tick anew:
# a count does not depend on when the board was told to begin.
VALUE = 0x40001004
FULL = 0x3FFFFFFF
mem[0x40001008] = mem[VALUE] = FULL
mem[0x40001000] = 1
ticks = [0] * len(PARTS)
empty = 0

def nothing(now_ms):
    pass

def locked(call, now_ms=0):
    gc.collect()
    heap_lock()
    mem[VALUE] = FULL
    call(now_ms)
    left = mem[VALUE]
    heap_unlock()
    return FULL - left

TIMED = """
def wrapper(%s):
    mem[VALUE] = FULL
    result = call(%s)
    ticks[%d] += FULL - mem[VALUE] - empty
    return result
"""

def timed(call, part, count):
    names = ", ".join(["a%d" % n for n in range(count)])
    scope = {"mem": mem, "VALUE": VALUE, "FULL": FULL, "call": call, "ticks": ticks, "empty": empty}
    exec(TIMED % (names, names, part), scope)  # neither a closure nor *arguments: with the heap locked they cannot be
    return scope["wrapper"]

def instrument():
    global empty
    locked(timed(nothing, 0, 1))
    empty = ticks[0]
    for part, methods in enumerate(PARTS):
        for module, name, attribute, count in methods:
            cls = getattr(__import__(module, None, None, (name,)), name)
            setattr(cls, attribute, timed(getattr(cls, attribute), part, count))

def run(whole):
    rows = []
    story = Story()
    limits = load_limits(built.PACK)
    board = SimulatedBoard(limits, NODE, story)
    node = Node(limits, NODE, board.afe, board.pins, board.can, board.store, board.boot_id(), board.reset_cause, 0)
    idle = locked(nothing)
    for _ in range(COUNT):
        now_ms = board.wait()
        for part in range(len(PARTS)):
            ticks[part] = 0
        took = locked(node.step, now_ms) - idle
        rows.append(took * 5 // 4 if whole else [each * 5 // 4 for each in ticks])
        board.finish()
    print(rows)
    print(story.check)

gc.disable()
run(True)
instrument()
run(False)
'''


class Share(NamedTuple):
    """Instructions of one part of the cycle, over the counted cycles."""

    part: str
    mean: int
    worst: int


class Count(NamedTuple):
    """Instructions of one cycle of a closed, healthy pack: all of them, and how they are shared out."""

    cells: int
    mean: int
    worst: int
    shares: tuple[Share, ...]


class _Story(NamedTuple):
    """What the board is told, the sum of what it must answer, and where the counted cycles begin."""

    told: bytes
    check: int
    cycles: int


class UnlikeCPython(Exception):
    """The board did not do in the recorded story what CPython does: its counts mean nothing."""


def count_instructions(pack: GuardedPack, cycles: int = CYCLES) -> Count:
    """Counts the node's whole step over `cycles` cycles of a closed, healthy pack that is asked and heard.

    Raises BoardMissing, BoardStopped, UnlikeCPython.
    """
    story = _record(pack, cycles)
    whole, by_part = _run(pack, story)
    counted, rows = whole[-cycles:], list(zip(*by_part[-cycles:], strict=True))
    shares = tuple(Share(part, _mean(row), max(row)) for part, row in zip(PARTS, rows, strict=True))
    rest = _mean(counted) - sum(share.mean for share in shares)
    return Count(pack.cells.series, _mean(counted), max(counted), (*shares, Share("between them", rest, rest)))


def _mean(numbers: Sequence[int]) -> int:
    return round(sum(numbers) / len(numbers))


def widened(pack: GuardedPack, cells: int) -> GuardedPack:
    """The same pack with so many cells in series."""
    return pack.model_copy(update={"cells": pack.cells.model_copy(update={"series": cells})})


def _record(pack: GuardedPack, cycles: int) -> _Story:
    """Plays a pack that boots, is asked to close and carries current, on CPython."""
    bench, node = Bench(pack, node_database(), NODE), CPythonNode(limits_object(limit_image(pack)), NODE)
    told, check, total = bytearray(), 0, _ASK_CLOSE + SETTLED_CYCLES + cycles
    for cycle in range(total):
        if cycle == _ASK_CLOSE:
            bench.apply(Set(request=Request(ask="close")))
        if cycle == _ASK_CLOSE + SETTLED_CYCLES // 2:
            bench.apply(Set(request=Request(ask="allowance"), current_a=-10.0))
        frames, reading = list(bench.frames(cycle * CYCLE_MS)), bench.reading(cycle * CYCLE_MS)
        result = node.cycle(frames, reading)
        bench.outputs = result.outputs
        told += b"".join(frame_packet(*frame) for frame in frames) + reading.packet()
        check = _checked(check, result)
    if bench.outputs & 15 != CLOSED:
        raise UnlikeCPython(f"the pack does not close: its outputs are {bench.outputs}")
    return _Story(bytes(told), check, total)


def _checked(check: int, result: CycleResult) -> int:
    sent = b"".join(frame_packet(*frame) for frame in result.frames)
    for byte in sent + Output(result.outputs, result.balancing).packet():
        check = check * _CHECK + byte & 0xFFFFFF
    return check


def _run(pack: GuardedPack, story: _Story) -> tuple[list[int], list[list[int]]]:
    """Instructions of each cycle, and of each part of each cycle, on a board that is told `story`."""
    values = {"ADDRESS": STORY_ADDRESS, "SIZE": len(story.told), "COUNT": story.cycles, "NODE": NODE,
              "PARTS": [[_method(method) for method in methods] for methods in PARTS.values()]}
    code = "".join(f"{name} = {value!r}\n" for name, value in values.items()) + _CODE
    with tempfile.NamedTemporaryFile() as file:
        file.write(story.told)
        file.flush()
        loader = f"loader,file={file.name},addr={STORY_ADDRESS},force-raw=on"
        with Emulator(emulated_files(limit_image(pack)), options=(*REPEATABLE, "-device", loader)) as board:
            whole, check, by_part, again = (json.loads(line) for line in board.run(code).splitlines())
    if {check, again} != {story.check}:
        raise UnlikeCPython("the emulated board answers the recorded story unlike CPython")
    return whole, by_part


def _method(text: str) -> tuple[str, str, str, int]:
    """Module, class, method, and how many arguments it takes."""
    module, name, attribute = text.split()
    method = getattr(getattr(import_module(module), name), attribute)
    return module, name, attribute, len(signature(method).parameters)


def table(count: Count) -> str:
    """As people read it."""
    head = f"{count.cells} cells: {count.mean:,} instructions a cycle, at worst {count.worst:,}"
    return "\n".join([head, *(f"  {part:14}{mean:9,}{worst:11,}" for part, mean, worst in count.shares)])


def main(names: Sequence[str]) -> int:
    """Prints the counts of the packs named, or of 16 and 96 cells."""
    lfp, leaf = (load_guarded_pack(data_path("packs", f"{name}.yaml")) for name in ("lfp_8s_320ah", "leaf_2013_14s"))
    packs = [load_guarded_pack(Path(name)) for name in names] or [widened(lfp, 16), widened(leaf, 96)]
    for pack in packs:
        print(table(count_instructions(pack)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
