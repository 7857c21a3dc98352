"""Git LFS pointers and the local LFS store, written without git-lfs.

The pointer is version 1 of https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md; the store is the one that git-lfs itself
uses, so ``git lfs push`` and a checkout find the bytes.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

MAX_POINTER = 1024
READ_ONLY = 0o444
"""The mode of an object: whoever writes to a file in place that is linked to one would damage it."""
_CHUNK = 1 << 20
ATTRIBUTES = "filter=lfs diff=lfs merge=lfs -text"
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:(?P<oid>[0-9a-f]{64})\nsize (?P<size>[0-9]{1,18})\n\Z"
)


@dataclass(frozen=True)
class Pointer:
    """What stands in git for a large file: the sha256 and the size in bytes of its content."""

    oid: str
    size: int

    def encode(self) -> bytes:
        """Return the pointer's text."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.oid}\nsize {self.size}\n".encode()

    @classmethod
    def of(cls, oid: str, size: int) -> Pointer | None:
        """Return the pointer with these facts, None when they are not what one can hold."""
        return cls.decode(cls(oid, size).encode())

    @classmethod
    def decode(cls, data: bytes) -> Pointer | None:
        """Return the pointer that ``data`` is, or None when it is some other content."""
        found = _POINTER.match(data) if len(data) <= MAX_POINTER else None
        return cls(found["oid"].decode(), int(found["size"])) if found else None


_places: weakref.WeakKeyDictionary[Repository, Path] = weakref.WeakKeyDictionary()


def storage(repo: Repository) -> Path:
    """Return the directory of the local store: ``lfs`` in the git directory, or what git's setting ``lfs.storage`` says."""
    place = _places.get(repo)
    if place is None:
        said = repo.run("config", "--type=path", "--get", "lfs.storage", ok=(0, 1))
        place = repo.common_dir / (os.fsdecode(said.rstrip(b"\n")) or "lfs")
        _places[repo] = place
    return place


def object_path(repo: Repository, oid: str) -> Path:
    """Return where the content with this sha256 lies in the local store, whether or not it is there."""
    return storage(repo) / "objects" / oid[:2] / oid[2:4] / oid


def is_here(repo: Repository, pointer: Pointer) -> bool:
    """Tell whether the local store has a file of the right size for a pointer; what is in it is checked when it is read."""
    try:
        found = object_path(repo, pointer.oid).lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == pointer.size


def digest_of(path: Path) -> tuple[str, int]:
    """Return the sha256 and the size in bytes of what a file holds."""
    from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, and readers of runs know pointers only

    digest, size = sha256(), 0
    with path.open("rb", buffering=0) as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def store(repo: Repository, path: Path) -> Pointer:
    """Put the content of a file into the local store, durably, and return its pointer; see ``adopt``."""
    pointer = Pointer(*digest_of(path))
    adopt(repo, path, pointer)
    return pointer


def adopt(repo: Repository, path: Path, pointer: Pointer) -> None:
    """Make the content of a file, whose pointer is known, an object of the local store, durably.

    The file is hard-linked where the file system can, and cannot be written to from then on; else it is copied, and so is one
    that has another name, by which it may be written to. Equal content is stored once; what is there is read before, as it may be
    damaged.
    """
    target = object_path(repo, pointer.oid)
    if is_here(repo, pointer) and (target.samefile(path) or digest_of(target)[0] == pointer.oid):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{os.urandom(4).hex()}")
    try:
        _link_or_copy(path, temporary)
        temporary.chmod(READ_ONLY)
        sync(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync(target.parent)


def put_aside(repo: Repository, oid: str) -> Path:
    """Take a damaged object out of the local store, to where ``git lfs fsck`` puts them, and return where that is."""
    damaged = object_path(repo, oid)
    aside = storage(repo) / "bad" / oid
    try:
        aside.parent.mkdir(parents=True, exist_ok=True)
        damaged.replace(aside)
    except OSError:  # a read-only store keeps it where it is
        return damaged
    return aside


def _link_or_copy(source: Path, target: Path) -> None:
    if source.lstat().st_nlink == 1:
        with suppress(OSError):  # another file system, or one without links
            os.link(source, target)
            return
    with source.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, _CHUNK)


def sync(path: Path) -> None:
    """Wait until a file, or what a directory lists, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
