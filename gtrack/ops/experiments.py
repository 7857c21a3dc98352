"""What experiments there are, and how each stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from gtrack.errors import RunNotFound
from gtrack.ops.search import Choice, best_runs
from gtrack.records import Experiment, Run

if TYPE_CHECKING:
    from gtrack.project import Project


@dataclass(frozen=True)
class ExperimentSummary:
    """How an experiment stands.

    Attributes:
        runs: how many runs it has, live ones among them.
        statuses: how many of them have each status.
        last: when a run last started or ended; None when it has no run that says.
        best: its best run by its objective; None without an objective, or without a run that has the metric.
    """

    experiment: Experiment
    runs: int
    statuses: Mapping[str, int]
    last: datetime | None = None
    best: Run | None = None


def list_experiments(project: Project) -> list[ExperimentSummary]:
    """Return all experiments that have runs or a description, the one where something happened last first."""
    known = {one.name: one for one in project.store.experiments()}
    statuses: dict[str, dict[str, int]] = {}
    last: dict[str, float] = {}
    for name, status, count, moment in project.index.experiments():
        statuses.setdefault(name, {})[status] = count
        last[name] = max(last.get(name, float("-inf")), float("-inf") if moment is None else moment)
    found = [
        _summary(project, known.get(name) or Experiment(name), statuses.get(name, {}), last.get(name, float("-inf")))
        for name in {**known, **statuses}
    ]
    found.sort(key=lambda one: one.experiment.name)
    found.sort(key=lambda one: one.last.timestamp() if one.last else float("-inf"), reverse=True)
    return found


def _summary(project: Project, experiment: Experiment, statuses: Mapping[str, int], last: float) -> ExperimentSummary:
    moment = None if last == float("-inf") else datetime.fromtimestamp(last, timezone.utc)
    return ExperimentSummary(experiment, sum(statuses.values()), statuses, moment, _best(project, experiment))


def _best(project: Project, experiment: Experiment) -> Run | None:
    if experiment.objective is None:
        return None
    metric, goal = experiment.objective
    try:
        return best_runs(project, metric, Choice(experiments=(experiment.name,)), goal=goal)[0]
    except RunNotFound:
        return None
