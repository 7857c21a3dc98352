"""Make a working copy whose run history is there at once, and whose artifacts come when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gtrack.capture.environment import redact_url
from gtrack.config import DIRECTORY, FILE, Config, parse
from gtrack.errors import ConfigError, GitError
from gtrack.git.clone import (
    REMOTE,
    check_free,
    check_limit,
    check_out,
    check_url,
    directory_of,
    discard,
    finish,
    head_branch,
    leave_branch,
    track,
)
from gtrack.git.clone import clone as clone_with_git
from gtrack.git.refs import list_refs
from gtrack.git.repo import Repository
from gtrack.project import Project

LIMIT = "10k"
"""From this size on, in git's units, files stay with the remote.

What is known of an ordinary run is below it: of 100 packages and 100 rows of 5 metrics the files have 3 and 10 kB. A figure of
matplotlib begins at 10 to 15 kB, and a model of any use above that. What lies above it all the same and is needed to answer
questions, a long history, is fetched by its name.
"""
_CODE = "main"

Tell = Callable[[str, int, int], None]
"""Is told what is done, and how much of how much."""


@dataclass(frozen=True)
class Cloned:
    """A clone that was made.

    Attributes:
        path: where it is.
        url: what it was made of, without passwords.
        experiments: how many have runs.
        runs: how many there are.
        models: how many are registered.
        partial: whether large files stayed with the remote.
        limit: from which size on files were to stay there; None when all was wanted.
        notes: what is otherwise than one would expect, a sentence or two each.
    """

    path: Path
    url: str
    experiments: int
    runs: int
    models: int
    partial: bool
    limit: str | None
    notes: tuple[str, ...] = ()


def clone(
    url: str,
    directory: str | None = None,
    *,
    start: Path | None = None,
    limit: str | None = LIMIT,
    tell: Tell = lambda *_: None,
) -> Cloned:
    """Clone a repository: its code is checked out, the history of its runs is there, and the index over them is built.

    Args:
        url: of the remote, or a path on this machine.
        directory: where to, which is not there or is empty; called as the repository in ``start``, when None.
        start: where relative paths begin; the current directory, when None.
        limit: files of this size and above stay with the remote until they are asked for; all come, when None.
        tell: is told how far it is.

    Raises:
        UsageError: the URL or the limit is none.
        GitError: something is in the way, or the repository cannot be cloned; then nothing is left of the clone. Or its code
            could not be checked out, or its runs not be read; then it stays, and the message says what is to be done.
    """
    start = start or Path.cwd()
    limit = check_limit(limit) if limit is not None else None
    place = start / check_url(url)
    if "://" not in url and place.exists():
        url = str(place)
    path = start / (directory or directory_of(url))
    check_free(path)
    existed = path.exists()
    repo, partial = clone_with_git(url, path, limit, tell)
    config, notes = _settings(repo)
    has_runs = track(repo, config.branch)
    notes += _onto_code(repo, config.branch)
    try:
        if head_branch(repo) != config.ref and repo.resolve("HEAD") is not None:
            check_out(repo, tell)
    except KeyboardInterrupt:
        discard(path, existed=existed)
        raise
    except GitError:
        finish(repo)
        raise
    finish(repo)
    if limit is not None and not partial:
        notes.append(
            f"{REMOTE} does not leave anything out (uploadpack.allowFilter is not set there), so everything came."
        )
    if not has_runs:
        notes.append(f"It has no branch {config.branch}, so no runs yet.")
    repo.objects.close()
    experiments, runs, models = _counted(Project(Repository.find(path), config), tell)
    return Cloned(path, redact_url(url), experiments, runs, models, partial, limit, tuple(notes))


def _counted(project: Project, tell: Tell) -> tuple[int, int, int]:
    """Return how many experiments, runs and models there are, from an index that is built for that."""
    try:
        project.index.refresh(lambda done, total: tell("Reading runs into the index", done, total))
        experiments = len({name for name, *_ in project.index.experiments()})
        return experiments, project.index.count(), len(project.registry_reader.ledger().models)
    finally:
        project.close()


def _settings(repo: Repository) -> tuple[Config, list[str]]:
    """Return what the code at HEAD says of its runs; the defaults and why, when that cannot be read."""
    found = repo.objects.get(f"HEAD:{DIRECTORY}/{FILE}")
    if found is None or found.kind != "blob":
        return Config(), []
    try:
        return parse(found.data, f"{DIRECTORY}/{FILE}"), []
    except ConfigError as error:
        return Config(), [f"Its settings cannot be read, so the runs were looked for on {Config().branch}: {error}"]


def _onto_code(repo: Repository, runs_branch: str) -> list[str]:
    """See to it that HEAD is on code, where the remote's is on the runs, or on nothing; return what is to be said of that."""
    head = head_branch(repo)
    on_runs = head == f"refs/heads/{runs_branch}"
    if head is None or (not on_runs and repo.resolve("HEAD") is not None):
        return []
    prefix = f"refs/remotes/{REMOTE}/"
    branches = sorted(ref.removeprefix(prefix) for ref in list_refs(repo, prefix))
    code = [name for name in branches if name not in {runs_branch, "HEAD"}]
    chosen = next((name for name in ("main", "master") if name in code), code[0] if len(code) == 1 else None)
    if chosen is not None:
        track(repo, chosen)
        leave_branch(repo, chosen)
        return [
            f"Its HEAD is on {'the runs' if on_runs else 'no branch that is there'}; {chosen} is checked out instead."
        ]
    if on_runs:
        leave_branch(repo, _CODE)
    if code:
        return [f"Its HEAD is on no code: check out one of {', '.join(code)}."]
    return [] if not branches else ["It has no code, so nothing is checked out."]
