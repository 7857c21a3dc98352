"""Stores of large artifacts, where ``artifacts.remote`` says: a folder, or a bucket that fsspec speaks to.

An object lies at ``<remote>/<2>/<2>/<sha256>``, the first two and the next two digits of its sha256 being folders. It gets that
name when it is whole, never before; what has any other name is somebody else's, and neither listed nor deleted. Contract: safe
for several threads and processes; equal objects may be put at once.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from shlex import quote
from threading import Semaphore
from typing import Any, Protocol

from gtrack.errors import ArtifactError
from gtrack.git.lfs import READ_ONLY, Pointer, digest_of, sync
from gtrack.git.remotes import without_secrets
from gtrack.store.large.copying import chunks, copy_hashed
from gtrack.store.large.s3_objects import delete_objects, list_objects, read_object, renew_object
from gtrack.store.large.s3_parts import AT_ONCE, left_uploads, put_in_parts, put_whole
from gtrack.store.large.stored import Stored, is_pair, oid_at, written_at

Count = Callable[[int], None]
"""Is told how many bytes more are done."""

PIECE = 5 << 20
"""How many bytes one request to a bucket moves."""
_EXTRAS = {"s3": "s3", "gs": "gcs", "az": "azure"}
_INCOMING = ".incoming"
_LEFT_SECONDS = 24 * 3600.0
_SHOWN = 300


class Store(Protocol):
    """Where large artifacts lie, each under its sha256.

    Attributes:
        url: what people call it, without secrets.
    """

    url: str

    def size(self, oid: str) -> int | None:
        """Return the size in bytes of an object, None when there is none."""
        ...

    def put(self, pointer: Pointer, path: Path, count: Count) -> None:
        """Put a file there as the object that a pointer names, checked against it."""
        ...

    def read(self, pointer: Pointer, start: int) -> Iterator[bytes]:
        """Yield the bytes of an object from one of them on; nobody has checked them."""
        ...

    def look(self, oid: str) -> Stored | None:
        """Return what is known of an object without reading it, None when there is none."""
        ...

    def pages(self) -> Iterator[list[Stored]]:
        """Yield all objects, some of them at a time."""
        ...

    def renew(self, oid: str) -> bool:
        """Have an object count as written just now, and tell whether it is there and does."""
        ...

    def delete(self, oids: Sequence[str]) -> None:
        """Delete objects; those that are not there are gone already."""
        ...

    def litter(self, before: datetime, *, sweep_it: bool = False) -> list[int]:
        """Return the bytes of each upload that was begun before a moment and never finished; sweep them away, if asked to."""
        ...


def open_store(url: str) -> Store:
    """Return the store at a URL of the settings.

    Raises:
        ArtifactError: it is no place, or what speaks to it is not installed; or a folder is not there, which nobody but
            its owner makes: a share that is not mounted would be filled on the disk below it.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        if not rest.startswith("/"):
            raise ArtifactError(f"artifacts.remote: {url} names no folder: write file:///path/to/it.")
        return Folder(Path(rest))
    return Bucket(url, _EXTRAS.get(scheme, scheme))


