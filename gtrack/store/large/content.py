"""What an artifact holds, a piece at a time: however large it is, it never lies in memory as a whole unless it is asked to."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gtrack.errors import ArtifactError, GitError
from gtrack.git.lfs import Pointer, digest_of, object_path, put_aside
from gtrack.store.large.copying import CHUNK, chunks, share_blocks

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_T = TypeVar("_T")

_IN_MEMORY = 8 << 20
"""Up to this many bytes a blob is read by the git process that runs already; a larger one by a process of its own."""


class DamagedObject(ArtifactError):
    """An object of the local LFS store is not what it is named after; it was put aside, so that it can be fetched again."""


@dataclass(frozen=True)
class Content(ABC):
    """The content of an artifact.

    Attributes:
        name: what it is called in messages.
        size: in bytes.
    """

    name: str
    size: int

    @abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, a piece at a time.

        Raises:
            ArtifactError: they cannot be read, or are not what they were; then, after some of them.
        """

    def read(self) -> bytes:
        """Return all bytes at once."""
        return b"".join(self.chunks())

    def write_to(self, target: Path) -> None:
        """Write a file anew; where the file system can, it shares the blocks of what it is a copy of.

        Raises:
            OSError: the disk refuses; what was written of it stays.
        """
        with target.open("wb", buffering=0) as file:
            self._fill(file.fileno())

    def _fill(self, descriptor: int) -> None:
        for piece in self.chunks():
            left = memoryview(piece)
            while left:
                left = left[os.write(descriptor, left) :]

    def is_in(self, path: Path) -> bool:
        """Tell whether a file holds just this.

        Raises:
            OSError: it cannot be read.
        """
        if path.stat().st_size != self.size:
            return False
        with path.open("rb") as file:
            return all(file.read(len(piece)) == piece for piece in self.chunks())


def used(get: Callable[[], Content], use: Callable[[Content], _T]) -> _T:
    """Return what a function makes of a content; of one that proves to be damaged here, once more when it was fetched anew.

    Raises:
        ArtifactError: it is damaged, and nowhere else to be had.
    """
    try:
        return use(get())
    except DamagedObject as damaged:
        try:
            return use(get())
        except ArtifactError as error:
            raise ArtifactError(f"{damaged} {error}") from damaged


@dataclass(frozen=True)
class BlobContent(Content):
    """A blob of git."""

    repo: Repository
    oid: str

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; see ``Content``."""
        if self.size <= _IN_MEMORY:
            found = self.repo.objects.get(self.oid)
            if found is None:
                raise GitError(f"{self.name}: git has no object {self.oid}.")
            yield found.data
            return
        process = self.repo.start("cat-file", "blob", self.oid, stdin=False)
        try:
            stdout = process.stdout
            while stdout is not None and (piece := stdout.read(CHUNK)):
                yield piece
            _, said = process.communicate()
            if process.returncode != 0:
                raise GitError(f"{self.name} cannot be read: {said.decode(errors='replace').strip()}")
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()


@dataclass(frozen=True)
class FileContent(Content):
    """A file of a run that goes on."""

    path: Path

    @classmethod
    def of(cls, name: str, path: Path) -> FileContent | None:
        """Return what a file holds, None when there is none: its run was committed meanwhile, say."""
        try:
            return cls(name, path.stat().st_size, path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; see ``Content``."""
        yield from chunks(self.path)

    def _fill(self, descriptor: int) -> None:
        with self.path.open("rb", buffering=0) as source:
            shared = share_blocks(source.fileno(), descriptor)
        if not shared:
            super()._fill(descriptor)


@dataclass(frozen=True)
class LargeContent(Content):
    """An object of the local LFS store, checked against its name whenever it is read."""

    repo: Repository
    pointer: Pointer

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; see ``Content``."""
        digest = sha256()
        for piece in chunks(self._place):
            digest.update(piece)
            yield piece
        self._check(digest.hexdigest())

    @property
    def _place(self) -> Path:
        return object_path(self.repo, self.pointer.oid)

    def _check(self, digest: str) -> None:
        if digest == self.pointer.oid:
            return
        with suppress(FileNotFoundError):
            if digest_of(self._place)[0] == self.pointer.oid:  # another process has mended it
                raise DamagedObject(
                    f"The content of {self.name} was read with other bytes than it has now. Read it again."
                )
        aside = put_aside(self.repo, self.pointer.oid)
        raise DamagedObject(
            f"The content of {self.name} ({self.size} bytes) is damaged: it should have the sha256 {self.pointer.oid}, and has "
            f"{digest}. It was put aside, as {aside}."
        )

    def _fill(self, descriptor: int) -> None:
        with self._place.open("rb", buffering=0) as source:
            shared = share_blocks(source.fileno(), descriptor)
        if shared:
            for _ in self.chunks():  # still to be checked
                pass
        else:
            super()._fill(descriptor)

    def is_in(self, path: Path) -> bool:
        """Tell whether a file holds just this: by its sha256, without reading the object; see ``Content``."""
        if path.stat().st_size != self.size:
            return False
        digest = sha256()
        for piece in chunks(path):
            digest.update(piece)
        return digest.hexdigest() == self.pointer.oid
