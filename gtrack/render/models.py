"""``gtrack models``: one line per registered model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gtrack.records import ModelVersion, RegisteredModel
from gtrack.render.table import DIM, Cell, Column, write_left_out, write_line, write_table
from gtrack.render.values import age, iso, metric, plural, printable

if TYPE_CHECKING:
    from rich.console import Console

_SHORTEST = 12
_METRICS = 2


def write_models(console: Console, models: Sequence[RegisteredModel], now: datetime) -> None:
    """Write the table, and on a terminal how many models there are."""
    left_out = write_table(console, model_columns(models, now, terminal=console.is_terminal))
    if console.is_terminal:
        write_left_out(console, left_out, "make the terminal wider")
        write_line(console, Text(plural(len(models), "model"), DIM))


def model_columns(models: Sequence[RegisteredModel], now: datetime, *, terminal: bool) -> list[Column]:
    """Return the table of registered models: how many versions, what is in each stage, and the latest with its metrics."""
    latest = [model.latest for model in models]
    return [
        Column("model", [Cell(printable(model.name), "bold") for model in models], keep=9, least=_SHORTEST),
        Column("versions", [Cell(str(len(model.versions))) for model in models], right=True, keep=6),
        Column("stages", [Cell(_stages(model), "green") for model in models], keep=8, least=_SHORTEST, names=False),
        Column("latest", [Cell(_latest(one)) for one in latest], keep=7, least=_SHORTEST, names=False),
        Column("run", [Cell(_run(one, short=terminal), "yellow") for one in latest], keep=5),
        Column(
            "updated",
            [Cell(age(model.updated, now) if terminal else iso(model.updated), DIM) for model in models],
            keep=4,
        ),
        Column("by", [Cell(printable(one.user or "") if one else "") for one in latest], keep=3, least=_SHORTEST),
    ]


def _stages(model: RegisteredModel) -> str:
    parts = [f"{stage} {', '.join(f'v{number}' for number in numbers)}" for stage, numbers in model.stages.items()]
    return "; ".join([*parts, "deprecated"] if model.deprecated else parts)


def _latest(version: ModelVersion | None) -> str:
    if version is None:
        return ""
    shown = list(version.metrics.items())[:_METRICS]
    told = " ".join(f"{printable(name)} {metric(number)}" for name, number in shown)
    semver = "" if version.semver == f"v{version.version}.0.0" else f" ({version.semver})"
    return f"v{version.version}{semver} {told}".rstrip()


def _run(version: ModelVersion | None, *, short: bool) -> str:
    run_id = version.run_id if version is not None else None
    return (run_id or "")[: 8 if short else None]


def model_data(model: RegisteredModel) -> dict[str, Any]:
    """Return what ``models --json`` gives of each model."""
    return {
        "name": model.name,
        "deprecated": model.deprecated,
        "created": iso(model.created) or None,
        "updated": iso(model.updated) or None,
        "stages": {stage: list(numbers) for stage, numbers in model.stages.items()},
        "versions": [version_data(version) for version in model.versions],
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
