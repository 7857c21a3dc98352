"""YAML as the run format wants it, read back by every reader that there is."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import ruamel.yaml
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import FormatError, InvalidValue
from gtrack.formats.yamlio import (
    MAX_ALIASES,
    MAX_BYTES,
    MAX_DEPTH,
    dumps,
    load_mapping,
    loads,
    number,
    parse_timestamp,
    parse_value,
    quote,
    scalar,
    timestamp,
)

AMBIGUOUS = """
y Y n N yes Yes YES no No NO on On ON off Off OFF true True TRUE false False FALSE null Null NULL ~ nan NaN .nan .NaN .NAN
inf Inf .inf -.inf +.inf .Inf infinity 1e5 1E5 1e-5 1.e5 1.5e3 1.0e+5 0x1f 0X1F 0o7 0O7 0b101 010 0 -0 +1 -1 1. .5 1_000
1_000.5 1:30 1:30:45 190:20:30.15 2026-01-01 2026-1-1 2026-11-22T19:40:01Z 12e03 123e4567 00e1 1e 0x 0o 0b 0b2 - -- --- ... ?
: , [ ] { } # & * ! | > ' " % @ ` = << == !!str !tag &a *a [] {} '' "" a:b a: :a a#b a\u00a0b 1a 1f 1e5f deadbeef 5e8 5e8a
9e99999 0e0 12345678901234567890 =x <<: http://x:80/y?z=1 C:\\x a,b a]b a}b -x ?x :x x: x- ~x x~ NaN1 y1 null1 1null _ _1 1_
6f1c2a9be0d24c51a5b7c0f3d2e4a6b8 12345678901234567890123456789012 1234567890123456789012345678901e
0e123456789012345678901234567890
""".split()
WITH_SPACES = [
    "",
    " ",
    " a",
    "a ",
    "a b",
    "a: b",
    "a #b",
    "- a",
    "? a",
    "a  b",
    "\ta",
    "a\tb",
    "a\n",
    "\na",
    "a\nb",
    "a\n\nb\n",
    "a\n b\n",
    "a \nb",
    "a\n\n",
    "\n",
    "a\r\nb",
    "a\rb",
    "a\u2028b",
    "a\u2029b",
    "a\x85b",
    "\ufeffa",
    "a\ufeffb",
    "a\ufffeb\uffff",
    "a\x00b",
    "\x1b[31m",
    "\x7f\x9f",
    "😀 é 中文",
    "a\n\u2028b",
    "a\n# b\n--- c\n...\n",
    "line\n\ttab",
    "null\n",
    "\u200bx",
    "🇩🇪\U0010ffff",
]

texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.one_of(
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.sampled_from([0.0, -0.0, 5e-324, -2.2250738585072014e-308, 1e16, 1e22, 1.7976931348623157e308, 1e-5, 2**63]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts, st.sampled_from([*AMBIGUOUS, *WITH_SPACES]))
keys = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=150), st.sampled_from(AMBIGUOUS))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=15,
)
documents = st.dictionaries(keys, values, max_size=6)


def same(one: object, other: object) -> bool:
    """Equal in value and type, nan being nan and -0.0 not 0.0."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return type(other) is float and repr(one) == repr(other)
    return type(one) is type(other) and one == other


def pure(text: str) -> Any:
    return yaml.load(text, Loader=yaml.SafeLoader)


