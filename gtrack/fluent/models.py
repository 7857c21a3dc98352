"""Models: into the active run, out of a run, the registry or a directory."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from gtrack.errors import InvalidValue, NoActiveRun, NotARepository
from gtrack.fluent.active import FluentRun, active, project_here
from gtrack.fluent.automatic import is_automatic, taken_over
from gtrack.git.repo import Repository
from gtrack.models import directory as directories
from gtrack.models.info import ModelInfo
from gtrack.models.pyfunc import PyFuncModel
from gtrack.ops.load_model import model_at
from gtrack.ops.model_trust import remember
from gtrack.ops.model_uri import RUNS, at_hand, local_directory, place_of
from gtrack.registry.pending import promise
from gtrack.registry.tag_names import check_model
from gtrack.store.trees import add_directory


def log_model(  # noqa: PLR0913 - the signature that this field knows
    model: Any,
    artifact_path: str | PurePath = "model",
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    flavour: str | None = None,
    serialization_format: str | None = None,
    artifacts: Mapping[str, str | Path] | None = None,
    extra_pip_requirements: Sequence[str] | str | None = None,
) -> ModelInfo:
    """Write a model among the artifacts of the active run, whole or not at all.

    Args:
        model: an estimator, booster or module of a library that has a flavour, any object with ``predict``, or a function.
        artifact_path: the directory below the artifacts that it becomes; nothing may be there yet.
        registered_model_name: the model of the registry that it becomes a version of when the run is committed.
        signature: what ``infer_signature`` returns; of the example when None.
        input_example: data of the kind that goes in; a hundred rows of it are kept.
        pip_requirements: lines for pip, or a requirements file; found from what the model is made of when None.
        metadata: name to plain value.
        name: the same as ``artifact_path``, as MLflow 3 calls it.
        flavour: ``sklearn``, ``xgboost``, ``lightgbm``, ``pytorch``, ``keras`` or ``python_function``; found when None.
        serialization_format: ``skops`` or ``cloudpickle``, for scikit-learn and LightGBM; skops where it is safe and quick
            when None.
        artifacts: name to a file or directory that a Python model finds in its context.
        extra_pip_requirements: further lines for pip, beside those that are given or found.

    Returns:
        What is known of it; ``model_uri`` names it from now on.

    Raises:
        InvalidValue: it is no model, or cannot be written.
        InvalidPath: an unsafe path, or one where something is already.
        InvalidName: ``registered_model_name`` is outside the grammar.
        MissingLibrary: what writes it is not installed.
        ArtifactError: the disk refuses.
    """
    if registered_model_name is not None:
        check_model(registered_model_name)
    run = active("log_model")
    path = (
        name if name is not None else artifact_path.as_posix() if isinstance(artifact_path, PurePath) else artifact_path
    )
    if run.ended:
        raise NoActiveRun(f"log_model: run {run.name} ({run.id[:8]}) has ended.")

    def fill(into: Path) -> ModelInfo:
        info = directories.write_model(
            model,
            into,
            flavour=flavour,
            signature=signature,
            input_example=input_example,
            pip_requirements=pip_requirements,
            metadata=metadata,
            run_id=run.id,
            artifact_path=path,
            serialization_format=serialization_format,
            artifacts=artifacts,
            extra_pip_requirements=extra_pip_requirements,
        )
        remember(_repository_of(run), info.digests)
        return info

    def register() -> None:
        # When its run is committed: until then there is nothing that a version could be of.
        if registered_model_name is not None:
            promise(run.live, registered_model_name, path)

    info = add_directory(run.live.artifacts, path, fill, replacing=is_automatic(run, path), confirm=register)
    run.live.check_open()
    taken_over(run, path)
    return replace(info, model_uri=f"{RUNS}{run.id}/{path}")


def _repository_of(run: FluentRun) -> Repository:
    """Return the repository that a run is written in, which need not be that of the current directory."""
    repo = project_here().repo
    if repo.root is not None and run.directory.is_relative_to(repo.root):
        return repo
    return Repository.find(run.directory)


def save_model(  # noqa: PLR0913 - the signature that this field knows
    model: Any,
    path: str | Path,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Sequence[str] | str | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    flavour: str | None = None,
    serialization_format: str | None = None,
    artifacts: Mapping[str, str | Path] | None = None,
    extra_pip_requirements: Sequence[str] | str | None = None,
) -> ModelInfo:
    """Write a model into a directory of its own, outside of any run; whole or not at all.

    Args:
        model: as for ``log_model``.
        path: a directory that does not exist yet, or is empty.
        signature: as for ``log_model``.
        input_example: as for ``log_model``.
        pip_requirements: as for ``log_model``.
        metadata: as for ``log_model``.
        flavour: as for ``log_model``.
        serialization_format: as for ``log_model``.
        artifacts: as for ``log_model``.
        extra_pip_requirements: as for ``log_model``.

    Raises:
        InvalidValue: it is no model, or cannot be written, or something is at ``path``.
        MissingLibrary: what writes it is not installed.
    """
    target = Path(path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidValue(f"{target} is there already; a model is saved into a directory of its own.")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        temporary.mkdir(parents=True)
        info = directories.write_model(
            model,
            temporary,
            flavour=flavour,
            signature=signature,
            input_example=input_example,
            pip_requirements=pip_requirements,
            metadata=metadata,
            artifact_path=target.name,
            serialization_format=serialization_format,
            artifacts=artifacts,
            extra_pip_requirements=extra_pip_requirements,
        )
        if (repo := _repository_here()) is not None:
            remember(repo, info.digests)
        temporary.rename(target)
    except OSError as error:
        raise InvalidValue(f"The model could not be saved to {target}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return info


def _repository_here() -> Repository | None:
    try:
        return project_here().repo
    except NotARepository:
        return None


def load_model(model_uri: str | Path, trust: bool | Sequence[str] | None = None) -> Any:
    """Return a model, as the library that it is of knows it.

    Args:
        model_uri: ``runs:/RUN/path`` (RUN is any reference to a run), ``models:/NAME/VERSION``, ``models:/NAME/STAGE``,
            ``models:/NAME/latest``, ``models:/NAME@STAGE``, or a local directory.
        trust: True where whatever code it holds may run; or the names of the types that a skops file may make. Not needed for
            models that were logged on this machine in this repository, nor for formats that run no code.

    Raises:
        RunNotFound: no such run.
        ArtifactNotFound: the run has no model there.
        UntrustedModel: loading it could run code of somebody else.
        FormatError: it is damaged, or of a flavour that gtrack does not read.
        MissingLibrary: it needs a library that is not installed.
    """
    with model_at(model_uri, project_here) as (directory, trusted):
        return directories.load_model(directory, trust=trust if trust is not None else False, trusted=trusted)


def load_pyfunc(model_uri: str | Path, trust: bool | Sequence[str] | None = None) -> PyFuncModel:
    """Return a model as one that is asked like all others, whatever library it is of.

    Args:
        model_uri: as for ``load_model``.
        trust: as for ``load_model``.

    Raises:
        RunNotFound: no such run.
        ArtifactNotFound: the run has no model there.
        UntrustedModel: loading it could run code of somebody else.
        FormatError: it is damaged, of a flavour that gtrack does not read, or has nothing that predicts.
        MissingLibrary: it needs a library that is not installed.
    """
    with model_at(model_uri, project_here) as (directory, trusted):
        return directories.load_pyfunc(directory, trust=trust if trust is not None else False, trusted=trusted)


def get_model_info(model_uri: str | Path) -> ModelInfo:
    """Return what a model says of itself, without loading it.

    Args:
        model_uri: as for ``load_model``.

    Returns:
        What is known of it; ``model_uri`` is a ``models:/`` URI as it was given, of a run the one by its whole id.

    Raises:
        RunNotFound: no such run.
        ArtifactNotFound: the run has no model there.
        FormatError: it is damaged.
    """
    local = local_directory(model_uri)
    if local is not None:
        return directories.read_info(local)
    project = project_here()
    place = place_of(project, str(model_uri))
    with at_hand(project, place) as directory:
        info = directories.read_info(directory)
    return replace(
        info,
        model_uri=place.uri if place.version is None else str(model_uri),
        run_id=place.run.id,
        artifact_path=place.path,
        registered_model_version=place.version,
    )
