"""Runs of two experiments to be judged, and the steps from a rule to a purged branch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gtrack.ops.retention.apply import apply_retention
from gtrack.ops.retention.plan import RetentionPlan, plan_retention
from gtrack.ops.retention.purge import Purge, purge
from gtrack.ops.retention.rules import parse_rules
from gtrack.project import Project
from gtrack.records import Run, Value
from gtrack.writer import ActiveRun
from tests.conftest import Once

NOW = datetime(2090, 1, 1, tzinfo=timezone.utc)
"""The moment to which ages are counted: what a test makes is old, whatever the clock says."""

Runs = dict[str, Run]
Plan = Callable[..., RetentionPlan]


def six_runs(repo: Path) -> Runs:
    """Make six runs: a parent with a child, and of the others one that failed."""
    project = Project.open(repo)

    def make(name: str, experiment: str, f1: float | None, status: str = "finished", parent: str | None = None) -> Run:
        run = ActiveRun.start(project, name=name, experiment=experiment, parent=parent)
        if f1 is not None:
            run.log_metrics({"f1": f1})
        run.log_bytes(name.encode() * 20_000, "weights.bin")
        return run.end(status)

    runs = [make("search", "sweep", None)]
    runs.append(make("trial", "sweep", 0.9, parent=runs[0].id))
    runs += [make("low", "sweep", 0.1), make("high", "sweep", 0.8), make("broken", "forest", 0.2, "failed")]
    runs.append(make("only", "forest", 0.3))
    project.close()
    return {run.name: run for run in runs}


@pytest.fixture
def runs(once: Once) -> Runs:
    return once(six_runs)


@pytest.fixture
def plan(project: Project) -> Plan:
    """Return a function that judges all runs by rules as they stand in the settings."""

    def judge(*rules: Value) -> RetentionPlan:
        return plan_retention(project, parse_rules(rules), NOW)

    return judge


def going(plan: RetentionPlan) -> dict[str, str]:
    """Return the names of the runs that go, with the rules that take them."""
    return {one.run.name: one.rule.name for one in plan.going}


def purge_failed(project: Project, *, status: str = "failed") -> Purge:
    """Remove the runs that failed, and purge them."""
    found = plan_retention(project, parse_rules([{"status": status}]), NOW)
    apply_retention(project, found, NOW)
    made = purge(project, NOW)
    assert made is not None
    return made
