"""One experiment: what is known of it, made, described."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timezone

from gtrack.errors import ExperimentNotFound, UsageError, nearest
from gtrack.formats.names import check_experiment
from gtrack.formats.values import text_tags
from gtrack.project import Project
from gtrack.records import Experiment

FIRST_ID = "0"
"""MLflow's id of the experiment of runs that name none."""


def all_experiments(project: Project) -> dict[str, Experiment]:
    """Return every experiment that has runs, live ones too, or a description, by name."""
    known = {one.name: one for one in project.store.experiments()}
    names = [name for name, *_ in project.index.experiments()]
    return {**{name: Experiment(name) for name in names}, **known}


def name_of(project: Project, experiment_id: str) -> str:
    """Return the name of the experiment of an id: the id itself, but that MLflow's ``0`` is the project's default one."""
    text = str(experiment_id)
    if text == FIRST_ID and FIRST_ID not in all_experiments(project):
        return project.config.experiment
    return text


def find_experiment(project: Project, name: str) -> Experiment:
    """Return an experiment; the project's default one is always there.

    Raises:
        ExperimentNotFound: there is none of the name.
    """
    known = all_experiments(project)
    if name not in known and name != project.config.experiment:
        raise ExperimentNotFound.of(name, known)
    return known.get(name) or Experiment(name)


def create_experiment(
    project: Project, name: str, tags: Mapping[str, object] | None = None, purpose: str | None = None
) -> Experiment:
    """Make an experiment before it has a run, by a commit of its own.

    Raises:
        UsageError: it is there already.
        InvalidName: it cannot name an experiment, or a tag cannot be written.
        GitError: git refuses.
    """
    checked, clean = check_experiment(name), text_tags(tags or {}, "create_experiment(tags=…)")

    def make(known: Experiment | None) -> Experiment:
        if known is not None:
            raise UsageError(f"There is an experiment {checked!r} already. set_experiment({checked!r}) uses it.")
        return Experiment(checked, datetime.now(timezone.utc), purpose, clean)

    return project.store.edit_experiment(checked, make, "created")


def tag_experiment(project: Project, name: str, tags: Mapping[str, object], remove: Collection[str] = ()) -> Experiment:
    """Set and remove tags of an experiment, by a commit of its own; one that is not there yet is made.

    Raises:
        InvalidName: a name that cannot be written.
        UsageError: a tag to remove that it does not have.
        GitError: git refuses.
    """
    checked, clean = check_experiment(name), text_tags(tags, "set_experiment_tags")

    def change(known: Experiment | None) -> Experiment:
        now = known or Experiment(checked, datetime.now(timezone.utc))
        for key in remove:
            if key not in now.tags:
                raise UsageError(f"Experiment {checked} has no tag {key!r}.{nearest(key, now.tags)}")
        kept = {key: text for key, text in {**now.tags, **clean}.items() if key not in remove}
        return replace(now, tags=kept)

    return project.store.edit_experiment(checked, change, "tagged")
