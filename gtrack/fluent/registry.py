"""Register models and move them through stages, with MLflow's names."""

from __future__ import annotations

from collections.abc import Sequence

from gtrack.errors import InvalidValue, RunEnded, UsageError
from gtrack.fluent.active import get_run, project_here
from gtrack.git.remotes import default_remote
from gtrack.ops.model_uri import split_run_uri
from gtrack.project import Project
from gtrack.records import ModelVersion, Run
from gtrack.registry.artifact import check_artifact
from gtrack.registry.pending import promise
from gtrack.registry.search import matching
from gtrack.registry.tag_names import check_model, check_stage, is_no_stage, parse_reference
from gtrack.registry.writing import Terms

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
    terms: Terms | None = None,
) -> ModelVersion:
    """Register what a run of any project made, now or as soon as it has ended; see ``register_model``.

    Raises:
        UsageError: a run that still goes on shall be registered in a way that only one that has ended can be.
    """
    said = terms or Terms()
    live = project.live.find(run.id) if run.live else None
    if live is not None:
        check_model(name)
        check_artifact([one.path for one in project.artifacts(run.id)], run.short_id, path)
        if said.remote is not None or said.sign is not None:
            raise UsageError(
                f"Run {run.name} ({run.short_id}) still goes on: its tag is made when it has ended, so it cannot be signed or "
                "pushed now."
            )
        try:
            promise(live, name, path, bump=bump, version=version, reason=reason)
        except RunEnded:  # just now: there is a commit to be tagged in a moment
            if not live.wait_until_gone(_COMMIT_SECONDS):
                raise
            live = None
    if live is None:
        return project.registry.register(name, run.id, path, bump=bump, version=version, reason=reason, terms=said)
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


def promote(  # noqa: PLR0913 - each is one thing that a promotion says, or how it is made
    model_ref: str,
    stage: str,
    reason: str | None = None,
    *,
    run: str | Run | None = None,
    artifact: str = "model",
    approved_by: Sequence[str] = (),
    sign: bool | None = None,
    push: bool | str = False,
    force: bool = False,
) -> ModelVersion:
    """Put a model version into a stage; promoting an earlier version again is how one rolls back.

    Args:
        model_ref: ``churn@3``, ``churn@v3``, ``churn@v1.4.0``, ``churn#staging`` (what is in it), or ``churn``, the latest.
        stage: the stage.
        reason: why, kept with the tag.
        run: register the model of this run first, and promote that; both or neither.
        artifact: path of the model below the artifacts of ``run``.
        approved_by: who approves, ``Name <address>`` each.
        sign: sign the tag; as git's ``tag.gpgSign`` says, or the stage demands, when None.
        push: publish it at once, to the remote of this name, or with True to the usual one.
        force: do it against the stage's conditions, where its settings allow that.

    Raises:
        InvalidName: a name outside the grammar.
        UsageError: ``model_ref`` names no version.
        ModelNotFound: there is no such model or version.
        PolicyFailed: it does not fulfil what the stage demands; nothing was promoted.
        GitError: git, or the remote, refuses; nothing was promoted.
    """
    project = project_here()
    terms = _terms(project, sign=sign, push=push, force=force, approvals=approved_by)
    if run is not None:
        run_id = get_run(run.id if isinstance(run, Run) else run).id
        return project.registry.register_and_assign(
            check_model(model_ref), run_id, stage, artifact, reason=reason, terms=terms
        )
    found = project.registry.version(model_ref)
    return project.registry.assign(found.name, found.semver, stage, reason=reason, terms=terms)


def demote(
    model_ref: str,
    stage: str,
    reason: str | None = None,
    *,
    sign: bool | None = None,
    push: bool | str = False,
    force: bool = False,
) -> ModelVersion:
    """Take a model version out of a stage; an exclusive stage is empty then.

    Args:
        model_ref: ``churn`` for what is in the stage, or ``churn@3``, ``churn@v1.4.0``.
        stage: the stage.
        reason: why, kept with the tag.
        sign: as for ``promote``.
        push: as for ``promote``.
        force: as for ``promote``.

    Raises:
        InvalidName: a name outside the grammar.
        ModelNotFound: there is no such model or version, or it is not in the stage.
        PolicyFailed: the stage does not let it go like that.
        GitError: git, or the remote, refuses; nothing was changed.
    """
    project = project_here()
    out_of = check_stage(stage)
    found = project.registry.version(model_ref if parse_reference(model_ref) else f"{check_model(model_ref)}#{out_of}")
    terms = _terms(project, sign=sign, push=push, force=force)
    return project.registry.unassign(found.name, found.semver, out_of, reason=reason, terms=terms)


def _terms(
    project: Project, *, sign: bool | None, push: bool | str, force: bool, approvals: Sequence[str] = ()
) -> Terms:
    remote = default_remote(project.repo) if push is True else push or None
    return Terms(sign=sign, remote=remote, approvals=tuple(approvals), force=force)


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
