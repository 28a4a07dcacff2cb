"""Random and mutated frames through every kind of bus into a gateway's core, and line noise into a running gateway.

What is thrown at a bus is wild, mutated from what a node says, or random under the ids of the node's protected
messages; the text or the records around it are damaged too. Nothing may raise.
"""

from __future__ import annotations

import random
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import can

from faults.bus_user import FeederProcess, beats
from faults.home import Home, Site, may_charge
from faults.kills import wall_clock
from faults.table import Row
from twolbms.clock import StoryClock
from twolbms.contract import node_contract
from twolbms.receiving import BusReceiver
from twolbms.wire import BusFrame, Receiver, Verdict
from voices.listening import World, hash_of
from voices.node_voice import NodeVoice

_CHUNK = 500
_STEP_NS = 222_000  # a full bus of 500 kbit/s
_TICK_NS = 20_000_000
_FLIPS = (1, 1, 1, 2, 3, 8)

Received = tuple[BusFrame, int]


class Wild:
    """Frames without end; `closing` is called at the end."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.closing: list[Callable[[], None]] = []
        contract = node_contract()
        self._ids = [contract.message(name).frame_id | 1 for name in sorted(contract.protected)]
        self.ids = frozenset(self._ids)
        voice = NodeVoice(hash_of())
        self._said = [frame for _ in range(40) for frame in voice.cycle()]

    def frame(self) -> tuple[int, bool, bytes]:
        """Id, whether it is extended, data."""
        chance = self.random
        kind = chance.random()
        if kind < 0.3:
            extended = chance.random() < 0.5
            return chance.getrandbits(29 if extended else 11), extended, chance.randbytes(chance.randrange(9))
        if kind < 0.6:
            said = chance.choice(self._said)
            bits = int.from_bytes(said.data, "big")
            for bit in chance.sample(range(64), chance.choice(_FLIPS)):
                bits ^= 1 << bit
            can_id = said.can_id if chance.random() < 0.8 else said.can_id ^ 1 << chance.randrange(29)
            return can_id, True, bits.to_bytes(8, "big")
        return chance.choice(self._ids), True, chance.randbytes(8)

    def frames(self, count: int) -> Iterator[tuple[int, bool, bytes]]:
        """So many."""
        return (self.frame() for _ in range(count))


def _slcan(wild: Wild) -> Callable[[int], list[Received]]:
    from twolbms.sources.slcan_lines import SlcanReader

    reader, chance = SlcanReader("can0"), wild.random

    def give(now_ns: int) -> list[Received]:
        lines = bytearray()
        for can_id, extended, data in wild.frames(_CHUNK):
            head = b"T%08X" % can_id if extended else b"t%03X" % can_id
            line = bytearray(head + b"%d%s\r" % (len(data), data.hex().upper().encode()))
            if chance.random() < 0.1:
                at = chance.randrange(len(line))
                line[at:at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
            lines += line
            if chance.random() < 0.002:
                lines += chance.randbytes(chance.randrange(200))
        cut = chance.randrange(len(lines))
        return reader.take(bytes(lines[:cut]), now_ns) + reader.take(bytes(lines[cut:]), now_ns)
    return give


def _socketcan(wild: Wild) -> Callable[[int], list[Received]]:
    from twolbms.sources.can_errors import Controller
    from twolbms.sources.can_frames import CLASSIC_BYTES, FD_BYTES, ID_MASK, Bulk
    from twolbms.sources.kernel_time import Span

    chance, controller = wild.random, Controller()
    layouts = {CLASSIC_BYTES: struct.Struct("=IB3s8s16xqq"), FD_BYTES: struct.Struct("=IB3s64s16xqq")}

    def give(now_ns: int) -> list[Received]:
        size = chance.choice((CLASSIC_BYTES, FD_BYTES))
        records, sizes = bytearray(), bytearray()
        for can_id, extended, data in wild.frames(_CHUNK):
            flags = extended << 31 | (chance.getrandbits(3) << 29 if chance.random() < 0.05 else 0)
            length = len(data) if chance.random() < 0.98 else chance.randrange(65 if size == FD_BYTES else 9)
            stamp = now_ns if chance.random() < 0.9 else chance.getrandbits(62)
            records += layouts[size].pack(can_id | flags, length, chance.randbytes(3), data, *divmod(stamp, 10**9))
            sizes.append(FD_BYTES if length > 8 else CLASSIC_BYTES)
        bulk = Bulk("can0", bytes(records), bytes(sizes), size, Span(0, now_ns - 10**9, now_ns))
        for can_id, data in bulk.other:
            controller.take(can_id & ID_MASK, data)
        return bulk.received
    return give


def _virtual(wild: Wild) -> Callable[[int], list[Received]]:
    from twolbms.sources.python_can import PythonCanBus

    channel = f"faults-{wild.random.random()}"
    far = can.Bus(interface="virtual", channel=channel, ignore_config=True)
    end = can.Bus(interface="virtual", channel=channel, ignore_config=True)
    near = PythonCanBus("can0", end, StoryClock.begin(1.0))
    chance = wild.random
    wild.closing += [far.shutdown, end.shutdown]

    def give(now_ns: int) -> list[Received]:
        for can_id, extended, data in wild.frames(_CHUNK):
            odd = chance.random() < 0.02
            far.send(can.Message(arbitration_id=can_id, is_extended_id=extended, data=data,
                                 is_fd=odd and chance.random() < 0.3, is_error_frame=odd and chance.random() < 0.3))
        received: list[Received] = []
        while batch := near.read(0):
            received += batch
        return [(frame, now_ns) for frame, _ in received]
    return give


KINDS = {"slcan text": _slcan, "SocketCAN records": _socketcan, "python-can virtual": _virtual}


def _throw(kind: str, count: int, seed: int) -> Counter[str]:
    """So many frames through one kind of bus into an engine, and beside it into a receiver that counts."""
    wild, found = Wild(seed), Counter[str]()
    give, world = KINDS[kind](wild), World()
    receiver, now_ns, tick_ns = BusReceiver(node_contract()), world.now_ns, world.now_ns
    receiver.add_node(1, lambda message, values, at_ns: None)
    engine, began_s = world.engine, time.process_time()
    for _ in range(0, count, _CHUNK):
        try:
            received = give(now_ns)
        except Exception as error:
            found[f"crash: {type(error).__name__}: {error}"] += 1
            continue
        finally:
            found["thrown"] += _CHUNK
        for frame, _ in received:
            now_ns += _STEP_NS
            try:
                engine.receive(frame, now_ns)
            except Exception as error:
                found[f"crash: {type(error).__name__}: {error}"] += 1
            used = receiver.receive(frame.can_id, frame.extended, frame.data, now_ns)
            if frame.extended and frame.can_id in wild.ids:
                found["under our ids"] += 1
                found["used"] += used
                found["taken as first"] += len(frame.data) == 8 and Receiver(
                    frame.can_id >> 8 & 0xFF, 1, 0.1).judge(frame.data, 0) is Verdict.USE
            if now_ns >= tick_ns:
                tick_ns = now_ns + _TICK_NS
                engine.tick(now_ns)
        found["received"] += len(received)
        world.kept.events.clear()
        world.kept.samples.clear()
    found["cpu_ms"] = round(1000 * (time.process_time() - began_s))
    for close in wild.closing:
        close()
    return found


def frames(kind: str, count: int) -> Row:
    """The row of one kind of bus."""
    half = count // 2
    with ProcessPoolExecutor(2) as pool:
        parts = list(pool.map(_throw, [kind, kind], [half, count - half], [20261124, 20261125]))
    found = sum(parts, Counter[str]())
    crashes = sum(number for name, number in found.items() if name.startswith("crash"))
    own, used, first = found["under our ids"], found["used"], found["taken as first"]
    return Row(f"random and mutated frames: {kind}", f"{found['thrown']:,} frames", (
        f"{crashes} crashes; {found['received']:,} reached the core, {own:,} of them under ids of a node's protected "
        f"messages: {first:,} (1 in {own / max(1, first):.0f}) would be used by a receiver that waits for its first, "
        f"{used:,} were used in their row; {found['thrown'] / max(1, found['cpu_ms']) * 1000:,.0f} frames a second of "
        "CPU, making them included"),
        crashes == 0 and own > 0 and max(used, first) <= own / 256, dict(found))


def _serial(count: int, seed: int) -> Counter[str]:
    """So many fields of VE.Direct text, random and mutated, into the conversation with a SmartShunt."""
    from twolbms.devices.victron import VictronTalk

    chance, talk, found = random.Random(seed), VictronTalk(), Counter[str]()
    began_s = time.process_time()
    while found["thrown"] < count:
        fields = [(chance.choice((b"V", b"I", b"SOC", b"TTG", b"Alarm", b"AR", b"PID", b"H%d" % chance.randrange(20))),
                   chance.choice((b"%d" % chance.randrange(-99999, 99999), b"---", b"ON", chance.randbytes(4))))
                  for _ in range(chance.randrange(1, 24))]
        text = b"".join(b"\r\n%s\t%s" % field for field in fields) + b"\r\nChecksum\t"
        block = bytearray(text + bytes([-sum(text) % 256]))
        found["thrown"] += len(fields)
        whole = chance.random()
        if whole < 0.6:
            for _ in range(chance.choice(_FLIPS)):
                block[chance.randrange(len(block))] ^= 1 << chance.randrange(8)
        elif whole < 0.7:
            block = bytearray(chance.randbytes(len(block)))
        elif whole < 0.8:
            del block[chance.randrange(len(block)):]
        try:
            found["readings"] += len(talk.feed(bytes(block)))
        except Exception as error:
            found[f"crash: {type(error).__name__}: {error}"] += 1
    found["damaged"], found["cpu_ms"] = talk.counts["damaged"], round(1000 * (time.process_time() - began_s))
    return found


def serial(count: int) -> Row:
    """VE.Direct's row."""
    with ProcessPoolExecutor(2) as pool:
        found = sum(pool.map(_serial, [count // 2, count - count // 2], [1, 2]), Counter[str]())
    crashes = sum(number for name, number in found.items() if name.startswith("crash"))
    return Row("random and mutated text: VE.Direct", f"{found['thrown']:,} fields", (
        f"{crashes} crashes; {found['readings']:,} whole blocks, {found['damaged']:,} damaged ones counted; "
        f"{found['thrown'] / max(1, found['cpu_ms']) * 1000:,.0f} fields a second of CPU, making them included"),
        crashes == 0 and found["readings"] > 0 and found["damaged"] > 0, dict(found))


def line_noise(folder: Path, pieces: int) -> Row:
    """Line noise between the frames of a node, into a running gateway; 2,000 bytes a piece."""
    chance = random.Random(20261124)
    with FeederProcess() as feeder, Home(folder, Site(feeder.port), wall_clock()) as home:
        home.started()
        home.shows(may_charge, "the pack may be charged")
        began_ns = time.monotonic_ns()
        for _ in range(pieces):
            feeder.ask(raw=chance.randbytes(2000).hex())
            time.sleep(0.02)
        heard = beats(feeder.listen(), began_ns, time.monotonic_ns())
        home.shows(may_charge, "the pack may be charged after the noise")
        bus = home.picture()["buses"]["can0"]
        status = home.stop()
        return Row("line noise on slcan into a running gateway", f"{pieces * 2000:,} bytes", (
            f"{heard}; bad lines {bus.get('bad_lines', 'not told')}, bus up {bus['up']}, exit status {status}; "
            f"{len(home.complaints())} complaints"), heard.kept and status == 0 and not home.complaints(), {})

