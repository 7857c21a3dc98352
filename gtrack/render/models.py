"""``gtrack models``: what is in each stage of each model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.formats.words import plural
from gtrack.ops.model_stages import Placing
from gtrack.records import ModelVersion, RegisteredModel
from gtrack.render.table import DIM, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import age, iso, metric, printable

if TYPE_CHECKING:
    from rich.console import Console

STAGE_STYLES = {"production": "bold green", "staging": "cyan", "archived": DIM}
OTHER_STAGE = "magenta"
DEPRECATED = "deprecated"
_SHORTEST = 12
_FEW = 4
_SHORTEST_NAME = 8


def write_models(console: Console, placings: Sequence[Placing], now: datetime) -> None:
    """Write the table, and on a terminal how many models there are."""
    left_out = write_table(console, model_columns(placings, now, terminal=console.is_terminal))
    if console.is_terminal:
        write_left_out(console, left_out, "make the terminal wider")
        models = {one.model.name: one.model.deprecated for one in placings}
        retired = f", {sum(models.values())} {DEPRECATED}" if any(models.values()) else ""
        write_line(console, Text(f"{plural(len(models), 'model')}{retired}", DIM))


def model_columns(placings: Sequence[Placing], now: datetime, *, terminal: bool) -> list[Column]:
    """Return the table: a line for each stage of each model with what is in it, and for a latest version that is in none.

    Args:
        placings: those of a model one after the other.
        now: ages are counted to it.
        terminal: a model is named in the first of its lines alone, with ages and names; else every line says all.
    """
    first = [not terminal or not at or placings[at - 1].model != one.model for at, one in enumerate(placings)]
    metrics = [_metric(one) for one in placings]
    columns = [
        Column(
            "model",
            [Cell(printable(one.model.name) if is_first else "", "bold") for one, is_first in _zip(placings, first)],
            keep=9,
            least=_SHORTEST,
        ),
        Column(
            "versions",
            [Cell(str(len(one.model.versions)) if is_first else "") for one, is_first in _zip(placings, first)],
            right=True,
            keep=8,
        ),
        Column("stage", [stage_cell(one.stage) for one in placings], keep=8, least=_SHORTEST),
        Column("version", [Cell(_versions(one)) for one in placings], keep=7, least=_SHORTEST, names=False),
        Column("metric", [Cell(printable(name or "")) for name, _ in metrics], keep=6, least=_SHORTEST_NAME),
        Column("value", [Cell(number, "cyan") for _, number in metrics], right=True, keep=6),
        Column("since", [Cell(when(one.since, now, terminal=terminal), DIM) for one in placings], keep=5),
        Column("by", [Cell(who(one.user, terminal=terminal)) for one in placings], keep=4, least=_SHORTEST_NAME),
        Column("run", [Cell(run_id(one.version, terminal=terminal), "yellow") for one in placings], keep=2),
    ]
    if any(one.model.deprecated for one in placings):
        states = [DEPRECATED if one.model.deprecated and is_first else "" for one, is_first in _zip(placings, first)]
        columns.insert(2, Column("state", [Cell(state, "yellow") for state in states], keep=8))
    return columns


def _zip(placings: Sequence[Placing], first: Sequence[bool]) -> Iterator[tuple[Placing, bool]]:
    return zip(placings, first, strict=True)


def stage_cell(stage: str | None) -> Cell:
    """Return a stage in its colour."""
    return Cell(printable(stage), STAGE_STYLES.get(stage, OTHER_STAGE)) if stage else Cell("")


def when(moment: datetime | None, now: datetime, *, terminal: bool) -> str:
    """Return a moment: how long ago on a terminal, else exactly."""
    return age(moment, now) if terminal else iso(moment)


def who(user: str | None, *, terminal: bool) -> str:
    """Return a person: on a terminal the name alone, where there is one."""
    name = (user or "").partition(" <")[0].strip() if terminal else ""
    return printable(name or user or "")


def run_id(version: ModelVersion | None, *, terminal: bool) -> str:
    """Return the id of a version's run, its beginning on a terminal."""
    found = version.run_id if version is not None else None
    return (found or "")[: 8 if terminal else None]


def version_name(version: ModelVersion) -> str:
    """Return ``v3``, with the semantic version where that says something else: ``v3 (v1.4.0)``."""
    return (
        f"v{version.version}"
        if version.semver == f"v{version.version}.0.0"
        else f"v{version.version} ({version.semver})"
    )


def _versions(one: Placing) -> str:
    """Return the version that came last whole, the numbers of a few others, and how many more there are."""
    names = [version_name(version) if not at else f"v{version.version}" for at, version in enumerate(one.versions)]
    more = len(names) - _FEW
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_FEW])} and {more} more"


def key_metric(model: RegisteredModel, version: ModelVersion) -> str | None:
    """Return the metric that says most of a version: that of the model's latest, so that its stages can be compared."""
    latest = model.latest
    wanted = next(iter(latest.metrics), None) if latest else None
    return wanted if wanted in version.metrics else next(iter(version.metrics), None)


def _metric(one: Placing) -> tuple[str | None, str]:
    """Return the name and the value of what says most of the version that came last."""
    version = one.version
    name = key_metric(one.model, version) if version else None
    return (None, "") if version is None or name is None else (name, metric(version.metrics[name]))


def model_rows(placings: Sequence[Placing]) -> list[dict[str, Any]]:
    """Return what ``models --csv`` gives: a line for each stage with what is in it."""
    rows = []
    for one in placings:
        version = one.version
        name = key_metric(one.model, version) if version else None
        rows.append(
            {
                "model": one.model.name,
                "versions": len(one.model.versions),
                "deprecated": one.model.deprecated,
                "stage": one.stage,
                "version": version.version if version else None,
                "semver": version.semver if version else None,
                "others": ", ".join(str(other.version) for other in one.versions[1:]),
                "metric": name,
                "value": version.metrics[name] if version and name else None,
                "since": iso(one.since) or None,
                "by": one.user,
                "run": version.run_id if version else None,
            }
        )
    return rows


def model_data(model: RegisteredModel, placings: Sequence[Placing]) -> dict[str, Any]:
    """Return what ``models --json`` gives of each model."""
    return {
        "name": model.name,
        "deprecated": model.deprecated,
        "created": iso(model.created) or None,
        "updated": iso(model.updated) or None,
        "stages": {stage: list(numbers) for stage, numbers in model.stages.items()},
        "assignments": [placing_data(one) for one in placings if one.stage is not None],
        "versions": [version_data(version) for version in model.versions],
    }


def placing_data(one: Placing) -> dict[str, Any]:
    """Return what JSON gives of a stage: what came into it last, when, by whom and why."""
    return {
        "stage": one.stage,
        "version": one.version.version if one.version else None,
        "since": iso(one.since) or None,
        "user": one.user,
        "reason": one.event.reason if one.event else None,
        "tag": one.event.tag if one.event else None,
    }


def version_data(version: ModelVersion) -> dict[str, Any]:
    """Return what JSON gives of a model version."""
    return {
        "version": version.version,
        "semver": version.semver,
        "tag": version.tag,
        "commit": version.commit or None,
        "run": version.run_id,
        "artifact": version.artifact,
        "experiment": version.experiment,
        "stages": list(version.stages),
        "created": iso(version.created) or None,
        "user": version.user,
        "metrics": dict(version.metrics),
        "reason": version.reason,
    }
