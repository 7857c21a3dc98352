"""The repository as GitPython gives it to scripts, which know that library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.git.repo import Repository

if TYPE_CHECKING:
    from git import Repo  # noqa: TC004 - it is named for type checkers alone; to import it takes 50 ms

__all__ = ["Repo", "open_repo"]


def open_repo(repo: Repository) -> Repo:
    """Return GitPython's object of a repository, or of the working tree of it that ``repo`` is.

    Raises:
        GitError: GitPython cannot open it.
    """
    from git import Repo as Opened  # takes 50 ms
    from git.exc import InvalidGitRepositoryError, NoSuchPathError

    place = repo.root or repo.git_dir
    try:
        return Opened(place)
    except (InvalidGitRepositoryError, NoSuchPathError) as error:
        raise GitError(f"GitPython cannot open the repository at {place}: {error}") from error
