"""What a partial clone lacks of runs, brought here before it is read: in one request, not one for each file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gtrack.errors import ArtifactError, GitError
from gtrack.formats import run_dir
from gtrack.git.progress import RECEIVING
from gtrack.git.promisor import ObjectsMissing, is_partial, missing_below, prefetch
from gtrack.git.trees import parse_tree

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.store.branch import Location

METADATA = frozenset(
    {run_dir.RUN, run_dir.PARAMS, run_dir.METRICS, run_dir.INPUTS, run_dir.HISTORY, run_dir.ENVIRONMENT}
)
"""The files of a run that questions over many runs, and its report, are answered from."""
_NAMED = 3


def fetch_metadata(
    repo: Repository, locations: Sequence[Location], progress: Callable[[int, int], None] | None = None
) -> int:
    """Bring what a partial clone lacks of the metadata of runs, and return how many files that were.

    Args:
        repo: the repository; nothing happens in a whole one.
        locations: where the runs lie.
        progress: is told how many files of how many have come.

    Raises:
        GitError: their remote does not give them.
    """
    if not locations or not is_partial(repo):
        return 0
    trees = list(dict.fromkeys(location.tree for location in locations))
    absent = missing_below(repo, trees)
    if not absent:
        return 0
    oid_bytes = len(repo.null_oid) // 2
    wanted: dict[str, str] = {}
    for location, found in zip(locations, repo.objects.many([one.tree for one in locations]), strict=True):
        for entry in parse_tree(found.data, oid_bytes) if found else ():
            if entry.name in METADATA and entry.oid in absent:
                wanted.setdefault(entry.oid, f"{entry.name} of run {location.id[:8]}")

    def tell(what: str, done: int, total: int) -> None:
        if progress is not None and what == RECEIVING:
            progress(done, total)

    try:
        return prefetch(repo, list(wanted), tell)
    except ObjectsMissing as error:
        raise GitError(f"{_names(wanted, error)} not in this partial clone. {error}") from error


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
