"""Read artifacts of committed runs; what is not here comes from where it lies, all of it in one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gtrack.errors import ArtifactNotFound
from gtrack.formats.names import ARTIFACTS
from gtrack.git.lfs import MAX_POINTER, Pointer
from gtrack.git.promisor import sizes_here
from gtrack.store.attributes import Attributes
from gtrack.store.lacking import fetch_artifacts
from gtrack.store.large.content import BlobContent, Content, LargeContent
from gtrack.store.large.moving import Wanted, bring

if TYPE_CHECKING:
    from gtrack.config import Config
    from gtrack.git.progress import Tell
    from gtrack.git.repo import Repository
    from gtrack.store.branch import BranchReader, Location


def _silent(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


class ArtifactReader:
    """Reads artifacts, and fetches them before.

    Args:
        repo: the repository.
        config: names the store of large ones.
    """

    def __init__(self, repo: Repository, config: Config) -> None:
        self._repo = repo
        self._config = config

    def pointers(self, branch: BranchReader, asked: Sequence[tuple[Location, str]]) -> list[Wanted]:
        """Return those of these artifacts that are Git LFS pointers; in a partial clone only those of which git has the blob."""
        locations = list(dict.fromkeys(location for location, _ in asked))
        said = self._repo.objects.many([f"{one.tree}:{ARTIFACTS}/.gitattributes" for one in locations])
        large = {
            location.id: set(Attributes(found.data).paths()) if found else set()
            for location, found in zip(locations, said, strict=True)
        }
        marked = [(location, path) for location, path in asked if path in large[location.id]]
        entries = [
            (location, path, entry.oid)
            for (location, path), entry in zip(marked, branch.entries(marked), strict=True)
            if entry is not None and entry.is_file
        ]
        sizes = sizes_here(self._repo, [oid for *_, oid in entries])
        small = [one for one in entries if sizes.get(one[2], MAX_POINTER + 1) <= MAX_POINTER]
        blobs = self._repo.objects.many([oid for *_, oid in small])
        found = [
            (location, path, Pointer.decode(blob.data) if blob else None)
            for (location, path, _), blob in zip(small, blobs, strict=True)
        ]
        return [Wanted(location.id, path, pointer) for location, path, pointer in found if pointer is not None]

    def bring(self, branch: BranchReader, asked: Sequence[tuple[Location, str]], tell: Tell = _silent) -> int:
        """Bring artifacts that are not here, and return how many were fetched.

        Args:
            branch: where they are named.
            asked: run and path of each; what is not there is passed over.
            tell: is told how far it is.

        Raises:
            ArtifactError: some are not to be had.
        """
        found = zip(asked, branch.entries(asked), strict=True)
        blobs = {f"{path} of run {one.id[:8]}": entry.oid for (one, path), entry in found if entry and entry.is_file}
        count = fetch_artifacts(self._repo, blobs)
        return count + bring(self._repo, self._config, self.pointers(branch, asked), None, tell)

    def content(self, branch: BranchReader, location: Location, path: str) -> Content:
        """Return one artifact's content, which is here then.

        Raises:
            ArtifactNotFound: the run has none at ``path``.
            ArtifactError: it is not to be had.
        """
        found = branch.artifacts(location)
        if path not in found:
            raise ArtifactNotFound.of(location.id[:8], path, list(found))
        artifact, oid = found[path]
        if artifact.size is None:  # it stayed with the remote of a partial clone
            self.bring(branch, [(location, path)])
            artifact, oid = branch.artifacts(location)[path]
        name = f"{path} of run {location.id[:8]}"
        blob = self._repo.objects.get(oid) if artifact.lfs else None
        pointer = Pointer.decode(blob.data) if blob is not None else None
        if pointer is None:
            return BlobContent(name, artifact.size or 0, self._repo, oid)
        bring(self._repo, self._config, [Wanted(location.id, path, pointer)])
        return LargeContent(name, pointer.size, self._repo, pointer)
