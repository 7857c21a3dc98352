"""Read an object of an S3 bucket as it comes; list and delete as many at once as S3 takes; renew one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gtrack.store.large.copying import CHUNK
from gtrack.store.large.stored import Stored, oid_at, written_at

_MOST = 1000
"""So many keys one request may list, or delete: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html."""
_TRIES = 3


def read_object(fs: Any, key: str, start: int, size: int) -> Iterator[bytes]:
    """Yield the bytes of an object, a piece at a time, by one request; what breaks off goes on by another.

    Args:
        fs: an s3fs file system.
        key: bucket and key.
        start: the first byte.
        size: how many bytes the object has.

    Raises:
        Exception: S3 refuses, or breaks off again and again without giving more; each library has errors of its own.
    """
    from fsspec.asyn import sync

    bucket, name, _ = fs.split_path(key)
    at, tries = start, 0
    while at < size:
        body = fs.call_s3("get_object", Bucket=bucket, Key=name, Range=f"bytes={at}-{size - 1}")["Body"]
        try:
            while piece := sync(fs.loop, body.read, CHUNK):
                at, tries = at + len(piece), 0
                yield piece
            cut: Exception = OSError(f"{size - at} bytes at the end did not come")
        except Exception as error:  # noqa: BLE001 - see above
            cut = error
        finally:
            fs.loop.call_soon_threadsafe(body.close)
        tries += 1
        if at < size and tries == _TRIES:
            raise cut


def list_objects(fs: Any, root: str) -> Iterator[list[Stored]]:
    """Yield the objects below a root, a page at a time; what has another name than an object of ours is passed over.

    Args:
        fs: an s3fs file system.
        root: bucket, and the prefix if there is one.
    """
    bucket, _, prefix = root.partition("/")
    prefix = f"{prefix}/" if prefix else ""
    token: dict[str, str] = {}
    while True:
        page = fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=_MOST, **token)
        oids = ((oid_at(one["Key"].removeprefix(prefix)), one) for one in page.get("Contents", []))
        yield [Stored(oid, int(one["Size"]), written_at(one)) for oid, one in oids if oid is not None]
        if not page.get("IsTruncated"):
            return
        token = {"ContinuationToken": page["NextContinuationToken"]}


def renew_object(fs: Any, key: str) -> None:
    """Copy an object onto itself, inside S3, so that its time is now; S3 refuses that above 5 GB."""
    bucket, name, _ = fs.split_path(key)
    place = {"Bucket": bucket, "Key": name}
    fs.call_s3("copy_object", **place, CopySource=place, MetadataDirective="REPLACE")
    fs.invalidate_cache(key)


def delete_objects(fs: Any, keys: Sequence[str]) -> None:
    """Delete objects.

    Raises:
        OSError: S3 refuses for some of them.
    """
    for at in range(0, len(keys), _MOST):
        places = [fs.split_path(key) for key in keys[at : at + _MOST]]
        wanted = {"Objects": [{"Key": name} for _, name, _ in places], "Quiet": True}
        errors = fs.call_s3("delete_objects", Bucket=places[0][0], Delete=wanted).get("Errors", [])
        if errors:
            said = errors[0].get("Message") or errors[0].get("Code")
            raise OSError(f"{len(errors)} of {len(places)} objects were not deleted: {said}")
    fs.invalidate_cache()
