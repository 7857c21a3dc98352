"""Write blobs and commits without a checkout: one ``git fast-import`` stream.

The format is https://git-scm.com/docs/git-fast-import#_input_format.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from gtrack.errors import GitError

if TYPE_CHECKING:
    from typing_extensions import Self

    from gtrack.git.repo import Repository

_CHUNK = 1 << 20
_CRASH = re.compile(r"dumping crash report to .*?(fast_import_crash_[0-9]+)")
_FULL = re.compile(r"No space left on device|Out of diskspace|Disk quota exceeded", re.IGNORECASE)
_UNSAFE_IDENTITY = re.compile(r"[<>\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Identity:
    """Who commits."""

    name: str
    email: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"

    def line(self, seconds: int) -> str:
        """Return the identity as it stands in a commit, at ``seconds`` since the epoch, UTC."""
        name, email = self._clean()
        return f"{name} <{email}> {max(seconds, 0)} +0000"

    def environment(self) -> dict[str, str]:
        """Return the variables that make git use this identity, for a reflog."""
        name, email = self._clean()
        return {"GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": email}

    def _clean(self) -> tuple[str, str]:
        """Return name and email without what git takes out of them itself, or refuses."""
        name, email = (
            _UNSAFE_IDENTITY.sub("", text.encode(errors="replace").decode()) for text in (self.name, self.email)
        )
        return name.strip(" .,:;'\"\\") or "unknown", email.strip()


@dataclass(frozen=True)
class Change:
    """One line of a commit: put ``source`` (a mark ``:1`` or an object id) at ``path``, or remove what is there (None)."""

    path: str
    source: str | None
    mode: str = "100644"

    def line(self) -> str:
        """Return it as it stands in the stream."""
        path = _quoted(self.path)
        return f"D {path}\n" if self.source is None else f"M {self.mode} {self.source} {path}\n"


def _quoted(path: str) -> str:
    if path.startswith('"') or "\n" in path:
        return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return path


class FastImport:
    """One stream of objects; nothing is reachable until a ref names the commits that it made.

    Use as a context manager; leaving it writes the objects durably or raises ``GitError``. Commits are made on a branch of the
    stream's own that never becomes a ref: refs are moved afterwards, by compare-and-swap, with ``refs.update``.
    """

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._marks = 0
        self._commits: list[str] = []
        self._branch = f"refs/gtrack/import/{os.urandom(8).hex()}"
        self.oids: dict[str, str] = {}
        """Mark to id of every commit, once the stream has ended."""

    def __enter__(self) -> Self:
        self._process = self._repo.start("fast-import", "--quiet", "--done", "--date-format=raw-permissive")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if kind is not None and not issubclass(kind, BrokenPipeError):
            process.kill()
            process.communicate()
            return
        tail = [f"get-mark {mark}\n" for mark in self._commits]
        tail.append(f"reset {self._branch}\nfrom {self._repo.null_oid}\n\ndone\n")
        try:
            out, err = process.communicate("".join(tail).encode())
        except BrokenPipeError:
            out, err = process.communicate()
        if process.returncode != 0 or kind is not None:
            lines = err.decode(errors="replace").splitlines()
            self._remove_crash_report(lines)
            said = "; ".join(line.strip() for line in lines if line.strip() and not _CRASH.search(line))
            said = said or f"no message, exit code {process.returncode}"
            if _FULL.search(said):
                raise GitError(
                    f"The disk with {self._repo.common_dir} is full, so nothing was changed ({said})."
                ) from error
            raise GitError(f"git fast-import failed: {said}") from error
        self.oids = dict(zip(self._commits, out.decode().split(), strict=True))

    def _remove_crash_report(self, lines: Sequence[str]) -> None:
        for name in (found[1] for line in lines if (found := _CRASH.search(line))):
            with suppress(OSError):  # on a read-only disk git could not write one
                (self._repo.git_dir / name).unlink()

    def _write(self, data: bytes) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(data)

    def _mark(self) -> str:
        self._marks += 1
        return f":{self._marks}"

    def blob(self, data: bytes) -> str:
        """Add a blob and return its mark."""
        mark = self._mark()
        self._write(f"blob\nmark {mark}\ndata {len(data)}\n".encode() + data + b"\n")
        return mark

    def blob_file(self, path: Path) -> str:
        """Add the bytes of a file, streamed, and return its mark.

        The size is taken once: a file that grows meanwhile is taken up to there, one that shrinks is an ``OSError``.
        """
        mark = self._mark()
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size
            self._write(f"blob\nmark {mark}\ndata {left}\n".encode())
            while left:
                chunk = file.read(min(left, _CHUNK))
                if not chunk:
                    raise OSError(f"{path} became shorter while it was read")
                self._write(chunk)
                left -= len(chunk)
        self._write(b"\n")
        return mark

    def commit(
        self,
        parents: Sequence[str],
        changes: Iterable[Change],
        message: str,
        committer: Identity,
        seconds: int,
        *,
        from_empty: bool = False,
        author: Identity | None = None,
    ) -> str:
        """Add a commit and return its mark.

        Args:
            parents: ids or marks; the tree begins as that of the first one, or empty when there is none.
            changes: what is put or removed, in this order.
            message: subject, blank line, trailers.
            committer: also the author, unless another is given.
            seconds: commit time, since the epoch.
            from_empty: begin with an empty tree even so.
            author: who made it first.
        """
        mark = self._mark()
        text = message.encode(errors="replace")
        first = f"author {author.line(seconds)}\n" if author is not None else ""
        head = f"commit {self._branch}\nmark {mark}\n{first}committer {committer.line(seconds)}\ndata {len(text)}\n"
        lines = []
        if parents:
            lines.append(f"from {parents[0]}\n")
            lines.extend(f"merge {parent}\n" for parent in parents[1:])
        if from_empty:
            lines.append("deleteall\n")
        lines.extend(change.line() for change in changes)
        # Without parents the stream's branch must not lend its last commit: it is reset to nothing first.
        reset = "" if parents else f"reset {self._branch}\n\n"
        self._write(reset.encode() + head.encode() + text + b"\n" + os.fsencode("".join(lines)) + b"\n")
        self._commits.append(mark)
        return mark
