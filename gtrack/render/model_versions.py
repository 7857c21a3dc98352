"""``gtrack models show MODEL``: a model with all its versions; ``gtrack models diff``: several side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.words import plural
from gtrack.ops.compare_versions import VersionComparison, title
from gtrack.ops.model_overview import ModelOverview
from gtrack.records import ModelVersion, Number, is_of_training, usual_goal
from gtrack.render.comparison import write_comparison
from gtrack.render.comparison_markdown import comparison_markdown
from gtrack.render.data import comparison_data
from gtrack.render.markdown import columns_markdown
from gtrack.render.models import DEPRECATED, OTHER_STAGE, STAGE_STYLES, model_data, run_id, version_data, when, who
from gtrack.render.table import DIM, HEAD, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import metric, printable

if TYPE_CHECKING:
    from rich.console import Console

_SHORTEST = 12
_SHORTEST_REASON = 20
_MANY_METRICS = 4
_TAKEN_BACK = "taken back"


def write_overview(console: Console, overview: ModelOverview, now: datetime) -> None:
    """Write a model: what it is in one line, then a table of its versions."""
    model = overview.model
    write_line(
        console,
        Text.assemble(
            (printable(model.name), HEAD),
            f"  {plural(len(model.versions), 'version')}",
            f", {len(model.withdrawn)} {_TAKEN_BACK}" if model.withdrawn else "",
            (f"  {DEPRECATED}" if model.deprecated else "", "yellow"),
        ),
    )
    if not overview.versions:
        return
    write_line(console)
    left_out = write_table(console, version_columns(overview, now, terminal=console.is_terminal))
    if console.is_terminal:
        write_left_out(console, left_out, "make the terminal wider")
        if len(overview.versions) < overview.total:
            shown = plural(len(overview.versions), "version")
            write_line(console, Text(f"the newest {shown}; -n 0 shows all {overview.total}", DIM))


def version_columns(overview: ModelOverview, now: datetime, *, terminal: bool) -> list[Column]:
    """Return the table of a model's versions, the newest first."""
    versions = overview.versions
    runs = [overview.runs.get(one.version) for one in versions]
    usual = terminal and all(one.semver == f"v{one.version}.0.0" for one in versions)
    columns = [
        Column("version", [Cell(f"v{one.version}", HEAD) for one in versions], keep=100),
        *([] if usual else [Column("semver", [Cell(one.semver) for one in versions], keep=90, least=_SHORTEST)]),
        Column("stages", [_stages(one) for one in versions], keep=95, least=_SHORTEST, names=False),
        *_metrics(overview, most=_MANY_METRICS if terminal else None),
        Column(
            "run",
            [Cell(printable(run.name) if run else "") for run in runs],
            keep=75,
            least=_SHORTEST,
        ),
        Column("id", [Cell(run_id(one, terminal=terminal), "yellow") for one in versions], keep=60),
        Column("registered", [Cell(when(one.created, now, terminal=terminal), DIM) for one in versions], keep=80),
        Column("by", [Cell(who(one.user, terminal=terminal)) for one in versions], keep=70, least=8),
    ]
    if any(one.reason for one in versions):
        reasons = [Cell(printable(one.reason or "")) for one in versions]
        columns.append(Column("reason", reasons, keep=65, least=_SHORTEST_REASON, names=False))
    return columns


def _stages(version: ModelVersion) -> Cell:
    if not version.registered:
        return Cell(_TAKEN_BACK, "yellow")
    stages = version.stages
    style = next((STAGE_STYLES[stage] for stage in STAGE_STYLES if stage in stages), OTHER_STAGE)
    return Cell(", ".join(printable(stage) for stage in stages), style if stages else "")


def _metrics(overview: ModelOverview, most: int | None) -> list[Column]:
    """Return a column for each metric: those that most versions have first, those of training data last."""
    found = [_numbers(overview, one) for one in overview.versions]
    counts = Counter(name for numbers in found for name in numbers)
    order = {name: at for at, name in enumerate(counts)}
    names = sorted(
        counts, key=lambda name: (is_of_training(name), usual_goal(name) is None, -counts[name], order[name])
    )
    columns = []
    for at, name in enumerate(names[:most]):
        cells = [Cell(metric(numbers[name]) if name in numbers else "", "cyan") for numbers in found]
        columns.append(Column(printable(name), cells, right=True, keep=_keep(at), least_title=_SHORTEST))
    return columns