class Folder:
    """A folder that is there, maybe on a disk that many machines share.

    Args:
        root: the folder.

    Raises:
        ArtifactError: it is not there.
    """

    def __init__(self, root: Path) -> None:
        self.url = f"file://{root}"
        self._root = root
        try:
            os.scandir(root).close()
        except FileNotFoundError as error:
            raise ArtifactError(
                f"{self.url} cannot be used: there is no folder {root}. Is it mounted? To begin a new store there: "
                f"mkdir -p {quote(str(root))}"
            ) from error
        except OSError as error:
            raise _refused(self.url, error) from error

    def _place(self, oid: str) -> Path:
        return self._root / oid[:2] / oid[2:4] / oid

    def size(self, oid: str) -> int | None:
        """See ``Store``; ArtifactError when it cannot be told."""
        found = self.look(oid)
        return found.size if found is not None else None

    def look(self, oid: str) -> Stored | None:
        """See ``Store``; ArtifactError when it cannot be told."""
        try:
            found = self._place(oid).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _refused(self.url, error) from error
        return Stored(oid, found.st_size, written_at({"mtime": found.st_mtime}))

    def pages(self) -> Iterator[list[Stored]]:
        """See ``Store``, one folder of them at a time; ArtifactError when one cannot be listed."""
        try:
            for first in _folders(self._root):
                for second in _folders(first):
                    yield [
                        Stored(entry.name, found.st_size, written_at({"mtime": found.st_mtime}))
                        for entry, found in _files(second)
                        if oid_at(f"{first.name}/{second.name}/{entry.name}") is not None
                    ]
        except OSError as error:
            raise _refused(self.url, error) from error

    def renew(self, oid: str) -> bool:
        """See ``Store``; not what another user has put there."""
        try:
            os.utime(self._place(oid))
        except OSError:
            return False
        return True

    def litter(self, before: datetime, *, sweep_it: bool = False) -> list[int]:
        """See ``Store``; ArtifactError when it cannot be listed."""
        try:
            found = [
                (entry, about.st_size)
                for entry, about in _files(self._root / _INCOMING)
                if about.st_mtime < before.timestamp()
            ]
            for entry, _ in found if sweep_it else ():
                Path(entry.path).unlink(missing_ok=True)
        except OSError as error:
            raise _refused(self.url, error) from error
        return [size for _, size in found]

    def delete(self, oids: Sequence[str]) -> None:
        """See ``Store``; ArtifactError when one cannot be deleted. Folders stay: another process may be about to use one."""
        try:
            for oid in oids:
                self._place(oid).unlink(missing_ok=True)
        except OSError as error:
            raise _refused(self.url, error) from error

    def put(self, pointer: Pointer, path: Path, count: Count) -> None:
        """See ``Store``; ArtifactError when the file is damaged or not taken."""
        place, incoming = self._place(pointer.oid), self._root / _INCOMING
        temporary = incoming / f"{pointer.oid}.{secrets.token_hex(4)}"
        try:
            incoming.mkdir(exist_ok=True)
            sweep(incoming, _LEFT_SECONDS)
            digest = copy_hashed(path, temporary)
            check_digest(pointer, path, digest)
            temporary.chmod(READ_ONLY)
            sync(temporary)
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(place)
            sync(place.parent)
        except ArtifactError:
            raise
        except OSError as error:
            raise _refused(self.url, error) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        count(pointer.size)

    def read(self, pointer: Pointer, start: int) -> Iterator[bytes]:
        """See ``Store``; ArtifactError when it cannot be read."""
        try:
            with self._place(pointer.oid).open("rb", buffering=0) as file:
                file.seek(start)
                while piece := file.read(PIECE):
                    yield piece
        except OSError as error:
            raise _refused(self.url, error) from error


