"""Experiments; the id of one is its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gtrack.client.entities import PagedList, offset_of, page
from gtrack.client.place import Place
from gtrack.errors import ExperimentNotFound
from gtrack.fluent.active import process
from gtrack.fluent.experiments import check_location
from gtrack.ops import remove
from gtrack.ops.experiment import create_experiment, find_experiment, name_of, tag_experiment
from gtrack.ops.find_experiments import find_experiments
from gtrack.records import Experiment


class ExperimentMethods(Place):
    """What a client does with experiments."""

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Mapping[str, object] | None = None
    ) -> str:
        """Make an experiment before it has a run, and return its id, which is its name.

        Raises:
            UsageError: it is there already.
            InvalidName: it cannot name an experiment.
            InvalidValue: an ``artifact_location``: artifacts lie in git with their run.
        """
        check_location(artifact_location)
        return create_experiment(self._project, name, tags).name

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment; ``0`` is the project's default one.

        Raises:
            ExperimentNotFound: there is none.
        """
        name, chosen = name_of(self._project, experiment_id), process.experiment
        try:
            return find_experiment(self._project, name)
        except ExperimentNotFound:
            if chosen is not None and chosen.name == name:  # set_experiment said it, and its first run will write it
                return chosen
            raise

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Return an experiment, None when there is none of the name."""
        try:
            return self.get_experiment(name)
        except ExperimentNotFound:
            return None

    def search_experiments(
        self,
        view_type: int = 1,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """Return the experiments that a filter takes, a page at a time; see ``gtrack.search_experiments``.

        Raises:
            QueryError: the filter or the order is wrong.
            InvalidValue: no such page, or ``ViewType.DELETED_ONLY``.
        """
        found = find_experiments(self._project, filter_string, order_by, view_type)
        return page(found, offset_of(page_token), max_results)

    def set_experiment_tag(self, experiment_id: str, key: str, value: object) -> None:
        """Set a tag of an experiment.

        Raises:
            InvalidName: a name that cannot be written.
        """
        tag_experiment(self._project, name_of(self._project, experiment_id), {key: value})

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an experiment.

        Raises:
            UsageError: it has no such tag.
        """
        tag_experiment(self._project, name_of(self._project, experiment_id), {}, [key])

    def delete_experiment(self, experiment_id: str) -> None:
        """Remove an experiment with all its runs from the runs branch, whose history keeps them.

        Raises:
            ExperimentNotFound: there is none.
            RunIsActive: one of its runs has not ended.
        """
        remove.remove_experiment(self._project, name_of(self._project, experiment_id))

    def restore_experiment(self, experiment_id: str) -> None:
        """Bring an experiment back that was deleted, with the runs that it had.

        Raises:
            ExperimentNotFound: the branch never held it.
            UsageError: it is there.
        """
        remove.restore_experiment(self._project, experiment_id)
