"""What is recorded of a search for the best parameters: the best ones, all results as a table, and the best few as child runs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Any

from gtrack.fluent.active import process
from gtrack.integrations.problems import Problems
from gtrack.integrations.sklearn.beginning import log_params, log_tags, params_of, writable
from gtrack.integrations.sklearn.evaluation import Evaluation
from gtrack.integrations.sklearn.model import log_fitted_model
from gtrack.integrations.sklearn.runs import FitRun, start_child
from gtrack.integrations.sklearn.settings import Settings


def log_search(target: FitRun, evaluation: Evaluation, settings: Settings, problems: Problems) -> None:
    """Record what a fitted search found."""
    search, run = evaluation.estimator, target.run
    if hasattr(search, "best_params_"):
        with problems.of("the best parameters"):
            log_params(run, {f"best_{name}": value for name, value in search.best_params_.items()}, problems)
    if hasattr(search, "best_score_"):
        with problems.of("best_cv_score"):
            run.log_metrics({"best_cv_score": float(search.best_score_)})
    if settings.log_models and hasattr(search, "best_estimator_"):
        with problems.of("the model best_estimator"):
            log_fitted_model(run, search.best_estimator_, evaluation, settings, "best_estimator")
    results = getattr(search, "cv_results_", None)
    if results:
        with problems.of("cv_results.csv"):
            run.log_bytes(_table(results), "cv_results.csv")
        last = process.last
        with problems.of("the child runs"):
            _log_children(target, search, settings, problems)
        process.last = last  # the script asks for the run of its search, not for the last of these


def _table(results: Mapping[str, Any]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(results)
    columns = [[_cell(value) for value in column] for column in results.values()]
    writer.writerows(zip(*columns, strict=True))
    return out.getvalue().encode(errors="replace")


def _cell(value: Any) -> Any:
    if value is None or str(value) == "--":  # a parameter that this candidate does not have is masked
        return ""
    item = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
    return " ".join(repr(item).split()) if not isinstance(item, (str, int, float, bool)) else item


def _log_children(target: FitRun, search: Any, settings: Settings, problems: Problems) -> None:
    results = search.cv_results_
    base = params_of(search.estimator)
    for at in _best(results, settings.max_tuning_runs):
        with problems.of(f"the child run of candidate {at}"):
            child = start_child(target.run)
            try:
                log_params(child, {**base, **writable(results["params"][at])}, problems)
                log_tags(child, search.estimator, settings.extra_tags)
                child.log_metrics(_numbers(results, at))
            except BaseException as error:
                child.end(child.status_of(error))
                raise
            child.end()


def _best(results: Mapping[str, Any], most: int | None) -> list[int]:
    """Return the candidates that the search ranked highest, the best first; of several metrics the first one decides."""
    count = len(results["params"])
    name = next((one for one in ("rank_test_score", *results) if one.startswith("rank_test_") and one in results), None)
    order = list(range(count))
    if name is not None:
        ranks = [float(rank) for rank in results[name]]
        order.sort(key=lambda at: ranks[at] if math.isfinite(ranks[at]) else math.inf)
    return order if most is None else order[:most]


def _numbers(results: Mapping[str, Any], at: int) -> dict[str, float]:
    """Return the numbers of one candidate: means, deviations and ranks, but not those of each split."""
    found: dict[str, float] = {}
    for name, column in results.items():
        if name.startswith(("param", "split")):
            continue
        value = column[at]
        value = value.item() if hasattr(value, "item") else value
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            found[name] = value
    return found
