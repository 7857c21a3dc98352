"""``gtrack ls --group-by`` and ``gtrack experiments``: one line per group of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.words import plural
from gtrack.ops.compare import ABSENT
from gtrack.ops.experiments import ExperimentSummary
from gtrack.ops.group import Group, Grouping, Spread
from gtrack.records import Status
from gtrack.render.listing import STATUS_STYLES
from gtrack.render.table import DIM, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import age, iso, metric, printable, value

if TYPE_CHECKING:
    from rich.console import Console

    from gtrack.ops.compare import Cell as Value

PLUS_MINUS = "±"
_SHORTEST = 8
_IDS = ("commit", "head", "parent")


def write_groups(console: Console, grouping: Grouping) -> None:
    """Write the groups as a table, and on a terminal a line about what it does not show."""
    left_out = write_table(console, group_columns(grouping, terminal=console.is_terminal))
    if not console.is_terminal:
        return
    write_left_out(console, left_out, "choose with --columns")
    count = plural(len(grouping.groups), "group")
    said = f"the first {count}; -n 0 shows all" if grouping.more else count
    write_line(console, Text(f"{said}; mean {PLUS_MINUS} standard deviation", DIM))


def group_columns(grouping: Grouping, *, terminal: bool) -> list[Column]:
    """Return the table of the groups: what makes them, how many runs each has, and its metrics."""
    columns = []
    for at, spec in enumerate(grouping.by):
        found = [group.values[at] for group in grouping.groups]
        columns.append(
            Column(
                printable(spec.name),
                [Cell(_group_value(one, short=terminal and spec.name in _IDS)) for one in found],
                right=all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in found),
                keep=1000 - at,
                least=_SHORTEST,
                label=printable(spec.path),
            )
        )
    columns.append(Column("runs", [Cell(str(group.count)) for group in grouping.groups], right=True, keep=900))
    for at, name in enumerate(grouping.metrics):
        cells = [Cell(spread_text(group.metrics[at], group)) for group in grouping.groups]
        columns.append(Column(printable(name), cells, right=True, keep=800 - at))
    return columns


def _group_value(found: Value, *, short: bool) -> str:
    if found is ABSENT:
        return ""
    if isinstance(found, str):
        return printable(found[:8] if short else found)
    return value(found)


def spread_text(spread: Spread, group: Group) -> str:
    """Return ``0.93 ± 0.01``, with the number of values where not every run of the group has one."""
    if spread.mean is None:
        return ""
    text = metric(spread.mean) if spread.std is None else f"{metric(spread.mean)} {PLUS_MINUS} {spread.std:.2g}"
    return text if spread.count == group.count else f"{text} ({spread.count})"


def group_rows(grouping: Grouping) -> list[dict[str, Any]]:
    """Return the groups with one flat mapping each, for CSV: ``metrics.f1.mean``, ``.std`` and ``.count``."""
    rows = []
    for group in grouping.groups:
        row: dict[str, Any] = {spec.path: found for spec, found in zip(grouping.by, group.values, strict=True)}
        row["runs"] = group.count
        for name, spread in zip(grouping.metrics, group.metrics, strict=True):
            row.update({f"metrics.{name}.{key}": getattr(spread, key) for key in ("mean", "std", "count")})
        rows.append(row)
    return rows


def group_data(grouping: Grouping) -> list[dict[str, Any]]:
    """Return what ``ls --group-by --json`` gives of each group."""
    return [
        {
            "by": {
                spec.path: found for spec, found in zip(grouping.by, group.values, strict=True) if found is not ABSENT
            },
            "runs": group.count,
            "metrics": {
                name: {"mean": spread.mean, "std": spread.std, "count": spread.count}
                for name, spread in zip(grouping.metrics, group.metrics, strict=True)
            },
        }
        for group in grouping.groups
    ]


def write_experiments(console: Console, experiments: Sequence[ExperimentSummary], now: datetime) -> None:
    """Write the experiments as a table."""
    left_out = write_table(console, experiment_columns(experiments, now, terminal=console.is_terminal))
    if console.is_terminal:
        write_left_out(console, left_out, "make the terminal wider")


def experiment_columns(experiments: Sequence[ExperimentSummary], now: datetime, *, terminal: bool) -> list[Column]:
    """Return the table of the experiments; in it a terminal gets ages, a program moments."""
    return [
        Column("experiment", [Cell(printable(one.experiment.name), "bold") for one in experiments], keep=100, least=16),
        Column("runs", [Cell(str(one.runs)) for one in experiments], right=True, keep=95),
        Column("status", [Cell(_statuses(one.statuses), _tone(one.statuses)) for one in experiments], keep=60),
        Column(
            "last activity",
            [Cell(age(one.last, now) if terminal else iso(one.last), DIM) for one in experiments],
            keep=90,
        ),
        Column("objective", [Cell(_objective(one)) for one in experiments], keep=70, least=12),
        Column("best", [Cell(_best_value(one)) for one in experiments], right=True, keep=85),
        Column(
            "best run", [Cell(printable(one.best.name) if one.best else "") for one in experiments], keep=80, least=12
        ),
        Column(
            "purpose",
            [Cell(printable(one.experiment.purpose or "")) for one in experiments],
            keep=75,
            least=20,
            names=False,
        ),
    ]


def _statuses(counts: Mapping[str, int]) -> str:
    order = [status.value for status in Status]
    known = sorted(counts.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))
    return ", ".join(f"{count} {printable(name)}" for name, count in known)


def _tone(counts: Mapping[str, int]) -> str:
    return STATUS_STYLES[Status.RUNNING] if Status.RUNNING.value in counts else ""


def _objective(one: ExperimentSummary) -> str:
    if one.experiment.objective is None:
        return ""
    name, goal = one.experiment.objective
    return f"{goal} {printable(name)}"


def _best_value(one: ExperimentSummary) -> str:
    if one.best is None or one.experiment.objective is None:
        return ""
    return metric(one.best.metrics[one.experiment.objective[0]])


def experiment_data(one: ExperimentSummary) -> dict[str, Any]:
    """Return what ``experiments --json`` gives of each experiment."""
    objective, best = one.experiment.objective, one.best
    return {
        "name": one.experiment.name,
        "purpose": one.experiment.purpose,
        "created": iso(one.experiment.created) or None,
        "tags": dict(one.experiment.tags),
        "runs": one.runs,
        "statuses": dict(one.statuses),
        "last_activity": iso(one.last) or None,
        "objective": {"metric": objective[0], "goal": objective[1].value} if objective else None,
        "best": {"id": best.id, "name": best.name, "value": best.metrics[objective[0]]} if best and objective else None,
    }


def experiment_rows(experiments: Sequence[ExperimentSummary]) -> list[dict[str, Any]]:
    """Return the experiments with one flat mapping each, for CSV."""
    rows = []
    for data in map(experiment_data, experiments):
        objective, best = data.pop("objective") or {}, data.pop("best") or {}
        data["objective.metric"], data["objective.goal"] = objective.get("metric"), objective.get("goal")
        data["best.id"], data["best.name"], data["best.value"] = best.get("id"), best.get("name"), best.get("value")
        rows.append(data)
    return rows
