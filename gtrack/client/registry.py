"""Registered models, their versions and stages; MLflow's aliases are stages too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gtrack.client.entities import PagedList, offset_of, page
from gtrack.client.place import Place
from gtrack.errors import InvalidValue, ModelNotFound, UsageError
from gtrack.fluent.registry import register_run
from gtrack.ops.clauses import in_order, parse_clauses
from gtrack.ops.model_uri import split_run_uri
from gtrack.records import MLFLOW_STAGES, ModelVersion, RegisteredModel
from gtrack.registry.search import matching
from gtrack.registry.tag_names import check_model, check_stage, is_no_stage

_MODEL_KEYS = ("name", "creation_timestamp", "last_updated_timestamp")
_VERSION_KEYS = ("name", "version_number", "version", "run_id", *_MODEL_KEYS[1:])


class RegistryMethods(Place):
    """What a client does with models: a version is a tag on the commit of the run that made it."""

    def create_registered_model(
        self, name: str, tags: Mapping[str, object] | None = None, description: str | None = None
    ) -> RegisteredModel:
        """Return a model that has no version yet; nothing is written: a model is there from its first version on.

        Args:
            name: the model.
            tags: None: a model has no tags here.
            description: None: a reason is kept with each version.

        Raises:
            UsageError: it has a version already.
            InvalidName: nothing can be called so.
            InvalidValue: tags or a description.
        """
        _refuse(tags=tags, description=description)
        if self._project.registry.ledger(check_model(name)).models.get(name):
            raise UsageError(f"The model {name!r} is registered already; create_model_version() adds a version to it.")
        return RegisteredModel(name)

    def create_model_version(
        self,
        name: str,
        source: object,
        run_id: str | None = None,
        tags: Mapping[str, object] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        await_creation_for: int = 300,  # noqa: ARG002 - as MLflow has it: there is nothing to wait for
    ) -> ModelVersion:
        """Register the model that a run made as the next version; of a run that has not ended, as soon as it has.

        Args:
            name: the model.
            source: ``runs:/RUN/path``, as ``run.info.artifact_uri`` begins it.
            run_id: the same run, or None.
            tags: None: a version has no tags here.
            run_link: None: the run is known.
            description: why, kept with the tag.
            await_creation_for: without effect.

        Raises:
            InvalidValue: another kind of source, another run than that of the source, tags or a link.
            InvalidName: nothing can be called so.
            RunNotFound: no such run.
            ArtifactNotFound: the run has no artifact at that path.
            VersionExists: the run is another version.
        """
        _refuse(tags=tags, run_link=run_link)
        ref, path = split_run_uri(source) or ("", "")
        if not path:
            raise InvalidValue(f"The source of a model version is 'runs:/RUN/path', what a run kept; not {source!r}.")
        run = self._run(ref)
        if run_id is not None and self._run(run_id).id != run.id:
            raise InvalidValue(f"The source {source!r} is of run {run.short_id}, not of {run_id!r}.")
        return register_run(self._project, run, path, name, reason=description)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return a model.

        Raises:
            ModelNotFound: none is called so.
        """
        return self._project.registry.model(name)

    def get_model_version(self, name: str, version: int | str) -> ModelVersion:
        """Return a version by its number, or as ``v1.4.0``.

        Raises:
            ModelNotFound: there is no such model or version.
        """
        return self._project.registry.find(name, version)

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that is in a stage.

        Raises:
            ModelNotFound: there is no such model, or nothing in the stage.
        """
        return self._project.registry.version(f"{check_model(name)}#{check_stage(alias)}")

    def get_model_version_download_uri(self, name: str, version: int | str) -> str:
        """Return where a version lies: ``runs:/RUN/path``.

        Raises:
            ModelNotFound: there is no such version, or it came from no run.
        """
        source = self.get_model_version(name, version).source
        if source is None:
            raise ModelNotFound(f"Version {version} of {name} came from no run: there is nothing to be downloaded.")
        return source

    def get_model_version_stages(self, name: str, version: int | str) -> list[str]:  # noqa: ARG002 - as MLflow has it
        """Return the stages that MLflow knows; any other name is a stage too."""
        return ["None", *(stage.capitalize() for stage in MLFLOW_STAGES)]

    def get_latest_versions(self, name: str, stages: Sequence[str] | None = None) -> list[ModelVersion]:
        """Return the newest version of each of MLflow's stages, ``None`` among them, or of those that are named.

        Raises:
            ModelNotFound: there is no such model.
        """
        newest = self.get_registered_model(name).latest_versions
        wanted = None if stages is None else {str(stage).lower() for stage in stages}
        return [one for one in newest if wanted is None or one.current_stage.lower() in wanted]

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = 10000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        """Return the versions that a filter takes, by model, the newest of each first.

        Args:
            filter_string: such as ``name = 'churn'`` or ``run_id = '…'``; see ``gtrack.search_model_versions``.
            max_results: how many to a page.
            order_by: such as ``["version_number DESC"]``.
            page_token: the ``.token`` of the page before.

        Raises:
            QueryError: the filter or the order cannot be read.
            InvalidValue: no such page.
        """
        versions = sorted(self._project.registry.versions(), key=lambda one: (one.name, -one.version))
        found = in_order(matching(versions, filter_string or ""), _facts_of_version, order_by, _VERSION_KEYS)
        return page(found, offset_of(page_token), max_results)

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        """Return the models that a filter takes, by name.

        Args:
            filter_string: such as ``name LIKE 'churn%'``.
            max_results: how many to a page.
            order_by: such as ``["name DESC"]``.
            page_token: the ``.token`` of the page before.

        Raises:
            QueryError: the filter or the order cannot be read.
            InvalidValue: no such page.
        """
        clauses = parse_clauses(filter_string, _MODEL_KEYS)
        models = [
            one for one in self._project.registry.models() if all(it.holds(_facts_of_model(one)) for it in clauses)
        ]
        return page(in_order(models, _facts_of_model, order_by, _MODEL_KEYS), offset_of(page_token), max_results)

    def transition_model_version_stage(
        self,
        name: str,
        version: int | str,
        stage: str,
        archive_existing_versions: bool = False,  # noqa: FBT001, FBT002 - as MLflow has it
    ) -> ModelVersion:
        """Move a version into a stage; ``None`` takes it out of MLflow's stages.

        Args:
            name: the model.
            version: its number.
            stage: ``Staging``, ``Production``, ``Archived`` in any case, or any other stage.
            archive_existing_versions: move what is in the stage to ``archived``.

        Raises:
            ModelNotFound: there is no such model or version.
            InvalidName: a stage outside the grammar.
        """
        into = None if is_no_stage(stage) else stage
        return self._project.registry.transition(name, version, into, archive_existing=archive_existing_versions)

    def set_registered_model_alias(self, name: str, alias: str, version: int | str) -> None:
        """Put a version into a stage, and every other one out of it: an alias means one version.

        Raises:
            ModelNotFound: there is no such model or version.
            InvalidName: a stage outside the grammar.
        """
        self._project.registry.assign(name, version, alias, exclusive=True)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Take the version that is in a stage out of it; nothing is done where there is none.

        Raises:
            ModelNotFound: there is no such model.
            InvalidName: a stage outside the grammar.
        """
        registry, stage = self._project.registry, check_stage(alias)
        for number in registry.model(name).stages.get(stage, ()):
            registry.unassign(name, number, stage)

    def delete_model_version(self, name: str, version: int | str) -> None:
        """Take a version back, out of every stage too; its tags stay, with one more that says so.

        Raises:
            ModelNotFound: there is no such model or version.
        """
        self._project.registry.deregister(name, version)

    def delete_registered_model(self, name: str) -> None:
        """Take all versions of a model back; their tags stay, with more that say so.

        Raises:
            ModelNotFound: there is no such model.
        """
        for one in self._project.registry.model(name).versions:
            self._project.registry.deregister(name, one.version)


def _refuse(**given: object) -> None:
    for word, value in given.items():
        if value:
            raise InvalidValue(
                f"{word} of a model cannot be kept: what is said of one are git tags, which never change. Give a version a "
                "description, or tag the run that made it."
            )


def _facts_of_model(one: RegisteredModel) -> dict[str, object]:
    return {
        "name": one.name,
        "creation_timestamp": one.creation_timestamp,
        "last_updated_timestamp": one.last_updated_timestamp,
    }


def _facts_of_version(one: ModelVersion) -> dict[str, object]:
    numbers = dict.fromkeys(("version", "version_number"), one.version)
    times = {"creation_timestamp": one.creation_timestamp, "last_updated_timestamp": one.last_updated_timestamp}
    return {"name": one.name, "run_id": one.run_id, **numbers, **times}
