"""Send and fetch Git LFS objects with git-lfs, where a remote speaks LFS: https, ssh (``git-lfs-authenticate``), and folders.

git-lfs takes few objects or many at once, in parallel, goes on where a download was cut off, and checks what arrives.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha1, sha256
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Event, Thread
from typing import TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.git.lfs import Pointer
from gtrack.git.progress import Tell
from gtrack.git.remotes import check_remote, end_with_children, transfer_environment, without_secrets

if TYPE_CHECKING:
    from typing_extensions import Self

    from gtrack.git.repo import Repository

_AT_ONCE = 500  # ids on one command line
_PROGRESS_SECONDS = 0.2
_PROGRESS = re.compile(r"(?P<what>upload|download) \d+/\d+ (?P<done>\d+)/(?P<size>\d+) (?P<name>.*)")
_NOISE = re.compile(
    r"(?:Uploading|Downloading|Filtering) LFS objects|fetch: |Locking support detected|\s*\$ git config lfs\."
)
_NO_SERVER = re.compile(
    r"\b40[45]\b|Not found|Repository or object not found|does not have .*LFS|LFS .*(?:disabled|not enabled)",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b40[13]\b|Authentication required|Authorization error|credentials|Permission denied", re.IGNORECASE
)
_MODE = "100644"
_RETRIES = "lfs.transfer.maxRetries"


def is_installed() -> bool:
    """Tell whether git-lfs is on the PATH."""
    return shutil.which("git-lfs") is not None


def push_objects(repo: Repository, remote: str, pointers: Sequence[Pointer], tell: Tell = lambda *_: None) -> None:
    """Send objects of the local store to the LFS server of a remote; what is there already is not sent again.

    Raises:
        GitError: git-lfs is not installed, the remote has no LFS server, or it does not take them.
    """
    for at in range(0, len(pointers), _AT_ONCE):
        some = pointers[at : at + _AT_ONCE]
        said = _run(repo, some, tell, "push", "--object-id", check_remote(remote), *(one.oid for one in some))
        if said is not None:
            raise _failed(remote, "sent to", said)


def fetch_objects(repo: Repository, remote: str, pointers: Sequence[Pointer], tell: Tell = lambda *_: None) -> None:
    """Fetch objects from the LFS server of a remote into the local store; what is here already is not fetched.

    Raises:
        GitError: git-lfs is not installed, the remote has no LFS server, or does not give one of them; others may be here.
    """
    if not pointers:
        return
    said = _run(repo, pointers, tell, "fetch", "--include=", "--exclude=", check_remote(remote), _tree(repo, pointers))
    if said is not None:
        raise _failed(remote, "fetched from", said)


def _tree(repo: Repository, pointers: Sequence[Pointer]) -> str:
    """Write a tree that holds just these pointers, and return its id: git-lfs fetches what a tree names."""
    # Whatever paths they have in the runs branch, these are none that --include could take for a pattern. Nothing names the
    # tree; it and the few bytes of each pointer are what `git gc` takes away.
    named = sorted({one.oid: one for one in pointers}.items())
    blobs = [_blob_id(repo, pointer.encode()) for _, pointer in named]
    for (_, pointer), known in zip(named, repo.objects.many(blobs), strict=True):
        if known is None:  # seldom: what is asked for stands in a commit
            repo.run("hash-object", "-w", "--stdin", stdin=pointer.encode())
    entries = [f"{_MODE} blob {blob}\t{oid}\n" for (oid, _), blob in zip(named, blobs, strict=True)]
    return repo.run("mktree", stdin="".join(entries).encode()).decode().strip()


def _blob_id(repo: Repository, data: bytes) -> str:
    """Return the id of a blob, see https://git-scm.com/book/en/v2/Git-Internals-Git-Objects."""
    digest = sha256 if len(repo.null_oid) == 64 else sha1
    return digest(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _run(repo: Repository, pointers: Sequence[Pointer], tell: Tell, *args: str) -> str | None:
    """Run git-lfs, and return what it wrote when it failed, None when all is done."""
    if not is_installed():
        raise GitError(
            "git-lfs is not installed, and large artifacts move through it unless artifacts.remote names another store. "
            "Install it (https://git-lfs.com), or set artifacts.remote in .gtrack/config.yaml."
        )
    config = repo.config()
    retries = (
        () if _RETRIES.lower() in config else ("-c", f"{_RETRIES}=5")
    )  # its own 8 take half a minute, hopeless or not
    command = repo.own_command(*retries, "lfs", *args)
    with tempfile.TemporaryDirectory(prefix="gtrack-lfs-") as place:
        log = Path(place, "progress")
        env = {**transfer_environment(config), "GIT_LFS_PROGRESS": str(log)}
        with (
            _Follower(log, pointers, tell),
            Popen(command, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env=env) as process,
        ):
            try:
                _, said = process.communicate()
            except BaseException:
                end_with_children(process)
                raise
    return None if process.returncode == 0 else said.decode(errors="replace")


class _Follower:
    """Reads the file that git-lfs writes its progress to, and tells bytes of bytes."""

    def __init__(self, log: Path, pointers: Sequence[Pointer], tell: Tell) -> None:
        self._log = log
        self._total = sum(one.size for one in pointers)
        self._tell = tell
        self._done: dict[str, int] = {}
        self._end = Event()
        self._thread = Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self._tell("Large files", 0, self._total)
        self._thread.start()
        return self

    def _follow(self) -> None:
        while not self._end.wait(_PROGRESS_SECONDS):
            if not self._log.exists():
                continue
            for line in self._log.read_text(encoding="utf-8", errors="replace").splitlines():
                found = _PROGRESS.match(line)
                if found:
                    self._done[found["name"]] = int(found["done"])
            self._tell("Large files", min(sum(self._done.values()), self._total), self._total)

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()
        if error[0] is None:
            self._tell("Large files", self._total, self._total)


def _failed(remote: str, done: str, said: str) -> GitError:
    lines = [line for line in said.splitlines() if line.strip() and not _NOISE.match(line)]
    words = without_secrets(" ".join(" ".join(lines).split())) or "git-lfs does not say why"
    hint = ""
    if _DENIED.search(words):
        hint = " Let git keep the credentials (git help credentials), and see that the remote has an LFS server."
    elif _NO_SERVER.search(words):
        hint = " It may have no LFS server: then set artifacts.remote in .gtrack/config.yaml to another store."
    return GitError(f"Large artifacts cannot be {done} {without_secrets(remote)} with git-lfs: {words}{hint}")
