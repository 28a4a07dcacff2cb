"""How a model's refusals are told: place, key, expectation, what was found, and the likely meant word."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from twolbms.config.errors import ConfigError, Misfit
from twolbms.config.load import load_model
from twolbms.config.model import StrictModel

Loose = Annotated[float, Field(strict=False, ge=0)]


class Part(StrictModel):
    kind: Literal["cable"]
    area_mm2: float = Field(gt=0)


class Fuse(StrictModel):
    kind: Literal["fuse"]
    rating_a: int
    on_off: Literal["on", "off", "1"] = "on"


class Inner(StrictModel):
    node: int = Field(default=1, ge=1, le=127)
    voltage_v: Loose = 3.0
    title: str = Field(default="four", min_length=4, max_length=8)
    code: str = Field(default="ab", pattern="^[a-z]+$")
    enabled: bool = True
    mode: Literal["charge", "discharge"] = "charge"
    cells: Loose | list[Loose | Literal["missing"]] | Literal["missing"] | None = None
    by_cell: dict[int, float] | None = None
    by_name: dict[Literal["warn", "trip"], float] | None = None
    names: list[str] = Field(default=["a"], min_length=1, max_length=2)


class Outer(StrictModel):
    name: str
    inner: Inner = Inner()
    parts: list[Annotated[Part | Fuse, Field(discriminator="kind")]] | None = None
    either: Part | Fuse | None = None
    low: int = 0
    high: int = 9

    @model_validator(mode="after")
    def _order(self) -> "Outer":
        if self.low > self.high:
            raise Misfit(
                (("low",), "expected a value below high"), (("inner", "node"), "matters too"), ((), "as a whole"))
        if self.low == 5:
            raise Misfit.told(["inner.node: told by text", "no key: a text about everything", "parts[0].kind: deep"])
        if self.low == 6:
            raise ValueError("six is not allowed")
        return self


def told(tmp_path: Path, text: str) -> list[str]:
    """What is said about a file with `text`, without the file's name."""
    path = tmp_path / "f.yaml"
    path.write_text(text)
    try:
        load_model(path, Outer)
    except ConfigError as error:
        lines = str(error).split("\n")
        assert [p.order() for p in error.problems] == sorted(p.order() for p in error.problems)
        assert all(line.startswith(f"{path}:") for line in lines)
        return [line.removeprefix(f"{path}:") for line in lines]
    return []


def test_a_right_file_becomes_the_model(tmp_path: Path) -> None:
    """What is right is loaded as it stands."""
    path = tmp_path / "f.yaml"
    path.write_text("name: x\ninner: {cells: [3, missing], by_cell: {3: 3.1}}\nparts: [{kind: fuse, rating_a: 2}]\n")
    found = load_model(path, Outer)
    assert found.inner.cells == [3.0, "missing"]
    assert found.inner.by_cell == {3: 3.1}
    assert found.parts == [Fuse(kind="fuse", rating_a=2)]


@pytest.mark.parametrize(("line", "expected"), [
    ("node: one", 'node: expected a whole number from 1 to 127, found "one"'),
    ("node: 128", "node: expected a whole number from 1 to 127, found 128"),
    ("node: 1.5", "node: expected a whole number from 1 to 127, found 1.5"),
    ("node: true", "node: expected a whole number from 1 to 127, found true"),
    ("node: [1]", "node: expected a whole number from 1 to 127, found a list of 1"),
    ("node: {a: 1}", "node: expected a whole number from 1 to 127, found a mapping of 1"),
    ("node: null", "node: expected a whole number from 1 to 127, found null"),
    ('voltage_v: "3.5"', 'voltage_v: expected a number of at least 0, found "3.5"'),
    ('voltage_v: "nan"', 'voltage_v: expected a number of at least 0, found "nan"'),
    ("voltage_v: true", "voltage_v: expected a number of at least 0, found true"),
    ("voltage_v: -1", "voltage_v: expected a number of at least 0, found -1"),
    ("title: abc", 'title: expected text of 4 to 8 characters, found "abc"'),
    ("title: 1234", "title: expected text of 4 to 8 characters, found 1234"),
    ("code: A1", 'code: expected text that matches ^[a-z]+$, found "A1"'),
    ("enabled: 1", "enabled: expected true or false, found 1"),
    ("mode: chrage", 'mode: expected charge or discharge, found "chrage"; did you mean "charge"?'),
    ("mode: x", 'mode: expected charge or discharge, found "x"'),
    ("names: []", "names: expected a list of 1 to 2 entries, found an empty list"),
    ("names: [a, b, c]", "names: expected a list of 1 to 2 entries, found a list of 3"),
    ("names: {}", "names: expected a list of 1 to 2 entries, found an empty mapping"),
    ("cells: mising", 'cells: expected a number of at least 0, a list or missing, found "mising"; '
                      'did you mean "missing"?'),
    ("cells: [1, x]", 'cells[1]: expected a number of at least 0 or missing, found "x"'),
    ("cells: [1, -1]", "cells[1]: expected a number of at least 0 or missing, found -1"),
    ("by_cell: {one: 3}", 'by_cell.one: expected a whole number as key, found "one"'),
    ("by_cell: {1: x}", 'by_cell[1]: expected a number, found "x"'),
    ("by_name: {wran: 3}", 'by_name.wran: expected warn or trip as key, found "wran"; did you mean "warn"?'),
    ("nod: 1", 'nod: unknown key; did you mean "node"?'),
    ("Voltage-V: 1", 'Voltage-V: unknown key; did you mean "voltage_v"?'),
    ("low: 1", 'low: unknown key; it belongs beside "inner", further to the left'),
])
def test_expectations_in_words(tmp_path: Path, line: str, expected: str) -> None:
    """Every kind of mistake in a value is told in words, with the way to it and what was found."""
    (found,) = told(tmp_path, f"name: x\ninner:\n  {line}\n")
    place, _, words = found.partition(": ")
    assert place.startswith("3:")
    assert words == f"inner.{expected}"