def with_libyaml(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def as_yaml_1_2(text: str) -> Any:
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    return reader.load(io.StringIO(text))


READERS = [pure, with_libyaml, as_yaml_1_2]


@given(documents)
def test_what_is_written_is_read_again(document: dict[str, Any]) -> None:
    assert same(loads(dumps(document), "it"), document)


@pytest.mark.parametrize("reader", READERS)
@given(document=documents)
def test_every_other_reader_reads_the_same(reader: Any, document: dict[str, Any]) -> None:
    assert same(reader(dumps(document)), document)


@given(values)
def test_a_flow_value_stays_on_one_line_and_is_read_again(value: Any) -> None:
    line = scalar(value)
    assert "\n" not in line
    for reader in (lambda text: loads(text, "it"), *READERS):
        assert same(reader(f"[{line}]\n"), [value])


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", [*AMBIGUOUS, *WITH_SPACES])
def test_no_reader_takes_a_string_for_anything_else(reader: Any, text: str) -> None:
    document: dict[str, Any] = {
        "top": text,
        "nested": {"in": text, text or "-": text},
        "list": [text],
        "rows": [{"a": text}, text],
        text: 1,
    }
    assert same(reader(dumps(document)), document)


@pytest.mark.parametrize("value", [*AMBIGUOUS, *WITH_SPACES])
def test_quoted_text_is_json_and_yaml(value: str) -> None:
    assert json.loads(quote(value)) == value
    assert loads(quote(value), "it") == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-5, "1.0e-05"),
        (1e16, "1.0e+16"),
        (1.5e300, "1.5e+300"),
        (0.1, "0.1"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (5e-324, "5.0e-324"),
        (math.nan, ".nan"),
        (math.inf, ".inf"),
        (-math.inf, "-.inf"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_numbers_have_one_spelling(value: float, text: str) -> None:
    assert number(value) == text


def test_ids_dates_and_words_are_written_as_a_person_expects() -> None:
    document: dict[str, Any] = {
        "id": "6f1c2a9be0d24c51a5b7c0f3d2e4a6b8",
        "digits": "12345678901234567890123456789012",
        "power": "12345678901234567890123456789e12",
        "date": "2026-01-01",
        "no": "no",
        "remote": "git@example.org:team/repo.git",
        "user": "Ana <ana@example.org>",
        "command": ["python", "train.py", "--lr", "0.1"],
        "notes": "first\n  second\n",
        "none": None,
        "empty": {},
    }
    assert dumps(document) == (
        "id: 6f1c2a9be0d24c51a5b7c0f3d2e4a6b8\n"
        'digits: "12345678901234567890123456789012"\n'
        'power: "12345678901234567890123456789e12"\n'
        'date: "2026-01-01"\n'
        '"no": "no"\n'
        "remote: git@example.org:team/repo.git\n"
        "user: Ana <ana@example.org>\n"
        'command: [python, train.py, "--lr", "0.1"]\n'
        "notes: |\n  first\n    second\n"
        "none: null\n"
        "empty: {}\n"
    )


def test_lone_surrogates_are_refused() -> None:
    for text in ("a\ud800", "a\n\udcff"):
        with pytest.raises(InvalidValue, match="not valid Unicode"):
            dumps({"k": text})


moments = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(timezone.utc))  # noqa: DTZ001 - hypothesis wants so


@given(moments)
def test_time_stamps_keep_their_microseconds(moment: datetime) -> None:
    text = timestamp(moment)
    assert text.endswith("Z")
    assert parse_timestamp(text) == moment
    assert yaml.safe_load(dumps({"at": moment}))["at"] == moment


def test_time_stamps_are_turned_into_utc() -> None:
    east = datetime(2026, 11, 22, 21, 40, 1, 5, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(east) == "2026-11-22T19:40:01.000005Z"
    assert parse_timestamp("2026-11-22T21:40:01+02:00") == datetime(2026, 11, 22, 19, 40, 1, tzinfo=timezone.utc)
    assert parse_timestamp("2026-11-22T19:40:01") == datetime(2026, 11, 22, 19, 40, 1, tzinfo=timezone.utc)
    assert [parse_timestamp(text) for text in ("soon", "", None, 5)] == [None] * 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1e5", 1e5),
        (".5", 0.5),
        ("5.", 5.0),
        ("+12", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("010", 10),
        (".NaN", math.nan),
        ("-.INF", -math.inf),
        ("no", "no"),
        ("on", "on"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("0b11", "0b11"),
        ("2026-01-01", "2026-01-01"),
        ("2026-11-22T19:40:01Z", "2026-11-22T19:40:01Z"),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("", None),
        ("NULL", None),
        ("<<", "<<"),
        ("=", "="),
        ("1e400", math.inf),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("!!float 5", 5.0),
    ],
)
def test_reading_follows_the_core_schema(text: str, value: object) -> None:
    assert same(loads(text, "it"), value)
    assert same(loads(f"k: {text}\n".encode(), "it"), {"k": value})


def test_keys_that_a_person_left_unquoted_are_names() -> None:
    text = "1: a\ntrue: b\n~: c\n1.0: d\n010: e\n1e5: f\n2026-01-01: g\n"
    assert loads(text, "it") == dict(zip(["1", "true", "~", "1.0", "010", "1e5", "2026-01-01"], "abcdefg", strict=True))


def test_the_last_of_two_equal_keys_counts() -> None:
    assert loads("lr: 1\nseed: 5\nlr: 2\n", "it") == {"lr": 2, "seed": 5}


def test_no_merge_keys() -> None:
    assert loads("a: &a {x: 1}\nb: {<<: *a}\n", "it") == {"a": {"x": 1}, "b": {"<<": {"x": 1}}}


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: b: c",
        "\tx: 1",
        "a: 1\n---\nb: 2",
        "a: \x00",
        "a: \x07",
        "!!python/object:os.system x",
        "!!python/name:os.system",
        "!!binary aGk=",
        "!!set {a}",
        "!!timestamp x",
        "!!bool x",
        "!!float x",
        "!!int x",
        "!!int [1]",
        "!x 1",
        "? [a]\n: 1",
        "*a",
        "9" * 5000,
        "\ud800",
        b"\xff\xfe",
        b"a: \x80",
    ],
)
def test_what_is_no_plain_yaml_is_refused(text: str | bytes) -> None:
    with pytest.raises(FormatError, match=r"^the file "):
        loads(text, "the file")


def test_size_is_limited() -> None:
    with pytest.raises(FormatError, match="larger than"):
        loads(b"#" * (MAX_BYTES + 1), "the file")


