"""gtrack: experiment tracking for machine learning that lives in git.

The public names, each loaded with its module when it is first used, so that the command line and a script that only asks for
one of them do not pay for all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtrack.errors import GTrackError
    from gtrack.fluent import (
        active_run,
        define_metric,
        end_run,
        get_artifact,
        get_run,
        init,
        last_active_run,
        log_artifact,
        log_artifacts,
        log_dict,
        log_figure,
        log_image,
        log_input,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        log_table,
        log_text,
        params,
        set_experiment,
        set_notes,
        set_tag,
        set_tags,
        start_run,
    )
    from gtrack.fluent.search import best, get_metric_history, histories, search_runs
    from gtrack.records import Artifact, CodeState, Experiment, History, Input, Run, Status
    from gtrack.version import __version__
    from gtrack.writer import ActiveRun

__all__ = [
    "ActiveRun",
    "Artifact",
    "CodeState",
    "Experiment",
    "GTrackError",
    "History",
    "Input",
    "Run",
    "Status",
    "__version__",
    "active_run",
    "best",
    "define_metric",
    "end_run",
    "get_artifact",
    "get_metric_history",
    "get_run",
    "histories",
    "init",
    "last_active_run",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "params",
    "search_runs",
    "set_experiment",
    "set_notes",
    "set_tag",
    "set_tags",
    "start_run",
]

_HOMES = {
    "ActiveRun": "gtrack.writer",
    "Artifact": "gtrack.records",
    "CodeState": "gtrack.records",
    "Experiment": "gtrack.records",
    "GTrackError": "gtrack.errors",
    "History": "gtrack.records",
    "Input": "gtrack.records",
    "Run": "gtrack.records",
    "Status": "gtrack.records",
    "__version__": "gtrack.version",
    # Apart from the other verbs: a script that logs does not pay for what searches.
    "best": "gtrack.fluent.search",
    "get_metric_history": "gtrack.fluent.search",
    "histories": "gtrack.fluent.search",
    "search_runs": "gtrack.fluent.search",
}


def __getattr__(name: str) -> object:
    """Load a public name from the module that defines it: the verbs are all in ``gtrack.fluent``."""
    if name not in __all__:
        raise AttributeError(f"module 'gtrack' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES.get(name, "gtrack.fluent")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