class Bucket:
    """A bucket, through the fsspec file system for its scheme; that finds the credentials where it always does.

    Args:
        url: of the bucket, or a folder in it.
        extra: the extra of gtrack that brings the file system.
    """

    def __init__(self, url: str, extra: str) -> None:
        self.url = without_secrets(url)
        self._scheme = url.partition("://")[0]
        try:
            from fsspec.core import url_to_fs  # takes 60 ms

            found = url_to_fs(url.rstrip("/"))
        except ImportError as error:
            raise ArtifactError(
                f"{self.url} cannot be reached without another package: pip install 'gtrack[{extra}]' ({error})."
            ) from error
        except Exception as error:  # each file system has errors of its own
            raise _refused(self.url, error) from error
        self._fs: Any = found[0]
        self._root = str(found[1])
        self._slots = Semaphore(AT_ONCE)

    def _key(self, oid: str) -> str:
        return f"{self._root}/{oid[:2]}/{oid[2:4]}/{oid}"

    def size(self, oid: str) -> int | None:
        """See ``Store``; ArtifactError when it cannot be told."""
        found = self.look(oid)
        return found.size if found is not None else None

    def look(self, oid: str) -> Stored | None:
        """See ``Store``; ArtifactError when it cannot be told."""
        try:
            found = (
                self._fs.info(self._key(oid), refresh=True) if self._scheme == "s3" else self._fs.info(self._key(oid))
            )
        except FileNotFoundError:
            return None
        except Exception as error:  # as above
            raise _refused(self.url, error) from error
        return Stored(oid, int(found["size"]), written_at(found)) if found.get("type") == "file" else None

    def pages(self) -> Iterator[list[Stored]]:
        """See ``Store``; ArtifactError when they cannot be listed."""
        try:
            if self._scheme == "s3":
                yield from list_objects(self._fs, self._root)
                return
            self._fs.invalidate_cache()
            for first in range(256):
                found = self._fs.find(f"{self._root}/{first:02x}", detail=True)
                start = len(self._root) + 1
                oids = ((oid_at(str(key)[start:]), about) for key, about in found.items())
                yield [Stored(oid, int(about["size"]), written_at(about)) for oid, about in oids if oid is not None]
        except Exception as error:  # as above
            raise _refused(self.url, error) from error

    def renew(self, oid: str) -> bool:
        """See ``Store``; not what its keeper refuses to copy onto itself."""
        key = self._key(oid)
        try:
            if self._scheme == "s3":
                renew_object(self._fs, key)
            else:
                self._fs.cp_file(key, key)
        except Exception:  # noqa: BLE001 - as above; whoever asked sends it again
            return False
        return True

    def delete(self, oids: Sequence[str]) -> None:
        """See ``Store``; ArtifactError when one cannot be deleted."""
        keys = [self._key(oid) for oid in oids]
        try:
            if self._scheme == "s3":
                delete_objects(self._fs, keys)
                return
            with ThreadPoolExecutor(AT_ONCE, "gtrack-delete") as threads:
                list(threads.map(self._delete, keys))
        except Exception as error:  # as above
            raise _refused(self.url, error) from error

    def litter(self, before: datetime, *, sweep_it: bool = False) -> list[int]:
        """See ``Store``; only S3 keeps what was not finished, and tells. ArtifactError when it does not."""
        if self._scheme != "s3":
            return []
        try:
            found = list(left_uploads(self._fs, self._root, before))
            for upload, _ in found if sweep_it else ():
                self._fs.call_s3("abort_multipart_upload", **upload)
        except Exception as error:  # as above
            raise _refused(self.url, error) from error
        return [size for _, size in found]

    def _delete(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.rm_file(key)

    def put(self, pointer: Pointer, path: Path, count: Count) -> None:
        """See ``Store``; ArtifactError when the file is damaged or not taken."""
        check_digest(pointer, path, digest_of(path)[0])
        key = self._key(pointer.oid)
        try:
            if self._scheme == "s3" and pointer.size > PIECE:
                put_in_parts(self._fs, key, path, pointer.size, PIECE, self._slots, count)
            elif pointer.size <= PIECE:
                if self._scheme == "s3":
                    put_whole(self._fs, key, path, pointer.size)
                else:
                    self._fs.pipe_file(key, path.read_bytes())
                count(pointer.size)
            else:
                self._stream(key, path, count)
        except Exception as error:  # as above
            with suppress(ArtifactError):
                if self.size(pointer.oid) == pointer.size:  # another process put it there, with the parts of both
                    return
            raise _refused(self.url, error) from error
        there = self.size(pointer.oid)
        if there != pointer.size:
            raise ArtifactError(
                f"{self.url} took {pointer.oid} ({pointer.size} bytes), but has {there} bytes of it now. Push again."
            )

    def _stream(self, key: str, path: Path, count: Count) -> None:
        file = self._fs.open(key, "wb", block_size=PIECE)
        try:
            for piece in chunks(path):
                file.write(piece)
                count(len(piece))
            file.close()
        except BaseException:
            with suppress(AttributeError):
                file.closed = True  # to close it would give what there is of it the name of the whole
            raise

    def read(self, pointer: Pointer, start: int) -> Iterator[bytes]:
        """See ``Store``; ArtifactError when it cannot be read."""
        key = self._key(pointer.oid)
        if self._scheme == "s3":
            try:
                yield from read_object(self._fs, key, start, pointer.size)
            except Exception as error:  # as above
                raise _refused(self.url, error) from error
            return
        for at in range(start, pointer.size, PIECE):
            end = min(at + PIECE, pointer.size)
            try:
                piece: bytes = self._fs.cat_file(key, start=at, end=end)
            except Exception as error:  # as above
                raise _refused(self.url, error) from error
            if len(piece) != end - at:
                raise ArtifactError(
                    f"{self.url} gave {len(piece)} bytes of {pointer.oid} instead of {end - at}. Try again."
                )
            yield piece


def _folders(directory: Path) -> Iterator[Path]:
    """Yield the folders below a directory that are called as ours are; a link to one may lead to somebody else's."""
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        names = sorted(entry.name for entry in entries if is_pair(entry.name) and entry.is_dir(follow_symlinks=False))
        yield from (directory / name for name in names)


def _files(directory: Path) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    yield entry, found


def check_digest(pointer: Pointer, path: Path, digest: str) -> None:
    """Check that what was read of a file is what its pointer names.

    Raises:
        ArtifactError: it is not.
    """
    if digest != pointer.oid:
        raise ArtifactError(
            f"{path} is damaged: its content has the sha256 {digest}, not the one that it is named after. "
            "'git lfs fsck' tells of all such files; a copy of it elsewhere can take its place."
        )


def sweep(directory: Path, seconds: float) -> None:
    """Remove the files of a directory that nobody has written to for a while: what processes that were killed left."""
    before = time.time() - seconds
    for entry in list(os.scandir(directory)):
        with suppress(OSError):  # another process is quicker, or it is another user's
            if entry.stat(follow_symlinks=False).st_mtime < before:
                Path(entry.path).unlink()


def _refused(url: str, error: Exception) -> ArtifactError:
    said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    words = without_secrets(" ".join(said.split()))[:_SHOWN]
    return ArtifactError(f"{url} cannot be used: {words.removesuffix('.')}.")
