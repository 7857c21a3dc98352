"""Git LFS pointers and the local LFS store, written without git-lfs.

The pointer is version 1 of https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md; the store is the one that git-lfs itself
uses, so ``git lfs push`` and a checkout find the bytes.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

MAX_POINTER = 1024
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
    def decode(cls, data: bytes) -> Pointer | None:
        """Return the pointer that ``data`` is, or None when it is some other content."""
        found = _POINTER.match(data) if len(data) <= MAX_POINTER else None
        return cls(found["oid"].decode(), int(found["size"])) if found else None


def object_path(repo: Repository, oid: str) -> Path:
    """Return where the content with this sha256 lies in the local store, whether or not it is there."""
    return repo.common_dir / "lfs" / "objects" / oid[:2] / oid[2:4] / oid


def store(repo: Repository, path: Path) -> Pointer:
    """Put the content of a file into the local store, durably, and return its pointer.

    The file is hard-linked where the file system can, else copied; equal content is stored once.
    """
    digest, size = sha256(), 0
    with path.open("rb") as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    pointer = Pointer(digest.hexdigest(), size)
    target = object_path(repo, pointer.oid)
    if not (target.exists() and target.stat().st_size == size):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}")
        try:
            _link_or_copy(path, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        _fsync(target)
        _fsync(target.parent)
    return pointer


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        with source.open("rb") as reader, target.open("wb") as writer:
            while chunk := reader.read(1 << 20):
                writer.write(chunk)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
