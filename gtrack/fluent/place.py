"""Where the runs are: the repository that stands in for MLflow's tracking server."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from gtrack.errors import InvalidValue
from gtrack.fluent.active import active, get_run, process, project_at, project_here
from gtrack.formats.names import check_artifact_path
from gtrack.project import Project
from gtrack.records import Run
from gtrack.variables import REPO_VARIABLE

if TYPE_CHECKING:
    from gtrack.git.gitpython import Repo

_SCHEMES = ("gtrack", "file")


def set_tracking_uri(uri: str | PurePath | None) -> None:
    """Say which repository the runs of this process go to, and are read from, from now on.

    Args:
        uri: a path, ``file:`` URI or ``gtrack:`` URI of a repository or of anything in one, there already or not
            (``file:./mlruns`` is the repository around it); None or an empty text: ``GTRACK_REPO``, else the current
            directory, again.

    Raises:
        InvalidValue: another kind of URI: of a server or a database.
        NotARepository: it is in no repository.
    """
    if uri is None or uri == "":
        process.place = None
        return
    directory = directory_of(uri)
    project_at(directory)
    process.place = directory


def get_tracking_uri() -> str:
    """Return the ``gtrack:`` URI of the repository that the runs go to.

    Raises:
        NotARepository: the current directory is in none.
    """
    return uri_of(project_here())


def uri_of(project: Project) -> str:
    """Return the ``gtrack:`` URI of a project's repository."""
    return f"gtrack://{quote((project.repo.root or project.repo.git_dir).absolute().as_posix())}"


def is_tracking_uri_set() -> bool:
    """Tell whether the repository was named, by ``set_tracking_uri`` or ``GTRACK_REPO``."""
    return bool(process.place or os.environ.get(REPO_VARIABLE))


def git_repo() -> Repo:
    """Return the repository that the runs are in as GitPython's ``git.Repo``, for all that git knows and gtrack does not tell.

    ``gtrack.git_repo().commit(run.code.commit).tree / "train.py"`` is the script as it ran.

    Raises:
        NotARepository: the current directory is in none.
        GitError: GitPython cannot open it.
    """
    from gtrack.git.gitpython import open_repo  # noqa: PLC0415 - few scripts ask

    return open_repo(project_here().repo)


def set_registry_uri(uri: str | PurePath | None) -> None:
    """Say where models are registered: it can only be the repository that the runs are in.

    Args:
        uri: as for ``set_tracking_uri``, of the same repository.

    Raises:
        InvalidValue: another kind of URI, or another repository: a version is a tag on a run's commit.
        NotARepository: it is in no repository.
    """
    check_registry(uri, project_here())


def check_registry(uri: str | PurePath | None, project: Project) -> None:
    """Refuse any place for models but the repository that the runs are in.

    Raises:
        InvalidValue: it is another.
        NotARepository: it is in no repository.
    """
    if uri is None or uri == "":
        return
    there, here = project_at(directory_of(uri)).repo, project.repo
    if there.common_dir.resolve() != here.common_dir.resolve():
        raise InvalidValue(
            f"Models are registered in the repository that their runs are in ({here.root or here.git_dir}), not in {uri}: a "
            "version is a tag on a run's commit. Name that repository by set_tracking_uri()."
        )


def get_registry_uri() -> str:
    """Return the same as ``get_tracking_uri``: models are registered in the repository that their runs are in.

    Raises:
        NotARepository: the current directory is in none.
    """
    return get_tracking_uri()


def directory_of(uri: str | PurePath) -> str:
    """Return the nearest directory that is there, of a path or URI.

    Raises:
        InvalidValue: a URI of another kind.
    """
    if not isinstance(uri, (str, PurePath)):
        raise InvalidValue(f"A tracking URI is text or a path, not {type(uri).__name__}.")
    path = Path.cwd() / _path_of(str(uri))
    while not path.is_dir() and path != path.parent:
        path = path.parent
    return str(path)


def _path_of(uri: str) -> str:
    scheme, colon, rest = uri.partition(":")
    if not colon or "/" in scheme or "\\" in scheme:
        if uri.startswith("databricks"):
            raise _other(uri)
        return uri
    if scheme.lower() not in _SCHEMES:
        raise _other(uri)
    if not rest.startswith("//"):
        return unquote(rest)
    parts = urlsplit(uri)
    if parts.netloc not in {"", "localhost"}:
        raise InvalidValue(
            f"{uri!r} names a path on the machine {parts.netloc!r}. Three slashes begin a path of this one: "
            f"{scheme}:///…; a relative one has none: {scheme}:…"
        )
    return unquote(parts.path)


def _other(uri: str) -> InvalidValue:
    return InvalidValue(
        f"Runs cannot be tracked at {uri!r}: they live in a git repository, there is no server and no database. Leave the "
        "line out to use the repository of the current directory, or name one: a path, 'file:PATH' or 'gtrack:PATH'."
    )


def get_artifact_uri(artifact_path: str | PurePath | None = None) -> str:
    """Return the URI of the active run's artifacts, or of one of them: ``runs:/<run id>/<path>``.

    Args:
        artifact_path: path below the artifacts.

    Raises:
        InvalidPath: an unsafe path.
    """
    run = active("get_artifact_uri")
    base = f"runs:/{run.id}"
    if artifact_path is None or artifact_path == "":
        return base
    return f"{base}/{check_artifact_path(PurePath(artifact_path).as_posix())}"


def get_parent_run(run_id: str) -> Run | None:
    """Return the run that a run is nested in; None when it is in none.

    Args:
        run_id: the nested run, as for ``get_run``.

    Raises:
        RunNotFound: no such run, or its parent was removed.
    """
    parent = get_run(run_id).parent
    return None if parent is None else get_run(parent)
