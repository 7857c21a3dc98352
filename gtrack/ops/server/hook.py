"""Judge one ref of a push, as git's ``update`` hook on a server: what may become of branches and registry tags.

The hook runs when the pushed objects are in the repository, and before the ref moves. Whatever the pusher wrote is hostile until
it is judged. What git itself cannot be talked out of (a ref that two pushes make at once) is git's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gtrack.errors import ConfigError, GTrackError
from gtrack.git.refs import is_ancestor
from gtrack.git.tags import TAGS
from gtrack.ops.server.pushed_purge import accept_purge
from gtrack.ops.server.pushed_tag import PushedTag, Refused
from gtrack.ops.server.settings import ServerSettings
from gtrack.registry.tag_names import GRAMMAR, looks_like, parse

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_BRANCHES = "refs/heads/"
_REPLACED = "refs/replace/"
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")


def check_update(repo: Repository, ref: str, old: str, new: str) -> list[str]:
    """Check one ref of a push.

    Args:
        repo: the repository that is pushed to.
        ref: the full name of the ref.
        old: the id of the object that it is at, zeros when it is to be made.
        new: where it is to be, zeros when it is to be deleted.

    Returns:
        What the pusher should know all the same, a sentence each.

    Raises:
        Refused: it may not become so; the message says why, and what to do.
        GTrackError: it cannot be judged, and so it may not either.
    """
    if not all(_OID.match(oid) for oid in (old, new)):
        raise GTrackError(f"{old!r} and {new!r} are no ids of objects: this is called by git's update hook.")
    if ref.startswith(_REPLACED):
        raise Refused(f"{ref} is refused: a replacement would change what runs and tags hold. Keep it in your clone.")
    if ref.startswith(_BRANCHES):
        return _branch(repo, ref, old, new)
    if ref.startswith(TAGS):
        _tag(repo, ref.removeprefix(TAGS), old, new)
    return []


def _branch(repo: Repository, ref: str, old: str, new: str) -> list[str]:
    settings = ServerSettings(repo)
    name = ref.removeprefix(_BRANCHES)
    if settings.keeps(ref) and old != repo.null_oid:
        why = "which holds the runs" if ref == settings.config.ref else "the default branch"
        if settings.unreadable and ref != settings.default:
            why = f"which may be the one that holds the runs ({settings.problem})"
        if new == repo.null_oid:
            raise Refused(f"{name}, {why}, is not deleted.")
        if not is_ancestor(repo, old, new):
            if ref == settings.config.ref != settings.default and not settings.problem and settings.config.purgers:
                return list(accept_purge(repo, settings, old, new))
            purged = ref == settings.config.ref
            raise Refused(
                f"{name}, {why}, is only added to, and this would take commits away that it has. Fetch it first: git fetch; "
                f"what was there must be among the ancestors of what you push."
                f"{' Who may publish a purge, retention.purgers on the default branch says: nobody.' if purged else ''}"
            )
    if ref == settings.default and new != repo.null_oid:
        try:
            settings.check(new)
        except ConfigError as error:
            return [f"No registry tag will be accepted with these settings: {error}"]
    return []


def _tag(repo: Repository, name: str, old: str, new: str) -> None:
    said = parse(name)
    if said is None:
        if looks_like(name) and new != repo.null_oid:
            raise Refused(
                f"The tag {name} is refused: it looks like one of the model registry, and is none. Those are model@v1.2.3, "
                f"model@v1.2.3!, model#stage#3, model#stage!#4 and model@deprecated; models and stages are {GRAMMAR}."
            )
        return
    if new == repo.null_oid:
        raise Refused(
            f"The tag {name} is not deleted: registry tags stay, as the record of what was done. 'gtrack demote' takes a version "
            "out of its stage and 'gtrack deprecate' takes one back, by tags of their own."
        )
    if old != repo.null_oid:
        raise Refused(
            f"The tag {name} is not moved: registry tags stay as they are. Fetch (git fetch --tags), and promote again under the "
            "next number."
        )
    PushedTag(repo, ServerSettings(repo), name, said, new).check()
