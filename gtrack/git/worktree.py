"""The state of a working tree, and a commit of it that leaves it alone.

HEAD, the index, the stash and the files are only read: the snapshot is built through a temporary index.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.git.refs import Update, update
from gtrack.records import LeftOut

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository

_LITTER_SECONDS = 86400.0
# Files that hold credentials by everybody's custom. Only untracked ones are looked at: a tracked one is public already.
_SECRET = re.compile(
    r"(?:\A|/)(?:\.env(?!\.(?:example|sample|template|dist)\Z)(?:\.[^/]*)?|\.netrc|\.pypirc|\.git-credentials|id_(?:rsa|dsa|ecdsa|ed25519)"
    r"|credentials(?:\.[a-z]+)?|[^/]*\.(?:pem|p12|pfx|jks|key))\Z"
)

SNAPSHOT_REFS = "refs/gtrack/snapshots"
"""Keep a snapshot from ``git gc`` until a run commit has it for a parent."""


@dataclass(frozen=True)
class WorktreeState:
    """What ``git status`` says.

    Attributes:
        head: the commit that is checked out; None in a repository with no commit yet.
        branch: its branch; None when HEAD is detached.
        changed: tracked paths that differ from HEAD, deleted ones too.
        untracked: files that are neither tracked nor ignored; a nested repository ends with ``/``.
        dirty_submodules: submodules with changes inside, which no commit of this repository can hold.
    """

    head: str | None
    branch: str | None
    changed: tuple[str, ...]
    untracked: tuple[str, ...]
    dirty_submodules: tuple[str, ...]

    @property
    def dirty(self) -> bool:
        """Whether the working tree differs from HEAD."""
        return bool(self.changed or self.untracked)


def read_state(repo: Repository) -> WorktreeState:
    """Return the state of the working tree.

    Raises:
        GitError: the repository has no working tree, or git status fails.
    """
    out = repo.run("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames")
    head = branch = None
    changed, untracked, submodules = [], [], []
    for line in os.fsdecode(out).split("\0"):
        if line.startswith("# branch.oid "):
            head = None if line.endswith("(initial)") else line[13:]
        elif line.startswith("# branch.head "):
            branch = None if line.endswith("(detached)") else line[14:]
        elif line.startswith("? "):
            untracked.append(line[2:])
        elif line.startswith(("1 ", "u ")):
            path = line.split(" ", 8 if line[0] == "1" else 10)[-1]
            changed.append(path)
            if line.split(" ", 3)[2][2:] not in ("..", "."):
                submodules.append(path)
    return WorktreeState(head, branch, tuple(changed), tuple(untracked), tuple(submodules))


def snapshot(
    repo: Repository, state: WorktreeState, identity: Identity, max_file_bytes: int
) -> tuple[str | None, tuple[LeftOut, ...]]:
    """Commit the working tree as it is, on top of HEAD, and return the commit's id and what it had to leave out.

    The same tree on the same HEAD by the same person is the same commit: its date is HEAD's. It is kept by a ref under
    ``SNAPSHOT_REFS`` until ``release`` lets go of it.

    Args:
        max_file_bytes: untracked files above this size are left out.

    Returns:
        HEAD itself, when leaving out leaves nothing; None when there is neither a commit nor a file.
    """
    root = repo.root or repo.git_dir
    taken, left_out = _choose(root, state, max_file_bytes)
    left_out += [LeftOut(path, 0, "") for path in state.dirty_submodules]
    if not taken:
        return state.head, tuple(left_out)
    tree = _tree_of(repo, root, taken)
    parent = repo.objects.get(state.head) if state.head else None
    if parent and parent.data.startswith(f"tree {tree}\n".encode()):
        return state.head, tuple(left_out)
    who = identity.line(_commit_time(parent.data) if parent else int(time.time()))
    lines = [f"tree {tree}", *([f"parent {state.head}"] if parent else []), f"author {who}", f"committer {who}", ""]
    lines.append("gtrack: the working tree as a run found it\n")
    commit = repo.run("hash-object", "-t", "commit", "-w", "--stdin", stdin="\n".join(lines).encode()).decode().strip()
    update(repo, [Update(f"{SNAPSHOT_REFS}/{commit}", commit)], identity, "gtrack: snapshot")
    return commit, tuple(left_out)


def checked_out(repo: Repository, ref: str) -> Path | None:
    """Return the working tree that has the branch ``ref`` checked out, None when none has."""
    heads = {repo.git_dir / "HEAD": repo.root}
    if repo.common_dir.name == ".git":
        heads.setdefault(repo.common_dir / "HEAD", repo.common_dir.parent)
    for link in repo.common_dir.glob("worktrees/*/gitdir"):
        heads.setdefault(
            link.with_name("HEAD"), Path(link.read_text(encoding="utf-8", errors="replace").strip()).parent
        )
    for head, root in heads.items():
        if root is not None and head.read_text(encoding="utf-8", errors="replace").strip() == f"ref: {ref}":
            return root
    return None


def releases(code_commit: str) -> list[Update]:
    """Return the ref updates that let go of a snapshot, for the transaction that makes it reachable from a branch."""
    return [Update(f"{SNAPSHOT_REFS}/{code_commit}", None)]


def _choose(root: Path, state: WorktreeState, max_file_bytes: int) -> tuple[list[str], list[LeftOut]]:
    taken, left_out = list(state.changed), []
    for path in state.untracked:
        # A repository inside this one git would store as a link to nowhere; a secret would be pushed with the runs.
        if path.endswith("/") or _SECRET.search(path):
            left_out.append(LeftOut(path, 0, ""))
            continue
        try:
            found = (root / path).lstat()
            if stat.S_ISREG(found.st_mode) and not os.access(root / path, os.R_OK):
                left_out.append(LeftOut(path, found.st_size, ""))
            elif stat.S_ISREG(found.st_mode) and found.st_size > max_file_bytes:
                left_out.append(LeftOut(path, found.st_size, _digest(root / path)))
            else:
                taken.append(path)
        except FileNotFoundError:  # gone since git listed it
            continue
    return taken, left_out


def _digest(path: Path) -> str:
    from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, and few snapshots leave a file out

    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _tree_of(repo: Repository, root: Path, paths: list[str]) -> str:
    directory = repo.git_dir / "gtrack"
    index = directory / f"index-{os.urandom(8).hex()}"
    env = {"GIT_INDEX_FILE": str(index)}
    behind = _behind_links(root, paths)
    try:
        directory.mkdir(exist_ok=True)
        _remove_litter(directory)
        with suppress(FileNotFoundError):  # a repository with no commit yet may have no index
            # With its time stamp: git compares it to those of the files to find edits that changed neither size nor time.
            shutil.copy2(repo.git_dir / "index", index)
        if behind:
            repo.run("update-index", "--force-remove", "-z", "--stdin", stdin=_listed(behind), env=env)
        taken = [path for path in paths if path not in behind]
        repo.run("update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=_listed(taken), env=env)
        return repo.run("write-tree", env=env).decode().strip()
    except (GitError, OSError) as error:
        reason = str(error) if isinstance(error, GitError) else f"{error.strerror or error}: {directory}"
        raise GitError(
            f"The working tree could not be recorded: {reason.rstrip('.')}. Mend that, commit or .gitignore what git "
            "cannot take, or run with --no-snapshot."
        ) from error
    finally:
        for leftover in (index, index.with_name(f"{index.name}.lock")):
            with suppress(OSError):  # its own error, if there was one, is the one to tell
                leftover.unlink()


def _remove_litter(directory: Path) -> None:
    """Remove what processes that were killed here left. Not by mtime: that is copied from the index of the repository."""
    for leftover in directory.glob("index-*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_ctime > _LITTER_SECONDS:
                leftover.unlink()


def _listed(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in paths)


def _behind_links(root: Path, paths: list[str]) -> set[str]:
    """Return the paths whose directory has become a symlink: to git they are deleted, but update-index refuses to look."""
    known = {"": False}

    def is_behind(directory: str) -> bool:
        if directory not in known:
            known[directory] = is_behind(posixpath.dirname(directory)) or (root / directory).is_symlink()
        return known[directory]

    return {path for path in paths if is_behind(posixpath.dirname(path))}


def _commit_time(commit: bytes) -> int:
    header = commit.split(b"\n\n", 1)[0]
    committer = next(line for line in header.split(b"\n") if line.startswith(b"committer "))
    return int(committer.rsplit(b" ", 2)[1])
