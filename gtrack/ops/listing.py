"""List runs: which ones, in which order, and what to tell of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeAlias

from gtrack.errors import UsageError, nearest
from gtrack.ops.compare import ABSENT, Cell, names, same
from gtrack.project import Project
from gtrack.records import Run, Status, Value

Group: TypeAlias = Literal["run", "params", "metrics", "tags"]

_GROUPS: Final[tuple[Group, ...]] = ("metrics", "params", "tags")
_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class ColumnSpec:
    """One thing to tell of every run: a fact about the run itself, or one of its params, metrics or tags."""

    group: Group
    name: str

    @property
    def path(self) -> str:
        """The full name: ``status``, ``params.lr``."""
        return self.name if self.group == "run" else f"{self.group}.{self.name}"


@dataclass(frozen=True)
class Listing:
    """The runs to show, newest first unless another order was asked for.

    Attributes:
        runs: the ones that are shown.
        more: whether there are further ones, which a limit keeps back.
        columns: what to tell of each.
        chosen: whether the columns were asked for, so that none may be left out for being the same everywhere.
        which: what makes these the ones that are shown: ``newest``, ``first``, ``best``.
    """

    runs: tuple[Run, ...]
    more: bool
    columns: tuple[ColumnSpec, ...]
    chosen: bool
    which: str = "newest"


FIELDS: Final[Mapping[str, Callable[[Run], Value]]] = {
    "name": lambda run: run.name,
    "id": lambda run: run.id,
    "experiment": lambda run: run.experiment,
    "status": lambda run: run.status.value,
    "started": lambda run: _iso(run.started),
    "ended": lambda run: _iso(run.ended),
    "duration": lambda run: run.duration,
    "parent": lambda run: run.parent,
    "user": lambda run: run.user,
    "host": lambda run: run.host,
    "command": lambda run: list(run.command),
    "exit_code": lambda run: run.exit_code,
    "commit": lambda run: run.code.commit,
    "head": lambda run: run.code.head,
    "branch": lambda run: run.code.branch,
    "dirty": lambda run: run.code.dirty,
    "notes": lambda run: run.notes,
}
"""What can be told of a run itself, as plain values."""

_DEFAULT_FIELDS = ("name", "id", "experiment", "status", "started", "duration")


def newest_runs(
    project: Project, count: int | None = None, experiment: str | None = None, status: Status | None = None
) -> list[Run]:
    """Return the runs that started last, newest first, live ones among them.

    Args:
        project: where.
        count: how many at the most; None for all.
        experiment: only the runs of this experiment.
        status: only the runs with this status.
    """
    only = {"experiment": experiment, "status": None if status is None else status.value}
    return project.index.select(limit=count, only={name: (said,) for name, said in only.items() if said is not None})


def list_runs(
    runs: Sequence[Run], *, limit: int | None = None, columns: str | None = None, which: str = "newest"
) -> Listing:
    """Choose what to show of runs.

    Args:
        runs: the runs in their order; one more than ``limit`` is enough to know that there are more.
        limit: how many at the most; None for all.
        columns: a comma-separated choice, e.g. ``name,params.*,metrics.f1``; None for the usual ones: the run itself,
            the params that differ among the shown runs, all metrics.
        which: what makes the first of them the first: ``newest``, ``first``, ``best``.

    Raises:
        UsageError: a column that none of the shown runs has.
    """
    shown = runs if limit is None else runs[:limit]
    specs = _usual_columns(shown) if columns is None else _parse_columns(columns, shown)
    return Listing(tuple(shown), len(shown) < len(runs), tuple(specs), columns is not None, which)


def all_columns(runs: Sequence[Run]) -> list[ColumnSpec]:
    """Return everything that can be told of any of ``runs``."""
    return [ColumnSpec("run", name) for name in FIELDS] + [
        ColumnSpec(group, name) for group in ("params", "metrics", "tags") for name in _names(group, runs)
    ]


def column_value(run: Run, column: ColumnSpec) -> Cell:
    """Return what ``column`` tells of ``run``; ABSENT when the run has no such param, metric or tag."""
    if column.group == "run":
        return FIELDS[column.name](run)
    return _mapping(column.group, run).get(column.name, ABSENT)


def _mapping(group: Group, run: Run) -> Mapping[str, Value]:
    return run.flat_params if group == "params" else run.metrics if group == "metrics" else run.tags


def _names(group: Group, runs: Sequence[Run]) -> list[str]:
    return names(_mapping(group, run) for run in runs)


def _usual_columns(runs: Sequence[Run]) -> list[ColumnSpec]:
    return [
        *(ColumnSpec("run", name) for name in _DEFAULT_FIELDS),
        *(ColumnSpec("params", name) for name in _varying_params(runs)),
        *(ColumnSpec("metrics", name) for name in _names("metrics", runs)),
    ]


def _varying_params(runs: Sequence[Run]) -> list[str]:
    """Return the params on which two runs disagree, or which only some runs of an experiment have.

    That other experiments do not have a param says nothing about the runs that do.
    """
    flat = [run.flat_params for run in runs]
    first: dict[str, Value] = {}
    varying = set()
    for params in flat:
        for name, value in params.items():
            if name not in varying and not same(first.setdefault(name, value), value):
                varying.add(name)
    by_experiment: dict[str, list[dict[str, Value]]] = {}
    for run, params in zip(runs, flat, strict=True):
        by_experiment.setdefault(run.experiment, []).append(params)
    for group in by_experiment.values():
        known = set().union(*group)
        varying |= {name for name in known if not all(name in params for params in group)}
    return [name for name in first if name in varying]


def _parse_columns(text: str, runs: Sequence[Run]) -> list[ColumnSpec]:
    known = all_columns(runs)
    chosen: dict[ColumnSpec, None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        chosen.update(dict.fromkeys(_matching(part, known, any_run=bool(runs))))
    if not chosen:
        raise UsageError("--columns needs at least one column, e.g. name,status,params.*,metrics.*.")
    return list(chosen)


def _matching(part: str, known: Sequence[ColumnSpec], *, any_run: bool) -> list[ColumnSpec]:
    """Return the columns that ``part`` names: in full, by a pattern, or a metric, param or tag by its name alone.

    The last part of a nested name will do where only one has it: ``lr`` for ``params.optimizer.lr``.
    """
    exact = [column for column in known if column.path == part]
    if exact:
        return exact
    if "*" in part or "?" in part:
        return [column for column in known if fnmatchcase(column.path, part)]
    for group in _GROUPS:
        if ColumnSpec(group, part) in known:
            return [ColumnSpec(group, part)]
    ends = [column for column in known if column.name.rsplit(".", 1)[-1] == part]
    if len(ends) == 1:
        return ends
    if not any_run:  # with no run to show, nothing says which params there are
        return [ColumnSpec("run", "name")]
    words = [word for column in known for word in (column.path, column.name)]
    raise UsageError(
        f"None of these runs has a column {part!r}.{nearest(part, words)} "
        f"Columns are {', '.join(FIELDS)}, params.NAME, metrics.NAME and tags.NAME; * stands for any text."
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
