"""Find runs from Python: as DataFrames, with MLflow's names."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from gtrack.errors import InvalidValue, nearest
from gtrack.fluent.active import get_run, project_here
from gtrack.ops.experiment import all_experiments, name_of
from gtrack.ops.find_experiments import check_view
from gtrack.ops.frames import histories_frame, runs_frame
from gtrack.ops.search import Choice, best_runs, find_runs
from gtrack.records import Run

if TYPE_CHECKING:
    import pandas as pd

    from gtrack.project import Project

_RUN_ID = "run_id"


@overload
def search_runs(
    experiment_names: str | Sequence[str] | None = None,
    filter_string: str = "",
    order_by: str | Sequence[str] | None = None,
    max_results: int | None = 1000,
    output_format: Literal["pandas"] = "pandas",
    experiment_ids: str | Sequence[str] | None = None,
    run_view_type: int | None = None,
    search_all_experiments: bool = False,
) -> pd.DataFrame: ...


@overload
def search_runs(
    experiment_names: str | Sequence[str] | None = None,
    filter_string: str = "",
    order_by: str | Sequence[str] | None = None,
    max_results: int | None = 1000,
    *,
    output_format: Literal["list"],
    experiment_ids: str | Sequence[str] | None = None,
    run_view_type: int | None = None,
    search_all_experiments: bool = False,
) -> list[Run]: ...


def search_runs(
    experiment_names: str | Sequence[str] | None = None,
    filter_string: str = "",
    order_by: str | Sequence[str] | None = None,
    max_results: int | None = 1000,
    output_format: str = "pandas",
    experiment_ids: str | Sequence[str] | None = None,
    run_view_type: int | None = None,
    search_all_experiments: bool = False,  # noqa: ARG001 - taken as MLflow has it
) -> pd.DataFrame | list[Run]:
    """Return the runs that a filter takes, live ones among them.

    The DataFrame has MLflow's columns: ``run_id``, ``experiment_id`` (the experiment's name), ``status`` (in capitals,
    ``FINISHED``), ``artifact_uri``, ``start_time`` and ``end_time`` (UTC), then ``run_name``, and ``metrics.*``,
    ``params.*`` and ``tags.*`` by name. A metric that a run does not have is nan, a parameter or tag None. Parameters keep
    their types.

    Args:
        experiment_names: only the runs of these experiments; of all, when None.
        filter_string: as for MLflow, and more: ``metrics.f1 > 0.9 and params.max_depth = 5``; see docs/search.md.
        order_by: such as ``["metrics.f1 DESC"]``; the newest first when None.
        max_results: how many at the most; None for all.
        output_format: ``pandas`` or ``list``.
        experiment_ids: the same as ``experiment_names``: the id of an experiment is its name.
        run_view_type: ``ViewType.ACTIVE_ONLY`` or ``ALL``, which are the same: what was deleted is in the history alone.
        search_all_experiments: taken as MLflow has it: without names or ids, the runs of all are meant anyhow.

    Raises:
        QueryError: the filter or the order is wrong.
        InvalidValue: another ``output_format``, or ``ViewType.DELETED_ONLY``.
    """
    check_view(run_view_type)
    if output_format not in {"pandas", "list"}:
        raise InvalidValue(f"output_format is 'pandas' or 'list', not {output_format!r}.")
    project = project_here()
    names = _experiments(project, experiment_names, experiment_ids)
    order = [order_by] if isinstance(order_by, str) else order_by or ()
    runs = find_runs(project, Choice(filter_string or "", names), order, max_results)
    return runs if output_format == "list" else runs_frame(runs)


def best(metric: str, experiment: str | None = None) -> Run:
    """Return the run with the best value of a metric; nan is no value.

    Which direction is better says the experiment's objective, else what the runs defined, else the metric's name (a loss is
    better when it is less), else more is better.

    Args:
        metric: its name.
        experiment: only the runs of this experiment.

    Raises:
        RunNotFound: no such run has the metric.
    """
    return best_runs(project_here(), metric, Choice(experiments=None if experiment is None else (experiment,)))[0]


def get_metric_history(run: str | Run, key: str) -> pd.DataFrame:
    """Return every logged value of one metric of one run; see ``histories``.

    Args:
        run: a reference, as for ``get_run``, or a run.
        key: the metric.

    Raises:
        RunNotFound: no such run.
        UsageError: the run has no such metric.
    """
    return histories(run, [key])


def histories(
    runs: str | Run | Iterable[str | Run] | pd.DataFrame, keys: str | Sequence[str] | None = None
) -> pd.DataFrame:
    """Return every logged value of metrics of several runs, one row each.

    Args:
        runs: references, runs, or what ``search_runs`` returned.
        keys: which metrics; all, when None.

    Returns:
        ``run_id``, ``name`` (of the run), ``metric``, ``step``, ``time`` (UTC) and ``value``, in the order of ``runs``, then of
        ``keys``, then of logging.

    Raises:
        RunNotFound: no such run.
        UsageError: none of the runs has a metric of ``keys``.
    """
    wanted = [keys] if isinstance(keys, str) else keys
    return histories_frame(project_here(), _runs(runs), wanted)


def _runs(given: Any) -> list[Run]:
    if isinstance(given, (str, Run)):
        given = [given]
    elif hasattr(given, "columns"):
        if _RUN_ID not in given.columns:
            raise InvalidValue(f"A DataFrame of runs has a column {_RUN_ID}, as search_runs gives it.")
        given = list(given[_RUN_ID])
    elif isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise InvalidValue(
            f"Runs are references, Run records or a DataFrame of search_runs, not {type(given).__name__}."
        )
    references = list(given)
    if len(references) > 1 and all(isinstance(one, str) and len(one) == 32 for one in references):
        by_id = {run.id: run for run in project_here().index.by_ids(references)}
        return [by_id.get(one) or get_run(one) for one in references]
    return [one if isinstance(one, Run) else get_run(one) for one in references]


def _experiments(
    project: Project, names: str | Sequence[str] | None, ids: str | Sequence[str] | None
) -> tuple[str, ...] | None:
    """Return the experiments that are meant; None for all. One that no run has may only be misspelt: that is warned of."""
    if names is None and ids is None:
        return None
    wanted = [name for given in (names, ids) for name in ([given] if isinstance(given, str) else given or ())]
    known = {name for name, *_ in project.index.experiments()}
    if not known.issuperset(wanted):  # one that has no run yet is no mistake, and MLflow's 0 is the default one
        known.update(all_experiments(project))
        wanted = [name_of(project, name) for name in wanted]
    for name in wanted:
        if name not in known and name != project.config.experiment:
            hint = nearest(str(name), known)
            warnings.warn(f"No run is of the experiment {name!r}.{hint}", UserWarning, stacklevel=3)
    return tuple(dict.fromkeys(str(name) for name in wanted))
