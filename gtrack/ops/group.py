"""Group runs by what they have in common, and tell of each group how its metrics came out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from gtrack.errors import UsageError, nearest
from gtrack.ops.compare import ABSENT, Cell
from gtrack.ops.listing import ColumnSpec
from gtrack.ops.search import Choice, condition, only

if TYPE_CHECKING:
    from gtrack.project import Project
    from gtrack.records import Value
    from gtrack.store.index import Index
    from gtrack.store.index_plan import Only
    from gtrack.store.query.parser import Condition

RUN_FIELDS = (
    "experiment",
    "status",
    "name",
    "user",
    "host",
    "branch",
    "commit",
    "head",
    "dirty",
    "parent",
    "exit_code",
)
"""What runs can be grouped by beside parameters and tags."""

_WORDS: Mapping[str, Value] = {"None": None, "True": True, "False": False}


@dataclass(frozen=True)
class Spread:
    """What the values of one metric in one group come to; nan is not among them.

    Attributes:
        count: how many runs of the group have a value.
        mean: their mean; None when there is none.
        std: their standard deviation, as of a sample; None for fewer than two.
    """

    count: int
    mean: float | None = None
    std: float | None = None


@dataclass(frozen=True)
class Group:
    """The runs that have the same ``values``: how many they are, and the spread of each metric among them."""

    values: tuple[Cell, ...]
    count: int
    metrics: tuple[Spread, ...]


@dataclass(frozen=True)
class Grouping:
    """Groups of runs.

    Attributes:
        by: what makes the groups: the values of each group are in this order.
        metrics: which metrics are told, in the order of each group's spreads.
        groups: the ones that are shown.
        more: whether there are further ones, which a limit keeps back.
    """

    by: tuple[ColumnSpec, ...]
    metrics: tuple[str, ...]
    groups: tuple[Group, ...]
    more: bool = False


def group_runs(
    project: Project,
    by: str,
    choice: Choice,
    *,
    metrics: str | None = None,
    order: str | None = None,
    limit: int | None = None,
) -> Grouping:
    """Group runs.

    Args:
        project: where.
        by: what makes the groups, separated by commas: ``params.max_depth``, ``tags.team``, ``experiment``.
        choice: which runs.
        metrics: which metrics to tell, separated by commas, ``*`` for any text; all when None.
        order: a metric (by its mean), a column of ``by``, or ``count``, with a ``-`` in front for the greatest first; by the
            columns of ``by`` when None.
        limit: how many groups at the most.

    Raises:
        UsageError: there is no such parameter, tag, metric or field, or the filter is wrong.
    """
    index = project.index
    where, chosen = condition(index, choice), only(choice)
    specs = [_spec(index, part.strip()) for part in by.split(",") if part.strip()]
    if not specs:
        raise UsageError("--group-by needs at least one column, e.g. params.max_depth.")
    names = _metrics(index.names("metrics"), metrics)
    keys = _keys(index, specs, where, chosen)
    members: dict[tuple[Cell, ...], list[str]] = {}
    for run_id, key in keys.items():
        members.setdefault(key, []).append(run_id)
    columns = [index.column("metrics", name, where, only=chosen) for name in names]
    found = [Group(key, len(ids), tuple(_spread(column, ids) for column in columns)) for key, ids in members.items()]
    shown = [at for at in range(len(names)) if metrics is not None or any(group.metrics[at].count for group in found)]
    found = [Group(group.values, group.count, tuple(group.metrics[at] for at in shown)) for group in found]
    grouping = Grouping(tuple(specs), tuple(names[at] for at in shown), tuple(found))
    ordered = _sorted(grouping, order)
    return Grouping(grouping.by, grouping.metrics, tuple(ordered[:limit]), limit is not None and len(found) > limit)


def _spec(index: Index, path: str) -> ColumnSpec:
    if path in RUN_FIELDS:
        return ColumnSpec("run", path)
    group, dot, name = path.partition(".")
    if dot and group == "params" and name in index.names("params"):
        return ColumnSpec("params", name)
    if dot and group == "tags" and name in index.names("tags"):
        return ColumnSpec("tags", name)
    known = [f"params.{name}" for name in index.names("params")] + [f"tags.{name}" for name in index.names("tags")]
    by_name = [one for one in known if one.partition(".")[2] == path]
    if by_name:
        return _spec(index, by_name[0])
    raise UsageError(
        f"Runs cannot be grouped by {path!r}.{nearest(path, [*known, *RUN_FIELDS])} "
        f"They can be grouped by params.NAME, tags.NAME, {', '.join(RUN_FIELDS)}."
    )


def _metrics(known: Sequence[str], chosen: str | None) -> list[str]:
    if chosen is None:
        return list(known)
    found: dict[str, None] = {}
    for part in filter(None, (part.strip() for part in chosen.split(","))):
        pattern = part.removeprefix("metrics.")
        matching = [name for name in known if fnmatchcase(name, pattern)] if "*" in part or "?" in part else []
        if pattern in known:
            matching = [pattern]
        if not matching:
            raise UsageError(f"There is no metric {pattern!r} to tell of the groups.{nearest(pattern, known)}")
        found.update(dict.fromkeys(matching))
    return list(found)


def _keys(
    index: Index, specs: Sequence[ColumnSpec], where: Condition | None, chosen: Only
) -> dict[str, tuple[Cell, ...]]:
    """Return run id to what the run has of each of ``specs``."""
    ids = index.ids(where, only=chosen)
    columns = [
        index.column("runs" if spec.group == "run" else spec.group, spec.name, where, only=chosen) for spec in specs
    ]
    typed = [
        {run_id: _value(stored, spec) for run_id, stored in column.items()}
        for spec, column in zip(specs, columns, strict=True)
    ]
    return {run_id: tuple(column.get(run_id, ABSENT) for column in typed) for run_id in ids}


def _value(stored: Cell, spec: ColumnSpec) -> Cell:
    """Return a value as it was, where the index only holds Python's text of it."""
    if spec.path == "dirty":
        return bool(stored)
    return _WORDS.get(stored, stored) if spec.group == "params" and isinstance(stored, str) else stored


