"""Reads one YAML document into plain values and their positions, and refuses everything that could surprise.

Refused: duplicate keys, anchors, aliases, tags, merge keys, spellings that YAML versions read differently, several
documents, other encodings than UTF-8, large files and deep nesting. Knows no model: what a file should hold is not
decided here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from twolbms.config.errors import (
    ConfigError,
    ConfigProblem,
    Loc,
    did_you_mean,
    either,
    file_problem,
    key_text,
    printable,
    shown,
)
from twolbms.config.places import Places, Position
from twolbms.config.scalars import Surprise, read_plain
from twolbms.config.yaml_nodes import NotYaml, Tree, compose

MAX_BYTES = 1 << 20
_MOST_FILES_NAMED = 6

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ESCAPED_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


class Document(NamedTuple):
    """What one file holds. `problems`: what was refused; the refused text stands in `data` as it was written."""

    data: dict[str | int, Any]
    places: Places
    problems: tuple[ConfigProblem, ...]


def read_strict(path: Path) -> tuple[dict[str | int, Any], Places]:
    """Data and positions of the file at `path`. Raises ConfigError with everything that was refused."""
    document = read_document(path)
    if document.problems:
        raise ConfigError(document.problems)
    return document.data, document.places


def read_document(path: Path) -> Document:
    """The file at `path`, refusals included. Raises ConfigError when it cannot be read as YAML at all."""
    return parse_document(_bytes_of(path), str(path))


def parse_document(raw: bytes, name: str) -> Document:
    """As `read_document`, of bytes; `name` stands in the problems."""
    name = printable(name)
    try:
        tree = compose(_text_of(raw, name))
    except NotYaml as error:
        raise ConfigError([ConfigProblem(name, error.line, error.column, "", error.message)]) from error
    walk = _Walk(Places(name), tree)
    data = walk.value(tree.root, ())
    if not isinstance(data, dict):
        found = "nothing" if data == "" else shown(data)
        message = f"expected keys with values at the top, found {found}"
        raise ConfigError([walk.places.problem((), message, expected="keys with values", found=found)])
    return Document(data, walk.places, tuple(sorted(walk.problems, key=ConfigProblem.order)))


def _bytes_of(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise file_problem(path, "expected a file" if path.exists() else f"no such file{_instead(path)}")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a usable file name"
        hint = ": run this as the user it belongs to" if isinstance(error, PermissionError) else ""
        raise file_problem(path, f"cannot be read: {reason}{hint}") from error


def _instead(path: Path) -> str:
    """The YAML file of the same folder that was most likely meant, else those that are there."""
    try:
        here = sorted(found.name for found in path.parent.glob("*.y*ml"))[:_MOST_FILES_NAMED]
    except OSError:
        return ""
    meant = did_you_mean(path.name, here)
    if meant:
        return f"; did you mean {shown(meant)}?"
    return f"; in its folder is {either(map(shown, here))}" if here else ""


def _text_of(raw: bytes, name: str) -> str:
    if len(raw) > MAX_BYTES:
        raise file_problem(name, f"larger than {MAX_BYTES >> 20} MiB: not a configuration file")
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise file_problem(name, "begins with a byte order mark: save it as UTF-8 without one")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([ConfigProblem(name, line, None, "", "not UTF-8: save the file as UTF-8")]) from error
    bad = _FORBIDDEN.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        message = f"the character U+{ord(bad[0]):04X} may not stand in this file"
        raise ConfigError([ConfigProblem(name, line, column, "", message)])
    return text


class _Walk:
    """Turns nodes into values; keeps the positions and the problems met on the way."""

    def __init__(self, places: Places, tree: Tree) -> None:
        self.places = places
        self.problems: list[ConfigProblem] = []
        self._decorated = tree.decorated

    def value(self, node: Node, loc: Loc) -> Any:
        self.places.values[loc] = _position(node)
        if isinstance(node, ScalarNode):
            return self.scalar(node, loc)
        self._refuse_decoration(node, loc)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*loc, i)) for i, item in enumerate(node.value)]
        assert isinstance(node, MappingNode)
        return self.mapping(node, loc)

    def mapping(self, node: MappingNode, loc: Loc) -> dict[str | int, Any]:
        found: dict[str | int, Any] = {}
        for key_node, value_node in node.value:
            key = self.key(key_node, loc)
            here = (*loc, key)
            if key in found:
                self._refuse(key_node, here, f"this key stands already in line {self.places.keys[here][0]}")
                continue
            self.places.keys[here] = _position(key_node)
            found[key] = self.value(value_node, here)
            if isinstance(value_node, CollectionNode):  # people look for its key, not for what begins below it
                self.places.values[here] = self.places.keys[here]
        return found

    def key(self, node: Node, loc: Loc) -> str | int:
        if not isinstance(node, ScalarNode):
            self._refuse(node, loc, "expected a name as key, found a list or mapping")
            return f"key in line {node.start_mark.line + 1}"
        here = (*loc, str(node.value))
        text = self._text(node, here)
        try:
            key = text if node.style else read_plain(text)
            why = "a name is text"
        except Surprise as surprise:
            key, why = None, surprise.why
        if isinstance(key, str) or type(key) is int:
            return key
        found = printable(text) or "nothing"
        self._refuse(node, here, f"expected a name as key, found {found} ({why}): write {shown(text)} in quotes")
        return text

    def scalar(self, node: ScalarNode, loc: Loc) -> Any:
        text = self._text(node, loc)
        if node.style is not None:
            return text
        try:
            return read_plain(text)
        except Surprise as surprise:
            found = printable(text) or "nothing"
            self._refuse(node, loc, f"expected {surprise.expected}, found {found} ({surprise.why})",
                         expected=surprise.expected, found=found)
            return text

    def _text(self, node: ScalarNode, loc: Loc) -> str:
        self._refuse_decoration(node, loc)
        text = str(node.value)
        control = _ESCAPED_CONTROL.search(text)
        if control:
            self._refuse(node, loc, f"the character U+{ord(control[0]):04X} may not stand in text")
        return _ESCAPED_CONTROL.sub("?", text)

    def _refuse_decoration(self, node: Node, loc: Loc) -> None:
        if node in self._decorated:
            self._refuse(node, loc, self._decorated[node])

    def _refuse(self, node: Node, loc: Loc, message: str, *, expected: str | None = None,
                found: str | None = None) -> None:
        line, column = _position(node)
        self.problems.append(ConfigProblem(self.places.file, line, column, key_text(loc), message, expected, found))


def _position(node: Node) -> Position:
    return node.start_mark.line + 1, node.start_mark.column + 1
