"""What unquoted words mean: the same for every YAML reader, or refused with what to write instead."""

import re

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml.nodes import ScalarNode

from twolbms.config.scalars import Surprise, read_plain

NUMBER_LIKE = st.one_of(
    st.text(alphabet="0123456789+-._:eExXoObBaAfFiInN~=<>yYtT ", max_size=12),
    st.from_regex(r"[-+]?[0-9_]{0,5}\.?[0-9_]{0,5}([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.from_regex(r"[0-9]{1,30}[eE][-+]?[0-9]{1,30}", fullmatch=True),
    st.from_regex(r"[-+]?0[xXoObB]?[0-9a-fA-F_]{0,6}", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}[-:][0-9]{1,2}([-:][0-9]{1,2})?", fullmatch=True),
    st.sampled_from(["yes", "No", "ON", "off", "y", "N", "TRUE", "False", "null", "Null", "~", "=", "<<"]),
    st.sampled_from([".inf", "-.INF", ".NaN", "nan", "Infinity", "2026-11-24", "2026-1-2t1:2:3Z"]),
)


def yaml_1_1(text: str) -> object:
    """What PyYAML, a reader of YAML 1.1, takes the unquoted text for."""
    loader = yaml.SafeLoader("")
    return loader.construct_object(ScalarNode(loader.resolve(ScalarNode, text, (True, False)), text))


def yaml_1_2(text: str) -> object:
    """What the core schema of YAML 1.2.2, section 10.3.2, takes it for."""
    if re.fullmatch(r"null|Null|NULL|~|", text):
        return None
    if re.fullmatch(r"true|True|TRUE|false|False|FALSE", text):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"0o[0-7]+", text):
        return int(text[2:], 8)
    if re.fullmatch(r"0x[0-9a-fA-F]+", text):
        return int(text[2:], 16)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", text):
        return float(text)
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", text):
        return float(text.replace(".", ""))
    return text


@settings(max_examples=1500, deadline=None)
@given(NUMBER_LIKE)
def test_what_is_accepted_means_the_same_in_every_yaml(text: str) -> None:
    """An accepted word has the same value and type in YAML 1.1 and in YAML 1.2."""
    try:
        value = read_plain(text)
    except Surprise:
        return
    for other in (yaml_1_1(text), yaml_1_2(text)):
        assert (type(value), value) == (type(other), other)


@settings(max_examples=500, deadline=None)
@given(NUMBER_LIKE)
def test_what_is_suggested_is_accepted(text: str) -> None:
    """The number or word that a refusal suggests would not be refused in turn."""
    try:
        read_plain(text)
    except Surprise as surprise:
        suggested = surprise.expected.removesuffix(" in quotes").split(" or ")[0]
        if not suggested.startswith('"') and " " not in suggested:
            read_plain(suggested)


@pytest.mark.parametrize(("text", "value"), [
    ("true", True), ("false", False), ("null", None), ("0", 0), ("-12", -12), ("+5", 5), ("3.65", 3.65), ("-0.5", -0.5),
    ("1.5e+3", 1500.0), ("2.5e-3", 0.0025), ("0x18FF0201", 0x18FF0201), ("1764000000000000000", 1764000000000000000),
    ("lfp_8s_320ah", "lfp_8s_320ah"), ("2013_14s", "2013_14s"), ("127.0.0.1:8086", "127.0.0.1:8086"),
    ("12-34", "12-34"), ("1.2.3", "1.2.3"), ("/dev/ttyACM0", "/dev/ttyACM0"), ("12h", "12h"), ("512 MiB", "512 MiB"),
    ("none", "none"), ("nobody", "nobody"), ("-", "-"), ("deadbeef", "deadbeef"),
])
def test_plain_words_are_read(text: str, value: object) -> None:
    """Names, numbers and addresses as people write them are read as they look."""
    found = read_plain(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(("text", "instead"), [
    ("yes", "true"), ("No", "false"), ("ON", "true"), ("off", "false"), ("y", "true"), ("N", "false"),
    ("True", "true"), ("FALSE", "false"), ("~", "null"), ("Null", "null"),
    ("010", "10"), ("-08", "-8"), ("00", "0"), ("007.5", "7.5"), ("0o10", "8"), ("0b101", "5"), ("0X1F", "0x1F"),
    ("0x1_F", "0x1F"), ("1_000", "1000"), ("1_000.5", "1000.5"), ("1.000_5", "1.0005"), ("1e3", "1000"),
    ("1.0E3", "1000"), (".5", "0.5"), ("5.", "5"), ("+.5", "0.5"), ("1e999999", None),
    (f"1e{'9' * 30}", None), (".1234567890123456789", None),
    ("12:30", None), ("1:2:3.5", None), ("12:75", None), ("2026-11-24", None), ("2026-11-24 06:30:00", None),
    (".inf", None), ("-.INF", None), (".NaN", None), ("nan", None), ("-Infinity", None), ("=", None), ("<<", None),
])
def test_surprises_are_refused(text: str, instead: str | None) -> None:
    """A word that readers take differently is refused, with what to write instead."""
    with pytest.raises(Surprise) as caught:
        read_plain(text)
    assert caught.value.expected == (f'{instead} or "{text}" in quotes' if instead else f'"{text}" in quotes')


@pytest.mark.parametrize(("text", "words"), [
    ("", "a value"), ("a\tb", "spaces instead of the tab"), ("9" * 21, "at most 20 digits"),
    ("1.0e+999", "a smaller number"),
])
def test_other_refusals(text: str, words: str) -> None:
    """Nothing at all, tabs and numbers beyond use are refused in words."""
    with pytest.raises(Surprise, match=re.escape(words)):
        read_plain(text)