def _spread(column: Mapping[str, Cell], ids: Iterable[str]) -> Spread:
    values = [value for run_id in ids if isinstance(value := column.get(run_id), (int, float)) and math.isfinite(value)]
    if not values:
        return Spread(0)
    count, mean = len(values), math.fsum(values) / len(values)
    # The module statistics computes with exact fractions, a hundred times slower.
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1)) if count > 1 else None
    return Spread(count, mean, std)


def _sorted(grouping: Grouping, order: str | None) -> list[Group]:
    groups = sorted(grouping.groups, key=lambda group: [_rank(value) for value in group.values])
    for part in reversed([part.strip() for part in (order or "").split(",") if part.strip()]):
        name = part.lstrip("-")
        ranks = {id(group): _rank(_sort_value(grouping, group, name)) for group in groups}
        groups.sort(key=lambda group: ranks[id(group)], reverse=part.startswith("-"))
        groups.sort(key=lambda group: ranks[id(group)][0] == _MISSING)
    return groups


def _sort_value(grouping: Grouping, group: Group, name: str) -> Cell:
    if name == "count":
        return group.count
    paths = [spec.path for spec in grouping.by]
    for at, path in enumerate(paths):
        if name in (path, grouping.by[at].name):
            return group.values[at]
    metric = name.removeprefix("metrics.")
    if metric in grouping.metrics:
        mean = group.metrics[grouping.metrics.index(metric)].mean
        return ABSENT if mean is None else mean
    known = ["count", *paths, *(f"metrics.{one}" for one in grouping.metrics)]
    raise UsageError(f"Groups cannot be sorted by {name!r}.{nearest(name, known)} They have {', '.join(known)}.")


_MISSING = 9


def _rank(value: Cell) -> tuple[int, float, str]:
    """Return what sorts numbers by size before texts by name, and what is missing last."""
    if value is ABSENT:
        return _MISSING, 0.0, ""
    if isinstance(value, bool) or value is None:
        return 2, 0.0, str(value)
    if isinstance(value, (int, float)):
        return (1, float(value), "") if not math.isnan(value) else (2, 0.0, "nan")
    return 3, 0.0, str(value)
