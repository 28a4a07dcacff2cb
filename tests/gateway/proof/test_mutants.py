"""The mistakes that are made: each kind, at the right place, and nothing that cannot be told apart."""

from __future__ import annotations

import ast

import pytest

from twolbms.proof.equivalent import EQUIVALENT
from twolbms.proof.mutants import mutants
from twolbms.proof.mutate import MODULES, tried
from twolbms.scenario.nodes import firmware, firmware_folder

HEAD = "from generated.codec import STATE_OPEN, STATE_CLOSED\n\nLOW = 1\nHIGH = 2\nSAME = 2\n"


def of(body: str) -> set[str]:
    """What the lines of a function become."""
    return {m.after for m in mutants("m", f"{HEAD}\n\ndef f(self, a, b, limits):\n    {body}\n") if m.function == "f"}


@pytest.mark.parametrize("body, after", [
    ("return a < b", {"return a <= b", "return a >= b", "return 0"}),
    ("return a >= b", {"return a > b", "return a < b", "return 0"}),
    ("return a == b", {"return a != b", "return 0"}),
    ("a += b", {"a -= b", "pass"}),
    ("a = b & 7", {"a = b | 7", "a = b & 8", "a = b & 6", "pass"}),
    ("a = b // 10", {"a = b * 10", "a = b // 11", "a = b // 9", "pass"}),
    ("a = min(a, b)", {"a = max(a, b)", "pass"}),
    ("a = not b", {"a = (b)", "pass"}),
    ("a = -b", {"a = (b)", "pass"}),
    ("a = True", {"a = False", "pass"}),
    ("a = 0", {"a = 1", "a = -1", "pass"}),
    ("a = STATE_OPEN", {"a = STATE_CLOSED", "pass"}),
    ("a = LOW", {"a = HIGH", "pass"}),
    ("a = len(limits.TRIP)", {"pass"}),
    ("self.go(a)", {"pass"}),
])
def test_each_kind_of_mistake_is_made(body: str, after: set[str]) -> None:
    """Comparisons, operators, constants and their families, left out statements, return values."""
    assert of(body) == after


def test_and_and_or_are_changed_one_at_a_time() -> None:
    """Each `and` becomes `or` for its own two sides, as parentheses say."""
    assert {"if (a or b) and limits: pass", "if a and (b or limits): pass",
            "if not (a and b and limits): pass"} <= of("if a and b and limits: pass")


def test_a_constant_of_the_same_value_is_no_mistake() -> None:
    """HIGH for SAME would change nothing, also where the chip's compiler is told that it is a constant."""
    assert of("a = HIGH") == {"pass"}
    text = "ONE = const(1)\nTWO = const(2)\nALSO = 2\n\n\ndef f():\n    return [ONE, TWO]\n"
    assert {m.after for m in mutants("m", text) if m.function == "f"} == {"return 0", "return [TWO, TWO]"}
    assert {m.after for m in mutants("m", text) if not m.function} >= {"ONE = const(0)", "ONE = const(2)"}


def test_machine_code_is_changed_as_any_other() -> None:
    """A function for the chip's compiler runs here as plain Python: its lines change, its types and casts do not."""
    text = ("@micropython.viper\ndef f(n: int, values: ptr32) -> int:\n    v = ptr32(values)\n"
            "    while n < 9:\n        n += 1\n    return n\n")
    assert [m.after for m in mutants("m", text)] == [
        "pass", "while n <= 9:", "while n >= 9:", "while n < 10:", "while n < 8:", "pass", "n -= 1", "n += 0", "n += 2",
        "return 0"]


def test_docstrings_comments_and_defaults_stay() -> None:
    """What is not executed, or is bound once before any test, is left alone."""
    text = 'def f(a=3):\n    """Says 1."""\n    return a  # 2\n'
    assert [m.after for m in mutants("m", text)] == ["return 0"]


@pytest.mark.parametrize("module", MODULES)
def test_every_mutant_is_python_and_differs(module: str) -> None:
    """Each compiles, no two are the same text, and each says its line."""
    text = (firmware_folder() / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    found = list(mutants(module, text))
    assert len(found) > 50 and len({m.text for m in found} | {text}) == len(found) + 1
    for m in found:
        ast.parse(m.text)
        assert m.before in text.split("\n")[m.line - 1]


def test_the_table_of_equivalent_mutants_names_mutants_that_exist() -> None:
    """A row that the code has outgrown is told; each row has a reason in words."""
    firmware("node.cycle")
    found = tried(MODULES, None, 1)
    assert found.stale == []
    assert all(len(row.reason.split()) >= 4 for row in EQUIVALENT)
    assert len(found.equivalent) < len(found.chosen) / 10
