"""`2lbms export`: a time range of the journal as CSV or Parquet, while the gateway writes on or without it.

Streams block by block, so that memory stays flat; times keep their nanoseconds; cells count from 1, as people count.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import click

from twolbms.cli.output import OutputFailedError
from twolbms.journal import FAMILIES, Event, Frame, JournalReader, Record, Sample

_NS = 10**9
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ROWS_A_GROUP = 65_536

Row = tuple[Any, ...]


class ExportRefusedError(click.ClickException):
    """Says in one sentence why there is nothing to export."""

    exit_code = 2


def parse_time(text: str, now_ns: int) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time, or of a span before now such as -2h; ValueError for another text."""
    relative = re.fullmatch(r"-(\d+)([smhdw])", text)
    if relative:
        return now_ns - int(relative[1]) * _UNIT_S[relative[2]] * _NS
    absolute = _RFC3339.fullmatch(text)
    if not absolute:
        raise ValueError(f"{text!r}: expected a time such as 2026-11-24T06:30:00Z, or -30m, -2h, -7d before now")
    day, clock, fraction, zone = absolute.groups()
    moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    return (moment - _EPOCH) // timedelta(seconds=1) * _NS + int((fraction or "0").ljust(9, "0"))


def format_time(time_ns: int) -> str:
    """RFC 3339 in UTC with all nine digits of the nanoseconds."""
    seconds, ns = divmod(time_ns, _NS)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def _time(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    try:
        return None if text is None else parse_time(text, time.time_ns())
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error)) from error


class _Layout(NamedTuple):
    """The columns of a family: their names with Arrow types, and a record's values in both formats."""

    columns: dict[str, str]
    values: Callable[[Any], Row]
    texts: Callable[[Any], Row]


def _cell(record: Sample) -> int | None:
    return None if record.series.cell is None else record.series.cell + 1


def _id_text(record: Frame) -> str:
    return f"{record.can_id:08X}" if record.extended else f"{record.can_id:03X}"


def _sample_row(record: Sample) -> Row:
    return (record.series.quantity, record.series.pack, _cell(record), record.value)


def _event_row(record: Event) -> Row:
    return (record.kind, record.pack, json.dumps(record.data, ensure_ascii=False))


_LAYOUTS = {
    "sample": _Layout({"quantity": "string", "pack": "string", "cell": "int32", "value": "float64"},
                      _sample_row, _sample_row),
    "event": _Layout({"kind": "string", "pack": "string", "data": "string"}, _event_row, _event_row),
    "frame": _Layout({"bus": "string", "id": "uint32", "extended": "bool", "data": "binary"},
                     lambda record: (record.bus, record.can_id, record.extended, record.data),
                     lambda record: (record.bus, _id_text(record), int(record.extended), record.data.hex())),
    "reading": _Layout({"source": "string", "data": "binary"},
                       lambda record: (record.source, record.data),
                       lambda record: (record.source, record.data.hex())),
}


def _write_csv(records: Iterator[Record], layout: _Layout, out: IO[bytes]) -> int:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("time", *layout.columns))
    count = 0
    for record in records:
        table.writerow((format_time(record.time_ns), *layout.texts(record)))
        count += 1
    text.flush()
    text.detach()
    return count


def _write_parquet(records: Iterator[Record], layout: _Layout, out: IO[bytes]) -> int:
    try:
        import pyarrow  # type: ignore[import-untyped]  # ships no types
        import pyarrow.parquet  # type: ignore[import-untyped]  # ships no types
    except ImportError:
        raise ExportRefusedError("Parquet needs pyarrow: install it with pip install '2lbms[parquet]'") from None
    columns = {name: pyarrow.type_for_alias(alias) for name, alias in layout.columns.items()}
    schema = pyarrow.schema({"time": pyarrow.timestamp("ns", tz="UTC")} | columns)
    count = 0
    with pyarrow.parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        while rows := [(record.time_ns, *layout.values(record)) for record in islice(records, _ROWS_A_GROUP)]:
            arrays = [pyarrow.array(column, field.type)
                      for column, field in zip(zip(*rows, strict=True), schema, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            count += len(rows)
    return count


_FORMATS = {"csv": _write_csv, "parquet": _write_parquet}


@contextlib.contextmanager
def _opened(out: str) -> Iterator[IO[bytes]]:
    """The named file, which appears only when it is complete; or standard output."""
    if out == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    unfinished = Path(f"{out}.part")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


def _selected(records: Iterator[Record], packs: tuple[str, ...], quantities: tuple[str, ...]) -> Iterator[Record]:
    for record in records:
        if isinstance(record, Sample):
            if quantities and record.series.quantity not in quantities:
                continue
            pack = record.series.pack
        else:
            pack = record.pack if isinstance(record, Event) else ""
        if not packs or pack in packs:
            yield record


def _check(journal: Path, family: str, packs: tuple[str, ...], quantities: tuple[str, ...]) -> JournalReader:
    if quantities and family != "sample":
        raise ExportRefusedError(f"--quantity selects samples; a {family} has none")
    if packs and family not in ("sample", "event"):
        raise ExportRefusedError(f"--pack selects samples and events; a {family} belongs to a bus or a device")
    if not journal.is_dir():
        raise ExportRefusedError(f"{journal}: there is no such journal folder")
    reader = JournalReader(journal)
    if not reader.families():
        raise ExportRefusedError(f"{journal}: this journal is empty, or it is the wrong folder")
    return reader


def _remarks(reader: JournalReader, count: int) -> Iterator[str]:
    yield f"{count} records"
    if reader.unplaced:
        yield f"left out: {reader.unplaced} records of boots whose wall time was never known"
    if reader.damaged:
        yield f"passed over: {reader.damaged} damaged places (see docs/journal.md)"


@click.command("export")
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--family", type=click.Choice(sorted(FAMILIES)), default="sample", show_default=True,
              help="Which records.")
@click.option("--from", "start_ns", metavar="TIME", callback=_time,
              help="First time: RFC 3339, or before now such as -2h. Default: all.")
@click.option("--to", "end_ns", metavar="TIME", callback=_time,
              help="Time up to which, itself left out. Default: all.")
@click.option("--format", "kind", type=click.Choice(sorted(_FORMATS)), default="csv", show_default=True)
@click.option("--out", default="-", show_default=True, help="File to write; - is standard output.")
@click.option("--pack", "packs", multiple=True, help="Only this pack; may be given several times.")
@click.option("--quantity", "quantities", multiple=True, help="Only this quantity; may be given several times.")
def export_command(journal: Path, family: str, start_ns: int | None, end_ns: int | None, kind: str, out: str,
                   packs: tuple[str, ...], quantities: tuple[str, ...]) -> None:
    """Write a time range of JOURNAL (a journal folder) as a table."""
    reader = _check(journal, family, packs, quantities)
    records = _selected(reader.records(family, start_ns, end_ns), packs, quantities)
    try:
        with _opened(out) as file:
            count = _FORMATS[kind](records, _LAYOUTS[family], file)
    except (BrokenPipeError, OutputFailedError):  # of our output, and told by whoever runs the command
        raise
    except OSError as error:
        raise ExportRefusedError(f"{error.filename or out}: {error.strerror or error}") from error
    for remark in _remarks(reader, count):
        click.echo(remark, err=True)
