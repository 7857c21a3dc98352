"""Which large artifacts are needed: those that any commit names that a ref here, or a remote, leads to.

A store serves every clone, so what decides is what all of them can still ask for. Whoever cannot tell that, because something
is not here or a remote does not answer, is refused: what is deleted of a store comes back from nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.errors import GitError, GTrackError
from gtrack.git.pointers import POINTERS, Incomplete, small_blobs
from gtrack.git.refs import list_refs
from gtrack.git.remotes import push_url, without_secrets
from gtrack.ops.sharing.remote_branch import bring, look
from gtrack.store.purge import purged_large

if TYPE_CHECKING:
    from gtrack.git.progress import Tell
    from gtrack.project import Project

_SMALL = (f"--filter=blob:limit={POINTERS.stop}", "--no-object-names")


@dataclass(frozen=True)
class Reach:
    """What all that is named in a repository and on its remotes can be reached from, at one moment.

    Attributes:
        refs: the refs here, with where they are.
        theirs: ids of commits and tags that remotes have; all of them are here, too.
    """

    refs: frozenset[tuple[str, str]]
    theirs: frozenset[str]

    @property
    def stdin(self) -> bytes:
        """Return the commits and tags of remotes as git reads them."""
        return "".join(f"{oid}\n" for oid in sorted(self.theirs)).encode()


def reach(project: Project, tell: Tell = lambda *_: None) -> Reach:
    """Ask every remote for its runs branch and registry tags, bring here what is not, and return what there is.

    Args:
        project: the project; no ref of it is moved.
        tell: is told how far git is.

    Raises:
        GTrackError: the clone is shallow, or a remote cannot be asked or gives less than it has.
    """
    repo = project.repo
    if (repo.common_dir / "shallow").exists():
        raise GTrackError(
            f"{repo.root or repo.git_dir} is a shallow clone: it has not all of the history, and cannot tell what is needed. "
            "Nothing was deleted. First: git fetch --unshallow."
        )
    theirs: set[str] = set()
    for name in repo.run("remote").decode(errors="replace").split():
        for pushing in (False, True):
            if pushing and push_url(repo, name) == name:
                continue
            try:
                branch = look(project, name, pushing=pushing)
                bring(project, branch, tell)
            except GitError as error:
                raise GTrackError(
                    f"{error} Nothing was deleted, since {without_secrets(name)} may need what is not needed here. If it is gone "
                    f"for good: git remote remove {without_secrets(name)}."
                ) from error
            theirs.update(branch.tags.values())
            theirs.update([branch.tip] if branch.tip is not None else [])
    return Reach(frozenset(list_refs(repo, "refs/").items()), frozenset(theirs))


def needed(project: Project, found: Reach) -> set[str]:
    """Return the sha256 of every large artifact that anything in reach names, whatever the path.

    Raises:
        GTrackError: something is not here that may name one.
        GitError: git refuses.
    """
    options = (*_SMALL, "--missing=print", "--all", "--indexed-objects", "--stdin")
    try:
        return {pointer.oid for _, pointer in small_blobs(project.repo, options, found.stdin)}
    except Incomplete as error:
        repo = project.repo
        raise GTrackError(
            f"{repo.root or repo.git_dir} is a partial clone: {error.count:,} objects are with its remote alone, and any of them "
            "may name a large artifact. Nothing was deleted. A whole clone can tell: gtrack clone --full."
        ) from error


def known(project: Project, found: Reach) -> dict[str, str]:
    """Return the sha256 of the large artifacts that purges took away, with the id of a run that had each.

    Raises:
        GitError: git refuses.
    """
    tips: Iterable[str] = {*found.theirs, *(oid for _, oid in found.refs)}
    return purged_large(project.repo, _commits(project, tips))


def _commits(project: Project, oids: Iterable[str]) -> list[str]:
    """Return those of some objects that are commits, or tags of commits."""
    names = list(dict.fromkeys(oids))
    question = "".join(f"{oid}^{{commit}}\n" for oid in names).encode()
    told = project.repo.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=question).decode()
    return sorted({line.partition(" ")[0] for line in told.splitlines() if line.endswith(" commit")})
