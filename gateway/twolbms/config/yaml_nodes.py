"""PyYAML's composer, made safe for files from people: one document, bounded depth, readable syntax errors.

Gives nodes with their marks and remembers which carried an anchor, alias or tag. Gives no values.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import yaml
from yaml.events import AliasEvent, DocumentStartEvent, NodeEvent, StreamEndEvent
from yaml.nodes import Node, ScalarNode

from twolbms.config.errors import printable

MAX_DEPTH = 32  # a pack's YAML has 4 levels, a scenario's 6

# What PyYAML says, what to say instead, and whether the mark where the construct began is the better place.
_SYNTAX_WORDS = (
    ("could not find expected ':'", 'expected ":" and a value after this key, or other indentation', True),
    ("mapping values are not allowed",
     'a ":" may not stand here: check the indentation, or put text that holds ": " in quotes', False),
    (r"found character '\t'", "expected spaces: a tab may not stand here", False),
    ("found unexpected end of stream", "the quote that opens here is never closed", True),
    ("found unexpected document separator", "the quote that opens here is never closed", True),
    ("expected <block end>", 'the indentation does not match the lines above, or a "- " is missing', False),
    ("expected ',' or ']'", 'expected "," or "]" in the list that opens here', True),
    ("expected ',' or '}'", 'expected "," or "}" in the mapping that opens here', True),
    ("that cannot start any token", "text that begins with this character must stand in quotes", False),
    ("found unknown escape character",
     r"no such escape in double quotes: write a backslash as \\, or use single quotes", False),
    ("sequence entries are not allowed", 'a "- " may not stand here: begin the list on a line of its own', False),
    ("expected '<document start>'", "expected a key with a value, as the lines above", False),
)


class _Mark(Protocol):
    line: int
    column: int


class NotYaml(Exception):
    """The text is no single YAML document; `line` and `column` count from 1."""

    def __init__(self, message: str, mark: _Mark | None) -> None:
        self.message = message
        self.line = mark.line + 1 if mark else None
        self.column = mark.column + 1 if mark else None
        super().__init__(message)


class Tree(NamedTuple):
    """The nodes of a document, and what is refused about some of them whatever they hold."""

    root: Node
    decorated: dict[Node, str]


def compose(text: str) -> Tree:
    """The nodes of the one document in `text`. Raises NotYaml."""
    composer = _Composer(text)
    try:
        return Tree(composer.only_document(), composer.decorated)
    except yaml.MarkedYAMLError as error:
        raise _readable(error) from error
    except (ValueError, OverflowError) as error:  # chr() of "\UFFFFFFFF"
        raise NotYaml("no character has this number", composer.get_mark()) from error
    finally:
        composer.dispose()


def _readable(error: yaml.MarkedYAMLError) -> NotYaml:
    problem = error.problem or error.context or "cannot be read"
    for said, words, from_start in _SYNTAX_WORDS:
        if said in problem:
            return NotYaml(words, (error.context_mark if from_start else None) or error.problem_mark)
    return NotYaml(f"not YAML: {printable(problem)}", error.problem_mark or error.context_mark)


class _Composer(yaml.SafeLoader):
    """Composes without following aliases; notes decorations instead of obeying them."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.decorated: dict[Node, str] = {}
        self._depth = 0

    def only_document(self) -> Node:
        self._next()  # the start of the stream
        start = self._coming()
        if isinstance(start, StreamEndEvent):
            raise NotYaml("empty: expected keys with values", None)
        if isinstance(start, DocumentStartEvent) and (start.version or start.tags):
            raise NotYaml("expected no % directive: this file is plain YAML", start.start_mark)
        root = self.compose_document()
        assert root is not None
        after = self._coming()
        if not isinstance(after, StreamEndEvent):
            raise NotYaml("expected one document, found a second one", after.start_mark)
        return root

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self._coming()
        if isinstance(event, AliasEvent):
            return self._alias()
        refusal = _decoration(event) if isinstance(event, NodeEvent) else None
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotYaml(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and refusal:
            self.decorated[node] = refusal
        return node

    def _alias(self) -> Node:
        event = self._next()
        node = ScalarNode("alias", f"*{event.anchor}", event.start_mark, event.end_mark, style="'")
        self.decorated[node] = f"expected values, found the alias *{printable(event.anchor)}: write them out"
        return node

    def _coming(self) -> Any:
        return self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it open

    def _next(self) -> Any:
        return self.get_event()  # type: ignore[no-untyped-call]  # the stubs leave it open


def _decoration(event: NodeEvent) -> str | None:
    anchor, tag = event.anchor, getattr(event, "tag", None)
    if anchor:
        return f"expected a value, found the anchor &{printable(anchor)}: leave it out"
    if tag:
        short = printable(tag).replace("tag:yaml.org,2002:", "!!")
        return f"expected a value, found the tag {short}: leave it out, or write the text in quotes"
    return None
