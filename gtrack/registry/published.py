"""Which tag objects were seen on a remote: what is published is never numbered anew.

A file in the git directory of all worktrees, an object id a line. Without it (a new clone) a tag that a remote has rewritten
since is taken for one that lost its name to a quicker one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gtrack.errors import GitError, GTrackError

if TYPE_CHECKING:
    from pathlib import Path

    from gtrack.git.repo import Repository
    from gtrack.git.tags import Tag


def _file(repo: Repository) -> Path:
    return repo.common_dir / "gtrack" / "published"


def seen(repo: Repository) -> set[str]:
    """Return the ids of the tag objects that were on a remote."""
    try:
        return set(_file(repo).read_text(encoding="ascii", errors="replace").split())
    except FileNotFoundError:
        return set()


def remember(repo: Repository, oids: Iterable[str]) -> None:
    """Keep that tag objects are on a remote.

    Raises:
        GitError: that cannot be written.
    """
    new = sorted(set(oids) - seen(repo))
    path = _file(repo)
    try:
        if new:
            path.parent.mkdir(exist_ok=True)
            with path.open("a", encoding="ascii") as file:  # one write, so that lines of two processes do not mix
                file.write("".join(f"{oid}\n" for oid in new))
    except OSError as error:
        raise GitError(
            f"{path}, which says what is published, cannot be written: {error.strerror or error}."
        ) from error


def check_not_rewritten(repo: Repository, lost: Iterable[Tag], remote: str) -> None:
    """Check that tags whose names have another content on a remote were never published.

    Raises:
        GTrackError: one was; the remote has rewritten it.
    """
    known = seen(repo)
    rewritten = next((tag.name for tag in lost if tag.oid in known), None)
    if rewritten is not None:
        raise GTrackError(
            f"{rewritten} was published as it is here, and {remote} has another tag of this name: it was rewritten there, or "
            f"yours is of another remote. Nothing is changed. Find out which is right; if it is theirs: git tag -d '{rewritten}'."
        )