def test_missing_keys_stand_at_what_they_lack_in(tmp_path: Path) -> None:
    """A missing key is reported where the section begins that lacks it."""
    assert told(tmp_path, "inner: {}\nparts:\n  - kind: fuse\n  - {kind: cable, area_mm2: 1}\n") == [
        "1:1: name: this key is missing: expected text",
        "3:5: parts[0].rating_a: this key is missing: expected a whole number"]


def test_a_misspelt_key_is_one_problem(tmp_path: Path) -> None:
    """A required key that is misspelt is not reported as missing as well."""
    assert told(tmp_path, "nmae: x\n") == ['1:1: nmae: unknown key; did you mean "name"?']


def test_unknown_keys_that_resemble_nothing(tmp_path: Path) -> None:
    """Without a likely name the keys that are still free are listed; one of another level is sent home."""
    assert told(tmp_path, "name: x\nzzz: 1\nnode: 3\n") == [
        "2:1: zzz: unknown key; expected inner, parts, either, low or high",
        '3:1: node: unknown key; it belongs below "inner"']


def test_discriminated_unions(tmp_path: Path) -> None:
    """The word that chooses among kinds is named when it is wrong or missing, and then only that kind's keys count."""
    assert told(tmp_path, "name: x\nparts:\n- {kind: fus}\n- {}\n- {kind: fuse, rating: 3}\n- 4\n") == [
        '3:10: parts[0].kind: expected cable or fuse, found "fus"; did you mean "fuse"?',
        "4:3: parts[1].kind: this key is missing: expected cable or fuse",
        '5:16: parts[2].rating: unknown key; did you mean "rating_a"?',
        "6:3: parts[3]: expected keys with values, found 4"]


def test_plain_unions_speak_once(tmp_path: Path) -> None:
    """Of several models that fail only the closest speaks."""
    assert told(tmp_path, "name: x\neither: {kind: fuse, rating_a: x}\n") == [
        '2:32: either.rating_a: expected a whole number, found "x"']
    assert told(tmp_path, "name: x\neither: 3\n") == ["2:9: either: expected keys with values, found 3"]


def test_fixed_words_that_need_quotes_are_shown_with_them(tmp_path: Path) -> None:
    """`on` and `1` are shown as they must be written, because unquoted they are something else."""
    assert told(tmp_path, "name: x\nparts: [{kind: fuse, rating_a: 1, on_off: 1}]\n") == [
        '2:43: parts[0].on_off: expected "on", "off" or "1", found 1']


def test_validators_place_their_misfits(tmp_path: Path) -> None:
    """What a model's validator finds is told at the line and key it names."""
    assert told(tmp_path, "name: x\nlow: 10\ninner:\n  node: 3\n") == [
        "1:1: as a whole", "2:6: low: expected a value below high", "4:9: inner.node: matters too"]
    assert told(tmp_path, "name: x\nlow: 5\nparts: [{kind: fuse, rating_a: 1}]\n") == [
        "1:1: inner.node: told by text", "1:1: no key: a text about everything", "3:16: parts[0].kind: deep"]
    assert told(tmp_path, "name: x\nlow: 6\n") == ["1:1: six is not allowed"]


def test_refusals_of_yaml_and_of_the_model_come_together(tmp_path: Path) -> None:
    """One look shows both kinds, and no value is refused twice."""
    assert told(tmp_path, "name: no\ninner:\n  node: 010\n  mode: x\n  enabled: yes\n  enabled: true\n") == [
        '1:7: name: expected false or "no" in quotes, found no (YAML 1.1 takes it for false)',
        '3:9: inner.node: expected 10 or "010" in quotes, found 010 (YAML 1.1 takes a leading zero for octal)',
        '4:9: inner.mode: expected charge or discharge, found "x"',
        '5:12: inner.enabled: expected true or "yes" in quotes, found yes (YAML 1.1 takes it for true)',
        "6:3: inner.enabled: this key stands already in line 5"]


def test_long_and_unprintable_values_stay_on_one_line(tmp_path: Path) -> None:
    """A value that would break a line or a terminal is cut and escaped."""
    (line,) = told(tmp_path, f'name: x\ninner: {{mode: "a\\n\u200b{"b" * 200}"}}\n')
    assert len(line) < 180
    assert r"\n\u200b" in line
    assert "…" in line


def test_problems_as_json(tmp_path: Path) -> None:
    """A program reads file, line, column, key, message, expectation and finding of each problem."""
    path = tmp_path / "f.yaml"
    path.write_text("name: x\nlow: z\n")
    with pytest.raises(ConfigError) as caught:
        load_model(path, Outer)
    assert caught.value.as_json() == {"ok": False, "problems": [
        {"file": str(path), "line": 2, "column": 6, "key": "low", "message": 'expected a whole number, found "z"',
         "expected": "a whole number", "found": '"z"'}]}
