"""Each thing that the strict reader refuses, with its line and column, and what it gives otherwise."""

from pathlib import Path

import pytest

from twolbms.config.errors import ConfigError, ConfigProblem
from twolbms.config.strict_yaml import MAX_BYTES, parse_document, read_strict
from twolbms.config.yaml_nodes import MAX_DEPTH


def problems(text: str | bytes) -> list[ConfigProblem]:
    """Everything that is wrong with a file holding `text`."""
    try:
        found = parse_document(text.encode() if isinstance(text, str) else text, "site.yaml").problems
    except ConfigError as error:
        found = error.problems
    return list(found)


def only(text: str | bytes) -> str:
    (problem,) = problems(text)
    return str(problem)


def test_values_and_positions() -> None:
    """Values come as plain Python, each with the line and column where a person looks for it."""
    text = "site: house\npacks:\n  - {name: a, node: 1}\n  - name: b\n    'quoted': \"no\"\n"
    data, places, refused = parse_document(text.encode(), "site.yaml")
    assert data == {"site": "house", "packs": [{"name": "a", "node": 1}, {"name": "b", "quoted": "no"}]}
    assert not refused
    assert places.values[("site",)] == (1, 7)
    assert places.values[("packs",)] == (2, 1)  # a block is found by its key
    assert places.values[("packs", 0, "node")] == (3, 21)
    assert places.keys[("packs", 1, "quoted")] == (5, 5)
    assert places.at(("packs", 1, "missing", "deeper")) == (4, 5)


def test_whole_numbers_may_be_keys() -> None:
    """Cells are named by number in scenarios."""
    assert parse_document(b"cell_v: {3: 3.2}", "x").data == {"cell_v": {3: 3.2}}


@pytest.mark.parametrize(("text", "expected"), [
    ("a: 1\nb: no\n", 'site.yaml:2:4: b: expected false or "no" in quotes, found no (YAML 1.1 takes it for false)'),
    ("a:\n  - 12:30\n", 'site.yaml:2:5: a[0]: expected "12:30" in quotes, found 12:30 '
                        "(YAML 1.1 takes it for a number to the base 60)"),
    ("a: {b: 010}", 'site.yaml:1:8: a.b: expected 10 or "010" in quotes, found 010 '
                    "(YAML 1.1 takes a leading zero for octal)"),
    ("a:\nb: 1",
     "site.yaml:1:3: a: expected a value, found nothing (write null, or leave the key out, if none is meant)"),
    ("a: 1\nb: 2\na: 3\n", "site.yaml:3:1: a: this key stands already in line 1"),
    ("p:\n - {x: 1, x: 2}", "site.yaml:2:11: p[0].x: this key stands already in line 2"),
    ("a: &here 1", "site.yaml:1:4: a: expected a value, found the anchor &here: leave it out"),
    ("a: {b: *there}", "site.yaml:1:8: a.b: expected values, found the alias *there: write them out"),
    ("a: !!str 1",
     "site.yaml:1:4: a: expected a value, found the tag !!str: leave it out, or write the text in quotes"),
    ("a: !secret x", "site.yaml:1:4: a: expected a value, found the tag !secret: leave it out, "
                     "or write the text in quotes"),
    ("<<: {a: 1}", 'site.yaml:1:1: ["<<"]: expected a name as key, found << (it is a command of YAML 1.1): '
                   'write "<<" in quotes'),
    ("on: 1", 'site.yaml:1:1: on: expected a name as key, found on (YAML 1.1 takes it for true): write "on" in quotes'),
    ("true: 1", 'site.yaml:1:1: true: expected a name as key, found true (a name is text): write "true" in quotes'),
    ("1.5: 1", 'site.yaml:1:1: ["1.5"]: expected a name as key, found 1.5 (a name is text): write "1.5" in quotes'),
    ("? [a]\n: 1", "site.yaml:1:3: expected a name as key, found a list or mapping"),
    ('a: "\\u0007"', "site.yaml:1:4: a: the character U+0007 may not stand in text"),
    ('a: "\\ud800"', "site.yaml:1:4: a: the character U+D800 may not stand in text"),
])
def test_refused_values(text: str, expected: str) -> None:
    """Each surprise is one line: file, line, column, key, what to write instead."""
    assert only(text) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("a:\tb", "1:3: expected spaces: a tab may not stand here"),
    ("a: b\tc", "1:5: expected spaces: a tab may not stand here"),
    ("\ta: b", "1:1: expected spaces: a tab may not stand here"),
    ("a: 'b\nc: 1\n", "1:4: the quote that opens here is never closed"),
    ("a: [1, 2\nb: 3\n", '1:4: expected "," or "]" in the list that opens here'),
    ("a: {b: 1\nc: 2\n", '1:4: expected "," or "}" in the mapping that opens here'),
    ("a: b: c", '1:5: a ":" may not stand here: check the indentation, or put text that holds ": " in quotes'),
    ("a: 1\nb\n", '2:1: expected ":" and a value after this key, or other indentation'),
    ("p:\n - a: 1\n   b: 2\n  c: 3\n", '4:3: the indentation does not match the lines above, or a "- " is missing'),
    ("a: @b", "1:4: text that begins with this character must stand in quotes"),
    ('a: "\\q"', r"1:6: no such escape in double quotes: write a backslash as \\, or use single quotes"),
    ('a: "\\UFFFFFFFF"', "1:7: no character has this number"),
    ("a: - b", '1:4: a "- " may not stand here: begin the list on a line of its own'),
    ("a: 1\n---\nb: 2\n", "2:1: expected one document, found a second one"),
    ("%YAML 1.1\n---\na: 1\n", "1:1: expected no % directive: this file is plain YAML"),
    ("- a\n- b\n", "1:1: expected keys with values at the top, found a list of 2"),
    ("hello", '1:1: expected keys with values at the top, found "hello"'),
    ("---\n", "2:1: expected keys with values at the top, found nothing"),
    ("", " empty: expected keys with values"),
    ("# only a comment\n", " empty: expected keys with values"),
    ("a: 1\nb: \a\n", "2:4: the character U+0007 may not stand in this file"),
    ("a: 1\u2028b: 2", "1:5: the character U+2028 may not stand in this file"),
    ("a: 1\nb: \ufeff2\n", "2:4: the character U+FEFF may not stand in this file"),
    (b"a: 1\nb: \xff\n", "2: not UTF-8: save the file as UTF-8"),
    (b"\xef\xbb\xbfa: 1", " begins with a byte order mark: save it as UTF-8 without one"),
    ("a: 1".encode("utf-16"), " begins with a byte order mark: save it as UTF-8 without one"),
    (b"#" * (MAX_BYTES + 1), " larger than 1 MiB: not a configuration file"),
    ("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, f"1:35: nested deeper than {MAX_DEPTH} levels"),
    ("- " * 5000, f"1:65: nested deeper than {MAX_DEPTH} levels"),
])
def test_refused_files(text: str | bytes, expected: str) -> None:
    """A file that is no plain YAML is refused at the place where a person has to look."""
    assert only(text) == f"site.yaml:{expected}"


