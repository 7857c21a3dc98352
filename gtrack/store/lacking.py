"""What a partial clone lacks of runs, brought here before it is read: in one request, not one for each file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.errors import ArtifactError, GitError
from gtrack.formats import run_dir
from gtrack.git.progress import RECEIVING
from gtrack.git.promisor import ObjectsMissing, is_partial, missing_below, prefetch

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.store.branch import Location

METADATA = frozenset(
    {run_dir.RUN, run_dir.PARAMS, run_dir.METRICS, run_dir.INPUTS, run_dir.HISTORY, run_dir.ENVIRONMENT}
)
"""The files of a run that questions over many runs, and its report, are answered from."""
_NAMED = 3


@dataclass(frozen=True)
class Lacking:
    """What a partial clone lacks of the metadata of some runs.

    Attributes:
        blobs: id to what it is called in a message, ``history.yaml of run 0f3a…`` say.
        names: which files of a run are lacking of any.
    """

    blobs: Mapping[str, str]
    names: frozenset[str]


NOTHING = Lacking({}, frozenset())


def lacking_metadata(repo: Repository, locations: Sequence[Location]) -> Lacking:
    """Return what of the metadata of runs is not here, without fetching any; nothing in a whole repository.

    Args:
        repo: the repository.
        locations: where the runs lie.
    """
    if not locations or not is_partial(repo):
        return NOTHING
    absent = missing_below(repo, [location.tree for location in locations])
    if not absent:
        return NOTHING
    names = b"|".join(re.escape(name.encode()) for name in sorted(METADATA))
    # As it stands in a tree. Whatever else looks like it is not absent, or nobody's loss.
    file = re.compile(rb" (%s)\0(.{%d})" % (names, len(repo.null_oid) // 2), re.DOTALL)
    blobs: dict[str, str] = {}
    lacking: set[bytes] = set()
    for location, found in zip(locations, repo.objects.many([one.tree for one in locations]), strict=True):
        for name, blob in file.findall(found.data) if found else ():
            oid = blob.hex()
            if oid in absent:
                lacking.add(name)
                blobs.setdefault(oid, f"{name.decode()} of run {location.id[:8]}")
    return Lacking(blobs, frozenset(name.decode() for name in lacking))


def fetch_metadata(repo: Repository, lacking: Lacking, progress: Callable[[int, int], None] | None = None) -> int:
    """Bring what is lacking of the metadata of runs, and return how many files that were.

    Args:
        repo: the repository.
        lacking: what is not here.
        progress: is told how many files of how many have come.

    Raises:
        GitError: their remote does not give them.
    """
    if not lacking.blobs:
        return 0

    def tell(what: str, done: int, total: int) -> None:
        if progress is not None and what == RECEIVING:
            progress(done, total)

    try:
        return prefetch(repo, list(lacking.blobs), tell, absent=True)
    except ObjectsMissing as error:
        raise GitError(f"{_names(lacking.blobs, error)} not in this partial clone. {error}") from error


def fetch_artifacts(repo: Repository, blobs: Mapping[str, str]) -> int:
    """Bring what a partial clone lacks of artifacts, and return how many that were.

    Args:
        repo: the repository; nothing happens in a whole one.
        blobs: what an artifact is called in a message, ``roc.png of run 0f3a…`` say, to the id of its blob.

    Raises:
        ArtifactError: their remote does not give them; the message names artifacts and remote.
    """
    try:
        return prefetch(repo, list(blobs.values()))
    except ObjectsMissing as error:
        named = _names({oid: name for name, oid in blobs.items()}, error)
        raise ArtifactError(f"{named} not in this partial clone. {error}") from error


def _names(known: Mapping[str, str], error: ObjectsMissing) -> str:
    lacking = [name for oid, name in known.items() if oid in error.oids]
    more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
    return f"{', '.join(lacking[:_NAMED])}{more} {'is' if len(lacking) == 1 else 'are'}"
