"""Small filters over facts: what they say, what they take, and that no text breaks them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import QueryError
from gtrack.ops.clauses import Facts, in_order, parse_clauses

KEYS = ("name", "n")
FACTS: Facts = {"name": "churn-1", "n": 5, "tags.team": "it's", "tags.a b": "x"}


def holds(text: str, facts: Facts = FACTS) -> bool:
    return all(clause.holds(facts) for clause in parse_clauses(text, KEYS))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("name = 'churn-1'", True),
        ('name = "churn-1" AND n = 5', True),
        ("name='churn-1'and n>=5", True),
        ("n > 4.5", True),
        ("n < 5", False),
        ("n != 5", False),
        ("name LIKE 'churn%'", True),
        ("name like 'CHURN%'", False),
        ("name ILIKE 'CHURN-_'", True),
        ("name LIKE 'churn.1'", False),
        ("name IN ('a', 'churn-1')", True),
        ("name NOT IN ('a')", True),
        ("tags.team = 'it''s'", True),
        ("tags.`a b` = 'x'", True),
        ("tag.missing = 'x'", False),
        ("tags.missing != 'x'", False),
        ("tags.missing IS NULL", True),
        ("tags.team IS  NOT  NULL", True),
        ("attributes.n = 5", True),
        ("name = 5", False),
        ("n != 'x'", True),
    ],
)
def test_what_a_filter_says(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "name =",
        "= 'x'",
        "name = x",
        "name LIKE 5",
        "name IN 'x'",
        "name IN ()",
        "name = ('x')",
        "name NOT LIKE 'x'",
        "name IS NULL 'x'",
        "name = 'x' OR n = 5",
        "name = 'x' AND",
        "AND name = 'x'",
        "name = 'x' n = 5",
        "nam = 'x'",
        "f1 > 0.5",
        "name = 'x",
    ],
)
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(QueryError, match="Expected") as caught:
        parse_clauses(text, KEYS)
    assert text in str(caught.value)
    assert 0 <= caught.value.position <= len(text)


def test_the_nearest_key_is_named() -> None:
    with pytest.raises(QueryError, match=r"one of name, n, tags.NAME\. Did you mean 'name'"):
        parse_clauses("nmae = 'x'", KEYS)


@given(st.text(max_size=40))
def test_no_text_is_anything_but_a_filter_or_an_error(text: str) -> None:
    try:
        parsed = len(parse_clauses(text, KEYS))
    except QueryError as error:
        parsed = -len(str(error))
    assert parsed != 0 or not text.strip()


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_can_be_asked_for(value: str, other: str) -> None:
    quoted = "'" + value.replace("'", "''") + "'"
    assert holds(f"name = {quoted}", {"name": value})
    assert holds(f"name IN ({quoted})", {"name": value})
    assert holds(f"name = {quoted}", {"name": other}) is (value == other)
    assert holds(f"name LIKE {quoted}", {"name": value})


@given(st.lists(st.tuples(st.text(max_size=3), st.none() | st.integers(0, 3))))
def test_orders(things: list[tuple[str, int | None]]) -> None:
    def facts(one: tuple[str, int | None]) -> Facts:
        return {"name": one[0], "n": one[1]}

    found = in_order(things, facts, ["n DESC", "name"], KEYS)
    assert sorted(map(repr, found)) == sorted(map(repr, things))
    keys = [(n is None, -(n or 0), name) for name, n in found]
    assert keys == sorted(keys)


@pytest.mark.parametrize("order", ["", "name UP", "f1", "name,n", "name ASC DESC"])
def test_what_is_no_order(order: str) -> None:
    with pytest.raises(QueryError):
        in_order([], lambda _: {}, [order], KEYS)
