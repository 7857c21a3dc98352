"""How many bytes runs take on the runs branch, and how many of them nobody else has."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.formats.names import ARTIFACTS, EXPERIMENTS, RUN_ID
from gtrack.git.lfs import MAX_POINTER, Pointer
from gtrack.git.promisor import is_partial, sizes_here

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_DEPTH = 4  # experiments/<experiment>/<shard>/<id>
_SMALLEST_POINTER = 100  # "version …", a sha256 and a size


@dataclass(frozen=True)
class Bytes:
    """How many bytes, as they are before git compresses them.

    Attributes:
        metadata: in the files of run directories beside their artifacts.
        artifacts: in artifacts that git itself has.
        large: in Git LFS objects.
    """

    metadata: int = 0
    artifacts: int = 0
    large: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.metadata + self.artifacts + self.large

    def __add__(self, other: Bytes) -> Bytes:
        return Bytes(self.metadata + other.metadata, self.artifacts + other.artifacts, self.large + other.large)


@dataclass(frozen=True)
class _File:
    """What one blob counts for, and the large object that it points to."""

    bytes: Bytes
    pointer: Pointer | None = None

    @property
    def all(self) -> Bytes:
        return self.bytes + Bytes(large=self.pointer.size) if self.pointer else self.bytes


class RunSizes:
    """The sizes of all runs at one commit of the branch, read by one git process and one look at the pointers.

    What a partial clone left with its remote counts for nothing: see ``unknown``.

    Args:
        repo: the repository.
        tip: the commit; None when there are no runs.

    Attributes:
        unknown: how many files are not here, so that their size is not known.
    """

    def __init__(self, repo: Repository, tip: str | None) -> None:
        self.unknown = 0
        self._runs: dict[str, list[tuple[str, bool]]] = {}
        sizes = self._list(repo, tip) if tip else {}
        small = {
            oid
            for files in self._runs.values()
            for oid, is_artifact in files
            if is_artifact and _SMALLEST_POINTER <= sizes.get(oid, 0) <= MAX_POINTER
        }
        pointers = _pointers(repo, sorted(small))
        self._files = {
            (oid, is_artifact): _File(
                Bytes(artifacts=sizes.get(oid, 0)) if is_artifact else Bytes(metadata=sizes.get(oid, 0)),
                pointers.get(oid) if is_artifact else None,
            )
            for files in self._runs.values()
            for oid, is_artifact in files
        }

    def _list(self, repo: Repository, tip: str) -> dict[str, int]:
        """Take in which files each run has, and return the sizes of blobs."""
        partial = is_partial(repo)
        listing = repo.run("ls-tree", "-r", *(() if partial else ("-l",)), "-z", tip, "--", EXPERIMENTS)
        sizes: dict[str, int] = {}
        oids: set[str] = set()
        for line in listing.decode(errors="surrogateescape").split("\0"):
            facts, _, path = line.partition("\t")
            parts = path.split("/", _DEPTH + 1)
            if len(parts) <= _DEPTH or not RUN_ID.match(parts[_DEPTH - 1]):
                continue
            _, kind, oid, *rest = facts.split()
            if kind != "blob":
                continue
            self._runs.setdefault(parts[_DEPTH - 1], []).append((oid, parts[_DEPTH] == ARTIFACTS))
            oids.add(oid)
            if rest:
                sizes[oid] = int(rest[0])
        if partial:
            sizes = sizes_here(repo, sorted(oids))
            self.unknown = len(oids - sizes.keys())
        return sizes

    def of(self, run_id: str) -> Bytes:
        """Return what one run takes, whoever else has the same files."""
        total = Bytes()
        for key in self._runs.get(run_id, ()):
            total += self._files[key].all
        return total

    def alone(self, run_ids: Collection[str]) -> Bytes:
        """Return what only these runs take: what would not be needed without them."""
        gone = set(run_ids)
        held = {key for run_id, files in self._runs.items() if run_id not in gone for key in files}
        blobs = {oid for oid, _ in held}
        large = {pointer.oid for key in held if (pointer := self._files[key].pointer)}
        total = Bytes()
        counted: set[str] = set()
        for key in dict.fromkeys(key for run_id in run_ids for key in self._runs.get(run_id, ())):
            file = self._files[key]
            if key[0] not in blobs and key[0] not in counted:
                total += file.bytes
            counted.add(key[0])
            if file.pointer and file.pointer.oid not in large:
                total += Bytes(large=file.pointer.size)
                large.add(file.pointer.oid)
        return total


def _pointers(repo: Repository, oids: list[str]) -> dict[str, Pointer]:
    return dict(_decoded(repo, oids))


def _decoded(repo: Repository, oids: list[str]) -> Iterator[tuple[str, Pointer]]:
    for oid, blob in zip(oids, repo.objects.many(oids), strict=True):
        pointer = Pointer.decode(blob.data) if blob else None
        if pointer is not None:
            yield oid, pointer
