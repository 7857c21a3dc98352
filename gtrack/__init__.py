"""gtrack: experiment tracking for machine learning that lives in git.

The public names, each loaded with its module when it is first used, so that the command line and a script that only asks for
one of them do not pay for all.
"""

from __future__ import annotations

# Type checkers take it for true, as they do typing's own, which takes half as long to import as Python to start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from gtrack import artifacts as artifacts
    from gtrack import entities as entities
    from gtrack import exceptions as exceptions
    from gtrack import keras as keras
    from gtrack import lightgbm as lightgbm
    from gtrack import lightning as lightning
    from gtrack import models as models
    from gtrack import optuna as optuna
    from gtrack import pyfunc as pyfunc
    from gtrack import sklearn as sklearn
    from gtrack import tracking as tracking
    from gtrack import transformers as transformers
    from gtrack import xgboost as xgboost
    from gtrack.client.client import GtrackClient
    from gtrack.errors import GTrackError
    from gtrack.exceptions import MlflowException
    from gtrack.fluent.active import active_run, end_run, get_run, init, last_active_run, set_experiment, start_run
    from gtrack.fluent.experiments import (
        create_experiment,
        delete_experiment,
        delete_experiment_tag,
        get_experiment,
        get_experiment_by_name,
        restore_experiment,
        search_experiments,
        set_experiment_tag,
        set_experiment_tags,
    )
    from gtrack.fluent.models import get_model_info, load_model, log_model, save_model
    from gtrack.fluent.place import (
        get_artifact_uri,
        get_parent_run,
        get_registry_uri,
        get_tracking_uri,
        git_repo,
        is_tracking_uri_set,
        set_registry_uri,
        set_tracking_uri,
    )
    from gtrack.fluent.propagate import propagate
    from gtrack.fluent.registry import (
        demote,
        get_model_version,
        promote,
        register_model,
        search_model_versions,
        transition_model_version_stage,
    )
    from gtrack.fluent.removal import delete_run, delete_tag, restore_run
    from gtrack.fluent.sampling import (
        disable_system_metrics_logging,
        enable_system_metrics_logging,
        flush_artifact_async_logging,
        flush_async_logging,
    )
    from gtrack.fluent.search import best, get_metric_history, histories, search_runs
    from gtrack.fluent.tables import load_table
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
        log_stream,
        log_table,
        log_text,
        params,
        set_notes,
        set_tag,
        set_tags,
    )
    from gtrack.integrations.autolog import autolog
    from gtrack.models.signature import infer_signature
    from gtrack.records import (
        Artifact,
        CodeState,
        Experiment,
        History,
        Input,
        ModelVersion,
        RegisteredModel,
        Run,
        Status,
    )
    from gtrack.tracking import MlflowClient
    from gtrack.version import __version__
    from gtrack.writer import ActiveRun

__all__ = [
    "ActiveRun",
    "Artifact",
    "CodeState",
    "Experiment",
    "GTrackError",
    "GtrackClient",
    "History",
    "Input",
    "MlflowClient",
    "MlflowException",
    "ModelVersion",
    "RegisteredModel",
    "Run",
    "Status",
    "__version__",
    "active_run",
    "autolog",
    "best",
    "create_experiment",
    "define_metric",
    "delete_experiment",
    "delete_experiment_tag",
    "delete_run",
    "delete_tag",
    "demote",
    "disable_system_metrics_logging",
    "enable_system_metrics_logging",
    "end_run",
    "flush_artifact_async_logging",
    "flush_async_logging",
    "get_artifact",
    "get_artifact_uri",
    "get_experiment",
    "get_experiment_by_name",
    "get_metric_history",
    "get_model_info",
    "get_model_version",
    "get_parent_run",
    "get_registry_uri",
    "get_run",
    "get_tracking_uri",
    "git_repo",
    "histories",
    "infer_signature",
    "init",
    "is_tracking_uri_set",
    "last_active_run",
    "load_model",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_stream",
    "log_table",
    "log_text",
    "params",
    "promote",
    "propagate",
    "register_model",
    "restore_experiment",
    "restore_run",
    "save_model",
    "search_experiments",
    "search_model_versions",
    "search_runs",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_notes",
    "set_registry_uri",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "start_run",
    "transition_model_version_stage",
]

_MODULES = frozenset(
    {
        "artifacts",
        "entities",
        "exceptions",
        "keras",
        "lightgbm",
        "lightning",
        "models",
        "optuna",
        "pyfunc",
        "sklearn",
        "tracking",
        "transformers",
        "xgboost",
    }
)
"""Public modules that are loaded when they are first named, as ``gtrack.sklearn`` in a script that only imports ``gtrack``."""

_NAMES = {
    "gtrack.client.client": "GtrackClient",
    "gtrack.errors": "GTrackError",
    "gtrack.exceptions": "MlflowException",
    "gtrack.fluent.active": "active_run end_run get_run init last_active_run set_experiment start_run",
    "gtrack.fluent.experiments": (
        "create_experiment delete_experiment delete_experiment_tag get_experiment get_experiment_by_name "
        "restore_experiment search_experiments set_experiment_tag set_experiment_tags"
    ),
    "gtrack.fluent.models": "get_model_info load_model log_model save_model",
    "gtrack.fluent.place": (
        "get_artifact_uri get_parent_run get_registry_uri get_tracking_uri git_repo is_tracking_uri_set "
        "set_registry_uri set_tracking_uri"
    ),
    "gtrack.fluent.propagate": "propagate",
    "gtrack.fluent.registry": "demote get_model_version promote register_model search_model_versions "
    "transition_model_version_stage",
    "gtrack.fluent.removal": "delete_run delete_tag restore_run",
    "gtrack.fluent.sampling": (
        "disable_system_metrics_logging enable_system_metrics_logging flush_artifact_async_logging flush_async_logging"
    ),
    "gtrack.fluent.search": "best get_metric_history histories search_runs",
    "gtrack.fluent.tables": "load_table",
    "gtrack.fluent.verbs": (
        "define_metric get_artifact log_artifact log_artifacts log_dict log_figure log_image log_input "
        "log_metric log_metrics log_param log_params log_stream log_table log_text params set_notes set_tag "
        "set_tags"
    ),
    "gtrack.integrations.autolog": "autolog",
    "gtrack.models.signature": "infer_signature",
    "gtrack.records": "Artifact CodeState Experiment History Input ModelVersion RegisteredModel Run Status",
    "gtrack.tracking": "MlflowClient",
    "gtrack.version": "__version__",
    "gtrack.writer": "ActiveRun",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Load a public name from the module that defines it."""
    from importlib import import_module  # noqa: PLC0415 - only who asks for a name pays for it

    if name in _MODULES:
        return import_module(f"gtrack.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'gtrack' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
