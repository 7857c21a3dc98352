"""The runs branch of a remote: where it is, where it was when we last looked, and its commits brought here.

Where it was is kept by a ref of ours, ``refs/gtrack/seen/<remote>/<branch>``, besides ``refs/remotes/<remote>/<branch>``: the
latter is also moved by ``git fetch``, over whatever it was at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from gtrack.errors import RefChanged
from gtrack.git.promisor import commits_here, is_partial
from gtrack.git.refs import Update, update
from gtrack.git.remotes import default_remote, fetch_refs, known_remote, list_remote_refs, push_url, without_secrets
from gtrack.git.tags import TAGS
from gtrack.registry.tag_names import parse

if TYPE_CHECKING:
    from gtrack.git.progress import Tell
    from gtrack.git.repo import Repository
    from gtrack.project import Project

SEEN = "refs/gtrack/seen"
"""Below it stands where the runs branch of each remote was."""
_MOST_NAMED = 50
_ENTRIES = 200


@dataclass(frozen=True)
class RemoteBranch:
    """The runs branch of a remote, and its registry tags, as they were a moment ago.

    Attributes:
        name: what people call the remote, without secrets.
        place: what git is given: name or URL.
        ref: the full name of the branch.
        seen: the ref of ours that keeps where the branch was.
        tracking: the remote-tracking ref that git itself keeps; None for a URL.
        tip: the branch's newest commit; None when the remote has no such branch.
        tags: the registry tags, name to the id of the object.
    """

    name: str
    place: str
    ref: str
    seen: str
    tracking: str | None
    tip: str | None
    tags: Mapping[str, str]


def chosen_remote(project: Project, remote: str | None) -> str:
    """Return the remote that was named, or the usual one.

    Raises:
        UsageError: there is no such remote, or none is named and none is the usual one.
    """
    return default_remote(project.repo) if remote is None else known_remote(project.repo, remote)


def look(project: Project, remote: str, *, pushing: bool = False) -> RemoteBranch:
    """Ask a remote where its runs branch is and which registry tags it has, by one question.

    Args:
        project: the project.
        remote: name or URL.
        pushing: ask where pushes go, if that is elsewhere.

    Raises:
        GitError: the remote cannot be reached, or does not answer.
    """
    repo, config = project.repo, project.config
    place = push_url(repo, remote) if pushing else remote
    named = place in repo.run("remote").decode(errors="replace").split()
    refs = list_remote_refs(repo, place, config.ref, f"{TAGS}*@*", f"{TAGS}*#*")
    tags = {ref.removeprefix(TAGS): oid for ref, oid in refs.items() if ref.startswith(TAGS)}
    key = place if named else sha256(place.encode(errors="surrogateescape")).hexdigest()[:16]
    return RemoteBranch(
        name=without_secrets(remote),
        place=place,
        ref=config.ref,
        seen=f"{SEEN}/{key}/{config.branch}",
        tracking=f"refs/remotes/{place}/{config.branch}" if named else None,
        tip=refs.get(config.ref),
        tags={tag: oid for tag, oid in tags.items() if parse(tag) is not None},
    )


def bring(project: Project, branch: RemoteBranch, tell: Tell, *, with_tags: bool = True) -> None:
    """Fetch the commits of the branch, and the tag objects, that are not here. No ref is moved.

    Raises:
        GitError: the remote cannot be reached, or does not give them.
    """
    repo = project.repo
    wanted = []
    # A commit that is here may be one that a fetch, cut short, has brought without its trees; what a ref reaches is whole.
    if branch.tip is not None and not any(contains(repo, ref, branch.tip) for ref in (branch.ref, branch.seen)):
        wanted.append(branch.ref)
    tags = branch.tags if with_tags else {}
    found = commits_here(repo, tags.values())
    missing = [f"{TAGS}{tag}" for tag, oid in tags.items() if oid not in found]
    if len(missing) > _MOST_NAMED:  # git compares each name with each ref, which takes minutes for thousands
        missing = [f"{TAGS}*"]
    if wanted or missing:
        fetch_refs(repo, branch.place, [*wanted, *missing], tell)


def last_known(repo: Repository, branch: RemoteBranch, local: str) -> str | None:
    """Return the newest commit that the remote's branch is known to have been at and that ``local`` contains.

    That is what the ref of ours says, else (a clone that has not been pulled into by gtrack) what is known of the
    remote-tracking ref, now or earlier.
    """
    seen = repo.resolve(branch.seen)
    if seen is not None and contains(repo, local, seen):
        return seen
    candidates = [repo.resolve(branch.tracking), *_earlier(repo, branch.tracking)] if branch.tracking else []
    return next((one for one in candidates if one is not None and contains(repo, local, one)), None)


def _earlier(repo: Repository, ref: str) -> list[str]:
    """Return where a ref was before, by its log, the newest first."""
    try:
        lines = (repo.common_dir / "logs" / ref).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # it has none
        return []
    olds = [line.split(" ", 2)[:2] for line in reversed(lines[-_ENTRIES:])]
    found = dict.fromkeys(oid for pair in olds for oid in reversed(pair))
    known = commits_here(repo, [oid for oid in found if len(oid) == len(repo.null_oid) and oid != repo.null_oid])
    return [oid for oid in found if oid in known]


def note_seen(project: Project, branch: RemoteBranch, tip: str) -> None:
    """Keep that the remote's branch is at ``tip``, which is here.

    Raises:
        GitError: git refuses.
    """
    refs = [ref for ref in (branch.seen, branch.tracking) if ref is not None]
    moves = [Update(ref, tip) for ref in refs if project.repo.resolve(ref) != tip]
    if moves:
        try:
            update(project.repo, moves, project.identity(), f"gtrack: {branch.name}")
        except RefChanged:  # somebody else has looked, too
            return


def forget_seen(project: Project, branch: RemoteBranch) -> None:
    """Forget where the remote's branch was, which is gone from there.

    Raises:
        GitError: git refuses.
    """
    refs = [ref for ref in (branch.seen, branch.tracking) if ref is not None and project.repo.resolve(ref) is not None]
    if refs:
        update(
            project.repo, [Update(ref, None) for ref in refs], project.identity(), f"gtrack: gone from {branch.name}"
        )


def contains(repo: Repository, newer: str, older: str) -> bool:
    """Tell whether ``older``, an id, can be reached from ``newer``; not when one of them is not here, or not whole."""
    if is_partial(repo) and older not in commits_here(repo, [older]):  # else git would fetch all that it reaches
        return False
    return repo.answer("merge-base", "--is-ancestor", older, newer)[0] == 0
