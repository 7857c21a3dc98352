"""Find the Git LFS pointers among the objects that a walk through history comes by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import IO, TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.git.lfs import Pointer

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

POINTERS = range(120, 151)
"""Bytes that a pointer of a file can have; no other blob is read."""
_BATCH = 50_000
_WHOLE = {"GIT_NO_REPLACE_OBJECTS": "1"}


class Incomplete(GitError):
    """A walk came by objects that are not here, any of which may be a pointer."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} objects are not here.")
        self.count = count


def small_blobs(repo: Repository, options: Sequence[str], stdin: bytes = b"") -> Iterator[tuple[str, Pointer]]:
    """Yield the pointers that ``git rev-list --objects`` comes by, each with the id of its blob.

    Args:
        repo: the repository.
        options: of ``rev-list``: what is walked. With ``--missing=print`` what is not here is counted.
        stdin: what it reads.

    Raises:
        GitError: git refuses, or an object is not here.
        Incomplete: the same, of a walk that prints what is missing; after all pointers that are here.
    """
    missing = 0
    process = repo.start("rev-list", "--objects", *options, env=_WHOLE)
    try:
        if process.stdin is not None and process.stdout is not None:
            with suppress(BrokenPipeError):  # why it stopped, it says below
                process.stdin.write(stdin)
                process.stdin.close()
            process.stdin = None
            while oids := list(islice(_oids(process.stdout), _BATCH)):
                missing += sum(oid.startswith("?") for oid in oids)
                yield from _pointers(repo, [oid for oid in oids if not oid.startswith("?")])
        _, said = process.communicate()
        if process.returncode != 0:
            raise GitError(f"git rev-list failed in {repo.git_dir}: {said.decode(errors='replace').strip()}")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    if missing:
        raise Incomplete(missing)


def _oids(lines: IO[bytes]) -> Iterator[str]:
    return (line.decode().rstrip("\n") for line in lines)


def _pointers(repo: Repository, oids: Sequence[str]) -> Iterator[tuple[str, Pointer]]:
    question = "".join(f"{oid}\n" for oid in oids).encode()
    told = repo.run("cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", stdin=question, env=_WHOLE)
    facts = (line.split(" ") for line in told.decode().splitlines())
    small = [oid for oid, kind, size in facts if kind == "blob" and int(size) in POINTERS]
    for oid, blob in zip(small, repo.objects.many(small), strict=True):
        pointer = Pointer.decode(blob.data) if blob is not None else None
        if pointer is not None:
            yield oid, pointer
