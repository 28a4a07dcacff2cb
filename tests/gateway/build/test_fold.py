"""Constants are written into the modules that use them, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from twolbms.build.fold import folded
from twolbms.scenario.nodes import firmware


def lines(texts: dict[str, str], name: str) -> list[str]:
    """The lines of a folded module that say something."""
    return [line for line in folded(texts)[name].split("\n") if line.strip()]


def test_a_constant_is_written_where_it_is_used_and_is_gone_from_its_module() -> None:
    """A number that only the module itself uses leaves no name behind."""
    assert lines({"a": "MOST = 1 << 3\n_HALF = const(MOST // 2)\nx = [MOST, _HALF]\n"}, "a") == ["x = [8, 4]"]


def test_an_imported_constant_needs_no_import() -> None:
    """What was imported under another name, or by way of its module, is the number; other names are imported still."""
    texts = {"p.a": "NA = -(1 << 28)\nREADY = 2\n\n\ndef f():\n    return NA\n", "b":
             "from p.a import NA, f\nfrom p.a import READY as DONE\nfrom p import a\nx = (f(), NA, DONE, a.READY)\n"}
    assert lines(texts, "b") == ["from p.a import f", "pass", "from p import a", "x = (f(), (-268435456), 2, 2)"]
    assert lines(texts, "p.a") == ["def f():", "    return (-268435456)"]


def test_names_given_together_are_folded_together() -> None:
    """`A, B = range(2)`, `A, B = 3, 4` and `A = B = 5` are constants like others."""
    text = "A, B = range(2)\nC, D = 3, 4\nE = F = 5\nx = (A, B, C, D, E, F)\n"
    assert lines({"a": text}, "a") == ["x = (0, 1, 3, 4, 5, 5)"]


@pytest.mark.parametrize("text", [
    "A = 1\nA = 2\nx = A\n",
    "A = 1\n\n\ndef f():\n    global A\n    A = 2\n",
    "A = 1\n\n\ndef f(A):\n    return A\n",
    "a = 1\nx = a\n",
    "A = True\nx = A\n",
    "A = f()\nx = A\n",
    "if x:\n    A = 1\ny = A\n",
    "A = 1\nx = f'{A}'\n",
])
def test_what_is_not_plainly_constant_stays_as_it_is(text: str) -> None:
    """A name that is bound twice, shadowed, small, no number, given under a condition or quoted is left alone."""
    assert folded({"a": text})["a"] == text


def test_a_name_that_a_module_object_may_be_asked_for_stays() -> None:
    """A module handed about as an object still answers for its constants."""
    texts = {"a": "TRIED = 3\nOTHER = 4\nx = TRIED\n", "b": "def f(slots):\n    return slots.TRIED\n"}
    assert lines(texts, "a") == ["TRIED = 3", "x = 3"]


@pytest.mark.parametrize("text", [
    "try:\n    from mm import LIMIT\nexcept ImportError:\n    LIMIT = 9999\n",
    "def f():\n    from mm import LIMIT\n    return LIMIT\n\n\ndef g():\n    from mm import LIMIT\n    return LIMIT\n",
    "from mm import LIMIT\nx = f'{LIMIT}'\n",
])
def test_a_name_that_is_still_imported_is_still_there(text: str) -> None:
    """What cannot be folded where it is used keeps its definition."""
    got = folded({"mm": "LIMIT = 3650\n", "b": text})
    assert got == {"mm": "LIMIT = 3650\n", "b": text}


def test_a_name_that_an_except_clause_or_a_pattern_binds_is_no_constant() -> None:
    """`except X as E` and a capture of `match` bind their name as an assignment does."""
    for text in ("E = 1\ntry:\n    pass\nexcept ValueError as E:\n    print(E)\n",
                 "E = 1\nmatch 2:\n    case E:\n        print(E)\n"):
        assert folded({"a": text})["a"] == text


def test_lines_stay_where_they_are() -> None:
    """A traceback names the line of the source, and a folded module has as many lines."""
    text = "from a import (\n    ONE,\n    TWO,\n)\n\nx = ONE\ny = ('ä', TWO)\n"
    got = folded({"a": "ONE = 1\nTWO = 2\n", "b": text})["b"].split("\n")
    assert len(got) == len(text.split("\n")) and got[5:7] == ["x = 1", "y = ('ä', 2)"]


def test_the_whole_firmware_means_the_same() -> None:
    """In a folded module every name that is left means what it means in the source, and every function is there."""
    source = Path(str(firmware("node.cycle").__file__)).parents[1]
    texts = {".".join(path.relative_to(source).with_suffix("").parts): path.read_text(encoding="utf-8")
             for path in source.rglob("*.py") if path.name != "__init__.py"}
    for name in ("node.protect", "node.contactor", "generated.codec"):
        plain, other = ModuleType(name), ModuleType(name)
        exec(compile(texts[name], name, "exec"), plain.__dict__)
        exec(compile(folded(texts)[name], name, "exec"), other.__dict__)
        numbers = {key: value for key, value in vars(other).items() if type(value) is int}
        assert numbers.items() <= vars(plain).items()
        own = {key for key, value in vars(plain).items() if getattr(value, "__module__", "") == name}
        assert own and own <= set(vars(other))
