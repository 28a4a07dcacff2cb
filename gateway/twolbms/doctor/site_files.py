"""The files a person wrote: site.yaml, the packs it names, the DBC files of its buses. Problems with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from twolbms.config.buses import Bus
from twolbms.config.errors import ConfigError, ConfigProblem, did_you_mean, either, shown
from twolbms.config.path_state import closed_to_me
from twolbms.config.site_dbc import closed_dbc, find_dbc, known_dbc
from twolbms.config.site_packs import check_packs, find_pack, load_guarded_pack
from twolbms.decode import CompiledDatabase, DatabaseError, compile_database
from twolbms.decode.cache import remembered_database
from twolbms.decode.clashes import clash_of
from twolbms.decode.complaints import misread
from twolbms.doctor.closed import closed
from twolbms.doctor.rules import Finding, Rule, Rules
from twolbms.doctor.sketch import Sketch

MOST_MESSAGES = 2000
"""Of a DBC that is read here for the first time: 2 s on a PC, near the doctor's limit on a Pi."""

_MESSAGE = re.compile(rb"^[ \t]*BO_[ \t]", re.MULTILINE)

told = Rules(
    Rule("site.good", "good", "site {name}: {what}"),
    Rule("site.problem", "bad", "{problem}", "correct it, then type: 2lbms check {file}"),
    Rule("site.unusable", "bad", "{problem}", "correct it, then type: 2lbms check {file}"),
    Rule("pack_file.good", "good", "the packs' types are right: {types}"),
    Rule("pack_file.problem", "bad", "{problem}", "correct it, then type: 2lbms check {file}"),
    Rule("dbc.good", "good", "{count} messages"),
    Rule("dbc.missing", "bad", "no such file beside the site file; {hint}",
         "put the file beside {site}, or correct its name there"),
    Rule("dbc.unreadable", "bad", "cannot be read: {reason}", "give it to the gateway's user, e.g.: "
         "sudo chmod a+r {path}"),
    Rule("dbc.wrong", "bad", "{sentence}", "{do}; then type: 2lbms doctor {site}"),
    Rule("dbc.cut", "bad", "line {line} is cut, and what it defines is not read", "get the file again, whole"),
    Rule("dbc.clash", "bad", "{count} of its messages have ids that {other} has too, first {message} ({number}, there "
         "{same})", "name only one of the two files at this bus in {site}"),
    Rule("dbc.twice", "bad", "this file is named twice at the bus {bus}", "name it only once there in {site}"),
    Rule("dbc.large", "unknown", "{count} messages: to read them for the first time takes longer than is left here",
         "type: 2lbms check {site}, which takes its time and remembers them; then 2lbms doctor {site} once more"),
    Rule("dbc.encoding", "warn", "line {line}: {sentence}", "{do}"),
)


def unusable_site(file: Path, error: ConfigError) -> Iterator[Finding]:
    """A site file that cannot be read as YAML at all."""
    hidden = closed_to_me(file)
    if hidden and (finding := closed("site file", file, file, hidden)):
        yield finding
        return
    for problem in error.problems:
        yield told("site.unusable", "site file", problem=_placed(problem), file=file)


def check_site(sketch: Sketch) -> Iterator[Finding]:
    """What `2lbms check` says of the site file itself."""
    if sketch.site is not None:
        counts = ((len(sketch.buses), "bus", "buses"), (len(sketch.packs), "pack", "packs"),
                  (len(sketch.devices), "device", "devices"))
        what = ", ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts if count)
        yield told("site.good", "site file", name=sketch.name, what=what)
    for problem in sketch.problems:
        yield told("site.problem", "site file", problem=_placed(problem), file=sketch.file)


def check_pack_files(sketch: Sketch) -> Iterator[Finding]:
    """The types of the packs, as far as they are named."""
    problems, types = _pack_problems(sketch), sorted({entry.type for entry in sketch.packs})
    for problem in problems:
        file = Path(problem.file)
        yield told("pack_file.problem", file.stem if file != sketch.file else "packs", problem=_placed(problem),
                   file=problem.file)
    if types and not problems:
        yield told("pack_file.good", "packs", types=", ".join(types))


