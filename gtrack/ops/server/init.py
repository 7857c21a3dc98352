"""Make a bare repository that guards its runs and its model registry: one with an ``update`` hook that asks gtrack."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.config import load
from gtrack.errors import GTrackError, NotARepository
from gtrack.git.repo import Repository
from gtrack.ops.server.pushed_purge import HIDDEN
from gtrack.store.purge import BACKUPS

if TYPE_CHECKING:
    from collections.abc import Sequence

REFUSED = 9
"""Exit code of ``gtrack.cli.hook`` for what may not be; any other but 0 means that gtrack itself could not be asked."""

_PARTIAL_CLONES = ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant")
"""What lets clones leave large files here, and fetch each when it is asked for."""
_MARK = "# Made by 'gtrack init --server'"
_HOOK = """\
#!/bin/sh
{mark}, which makes it anew: guards runs and the model registry. See docs/server.md of gtrack.
# Whatever keeps gtrack from being asked refuses the push.
python={python}
case "$1" in
refs/heads/* | refs/replace/* | refs/tags/*[@#]*) ;;
*) exit 0 ;;
esac
here=$(pwd) && cd / && "$python" -m gtrack.cli.hook "$here" "$@"
code=$?
case $code in
0) exit 0 ;;
{refused}) exit 1 ;;
esac
echo "gtrack could not be asked, so $1 is refused: $python -m gtrack.cli.hook ended with code $code." >&2
echo "On the server, mend that installation, or point to another one: gtrack init --server $here" >&2
exit 1
"""


@dataclass(frozen=True)
class Server:
    """A bare repository whose hook is in place.

    Attributes:
        path: where it is.
        created: whether it was made now.
        default: the default branch, whose settings are the policy.
    """

    path: Path
    created: bool
    default: str


def initialise_server(path: Path, branch: str | None = None) -> Server:
    """Make a bare repository, or take one that is there, and give it the hook.

    Args:
        path: where; what is there already must be a bare repository, or an empty directory.
        branch: the default branch of one that is made; git's own choice, when None.

    Raises:
        GTrackError: something else is there, or another hook, which stays as it is; the message says what to do.
        GitError: git cannot make it.
    """
    created = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    try:
        if created:
            path.mkdir(parents=True, exist_ok=True)
            repo = Repository.create(path, *_words(branch))
        else:
            repo = _bare_at(path)
        _check_hooks(repo)
        for key in _PARTIAL_CLONES:
            repo.run("config", key, "true")
        _hide_backups(repo)
        _place(repo.common_dir / "hooks" / "update")
    except OSError as error:
        raise GTrackError(f"{path} cannot be made a server: {error.strerror or error}.") from error
    head = repo.run("symbolic-ref", "--short", "HEAD", ok=(0, 1, 128)).decode(errors="replace").strip()
    return Server(repo.git_dir, created, head)


def branch_at(start: Path) -> str | None:
    """Return the branch that is checked out where somebody is, whose server is likely to have it for its default branch."""
    try:
        repo = Repository.find(start)
    except NotARepository:
        return None
    name = repo.run("symbolic-ref", "--quiet", "--short", "HEAD", ok=(0, 1)).decode(errors="replace").strip()
    return name if name and repo.root is not None and name != load(repo.root).branch else None


def _words(branch: str | None) -> Sequence[str]:
    return ("--bare",) if branch is None else ("--bare", f"--initial-branch={branch}")


def _bare_at(path: Path) -> Repository:
    try:
        repo = Repository.find(path)
    except NotARepository:
        repo = None
    if repo is None or repo.git_dir.resolve() != path.resolve():
        what = "is not empty and no bare repository" if path.is_dir() else "is a file"
        raise GTrackError(f"{path} {what}. Name a directory that is to be made, or the bare repository itself.")
    if repo.root is not None or repo.config().get("core.bare") != "true":
        raise GTrackError(
            f"{path} belongs to a working tree. A server is a bare repository: git clone --bare {path.parent} …"
        )
    return repo


def _check_hooks(repo: Repository) -> None:
    """Check that git looks for hooks where ours will be."""
    fields = repo.run("config", "--list", "--show-scope", "-z").decode(errors="replace").split("\0")
    entries = [(scope, *entry.partition("\n")[::2]) for scope, entry in zip(fields[::2], fields[1::2], strict=False)]
    # What this process itself says to git, on its command line, is not what a push will find.
    place = [value for scope, key, value in entries if key == "core.hookspath" and scope != "command"][-1:]
    if place and (repo.git_dir / place[0]).resolve() != (repo.common_dir / "hooks").resolve():
        raise GTrackError(
            f"git looks for the hooks of {repo.git_dir} in {place[0]} (core.hooksPath), not in it. Make it look there: "
            f"git -C {shlex.quote(str(repo.git_dir))} config core.hooksPath hooks, or take that setting away."
        )


def _hide_backups(repo: Repository) -> None:
    """Let nobody fetch, or delete by a push, what the hook keeps of a branch that was purged."""
    place = BACKUPS.rstrip("/")
    if place not in repo.run("config", "--get-all", HIDDEN, ok=(0, 1)).decode(errors="replace").split():
        repo.run("config", "--add", HIDDEN, place)


def _place(path: Path) -> None:
    python = sys.executable
    if not python:
        raise GTrackError("This Python does not know where it is, so a hook could not call it.")
    if os.path.lexists(path) and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
        line = f'{shlex.quote(python)} -m gtrack.cli.hook "$(pwd)" "$@" || exit 1'
        raise GTrackError(
            f"{path} is there and not gtrack's, so it stays as it is. Let it ask gtrack by a line of its own, before it accepts "
            f"anything:\n  {line}"
        )
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".update-{secrets.token_hex(8)}")  # no push may meet half a hook
    try:
        text = _HOOK.format(mark=_MARK, python=shlex.quote(python), refused=REFUSED)
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")
        temporary.chmod(0o755)
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
