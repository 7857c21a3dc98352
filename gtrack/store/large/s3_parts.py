"""Put a large file into S3 in parts, going on with what an upload that was cut off has left there.

S3 keeps the parts of an upload until it is completed or aborted; see
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html. A part that is there counts when its ETag is the MD5 of
the bytes that belong there; with encryption by a key of its own it is not, and the part is put again.

A part is read from the disk as it is sent. Handed over as bytes, each one would lie in memory twice, as they were read and in the
buffer of its connection: with four on their way 40 MB, more than all else that is needed to speak to S3.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import md5
from io import SEEK_CUR, SEEK_END, RawIOBase
from pathlib import Path
from threading import Semaphore
from typing import Any

from gtrack.store.large.stored import oid_at

_MOST_PARTS = 9_000
_UNIT = 1 << 20


AT_ONCE = 4
"""How many parts are on their way at once."""


def put_in_parts(
    fs: Any, key: str, path: Path, size: int, piece: int, slots: Semaphore, count: Callable[[int], None]
) -> None:
    """Put a file, several parts at once.

    Args:
        fs: an s3fs file system.
        key: bucket and key.
        path: the file.
        size: its size in bytes.
        piece: the least size of a part in bytes.
        slots: one is held for each part that is in memory, by all uploads together.
        count: is told how many bytes more are there.
    """
    bucket, name, _ = fs.split_path(key)
    place = {"Bucket": bucket, "Key": name}
    part_size = max(piece, -(-size // _MOST_PARTS // _UNIT) * _UNIT)
    upload, there = _unfinished(fs, place)
    if upload is None:
        upload = fs.call_s3("create_multipart_upload", **place)["UploadId"]

    def put(number: int) -> dict[str, Any]:
        start = (number - 1) * part_size
        with slots, path.open("rb", buffering=0) as file:
            part = Part(file.fileno(), start, min(part_size, size - start))
            known = there.get(number)
            if known is None or known["Size"] != part.size or known["ETag"].strip('"') != part.md5():
                known = fs.call_s3("upload_part", **place, UploadId=upload, PartNumber=number, Body=part)
            count(part.size)
            return {"PartNumber": number, **_facts(known)}

    numbers = range(1, -(-size // part_size) + 1)
    with ThreadPoolExecutor(AT_ONCE, "gtrack-parts") as threads:
        waiting = [threads.submit(put, number) for number in numbers]
        try:
            parts = [one.result() for one in waiting]
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    fs.call_s3("complete_multipart_upload", **place, UploadId=upload, MultipartUpload={"Parts": parts})
    fs.invalidate_cache(key)


def put_whole(fs: Any, key: str, path: Path, size: int) -> None:
    """Put a file by one request.

    Args:
        fs: an s3fs file system.
        key: bucket and key.
        path: the file.
        size: its size in bytes.
    """
    bucket, name, _ = fs.split_path(key)
    with path.open("rb", buffering=0) as file:
        fs.call_s3("put_object", Bucket=bucket, Key=name, Body=Part(file.fileno(), 0, size))
    fs.invalidate_cache(key)


class Part(RawIOBase):
    """The bytes of a file from one of them on, as a file of their own.

    Args:
        descriptor: of the file.
        start: of the first byte.
        size: how many bytes.
    """

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        super().__init__()
        self.size = size
        self._descriptor = descriptor
        self._start = start
        self._at = 0
        self._was_read = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read as much as the buffer holds."""
        count = min(len(buffer), self.size - self._at)
        piece = os.pread(self._descriptor, count, self._start + self._at)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        self._was_read = True
        return len(piece)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a byte, and return which."""
        self._at = offset + {SEEK_CUR: self._at, SEEK_END: self.size}.get(whence, 0)
        self._was_read = False
        return self._at

    def tell(self) -> int:
        """Return at which byte it is: after a read at the first, where it is then.

        Whoever sends it asks once, before, and sends what there is from there on. s3fs does a call that failed half way again
        with the same body, as it was left.
        """
        return self.seek(0) if self._was_read else self._at

    def md5(self) -> str:
        """Return the MD5 of the bytes, and go to the first one."""
        digest = md5(usedforsecurity=False)
        while piece := self.read(_UNIT):
            digest.update(piece)
        self.seek(0)
        return digest.hexdigest()


def left_uploads(fs: Any, root: str, before: datetime) -> Iterator[tuple[dict[str, str], int]]:
    """Yield the uploads of objects below a root that were begun before a moment and not completed, and their bytes.

    Args:
        fs: an s3fs file system.
        root: bucket, and the prefix if there is one.
        before: the moment.
    """
    bucket, _, prefix = root.partition("/")
    prefix = f"{prefix}/" if prefix else ""
    after: dict[str, str] = {}
    while True:
        page = fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **after)
        for one in page.get("Uploads", []):
            if oid_at(one["Key"].removeprefix(prefix)) is not None and one["Initiated"] < before:
                upload = {"Bucket": bucket, "Key": one["Key"], "UploadId": one["UploadId"]}
                yield upload, sum(part["Size"] for part in _parts(fs, upload).values())
        if not page.get("IsTruncated"):
            return
        after = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def _parts(fs: Any, upload: dict[str, str]) -> dict[int, dict[str, Any]]:
    """Return the parts of an upload by number."""
    parts: dict[int, dict[str, Any]] = {}
    after, more = 0, True
    while more:
        page = fs.call_s3("list_parts", **upload, PartNumberMarker=after)
        parts.update((one["PartNumber"], one) for one in page.get("Parts", []))
        more, after = bool(page.get("IsTruncated")), page.get("NextPartNumberMarker")
    return parts


def _unfinished(fs: Any, place: dict[str, str]) -> tuple[str | None, dict[int, dict[str, Any]]]:
    """Return the newest upload of this key that was begun and not completed, and its parts by number."""
    try:
        begun = fs.call_s3("list_multipart_uploads", Bucket=place["Bucket"], Prefix=place["Key"]).get("Uploads", [])
        mine = [one for one in begun if one["Key"] == place["Key"]]
        if not mine:
            return None, {}
        upload = max(mine, key=lambda one: one["Initiated"])["UploadId"]
        return upload, _parts(fs, {**place, "UploadId": upload})
    except OSError:  # who may put need not be allowed to list: then it begins anew
        return None, {}


def _facts(part: dict[str, Any]) -> dict[str, str]:
    """Return what completing an upload must tell of a part again."""
    return {
        key: value
        for key, value in part.items()
        if key == "ETag" or (key.startswith("Checksum") and key != "ChecksumType")
    }
