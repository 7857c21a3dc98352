"""The SQL and a naive filter in Python agree on random filters over random runs."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.conftest import examples
from tests.store.query.database import Row, ask, database, number, summary

Predicate: TypeAlias = Callable[[Row], bool]
Filter: TypeAlias = tuple[str, Predicate]

NAMES = {
    "metrics": ["f1", "loss", "loss.min", "val/loss", "a b", "q'\"`", "été", "and"],
    "params": ["lr", "optimizer.lr", "n-est", "; DROP TABLE runs", "%_", "Ж"],
    "tags": ["team", "mlflow.source", "o'clock", "in"],
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
PARTS = {"last": 0, "first": 1, "min": 2, "max": 3, "count": 4}
HEXES = ["abcd" + "0" * 36, "abce" + "1" * 36, "12345678" * 5]

numbers = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 2.0, 1e-5, 1e300, -1e300, math.inf]), st.integers(-3, 3).map(float)
)
values = st.one_of(numbers, st.just(math.nan))
texts = st.text(st.sampled_from("abAB é\n%_*?[]'\"\\5"), max_size=4)
params = st.one_of(st.integers(-3, 3), values, st.booleans(), texts, st.none(), st.just("5"))
MIDNIGHT = 1_795_305_600_000_000  # 2026-11-22, in microseconds
times = st.one_of(
    st.integers(-2_000_000, 2_000_000), st.sampled_from([-1, 0, 1000, 1_000_000, 60_000_000, 86_400_000_000])
).map(lambda after: MIDNIGHT + after)
digests = st.sampled_from(["sha256:" + "ab12" * 16, "sha256:" + "ab13" * 16, "sha256:" + "ff" * 32])
rows = st.builds(
    Row,
    id=st.just(""),
    name=texts,
    status=st.sampled_from(["finished", "running", "failed", "killed"]),
    started=st.none() | times,
    ended=st.none() | times,
    parent=st.none() | st.sampled_from(HEXES).map(lambda text: text[:32]),
    host=st.none() | texts,
    exit_code=st.none() | st.integers(-2, 2),
    commit=st.none() | st.sampled_from(HEXES),
    branch=st.none() | st.sampled_from(["main", "Main", "fix/a"]),
    dirty=st.booleans(),
    params=st.dictionaries(st.sampled_from(NAMES["params"]), params, max_size=4),
    metrics=st.dictionaries(st.sampled_from(NAMES["metrics"]), st.lists(values, min_size=1, max_size=3), max_size=4),
    tags=st.dictionaries(st.sampled_from(NAMES["tags"]), texts, max_size=3),
    inputs=st.dictionaries(
        st.sampled_from(["train", "my.data"]), st.tuples(digests, st.just("file"), st.none() | texts), max_size=2
    ),
    packages=st.none() | st.dictionaries(st.sampled_from(["numpy", "scikit-learn"]), st.sampled_from(["1.2", "2.0"])),
)


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    found = draw(st.lists(rows, max_size=6))
    for index, row in enumerate(found):
        row.id = f"{index:032x}"
    return found


# How things are written


@st.composite
def spaces(draw: st.DrawFn, least: int = 0) -> str:
    return draw(st.text(st.sampled_from(" \n\t"), min_size=least, max_size=2))


def quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


@st.composite
def keys(draw: st.DrawFn, prefixes: Sequence[str], name: str, *, quote: bool = False) -> str:
    bare = re.fullmatch(r"\w+(?:[-/.]\w+)*", name) and not quote
    written = draw(st.sampled_from([*([name] if bare else []), *(quoted(name, mark) for mark in "`\"'")]))
    return f"{draw(st.sampled_from(prefixes))}.{written}"


@st.composite
def literals(draw: st.DrawFn, text: str) -> str:
    return quoted(text, draw(st.sampled_from("'\"")))


@st.composite
def words(draw: st.DrawFn, word: str) -> str:
    return draw(st.sampled_from([word, word.lower(), word.title()]))


# What they mean, in Python


def alike(text: str, pattern: str, *, ignored: bool) -> bool:
    if ignored:  # ASCII letters only, as SQLite does
        text, pattern = (re.sub("[A-Z]", lambda found: found[0].lower(), one) for one in (text, pattern))
    regex = "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(regex, text, re.DOTALL) is not None


def of(get: Callable[[Row], Any], test: Callable[[Any], bool]) -> Predicate:
    """Nothing that is missing fulfils a comparison."""
    return lambda row: (value := get(row)) is not None and test(value)


@st.composite
def textual(draw: st.DrawFn, key: str, get: Callable[[Row], str | None], fold: Callable[[str], str] = str) -> Filter:
    kind = draw(st.sampled_from(["=", "!=", "LIKE", "ILIKE", "IN", "NOT IN"]))
    gap = draw(spaces(1))
    if kind in ("IN", "NOT IN"):
        chosen = draw(st.lists(texts, min_size=1, max_size=3))
        listed = " , ".join(draw(literals(one)) for one in chosen) + draw(st.sampled_from(["", ","]))
        folded = [fold(one) for one in chosen]
        word = draw(words(kind)).replace(" ", draw(spaces(1)))
        return f"{key} {word}{gap}({listed})", of(get, lambda value: (value in folded) == (kind == "IN"))
    text = draw(texts)
    written = f"{key}{gap}{draw(words(kind))}{draw(spaces())}{draw(literals(text))}"
    if kind in COMPARE:
        return written, of(get, lambda value: COMPARE[kind](value, fold(text)))
    return written, of(get, lambda value: alike(value, fold(text), ignored=kind == "ILIKE"))


@st.composite
def presence(draw: st.DrawFn, key: str, get: Callable[[Row], Any]) -> Filter:
    if draw(st.booleans()):
        return f"{key} {draw(words('IS'))}{draw(spaces(1))}{draw(words('NULL'))}", lambda row: get(row) is None
    return f"{key} is not{draw(spaces(1))}null", lambda row: get(row) is not None


@st.composite
def numeric(
    draw: st.DrawFn, key: str, get: Callable[[Row], float | None], constants: st.SearchStrategy[float]
) -> Filter:
    if draw(st.integers(0, 4)) == 0:
        chosen = draw(st.lists(constants, min_size=1, max_size=3))
        negated = draw(st.booleans())
        word = "not in" if negated else "in"
        shown = ", ".join(map(show, chosen))
        return f"{key} {word} ({shown})", of(get, lambda value: (value in chosen) != negated)
    sign, constant = draw(st.sampled_from(list(COMPARE))), draw(constants)
    return f"{key}{draw(spaces())}{sign}{draw(spaces())}{show(constant)}", of(
        get, lambda value: COMPARE[sign](value, constant)
    )


def show(value: float) -> str:
    return "1e999" if value == math.inf else repr(value)


@st.composite
def metric_filters(draw: st.DrawFn) -> Filter:
    name = draw(st.sampled_from(NAMES["metrics"]))
    part = draw(st.sampled_from(["", *PARTS]))
    # `loss.min` is a metric here, so the least of loss has to be asked for in quotes
    key = draw(keys(["metrics", "metric"], name, quote=name == "loss" and part == "min"))
    key += f".{part}" if part else ""

    def get(row: Row) -> Any:
        if name not in row.metrics:
            return None
        value = summary(row.metrics[name])[PARTS[part or "last"]]
        return math.nan if value is None else value

    return draw(st.one_of(numeric(key, get, numbers), presence(key, get)))


@st.composite
def param_filters(draw: st.DrawFn) -> Filter:
    name = draw(st.sampled_from(NAMES["params"]))
    key = draw(keys(["params", "param", "parameter", "parameters"], name))

    def text(row: Row) -> str | None:
        return str(row.params[name]) if name in row.params else None

    def numeral(row: Row) -> Any:
        if name not in row.params:
            return None
        value = number(row.params[name])
        return math.nan if value is None else value

    return draw(st.one_of(numeric(key, numeral, numbers), textual(key, text), presence(key, text)))


@st.composite
def tag_filters(draw: st.DrawFn) -> Filter:
    name = draw(st.sampled_from(NAMES["tags"]))
    key = draw(keys(["tags", "tag"], name))
    return draw(st.one_of(textual(key, lambda row: row.tags.get(name)), presence(key, lambda row: row.tags.get(name))))


@st.composite
def attribute_filters(draw: st.DrawFn) -> Filter:
    prefix = draw(st.sampled_from(["", "attr.", "attribute.", "attributes.", "run."]))
    statuses = st.sampled_from(["FINISHED", "finished", "Killed", "running", "SCHEDULED"])
    status = draw(statuses)
    span = draw(st.sampled_from([("1s", 1.0), ("0.5s", 0.5), ("0", 0.0), ("1m30s", 90.0)]))
    sign = draw(st.sampled_from(list(COMPARE)))
    truth = draw(st.booleans())
    choice: st.SearchStrategy[Filter] = st.one_of(
        textual(f"{prefix}run_name", lambda row: row.name),
        textual(f"{prefix}`Run name`", lambda row: row.name),
        textual(f"{prefix}host", lambda row: row.host),
        presence(f"{prefix}branch", lambda row: row.branch),
        textual(f"{prefix}branch", lambda row: row.branch),
        textual(f"{prefix}status", lambda row: row.status, str.lower),
        numeric(f"{prefix}exit_code", lambda row: row.exit_code, st.integers(-3, 3).map(float)),
        st.just((f"{prefix}status = '{status}'", lambda row: row.status == status.lower())),
        st.just((f"{prefix}duration {sign} {span[0]}", of(lambda row: row.duration, compared(sign, span[1])))),
        st.just((f"{prefix}dirty = {str(truth).lower()}", lambda row: row.dirty == truth)),
        st.just((f"({prefix}dirty)", lambda row: row.dirty)),
        prefixes("commit", lambda row: row.commit),
        prefixes("parent", lambda row: row.parent),
    )
    return draw(choice)


def compared(sign: str, constant: Any) -> Callable[[Any], bool]:
    return lambda value: COMPARE[sign](value, constant)


@st.composite
def prefixes(draw: st.DrawFn, key: str, get: Callable[[Row], str | None], stem: str = "") -> Filter:
    digits = draw(st.sampled_from(["abcd", "ABCE", "1234", "12345678", "abcd0", "ab12", "AB13", "ffff"]))
    negated = draw(st.booleans())
    shown = draw(st.sampled_from([digits, stem + digits]))
    written = (
        f"{key} {'!=' if negated else '='} '{shown}'"
        if draw(st.booleans())
        else (f"{key} {'not in' if negated else 'in'} ('{shown}', '9999')")
    )
    return written, of(get, lambda value: value.startswith(stem + digits.lower()) != negated)


@st.composite
def time_filters(draw: st.DrawFn) -> Filter:
    key, get = draw(
        st.sampled_from(
            [
                ("start_time", lambda row: row.started),
                ("created", lambda row: row.started),
                ("end_time", lambda row: row.ended),
            ]
        )
    )
    sign = draw(st.sampled_from(list(COMPARE)))
    constant = draw(times) // 1000 + draw(st.sampled_from([0, 0, 0.5]))
    return f"attributes.{key} {sign} {constant!r}", of(get, lambda value: COMPARE[sign](value // 1000, constant))


@st.composite
def date_filters(draw: st.DrawFn) -> Filter:
    """A date is its whole day or minute: what is in it equals it."""
    key, get = draw(st.sampled_from([("started", lambda row: row.started), ("ended", lambda row: row.ended)]))
    sign = draw(st.sampled_from(list(COMPARE)))
    text, form = draw(
        st.sampled_from(
            [
                ("2026-11-22", "%Y-%m-%d"),
                ("2026-11-21", "%Y-%m-%d"),
                ("2026-11-22T00:00", "%Y-%m-%dT%H:%M"),
                ("2026-11-22 00:00:01", "%Y-%m-%d %H:%M:%S"),
            ]
        )
    )

    def shown(microseconds: int) -> str:
        return datetime.fromtimestamp(microseconds // 10**6, timezone.utc).strftime(form)

    return f"{key} {sign} '{text}'", of(get, lambda value: COMPARE[sign](shown(value), text))


@st.composite
def input_filters(draw: st.DrawFn) -> Filter:
    def dataset(test: Filter) -> Filter:
        return test[0], lambda row: any(test[1](Row("", name=name)) for name in row.inputs)

    name = draw(st.sampled_from(["train", "my.data"]))
    key = draw(keys(["inputs", "input"], name))
    package = draw(st.sampled_from(["numpy", "scikit-learn", "Scikit_Learn"]))
    normal = package.lower().replace("_", "-")

    def digest(row: Row) -> str | None:
        return row.inputs[name][0] if name in row.inputs else None

    def source(row: Row) -> str | None:
        return row.inputs[name][2] if name in row.inputs else None

    def version(row: Row) -> str | None:
        return (row.packages or {}).get(normal)

    choice: st.SearchStrategy[Filter] = st.one_of(
        textual("datasets.name", lambda row: row.name).map(dataset),
        textual("dataset.context", lambda row: row.name).map(dataset),
        prefixes(f"{key}.digest", digest, "sha256:"),
        textual(f"{key}.source", source),
        presence(f"{key}.source", source),
        presence(f"{key}.digest", digest),
        textual(f"packages.{package}", version),
        presence(f"package.{package}", version),
    )
    return draw(choice)


simple = st.one_of(
    metric_filters(),
    param_filters(),
    tag_filters(),
    attribute_filters(),
    time_filters(),
    date_filters(),
    input_filters(),
)


def both(parts: tuple[Filter, Filter, str]) -> Filter:
    (left, first), (right, second), word = parts
    if word.lower() == "and":
        return f"({left}) {word} ({right})", lambda row: first(row) and second(row)
    return f"({left}\n{word} {right})", lambda row: first(row) or second(row)


def negation(part: Filter) -> Filter:
    return f"not ({part[0]})", lambda row: not part[1](row)


filters = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.tuples(inner, inner, st.sampled_from(["and", "AND", "or", "Or"])).map(both), inner.map(negation)
    ),
    max_leaves=6,
)


@examples(50)
@given(
    text=st.text(st.sampled_from("aAb%_*[é\n"), max_size=4),
    pattern=st.text(st.sampled_from("aAb%_*[?]é\n"), max_size=4),
    ignored=st.booleans(),
)
@example(text="a*", pattern="a*", ignored=False)
@example(text="ab", pattern="a*", ignored=False)
@example(text="[a]", pattern="[a]", ignored=False)
@example(text="a", pattern="[a]", ignored=False)
@example(text="a?", pattern="a?", ignored=False)
@example(text="ab", pattern="a?", ignored=False)
@example(text="ab", pattern="a_", ignored=False)
@example(text="a_", pattern="a_", ignored=False)
@example(text="a", pattern="a_", ignored=False)
@example(text="aé\n", pattern="%", ignored=False)
@example(text="ab", pattern="A_", ignored=False)
@example(text="AB", pattern="a_", ignored=True)
@example(text="aB", pattern="AB", ignored=True)
@example(text="é", pattern="É", ignored=True)
def test_like_agrees_with_python(text: str, pattern: str, ignored: bool) -> None:
    word = "ILIKE" if ignored else "LIKE"
    found = ask(database([Row("a", tags={"t": text})]), f"tags.t {word} '{pattern}'")
    assert found == ["a"] * alike(text, pattern, ignored=ignored)


@pytest.mark.parametrize("sign", COMPARE)
@pytest.mark.parametrize("after", [-1, 0, 1, 59_999_999, 60_000_000])
def test_the_ends_of_a_period(sign: str, after: int) -> None:
    """Before, within and after the minute; what is within equals it."""
    place = -1 if after < 0 else 1 if after >= 60_000_000 else 0
    found = ask(database([Row("a", started=MIDNIGHT + after)]), f"started {sign} '2026-11-22T00:00'")
    assert found == ["a"] * COMPARE[sign](place, 0)


def newest_first(found: Sequence[Row]) -> list[Row]:
    return sorted(found, key=lambda row: (row.started is None, -(row.started or 0), row.id))


@pytest.mark.slow
@examples(60)
@given(found=tables(), one=filters)
def test_sql_agrees_with_python(found: list[Row], one: Filter) -> None:
    text, predicate = one
    expected = [row.id for row in newest_first(found) if predicate(row)]
    assert ask(database(found), text, names=NAMES.__getitem__) == expected


@pytest.mark.slow
@examples(30)
@given(found=tables(), parts=st.lists(st.tuples(simple, st.sampled_from(["and", "or"])), min_size=1, max_size=5))
def test_and_binds_closer_than_or(found: list[Row], parts: list[tuple[Filter, str]]) -> None:
    text, groups = "", [list[Predicate]()]
    for (written, predicate), word in parts:
        text += f" {word} {written}" if text else written
        if word == "or":
            groups.append([])
        groups[-1].append(predicate)
    groups = [group for group in groups if group]
    expected = [row.id for row in newest_first(found) if any(all(test(row) for test in group) for group in groups)]
    assert ask(database(found), text, names=NAMES.__getitem__) == expected


def sort_key(order: str, row: Row) -> Any:
    """Return rank and value; the rank keeps nan after numbers and what is missing at the end, in both directions."""
    kind, _, name = order.partition(".")
    if kind == "metrics":
        last = row.metrics[name][-1] if name in row.metrics else None
        return (2, 0, "") if last is None else (1, 0, "") if math.isnan(last) else (0, last, "")
    if kind == "params":
        if name not in row.params:
            return (2, 0, "")
        plain = number(row.params[name])
        return (1, 0, str(row.params[name])) if plain is None else (0, plain, str(row.params[name]))
    value: Any = {"start_time": row.started, "host": row.host, "duration": row.duration}[kind]
    return (2, 0, "") if value is None else (0, *((value, "") if kind != "host" else (0, value)))


@pytest.mark.slow
@examples(40)
@given(
    found=tables(),
    orders=st.lists(
        st.tuples(
            st.sampled_from(
                ["metrics.f1", "metrics.loss", "params.lr", "params.optimizer.lr", "start_time", "host", "duration"]
            ),
            st.booleans(),
            st.booleans(),
        ),
        max_size=3,
    ),
)
def test_order_agrees_with_python(found: list[Row], orders: list[tuple[str, bool, bool]]) -> None:
    expected = newest_first(found)
    written: list[str] = []
    for key, descending, signed in reversed(orders):
        expected.sort(key=lambda row, key=key: sort_key(key, row)[1:], reverse=descending)  # type: ignore[misc]
        expected.sort(key=lambda row, key=key: sort_key(key, row)[0])  # type: ignore[misc]
        word = ("-" * descending + key) if signed else f"{key} {'DESC' if descending else 'asc'}"
        written.insert(0, word)
    assert ask(database(found), "", written, NAMES.__getitem__) == [row.id for row in expected]
