"""Examine what a clone stands in: git itself, who commits, the remotes of the runs branch, large artifacts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Thread
from typing import TYPE_CHECKING

from gtrack.errors import GitError, GTrackError
from gtrack.formats.words import plural
from gtrack.git.lfs import MAX_POINTER, Pointer, is_here
from gtrack.git.lfs_remote import is_installed
from gtrack.git.promisor import commits_here, is_partial, promisor_remotes, sizes_here
from gtrack.git.refs import list_refs
from gtrack.git.remotes import list_remote_refs, without_secrets
from gtrack.git.repo import command_at
from gtrack.ops.checks.symptoms import Symptom, broken, noted, well
from gtrack.ops.large.transfer import pointers_between
from gtrack.store.large.stores import open_store
from gtrack.store.purge import newest_twin, twin_of

if TYPE_CHECKING:
    from gtrack.git.repo import Repository
    from gtrack.project import Project

_NEEDS = (
    ((2, 33), "reading the branch's history"),
    ((2, 34), "signatures with SSH keys"),
    ((2, 36), "runs that survive a power failure (core.fsync)"),
)
_LEAST = (2, 33)
_WISHED = (2, 36)
_FOR_PARTIAL = (2, 44)
_VERSION = re.compile(r"([0-9]+)\.([0-9]+)")
_SECONDS = 15.0
_ARTIFACT = re.compile(r"experiments/[^/]+/[0-9a-f]{2}/[0-9a-f]{32}/artifacts/.")
_NOBODY = "0" * 64
_AT_ONCE = 8
_SEE_STORE = "see to artifacts.remote in .gtrack/config.yaml, and to what lets you in there"


def git_version(start: Path) -> Iterator[Symptom]:
    """Examine which git there is."""
    said = _version(start)
    if said is None:
        yield broken("git", "there is no git on the PATH", "install it: https://git-scm.com/downloads")
        return
    version = _numbers(said)
    lacking = "; ".join(f"{'.'.join(map(str, least))} for {what}" for least, what in _NEEDS if version < least)
    text = f"{said}{f'; needs {lacking}' if lacking else ''}"
    if version < _LEAST:
        yield broken("git", text, "install a newer git: https://git-scm.com/downloads")
    elif version < _WISHED:
        yield noted("git", text, "install a newer git: https://git-scm.com/downloads")
    else:
        yield well("git", text)


def _version(start: Path) -> str | None:
    try:
        with Popen(command_at(start, "version"), stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL) as process:
            return process.communicate()[0].decode(errors="replace").strip()
    except FileNotFoundError:
        return None


def _numbers(said: str) -> tuple[int, int]:
    found = _VERSION.search(said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def identity(project: Project) -> Iterator[Symptom]:
    """Examine who commits."""
    config = project.git_config()
    names = os.environ.get("GIT_AUTHOR_NAME") or config.get("user.name")
    mails = os.environ.get("GIT_AUTHOR_EMAIL") or config.get("user.email")
    who = project.identity()
    lacking = [key for key, value in (("user.name", names), ("user.email", mails)) if not (value or "").strip()]
    if lacking:
        text = f"git does not know {' and '.join(lacking)}; runs are committed as {who.name} <{who.email}>"
        values = {"user.name": '"Your Name"', "user.email": "you@example.org"}
        yield noted("identity", text, "; ".join(f"git config --global {key} {values[key]}" for key in lacking))
    else:
        yield well("identity", f"{who.name} <{who.email}>")


def clone(project: Project) -> Iterator[Symptom]:
    """Examine whether this clone has everything."""
    repo = project.repo
    if repo.root is None:
        yield noted("clone", "a bare repository: runs can be read from it, but not made in it")
    if (repo.common_dir / "shallow").exists():
        yield noted("clone", "shallow: older history, and the code of older runs, is not here", "git fetch --unshallow")
    if is_partial(repo):
        remotes = ", ".join(promisor_remotes(repo))
        text = f"partial: what was left with {remotes} is fetched when it is asked for"
        said = _version(repo.root or repo.git_dir) or ""
        if _numbers(said) < _FOR_PARTIAL:
            lacking = f"{text}; {said} may fetch also what is only looked at, which 2.44 does not"
            yield noted("clone", lacking, "install a newer git: https://git-scm.com/downloads")
        else:
            yield well("clone", text)


# Remotes


def remotes(project: Project) -> Iterator[Symptom]:
    """Ask all remotes at once where the branch is there."""
    names = project.repo.run("remote").decode(errors="replace").split()
    if not names and project.repo.root is None:
        yield well("remotes", "there is none; a bare repository is one that others push to")
        return
    if not names:
        yield noted("remotes", "there is none: the runs are on this machine alone", "git remote add origin URL")
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for found in pool.map(lambda name: _remote(project, name), names):
            yield from found


def _remote(project: Project, name: str) -> Sequence[Symptom]:
    topic = f"remote {name}"
    try:
        there = list_remote_refs(project.repo, name, project.config.ref, seconds=_SECONDS).get(project.config.ref)
    except GTrackError as error:
        return [broken(topic, str(error), f"git ls-remote {name}; git remote -v")]
    try:
        return [_compared(project, name, there)]
    except GitError as error:
        return [broken(topic, str(error), "gtrack pull")]


def _compared(project: Project, name: str, there: str | None) -> Symptom:
    repo, topic, branch_ = project.repo, f"remote {name}", project.config.branch
    here = repo.resolve(project.config.ref)
    if there is None:
        return (
            noted(topic, f"reachable; it has no {branch_} yet", f"gtrack push {name}")
            if here
            else well(topic, "reachable")
        )
    if here is None or there == here:
        return well(topic, f"reachable; {branch_} is {'the same there' if here else 'there'}")
    if there not in commits_here(repo, [there]):
        return noted(topic, f"reachable; {branch_} has runs there that are not here", f"gtrack pull {name}")
    seen = list_refs(repo, f"refs/gtrack/seen/{name}/{branch_}").get(f"refs/gtrack/seen/{name}/{branch_}")
    if seen is not None and not _is_in(repo, seen, there):
        by_purge = twin_of(repo, seen, there) is not None
        what = "by a purge" if by_purge else "by a forced push: 'git log' tells who did it"
        text = f"reachable; {branch_} was rewritten there since {seen[:10]}, {what}"
        return noted(topic, text, f"gtrack pull {name}{'' if by_purge else ' --accept-rewrite'}")
    more, less = _is_in(repo, there, here), _is_in(repo, here, there)
    if more:
        return noted(topic, f"reachable; {branch_} is {_steps(repo, there, here)} ahead of it", f"gtrack push {name}")
    if less:
        return noted(topic, f"reachable; {branch_} is {_steps(repo, here, there)} behind it", f"gtrack pull {name}")
    if newest_twin(repo, there, here) is not None:
        text = f"reachable; the purge here is not published: {branch_} there still has what was purged"
        return noted(topic, text, f"gtrack push --purged {name}")
    return noted(topic, f"reachable; both sides have runs that the other lacks on {branch_}", f"gtrack sync {name}")


def _steps(repo: Repository, older: str, newer: str) -> str:
    count = repo.run("rev-list", "--first-parent", "--count", newer, f"^{older}").decode().strip()
    return plural(int(count), "commit")


def _is_in(repo: Repository, older: str, newer: str) -> bool:
    return repo.answer("merge-base", "--is-ancestor", older, newer)[0] == 0


# Large artifacts


def large(project: Project) -> Iterator[Symptom]:
    """Examine git-lfs, and which large artifacts are here and were pushed."""
    repo, tip = project.repo, project.store.tip()
    pointers = _pointers(repo, tip) if tip is not None else []
    absent = [pointer for pointer in pointers if not is_here(repo, pointer)]
    text = f"{plural(len(pointers), 'large artifact')} in the runs, {len(absent):,} of them not here"
    topic = "large artifacts"
    if absent:
        yield noted(topic, text, "gtrack get RUN")
    elif pointers:
        yield well(topic, text)
    by_store = project.config.artifacts_remote is not None
    if not is_installed():
        needed = pointers and not by_store
        said = "git-lfs is not installed: large artifacts cannot be pushed to, or fetched from, a git remote"
        yield (
            noted(topic, said, "install it: https://git-lfs.com") if needed else well(topic, "git-lfs is not installed")
        )
    elif not project.git_config().get("filter.lfs.process"):
        said = "git-lfs is installed, and git does not know it: a checkout of a run shows pointers"
        yield noted(topic, said, "git lfs install") if pointers else well(topic, said)
    else:
        yield well(topic, "git-lfs is installed, and git knows it")
    yield from _not_pushed(project, tip)


def _pointers(repo: Repository, tip: str) -> list[Pointer]:
    """Return the pointers of the runs as they are now."""
    lenient = ("--missing=allow-any",) if is_partial(repo) else ()
    command = ("rev-list", "--objects", "--no-walk", f"--filter=blob:limit={MAX_POINTER + 1}", *lenient, tip)
    lines = repo.run(*command).decode(errors="surrogateescape").splitlines()
    named = (line.partition(" ") for line in lines)
    blobs = [oid for oid, _, path in named if _ARTIFACT.match(path)]
    if is_partial(repo):
        blobs = list(sizes_here(repo, blobs))
    found = (Pointer.decode(one.data) if one is not None else None for one in repo.objects.many(blobs))
    return list(dict.fromkeys(pointer for pointer in found if pointer is not None))


def _not_pushed(project: Project, tip: str | None) -> Iterator[Symptom]:
    repo, branch_ = project.repo, project.config.branch
    seen = {ref: oid for ref, oid in list_refs(repo, "refs/gtrack/seen").items() if ref.endswith(f"/{branch_}")}
    for ref, oid in seen.items():
        name = ref.removeprefix("refs/gtrack/seen/").removesuffix(f"/{branch_}")
        waiting = pointers_between(repo, oid, tip) if tip is not None and tip != oid else []
        if waiting:
            text = f"not with {name}, made since the last push to it: {plural(len(waiting), 'large artifact')}"
            yield noted("large artifacts", text, f"gtrack push {name}")


def store(project: Project) -> Iterator[Symptom]:
    """Ask the store of large artifacts for something that it has not got."""
    url = project.config.artifacts_remote
    if url is None:
        return
    told = [broken("artifact store", f"{without_secrets(url)} does not answer within {_SECONDS:.0f} s", _SEE_STORE)]
    # Its client may wait and try again for many minutes; nothing has to wait for that.
    asking = Thread(target=lambda: told.insert(0, _asked(url)), daemon=True)
    asking.start()
    asking.join(_SECONDS)
    yield told[0]


def _asked(url: str) -> Symptom:
    try:
        open_store(url).size(_NOBODY)
    except (GTrackError, OSError) as error:
        return broken("artifact store", str(error), _SEE_STORE)
    return well("artifact store", f"{without_secrets(url)} answers")
