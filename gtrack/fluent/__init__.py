"""The verbs of ``import gtrack``: which run is active here (``active``), and what is logged into it (``verbs``)."""

from __future__ import annotations

from gtrack.fluent.active import active_run, end_run, get_run, init, last_active_run, set_experiment, start_run
from gtrack.fluent.verbs import (
    define_metric,
    get_artifact,
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
    set_notes,
    set_tag,
    set_tags,
)

__all__ = [
    "active_run",
    "define_metric",
    "end_run",
    "get_artifact",
    "get_run",
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
    "set_experiment",
    "set_notes",
    "set_tag",
    "set_tags",
    "start_run",
]
