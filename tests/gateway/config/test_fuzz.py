"""Whatever a file holds, loading it gives a model or a ConfigError with usable places; nothing else ever comes out."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twolbms.config.errors import ConfigError
from twolbms.config.json_schema import MODELS, model_of
from twolbms.config.load import as_model
from twolbms.config.strict_yaml import parse_document

ROOT = Path(__file__).resolve().parents[3]
SEEDS = {
    "site": "site: house\nrun: ./run\njournal: {keep: {sample: {size: 1 GiB, age: 30d}}}\n"
            "buses:\n  - {name: can0, interface: slcan, channel: /dev/ttyACM0, bitrate: 500000}\n"
            "packs:\n  - {name: one, type: lfp_8s_320ah, node: 1, bus: can0, serial: \"7\", keep_closed: true}\n"
            "banks:\n  - {name: all, packs: [one]}\n"
            "influxdb: {url: 'http://127.0.0.1:8086', org: o, token_file: t}\nrequests: {expire_s: 30}\n",
    "pack": (ROOT / "packs" / "leaf_2013_14s.yaml").read_text(),
    "scenario": "scenario: a story\npack: lfp_8s_320ah\nsteps:\n  - at_ms: 0\n    set: {cells_v: [3.2, missing], "
                "cell_v: {3: 3.7}, request: {ask: close}}\n    expect: {state: closed, outputs: {charge: open}}\n",
}
WORDS = ["yes", "~", "010", "12:30", "&a ", "*a", "!!str ", "{", "}", "[", "]", "- ", "? ", ": ", "\n", "\t", "'", '"',
         "|", ">", "#", "\\", "%", "<<: ", "0x1F", "1e999", "9" * 30, "null", "true", "-1",
         "\u2028", "\x00", "é", "😀", "@"]


def said(raw: bytes, name: str) -> ConfigError | None:
    """What is said about a file of these bytes; checks that each place lies within the file."""
    try:
        as_model(parse_document(raw, "f.yaml"), Path("/nowhere/f.yaml"), model_of(name))
    except ConfigError as error:
        last = raw.count(b"\n") + raw.count(b"\r") + 2
        assert error.problems
        for problem in error.problems:
            assert problem.line is None or 1 <= problem.line <= last
            assert problem.column is None or problem.column >= 1
            assert problem.message
            assert "Input should" not in problem.message
            assert str(problem).isprintable()
        assert [p.order() for p in error.problems] == sorted(p.order() for p in error.problems)
        return error
    return None


@pytest.mark.parametrize("name", MODELS)
def test_the_seeds_are_right(name: str) -> None:
    """The files that the fuzz starts from load without a word."""
    assert said(SEEDS[name].encode(), name) is None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes(raw: bytes) -> None:
    """No bytes bring anything but a ConfigError."""
    assert said(raw, "site") is not None


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=4)), max_size=25).map("".join))
def test_random_yaml_words(text: str) -> None:
    """No heap of YAML's own marks brings anything but a ConfigError."""
    assert said(text.encode("utf-8", "surrogatepass"), "site") is not None


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_files(name: str, data: st.DataObject) -> None:
    """A right file with pieces cut out and others put in brings a model or a ConfigError."""
    text = SEEDS[name]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 12)))
        text = text[:start] + data.draw(st.sampled_from(["", *WORDS])) + text[end:]
    said(text.encode(), name)


KEYS = st.sampled_from(["site", "packs", "name", "buses", "node", "banks", "influxdb", "keep", "sample", "size", 3])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), KEYS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)), max_leaves=12)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_values_of_any_kind_anywhere(name: str, data: st.DataObject) -> None:
    """Any value in the place of any other brings a model or a ConfigError."""
    tree = yaml.safe_load(SEEDS[name])
    place = tree
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [value for value in (place.values() if isinstance(place, dict) else place)
                 if isinstance(value, dict | list) and value]
        if not inner:
            break
        place = data.draw(st.sampled_from(inner))
    key = data.draw(st.sampled_from(sorted(place, key=str) if isinstance(place, dict) else range(len(place))))
    place[key] = data.draw(VALUES)
    said(yaml.safe_dump(tree, allow_unicode=True, default_style=data.draw(st.sampled_from([None, '"']))).encode(), name)
