"""The run that an Optuna study is written into: which trials it has, and what is said of the whole study at its end."""

from __future__ import annotations

import concurrent.futures.process  # noqa: F401 - scikit-learn asks for it, and when the process ends it cannot be loaded any more
import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import timezone
from typing import TYPE_CHECKING, Any

from gtrack.capture.tables import table_to_bytes
from gtrack.charts.bars import BarPanel, Bars, draw_bars
from gtrack.charts.column import Column
from gtrack.charts.scatter import Scatter, draw_scatter
from gtrack.charts.study_history import Objective, StudyHistory, draw_study_history
from gtrack.charts.study_slice import MOST_PANELS, Slice, draw_slice
from gtrack.charts.style import picture
from gtrack.errors import InvalidValue
from gtrack.fluent.late import writing
from gtrack.fluent.propagate import Propagation
from gtrack.fluent.search import search_runs
from gtrack.formats import run_dir
from gtrack.formats.values import plain_value, text_tags
from gtrack.formats.yamlio import dumps
from gtrack.records import TRIAL_STATE, Goal
from gtrack.store.live import line

if TYPE_CHECKING:
    from datetime import datetime

    from matplotlib.figure import Figure
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

    from gtrack.records import Value
    from gtrack.writer import ActiveRun

STUDY, TRIAL, STATE = "optuna.study", "optuna.trial", TRIAL_STATE
DIRECTION = "optuna.direction"
_LEAST_TRIALS = 2


def in_utc(moment: datetime | None) -> datetime | None:
    """Return one of Optuna's times, which are of the machine's zone and do not say so, as UTC."""
    return None if moment is None else moment.astimezone(timezone.utc)


def plain_params(params: Mapping[str, Any]) -> dict[str, Value]:
    """Return the parameters of a trial as they are written: a choice that is no number, text or list of these as its text."""
    plain: dict[str, Value] = {}
    for name, value in params.items():
        try:
            plain[name] = plain_value(value, name)
        except InvalidValue:
            plain[name] = str(value)
    return plain


def goals_of(study: Study) -> list[Goal]:
    """Return which direction of each objective is better."""
    return [Goal(direction.name.lower()) for direction in study.directions]


def directions_text(study: Study) -> str:
    """Return the directions of a study as a tag has them."""
    return ", ".join(map(str, goals_of(study)))


class StudyRun:
    """The run of one study in this process; safe for several threads, and beside other processes with the same study.

    Args:
        study: the study.
        place: its run.
        own: whether the callback started that run, and so ends it.
        metrics: what each objective is called.
    """

    def __init__(self, study: Study, place: Propagation, metrics: Sequence[str], *, own: bool) -> None:
        self.study = study
        self.place = place
        self.own = own
        self.metrics = tuple(metrics)
        self._lock = threading.Lock()
        self._runs: dict[str, str] = {}
        self._unsaid = False

    def claim(self, trial: FrozenTrial | Trial) -> bool:
        """Tell whether the trial is still to be logged, and take it: it is nobody else's from now on.

        The mark lies in the live directory of the study's run, which all processes that work on it share.
        """
        key = _key(trial)
        with self._lock:
            if key in self._runs:
                return False
            self._runs[key] = ""
        return self._mark(key, os.O_EXCL, b"")

    def note(self, trial: FrozenTrial | Trial, run_id: str) -> None:
        """Keep which run a trial is."""
        key = _key(trial)
        with self._lock:
            self._runs[key] = run_id
            self._unsaid = True
        self._mark(key, os.O_TRUNC, run_id.encode())

    def _mark(self, key: str, flag: int, data: bytes) -> bool:
        run = self.place.run
        if run is None:
            return True
        try:
            descriptor = os.open(run.directory / f".optuna-{key}", os.O_WRONLY | os.O_CREAT | flag, 0o644)
        except FileExistsError:
            return False
        except FileNotFoundError:  # the run has ended since
            return True
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
        return True

    def run_of(self, trial: FrozenTrial) -> str | None:
        """Return the id of the run of a trial, logged by whichever process; None when it has none."""
        key, run = _key(trial), self.place.run
        marked = run.live.read(f".optuna-{key}") if run is not None else None
        known = self._runs.get(key) or (marked or b"").decode()
        if known:
            return known
        name = self.study.study_name.replace("'", "''")
        found = search_runs(
            filter_string=f"tags.`{STUDY}` = '{name}' and tags.`{TRIAL}` = '{trial.number}'", output_format="list"
        )
        return next((one.id for one in found if one.started == in_utc(trial.datetime_start)), None)

    def summarise(self) -> None:
        """Write what is to be said of the whole study into its run, when there is something new to say.

        What cannot be said is one warning: the study itself is done, and nothing that was logged is lost.
        """
        with self._lock:
            unsaid, self._unsaid = self._unsaid, False
        if not unsaid:
            return
        try:
            with writing(self.place.run_id) as run:
                _Summary(self, run).write()
        except Exception as error:  # noqa: BLE001 - a user's objective must not fail for a picture of it
            warnings.warn(
                f"gtrack: the study {self.study.study_name!r} could not be summarised in run {self.place.name} "
                f"({self.place.run_id[:8]}): {type(error).__name__}: {error}",
                stacklevel=2,
            )