def _pack_problems(sketch: Sketch) -> tuple[ConfigProblem, ...]:
    if sketch.site is not None:
        try:
            check_packs(sketch.site, load_guarded_pack)
        except ConfigError as error:
            return error.problems
        return ()
    found: list[ConfigProblem] = []
    for file in dict.fromkeys(find_pack(entry.type, sketch.folder) for entry in sketch.packs):
        try:
            if file is not None:
                load_guarded_pack(file)
        except ConfigError as error:
            found += error.problems
    return tuple(found)


def _placed(problem: ConfigProblem) -> str:
    """The problem with its place in words: the file's name is enough, the folder is known."""
    place = Path(problem.file).name + "".join(f":{part}" for part in (problem.line, problem.column) if part)
    return ": ".join(part for part in (place, problem.key, problem.message) if part)


def check_dbc(sketch: Sketch, bus: Bus) -> Iterator[Finding]:
    """The DBC files of one bus. The cache of earlier readings is only read, and only for large ones."""
    earlier: dict[str, CompiledDatabase] = {}
    named: set[Path] = set()
    for name in bus.dbc:
        path = find_dbc(name, sketch.folder)
        if path is None:
            hidden = closed_dbc(name, sketch.folder)
            finding = hidden and closed(name, sketch.beside(name), sketch.file, hidden)
            if finding:
                yield finding
                continue
            meant = did_you_mean(name, known_dbc())
            hint = f"did you mean {shown(meant)}?" if meant else f"with 2lbms come {either(known_dbc())}"
            yield told("dbc.missing", name, hint=hint, site=sketch.file)
            continue
        if path.resolve() in named:
            yield told("dbc.twice", name, bus=bus.name, site=sketch.file)
            continue
        named.add(path.resolve())
        try:
            raw = path.read_bytes()
            database = _compiled(path, raw, bus)
        except OSError as error:
            yield told("dbc.unreadable", name, reason=error.strerror or error, path=path)
        except DatabaseError as error:
            sentence, _, do = str(error).replace(str(path), path.name).partition("; ")
            yield told("dbc.wrong", name, sentence=sentence, do=do or "correct the file", site=sketch.file)
        else:
            if database is None:
                yield told("dbc.large", name, count=_count(raw), site=sketch.file)
                continue
            yield from _usable_dbc(name, raw, database, earlier, sketch)
            earlier[name] = database


def _compiled(path: Path, raw: bytes, bus: Bus) -> CompiledDatabase | None:
    """The database, None for one that takes too long to be read and was not read before. Nothing is kept of it."""
    if _count(raw) <= MOST_MESSAGES:
        return compile_database(path, id_mask=bus.id_mask)
    return remembered_database(path, id_mask=bus.id_mask)


def _count(raw: bytes) -> int:
    return len(_MESSAGE.findall(raw))


def _cut_line(text: str, database: CompiledDatabase) -> int | None:
    """The last line of a file that ends in the middle of a definition, which cantools leaves out without a word."""
    lines = text.splitlines()
    last = next((number for number in range(len(lines), 0, -1) if lines[number - 1].strip()), 0)
    words = lines[last - 1].replace(":", " ").split() if last else []
    if words[:1] == ["SG_"]:
        whole = len(words) > 1 and any(words[1] in message.signals for message in database.messages.values())
    else:
        whole = words[:1] != ["BO_"] or (len(words) > 2 and words[2] in database.messages)
    return None if whole else last


def _usable_dbc(name: str, raw: bytes, database: CompiledDatabase, earlier: dict[str, CompiledDatabase],
                sketch: Sketch) -> Iterator[Finding]:
    doubt = misread(raw)
    if doubt is not None:
        yield told("dbc.encoding", name, line=doubt.line, sentence=doubt.sentence, do=doubt.do)
    if (line := _cut_line(raw.decode("cp1252", "replace"), database)) is not None:
        yield told("dbc.cut", name, line=line)
        return
    clash = clash_of(database, earlier)
    if clash is None:
        yield told("dbc.good", name, count=len(database.messages))
        return
    yield told("dbc.clash", name, count=clash.shared, message=clash.message.name, other=clash.other,
               same=clash.same.name, number=f"0x{clash.message.frame_id:X}", site=sketch.file)
