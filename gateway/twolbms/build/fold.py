"""Writes the whole-number constants of a version's modules into the places that use them, as a linker does.

MicroPython looks a name up each time it is used, and keeps it in the heap; a number it has at once. Folded is only what
is plainly constant: a name in capitals that the top of its module gives a whole number, once. Knows no MicroPython.
"""

from __future__ import annotations

import ast
import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift, ast.RShift: operator.rshift, ast.BitOr: operator.or_, ast.BitAnd: operator.and_,
}


class _Edit(NamedTuple):
    """`text` takes the place of what lies from (line, byte) to (end_line, end_byte); lines count from 1."""

    line: int
    byte: int
    end_line: int
    end_byte: int
    text: str


class _Module:
    """One module: its tree, the constants it has, and the modules it knows by a name."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.tree = ast.parse(text)
        self.nodes = list(ast.walk(self.tree))
        self.constants: dict[str, int] = {}
        self.own: set[str] = set()
        self.modules: dict[str, str] = {}
        self._bound = Counter(_bindings(self.nodes))
        quoted = (inner for node in self.nodes if isinstance(node, ast.JoinedStr) for inner in ast.walk(node))
        self._quoted = {node.id for node in quoted if isinstance(node, ast.Name)}  # Python 3.11 misplaces these

    def plain(self, name: str) -> bool:
        """Whether `name` stands for one thing in the whole module, wherever it is used."""
        return self._bound[name] == 1 and name not in self._quoted

    def define(self, statement: ast.stmt) -> None:
        """Takes up what one statement at the top says."""
        if not isinstance(statement, ast.Assign):
            return
        for target in statement.targets:
            names, values = _assigned(target, statement.value, self.constants)
            for name, value in zip(names, values, strict=False):
                if name.isupper() and self.plain(name):
                    self.constants[name] = value
                    self.own.add(name)


def folded(texts: Mapping[str, str]) -> dict[str, str]:
    """The same modules, by dotted name, with their constants written in. Lines stay where they are."""
    modules = {name: _Module(name, text) for name, text in texts.items()}
    done: set[str] = set()
    for name in modules:
        _resolve(name, modules, done)
    asked = {alias.name for module in modules.values() for node in module.nodes if isinstance(node, ast.ImportFrom)
             for alias in node.names if (alias.asname or alias.name) not in module.constants}
    asked |= {node.attr for module in modules.values() for node in module.nodes
             if isinstance(node, ast.Attribute) and _value(node, module, modules) is None}
    asked |= {node.value for module in modules.values() for node in module.nodes
              if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # for getattr: store.config_form.bound
    return {name: _edited(module.text, list(_edits(module, modules, asked))) for name, module in modules.items()}


def _resolve(name: str, modules: Mapping[str, _Module], done: set[str]) -> None:
    """Finds the constants of a module, after those of the modules that it imports."""
    if name in done or name not in modules:
        return
    done.add(name)
    module = modules[name]
    for node in module.nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            _resolve(node.module, modules, done)
            for alias in node.names:
                _import(module, node.module, alias, modules, done)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in modules and module.plain(alias.asname or alias.name):
                    _resolve(alias.name, modules, done)
                    module.modules[alias.asname or alias.name] = alias.name
    for statement in module.tree.body:
        module.define(statement)


def _import(module: _Module, source: str, alias: ast.alias, modules: Mapping[str, _Module], done: set[str]) -> None:
    bound, whole = alias.asname or alias.name, f"{source}.{alias.name}"
    if not module.plain(bound):
        return
    if whole in modules:
        _resolve(whole, modules, done)
        module.modules[bound] = whole
    elif source in modules and alias.name in modules[source].constants:
        module.constants[bound] = modules[source].constants[alias.name]


def _bindings(nodes: list[ast.AST]) -> Iterator[str]:
    """Each name as often as something binds it, in any scope."""
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name


def _assigned(target: ast.expr, value: ast.expr, known: Mapping[str, int]) -> tuple[list[str], list[int]]:
    """Names and their numbers in one assignment; nothing where it is no plain one."""
    if isinstance(target, ast.Name):
        number = _number(value, known)
        return ([target.id], [number]) if number is not None else ([], [])
    if not isinstance(target, ast.Tuple) or not all(isinstance(one, ast.Name) for one in target.elts):
        return [], []
    names = [one.id for one in target.elts if isinstance(one, ast.Name)]
    if isinstance(value, ast.Tuple):
        numbers = [_number(one, known) for one in value.elts]
    elif (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "range"
          and len(value.args) == 1 and (count := _number(value.args[0], known)) is not None):
        numbers = list(range(count))
    else:
        return [], []
    found = [number for number in numbers if number is not None]
    return (names, found) if len(found) == len(names) else ([], [])


def _number(node: ast.expr, known: Mapping[str, int]) -> int | None:
    """The whole number that an expression is, or None."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "const":
        return _number(node.args[0], known)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _number(node.operand, known)
        return None if number is None else -number
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _number(node.left, known), _number(node.right, known)
        return None if left is None or right is None else _OPERATORS[type(node.op)](left, right)
    return None


def _value(node: ast.AST, module: _Module, modules: Mapping[str, _Module]) -> int | None:
    """The number that a use stands for, by name or as `module.NAME`."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return module.constants.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Load):
        source = modules.get(module.modules.get(node.value.id, ""))
        return source.constants.get(node.attr) if source else None
    return None


def _edits(module: _Module, modules: Mapping[str, _Module], asked: set[str]) -> Iterator[_Edit]:
    """What changes in a module. `asked`: names that something may still ask a module object for."""
    gone = [node for node in module.tree.body if _superfluous(node, module, asked)]
    inside = {id(inner) for node in gone for inner in ast.walk(node)}
    for statement in gone:
        yield _edit(statement, "")
    for node in module.nodes:
        if id(node) in inside:
            continue
        if isinstance(node, ast.ImportFrom):
            kept = [alias for alias in node.names if (alias.asname or alias.name) not in module.constants]
            if len(kept) < len(node.names):
                names = ", ".join(alias.name + (f" as {alias.asname}" if alias.asname else "") for alias in kept)
                yield _edit(node, f"from {node.module} import {names}" if kept else "pass")
        elif (number := _value(node, module, modules)) is not None:
            yield _edit(node, f"({number})" if number < 0 else str(number))


def _superfluous(statement: ast.stmt, module: _Module, asked: set[str]) -> bool:
    """Whether a statement at the top only gives names that nobody looks up any more."""
    if not isinstance(statement, ast.Assign):
        return False
    names = [node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    return all(name in module.own and name not in asked for name in names)


def _edit(node: ast.AST, text: str) -> _Edit:
    assert isinstance(node, ast.stmt | ast.expr) and node.end_lineno is not None and node.end_col_offset is not None
    return _Edit(node.lineno, node.col_offset, node.end_lineno, node.end_col_offset, text)


def _edited(text: str, edits: list[_Edit]) -> str:
    """The text with every edit made; a statement of several lines leaves the empty ones behind."""
    lines = [line.encode() for line in text.split("\n")]
    for edit in sorted(edits, reverse=True):
        first, last = lines[edit.line - 1], lines[edit.end_line - 1]
        rest = last[edit.end_byte:]
        lines[edit.line - 1] = first[:edit.byte] + edit.text.encode() + rest
        for line in range(edit.line, edit.end_line):
            lines[line] = b""
    return b"\n".join(lines).decode()
