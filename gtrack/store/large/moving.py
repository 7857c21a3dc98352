"""Bring the content of large artifacts here, and send it to where everybody finds it.

Where that is: the store that ``artifacts.remote`` names, else the LFS servers of git's remotes. Contract: safe for several
threads and processes, which may move the same objects; a process that is killed leaves parts that the next one goes on with,
never half an object under its name.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import IO, TYPE_CHECKING, TypeVar

from gtrack.errors import ArtifactError, GitError
from gtrack.formats.words import size
from gtrack.git.lfs import READ_ONLY, Pointer, digest_of, is_here, object_path, storage, sync
from gtrack.git.lfs_remote import fetch_objects, push_objects
from gtrack.git.remotes import without_secrets
from gtrack.store.large.copying import chunks
from gtrack.store.large.stores import Store, check_digest, open_store, sweep

if TYPE_CHECKING:
    from gtrack.config import Config
    from gtrack.git.progress import Tell
    from gtrack.git.repo import Repository

_T = TypeVar("_T")
_Item = TypeVar("_Item")

_THREADS = 4
_LEFT_SECONDS = 30 * 24 * 3600.0
_FRESH_SECONDS = 12 * 3600.0
"""How old an object of a store may be that a new branch needs: nothing is deleted there that is younger than a day."""
_NAMED = 3
_SPARE = 64 << 20
"""Bytes of the disk that a download leaves free."""


@dataclass(frozen=True)
class Wanted:
    """A large artifact whose content is wanted here.

    Attributes:
        run_id: the run that has it.
        path: below the run's artifacts.
        pointer: its sha256 and size.
    """

    run_id: str
    path: str
    pointer: Pointer

    def __str__(self) -> str:
        return f"{self.path} of run {self.run_id[:8]} ({self.pointer.size} bytes, sha256 {self.pointer.oid})"


@dataclass(frozen=True)
class Uploaded:
    """What was sent: how many objects, and their bytes.

    Attributes:
        objects: those that were not there.
        bytes: of these.
        lacking: those that are neither there nor here, so that nobody who clones can have them from there.
    """

    objects: int
    bytes: int
    lacking: tuple[Pointer, ...] = ()


def bring(
    repo: Repository, config: Config, wanted: Sequence[Wanted], remote: str | None = None, tell: Tell = lambda *_: None
) -> int:
    """Bring the content of large artifacts here, and return how many objects were fetched.

    Args:
        repo: where to.
        config: names the store, if there is one.
        wanted: what is wanted; what is here is not fetched.
        remote: the git remote whose LFS server is asked; all of them, ``origin`` first, when None.
        tell: is told how many bytes of how many are here.

    Raises:
        ArtifactError: one is not to be had. The message names it, its size, and every place where it was looked for.
    """
    missing = _missing(repo, wanted)
    count = len(missing)
    looked = [f"{storage(repo)} (not there)"]
    if not missing:
        return 0
    _check_space(repo, missing)
    if config.artifacts_remote is not None:
        looked += _from_store(repo, config.artifacts_remote, missing, tell)
        missing = _missing(repo, missing)
    for name in [remote] if remote is not None else _remotes(repo):
        if not missing:
            break
        try:
            fetch_objects(repo, name, [one.pointer for one in missing], tell)
        except GitError as error:
            looked.append(f"the LFS server of {without_secrets(name)} ({error})")
        missing = _missing(repo, missing)
    if missing:
        raise _not_to_be_had(missing, looked)
    return count


def _missing(repo: Repository, wanted: Sequence[Wanted]) -> list[Wanted]:
    """Return one of the wanted for each object that is not here."""
    return list({one.pointer: one for one in wanted if not is_here(repo, one.pointer)}.values())


def _remotes(repo: Repository) -> list[str]:
    names = repo.run("remote").decode(errors="replace").split()
    return sorted(names, key=lambda name: name != "origin")


def _check_space(repo: Repository, missing: Sequence[Wanted]) -> None:
    """Refuse what the disk cannot hold: a pointer may say any size."""
    needed, place = sum(one.pointer.size for one in missing), storage(repo)
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed + _SPARE > free:
        raise ArtifactError(
            f"{_names(missing)}: {size(needed)} are not here, and {place} has {size(free)} free, of which "
            f"{size(_SPARE)} stay free for git."
        )


def _not_to_be_had(missing: Sequence[Wanted], looked: Sequence[str]) -> ArtifactError:
    places = "".join(f"\n  {place}" for place in looked)
    return ArtifactError(
        f"The content of {_names(missing)} is not to be had. It was looked for in:{places}\n"
        "Whoever logged it can bring it there: gtrack push."
    )


def _names(missing: Sequence[Wanted]) -> str:
    more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    return ", ".join(map(str, missing[:_NAMED])) + more


def _from_store(repo: Repository, url: str, missing: Sequence[Wanted], tell: Tell) -> list[str]:
    """Fetch from a store what it has, and return where what it has not was looked for."""
    try:
        store = open_store(url)
    except ArtifactError as error:
        return [str(error)]
    folder = storage(repo) / "incomplete"
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder, _LEFT_SECONDS)
    progress = _Progress(tell, sum(one.pointer.size for one in missing))

    def fetch(one: Wanted) -> str | None:
        try:
            return _fetch(repo, store, one, folder, progress)
        except ArtifactError as error:
            return f"{store.url} ({error})"
        except OSError as error:
            raise ArtifactError(
                f"{one} cannot be written to {storage(repo)}: {error.strerror or error}. What came of it is kept."
            ) from error

    return list(dict.fromkeys(said for said in each(fetch, missing, progress) if said is not None))


def _fetch(repo: Repository, store: Store, one: Wanted, folder: Path, progress: _Progress) -> str | None:
    """Fetch one object, going on where another download was cut off; return why not, when the store does not have it."""
    pointer = one.pointer
    size = store.size(pointer.oid)
    if size is None:
        return f"{store.url} (not there)"
    if size != pointer.size:
        return f"{store.url} (there are {size} bytes there instead of {pointer.size})"
    part = folder / f"{pointer.oid}.gtrack.part"
    for _ in range(2):
        with _held(part) as file:
            if is_here(repo, pointer):  # another process had begun, and was waited for
                part.unlink()
                return None
            begun = os.fstat(file.fileno()).st_size
            if _receive(store, pointer, part, file, progress):
                _give_name(repo, pointer, part)
                return None
            part.unlink()
        if begun == 0:
            break  # all of it came from there; else what was here may have been wrong
    return f"{store.url} (what is there is damaged: it has another sha256)"


@contextmanager
def _held(part: Path) -> Iterator[IO[bytes]]:
    """Give the file of a download, that this process alone writes to."""
    while True:
        file = part.open("ab", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                same = os.path.samestat(os.fstat(file.fileno()), part.stat())
            except FileNotFoundError:
                same = False
            if same:
                yield file
                return
        finally:
            file.close()


def _receive(store: Store, pointer: Pointer, part: Path, file: IO[bytes], progress: _Progress) -> bool:
    """Write what is missing of an object, and tell whether it is what its pointer names then."""
    begun = os.fstat(file.fileno()).st_size
    if begun > pointer.size:
        os.ftruncate(file.fileno(), 0)
        begun = 0
    digest, size = sha256(), begun
    for piece in chunks(part) if begun else ():
        digest.update(piece)
    progress.add(begun)
    if begun < pointer.size:
        for piece in store.read(pointer, begun):
            size += len(piece)
            if size > pointer.size:
                break
            digest.update(piece)
            left = memoryview(piece)
            while left:
                left = left[file.write(left) or 0 :]
            progress.add(len(piece))
    right = size == pointer.size and digest.hexdigest() == pointer.oid
    if not right:
        progress.add(-min(size, pointer.size))
    return right


def _give_name(repo: Repository, pointer: Pointer, part: Path) -> None:
    target = object_path(repo, pointer.oid)
    target.parent.mkdir(parents=True, exist_ok=True)
    part.chmod(READ_ONLY)
    sync(part)
    part.replace(target)
    sync(target.parent)


def send(
    repo: Repository, config: Config, remote: str, pointers: Sequence[Pointer], tell: Tell = lambda *_: None
) -> Uploaded:
    """Send objects to the store that the settings name, else to the LFS server of a remote; what is there is not sent again.

    Args:
        repo: where they are.
        config: names the store, if there is one.
        remote: the git remote.
        pointers: of the objects.
        tell: is told how many bytes of how many are there.

    Raises:
        ArtifactError: the store does not take them, or one is damaged here; others may have been sent.
        GitError: the same of a remote; or git-lfs is not installed.
    """
    named = list(dict.fromkeys(pointers))
    here = [one for one in named if is_here(repo, one)]
    if not named:
        return Uploaded(0, 0)
    if config.artifacts_remote is None:
        lacking = tuple(one for one in named if one not in set(here))
        if here:
            each(lambda one: _check(repo, one), here)  # not every server looks at what it gets
            push_objects(repo, remote, here, tell)
        return Uploaded(len(here), sum(one.size for one in here), lacking)
    store = open_store(config.artifacts_remote)
    there = dict(zip(named, each(lambda one: _is_there(store, one), named), strict=True))
    absent = [one for one in named if there[one] is False]
    sent = [one for one in named if not there[one] and is_here(repo, one)]
    progress = _Progress(tell, sum(one.size for one in sent))

    def put(one: Pointer) -> bool:
        try:
            store.put(one, object_path(repo, one.oid), progress.add)
        except ArtifactError:
            if there[one] is False:
                raise
            return False  # it is there, only old: who may not write there can push the branch all the same
        return True

    done = [one for one, is_done in zip(sent, each(put, sent, progress), strict=True) if is_done]
    return Uploaded(len(done), sum(one.size for one in done), tuple(one for one in absent if one not in set(sent)))


def _is_there(store: Store, pointer: Pointer) -> bool | None:
    """Tell whether a store has an object, and will have it until a branch that is about to be pushed names it.

    What is old may be deleted by somebody who frees the store's space, and does not see that branch yet.

    Returns:
        None when it is there and old, and cannot be renewed but by sending it again.
    """
    found = store.look(pointer.oid)
    if found is None or found.size != pointer.size:
        return False
    is_fresh = found.written is None or time.time() - found.written.timestamp() < _FRESH_SECONDS
    return True if is_fresh or store.renew(pointer.oid) else None


def _check(repo: Repository, pointer: Pointer) -> None:
    path = object_path(repo, pointer.oid)
    check_digest(pointer, path, digest_of(path)[0])


class _Progress:
    """Adds up what several threads have done."""

    def __init__(self, tell: Tell, total: int) -> None:
        self._tell = tell
        self._total = total
        self._done = 0
        self._lock = Lock()
        self._stopped = False
        tell("Large files", 0, total)

    def add(self, count: int) -> None:
        """Say that so many bytes more are done.

        Raises:
            ArtifactError: nobody waits for them any more.
        """
        with self._lock:
            if self._stopped:
                raise ArtifactError("The transfer was stopped.")
            self._done += count
            self._tell("Large files", min(self._done, self._total), self._total)

    def stop(self) -> None:
        """Have every thread end with the next piece that it moves."""
        self._stopped = True


def each(do: Callable[[_Item], _T], items: Sequence[_Item], progress: _Progress | None = None) -> list[_T]:
    """Return what a function returns for each item, several at once; the first error ends it.

    Args:
        do: the function.
        items: what it is given.
        progress: is stopped with it.
    """
    with ThreadPoolExecutor(_THREADS, "gtrack-large") as threads:
        running = [threads.submit(do, item) for item in items]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            for one in done:
                one.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            if progress is not None:
                progress.stop()
            raise
        return [one.result() for one in running]