def _keep(at: int) -> int:
    """Return how much the metric at a place matters: the first more than the run, the next more than the reason."""
    if not at:
        return 93
    return 69 - at if at < 2 else 60 - at


def _numbers(overview: ModelOverview, version: ModelVersion) -> dict[str, Number]:
    """Return the metrics of a version's run; those that its tag says, where the run is not here."""
    run = overview.runs.get(version.version)
    return dict(run.metrics if run else version.metrics)


def write_version_comparison(
    console: Console, found: VersionComparison, now: datetime, *, everything: bool = False
) -> None:
    """Write versions side by side: what they are, and what differs between their runs.

    Args:
        console: where.
        found: the versions.
        now: ages are counted to it.
        everything: also what is the same.
    """
    write_table(console, compared_columns(found, now, terminal=console.is_terminal), head=False)
    write_line(console)
    write_comparison(console, found.comparison, found.code, now, everything=everything)


def compared_columns(found: VersionComparison, now: datetime, *, terminal: bool) -> list[Column]:
    """Return the table of versions that are compared."""
    versions = found.versions
    return [
        Column("version", [Cell(printable(title(one)), HEAD) for one in versions], keep=9, least=_SHORTEST),
        Column("semver", [Cell(one.semver) for one in versions], keep=3, least=_SHORTEST),
        Column("stages", [_stages(one) for one in versions], keep=8, least=_SHORTEST, names=False),
        Column("run", [Cell(printable(run.name)) for run in found.runs], keep=7, least=_SHORTEST),
        Column("registered", [Cell(when(one.created, now, terminal=terminal), DIM) for one in versions], keep=6),
        Column("by", [Cell(who(one.user, terminal=terminal)) for one in versions], keep=5, least=8),
    ]


def version_comparison_markdown(found: VersionComparison, now: datetime, *, everything: bool = False) -> str:
    """Return versions side by side as GitHub-flavoured Markdown; see ``write_version_comparison``."""
    head, _, rest = comparison_markdown(found.comparison, found.code, everything=everything).partition("\n\n")
    versions = columns_markdown(compared_columns(found, now, terminal=False))
    return f"{head}\n\n{versions}\n{rest}"


def version_comparison_data(found: VersionComparison, *, everything: bool = False) -> dict[str, Any]:
    """Return what ``models diff --json`` gives: the versions, then what ``diff --json`` gives of their runs."""
    under_their_names = replace(found.comparison, runs=found.runs)
    return {
        "versions": [{"model": one.name, **version_data(one)} for one in found.versions],
        **comparison_data(under_their_names, found.code, everything=everything),
    }


def version_rows(overview: ModelOverview) -> list[dict[str, Any]]:
    """Return what ``models show MODEL --csv`` gives: a line for each version, a column for each metric."""
    numbers = {one.version: _numbers(overview, one) for one in overview.versions}
    names = list(dict.fromkeys(name for found in numbers.values() for name in found))
    return [_row(overview, one, numbers[one.version], names) for one in overview.versions]


def _row(
    overview: ModelOverview, version: ModelVersion, numbers: dict[str, Number], names: Sequence[str]
) -> dict[str, Any]:
    data = version_data(version)
    run = overview.runs.get(version.version)
    return {
        **{key: data[key] for key in ("version", "semver", "tag", "run", "artifact", "experiment")},
        "run_name": run.name if run else None,
        "stages": ", ".join(version.stages),
        **{key: data[key] for key in ("created", "user", "reason")},
        "registered": version.registered,
        **{f"metrics.{name}": numbers.get(name) for name in names},
    }


def overview_data(overview: ModelOverview) -> dict[str, Any]:
    """Return what ``models show MODEL --json`` gives: the model, its versions the newest first, each with its run's metrics."""
    return {
        **model_data(overview.model, overview.placings),
        "versions": [
            {
                **version_data(one),
                "metrics": _numbers(overview, one),
                "registered": one.registered,
                "run_name": overview.runs[one.version].name if one.version in overview.runs else None,
            }
            for one in overview.versions
        ],
    }
