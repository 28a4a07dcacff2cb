"""Frames into samples, one by one: id, length, checksum, counter, age, then the quantities a pack names.

The measure for `interpret_bulk`, which must find the same. Knows no file and no journal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twolbms.decode import CompiledMessage, Refused
from twolbms.importing.checksums import CHECKSUMS, Checksum
from twolbms.importing.findings import Findings, MessageFindings, Summary
from twolbms.importing.frames import ERROR, REMOTE, LogFrame, bus_number
from twolbms.importing.pack import Check, FromSignal, LoadedPack
from twolbms.importing.timeline import Timeline
from twolbms.journal import Series

Sink = Callable[[Series, int, float], None]


@dataclass
class Output:
    """A quantity that a signal gives; `last` is its latest value on this bus where only changes are recorded."""

    signal: str
    factor: float
    series: Series
    on_change: bool
    summary: Summary
    last: float | None = None


@dataclass
class MessageReader:
    """What is done with the frames of one message on one bus, and what is remembered from frame to frame."""

    message: CompiledMessage
    check: Check | None
    checksum: Checksum | None
    outputs: list[Output]
    found: MessageFindings
    last_counter: int | None = None
    last_ns: int | None = None

    def checks_out(self, data: bytes) -> bool:
        """Whether the checksum fits, where there is one."""
        if self.checksum is None or self.check is None or self.check.crc is None:
            return True
        crc = self.check.crc
        return self.checksum.of(data[crc.first : crc.last + 1]) == data[crc.byte]

    def watch(self, time_ns: int, counter: float | None) -> None:
        """Note the counter's step and the age of the frame before."""
        check = self.check
        if check is None:
            return
        if self.last_ns is not None and time_ns - self.last_ns > check.max_age_s * 1e9:
            self.found.late += 1
        self.last_ns = time_ns
        if check.counter is not None and counter is not None:
            if self.last_counter is not None:
                self.found.steps[(int(counter) - self.last_counter) % check.counter.modulo] += 1
            self.last_counter = int(counter)


class Readers:
    """The readers of a pack's messages, made for each bus as it is met; their findings go into `findings`."""

    def __init__(self, pack: LoadedPack, findings: Findings) -> None:
        self._pack = pack
        self._findings = findings
        self._known: dict[tuple[str, str], MessageReader] = {}
        self._series = {name: Series(name, pack.model.pack, None) for name in pack.model.quantities}
        self._by_message: dict[str, list[tuple[str, FromSignal]]] = {}
        for quantity, origin in pack.model.quantities.items():
            self._by_message.setdefault(origin.message, []).append((quantity, origin))
            findings.quantities[quantity] = Summary()

    def of(self, bus: str, message: CompiledMessage) -> MessageReader:
        """The reader for a message on a bus."""
        key = (bus, message.name)
        if key not in self._known:
            self._known[key] = self._make(bus, message)
        return self._known[key]

    def _make(self, bus: str, message: CompiledMessage) -> MessageReader:
        found = MessageFindings(bus, message.name)
        self._findings.messages.append(found)
        check = self._pack.model.checks.get(message.name)
        outputs = [
            Output(origin.signal, origin.factor, self._series[quantity], origin.record == "change",
                   self._findings.quantities[quantity])
            for quantity, origin in self._by_message.get(message.name, [])
        ]
        checksum = CHECKSUMS[check.crc.algorithm] if check and check.crc else None
        return MessageReader(message, check, checksum, outputs, found)


class Interpreter:
    """Takes the frames of a log in order and hands each value to `sink` (series, time in the journal, value)."""

    def __init__(self, pack: LoadedPack, findings: Findings, timeline: Timeline, sink: Sink, bus: int | None) -> None:
        self._find = pack.database.find
        self._readers = Readers(pack, findings)
        self._findings = findings
        self._timeline = timeline
        self._sink = sink
        self._bus = bus

    def take(self, frames: Iterable[LogFrame]) -> None:
        """Account for each frame and record its values."""
        for frame in frames:
            if self._bus is not None and bus_number(frame.bus) != self._bus:
                self._findings.other_buses.add(frame.bus)
            elif frame.kind == ERROR:
                self._findings.error_frames += 1
            elif frame.kind == REMOTE:
                self._findings.remote_frames += 1
            else:
                self._data_frame(frame)

    def _data_frame(self, frame: LogFrame) -> None:
        findings = self._findings
        findings.frames += 1
        time_ns = self._timeline.journal_ns(frame.time_ns)
        findings.saw(self._timeline.wall_ns(time_ns), self._timeline.wall_ns(time_ns))
        message = self._find(frame.can_id, frame.extended)
        if message is None:
            findings.unknown_id += 1
            return
        reader = self._readers.of(frame.bus, message)
        if len(frame.data) < message.length:
            findings.short += 1
            reader.found.short += 1
            return
        if not reader.checks_out(frame.data):
            findings.bad_check += 1
            reader.found.bad_check += 1
            return
        values = message.decode_values(frame.data)
        if isinstance(values, Refused):  # a page the DBC does not name is as unknown as an id
            findings.unknown_id += 1
            return
        findings.decoded += 1
        reader.found.good += 1
        counter = reader.check.counter if reader.check else None
        reader.watch(time_ns, values.get(counter.signal) if counter else None)
        for output in reader.outputs:
            value = values.get(output.signal)
            if value is not None:
                self._record(output, time_ns, value * output.factor)

    def _record(self, output: Output, time_ns: int, value: float) -> None:
        value = float(value)
        if not math.isfinite(value):
            return
        output.summary.add(value)
        if output.on_change and value == output.last:
            return
        output.last = value
        self._findings.samples += 1
        self._sink(output.series, time_ns, value)
