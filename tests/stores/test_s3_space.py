"""The objects of a bucket are listed, renewed and deleted; what is not ours is not touched."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import s3fs

from gtrack.errors import ArtifactError
from gtrack.ops.large.transfer import pointers_between, upload
from gtrack.ops.remove import remove_all
from gtrack.ops.retention.backups import expire_backups
from gtrack.ops.retention.purge import purge
from gtrack.ops.retention.store import delete_leftovers, plan_store
from gtrack.project import Project
from gtrack.store.large import s3_objects
from gtrack.store.large.stores import Bucket, open_store
from gtrack.writer import ActiveRun

NOW = datetime(2090, 1, 1, tzinfo=timezone.utc)
LATER = datetime.now(timezone.utc) + timedelta(days=1)


def fill(url: str, count: int) -> list[str]:
    """Put objects into a bucket, with much beside them that only looks alike, and return their ids in order."""
    fs, root = s3fs.S3FileSystem(), url.removeprefix("s3://")
    oids = sorted(sha256(bytes([number])).hexdigest() for number in range(count))
    for oid in oids:
        fs.pipe_file(f"{root}/{oid[:2]}/{oid[2:4]}/{oid}", b"12345")
    one = oids[0]
    pairs = f"{one[:2]}/{one[2:4]}"
    for name in (
        f"{pairs}/{one}.bak",
        f"{pairs}/{one.upper()}",
        f"ff/{one[2:4]}/{one}",
        one,
        f"x/{pairs}/{one}",
        "notes.txt",
    ):
        fs.pipe_file(f"{root}/{name}", b"not ours")
    fs.pipe_file(f"{root}s/{pairs}/{one}", b"of a neighbour")
    fs.pipe_file(f"{root.partition('/')[0]}/{pairs}/{one}", b"of the bucket")
    return oids


def names(url: str) -> set[str]:
    return set(s3fs.S3FileSystem().find(url.removeprefix("s3://").partition("/")[0], refresh=True))


def test_only_keys_of_objects_are_listed_and_deleted(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_objects, "_MOST", 3)
    oids, store = fill(bucket, 8), open_store(bucket)
    before = names(bucket)
    pages = list(store.pages())
    assert len(pages) > 3
    found = [one for page in pages for one in page]
    assert [(one.oid, one.size) for one in found] == [(oid, 5) for oid in oids]
    assert all(one.written is not None and one.written < LATER for one in found)
    store.delete([*oids[:5], "0" * 64])
    root = bucket.removeprefix("s3://")
    assert before - names(bucket) == {f"{root}/{oid[:2]}/{oid[2:4]}/{oid}" for oid in oids[:5]}
    assert [store.look(oid) is not None for oid in oids] == [False] * 5 + [True] * 3
    assert [one.oid for page in open_store(bucket.rpartition("/")[0]).pages() for one in page] == [oids[0]]


def test_to_renew_an_object_moves_its_time_and_nothing_else(bucket: str) -> None:
    [oid] = fill(bucket, 1)
    fs, store = s3fs.S3FileSystem(), open_store(bucket)
    key = f"{bucket.removeprefix('s3://')}/{oid[:2]}/{oid[2:4]}/{oid}"
    etag = fs.info(key, refresh=True)["ETag"]
    assert store.renew(oid)
    assert fs.cat_file(key) == b"12345"
    assert fs.info(key, refresh=True)["ETag"] == etag
    assert not store.renew("0" * 64)


def test_a_bucket_that_refuses_is_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [oid] = fill(bucket, 1)
    call = s3fs.S3FileSystem.call_s3

    def deny(self: Any, method: str, *args: Any, **more: Any) -> Any:
        """Answer as S3 does when a policy keeps an object: moto knows no policies."""
        if method == "delete_objects":
            return {"Errors": [{"Key": "k", "Code": "AccessDenied", "Message": "Access Denied"}]}
        return call(self, method, *args, **more)

    monkeypatch.setattr(s3fs.S3FileSystem, "call_s3", deny)
    with pytest.raises(ArtifactError, match=r"1 of 1 objects were not deleted: Access Denied"):
        open_store(bucket).delete([oid])
    with pytest.raises(ArtifactError, match=r"s3://no-such-bucket-anywhere cannot be used"):
        list(open_store("s3://no-such-bucket-anywhere").pages())


def test_another_kind_of_bucket(tmp_path: Path) -> None:
    """There is no server for gs:// and az:// here; fsspec's own store in memory has what they have."""
    store = Bucket("memory://space/team", "memory")
    oids = sorted(sha256(bytes([number])).hexdigest() for number in range(5))
    root = "/space/team"
    for oid in oids:
        store._fs.pipe_file(f"{root}/{oid[:2]}/{oid[2:4]}/{oid}", b"12345")
    store._fs.pipe_file(f"{root}/{oids[0][:2]}/notes.txt", b"not ours")
    found = [one for page in store.pages() for one in page]
    assert [one.oid for one in found] == oids
    assert found[0].written is not None
    assert store.renew(oids[0])
    renewed = store.look(oids[0])
    assert renewed is not None
    assert renewed.written is not None
    assert renewed.written > found[0].written
    store.delete([*oids[1:], "0" * 64])
    assert [one.oid for page in store.pages() for one in page] == oids[:1]


