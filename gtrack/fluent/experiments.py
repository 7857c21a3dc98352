"""Experiments under the names that MLflow's users know; the id of an experiment is its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gtrack.errors import ExperimentNotFound, InvalidValue
from gtrack.fluent.active import process, project_here
from gtrack.ops import remove
from gtrack.ops.experiment import create_experiment as make
from gtrack.ops.experiment import find_experiment, name_of, tag_experiment
from gtrack.ops.find_experiments import find_experiments
from gtrack.records import Experiment


def create_experiment(name: str, artifact_location: str | None = None, tags: Mapping[str, object] | None = None) -> str:
    """Make an experiment before it has a run, by a commit of its own on the runs branch.

    Args:
        name: the experiment.
        artifact_location: None: artifacts lie in git with their run, nowhere else.
        tags: name to text.

    Returns:
        Its id, which is its name.

    Raises:
        UsageError: it is there already.
        InvalidName: it cannot name an experiment.
        InvalidValue: an ``artifact_location``.
    """
    check_location(artifact_location)
    return make(project_here(), name, tags).name


def check_location(artifact_location: str | None) -> None:
    """Refuse a place for artifacts.

    Raises:
        InvalidValue: there is one.
    """
    if artifact_location is not None:
        raise InvalidValue(
            f"Artifacts cannot be kept at {artifact_location!r}: they are committed with their run. Leave artifact_location out."
        )


def get_experiment(experiment_id: str) -> Experiment:
    """Return an experiment, with ``.experiment_id``, ``.name`` and ``.tags``.

    Args:
        experiment_id: its name; ``0`` is the project's default one.

    Raises:
        ExperimentNotFound: there is none.
    """
    project = project_here()
    name = name_of(project, experiment_id)
    chosen = process.experiment
    try:
        return find_experiment(project, name)
    except ExperimentNotFound:
        if chosen is not None and chosen.name == name:  # set_experiment said it, and its first run will write it
            return chosen
        raise


def get_experiment_by_name(name: str) -> Experiment | None:
    """Return an experiment, None when there is none of the name.

    Args:
        name: the experiment.

    Raises:
        NotARepository: there is no git repository here.
    """
    try:
        return get_experiment(name)
    except ExperimentNotFound:
        return None


def search_experiments(
    view_type: int | None = None,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """Return the experiments that a filter takes.

    Args:
        view_type: ``ViewType.ACTIVE_ONLY`` or ``ALL``, which are the same here; what was deleted is in the history alone.
        max_results: how many at the most.
        filter_string: clauses joined by AND: ``name = 'churn'``, ``name LIKE 'churn%'``, ``tags.team = 'fraud'``,
            ``creation_time > 1760000000000``.
        order_by: such as ``["name ASC"]``: of ``name``, ``experiment_id``, ``creation_time``; the newest first when None.

    Raises:
        QueryError: the filter or the order is wrong.
        InvalidValue: ``ViewType.DELETED_ONLY``.
    """
    return find_experiments(project_here(), filter_string, order_by, view_type)[:max_results]


def set_experiment_tag(key: str, value: object) -> None:
    """Set a tag of the experiment that ``set_experiment`` chose, else of the project's default one.

    Args:
        key: its name.
        value: becomes text.

    Raises:
        InvalidName: a name that cannot be written.
    """
    set_experiment_tags({key: value})


def set_experiment_tags(tags: Mapping[str, object]) -> None:
    """Set tags of the experiment that ``set_experiment`` chose, else of the project's default one.

    Args:
        tags: name to value, as for ``set_experiment_tag``.

    Raises:
        InvalidName: a name that cannot be written.
        InvalidValue: no mapping.
    """
    tag_experiment(project_here(), _chosen(), tags)


def delete_experiment_tag(key: str) -> None:
    """Remove a tag of the experiment that ``set_experiment`` chose, else of the project's default one.

    Args:
        key: its name.

    Raises:
        UsageError: it has no such tag.
    """
    tag_experiment(project_here(), _chosen(), {}, [key])


def _chosen() -> str:
    return process.experiment.name if process.experiment is not None else project_here().config.experiment


def delete_experiment(experiment_id: str) -> None:
    """Remove an experiment with all its runs from the runs branch; ``restore_experiment`` brings them back.

    Args:
        experiment_id: its name.

    Raises:
        ExperimentNotFound: there is none.
        RunIsActive: one of its runs has not ended.
    """
    project = project_here()
    remove.remove_experiment(project, name_of(project, experiment_id))


def restore_experiment(experiment_id: str) -> None:
    """Bring an experiment back that was deleted, with the runs that it had, from the history of the runs branch.

    Args:
        experiment_id: its name.

    Raises:
        ExperimentNotFound: the branch never held it.
        UsageError: it is there.
    """
    remove.restore_experiment(project_here(), experiment_id)
