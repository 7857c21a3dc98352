"""Optuna: each trial of a study a child of the study's run, for every ``n_jobs`` and in as many processes as there are."""

from __future__ import annotations

import functools
import math
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar, overload

from gtrack.errors import GTrackError, InvalidName, InvalidValue, ParamConflict, nearest
from gtrack.fluent.active import FluentRun, active_run, before_end, start_run
from gtrack.fluent.place import set_tracking_uri
from gtrack.fluent.propagate import Propagation, propagate
from gtrack.formats import run_dir
from gtrack.formats.history import RESERVED, parse_history
from gtrack.formats.names import check_name
from gtrack.formats.values import text_tags
from gtrack.integrations.optuna_place import is_named, is_of_another_study, place_here, start_study
from gtrack.integrations.optuna_study import (
    DIRECTION,
    STATE,
    STUDY,
    TRIAL,
    StudyRun,
    directions_text,
    goals_of,
    in_utc,
    plain_params,
)
from gtrack.records import Run, Status

if TYPE_CHECKING:
    from types import TracebackType

    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial
    from typing_extensions import Self

T = TypeVar("T")

_KEYWORDS = {
    **{name: name for name in ("run_name", "experiment", "tags", "notes")},
    "experiment_id": "experiment",
    "description": "notes",
    "nested": "",
    "log_system_metrics": "",
}


