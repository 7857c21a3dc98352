"""Filters and orders that cannot be read point at the character and say what was expected."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gtrack.errors import QueryError, UsageError
from gtrack.store.query.conditions import And, Not, Operator, Or, Test
from gtrack.store.query.fields import ATTRIBUTES, PREFIXES
from gtrack.store.query.parser import parse_filter, parse_order
from tests.conftest import examples
from tests.store.query.database import NOW, Row, ask, database

KNOWN = {
    "metrics": ["accuracy", "loss", "odd.min", "val/loss"],
    "params": ["lr", "optimizer.lr"],
    "tags": ["team"],
}


def error(text: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        parse_filter(text, KNOWN.__getitem__)
    return caught.value


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("metrics.loss >", "", "Expected a number, a text in quotes"),
        ("metrics.loss", "", "Expected one of = != < <= > >= LIKE"),
        ("metrics.loss == 1", "==", "Did you mean '='?"),
        ("metrics.loss <> 1", "<>", "Did you mean '!='?"),
        ("metrics.loss ~= 1", "~=", "Expected one of = != < <= > >=."),
        ("metrics.loss > 1 and", "", "Expected a condition"),
        ("and metrics.loss > 1", "and", "Expected a condition"),
        ("metrics.loss > 1 and and params.lr = 1", "and params", "Expected a condition"),
        ("metrics.loss > 1 params.lr = 1", "params", "Expected 'and', 'or' or the end, not 'params'"),
        ("(metrics.loss > 1", "", "Expected 'and', 'or' or ')'"),
        ("metrics.loss > 1)", ")", "Expected 'and', 'or' or the end"),
        ("metrics.`loss > 1", "`", "This ` is never closed"),
        ("params.lr = 'abc", "'", "This ' is never closed"),
        ('params.lr = "abc', '"', 'This " is never closed'),
        ("metrics.loss > 'x'", "'x'", "Expected a number without quotes, not 'x'"),
        ("metrics.loss > 2h", "2h", "Expected a number without quotes"),
        ("metrics.loss LIKE 'x'", "LIKE", "cannot be compared with LIKE: it takes =, !=, <"),
        ("metrics.loss > params.lr", "params", "Expected a number"),
        ("params.lr > '5'", "'5'", "text has no order here"),
        ("tags.team = 5", "5", "Expected text in quotes, not 5"),
        ("tags.team > 'a'", ">", "tags.team cannot be compared with >"),
        ("tags.team LIKE 5", "5", "Expected a pattern in quotes"),
        ("status > 'finished'", ">", "status cannot be compared with >"),
        ("run_id IN ()", ")", "Expected a number, a text in quotes"),
        ("run_id IN ('a' 'b')", "'b'", "Expected ',' and another value, or ')'"),
        ("run_id IN 'a'", "'a'", "Expected a list such as ('a', 'b')"),
        ("run_id NOT 'a'", "'a'", "Expected IN"),
        ("status IS 3", "3", "Expected NULL or NOT NULL"),
        ("commit = 'abc'", "'abc'", "at least 4 hexadecimal digits"),
        ("commit = 'main'", "'main'", "at least 4 hexadecimal digits"),
        ("started > 3", "3", "Expected a date in quotes"),
        ("started > '2026-02-30'", "'2026", "Expected a date in quotes"),
        ("duration > '2 apples'", "'2 apples'", "Expected seconds, or a duration"),
        ("dirty = 3", "3", "Expected true or false"),
        ("branch", "", "Expected one of"),
        ("metrics.acuracy > 1", "acuracy", "No run has a metric 'acuracy'. Did you mean 'accuracy'?"),
        ("metrics.zzz > 1", "zzz", "They have accuracy, loss, odd.min, val/loss."),
        ("metrics.loss.mni > 1", "loss.mni", "Did you mean 'loss.min'?"),
        ("params.optimiser.lr > 1", "optimiser", "Did you mean 'optimizer.lr'?"),
        ("tags.tema = 'x'", "tema", "Did you mean 'team'?"),
        ("stauts = 'x'", "stauts", "Did you mean 'status'?"),
        ("attributes.stauts = 'x'", "stauts", "Did you mean 'status'?"),
        ("Status = 'x'", "Status", "Did you mean 'status'?"),
        ("metrcs.loss > 1", "metrcs", "Did you mean 'metrics'?"),
        ("loss > 1", "loss", "Did you mean 'metrics.loss'?"),
        ("optimizer.lr > 1", "optimizer", "Did you mean 'params.optimizer.lr'?"),
        ("modle = 'churn'", "modle", "'model'"),
        ("model > 3", ">", "it takes ="),
        ("stage = 3", "3", "a stage in quotes"),
        ("inputs.train = 'x'", "train", "Expected inputs.train.digest or inputs.train.kind"),
        ("inputs.train.digst = 'x'", "digst", "Did you mean 'digest'?"),
        ("datasets.nme = 'x'", "nme", "Did you mean 'name'?"),
        ("datasets.train.digest = 'x'", "digest", "Expected datasets.name"),
        ("metrics.loss > 1; DROP TABLE runs", ";", "Expected 'and', 'or' or the end"),
        ("metrics.loss > 1 -- x", "--", "Expected 'and', 'or' or the end"),
        ("params.lr = 'a\0b'", "\0", "can hold this character"),
        ("params.lr = '\ud800'", "\ud800", "can hold this character"),
        (f"tags.team LIKE '{'x' * 10_001}'", "'x", "10,000 bytes at the most"),
        ("(" * 2000 + "dirty" + ")" * 2000, "(", "nested too deeply"),
        ("not " * 5000 + "dirty", "not", "nested too deeply"),
        (f"run_id IN ({', '.join(['0'] * 10_001)})", "run_id", "10,000 values at the most"),
    ],
)
def test_errors_point_at_the_place(text: str, place: str, said: str) -> None:
    found = error(text)
    assert said in str(found)
    assert text[found.position :].startswith(place)
    assert place or found.position == len(text)
    assert found.text == text


def test_an_error_is_a_usage_error_that_says_what_was_expected() -> None:
    found = error("metrics.loss > 'x'")
    assert isinstance(found, UsageError)
    assert isinstance(found, ValueError)
    assert found.exit_code == 2
    assert found.expected == "a number without quotes"


def test_the_whole_message() -> None:
    assert str(error("metrics.loss > 1 and params.lr > 'x'")) == (
        "Expected a number without quotes (text has no order here), not 'x'.\n"
        "  metrics.loss > 1 and params.lr > 'x'\n"
        "                                   ^"
    )


def test_only_the_line_with_the_error_is_shown() -> None:
    assert str(error("metrics.loss > 1\n\tand params.lr >\n'x'")).endswith("\n  'x'\n  ^")


def test_the_caret_stands_below_wide_characters() -> None:
    assert str(error("tags.team = '日本' x")).endswith("\n  tags.team = '日本' x\n                     ^")


def test_a_long_filter_is_cut_around_the_place() -> None:
    shown = str(error(" or ".join(["dirty"] * 100) + " or x = 1 or " + " or ".join(["dirty"] * 100))).splitlines()
    assert all(len(line) <= 82 for line in shown[1:])
    assert shown[1].startswith("  …")
    assert shown[1].endswith("…")
    assert shown[1][len(shown[2]) - 1] == "x"


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in str(error("tags.team = '\x1b[31m' x"))
    assert "\u202e" not in str(error("tags.team = '\u202e' x"))


def test_an_error_survives_pickling() -> None:
    found = error("metrics.loss >")
    copy = pickle.loads(pickle.dumps(found))
    assert (str(copy), copy.text, copy.position, copy.expected) == (
        *(str(found), found.text, found.position),
        found.expected,
    )


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_filter_is_none(text: str) -> None:
    assert parse_filter(text) is None


def test_the_tree() -> None:
    found = parse_filter("metrics.a > 1 and params.b = 'x' or NOT (dirty)")
    assert isinstance(found, Or)
    first, second = found.parts
    assert isinstance(first, And)
    assert isinstance(second, Not)
    test = first.parts[0]
    assert isinstance(test, Test)
    assert (test.target.key, test.operator, test.values) == ("a", Operator.GT, (1.0,))


@pytest.mark.parametrize(
    ("text", "key", "column"),
    [
        ("metrics.loss.min > 1", "loss", "x.least"),
        ("metrics.loss.max > 1", "loss", "x.greatest"),
        ("metrics.loss.first > 1", "loss", "x.first"),
        ("metrics.loss.last > 1", "loss", "x.last"),
        ("metrics.loss.count > 1", "loss", "x.count"),
        ("metrics.odd.min > 1", "odd.min", "x.last"),
        ("metrics.odd.min.min > 1", "odd.min", "x.least"),
        ("metrics.`odd.min` > 1", "odd.min", "x.last"),
        ("metrics.`loss`.min > 1", "loss", "x.least"),
        ("metrics.`val/loss`.min > 1", "val/loss", "x.least"),
        ("metrics.val/loss.min > 1", "val/loss", "x.least"),
    ],
)
def test_least_and_greatest_of_a_metric(text: str, key: str, column: str) -> None:
    found = parse_filter(text, KNOWN.__getitem__)
    assert isinstance(found, Test)
    assert (found.target.key, found.target.field.sql) == (key, column)


def test_back_ticks_force_the_least_of_a_metric_beside_one_that_is_called_so() -> None:
    row = Row("a", metrics={"odd": [5.0, 1.0, 3.0], "odd.min": [9.0]})
    names = {"metrics": ["odd", "odd.min"], "params": [], "tags": []}
    assert ask(database([row]), "metrics.odd.min = 9 and metrics.`odd`.min = 1", names=names.__getitem__) == ["a"]


def test_tags_that_mlflow_sets_itself_are_attributes_here() -> None:
    row = Row("a", name="first", user="ana", parent="f" * 32, notes="n", commit="c" * 40, branch="main")
    connection = database([row, Row("b")])
    for name, value in {
        "runName": "first",
        "user": "ana",
        "parentRunId": "f" * 32,
        "note.content": "n",
        "source.git.commit": "c" * 40,
        "source.git.branch": "main",
    }.items():
        assert ask(connection, f"tags.mlflow.{name} = '{value}'", names=KNOWN.__getitem__) == ["a"]
        assert ask(connection, f"tags.`mlflow.{name}` = '{value}'") == ["a"]


def test_a_real_tag_comes_before_an_attribute() -> None:
    connection = database([Row("a", name="first", tags={"mlflow.runName": "other"})])
    assert ask(connection, "tags.mlflow.runName = 'other'", names=lambda _: ["mlflow.runName"]) == ["a"]


def test_without_names_nothing_is_checked() -> None:
    assert parse_filter("metrics.zzz > 1 and params.zzz = 'x' and tags.zzz = 'x'") is not None


def test_a_lenient_filter_takes_names_that_no_run_has() -> None:
    found = parse_filter("metrics.zzz > 1 and metrics.odd.min > 1", KNOWN.__getitem__, strict=False)
    assert isinstance(found, And)
    second = found.parts[1]
    assert isinstance(second, Test)
    assert second.target.key == "odd.min"


def test_what_is_asked_to_be_missing_need_not_exist() -> None:
    assert parse_filter("tags.zzz IS NULL and params.zzz is not null", KNOWN.__getitem__) is not None


def test_every_attribute_can_be_asked_for_with_every_prefix() -> None:
    connection = database([Row("a")])
    for prefix in ("", "attr.", "attribute.", "attributes.", "run."):
        for name in ATTRIBUTES:
            assert len(ask(connection, f"{prefix}{name} is null or {prefix}{name} is not null")) == 1


@pytest.mark.parametrize(
    ("text", "descending"),
    [
        ("metrics.loss", False),
        ("metrics.loss ASC", False),
        ("metrics.loss desc", True),
        ("-metrics.loss", True),
        ("+metrics.loss", False),
        ("metrics.`loss`  Desc ", True),
    ],
)
def test_orders(text: str, descending: bool) -> None:
    found = parse_order(text, KNOWN.__getitem__)
    assert (found.target.key, found.descending) == ("loss", descending)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", "", "Expected a key"),
        ("metrics.loss DESCENDING", "DESCENDING", "Expected ASC, DESC or the end"),
        ("metrics.loss, params.lr", ",", "Expected ASC, DESC or the end"),
        ("-metrics.loss asc", "asc", "The '-' has said the direction already"),
        ("metrics.los", "los", "Did you mean 'loss'?"),
        ("datasets.name", "datasets", "several datasets"),
        ("metrics.loss; DROP TABLE runs", ";", "Expected ASC, DESC or the end"),
    ],
)
def test_orders_that_cannot_be_read(text: str, place: str, said: str) -> None:
    with pytest.raises(QueryError, match=re.escape(said)) as caught:
        parse_order(text, KNOWN.__getitem__)
    assert text[caught.value.position :].startswith(place)


# Garbage

ATOMS = [
    *(
        "metrics.loss",
        "params.lr",
        "tags.`a b`",
        "status",
        "dirty",
        "started",
        "duration",
        "datasets.name",
        "inputs.a.digest",
    ),
    *(
        "=",
        "!=",
        "<",
        ">=",
        "LIKE",
        "ilike",
        "IN",
        "not",
        "is",
        "null",
        "and",
        "or",
        "(",
        ")",
        ",",
        "'",
        '"',
        "`",
        ".",
        ";",
    ),
    *(
        "1",
        "1e5",
        "-3",
        "2h",
        "'x'",
        '"y"',
        "'2026-11-20'",
        "true",
        "--",
        "/*",
        "\n",
        "é",
        "\0",
        "\ud800",
        "%",
        "\\",
        "1e999",
    ),
]


def harmless(text: str) -> None:
    """Reading gives a condition that SQLite takes, or a QueryError that points into the text."""
    connection = database([Row("a", params={"lr": 1}, metrics={"loss": [1.0]}, tags={"a b": "x"})])
    for where, order in ((text, []), ("", [text])):
        position, found = 0, {"a"}
        try:
            found = set(ask(connection, where, order))
        except QueryError as error:
            position = error.position
        assert found <= {"a"}
        assert 0 <= position <= len(text)
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)


@examples(40)
@given(st.text() | st.text(st.characters(codec=None)))
@example("'" * 1001)
@example("1" * 20_000)
@example("metrics.loss > " + "1" * 20_000 + "x")
@example("metrics.loss > " + "9" * 20_000)
@example("started > '" + "9" * 5000 + " days ago'")
@example("start_time > 1e999 or start_time <= -1e999 or start_time = 1e308")
def test_garbage_is_a_query_error(text: str) -> None:
    harmless(text)


@examples(60)
@given(st.lists(st.sampled_from(ATOMS), max_size=12), st.sampled_from(["", " "]))
def test_garbage_of_words_is_a_query_error(atoms: list[str], gap: str) -> None:
    harmless(gap.join(atoms))


@pytest.mark.parametrize(
    "evil",
    [
        "x'; DROP TABLE runs; --",
        "' OR '1'='1",
        "x') OR 1=1 --",
        '"; DELETE FROM runs; --',
        "\\'; DROP TABLE runs; --",
        "%",
        "*",
        "?",
    ],
)
def test_values_and_names_are_never_sql(evil: str) -> None:
    text, tick = evil.replace("'", "''"), evil.replace("`", "``")
    connection = database([Row("a"), Row("b", tags={"t": evil, evil: "x"}, params={evil: 1}, metrics={evil: [1.0]})])
    for written in (
        f"tags.t = '{text}'",
        f"tags.t IN ('{text}')",
        f"tags.`{tick}` = 'x'",
        f"params.`{tick}` = 1",
        f"metrics.`{tick}` = 1",
        f"metrics.`{tick}`.min = 1",
    ):
        assert ask(connection, written, [f"metrics.`{tick}` DESC", f"-tags.`{tick}`"]) == ["b"]
    assert ask(connection, f"host = '{text}' or inputs.`{tick}`.digest = 'abcd' or packages.`{tick}` = '{text}'") == []
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)


def test_an_injected_filter_is_refused() -> None:
    connection = database([Row("a")])
    with pytest.raises(QueryError, match="Expected 'and', 'or' or the end"):
        ask(connection, "status = 'x'; DROP TABLE runs")
    with pytest.raises(QueryError):
        ask(connection, "1=1")
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)


@pytest.mark.slow
def test_sqlite_takes_the_largest_filters() -> None:
    connection = database([Row("a", metrics={"loss": [1.0]})])
    ids, commits = ", ".join(["'a'"] * 10_000), ", ".join(["'abcd'"] * 3000)
    assert ask(connection, " and ".join(["metrics.loss > 0"] * 2000)) == ["a"]
    assert ask(connection, " or ".join(["metrics.loss < 0"] * 2000)) == []
    assert ask(connection, f"run_id IN ({ids})") == ["a"]
    assert ask(connection, f"commit IN ({commits})") == []


def test_thirty_parentheses_are_not_too_deep() -> None:
    assert ask(database([Row("a", dirty=True)]), "(" * 30 + "dirty" + ")" * 30) == ["a"]


def test_only_who_filters_pays_for_the_parser() -> None:
    program = "import sys, gtrack.store.query.parser as p; p.parse_filter(''); print('pyparsing' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_dates_are_counted_from_now() -> None:
    day = 86_400_000_000
    now = int(NOW.timestamp()) * 1_000_000
    connection = database([Row("new", started=now - day), Row("old", started=now - 5 * day)])
    assert ask(connection, "started > '3 days ago'") == ["new"]
    assert ask(connection, "started < '3d ago'") == ["old"]
    assert ask(connection, "started = 'yesterday'") == ["new"]
    assert ask(connection, "started >= 'yesterday' and not started > 'now'") == ["new"]
    assert ask(connection, "start_time > 'a week ago'") == ["new", "old"]


def test_no_prefix_hides_an_attribute() -> None:
    assert not set(PREFIXES) & set(ATTRIBUTES)