def _key(trial: FrozenTrial | Trial) -> str:
    """Return what tells a trial from all others: its number, and when it began (two studies may have one name)."""
    start = trial.datetime_start
    return f"{trial.number}-{start:%Y%m%d%H%M%S%f}" if start is not None else str(trial.number)


class _Summary:
    """What a study has come to by now.

    Args:
        kept: the study and its run.
        run: what writes into that run.
    """

    def __init__(self, kept: StudyRun, run: ActiveRun) -> None:
        self.kept = kept
        self.study = kept.study
        self.run = run
        self.metrics = kept.metrics
        self.goals = goals_of(self.study)
        self.trials = sorted(self.study.get_trials(deepcopy=False), key=lambda trial: trial.number)
        self.complete = [trial for trial in self.trials if trial.state.name == "COMPLETE"]
        self.pruned = [trial for trial in self.trials if trial.state.name == "PRUNED"]
        self.best = self._best()

    def _best(self) -> list[FrozenTrial]:
        """Return the best trial; of several objectives, those that no other trial is better than in all."""
        if not self.complete:
            return []
        try:
            return [self.study.best_trial] if len(self.goals) == 1 else list(self.study.best_trials)
        except ValueError:  # none that keeps to the constraints
            return []

    def write(self) -> None:
        """Write it."""
        self._write_facts()
        importances = self._importances()
        if importances:
            text = dumps({metric: dict(found) for metric, found in importances.items()})
            self.run.log_bytes(text.encode(), "param_importances.yaml")
        self._picture("optimization_history", self._history)
        if importances:
            self._picture("param_importances", lambda: _importance_chart(importances))
        for at, metric in enumerate(self.metrics):
            name = "slice" if len(self.metrics) == 1 else f"slice_{at}"
            self._picture(name, lambda at=at, metric=metric: self._slice(at, importances.get(metric, {})))  # type: ignore[misc]
        if len(self.goals) > 1 and self.best:
            self._write_front()

    def _write_facts(self) -> None:
        tags: dict[str, object] = {}
        numbers: dict[str, float] = {"trials": len(self.trials)}
        for trial in self.trials:
            key = f"trials_{'failed' if trial.state.name == 'FAIL' else trial.state.name.lower()}"
            numbers[key] = numbers.get(key, 0) + 1
        if len(self.goals) == 1 and self.best:
            best = self.best[0]
            numbers[f"best_{self.metrics[0]}"] = best.values[0]
            tags |= {"optuna.best_trial": best.number, "optuna.best_run": self.kept.run_of(best) or ""}
            # As a whole: what an earlier best trial had and this one has not is no parameter of the best.
            self.run.live.append(run_dir.PARAMS, line("best", plain_params(best.params)))
        elif self.best:
            tags["optuna.best_trials"] = ", ".join(str(trial.number) for trial in self.best)
        self.run.log_metrics(numbers)
        clean = text_tags({name: value for name, value in tags.items() if value != ""}, "GtrackCallback")
        goals = {
            f"best_{metric}": {"summary": "last", "goal": goal.value}
            for metric, goal in zip(self.metrics, self.goals, strict=True)
        }

        def say(head: dict[str, Any]) -> None:
            head["tags"] = {**(head.get("tags") or {}), **clean}
            if len(goals) == 1:
                head["metric_definitions"] = {**(head.get("metric_definitions") or {}), **goals}

        self.run.live.edit(say)

    def _picture(self, name: str, draw: Callable[[], Figure]) -> None:
        try:
            self.run.log_bytes(picture(draw()), f"figures/{name}.png")
        except InvalidValue as error:  # there is nothing to draw: no trial has come to an end
            self.run.notice(f"{name}.png: {error}")

    def _history(self) -> Figure:
        return draw_study_history(
            StudyHistory(
                [
                    Objective(
                        metric,
                        goal,
                        [(trial.number, trial.values[at]) for trial in self.complete],
                        [(trial.number, value) for trial in self.pruned if (value := _last_value(trial)) is not None]
                        if len(self.goals) == 1
                        else [],
                    )
                    for at, (metric, goal) in enumerate(zip(self.metrics, self.goals, strict=True))
                ]
            )
        )

    def _importances(self) -> dict[str, dict[str, float]]:
        """Return the importance of each parameter for each objective, the most important first; empty where unknown."""
        if len(self.complete) < _LEAST_TRIALS or not any(trial.params for trial in self.complete):
            return {}
        found: dict[str, dict[str, float]] = {}
        for at, metric in enumerate(self.metrics):
            try:
                found[metric], doubts = _evaluate(self.study, at)
            except (ValueError, RuntimeError) as error:  # all trials came to the same value, …
                self.run.notice(f"The importance of the parameters for {metric} is unknown: {error}")
            else:
                for doubt in doubts:
                    self.run.notice(f"param_importances.png: {doubt}")
        return {metric: shares for metric, shares in found.items() if shares}

    def _slice(self, at: int, importance: Mapping[str, float]) -> Figure:
        names = list(dict.fromkeys((*importance, *(name for trial in self.complete for name in trial.params))))
        logarithmic = {
            name
            for trial in self.complete
            for name, distribution in trial.distributions.items()
            if getattr(distribution, "log", False)
        }
        left_out = len(names) - MOST_PANELS
        note = "The most important ones are shown." if left_out > 0 and importance else ""
        return draw_slice(
            Slice(
                [Column(name, _column([trial.params.get(name) for trial in self.complete])) for name in names],
                Column(self.metrics[at], tuple(trial.values[at] for trial in self.complete)),
                [trial.number for trial in self.complete],
                frozenset(logarithmic),
                note,
            )
        )

    def _write_front(self) -> None:
        front = {trial.number for trial in self.best}
        rows = [
            {
                "trial": trial.number,
                "run": self.kept.run_of(trial),
                **dict(zip(self.metrics, trial.values, strict=True)),
            }
            | {f"params.{name}": value for name, value in plain_params(trial.params).items()}
            for trial in sorted(self.best, key=lambda trial: trial.number)
        ]
        self.run.log_bytes(table_to_bytes(rows, "pareto_front.csv"), "pareto_front.csv")
        columns = [
            Column(metric, tuple(trial.values[at] for trial in self.complete)) for at, metric in enumerate(self.metrics)
        ]
        which = Column("", tuple("Pareto front" if trial.number in front else "dominated" for trial in self.complete))
        self._picture("pareto_front", lambda: draw_scatter(Scatter(columns[0], columns[1], which)))