def test_uploads_that_nobody_has_finished_are_aborted(bucket: str) -> None:
    [oid], fs, store = fill(bucket, 1), s3fs.S3FileSystem(), open_store(bucket)
    name, _, root = bucket.removeprefix("s3://").partition("/")
    for key in (f"{root}/{oid[:2]}/{oid[2:4]}/{oid}", f"{root}/theirs"):
        begun = fs.call_s3("create_multipart_upload", Bucket=name, Key=key)["UploadId"]
        fs.call_s3("upload_part", Bucket=name, Key=key, UploadId=begun, PartNumber=1, Body=b"123")
    assert store.litter(datetime(2000, 1, 1, tzinfo=timezone.utc)) == []  # moto says of all that they began in 2010
    assert store.litter(LATER) == [3]
    assert store.litter(LATER, sweep_it=True) == [3]
    left = fs.call_s3("list_multipart_uploads", Bucket=name)["Uploads"]
    assert [one["Key"] for one in left] == [f"{root}/theirs"]


def test_what_a_purged_run_had_goes_from_the_bucket(repo: Path, bucket: str) -> None:
    (repo / ".gtrack").mkdir()
    settings = f"system: {{interval_seconds: 0}}\nartifacts: {{lfs_above_mb: 0.01, remote: '{bucket}'}}\n"
    (repo / ".gtrack" / "config.yaml").write_text(settings)
    project, runs = Project.open(repo), []
    for name in ("kept", "gone"):
        run = ActiveRun.start(project, name=name)
        run.log_bytes(name.encode() * 10_000, "model.bin")
        runs.append(run.end())
    upload(project, "nowhere", pointers_between(project.repo, None, str(project.store.tip())))
    before = names(bucket)
    remove_all(project, runs[1:])
    assert purge(project, NOW) is not None
    expire_backups(project, NOW + timedelta(days=31))
    now = datetime.now(timezone.utc)
    assert plan_store(project, now).young.objects == 1
    plan = plan_store(project, NOW)
    assert ([one.run_id for one in plan.leftovers], plan.needed.objects) == ([runs[1].id], 1)
    assert len(delete_leftovers(project, plan, NOW).leftovers) == 1
    [gone] = before - names(bucket)
    assert gone.endswith(sha256(b"gone" * 10_000).hexdigest())


_DELETE = """
import sys
from gtrack.store.large import s3_objects
from gtrack.store.large.stores import open_store

s3_objects._MOST = 1
store = open_store(sys.argv[1])
call = type(store._fs).call_s3

def told(self, method, *args, **more):
    done = call(self, method, *args, **more)
    if method == "delete_objects":
        print(method, flush=True)
        sys.stdin.readline()
    return done

type(store._fs).call_s3 = told
store.delete([one.oid for page in store.pages() for one in page])
"""


@pytest.mark.slow
def test_killed_while_it_deletes_and_done_again(bucket: str) -> None:
    oids = fill(bucket, 4)
    words = [sys.executable, "-c", _DELETE, bucket]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "delete_objects\n"
        process.kill()
    store = open_store(bucket)
    left = [one.oid for page in store.pages() for one in page]
    assert left == oids[1:]
    store.delete(oids)
    assert [one for page in store.pages() for one in page] == []
