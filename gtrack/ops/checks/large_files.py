"""Whether the large artifacts of runs are here, and are what their pointers say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtrack.git.lfs import Pointer, digest_of, object_path
from gtrack.ops.checks.faults import BROKEN, DAMAGED, GET, LOST, Fault, few, remark, wrong
from gtrack.ops.checks.run_files import Directory, Sizes, artifacts_of, contents
from gtrack.store.attributes import Attributes

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_GITATTRIBUTES = ".gitattributes"
_POINTERS = range(120, 151)
"""Bytes that a pointer of a file can have, which is all that is read to find one."""
_MAX_ATTRIBUTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Large:
    """Which artifacts are large.

    Attributes:
        users: pointer to the artifacts that it stands for, run and path.
        faults: what is wrong with the pointers themselves.
    """

    users: Mapping[Pointer, Sequence[tuple[str, str]]]
    faults: Sequence[Fault]


def find_large(repo: Repository, directories: Sequence[Directory], sizes: Sizes) -> Large:
    """Return the large artifacts of runs, and where pointers and ``artifacts/.gitattributes`` disagree."""
    found: list[tuple[Directory, dict[str, str], str | None]] = []
    wanted: dict[str, None] = {}
    for one in directories:
        blobs = {path: entry.oid for path, entry in artifacts_of(one)}
        attributes = blobs.pop(_GITATTRIBUTES, None)
        if attributes is not None and sizes.known.get(attributes, _MAX_ATTRIBUTES + 1) > _MAX_ATTRIBUTES:
            attributes = None
        small = [oid for oid in blobs.values() if sizes.known.get(oid) in _POINTERS]
        wanted.update(dict.fromkeys(small + ([attributes] if attributes else [])))
        if blobs or attributes:
            found.append((one, blobs, attributes))
    oids = list(wanted)
    data, damaged = contents(repo, oids)
    users: dict[Pointer, list[tuple[str, str]]] = {}
    faults: list[Fault] = []
    for one, blobs, attributes in found:
        broken = sorted(path for path, oid in (*blobs.items(), (_GITATTRIBUTES, attributes)) if oid in damaged)
        if broken:
            faults.append(wrong(one.name, f"git cannot read what it has of artifacts: {few(broken)}", LOST))
        if attributes in damaged:
            continue
        listed = set(Attributes(data.get(attributes or "", b"")).paths())
        pointers = {path: Pointer.decode(data[oid]) for path, oid in blobs.items() if oid in data}
        for path, pointer in pointers.items():
            if pointer is not None and path in listed:
                users.setdefault(pointer, []).append((one.name, path))
        faults += _disagreements(one, blobs, {path for path, pointer in pointers.items() if pointer}, listed, sizes)
    return Large(users, faults)


def _disagreements(
    one: Directory, blobs: Mapping[str, str], pointers: set[str], listed: set[str], sizes: Sizes
) -> Iterator[Fault]:
    lost = sorted(listed - blobs.keys())
    if lost:
        yield wrong(one.name, f"artifacts/.gitattributes names what is not there: {few(lost)}", DAMAGED)
    plain = sorted(path for path in listed & blobs.keys() - pointers if blobs[path] in sizes.known)
    if plain:
        yield wrong(one.name, f"artifacts/.gitattributes names what is no Git LFS pointer: {few(plain)}", DAMAGED)
    stray = sorted(pointers - listed)
    if stray:
        yield remark(one.name, f"these look like Git LFS pointers, and nothing says that they are: {few(stray)}")


def check_large(
    repo: Repository, found: Large, *, demanded: bool, progress: Callable[[int, int], None]
) -> Iterator[Fault]:
    """Find large artifacts that are not here, or are damaged; each content is read once.

    Args:
        repo: the repository.
        found: of ``find_large``.
        demanded: whether one that is not here is an error, not a note.
        progress: is told how many bytes of how many were read.
    """
    yield from found.faults
    total, done = sum(pointer.size for pointer in found.users), 0
    for pointer, users in sorted(found.users.items(), key=lambda item: item[1][0]):
        run, artifact = users[0]
        others = f" (and of {len(users) - 1} other artifacts)" if len(users) > 1 else ""
        what = f"artifacts/{artifact}{others}: its content of {pointer.size} bytes, sha256 {pointer.oid[:12]},"
        path = object_path(repo, pointer.oid)
        try:
            digest, size = digest_of(path) if not path.is_symlink() else ("", 0)
        except FileNotFoundError:
            yield (wrong if demanded else remark)(run, f"{what} is not here", GET)
        except OSError as error:
            yield wrong(run, f"{what} cannot be read: {error.strerror or error}", BROKEN)
        else:
            if (digest, size) != (pointer.oid, pointer.size):
                yield wrong(run, f"{what} is damaged: {path} holds {size} bytes, sha256 {digest[:12]}", BROKEN)
        done += pointer.size
        progress(done, total)
