"""Put files among a run's artifacts: copied whole, under a safe path, or not at all.

What is large is hashed in the same pass, and the digest kept beside the artifacts (``store.large.digests``): the commit then
makes it an object of the LFS store by a link, and neither copies nor reads it. Until then it is no object: a checkpoint that is
replaced many times while the run goes on leaves nothing behind.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from gtrack.errors import ArtifactError, InvalidPath
from gtrack.formats.names import check_artifact_path
from gtrack.git.lfs import READ_ONLY
from gtrack.store.large.copying import copy_hashed
from gtrack.store.large.digests import WORTH_IT, remember

_RESERVED = ".gitattributes"


def add_file(artifacts: Path, source: Path, artifact_path: str) -> None:
    """Copy ``source`` to ``artifact_path`` below ``artifacts``.

    Raises:
        InvalidPath: an unsafe path, or one where a directory is.
        ArtifactError: the source is missing, no regular file, unreadable, or changed while it was copied.
    """
    target = target_of(artifacts, artifact_path)
    before = check_source(source)
    temporary = artifacts.parent / f".{secrets.token_hex(8)}.part"  # dot files at the top are never committed
    try:
        digest: str | None = None
        if before.st_size >= WORTH_IT:
            digest = copy_hashed(source, temporary)
            temporary.chmod(READ_ONLY)
        else:
            shutil.copyfile(source, temporary)
        _check_unchanged(source, before)
        if digest is not None:
            remember(artifacts.parent, target, temporary, digest)
        _put(temporary, target, artifact_path)
    except ArtifactError:
        raise
    except PermissionError as error:
        raise ArtifactError(f"{error.filename or source} cannot be read: {error.strerror}.") from error
    except OSError as error:
        raise _not_kept(artifact_path, artifacts, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def add_bytes(artifacts: Path, data: bytes, artifact_path: str) -> None:
    """Write ``data`` to ``artifact_path`` below ``artifacts``.

    Raises:
        InvalidPath: an unsafe path, or one where a directory is.
    """
    target = target_of(artifacts, artifact_path)
    temporary = artifacts.parent / f".{secrets.token_hex(8)}.part"  # dot files at the top are never committed
    try:
        temporary.write_bytes(data)
        if len(data) >= WORTH_IT:
            temporary.chmod(READ_ONLY)
            remember(artifacts.parent, target, temporary, sha256(data).hexdigest())
        _put(temporary, target, artifact_path)
    except OSError as error:
        raise _not_kept(artifact_path, artifacts, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _check_unchanged(source: Path, before: os.stat_result) -> None:
    after = source.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise ArtifactError(
            f"{source} changed while it was copied ({before.st_size} to {after.st_size} bytes). "
            "Log it when its writer is done."
        )


def _not_kept(artifact_path: str, artifacts: Path, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"The artifact {artifact_path!r} could not be written to {artifacts}: {error.strerror or error}. "
        "It is not among the run's artifacts; what was logged before is kept."
    )


def check_source(source: Path) -> os.stat_result:
    """Return what is known of a file that is to be copied.

    Raises:
        ArtifactError: it is missing, a broken link, or no regular file.
    """
    try:
        found = source.stat()
    except FileNotFoundError:
        if source.is_symlink():
            raise ArtifactError(f"{source} is a link to {source.readlink()}, which does not exist.") from None
        raise ArtifactError(f"{source} does not exist, so it cannot be logged as an artifact.") from None
    except OSError as error:
        raise ArtifactError(f"{source} cannot be read: {error.strerror}.") from error
    if stat.S_ISDIR(found.st_mode):
        raise ArtifactError(f"{source} is a directory. Log all of it with log_artifacts({str(source)!r}).")
    if not stat.S_ISREG(found.st_mode):
        raise ArtifactError(f"{source} is a {_kind(found.st_mode)}, not a file, so it cannot be logged as an artifact.")
    return found


def _kind(mode: int) -> str:
    names = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
    return names.get(stat.S_IFMT(mode), "special file")


def walk(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield relative path and file of everything in ``directory``, by name.

    Raises:
        ArtifactError: it is no directory, or has something that is no file, or a link to a directory, in it.
    """
    if not directory.is_dir():
        what = "is not a directory; log a file with log_artifact" if directory.exists() else "does not exist"
        raise ArtifactError(f"{directory} {what}.")
    for place, folders, names in os.walk(directory):
        folders.sort()
        for folder in folders:
            if Path(place, folder).is_symlink():
                raise ArtifactError(
                    f"{Path(place, folder)} is a link to a directory; log that directory by its own path."
                )
        for name in sorted(names):
            path = Path(place, name)
            check_source(path)
            yield path.relative_to(directory).as_posix(), path


def target_of(artifacts: Path, artifact_path: str) -> Path:
    """Return where an artifact goes, with the directories above it made.

    Raises:
        InvalidPath: an unsafe path, or one that goes through a file.
        ArtifactError: the run is no longer there, or the disk refuses.
    """
    checked = check_artifact_path(artifact_path)
    if checked == _RESERVED:
        raise InvalidPath(f"The artifact path {_RESERVED!r} is git's own; choose another.")
    target = artifacts / checked
    try:
        # One by one from the artifacts down: the live directory of a run that has ended must not come back.
        for folder in (artifacts, *(artifacts / parent for parent in reversed(Path(checked).parents[:-1]))):
            folder.mkdir(exist_ok=True)
    except FileNotFoundError:
        raise ArtifactError(
            f"The artifact {artifact_path!r} cannot be kept: its run was ended or removed, there is no {artifacts.parent}."
        ) from None
    except (FileExistsError, NotADirectoryError):
        raise InvalidPath(f"The artifact path {artifact_path!r} goes through an artifact that is a file.") from None
    except OSError as error:
        raise _not_kept(artifact_path, artifacts, error) from error
    return target


def _put(temporary: Path, target: Path, artifact_path: str) -> None:
    try:
        temporary.replace(target)
    except (IsADirectoryError, PermissionError):
        if target.is_dir():
            raise InvalidPath(f"The artifact path {artifact_path!r} is a directory of this run's artifacts.") from None
        raise
