"""Which run is a study's: the one that is active, one of its own inside that, or one that is opened for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from gtrack.errors import InvalidName, NoActiveRun
from gtrack.fluent.active import FluentRun, active, active_run, process, stack_here, start_run
from gtrack.fluent.propagate import Propagation, propagate
from gtrack.formats import run_dir
from gtrack.formats.names import check_run_name
from gtrack.integrations.optuna_study import STUDY, TRIAL, goals_of
from gtrack.store.live import EXPERIMENT_NEWS
from gtrack.variables import RUN_DIR_VARIABLE

if TYPE_CHECKING:
    from optuna.study import Study

_UNNAMED = "no-name-"


def is_named(study: Study) -> bool:
    """Tell whether somebody named a study: what Optuna calls it otherwise says nothing."""
    return not study.study_name.startswith(_UNNAMED)


def place_here() -> Propagation | None:
    """Return the run that a study which is met here belongs to; None when no run is open.

    Optuna's worker threads have no active run: what is open elsewhere in the process is meant, the innermost where runs are
    nested.

    Raises:
        NoActiveRun: several are open, and not in each other.
    """
    if active_run() is None and os.environ.get(RUN_DIR_VARIABLE) and not process.launched_taken:
        active("GtrackCallback")  # the run that `gtrack run` launched
    run = active_run()
    if run is None:
        with process.lock:
            every = [one for one in (*process.open.values(), *process.inherited.values()) if not one.detached]
        parents = {one.parent for one in every}
        innermost = [one for one in every if one.id not in parents]
        if len(innermost) > 1:
            names = ", ".join(one.name for one in innermost)
            raise NoActiveRun(
                f"GtrackCallback: it is not clear which of the open runs is the study's ({names}). "
                "Say it: GtrackCallback(parent=run)."
            )
        run = innermost[0] if innermost else None
    return None if run is None else propagate(run)


def is_of_another_study(place: Propagation, study: Study) -> bool:
    """Tell whether a run holds another study, or a trial of one, already: each study has a run of its own."""
    run = place.run
    tags = run.live.without_history().tags if run is not None else {}
    return TRIAL in tags or tags.get(STUDY, study.study_name) != study.study_name


def start_study(
    study: Study, began: datetime | None, metrics: Sequence[str], around: Propagation | None, experiment: str | None
) -> Propagation:
    """Start the run of a study; nobody's verbs mean it, so it is on no stack.

    Args:
        study: the study.
        began: when its first trial did.
        metrics: what its objectives are called.
        around: the run that it is nested in.
        experiment: its experiment; that of ``around``, or what any run's would be, when None.
    """
    before = stack_here.get()
    try:
        run = start_run(
            _run_name(study.study_name) if is_named(study) else None,
            experiment or (around.experiment if around is not None else None),
            parent_run_id=around.run_id if around is not None else None,
        )
    finally:
        stack_here.set(before)
    run.detached = True
    if began is not None:
        started = min(began, run.record().started or began)
        run.live.edit(lambda head: head.update(started=started))
    if len(metrics) == 1:
        _say_objective(run, metrics[0], study)
    return propagate(run)


def _run_name(study: str) -> str | None:
    try:
        return check_run_name(study)
    except InvalidName:
        return None


def _say_objective(run: FluentRun, metric: str, study: Study) -> None:
    """Say what decides in the experiment of a study, unless that is known already."""
    if run.joined:
        return
    about = run_dir.decode_experiment(run.live.read(EXPERIMENT_NEWS), run.experiment)
    if about.objective is None:
        run.describe_experiment(replace(about, objective=(metric, goals_of(study)[0])))
