"""The client: runs, experiments, artifacts and models by their ids, whatever is active."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtrack.client.artifacts import ArtifactMethods
from gtrack.client.experiments import ExperimentMethods
from gtrack.client.registry import RegistryMethods
from gtrack.client.runs import RunMethods

_NO_TRACES = "gtrack keeps runs, not traces of single calls"
_NO_MODELS_OF_THEIR_OWN = "a model belongs to the run that made it"
_TAGS_STAY = "what is said of a model are git tags, which never change"

ABSENT = {
    **dict.fromkeys(
        ("search_traces", "get_trace", "start_trace", "end_trace", "start_span", "end_span", "set_trace_tag"),
        _NO_TRACES,
    ),
    **dict.fromkeys(
        ("create_logged_model", "get_logged_model", "search_logged_models", "log_model_params", "log_outputs"),
        _NO_MODELS_OF_THEIR_OWN,
    ),
    **dict.fromkeys(
        (
            *("update_model_version", "set_model_version_tag", "delete_model_version_tag"),
            *("update_registered_model", "set_registered_model_tag", "delete_registered_model_tag"),
        ),
        f"{_TAGS_STAY}; tag the run that made the version: set_tag(run_id, key, value)",
    ),
    "rename_registered_model": f"{_TAGS_STAY}; register the run under the other name too",
    "copy_model_version": "register the same run under the other name: create_model_version(name, version.source)",
    "rename_experiment": "its name is its id, and stands in the commit of every run",
    "log_inputs": "log_input, in the run, records digest, rows, columns and schema of data",
}
"""Methods of ``MlflowClient`` that scripts may ask for and do not find, and why."""


class GtrackClient(RunMethods, ExperimentMethods, ArtifactMethods, RegistryMethods):
    """The methods that scripts know from ``MlflowClient``, on a repository; docs/mlflow.md says where they differ.

    Safe for several threads. Runs that it makes are live runs of this process until ``set_terminated`` ends them; any other run
    can be logged into as well, one of another process too, or one that has ended.
    """

    def __repr__(self) -> str:
        return f"<GtrackClient {self.tracking_uri}>"

    if not TYPE_CHECKING:  # to a type checker a method that is not there stays an error

        def __getattr__(self, name: str) -> object:
            reason = f": {ABSENT[name]}" if name in ABSENT else ""
            raise AttributeError(
                f"GtrackClient has no method {name!r}{reason}. docs/mlflow.md lists what it has.", name=name
            )
