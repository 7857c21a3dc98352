"""Put a large file into S3 in parts, going on with what an upload that was cut off has left there.

S3 keeps the parts of an upload until it is completed or aborted; see
https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html. A part that is there counts when its ETag is the MD5 of
the bytes that belong there; with encryption by a key of its own it is not, and the part is put again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path
from threading import Semaphore
from typing import Any

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
        with slots:
            with path.open("rb", buffering=0) as file:
                data = os.pread(file.fileno(), part_size, (number - 1) * part_size)
            known = there.get(number)
            if known is None or known["Size"] != len(data) or known["ETag"].strip('"') != _md5(data):
                known = fs.call_s3("upload_part", **place, UploadId=upload, PartNumber=number, Body=data)
            count(len(data))
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


def _unfinished(fs: Any, place: dict[str, str]) -> tuple[str | None, dict[int, dict[str, Any]]]:
    """Return the newest upload of this key that was begun and not completed, and its parts by number."""
    try:
        begun = fs.call_s3("list_multipart_uploads", Bucket=place["Bucket"], Prefix=place["Key"]).get("Uploads", [])
        mine = [one for one in begun if one["Key"] == place["Key"]]
        if not mine:
            return None, {}
        upload = max(mine, key=lambda one: one["Initiated"])["UploadId"]
        parts: dict[int, dict[str, Any]] = {}
        after, more = 0, True
        while more:
            page = fs.call_s3("list_parts", **place, UploadId=upload, PartNumberMarker=after)
            parts.update((one["PartNumber"], one) for one in page.get("Parts", []))
            more, after = bool(page.get("IsTruncated")), page.get("NextPartNumberMarker")
        return upload, parts
    except OSError:  # who may put need not be allowed to list: then it begins anew
        return None, {}


def _facts(part: dict[str, Any]) -> dict[str, str]:
    """Return what completing an upload must tell of a part again."""
    return {
        key: value
        for key, value in part.items()
        if key == "ETag" or (key.startswith("Checksum") and key != "ChecksumType")
    }


def _md5(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()