class GtrackCallback:
    """Logs an Optuna study: ``study.optimize(objective, n_trials=20, n_jobs=-1, callbacks=[GtrackCallback()])``.

    Each trial becomes a child run of the study's run. That is the run that is active where the callback is made or first
    called, else one that the callback opens. What is to be said of the whole study is written into it at the end: of a
    ``with GtrackCallback() as callback:`` block, of the study's run, or of the process.

    Args:
        tracking_uri: the repository, as for ``gtrack.set_tracking_uri``; that of the current directory when None.
        metric_name: what the objective's value is called; of several objectives a name each, or one that is numbered.
        create_experiment: whether a study's run that the callback opens goes into an experiment called like the study,
            if somebody named it; else it goes where any run would.
        mlflow_kwargs: the same as ``gtrack_kwargs``, under the name that ``MLflowCallback`` has for it.
        tag_study_user_attrs: whether the study's user attributes are tags of each run.
        tag_trial_user_attrs: whether a trial's user attributes are tags of its run.
        gtrack_kwargs: what each trial's run begins with: ``tags``, ``notes``, ``experiment``, ``run_name`` (the trial's
            number is added to it).
        parent: the study's run: a run, or a reference to one, such as an id that was handed to this process.

    Raises:
        InvalidValue: a ``tracking_uri`` of a server or a database, or an argument that no run begins with.
        NotARepository: a ``tracking_uri`` that is in no repository.
        RunNotFound: no such ``parent``.
    """

    def __init__(
        self,
        tracking_uri: str | PurePath | None = None,
        metric_name: str | Sequence[str] = "value",
        create_experiment: bool = True,  # noqa: FBT001, FBT002 - the same
        mlflow_kwargs: Mapping[str, Any] | None = None,
        tag_study_user_attrs: bool = False,  # noqa: FBT001, FBT002 - the same
        tag_trial_user_attrs: bool = True,  # noqa: FBT001, FBT002 - the same
        *,
        gtrack_kwargs: Mapping[str, Any] | None = None,
        parent: FluentRun | Run | str | None = None,
    ) -> None:
        if tracking_uri is not None:
            set_tracking_uri(tracking_uri)
        if not isinstance(metric_name, str) and not all(isinstance(name, str) for name in metric_name):
            raise InvalidValue(f"metric_name is text or a sequence of texts, not {metric_name!r}.")
        self._metric_name = metric_name if isinstance(metric_name, str) else tuple(metric_name)
        self._create_experiment = create_experiment
        self._tag_study_user_attrs = tag_study_user_attrs
        self._tag_trial_user_attrs = tag_trial_user_attrs
        self._begin_with = _understood({**(mlflow_kwargs or {}), **(gtrack_kwargs or {})})
        self._made = datetime.now(timezone.utc)
        self._shared = parent is not None
        given = parent if parent is not None else active_run()
        self._parent = propagate(given) if given is not None else None
        self._studies: dict[str, StudyRun] = {}
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what only this process has: another one finds the study's run by its id."""
        with self._lock:
            state = {**self.__dict__, "_studies": {}, "_lock": None, "_shared": True}
            if self._parent is None and len(self._studies) == 1:
                state["_parent"] = next(iter(self._studies.values())).place
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(error)

    def close(self, error: BaseException | None = None) -> None:
        """Write what is to be said of each study by now into its run, and end the runs that the callback opened for them.

        Args:
            error: what ended the study, if anything did: such a run is ``failed`` then.

        Raises:
            CommitFailed: a run is complete on disk, but not in git.
        """
        with self._lock:
            every = list(self._studies.values())
        for kept in every:
            run = kept.place.run
            if kept.own and run is not None:
                run.end(run.status_of(error))  # before that, what is to be said at its end
            else:
                self._at_end(kept)

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Log a trial that is over; Optuna calls this after each one that did not raise through ``optimize``.

        Raises:
            NoActiveRun: the study's run is to be the active one, and it is not clear which is meant.
            GTrackError: the trial's run cannot be written.
        """
        try:
            kept = self._study_run(study, trial)
            if kept.claim(trial):
                self._log(kept, trial)
        except GTrackError as error:
            if threading.current_thread() is not threading.main_thread():  # Optuna drops what its last threads raise
                warnings.warn(f"gtrack: trial {trial.number} could not be logged: {error}", stacklevel=2)
            raise

    def track_in_gtrack(self) -> Callable[[Callable[[Trial], T]], Callable[[Trial], T]]:
        """Return a decorator for objectives: the trial's run is open, and active in its thread, while the objective runs.

        What the objective logs is in the trial's run; a trial that raises through ``optimize`` has its run too. The trials
        run side by side. Together with the callback nothing is logged twice, and alone it is enough.
        """

        def decorator(objective: Callable[[Trial], T]) -> Callable[[Trial], T]:
            @functools.wraps(objective)
            def tracked(trial: Trial) -> T:
                kept = self._study_run(trial.study, trial)
                if not kept.claim(trial):
                    return objective(trial)
                with kept.place:
                    return self._track(kept, objective, trial)

            return tracked

        return decorator

    track_in_mlflow = track_in_gtrack

    # The trials

    def _log(self, kept: StudyRun, trial: FrozenTrial) -> None:
        """Write down a trial that is over."""
        with kept.place:
            run = self._start(kept, trial, sampled=False)
            try:
                self._fill(kept, run, trial, trial.state.name, trial.values)
                run.ends_at = in_utc(trial.datetime_complete)
            except BaseException:
                run.end(Status.FAILED)
                raise
            run.end(Status.FAILED if trial.state.name == "FAIL" else Status.FINISHED)
        kept.note(trial, run.id)

    def _track(self, kept: StudyRun, objective: Callable[[Trial], T], trial: Trial) -> T:
        """Run an objective inside the run of its trial."""
        import optuna

        run = self._start(kept, trial, sampled=True)
        kept.note(trial, run.id)
        try:
            value = objective(trial)
        except BaseException as error:
            pruned = isinstance(error, optuna.TrialPruned)
            status = Status.FINISHED if pruned else run.status_of(error)
            self._finish(kept, run, trial, "PRUNED" if pruned else "FAIL", status)
            raise
        values = _feasible(value, len(kept.metrics))
        if values is None:
            self._finish(kept, run, trial, "FAIL", Status.FAILED)
        else:
            self._finish(kept, run, trial, "COMPLETE", Status.FINISHED, values)
        return value

    def _start(self, kept: StudyRun, trial: FrozenTrial | Trial, *, sampled: bool) -> FluentRun:
        said = self._begin_with
        run = start_run(
            f"{said.get('run_name') or 'trial'}-{trial.number}",
            said.get("experiment") or kept.place.experiment,
            nested=True,
            tags={**(said.get("tags") or {}), STUDY: kept.study.study_name, TRIAL: trial.number},
            notes=said.get("notes"),
            log_system_metrics=None if sampled else False,
        )
        run.detached = True  # a verb in another thread does not mean it
        return run

    def _finish(
        self,
        kept: StudyRun,
        run: FluentRun,
        trial: Trial,
        state: str,
        status: Status,
        values: Sequence[float] | None = None,
    ) -> None:
        """End the run of a trial whose objective is done, but which Optuna has not been told of yet."""
        if run.ended:  # the objective itself called end_run()
            return
        try:
            number = trial.number
            frozen = next(one for one in kept.study.get_trials(deepcopy=False) if one.number == number)
            self._fill(kept, run, frozen, state, values)
        finally:
            run.end(status)

    def _fill(
        self, kept: StudyRun, run: FluentRun, trial: FrozenTrial, state: str, values: Sequence[float] | None
    ) -> None:
        """Write what Optuna knows of a trial."""
        _log_params(run, plain_params(trial.params))
        metric, steps = kept.metrics[0], sorted(trial.intermediate_values.items())
        if steps and metric not in parse_history(run.live.read(run_dir.HISTORY) or b"").columns:
            at = (in_utc(trial.datetime_complete) or datetime.now(timezone.utc)).timestamp()
            run.log_rows([(step, at, {metric: float(value)}) for step, value in steps])
        if values is not None and state == "COMPLETE":
            run.log_metrics(dict(zip(kept.metrics, values, strict=True)))
        tags = text_tags(self._tags(kept.study, trial, state), "GtrackCallback")
        definitions = {
            name: {"summary": "last", "goal": goal.value}
            for name, goal in zip(kept.metrics, goals_of(kept.study), strict=True)
        }
        started = in_utc(trial.datetime_start)

        def say(head: dict[str, Any]) -> None:
            head["started"] = started or head["started"]
            head["tags"] = {**(head.get("tags") or {}), **tags}
            head["metric_definitions"] = {**definitions, **(head.get("metric_definitions") or {})}

        run.live.edit(say)  # by one change, as each takes a lock

    def _tags(self, study: Study, trial: FrozenTrial, state: str) -> dict[str, object]:
        tags: dict[str, object] = {STATE: state, DIRECTION: directions_text(study)}
        tags |= {f"optuna.distribution.{name}": one for name, one in trial.distributions.items()}
        if self._tag_study_user_attrs:
            tags |= study.user_attrs
        if self._tag_trial_user_attrs:
            tags |= trial.user_attrs
        return tags

    # The study's run

    def _study_run(self, study: Study, trial: FrozenTrial | Trial) -> StudyRun:
        with self._lock:
            kept = self._studies.get(study.study_name)
            if kept is None or (self._parent is None and kept.place.run is None):
                kept = self._studies[study.study_name] = self._open(study, trial)
            return kept

    def _open(self, study: Study, trial: FrozenTrial | Trial) -> StudyRun:
        metrics = _metric_names(self._metric_name, len(study.directions))
        around = self._parent or place_here()
        own = around is None or is_of_another_study(around, study)
        place = around if around is not None and not own else self._start_study(study, trial, metrics, around)
        kept = StudyRun(study, place, metrics, own=own)
        run = place.run
        if run is not None:
            run.set_tags(
                {
                    STUDY: study.study_name,
                    DIRECTION: directions_text(study),
                    "optuna.sampler": type(study.sampler).__name__,
                    "optuna.pruner": type(study.pruner).__name__,
                    **(study.user_attrs if self._tag_study_user_attrs else {}),
                }
            )
            before_end(run, lambda: self._at_end(kept))
            if own and around is not None and around.run is not None:
                before_end(around.run, run.end)
        return kept

    def _start_study(
        self, study: Study, trial: FrozenTrial | Trial, metrics: Sequence[str], around: Propagation | None
    ) -> Propagation:
        experiment = self._begin_with.get("experiment")
        if experiment is None and around is None and self._create_experiment and is_named(study):
            experiment = study.study_name
        return start_study(study, in_utc(trial.datetime_start), metrics, around, experiment)

    def _at_end(self, kept: StudyRun) -> None:
        """Log the trials that raised through ``optimize``, which calls no callback for them, and sum the study up."""
        try:
            self._log_failed(kept)
        except Exception as error:  # noqa: BLE001 - the run of the study is to end, whatever is wrong with its storage
            warnings.warn(
                f"gtrack: the failed trials of the study {kept.study.study_name!r} could not be logged: {error}",
                stacklevel=2,
            )
        kept.summarise()

    def _log_failed(self, kept: StudyRun) -> None:
        import optuna

        # In a storage that others share, a trial may be another process's, whose run of the study is another one.
        if not (self._shared or isinstance(kept.study._storage, optuna.storages.InMemoryStorage)):  # noqa: SLF001
            return
        for trial in kept.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.FAIL,)):
            began = in_utc(trial.datetime_start)
            if began is not None and began >= self._made and kept.claim(trial):
                self._log(kept, trial)


@overload
def track_in_gtrack(objective: Callable[[Trial], T], /, **arguments: Any) -> Callable[[Trial], T]: ...


@overload
def track_in_gtrack(**arguments: Any) -> Callable[[Callable[[Trial], T]], Callable[[Trial], T]]: ...


def track_in_gtrack(objective: Callable[[Trial], Any] | None = None, /, **arguments: Any) -> Any:
    """Decorate an objective so that each trial's run is active while it runs: ``@track_in_gtrack``, or with arguments.

    Args:
        objective: the objective.
        arguments: those of ``GtrackCallback``: ``@track_in_gtrack(metric_name="f1")``.

    Returns:
        The objective, tracked; or a decorator, when it was given arguments.

    Raises:
        InvalidValue: an argument that cannot be.
    """
    decorator = GtrackCallback(**arguments).track_in_gtrack()
    return decorator if objective is None else decorator(objective)


def _understood(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what runs of trials begin with, under the names that ``start_run`` has for it.

    Raises:
        InvalidValue: a run begins with no such thing.
    """
    for name in given:
        if name not in _KEYWORDS:
            raise InvalidValue(
                f"gtrack_kwargs: the run of a trial begins with no {name!r}.{nearest(name, _KEYWORDS)} "
                f"It can have: {', '.join(_KEYWORDS)}."
            )
    return {_KEYWORDS[name]: value for name, value in given.items() if _KEYWORDS[name]}


