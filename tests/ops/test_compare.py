from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.ops.compare import ABSENT, Cell, compare, same
from gtrack.records import Goal, Input, MetricDefinition, Run, Status

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
NUMBERS = st.integers() | st.floats()


def run(number: int = 1, **fields: object) -> Run:
    known = {"id": f"{number:032x}", "name": f"run-{number}", "experiment": "e", "status": Status.FINISHED}
    return Run(**{**known, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (1, 1, True),
        (1, 1.0, False),
        (1, True, False),
        (0, False, False),
        (None, ABSENT, False),
        ("1", 1, False),
        (math.nan, math.nan, True),
        ([1, math.nan], [1, math.nan], True),
        ([1], [1.0], False),
        ([1], [1, 2], False),
        ({"a": [1]}, {"a": [1]}, True),
        ({"a": 1}, {"b": 1}, False),
        (0.0, -0.0, True),
    ],
)
def test_same(one: Cell, other: Cell, alike: bool) -> None:
    assert same(one, other) is alike
    assert same(other, one) is alike


@given(PLAIN)
def test_everything_is_the_same_as_itself(value: Cell) -> None:
    assert same(value, value)


def test_params_are_told_by_their_dotted_names_and_differ_by_type() -> None:
    one = run(1, params={"optimizer": {"lr": 0.1, "name": "sgd"}, "max_features": 1})
    two = run(2, params={"optimizer": {"lr": 0.1, "name": "adam"}, "max_features": 1.0, "seed": None})
    found = {row.name: row for row in compare([one, two]).params}
    assert {name for name, row in found.items() if row.differs} == {"optimizer.name", "max_features", "seed"}
    assert found["optimizer.lr"].values == (0.1, 0.1)
    assert found["seed"].values == (ABSENT, None)
    assert list(found) == ["optimizer.lr", "optimizer.name", "max_features", "seed"]


@pytest.mark.parametrize(
    ("name", "first", "second", "delta", "relative", "better"),
    [
        ("f1", 0.5, 0.75, 0.25, 0.5, True),
        ("f1", 0.75, 0.5, -0.25, -1 / 3, False),
        ("val/loss", 2.0, 1.0, -1.0, -0.5, True),
        ("val/loss", -2.0, -1.0, 1.0, 0.5, False),
        ("whatever", 1, 3, 2, 2.0, None),
        ("f1", 0, 1, 1, None, True),
        ("f1", 1, 1.0, 0, 0.0, None),
        ("f1", 1e-320, 1.0, 1.0, None, True),
        ("f1", 0.5, math.inf, math.inf, None, True),
        ("f1", math.inf, math.inf, 0, 0.0, None),
    ],
)
def test_a_change(
    name: str, first: float, second: float, delta: float, relative: float | None, better: bool | None
) -> None:
    (row,) = compare([run(1, metrics={name: first}), run(2, metrics={name: second})]).metrics
    change = row.changes[1]
    assert row.changes[0] is None
    assert change is not None
    assert (change.delta, change.relative, change.better) == (delta, relative, better)


def test_nan_makes_a_change_of_which_nothing_is_known() -> None:
    (row,) = compare([run(1, metrics={"f1": 0.5}), run(2, metrics={"f1": math.nan})]).metrics
    change = row.changes[1]
    assert row.differs
    assert row.best == (0,)
    assert change is not None
    assert math.isnan(change.delta)
    assert (change.relative, change.better) == (None, None)


def test_two_nans_are_alike() -> None:
    (row,) = compare([run(1, metrics={"f1": math.nan}), run(2, metrics={"f1": math.nan})]).metrics
    assert not row.differs


@given(NUMBERS, NUMBERS)
def test_no_pair_of_numbers_fails(first: float, second: float) -> None:
    (row,) = compare([run(1, metrics={"loss": first}), run(2, metrics={"loss": second})]).metrics
    assert row.changes[1] is not None


def test_a_missing_metric_differs_and_has_no_change() -> None:
    (row,) = compare([run(1), run(2, metrics={"f1": 1}), run(3, metrics={"f1": 2})]).metrics
    assert row.differs
    assert row.changes == (None, None, None)
    assert row.best == (2,)


def test_the_goal_is_the_defined_one_and_none_where_runs_disagree() -> None:
    minimize = {"score": MetricDefinition(goal=Goal.MINIMIZE)}
    one, two = (run(n, metrics={"score": n}, metric_definitions=minimize) for n in (1, 2))
    other = run(3, metrics={"score": 3})
    assert compare([one, two]).metrics[0].best == (0,)
    assert compare([one, two, other]).metrics[0].goal is None


def test_inputs_differ_by_digest() -> None:
    old, new = Input("train", "sha256:1", "file"), Input("train", "sha256:2", "file")
    moved = Input("train", "sha256:1", "file", source="elsewhere")
    assert compare([run(1, inputs=(old,)), run(2, inputs=(new,))]).inputs[0].differs
    assert compare([run(1, inputs=(old,)), run(2)]).inputs[0].values == (old, None)
    assert not compare([run(1, inputs=(old,)), run(2, inputs=(moved,))]).inputs[0].differs


def test_environment_and_packages_stand_apart() -> None:
    one: dict[str, Cell] = {"python": {"version": "3.11"}, "packages": {"numpy": "1", "Black": "1"}}
    two: dict[str, Cell] = {"python": {"version": "3.12"}, "packages": {"numpy": "2", "Black": "1"}}
    found = compare([run(1), run(2)], [one, two])  # type: ignore[list-item]
    assert [(row.name, row.values, row.differs) for row in found.environment] == [
        ("python.version", ("3.11", "3.12"), True)
    ]
    assert [(row.name, row.differs) for row in found.packages] == [("Black", False), ("numpy", True)]


def test_an_environment_that_is_not_known_makes_no_difference() -> None:
    runs = [run(n) for n in (1, 2, 3)]
    found = compare(runs, [{"packages": {"numpy": "1"}}, {}, {"packages": {"numpy": "1"}}])
    assert not found.packages[0].differs
    assert found.without_environment == (runs[1],)


def test_ints_beyond_float64_are_compared_as_far_as_that_goes() -> None:
    (row,) = compare([run(1, metrics={"loss": 10**400}), run(2, metrics={"loss": 0.5})]).metrics
    change = row.changes[1]
    assert change is not None
    assert math.isnan(change.delta)
    assert row.best == (1,)
