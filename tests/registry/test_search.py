"""Filters of model versions: MLflow's grammar for them."""

from __future__ import annotations

import pytest

from gtrack.errors import QueryError
from gtrack.records import ModelVersion
from gtrack.registry.search import matching

VERSIONS = [
    ModelVersion("churn", 1, "churn@v1.0.0", "v1.0.0", "a", "r1", "model", ("archived",), user="Ana <a@b>"),
    ModelVersion("churn", 2, "churn@v2.0.0", "v2.0.0", "b", "r2", "model", ("production", "champion")),
    ModelVersion("ch_rn and co", 3, "x@v3.0.0", "v3.0.0", "c", None),
]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", [1, 2, 3]),
        ("  ", [1, 2, 3]),
        ("name='churn'", [1, 2]),
        ('name = "churn"', [1, 2]),
        ("name != 'churn'", [3]),
        ("NAME='churn' AND version_number > 1", [2]),
        ("name='ch_rn and co'", [3]),
        ("name LIKE 'ch%'", [1, 2, 3]),
        ("name like 'ch_rn'", [1, 2]),
        ("name ILIKE 'CHURN'", [1, 2]),
        ("name LIKE 'CHURN'", []),
        ("run_id = 'r2'", [2]),
        ("run_id IN ('r1', \"r2\")", [1, 2]),
        ("run_id NOT IN ('r1')", [2, 3]),
        ("version_number = '2'", [2]),
        ("version_number in (1, 3)", [1, 3]),
        ("version_number <= 2 and version_number >= 2", [2]),
        ("attribute.version < 2", [1]),
        ("`name`='churn' and stage = 'champion'", [2]),
        ("current_stage = 'Production'", [2]),
        ("current_stage = 'None'", [3]),
        ("user like 'Ana%'", [1]),
        ("source_path = 'runs:/r1/model'", [1]),
        ("semver = 'v3.0.0'", [3]),
        ("tag = 'churn@v1.0.0'", [1]),
    ],
)
def test_what_a_filter_takes(text: str, numbers: list[int]) -> None:
    assert [one.version for one in matching(VERSIONS, text)] == numbers


@pytest.mark.parametrize(
    ("text", "at", "said"),
    [
        ("name", 0, "a clause such as"),
        ("name = churn", 0, "a clause such as"),
        ("name='a' or name='b'", 9, "'and', or the end"),
        ("name='a' and", 12, "a clause such as"),
        ("nam='a'", 0, "Did you mean 'name'?"),
        ("name > 'a'", 5, "one of =, "),
        ("version_number like 'a'", 20, "a whole number"),
        ("version_number like 3", 15, "one of =, "),
        ("version_number = 'x'", 17, "a whole number"),
        ("name = ('a')", 7, "a list in parentheses after IN"),
        ("name in 'a'", 8, "a list in parentheses after IN"),
        ("name in ()", 8, "a list in parentheses after IN"),
    ],
)
def test_a_filter_that_cannot_be_read_is_shown_with_the_place(text: str, at: int, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        matching(VERSIONS, text)
    assert caught.value.position == at
    assert said in str(caught.value)
    assert text in str(caught.value)
