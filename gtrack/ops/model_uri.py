"""Where a model is: ``runs:/REF/path``, ``models:/NAME/VERSION`` and a local directory, brought to hand as a directory.

A registered version is what the commit holds that its tag is on: whatever is done to the run or to the runs branch since, or
that neither is in this clone, changes nothing.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gtrack.errors import ArtifactNotFound, FormatError, InvalidValue
from gtrack.formats.names import check_artifact_path
from gtrack.models.mlmodel import MLMODEL, read_mlmodel
from gtrack.ops.get import write_out
from gtrack.ops.lineage import held
from gtrack.project import Project
from gtrack.records import MLFLOW_STAGES, ModelVersion, Run
from gtrack.registry.tag_names import parse_reference

RUNS = "runs:/"
MODELS = "models:/"
_FORMS = (
    "'runs:/RUN/model', 'models:/NAME/VERSION', 'models:/NAME/STAGE', 'models:/NAME@STAGE', 'NAME@VERSION', 'NAME#STAGE' or a "
    "directory"
)


@dataclass(frozen=True)
class ModelPlace:
    """A model of a run.

    Attributes:
        run: the run.
        path: of the model's directory, below the run's artifacts.
        version: its number in the registry, when it was named by that.
        commit: the commit that holds it, of a version; it is looked for where the run is now, when None.
    """

    run: Run
    path: str
    version: int | None = None
    commit: str | None = None

    @property
    def uri(self) -> str:
        """Its ``runs:/`` URI, by the whole id."""
        return f"{RUNS}{self.run.id}/{self.path}"


def local_directory(uri: object) -> Path | None:
    """Return the directory that a URI names by itself, None when it takes a repository to tell.

    Raises:
        InvalidValue: a URI of a kind that there is not.
    """
    if isinstance(uri, Path):
        return uri
    if not isinstance(uri, str) or not uri:
        raise InvalidValue(f"A model is named by text such as {_FORMS}, not {uri!r}.")
    if uri.startswith((RUNS, MODELS)):
        return None
    if uri.startswith("file:"):
        return Path(uri.removeprefix("file://" if uri.startswith("file://") else "file:"))
    if "://" in uri or uri.startswith(("runs:", "models:")):
        raise InvalidValue(f"{uri!r} names no model that gtrack can load: give {_FORMS}.")
    return None if _is_version(uri) else Path(uri)


def _is_version(uri: str) -> bool:
    """Tell whether it names a version as the registry's commands do, and no directory that is there: ``churn#production``."""
    return ("@" in uri or "#" in uri) and parse_reference(uri) is not None and not Path(uri).exists()


def split_run_uri(uri: object) -> tuple[str, str] | None:
    """Return the reference to a run and the path (maybe empty) of ``runs:/REF/path``; None where it is no such URI."""
    if not isinstance(uri, str) or not uri.startswith(RUNS):
        return None
    ref, _, path = uri.removeprefix(RUNS).strip("/").partition("/")
    return (ref, path) if ref else None


def place_of(project: Project, uri: str) -> ModelPlace:
    """Return the model that a ``runs:/`` or ``models:/`` URI names, or a version as the registry's commands call it.

    Raises:
        InvalidValue: it is neither.
        RunNotFound: no such run; or the tag of the version is on a commit that is not here, or does not hold it.
        GTrackError: no such model, version or stage.
    """
    if uri.startswith(RUNS):
        ref, path = split_run_uri(uri) or ("", "")
        if not path:
            raise InvalidValue(f"{uri!r} names no model: write runs:/RUN/PATH, such as runs:/last/model.")
        return ModelPlace(project.resolve(ref), check_artifact_path(path))
    if uri.startswith(MODELS):
        return _registered(project, uri)
    if _is_version(uri):
        return _place(project, uri, project.registry_reader.version(uri))
    raise InvalidValue(f"{uri!r} names no model: give {_FORMS}.")


def _registered(project: Project, uri: str) -> ModelPlace:
    said = uri.removeprefix(MODELS).strip("/")
    name, at, alias = said.rpartition("@")
    if not at:
        name, _, alias = said.rpartition("/")
    if not name or not alias:
        raise InvalidValue(
            f"{uri!r} names no version: write models:/NAME/3, models:/NAME/latest, models:/NAME/production or models:/NAME@STAGE."
        )
    if alias.lower() in MLFLOW_STAGES:
        alias = alias.lower()
    if alias == "latest":
        versions = [one for one in project.registry_reader.versions(name) if one.registered]
        found = max(versions, key=lambda one: one.version) if versions else project.registry_reader.version(f"{name}@1")
    else:
        number = alias.removeprefix("v")
        found = project.registry_reader.version(f"{name}@{alias}" if number[:1].isdigit() else f"{name}#{alias}")
    return _place(project, uri, found)


def _place(project: Project, uri: str, found: ModelVersion) -> ModelPlace:
    if found.run_id is None or found.artifact is None:
        raise InvalidValue(f"{uri!r} is a tag on a commit that is no run's, so there is no model to load.")
    return ModelPlace(held(project, found).run, check_artifact_path(found.artifact), found.version, found.commit)


@contextmanager
def at_hand(project: Project, place: ModelPlace) -> Iterator[Path]:
    """Give a directory that holds a model: that of a live run itself, else a copy that goes when it has been used.

    A version comes from the commit that its tag is on, never from what is now where it was.

    Raises:
        ArtifactNotFound: the run has no model there.
        ArtifactError: its content is not here, or the disk refuses.
    """
    live = project.live.find(place.run.id) if place.commit is None else None
    if live is not None and (live.artifacts / place.path / MLMODEL).is_file():
        yield live.artifacts / place.path
        return
    known = (
        project.artifacts(place.run.id) if place.commit is None else project.store.artifacts(place.run.id, place.commit)
    )
    chosen = [one for one in known if one.path.startswith(f"{place.path}/")]
    if not any(one.path == f"{place.path}/{MLMODEL}" for one in chosen):
        models = [one.path.removesuffix(f"/{MLMODEL}") for one in known if one.path.endswith(f"/{MLMODEL}")]
        has = f"It has: {', '.join(models)}." if models else "It has none."
        raise ArtifactNotFound(f"Run {place.run.name} ({place.run.short_id}) has no model at {place.path!r}. {has}")
    directory = tempfile.mkdtemp(prefix="gtrack-model-")
    keep = False
    try:
        write_out(project, place.run, chosen, Path(directory), at=place.commit)
        model = Path(directory, place.path)
        keep = _has_artifacts(model)
        yield model
    finally:
        if keep:  # a Python model may read them whenever it likes
            atexit.register(shutil.rmtree, directory, ignore_errors=True)
        else:
            shutil.rmtree(directory, ignore_errors=True)


def _has_artifacts(directory: Path) -> bool:
    try:
        return any(conf.get("artifacts") for conf in read_mlmodel(directory).flavours.values())
    except FormatError:
        return False
