"""Write artifacts of a run out, safely: what is in a repository may come from a stranger."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gtrack.errors import ArtifactError, ArtifactNotFound
from gtrack.formats.names import check_artifact_path
from gtrack.git.progress import Tell
from gtrack.project import Project
from gtrack.records import Artifact, Run
from gtrack.store.large.content import Content, used


@dataclass(frozen=True)
class Written:
    """A file that an artifact was written to; ``changed`` is False when it was there already, byte for byte."""

    artifact: Artifact
    path: Path
    changed: bool


def choose(project: Project, run: Run, path: str | None, *, at: str | None = None) -> list[Artifact]:
    """Return the artifact at ``path``, all below it when it is a directory, or all when it is None.

    Args:
        project: where the run is.
        run: whose artifacts.
        path: which of them.
        at: the commit that they are taken from; as they are now, when None.

    Raises:
        InvalidPath: an unsafe path.
        ArtifactNotFound: the run has none there.
    """
    known = project.artifacts(run.id) if at is None else project.store.artifacts(run.id, at)
    if path is None:
        if not known:
            raise ArtifactNotFound(f"Run {run.name} has no artifacts.")
        return known
    wanted = check_artifact_path(path.rstrip("/"))
    chosen = [artifact for artifact in known if artifact.path == wanted or artifact.path.startswith(f"{wanted}/")]
    if not chosen:
        raise ArtifactNotFound.of(run.name, path, [artifact.path for artifact in known])
    return chosen


def bring(
    project: Project, run: Run, artifacts: Sequence[Artifact], *, at: str | None = None, tell: Tell = lambda *_: None
) -> None:
    """Fetch what is not here of artifacts of a run, several at once.

    Args:
        project: where the run is.
        run: whose artifacts; one that goes on has those here that it logged since.
        artifacts: which ones.
        at: as for ``choose``.
        tell: told how far it is.

    Raises:
        ArtifactError: some are nowhere to be had.
    """
    live = project.live.find(run.id) if at is None else None
    paths = [one.path for one in artifacts if live is None or not (live.artifacts / one.path).is_file()]
    project.store.bring({run.id: paths}, at, tell)


def write_out(
    project: Project,
    run: Run,
    artifacts: list[Artifact],
    directory: Path,
    *,
    at: str | None = None,
    force: bool = False,
    tell: Callable[[Written], None] = lambda _: None,
    progress: Tell = lambda *_: None,
) -> None:
    """Write artifacts into a directory, under their paths; none of them when one cannot be.

    Args:
        project: where the run is.
        run: whose artifacts.
        artifacts: which ones.
        directory: where to; made when it does not exist.
        at: as for ``choose``.
        force: replace files that are there and differ.
        tell: told of every file as it is written.
        progress: told how far the fetching is of what is not here.

    Raises:
        InvalidPath: an unsafe path; nothing is written.
        ArtifactError: a file is in the way, a path leads through a link, the content is not here, or the disk refuses.
    """

    def content(path: str) -> Content:
        return project.artifact(run.id, path) if at is None else project.store.artifact(run.id, path, at)

    bring(project, run, artifacts, at=at, tell=progress)
    targets = [(artifact, _target(directory, artifact.path)) for artifact in artifacts]
    for artifact, target in targets:
        _check_way(directory, artifact.path)
        if not force and _is_there(target) and not _same(target, content(artifact.path)):
            raise ArtifactError(f"{target} is there already and differs. Give another directory with -o, or --force.")
    for artifact, target in targets:
        try:
            tell(_write(content, artifact, target, directory))
        except OSError as error:
            if isinstance(error, ArtifactError):
                raise
            raise ArtifactError(f"{target} cannot be written: {error.strerror or error}.") from error


def _target(directory: Path, path: str) -> Path:
    return directory.joinpath(*PurePosixPath(check_artifact_path(path)).parts)


def _is_there(target: Path) -> bool:
    return os.path.lexists(target)


def _check_way(directory: Path, path: str) -> None:
    """Refuse a way that leads through a link or a file, or ends at anything but a file."""
    way = directory
    parts = PurePosixPath(path).parts
    for number, part in enumerate(parts, start=1):
        way /= part
        try:
            mode = way.lstat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise ArtifactError(f"{way} cannot be looked at: {error.strerror or error}.") from error
        last = number == len(parts)
        if stat.S_ISLNK(mode):
            raise ArtifactError(f"{way} is a link; artifacts are not written through links. Remove it, or use -o.")
        if last and not stat.S_ISREG(mode):
            raise ArtifactError(f"{way} is there and is no file, so no artifact can be written to it.")
        if not last and not stat.S_ISDIR(mode):
            raise ArtifactError(f"{way} is there and is no directory, but {path} needs it to be one.")


def _same(target: Path, content: Content) -> bool:
    try:
        return content.is_in(target)
    except OSError as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"{target} cannot be read: {error.strerror or error}.") from error


def _write(content: Callable[[str], Content], artifact: Artifact, target: Path, directory: Path) -> Written:
    target.parent.mkdir(parents=True, exist_ok=True)
    _check_way(directory, artifact.path)  # once more: somebody may have been here since
    if _is_there(target) and _same(target, content(artifact.path)):
        return Written(artifact, target, changed=False)
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        used(lambda: content(artifact.path), lambda found: found.write_to(temporary))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return Written(artifact, target, changed=True)
