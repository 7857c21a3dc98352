"""The running SHA-256 that all recipes for data digests are built on."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Digest:
    """A SHA-256 that counts the bytes of content it has seen.

    Headers tell apart what would be the same bytes (a column name from the end of the column before), so they are hashed
    but not counted.
    """

    def __init__(self, recipe: str = "") -> None:
        self._hash = hashlib.sha256()
        self.size = 0
        if recipe:
            self.header(recipe)

    def header(self, text: str) -> None:
        """Hash a line that describes what follows."""
        self._hash.update(text.encode("utf-8", "surrogatepass") + b"\n")

    def add(self, content: Buffer) -> None:
        """Hash ``content``, C-contiguous bytes or an array of them."""
        view = memoryview(content).cast("B") if memoryview(content).nbytes else b""
        self._hash.update(view)
        self.size += len(view)

    def text(self, content: str) -> None:
        """Hash ``content`` in UTF-8; lone surrogates, which file names may hold, are kept apart."""
        self.add(content.encode("utf-8", "surrogatepass"))

    def __str__(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
