"""Artifacts by a URI: ``runs:/RUN/path``, ``models:/NAME/VERSION``, or what is on disk already."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from gtrack.client.artifacts import in_directory, written_to
from gtrack.client.client import GtrackClient
from gtrack.client.entities import FileInfo
from gtrack.errors import ArtifactNotFound, FormatError, InvalidValue
from gtrack.formats.yamlio import load_mapping
from gtrack.ops.model_uri import MODELS, local_directory, place_of, split_run_uri
from gtrack.records import Run

if TYPE_CHECKING:
    from PIL.Image import Image


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | PurePath | None = None,
    dst_path: str | Path | None = None,
    tracking_uri: str | None = None,
) -> str:
    """Write artifacts to disk: a file, a directory of them, or all of a run.

    Args:
        artifact_uri: ``runs:/RUN/path`` or ``models:/NAME/VERSION``; a path is what it is already.
        run_id: instead of a URI: the run, by any reference.
        artifact_path: below the artifacts of that run; all of them when None.
        dst_path: the directory that they are written into; one in the temporary directory when None.
        tracking_uri: of another repository than that of ``set_tracking_uri``.

    Returns:
        Where they are now.

    Raises:
        InvalidValue: not just one of a URI and a run.
        RunNotFound: no such run.
        ArtifactNotFound: it has nothing there.
        ArtifactError: a file is in the way, or its content is not here.
    """
    client = GtrackClient(tracking_uri)
    local = _local(artifact_uri, run_id)
    if local is None:
        run, path, at = _place(client, artifact_uri, run_id, artifact_path)
        return written_to(dst_path, client.project, run, path, at)
    if not local.exists():
        raise ArtifactNotFound(f"There is nothing at {local}.")
    if dst_path is None:
        return str(local.resolve())
    target = Path(dst_path) / local.name
    if local.is_dir():
        shutil.copytree(local, target, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(local, target)
    return str(target.resolve())


def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | PurePath | None = None,
    tracking_uri: str | None = None,
) -> list[FileInfo]:
    """Return what lies in a directory of a run's artifacts, by name.

    Args:
        artifact_uri: ``runs:/RUN``, ``runs:/RUN/path`` or ``models:/NAME/VERSION``.
        run_id: as for ``download_artifacts``.
        artifact_path: as for ``download_artifacts``.
        tracking_uri: as for ``download_artifacts``.

    Raises:
        InvalidValue: not just one of a URI and a run, or a path on disk.
        RunNotFound: no such run.
    """
    if _local(artifact_uri, run_id) is not None:
        raise InvalidValue(f"{artifact_uri!r} is a path on disk: list it with os.listdir.")
    client = GtrackClient(tracking_uri)
    run, path, at = _place(client, artifact_uri, run_id, artifact_path)
    project = client.project
    return in_directory(project.artifacts(run.id) if at is None else project.store.artifacts(run.id, at), path)


def load_text(artifact_uri: str) -> str:
    """Return an artifact as text in UTF-8.

    Args:
        artifact_uri: as for ``download_artifacts``.

    Raises:
        ArtifactNotFound: there is none.
        FormatError: it is no such text.
    """
    try:
        return _bytes(artifact_uri).decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{artifact_uri} is no text in UTF-8: {error}.") from error


def load_dict(artifact_uri: str) -> Any:
    """Return what an artifact in JSON, or a mapping in YAML, holds.

    Args:
        artifact_uri: as for ``download_artifacts``.

    Raises:
        ArtifactNotFound: there is none.
        FormatError: it is neither.
    """
    data = _bytes(artifact_uri)
    try:
        return json.loads(data)
    except ValueError:
        return load_mapping(data, artifact_uri)


def load_image(artifact_uri: str) -> Image:
    """Return an artifact as a PIL image.

    Args:
        artifact_uri: as for ``download_artifacts``.

    Raises:
        ArtifactNotFound: there is none.
        FormatError: it is no image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(_bytes(artifact_uri)))
        image.load()
    except (UnidentifiedImageError, OSError) as error:
        raise FormatError(f"{artifact_uri} is no image that can be read: {error}.") from error
    return image


def _local(artifact_uri: str | None, run_id: str | None) -> Path | None:
    """Return the path on disk that a URI is; None where it takes a repository to tell."""
    if (artifact_uri is None) is (run_id is None):
        raise InvalidValue("Artifacts are named either by artifact_uri or by run_id and artifact_path.")
    return None if artifact_uri is None else local_directory(artifact_uri)


def _place(
    client: GtrackClient, artifact_uri: str | None, run_id: str | None, artifact_path: str | PurePath | None
) -> tuple[Run, str, str | None]:
    """Return the run, the path below its artifacts, and the commit that holds them when it is a registered version."""
    below = PurePath(artifact_path).as_posix() if artifact_path else ""
    if run_id is not None:
        return client.get_run(run_id), below, None
    uri = artifact_uri or ""
    if uri.startswith(MODELS):
        found = place_of(client.project, uri)
        return found.run, f"{found.path}/{below}".rstrip("/"), found.commit
    named = split_run_uri(uri)
    if named is None:
        raise InvalidValue(f"{uri!r} names no run: write runs:/RUN or runs:/RUN/path.")
    return client.get_run(named[0]), f"{named[1]}/{below}".strip("/"), None


def _bytes(artifact_uri: str) -> bytes:
    local = _local(artifact_uri, None)
    if local is not None:
        if not local.is_file():
            raise ArtifactNotFound(f"There is no file {local}.")
        return local.read_bytes()
    client = GtrackClient()
    run, path, at = _place(client, artifact_uri, None, None)
    if at is None:
        return client.project.artifact_bytes(run.id, path)
    return client.project.store.artifact_bytes(run.id, path, at)
