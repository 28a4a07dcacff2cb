"""`2lbms scenario from`: a stretch of a journal becomes a scenario file, which is played at once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from twolbms.build.columns import limit_image
from twolbms.cli.errors import BAD_INPUT, DIFFERS, FINE
from twolbms.cli.export import format_time, parse_time
from twolbms.config.errors import ConfigError, did_you_mean, shown
from twolbms.config.pack import GuardedPack
from twolbms.config.site_packs import find_pack, known_packs, load_guarded_pack
from twolbms.journal import Frame, JournalReader
from twolbms.scenario.play import play_file
from twolbms.scenario.record import Refused, Source, convert
from twolbms.scenario.told import Speaker, Told, read, speakers


class NotConverted(click.ClickException):
    """Says in one sentence why there is no scenario."""

    exit_code = BAD_INPUT


class PlayOrFrom(click.Command):
    """A command that plays files, and is another one where the first word is `from`."""

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None,
                     **extra: Any) -> click.Context:
        """Of whichever it is."""
        if args[:1] == ["from"]:
            return from_command.make_context(f"{info_name} from", args[1:], parent=parent, **extra)
        return super().make_context(info_name, args, parent=parent, **extra)


def _time(_context: click.Context, _option: click.Parameter, text: str) -> int:
    try:
        return parse_time(text, time.time_ns())
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error)) from error


@click.command("from")
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--from", "start_ns", metavar="TIME", required=True, callback=_time,
              help="First time: RFC 3339, or before now such as -10m.")
@click.option("--to", "end_ns", metavar="TIME", required=True, callback=_time,
              help="Time up to which, itself left out.")
@click.option("--pack", metavar="NAME", help="Type of the pack, or its YAML; else that of the limits the node tells.")
@click.option("--node", type=click.IntRange(1, 127), help="Node number, where several are heard.")
@click.option("--bus", help="Bus, where several are heard.")
@click.option("-o", "--out", default="-", show_default=True, help="File to write; - is standard output.")
def from_command(journal: Path, start_ns: int, end_ns: int, pack: str | None, node: int | None, bus: str | None,
                 out: str) -> int:
    """Make a scenario of what the buses of a JOURNAL carried between two times.

    What a node measured and was told is set, what it did is expected. The file is played at once: exit status 0, it
    holds; 1, it is written and the node does otherwise here, with the first difference; 2, there is nothing to convert.
    """
    frames = _frames(journal, start_ns, end_ns)
    told = read(frames, _speaker(speakers(frames), node, bus))
    folder = Path() if out == "-" else Path(out).absolute().parent
    name, kind = _pack(pack, told, folder)
    try:
        converted = convert(told, kind, name, Source(journal.name or str(journal), _short(start_ns), _short(end_ns)))
    except Refused as refusal:
        raise NotConverted(str(refusal)) from refusal
    if out == "-":
        click.echo(converted.text, nl=False)
    else:
        _write(Path(out), converted.text)
        click.echo(f"{out}: {converted.steps} steps of {converted.cycles} cycles", err=True)
    for note in converted.notes:
        click.echo(f"note: {note}", err=True)
    return FINE if out == "-" else _replay(Path(out))


def _frames(journal: Path, start_ns: int, end_ns: int) -> list[Frame]:
    if not journal.is_dir():
        raise NotConverted(f"{journal}: there is no such journal folder")
    reader = JournalReader(journal)
    frames = [record for record in reader.records("frame", start_ns, end_ns) if isinstance(record, Frame)]
    if not frames:
        raise NotConverted(f"{journal}: no frames between {_short(start_ns)} and {_short(end_ns)}; the journal keeps "
                           "them only for a while (docs/journal.md)")
    return sorted(frames, key=lambda frame: frame.time_ns)


def _speaker(heard: list[Speaker], node: int | None, bus: str | None) -> Speaker:
    fitting = [one for one in heard if node in (None, one.node) and bus in (None, one.bus)]
    if len(fitting) == 1:
        return fitting[0]
    words = ", ".join(f"node {one.node} on {one.bus}" for one in heard) or "no node"
    raise NotConverted(f"heard there: {words}; expected one" + (" (say which with --node and --bus)" if heard else ""))


def _pack(name: str | None, told: Told, folder: Path) -> tuple[str, GuardedPack]:
    """The pack's name for the file and its type: as asked, or the one whose limits the node tells of."""
    if name is not None:
        file = find_pack(name, folder)
        if file is None:
            meant = did_you_mean(name, known_packs(folder))
            raise NotConverted(f"no pack type is called {shown(name)}" + (f"; did you mean {meant}?" if meant else ""))
        return name, load_guarded_pack(file)
    for known in known_packs(folder):
        try:
            kind = load_guarded_pack(find_pack(known, folder) or Path(known))
        except ConfigError:
            continue  # an observed pack, or one that is being written
        if limit_image(kind).hash32 == told.limit_hash:
            return known, kind
    why = "is not in this stretch" if told.limit_hash is None else f"{told.limit_hash:08X} is that of no pack type here"
    raise NotConverted(f"the hash of the node's limits {why}: say the type with --pack")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotConverted(f"{path}: {error.strerror or error}") from error


def _replay(path: Path) -> int:
    played = play_file(path)
    if played.difference:
        click.echo(f"differs  {path}: {played.difference}")
        return DIFFERS
    click.echo(f"holds    {path}: {played.expectations} expectations in {played.cycles} cycles")
    return FINE


def _short(time_ns: int) -> str:
    return format_time(time_ns // 10**9 * 10**9).replace(".000000000", "")