def _last_value(trial: FrozenTrial) -> float | None:
    step = trial.last_step
    return None if step is None else trial.intermediate_values[step]


def _column(values: Sequence[object]) -> tuple[float | str | None, ...]:
    """Return numbers where all are, else texts."""
    known = [value for value in values if value is not None]
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        return tuple(None if value is None else float(value) for value in values)  # type: ignore[arg-type]
    return tuple(None if value is None else str(value) for value in values)


def _evaluate(study: Study, at: int) -> tuple[dict[str, float], list[str]]:
    """Return the importance of each parameter for an objective, and what Optuna says against it."""
    import optuna

    evaluator = None
    if int(optuna.__version__.split(".", maxsplit=1)[0]) < 5:  # whose own choice grows another forest each time
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    # Of several objectives Optuna 5 asks what makes the target low.
    sign = 1 if goals_of(study)[at] is Goal.MINIMIZE else -1
    target = None if len(study.directions) == 1 else lambda trial: sign * trial.values[at]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
    doubts = dict.fromkeys(str(one.message) for one in caught if "low `target` values" not in str(one.message))
    return {name: float(share) for name, share in found.items()}, list(doubts)


def _importance_chart(importances: Mapping[str, Mapping[str, float]]) -> Figure:
    names = dict.fromkeys(name for found in importances.values() for name in found)
    order = sorted(names, key=lambda name: -max(found.get(name, 0.0) for found in importances.values()))
    panels = [
        BarPanel(f"importance for {metric}", [found.get(n) for n in order]) for metric, found in importances.items()
    ]
    return draw_bars(Bars(order, panels))
