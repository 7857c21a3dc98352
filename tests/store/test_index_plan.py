"""Whichever way a question is answered, the answer is the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.store import index_plan
from gtrack.store.index_plan import Question, numbers
from gtrack.store.query.parser import parse_filter, parse_order
from gtrack.store.query.sql import Driven
from tests.conftest import examples
from tests.store.query.database import Row, database

FILTERS = [
    "",
    "metrics.f1 > 0.2",
    "metrics.f1 > 0.95",
    "metrics.f1 >= 0 and params.depth = 3",
    "not params.depth = 3",
    "params.depth = 3 or metrics.loss < 0.1",
    "tags.team IS NULL",
    "metrics.f1 > 2",
    "status = 'failed'",
]
ORDERS = [
    "metrics.f1 DESC",
    "metrics.f1",
    "metrics.loss",
    "params.depth",
    "name DESC",
    "params.depth DESC",
    "metrics.f1.max",
]
runs: st.SearchStrategy[dict[str, float | None]] = st.builds(
    dict,
    f1=st.none() | st.floats(0, 1, width=16) | st.just(float("nan")),
    loss=st.none() | st.integers(0, 3),
    depth=st.none() | st.integers(1, 4),
    started=st.none() | st.integers(0, 3),
)


@pytest.fixture(autouse=True, scope="module")
def _few_are_many() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_plan, "LARGE", 1)
        yield


def filled(found: list[dict[str, float | None]]) -> sqlite3.Connection:
    rows = []
    for number, one in enumerate(found):
        metrics = {name: [value] for name in ("f1", "loss") if (value := one[name]) is not None}
        params = {} if one["depth"] is None else {"depth": one["depth"]}
        started = None if one["started"] is None else int(one["started"]) * 1_000_000
        rows.append(Row(f"{number:032x}", name=f"n{number % 5}", metrics=metrics, params=params, started=started))
    return database(rows)


def plainly(connection: sqlite3.Connection, question: Question) -> list[int]:
    """Return all numbers by the plan for few runs, and cut the part that is asked for out of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_plan, "LARGE", 10**9)
        everything = numbers(connection, Question(question.where, question.order))
    end = None if question.limit is None else question.offset + question.limit
    return everything[question.offset : end]


@examples(40)
@given(
    found=st.lists(runs, min_size=1, max_size=40),
    text=st.sampled_from(FILTERS),
    orders=st.lists(st.sampled_from(ORDERS), max_size=2),
    limit=st.none() | st.integers(0, 12),
    offset=st.integers(0, 5),
)
def test_every_plan_gives_the_same_runs(
    found: list[dict[str, float | None]], text: str, orders: list[str], limit: int | None, offset: int
) -> None:
    connection = filled(found)
    where = parse_filter(text) if text else None
    question = Question(where, [parse_order(one) for one in orders], limit, offset)
    assert numbers(connection, question) == plainly(connection, question)


def test_the_first_of_many_are_found_along_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[str] = []
    along = index_plan.along

    def noted(connection: sqlite3.Connection, walk: Driven, *args: Any, **named: Any) -> list[int]:
        walked.append(walk.table)
        return along(connection, walk, *args, **named)

    monkeypatch.setattr(index_plan, "along", noted)
    connection = filled([{"f1": n / 400, "loss": 1, "depth": n % 4, "started": n} for n in range(400)])
    order = [parse_order("metrics.f1 DESC")]
    assert numbers(connection, Question(parse_filter("params.depth = 3"), order, 3)) == [400, 396, 392]
    assert walked == ["metrics"]
    assert numbers(connection, Question(parse_filter("metrics.f1 < 0.001"), order, 3)) == [1]
    assert walked == ["metrics"]  # few fulfil it, so they are looked for first


def test_what_has_no_value_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[dict[str, float | None]] = [{"f1": None, "loss": None, "depth": None, "started": n} for n in range(20)]
    found[7]["f1"] = 0.5
    question = Question(None, [parse_order("metrics.f1 DESC")], 3)
    assert numbers(filled(found), question) == [8, 20, 19]
