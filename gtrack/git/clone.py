"""Clone a repository, leaving large blobs with the remote where that can filter them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE, Popen
from urllib.parse import quote

from gtrack.errors import GitError, UsageError
from gtrack.git.progress import Tell, run_telling
from gtrack.git.refs import list_refs
from gtrack.git.remotes import stall_options, transfer_environment, unreachable, without_secrets
from gtrack.git.repo import Repository, command_at

REMOTE = "origin"
_CLONING = "gtrack.cloning"
_SIZE = re.compile(r"\d{1,12}[kmgKMG]?\Z")
_NO_FILTER = "filtering not recognized"
# On this machine nobody else decides what a clone may leave out.
_UPLOAD_PACK = "git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack"
_SETTINGS = ("-c", "core.fsync=committed,loose-object,reference", "-c", "core.fsyncMethod=batch")


def check_limit(text: str) -> str:
    """Return a size as git takes it: a number of bytes, with ``k``, ``m`` or ``g`` for binary units.

    Raises:
        UsageError: it is no such size.
    """
    if not _SIZE.match(text):
        raise UsageError(f"{text!r} is no size: give bytes, or a number with k, m or g, such as 10k or 1m.")
    return text.lower()


def check_url(url: str) -> str:
    """Return the URL of a repository, or a path.

    Raises:
        UsageError: it is empty, or git would take it for an option.
    """
    if not url or url.startswith("-"):
        raise UsageError(f"{url!r} is no URL of a repository.")
    return url


def directory_of(url: str) -> str:
    """Return what the directory of a clone is called that was given no name: as git calls it.

    Raises:
        UsageError: the URL has no name in it.
    """
    path = Path(check_url(url))
    if path.is_dir():
        url = str(path.resolve()) if path.resolve().name != ".git" else str(path.resolve().parent)
    last = re.split(r"[/:]", url.rstrip("/").removesuffix("/.git").rstrip("/"))[-1]
    name = last.removesuffix(".git").removesuffix(".bundle")
    if name in {"", ".", ".."}:
        raise UsageError(f"{without_secrets(url)!r} has no name for a directory in it: name one, after the URL.")
    return name


def check_free(directory: Path) -> None:
    """Check that a clone can go to a directory: it is not there, or is empty.

    Raises:
        GitError: something is there; the message says what.
    """
    try:
        with os.scandir(directory) as entries:
            if next(entries, None) is None:
                return
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise GitError(f"{directory} is there and is a file: name another directory, after the URL.") from None
    except OSError as error:
        raise GitError(f"{directory} cannot be looked at: {error.strerror or error}.") from error
    raise GitError(f"{directory} {_what_is_there(directory)}")


def _what_is_there(directory: Path) -> str:
    if not (directory / ".git").exists():
        return "is there and is not empty: name another directory, after the URL."
    settings = _settings_in(directory)
    url = without_secrets(settings.get(f"remote.{REMOTE}.url", ""))
    linked = (directory / ".git").is_file()  # a worktree, or a submodule
    if _CLONING in settings or not (settings or linked):
        what = f"a clone of {url}" if url else "a repository"
        return f"holds {what} that was cut short, or still goes on. Remove it (rm -rf {directory}) and clone again."
    if not url:
        return "is a git repository already: name another directory, after the URL."
    return (
        f"is a clone of {url} already. 'gtrack -C {directory} pull' brings what is new; name another directory, after the "
        "URL, for one more clone."
    )


def _settings_in(directory: Path) -> dict[str, str]:
    """Return the settings of the repository at the top of ``directory``, all as of one moment; none where there is none."""
    return _listed(command_at(directory, "config", "--file", str(directory / ".git" / "config"), "--list", "-z"))


def _user_settings(directory: Path) -> dict[str, str]:
    place = next((one for one in (directory, *directory.parents) if one.is_dir()), Path.cwd())
    return _listed(command_at(place, "config", "--list", "-z"))


def _listed(command: Sequence[str]) -> dict[str, str]:
    with Popen(command, stdout=PIPE, stderr=PIPE) as process:
        entries = process.communicate()[0].decode(errors="replace").split("\0")
    pairs = (entry.partition("\n") for entry in entries if entry)
    return {key.lower(): value for key, _, value in pairs}


def clone(url: str, directory: Path, limit: str | None, tell: Tell) -> tuple[Repository, bool]:
    """Clone a repository with all its branches and tags, checking nothing out.

    It is marked as one that is being made until ``finish`` is called. What cannot be cloned leaves nothing behind.

    Args:
        url: of the remote, or a path of this machine.
        directory: where to; it is not there, or is empty.
        limit: blobs of this size and above stay with the remote, see ``check_limit``; all come, when None.
        tell: is told how far git is.

    Returns:
        The clone, and whether the remote left out what was to be left out.

    Raises:
        GitError: there is no such repository, it cannot be reached, or the disk refuses.
        UsageError: git would take the URL for an option.
    """
    place = Path(check_url(url))
    if place.is_file():  # a bundle, which is not filtered
        limit = None
    local = place.exists() or url.startswith("file://")
    if place.is_dir() and limit is not None:  # git filters nothing that it can copy by itself
        url = f"file://{quote(str(place.resolve()))}"
    options = ["-c", f"{_CLONING}=true", "--origin", REMOTE]
    if limit is not None:
        options.append(f"--filter=blob:limit={limit}")
        if local:
            options += ["--upload-pack", _UPLOAD_PACK, "-c", f"remote.{REMOTE}.uploadpack={_UPLOAD_PACK}"]
    config = _user_settings(directory)
    existed = directory.exists()
    command = [
        *stall_options(config),
        *_SETTINGS,
        "clone",
        "--no-checkout",
        "--progress",
        *options,
        "--",
        url,
        str(directory),
    ]
    try:
        code, said = run_telling(command_at(Path.cwd(), *command), transfer_environment(config), tell)
    except BaseException:
        discard(directory, existed=existed)
        raise
    if code != 0:
        raise unreachable(url, "cloned", said.encode())
    repo = Repository.find(directory)
    if limit is None or _NO_FILTER not in said:
        return repo, limit is not None
    for key in ("promisor", "partialclonefilter"):  # nothing was left out, so nothing is to be looked for
        repo.run("config", "--unset-all", f"remote.{REMOTE}.{key}", ok=(0, 5))
    return repo, False


def discard(directory: Path, *, existed: bool) -> None:
    """Take away a clone that is being made; of a directory that ``existed``, and was empty, what is in it."""
    if (directory / ".git" / "HEAD").exists() and _CLONING not in _settings_in(directory):
        return  # somebody else's, who was quicker
    if not existed:
        shutil.rmtree(directory, ignore_errors=True)
        return
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def finish(repo: Repository) -> None:
    """Take away the mark of a clone that is being made."""
    repo.run("config", "--unset-all", _CLONING, ok=(0, 5))


def track(repo: Repository, branch: str) -> bool:
    """Make a local branch at what the remote has of it, and follow that; return whether it has it, or it is here."""
    here = list_refs(repo, f"refs/heads/{branch}")
    if f"refs/heads/{branch}" in here:
        return True
    there = f"refs/remotes/{REMOTE}/{branch}"
    if there not in list_refs(repo, there):
        return False
    repo.run("branch", "--quiet", "--track", "--", branch, there)
    return True


def head_branch(repo: Repository) -> str | None:
    """Return the full name of the branch that HEAD is on; None when it is on a commit."""
    return repo.run("symbolic-ref", "--quiet", "HEAD", ok=(0, 1)).decode(errors="replace").strip() or None


def leave_branch(repo: Repository, branch: str) -> None:
    """Put HEAD on a branch that is not there, ``branch``: nothing is checked out."""
    repo.run("symbolic-ref", "HEAD", f"refs/heads/{branch}")


def check_out(repo: Repository, tell: Tell) -> None:
    """Write the files of HEAD into the empty working tree: those of Git LFS as their pointers, whatever else is missing fetched.

    Raises:
        GitError: git cannot, as the disk is full, say.
    """
    config = repo.config()
    env = {**transfer_environment(config), "GIT_LFS_SKIP_SMUDGE": "1"}
    command = repo.own_command(*stall_options(config), "checkout", "--progress", "--force", "HEAD", "--")
    code, said = run_telling(command, env, tell)
    if code != 0:
        place = repo.root
        raise GitError(
            f"{place} has all of the history, but its files could not be checked out: {said}\nWhen that is mended: "
            f"git -C {place} checkout --force HEAD"
        )