def _metric_names(given: str | Sequence[str], objectives: int) -> list[str]:
    """Return what each objective is called.

    Raises:
        InvalidName: a name that no metric can have.
        InvalidValue: another number of names than of objectives, or one twice.
    """
    if isinstance(given, str):
        names = [given] if objectives == 1 else [f"{given}_{at}" for at in range(objectives)]
    else:
        names = list(given)
    if len(names) != objectives or len(set(names)) != len(names):
        raise InvalidValue(
            f"The study has {objectives} objective{'s' if objectives > 1 else ''}, and metric_name is {given!r}: give each a "
            "name of its own, or one name for all."
        )
    for name in names:
        if check_name(name, "metric") in RESERVED:
            raise InvalidName(f"The objective cannot be called {name!r}, which is a column of every history.")
    return names


def _feasible(value: object, objectives: int) -> list[float] | None:
    """Return the values of a trial as Optuna takes them; None where it makes a failed trial of what was returned."""
    given = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    try:
        values = [float(one) for one in given]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return values if len(values) == objectives and not any(map(math.isnan, values)) else None


def _log_params(run: FluentRun, params: Mapping[str, Any]) -> None:
    """Log the parameters of a trial; where the objective logged another value under the same name, beside it."""
    try:
        run.log_params(params)
    except ParamConflict:
        for name, value in params.items():
            try:
                run.log_params({name: value})
            except ParamConflict:
                run.log_params({f"optuna.{name}": value})
