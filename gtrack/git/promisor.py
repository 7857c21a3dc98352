"""Partial clones: which objects were left with the remote, and how to bring many of them here at once.

Whatever reads an object that is not here has git fetch it, one request for each object
(https://git-scm.com/docs/partial-clone); so whoever is about to read many asks for them here before, in one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gtrack.errors import GitError
from gtrack.git.progress import Tell, run_telling
from gtrack.git.remotes import check_remote, stall_options, transfer_environment, unreachable

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.git.trees import Entry

_UNADVERTISED = "unadvertised object"  # git's words, see upload-pack.c
_ALLOW = (
    "Let it give single files out, in the bare repository there: git config uploadpack.allowAnySHA1InWant true. (Or let its sshd "
    "take git's newer protocol, which needs no leave for that: AcceptEnv GIT_PROTOCOL.)"
)
_TRUE = frozenset({"", "1", "on", "true", "yes"})


class ObjectsMissing(GitError):
    """Objects are with a remote that does not give them.

    Attributes:
        oids: which ones.
    """

    def __init__(self, message: str, oids: Iterable[str]) -> None:
        super().__init__(message)
        self.oids = frozenset(oids)


def promisor_remotes(repo: Repository) -> list[str]:
    """Return the remotes that have what this clone left out, none when it is whole."""
    try:
        text = (repo.common_dir / "config").read_bytes().lower()
    except OSError:
        return []
    if b"promisor" not in text and b"partialclone" not in text:  # saves most repositories a process
        return []
    pattern = r"^(remote\..*\.promisor|extensions\.partialclone)$"
    said = repo.run("config", "-z", "--get-regexp", pattern, ok=(0, 1)).decode(errors="replace")
    names = []
    for entry in filter(None, said.split("\0")):
        key, _, value = entry.partition("\n")
        if key.startswith("extensions."):
            names.append(value)
        elif value.lower() in _TRUE:
            names.append(key.removeprefix("remote.").removesuffix(".promisor"))
    return list(dict.fromkeys(names))


def is_partial(repo: Repository) -> bool:
    """Tell whether this clone may have left objects with its remote."""
    return bool(promisor_remotes(repo))


def missing(repo: Repository, oids: Iterable[str]) -> set[str]:
    """Return which of these blobs are not here, without fetching any."""
    asked = dict.fromkeys(oids)
    if not asked:
        return set()
    # An object that is named and is missing is passed over; what remains is printed.
    return asked.keys() - {line.partition(" ")[0] for line in _walk(repo, asked, "--ignore-missing")}


def commits_here(repo: Repository, oids: Iterable[str]) -> set[str]:
    """Return which of these commits and tag objects are here, without fetching any."""
    asked = dict.fromkeys(oids)
    if not asked:
        return set()
    if not is_partial(repo):
        return {oid for oid, found in zip(asked, repo.objects.many(list(asked)), strict=True) if found is not None}
    return asked.keys() & {line.partition(" ")[0] for line in _walk(repo, asked, "--ignore-missing", "--filter=tree:0")}


def sizes_here(repo: Repository, oids: Iterable[str]) -> dict[str, int]:
    """Return the sizes in bytes of those of these blobs that are here, without fetching any."""
    asked = set(oids)
    here = asked - missing(repo, asked)
    if not here:
        return {}
    stdin = "".join(f"{oid}\n" for oid in sorted(here)).encode()
    told = repo.run("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=stdin).decode().splitlines()
    return {oid: int(size) for oid, size in (line.split(" ") for line in told)}


def missing_below(repo: Repository, trees: Iterable[str]) -> set[str]:
    """Return the blobs anywhere below these trees that are not here, without fetching any; the trees must be here."""
    asked = dict.fromkeys(trees)
    if not asked:
        return set()
    return {line[1:] for line in _walk(repo, asked) if line.startswith("?")}


def _walk(repo: Repository, oids: Iterable[str], *options: str) -> list[str]:
    stdin = "".join(f"{oid}\n" for oid in oids).encode()
    command = ("rev-list", "--objects", "--no-walk", "--missing=print", *options, "--stdin")
    return repo.run(*command, stdin=stdin).decode(errors="surrogateescape").splitlines()


def write_tree(repo: Repository, files: Mapping[str, Entry]) -> str:
    """Write the tree of a directory, and return its id; the files need not be here, and none is fetched.

    Args:
        repo: the repository.
        files: path below the directory to the mode and the id of what is there.
    """
    lines: list[str] = []
    below: dict[str, dict[str, Entry]] = {}
    for path, entry in files.items():
        name, _, rest = path.partition("/")
        if rest:
            below.setdefault(name, {})[rest] = entry
        else:
            lines.append(f"{entry.mode} blob {entry.oid}\t{name}\0")
    lines += [f"040000 tree {write_tree(repo, inside)}\t{name}\0" for name, inside in below.items()]
    stdin = os.fsencode("".join(lines))
    return repo.run("mktree", "--missing", "-z", stdin=stdin).decode().strip()


def prefetch(repo: Repository, oids: Sequence[str], tell: Tell = lambda *_: None, *, absent: bool = False) -> int:
    """Bring those of these blobs that a partial clone left out, in one request, and return how many they were.

    Args:
        repo: the repository; nothing happens in a whole one.
        oids: ids of blobs, here or not.
        tell: is told how far git is.
        absent: whether it is known that none of them is here.

    Raises:
        ObjectsMissing: they are not here, and no remote that has left them out gives them.
    """
    remotes = promisor_remotes(repo)
    wanted = set() if not remotes else set(oids) if absent else missing(repo, oids)
    count, said = len(wanted), []
    for remote in remotes:
        if not wanted:
            break
        try:
            _fetch(repo, remote, sorted(wanted), tell)
        except GitError as error:
            said.append(str(error))
        wanted = missing(repo, wanted)
    if wanted:
        reasons = " ".join(said) or f"{', '.join(remotes)} did not give them."
        if _UNADVERTISED in reasons:
            reasons += f". {_ALLOW}"
        raise ObjectsMissing(reasons, wanted)
    return count


def _fetch(repo: Repository, remote: str, oids: Sequence[str], tell: Tell) -> None:
    """Fetch objects as git itself does when one is missing, see promisor-remote.c."""
    # Said to have what refers to them, a remote would leave out the very objects that are asked for: hence no negotiation.
    settings = ("-c", "fetch.negotiationAlgorithm=noop", "-c", "core.fsync=committed,loose-object,reference")
    plain = (
        "--no-tags",
        "--no-write-fetch-head",
        "--recurse-submodules=no",
        "--no-auto-maintenance",
        "--filter=blob:none",
    )
    config = repo.config()
    command = repo.own_command(
        *stall_options(config), *settings, "fetch", *plain, "--progress", "--stdin", "--", check_remote(remote)
    )
    stdin = "".join(f"{oid}\n" for oid in oids).encode()
    code, said = run_telling(command, transfer_environment(config), tell, stdin)
    if code != 0:
        raise unreachable(remote, "fetched from", said.encode())