def test_alias_bombs_are_refused() -> None:
    laughs = "a: &a [x, x, x, x]\n" + "".join(
        f"{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}]\n"
        for before, name in zip("abcde", "bcdef", strict=True)
    )
    with pytest.raises(FormatError, match="aliases"):
        loads(laughs, "the file")
    few_of_much = f"a: &a [{'x,' * 60_000}]\nb: &b [{', '.join(['*a'] * 9)}]\nc: [{', '.join(['*b'] * 9)}]\n"
    assert few_of_much.count("*") < MAX_ALIASES
    with pytest.raises(FormatError, match="stand for more than"):
        loads(few_of_much, "the file")
    with pytest.raises(FormatError, match="aliases"):
        loads("a: &a [*a]", "the file")


def test_a_few_aliases_are_read() -> None:
    assert loads("a: &x {lr: 1}\nb: *x\n", "it") == {"a": {"lr": 1}, "b": {"lr": 1}}


BOMBS = {
    "flow lists": "[" * 100_000,
    "closed flow lists": "[" * 100_000 + "]" * 100_000,
    "flow mappings": "{a: " * 100_000,
    "both": "[a: " * 100_000,
    "under a key": "a: " + "[" * 100_000,
    "block lists": "- " * 100_000 + "x",
    "block keys": "? " * 100_000 + "x",
    "block lists and keys": "- ? " * 50_000 + "x",
    "tabs": "-\t" * 100_000 + "x",
    "indented mappings": "".join(" " * depth + "a:\n" for depth in range(3000)),
    "indented lists": "".join(" " * depth + "-\n" for depth in range(3000)),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=list(BOMBS))
def test_deep_nesting_is_refused_before_it_takes_the_stack(bomb: str) -> None:
    # In a process of its own: what this guards against ends the interpreter.
    script = "import sys\nfrom gtrack.formats.yamlio import loads\nloads(sys.stdin.read(), 'the file')"
    done = subprocess.run([sys.executable, "-c", script], input=bomb, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr[-500:]
    assert "gtrack.errors.FormatError: the file" in done.stderr


def test_nesting_that_is_not_deep_is_read() -> None:
    depth = MAX_DEPTH - 1
    nested: Any = 1
    for _ in range(depth):
        nested = {"a": nested}
    assert loads(dumps(nested), "it") == nested
    assert loads("[" * depth + "]" * depth, "it") is not None
    many: dict[str, Any] = {f"k{n}": [n, [n]] for n in range(500)}
    assert loads(dumps(many), "it") == many
    indented = {"notes": "a\n" + " " * 200 + "- - - b\n"}
    assert loads(dumps(indented), "it") == indented


def test_load_mapping() -> None:
    assert load_mapping("", "it") == {}
    assert load_mapping("\ufeffa: 1\r\n", "it") == {"a": 1}
    for text in ("- 1", "text", "5"):
        with pytest.raises(FormatError, match="where a mapping is expected"):
            load_mapping(text, "it")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100", 100),
        ("-3", -3),
        ("1e-3", 1e-3),
        ("1e5", 1e5),
        (".5", 0.5),
        (" 5 ", 5),
        (".inf", math.inf),
        (".nan", math.nan),
        ("0x10", 16),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", ""),
        ("  ", "  "),
        ("yes", "yes"),
        ("off", "off"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("rf", "rf"),
        ("two words", "two words"),
        ("'5'", "5"),
        ('"a\\tb"', "a\tb"),
        ("'tis", "'tis"),
        ("'a' b", "'a' b"),
        ("'it''s'", "it's"),
        ("[1, 2.5, x]", [1, 2.5, "x"]),
        ("[]", []),
        ("{a: 1, b: [2]}", {"a": 1, "b": [2]}),
        ("{}", {}),
        ("a: b", "a: b"),
        ("key:", "key:"),
        ("- 1", "- 1"),
        ("#5", "#5"),
        ("a #b", "a #b"),
        ("&a b", "&a b"),
        ("*a", "*a"),
        ("!!int 5", "!!int 5"),
        ("|", "|"),
        (">", ">"),
        ("---", "---"),
        ("...", "..."),
        ("%x", "%x"),
        ("@x", "@x"),
        ("`x`", "`x`"),
        ("1\n2", "1\n2"),
        ("a=b", "a=b"),
        ("C:\\data", "C:\\data"),
        ("http://x/y", "http://x/y"),
        ("9" * 5000, "9" * 5000),
        ("\udcff", "\udcff"),
    ],
)
def test_parse_value(text: str, value: object) -> None:
    assert same(parse_value(text), value)


@pytest.mark.parametrize("text", ["[1, 2", "{a", "[a]]", "{a: !!binary x}", "[" * 300])
def test_parse_value_refuses_a_broken_list(text: str) -> None:
    with pytest.raises(InvalidValue, match="begins like a list or mapping"):
        parse_value(text)


@given(st.text())
def test_parse_value_loses_nothing_of_a_text(text: str) -> None:
    try:
        value = parse_value(text)
    except InvalidValue:
        assert text.strip()[0] in "[{"
        return
    if isinstance(value, str) and text.strip()[:1] not in {"'", '"'}:
        assert value == text
