"""Which large artifacts a branch names, sent to a remote and fetched from there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gtrack.formats.names import ARTIFACTS, EXPERIMENTS
from gtrack.git.lfs import MAX_POINTER, Pointer
from gtrack.git.promisor import is_partial, sizes_here

if TYPE_CHECKING:
    from gtrack.git.progress import Tell
    from gtrack.git.repo import Repository
    from gtrack.project import Project
    from gtrack.store.large.moving import Uploaded, Wanted

_PATH = re.compile(rf"{EXPERIMENTS}/[^/]+/[0-9a-f]{{2}}/[0-9a-f]{{32}}/{ARTIFACTS}/.")


def pointers_between(repo: Repository, have: str | None, want: str) -> list[Pointer]:
    """Return the pointers of large artifacts in the history of a commit, less those in the history of another.

    Also those of runs that were removed since, since they can be restored.

    Args:
        repo: the repository.
        have: a commit whose pointers are not wanted; none, when None.
        want: the commit, of the runs branch.

    Raises:
        GitError: one of them is not here.
    """
    return list(dict.fromkeys(pointer for _, pointer in _listed(repo, have, want)))


def named_between(repo: Repository, have: str | None, want: str, pointers: Sequence[Pointer]) -> list[Wanted]:
    """Return which artifacts of which runs some of ``pointers_between`` are of, one for each.

    Raises:
        GitError: one of those in between is not here.
    """
    from gtrack.store.large.moving import Wanted  # noqa: PLC0415 - see ``upload``

    found: dict[Pointer, Wanted] = {}
    for path, pointer in _listed(repo, have, want):
        run_id, _, artifact = path.split("/", 3)[3].partition(f"/{ARTIFACTS}/")
        found.setdefault(pointer, Wanted(run_id, artifact, pointer))
    return [found[one] for one in pointers if one in found]


def _listed(repo: Repository, have: str | None, want: str) -> list[tuple[str, Pointer]]:
    less = [f"^{have}"] if have is not None else []
    partial = is_partial(repo)
    # A partial clone has all pointers, unless it was made to leave even such small files out: nothing is fetched to see.
    lenient = ["--missing=allow-any"] if partial else []
    command = ("rev-list", "--objects", f"--filter=blob:limit={MAX_POINTER + 1}", *lenient, want, *less, "--")
    listed = (line.partition(" ") for line in repo.run(*command).decode(errors="surrogateescape").splitlines())
    paths = {oid: path for oid, _, path in listed if _PATH.match(path)}
    blobs = list(paths)
    if partial:
        sizes = sizes_here(repo, blobs)
        blobs = [oid for oid in blobs if sizes.get(oid, MAX_POINTER + 1) <= MAX_POINTER]
    found = (Pointer.decode(one.data) if one is not None else None for one in repo.objects.many(blobs))
    return [(paths[oid], pointer) for oid, pointer in zip(blobs, found, strict=True) if pointer is not None]


def upload(project: Project, remote: str, pointers: Sequence[Pointer], progress: Tell = lambda *_: None) -> Uploaded:
    """Send large artifacts to where everybody finds them: ``artifacts.remote``, else the LFS server of a git remote.

    Args:
        project: where they are.
        remote: the git remote that the branch goes to afterwards.
        pointers: of the objects; what is there already is not sent again.
        progress: is told how many bytes of how many are there.

    Returns:
        What was sent, and which objects are neither there nor here.

    Raises:
        ArtifactError: the store does not take them, or one is damaged here.
        GitError: the remote does not take them, has no LFS server, or git-lfs is not installed.
    """
    # Its threads take as long to import as all that a push without large artifacts needs of the branch.
    from gtrack.store.large.moving import send  # noqa: PLC0415

    return send(project.repo, project.config, remote, pointers, progress)


def download(project: Project, remote: str | None, wanted: Sequence[Wanted], progress: Tell = lambda *_: None) -> int:
    """Fetch large artifacts that are not here, and return how many were fetched.

    Args:
        project: where to.
        remote: the git remote whose LFS server is asked, beside ``artifacts.remote``; all of them, when None.
        wanted: which ones.
        progress: is told how many bytes of how many are here.

    Raises:
        ArtifactError: one is not to be had; the message names it, its size and where it was looked for.
    """
    from gtrack.store.large.moving import bring  # noqa: PLC0415 - see ``upload``

    return bring(project.repo, project.config, wanted, remote, progress)
