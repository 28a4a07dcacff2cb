"""Small mistakes in the text of a module: each mutant is the module with one of them. Knows Python, not what it means.

Mistakes: a comparison moved or turned round, a constant off by one or another of its family, `and` for `or`, a `not`
more or less, an operator for its opposite, a statement left out, another return value.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_COMPARISONS: Mapping[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="), ast.LtE: ("<", ">"), ast.Gt: (">=", "<="), ast.GtE: (">", "<"), ast.Eq: ("!=",),
    ast.NotEq: ("==",), ast.In: ("not in",), ast.NotIn: ("in",)}
_OPERATORS: Mapping[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.FloorDiv: "*", ast.Mod: "//", ast.BitAnd: "|", ast.BitOr: "&",
    ast.LShift: ">>", ast.RShift: "<<"}
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)
_OPPOSITES = {"min": "max", "max": "min"}


@dataclass(frozen=True)
class Mutant:
    """One mistake: `before` became `after` in `function` of `module`, line `line`; `text` is the whole module with it.

    `nth` counts from 1 where the same line with the same mistake stands in the function more than once.
    """

    module: str
    function: str
    line: int
    before: str
    after: str
    nth: int
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.function or 'module'}: {self.before}  ->  {self.after}"


@dataclass(frozen=True)
class _Change:
    node: ast.AST
    start: int
    end: int
    new: str


class _Finder(ast.NodeVisitor):
    """Collects the changes of a module, each with the function it is in."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0]
        for line in text.encode().split(b"\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self._data = text.encode()
        self._where: list[str] = []
        self.changes: list[tuple[str, _Change]] = []
        tree = ast.parse(text)
        self._families = _families(tree)
        self.visit(tree)

    # --- places ---

    def _at(self, line: int, column: int) -> int:
        return self._lines[line - 1] + column

    def _span(self, node: Any) -> tuple[int, int]:
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def _source(self, node: Any) -> str:
        start, end = self._span(node)
        return self._data[start:end].decode()

    def _change(self, node: Any, new: str, span: tuple[int, int] | None = None) -> None:
        self.changes.append((".".join(self._where), _Change(node, *(span or self._span(node)), new)))

    def _operator(self, left: Any, right: Any, old: str, new: str) -> None:
        """Changes the operator between two expressions."""
        start, end = self._span(left)[1], self._span(right)[0]
        at = self._data.index(old.encode(), start, end)
        self._change(left, new, (at, at + len(old)))

    # --- scopes ---

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._where.append(node.name)
        for statement in node.body:  # defaults and annotations are bound once, before any mutant
            self.visit(statement)
        self._where.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._where.append(node.name)
        self.generic_visit(node)
        self._where.pop()

    # --- statements ---

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node, _SIMPLE) and self._where and not self._where[-1][0].isupper():
            self._change(node, "pass")
        super().visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        value = node.value
        if value is not None and not isinstance(value, ast.Constant):
            new = "0" if not isinstance(value, ast.Name) or not value.id.isupper() else None
            if new is not None:
                self._change(value, new)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def _negate(self, test: ast.expr) -> None:
        if not isinstance(test, ast.Compare | ast.UnaryOp):
            self._change(test, f"not ({self._source(test)})")

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        new = _OPERATORS.get(type(node.op))
        if new:
            old = _symbol(node.op)
            self._operator(node.target, node.value, f"{old}=", f"{new}=")
        self.generic_visit(node)

    # --- expressions ---

    def visit_Compare(self, node: ast.Compare) -> None:
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            for new in _COMPARISONS.get(type(op), ()):
                self._operator(left, right, _symbol(op), new)
            left = right
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            # Python binds `and` closer: parentheses keep the change to this one operator
            start, end = self._span(left)[0], self._span(right)[1]
            joint = self._data[self._span(left)[1]:self._span(right)[0]].decode().replace(old, new)
            if len(node.values) == 2:
                self._change(node, f"({self._source(left)}{joint}{self._source(right)})", (start, end))
            else:
                self._change(left, f"({self._source(left)}{joint}{self._source(right)})", (start, end))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub):
            self._change(node, f"({self._source(node.operand)})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        new = _OPERATORS.get(type(node.op))
        if new and not isinstance(node.left, ast.List):
            self._operator(node.left, node.right, _symbol(node.op), new)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._change(node, str(not node.value))
        elif isinstance(node.value, int):
            self._change(node, str(node.value + 1))
            self._change(node, str(node.value - 1) if node.value else "-1")

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            other = _OPPOSITES.get(node.id) or self._families.get(node.id)
            if other:
                self._change(node, other)

    def visit_Call(self, node: ast.Call) -> None:
        if not (isinstance(node.func, ast.Name) and node.func.id == "len"):  # all columns are of one length
            self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        other = self._families.get(f".{node.attr}")
        if other and isinstance(node.ctx, ast.Load):
            end = self._span(node)[1]
            self._change(node, other, (end - len(node.attr), end))
        self.generic_visit(node)


def _symbol(op: ast.AST) -> str:
    left, right = ast.Name("a", ast.Load()), ast.Name("b", ast.Load())
    tree = ast.Compare(left, [op], [right]) if isinstance(op, ast.cmpop) else ast.BinOp(left, op, right)  # type: ignore[arg-type]  # an operator of the tree
    return ast.unparse(tree)[1:-1].strip()


def _families(tree: ast.Module) -> dict[str, str]:
    """For each constant another of its kind: the next imported one of its prefix, the next one assigned beside it, and
    for a column of the limits (`.NAME`) the next column that the module reads in the same way."""
    imported = [alias.name for item in tree.body if isinstance(item, ast.ImportFrom) for alias in item.names
                if alias.name.isupper()]
    groups: dict[str, list[str]] = {}
    for name in imported:
        groups.setdefault(name.partition("_")[0], []).append(name)
    line, values = -2, dict[str, Any]()
    for item in tree.body:
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name) and item.targets[0].id.isupper():
            if item.lineno != line + 1:
                groups[f"line {item.lineno}"] = []
            line = item.lineno
            groups[next(reversed(groups))].append(item.targets[0].id)
            value = _without_const(item.value)
            if isinstance(value, ast.Constant):
                values[item.targets[0].id] = value.value
    columns: dict[str, list[str]] = {}
    indexed = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.isupper():
            kind = "indexed" if id(node) in indexed else node.attr.rpartition("_")[2]
            if f".{node.attr}" not in columns.setdefault(kind, []):
                columns[kind].append(f".{node.attr}")
    near = {name: other for name, other in _next_of(groups).items()
            if name not in values or values[name] != values.get(other)}
    return {**near, **{name: other[1:] for name, other in _next_of(columns).items()}}


def _without_const(value: ast.expr) -> ast.expr:
    """`3` of `const(3)`, which tells a compiler for the chip that the name may go."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "const":
        return value.args[0]
    return value


def _next_of(groups: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: names[(at + 1) % len(names)] for names in groups.values() if len(names) > 1
            for at, name in enumerate(names)}


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """Every mutant of a module's text, in the order of the text."""
    data = text.encode()
    seen = {text}
    times: Counter[tuple[str, str, str]] = Counter()
    for function, change in sorted(_Finder(text).changes, key=lambda item: (item[1].start, item[1].end, item[1].new)):
        changed = (data[:change.start] + change.new.encode() + data[change.end:]).decode()
        if changed in seen:
            continue
        seen.add(changed)
        line = data.count(b"\n", 0, change.start) + 1
        before, after = _line(text, line), _line(changed, line)
        times[function, before, after] += 1
        yield Mutant(module, function, line, before, after, times[function, before, after], changed)


def _line(text: str, line: int) -> str:
    """A line without indent and comment."""
    return re.sub(r"\s+# .*", "", text.split("\n")[line - 1]).strip()
