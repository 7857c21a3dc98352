"""Register models and move them through stages, with MLflow's names."""

from __future__ import annotations

from gtrack.errors import InvalidValue, RunEnded
from gtrack.fluent.active import get_run, project_here
from gtrack.ops.model_uri import split_run_uri
from gtrack.project import Project
from gtrack.records import ModelVersion, Run
from gtrack.registry.artifact import check_artifact
from gtrack.registry.pending import promise
from gtrack.registry.search import matching
from gtrack.registry.tag_names import check_model, is_no_stage

_COMMIT_SECONDS = 10.0


def register_model(
    model_uri: str | Run,
    name: str,
    await_registration_for: int = 300,  # noqa: ARG001 - MLflow's; a tag is there at once
    *,
    artifact: str = "model",
    bump: str = "major",
    version: str | None = None,
    reason: str | None = None,
) -> ModelVersion:
    """Register the model that a run made as the next version of ``name``: an annotated tag on the run's commit.

    While the run still goes on there is no commit: it is registered as soon as it has ended, and what comes back says
    ``PENDING_REGISTRATION`` and the number that it will have unless another run is quicker.

    Args:
        model_uri: ``runs:/RUN/path``, where ``RUN`` is anything that names a run (an id, a name, ``last``); or the run.
        name: the model.
        await_registration_for: accepted as MLflow does; there is nothing to wait for.
        artifact: path of the model below the artifacts, when ``model_uri`` is a run.
        bump: the part of the version that is raised: ``major``, ``minor`` or ``patch``.
        version: the version itself, ``v1.4.0``, instead.
        reason: why, kept with the tag.

    Raises:
        InvalidValue: ``model_uri`` is something else.
        InvalidName: ``name`` or ``version`` is outside the grammar.
        RunNotFound: there is no such run.
        ArtifactNotFound: the run has no artifact at that path.
        VersionExists: the version exists, or the run is another one.
    """
    run, path = meant(model_uri, artifact)
    return register_run(project_here(), run, path, name, bump=bump, version=version, reason=reason)


def register_run(
    project: Project,
    run: Run,
    path: str,
    name: str,
    *,
    bump: str = "major",
    version: str | None = None,
    reason: str | None = None,
) -> ModelVersion:
    """Register what a run of any project made, now or as soon as it has ended; see ``register_model``."""
    live = project.live.find(run.id) if run.live else None
    if live is not None:
        check_model(name)
        check_artifact([one.path for one in project.artifacts(run.id)], run.short_id, path)
        try:
            promise(live, name, path, bump=bump, version=version, reason=reason)
        except RunEnded:  # just now: there is a commit to be tagged in a moment
            if not live.wait_until_gone(_COMMIT_SECONDS):
                raise
            live = None
    if live is None:
        return project.registry.register(name, run.id, path, bump=bump, version=version, reason=reason)
    known = project.registry.ledger(name).models.get(name)
    numbers = [one.version for one in (*known.versions, *known.withdrawn)] if known is not None else []
    return ModelVersion(
        name,
        max(numbers, default=0) + 1,
        tag="",
        semver="",
        run_id=run.id,
        artifact=path,
        experiment=run.experiment,
        metrics=run.metrics,
    )


def meant(model_uri: object, artifact: str) -> tuple[Run, str]:
    """Return the run and the path of the model in it.

    Raises:
        InvalidValue: neither ``runs:/RUN/path`` nor a run.
        RunNotFound: no such run.
    """
    if isinstance(model_uri, Run):
        return get_run(model_uri.id), artifact
    ref, path = split_run_uri(model_uri) or ("", "")
    if not path:
        raise InvalidValue(f"A model to be registered is named 'runs:/RUN/path', or by a Run; not {model_uri!r}.")
    return get_run(ref), path


def transition_model_version_stage(
    name: str, version: int | str, stage: str, archive_existing_versions: bool = False
) -> ModelVersion:
    """Move a model version into a stage.

    As in MLflow a version is in one of ``Staging``, ``Production`` and ``Archived`` at a time, taken in any case; ``None``
    takes it out of these. Into any other stage it comes beside the one that it is in. ``production`` holds one version: what
    was there makes room, archived or not.

    Args:
        name: the model.
        version: its number, or ``v1.4.0``, ``latest``.
        stage: where to.
        archive_existing_versions: move what is in the stage to ``archived``.

    Raises:
        InvalidName: a name outside the grammar.
        ModelNotFound: there is no such model or version.
    """
    into = None if is_no_stage(stage) else stage
    return project_here().registry.transition(name, version, into, archive_existing=archive_existing_versions)


def promote(model_ref: str, stage: str, reason: str | None = None) -> ModelVersion:
    """Put a model version into a stage; promoting an earlier version again is how one rolls back.

    Args:
        model_ref: ``churn@3``, ``churn@v3``, ``churn@v1.4.0``, ``churn#staging`` (what is in it), or ``churn``, the latest.
        stage: the stage.
        reason: why, kept with the tag.

    Raises:
        InvalidName: a name outside the grammar.
        UsageError: ``model_ref`` names no version.
        ModelNotFound: there is no such model or version.
    """
    registry = project_here().registry
    found = registry.version(model_ref)
    return registry.assign(found.name, found.semver, stage, reason=reason)


def get_model_version(name: str, version: int | str) -> ModelVersion:
    """Return a version of a model.

    Args:
        name: the model.
        version: its number, or ``v1.4.0``, ``latest``.

    Raises:
        ModelNotFound: there is no such model or version.
    """
    return project_here().registry.find(name, version)


def search_model_versions(filter_string: str | None = None, max_results: int | None = None) -> list[ModelVersion]:
    """Return model versions, by name, the newest of each first.

    Args:
        filter_string: such as ``name = 'churn' and stage = 'production'``; see ``registry.search.matching``. All, when None.
        max_results: how many at the most; None for all.

    Raises:
        QueryError: the filter cannot be read.
    """
    versions = sorted(project_here().registry.versions(), key=lambda one: (one.name, -one.version))
    return matching(versions, filter_string or "")[:max_results]
