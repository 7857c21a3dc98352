"""Compare runs: what differs in what went in and what came out. Pure: records in, a record out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, TypeAlias

from gtrack.records import Goal, Input, Number, Run, Value, flatten


class Absent(Enum):
    """The one value that says that a run has no such thing (None is a value)."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT

Cell: TypeAlias = "Value | Literal[Absent.ABSENT]"


@dataclass(frozen=True)
class Row:
    """One named thing over all compared runs.

    Attributes:
        values: one per run, ABSENT where the run has no such thing.
        differs: whether the runs do not all agree.
    """

    name: str
    values: tuple[Cell, ...]
    differs: bool


@dataclass(frozen=True)
class Change:
    """How a metric of a run differs from the first run's.

    Attributes:
        delta: this run's value minus the first run's.
        relative: ``delta`` over the size of the first run's value; None when that is zero or the ratio is not finite.
        better: whether the change goes in the direction of the goal; None without a goal or a change.
    """

    delta: Number
    relative: float | None
    better: bool | None


@dataclass(frozen=True)
class MetricRow:
    """One metric over all compared runs.

    Attributes:
        values: one per run, None where the run has no such metric.
        changes: one per run: how it differs from the first; None for the first and where one of the two has no value.
        goal: which direction is better, when all runs that say so agree.
        best: indices of the runs with the best value; empty without a goal or without a difference.
    """

    name: str
    values: tuple[Number | None, ...]
    changes: tuple[Change | None, ...]
    goal: Goal | None
    best: tuple[int, ...]
    differs: bool


@dataclass(frozen=True)
class InputRow:
    """One input over all compared runs; two versions are the same when their digests are."""

    name: str
    values: tuple[Input | None, ...]
    differs: bool


@dataclass(frozen=True)
class Comparison:
    """Several runs side by side; the first is what the others are compared with.

    Attributes:
        without_environment: the runs of which no environment is known; it makes no difference for them.
    """

    runs: tuple[Run, ...]
    params: tuple[Row, ...]
    metrics: tuple[MetricRow, ...]
    inputs: tuple[InputRow, ...]
    tags: tuple[Row, ...]
    environment: tuple[Row, ...]
    packages: tuple[Row, ...]
    without_environment: tuple[Run, ...] = ()


def compare(runs: Sequence[Run], environments: Sequence[Mapping[str, Value]] = ()) -> Comparison:
    """Put runs side by side.

    Args:
        runs: two or more; the first is what the others are compared with.
        environments: the environment of each run, in the same order; none when environments are not of interest.

    Returns:
        Every row, also the ones that are the same everywhere (``differs`` tells); params, metrics and tags in the order
        in which the first run that has them logged them, packages by name.
    """
    surroundings = [_without_packages(environment) for environment in environments]
    packages = [_packages(environment) for environment in environments]
    unknown = [i for i, environment in enumerate(environments) if not environment]
    return Comparison(
        runs=tuple(runs),
        params=_rows([run.flat_params for run in runs]),
        metrics=tuple(_metric_row(name, runs) for name in names(run.metrics for run in runs)),
        inputs=_input_rows(runs),
        tags=_rows([run.tags for run in runs]),
        environment=_rows(surroundings, unknown=unknown),
        packages=tuple(sorted(_rows(packages, unknown=unknown), key=lambda row: row.name.lower())),
        without_environment=tuple(runs[i] for i in unknown),
    )


def same(one: Cell, other: Cell) -> bool:
    """Return whether two parameter values are the same: of one type and equal, NaN equal to itself.

    ``1`` and ``1.0`` differ, as they do to ``max_features`` of a random forest; so do ``1`` and ``true``.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    return one == other


def names(mappings: Iterable[Mapping[str, object]]) -> list[str]:
    """Return the keys of all mappings, each where it was first met."""
    names: dict[str, None] = {}
    for mapping in mappings:
        names.update(dict.fromkeys(mapping))
    return list(names)


def _rows(mappings: Sequence[Mapping[str, Value]], unknown: Sequence[int] = ()) -> tuple[Row, ...]:
    """Return a row per name; what is not known of the runs at ``unknown`` makes no difference."""
    return tuple(_row(name, tuple(one.get(name, ABSENT) for one in mappings), unknown) for name in names(mappings))


def _row(name: str, values: tuple[Cell, ...], unknown: Sequence[int]) -> Row:
    known = [value for i, value in enumerate(values) if i not in unknown]
    return Row(name, values, differs=not all(same(known[0], value) for value in known[1:]))


def _metric_row(name: str, runs: Sequence[Run]) -> MetricRow:
    values = tuple(run.metrics.get(name) for run in runs)
    goal = _goal(name, runs)
    first = values[0]
    changes = [None if first is None or value is None else _change(first, value, goal) for value in values[1:]]
    differs = not all(_same_number(first, value) for value in values[1:])
    best = _best(values, goal) if differs else ()
    return MetricRow(name, values, (None, *changes), goal, best, differs)


def _goal(name: str, runs: Sequence[Run]) -> Goal | None:
    goals = {run.goal(name) for run in runs if name in run.metrics}
    return goals.pop() if len(goals) == 1 else None


def _same_number(one: Number | None, other: Number | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or (_is_nan(one) and _is_nan(other))


def _is_nan(number: Number) -> bool:
    return isinstance(number, float) and math.isnan(number)


def _change(first: Number, value: Number, goal: Goal | None) -> Change:
    delta: Number = 0 if first == value else _without_overflow(lambda: value - first)
    ratio = _without_overflow(lambda: delta / abs(first)) if first else math.nan
    better = None
    if goal is not None and delta and not _is_nan(delta):
        better = (delta > 0) is (goal is Goal.MAXIMIZE)
    return Change(delta, ratio if math.isfinite(ratio) else None, better)


def _without_overflow(compute: Callable[[], Number]) -> Number:
    try:
        return compute()
    except OverflowError:  # an int beyond the range of float64 met a float
        return math.nan


def _best(values: Sequence[Number | None], goal: Goal | None) -> tuple[int, ...]:
    numbers = [value for value in values if value is not None and not _is_nan(value)]
    if goal is None or not numbers:
        return ()
    best = max(numbers) if goal is Goal.MAXIMIZE else min(numbers)
    return tuple(i for i, value in enumerate(values) if value == best)


def _input_rows(runs: Sequence[Run]) -> tuple[InputRow, ...]:
    by_name = [{given.name: given for given in run.inputs} for run in runs]
    rows = []
    for name in names(by_name):
        values = tuple(inputs.get(name) for inputs in by_name)
        digests = {None if value is None else value.digest for value in values}
        rows.append(InputRow(name, values, differs=len(digests) > 1))
    return tuple(rows)


def _without_packages(environment: Mapping[str, Value]) -> dict[str, Value]:
    return dict(flatten({name: value for name, value in environment.items() if name != "packages"}))


def _packages(environment: Mapping[str, Value]) -> Mapping[str, Value]:
    packages = environment.get("packages")
    return packages if isinstance(packages, dict) else {}