def test_the_deepest_that_is_allowed() -> None:
    """One level less than what is refused is read."""
    inner = MAX_DEPTH - 1
    assert not problems("a: " + "[" * (inner - 1) + "1" + "]" * (inner - 1))


def test_harmless_forms_are_read() -> None:
    """A document start and end, comments, block text, quotes and Windows line ends surprise nobody."""
    text = "---\r\n# note\r\na: |\r\n  one\r\n  two\r\nb: 'on'\r\nc: \"010\"\r\nd: {}\r\ne: []\r\n...\r\n"
    assert parse_document(text.encode(), "x").data == {"a": "one\ntwo\n", "b": "on", "c": "010", "d": {}, "e": []}


def test_all_problems_at_once_in_file_order() -> None:
    """A person sees every refusal of a file together, from its top to its end."""
    found = problems("a: yes\nb: [010, {c: ~}]\na: 1\nd: *x\n")
    assert [(p.line, p.key) for p in found] == [(1, "a"), (2, "b[0]"), (2, "b[1].c"), (3, "a"), (4, "d")]


def test_files_that_are_none(tmp_path: Path) -> None:
    """A missing file, a folder and an impossible name are told without a traceback."""
    for path, words in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "expected a file"),
                        (tmp_path / ("x" * 300), "cannot be read: File name too long"),
                        (tmp_path / "a\0b", "no such file")):
        with pytest.raises(ConfigError) as caught:
            read_strict(path)
        (problem,) = caught.value.problems
        assert (problem.line, problem.message) == (None, words)
        assert "\0" not in str(problem)


def test_a_refused_file_raises(tmp_path: Path) -> None:
    """`read_strict` gives data only when nothing was refused."""
    path = tmp_path / "a.yaml"
    path.write_text("a: no")
    with pytest.raises(ConfigError, match=r"a\.yaml:1:4: a: expected false"):
        read_strict(path)
    path.write_text("a: false")
    assert read_strict(path)[0] == {"a": False}
