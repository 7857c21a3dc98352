"""Put a whole directory among a run's artifacts: all of it at once, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from gtrack.errors import ArtifactError, InvalidPath
from gtrack.store.artifacts import target_of

_Told = TypeVar("_Told")


def add_directory(
    artifacts: Path,
    artifact_path: str,
    fill: Callable[[Path], _Told],
    *,
    replacing: bool = False,
    confirm: Callable[[], None] = lambda: None,
) -> _Told:
    """Have a directory filled out of sight, and move it to ``artifact_path`` below ``artifacts``.

    Args:
        artifacts: those of a live run.
        artifact_path: where nothing may be yet, unless it is replaced.
        fill: writes into the empty directory that it is given; what it returns is returned.
        replacing: whether a directory that is there gives way; it stays until the new one is filled.
        confirm: called when the new one is in its place; when it raises, all is put back as it was.

    Raises:
        InvalidPath: an unsafe path, or one where something is already.
        ArtifactError: the run is no longer there, or the disk refuses.
    """
    target = target_of(artifacts, artifact_path)
    if os.path.lexists(target) and not (replacing and _is_directory(target)):
        raise _taken(artifact_path)
    temporary = artifacts.parent / f".{secrets.token_hex(8)}.part"  # dot files at the top are never committed
    try:
        temporary.mkdir()
        told = fill(temporary)
        aside = _exchange(temporary, target) if replacing and _is_directory(target) else None
        if aside is None:
            temporary.rename(target)  # refused by the system when another thread has put something there meanwhile
    except FileExistsError:
        raise _taken(artifact_path) from None
    except OSError as error:
        if isinstance(error, ArtifactError):
            raise
        if target.is_dir():
            raise _taken(artifact_path) from None
        raise ArtifactError(
            f"The artifact {artifact_path!r} could not be written to {artifacts}: {error.strerror or error}. "
            "It is not among the run's artifacts; what was logged before is kept."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    try:
        confirm()
    except BaseException:
        _take_back(target, temporary, aside)
        raise
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)
    return told


def _take_back(target: Path, temporary: Path, aside: Path | None) -> None:
    """Take away what is at ``target``, and put what was there before it in its place."""
    with suppress(OSError):  # the error that led here is the one to tell
        target.rename(temporary)
        if aside is not None:
            aside.rename(target)
    shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, target: Path) -> Path:
    """Put ``new`` where ``target`` is, and return where that is now: two renames, as Python has none that exchanges."""
    aside = new.with_name(f".{secrets.token_hex(8)}.part")
    target.rename(aside)
    try:
        new.rename(target)
    except BaseException:
        with suppress(OSError):
            aside.rename(target)
        raise
    return aside


def _is_directory(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _taken(artifact_path: str) -> InvalidPath:
    return InvalidPath(
        f"The run has an artifact at {artifact_path!r} already, and what was logged is not replaced: choose another path."
    )
