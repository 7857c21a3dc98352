"""Large artifacts go to S3 and come from there; moto's server stands for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import pytest
import s3fs

from gtrack.errors import ArtifactError
from gtrack.git.lfs import Pointer, object_path
from gtrack.ops.large.transfer import download, pointers_between, upload
from gtrack.project import Project
from gtrack.store.large.moving import Wanted
from gtrack.store.large.s3_parts import Part
from gtrack.store.large.stores import PIECE, Bucket, open_store
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.store.large.test_memory import check_peak
from tests.stores.cutting import cutting
from tests.stores.servers import serve

BIG = 3 * PIECE + 12_345


@pytest.fixture
def project(repo: Path, bucket: str) -> Project:
    (repo / ".gtrack").mkdir()
    settings = f"system: {{interval_seconds: 0}}\nartifacts: {{lfs_above_mb: 0.5, remote: '{bucket}'}}\n"
    (repo / ".gtrack" / "config.yaml").write_text(settings)
    return Project.open(repo)


def log(project: Project, *files: bytes) -> tuple[str, list[Pointer]]:
    run = ActiveRun.start(project)
    for number, data in enumerate(files):
        run.log_bytes(data, f"{number}.bin")
    run.end()
    return run.id, pointers_between(project.repo, None, project.store.tip() or "")


def file_system() -> Any:
    return s3fs.S3FileSystem()


def unfinished(bucket: str) -> list[dict[str, Any]]:
    """Return the uploads that were begun, and not completed."""
    found: list[dict[str, Any]] = (
        file_system().call_s3("list_multipart_uploads", Bucket=bucket.split("/")[2]).get("Uploads", [])
    )
    return found


@pytest.mark.slow
def test_there_and_back(project: Project, bucket: str) -> None:
    data = [os.urandom(BIG), os.urandom(PIECE), os.urandom(600_000)]
    run_id, pointers = log(project, *data)
    told: list[int] = []
    sent = upload(project, "nowhere", pointers, lambda _, done, __: told.append(done))
    assert (sent.objects, sent.bytes, sent.lacking) == (3, sum(map(len, data)), ())
    assert told == sorted(told)
    assert told[-1] == sent.bytes
    assert upload(project, "nowhere", pointers).objects == 0
    digest = sha256(data[0]).hexdigest()
    assert file_system().info(f"{bucket[5:]}/{digest[:2]}/{digest[2:4]}/{digest}")["size"] == BIG
    for one in pointers:
        object_path(project.repo, one.oid).unlink()
    for number, content in enumerate(data):
        assert project.artifact_bytes(run_id, f"{number}.bin") == content
    assert unfinished(bucket) == []


@pytest.mark.slow
def test_an_upload_goes_on_with_the_parts_that_are_there(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(BIG)
    pointer = Pointer(sha256(data).hexdigest(), BIG)
    (tmp_path / "file").write_bytes(data)
    fs, key = file_system(), f"{bucket[5:]}/{pointer.oid[:2]}/{pointer.oid[2:4]}/{pointer.oid}"
    place = dict(zip(("Bucket", "Key"), key.split("/", 1), strict=True))
    begun = fs.call_s3("create_multipart_upload", **place)["UploadId"]
    for number, body in ((1, data[:PIECE]), (2, b"x" * PIECE), (3, data[2 * PIECE : 3 * PIECE])):
        fs.call_s3("upload_part", **place, UploadId=begun, PartNumber=number, Body=body)
    put: list[int] = []
    call = type(fs).call_s3

    def count(self: Any, method: str, *args: Any, **more: Any) -> Any:
        if method == "upload_part":
            put.append(more["PartNumber"])
        return call(self, method, *args, **more)

    monkeypatch.setattr(type(fs), "call_s3", count)
    store = open_store(bucket)
    store.put(pointer, tmp_path / "file", lambda _: None)
    assert sorted(put) == [2, 4]  # what was wrong, and what was missing
    assert b"".join(store.read(pointer, 0)) == data
    assert unfinished(bucket) == []


@pytest.mark.slow
def test_several_put_the_same_at_once(bucket: str, tmp_path: Path) -> None:
    data = os.urandom(BIG)
    pointer = Pointer(sha256(data).hexdigest(), BIG)
    (tmp_path / "file").write_bytes(data)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda _: open_store(bucket).put(pointer, tmp_path / "file", lambda _: None), range(3)))
    assert b"".join(open_store(bucket).read(pointer, 0)) == data


@pytest.mark.parametrize("size", [1000, BIG])
def test_another_kind_of_bucket_gets_a_stream(tmp_path: Path, size: int) -> None:
    """There is no server for gs:// and az:// here; fsspec's own store in memory takes what they take."""
    data = os.urandom(size)
    pointer = Pointer(sha256(data).hexdigest(), size)
    (tmp_path / "file").write_bytes(data)
    store, told = Bucket("memory://bucket/team", "memory"), list[int]()
    assert store.size(pointer.oid) is None
    store.put(pointer, tmp_path / "file", told.append)
    assert store.size(pointer.oid) == size == sum(told)
    assert b"".join(store.read(pointer, 10)) == data[10:]
    (tmp_path / "file").write_bytes(data[::-1])
    with pytest.raises(ArtifactError, match=r"file is damaged"):
        store.put(pointer, tmp_path / "file", told.append)


def test_only_what_is_missing_is_read(bucket: str, tmp_path: Path) -> None:
    data = os.urandom(PIECE)
    pointer = Pointer(sha256(data).hexdigest(), PIECE)
    (tmp_path / "file").write_bytes(data)
    store = open_store(bucket)
    assert store.size(pointer.oid) is None
    store.put(pointer, tmp_path / "file", lambda _: None)
    assert b"".join(store.read(pointer, PIECE - 5)) == data[-5:]


def test_what_is_damaged_there_gets_no_name_here(project: Project, bucket: str) -> None:
    run_id, [pointer] = log(project, os.urandom(600_000))
    object_path(project.repo, pointer.oid).unlink()
    key = f"{bucket[5:]}/{pointer.oid[:2]}/{pointer.oid[2:4]}/{pointer.oid}"
    file_system().pipe_file(key, bytes(600_000))
    with pytest.raises(ArtifactError, match=rf"600000 bytes, sha256 {pointer.oid}(?s:.*){bucket} \(.*another sha256"):
        project.artifact_bytes(run_id, "0.bin")
    assert not object_path(project.repo, pointer.oid).exists()


@pytest.mark.parametrize(("wrong", "said"), [("bucket", "bucket does not exist"), ("server", "could not connect to")])
def test_what_cannot_be_reached_is_told_without_secrets(
    project: Project, wrong: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pointers = log(project, os.urandom(600_000))
    url = "s3://no-such-bucket-anywhere/x"
    if wrong == "server":
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)  # of five, each later than the one before
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        s3fs.S3FileSystem.clear_instance_cache()
    store = open_store(url)
    with pytest.raises(ArtifactError, match=rf"(?i)s3://no-such-bucket-anywhere/x cannot be used: .*{said}") as raised:
        store.put(pointers[0], object_path(project.repo, pointers[0].oid), lambda _: None)
    assert "a-secret-of-the-test" not in str(raised.value)


@pytest.mark.slow
def test_memory_does_not_grow_with_what_is_on_its_way(repo: Path, bucket: str, tmp_path: Path) -> None:
    check_peak(repo, tmp_path, bucket, 8 * PIECE)


def test_a_part_that_was_sent_half_is_sent_whole(bucket: str, tmp_path: Path) -> None:
    """s3fs does a call that failed again with the body as it was left."""
    data = os.urandom(PIECE)
    (tmp_path / "file").write_bytes(b"before" + data + b"after")
    place = dict(zip(("Bucket", "Key"), f"{bucket[5:]}/x".split("/", 1), strict=True))
    begun = file_system().call_s3("create_multipart_upload", **place)["UploadId"]
    with (tmp_path / "file").open("rb") as file:
        part = Part(file.fileno(), len(b"before"), len(data))
        assert part.md5() == md5(data).hexdigest()
        assert part.read(1000) == data[:1000]
        put = file_system().call_s3("upload_part", **place, UploadId=begun, PartNumber=1, Body=part)
    assert put["ETag"].strip('"') == md5(data).hexdigest()


@pytest.mark.slow
def test_a_network_that_cuts_connections_off(
    bucket: str, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What broke off goes on, here and there, without a byte that is wrong."""
    data = os.urandom(BIG)
    pointer = Pointer(sha256(data).hexdigest(), BIG)
    (tmp_path / "file").write_bytes(data)
    with cutting(s3_url) as network:
        monkeypatch.setenv("AWS_ENDPOINT_URL", network.url)
        s3fs.S3FileSystem.clear_instance_cache()
        store = open_store(bucket)
        network.after, network.times = 3_000_000, 1
        store.put(pointer, tmp_path / "file", lambda _: None)
        assert network.times == 0
        network.times = 1
        assert sha256(b"".join(store.read(pointer, 7))).digest() == sha256(data[7:]).digest()
        assert network.times == 0
    with pytest.raises(ArtifactError, match=rf"{bucket} cannot be used"):
        list(open_store(bucket).read(Pointer(pointer.oid, BIG + 1), 0))  # one byte more than there is


_PUSH = """
from gtrack.ops.large.transfer import pointers_between, upload
from gtrack.project import Project

project = Project.open()
pointers = pointers_between(project.repo, None, project.store.tip())
upload(project, "nowhere", pointers, lambda *said: print(said, flush=True))
"""


@pytest.mark.slow
def test_killed_while_it_is_sent_and_sent_again(project: Project, bucket: str) -> None:
    data = os.urandom(BIG)
    run_id, [pointer] = log(project, data)
    key = f"{bucket[5:]}/{pointer.oid[:2]}/{pointer.oid[2:4]}/{pointer.oid}"
    with subprocess.Popen([sys.executable, "-c", _PUSH], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()  # the first part is there
        process.kill()
        assert process.wait() == -signal.SIGKILL
    fs = file_system()
    assert not fs.exists(key)
    assert len(unfinished(bucket)) == 1
    assert upload(project, "nowhere", [pointer]).objects == 1
    assert unfinished(bucket) == []
    object_path(project.repo, pointer.oid).unlink()
    assert project.artifact_bytes(run_id, "0.bin") == data


def test_the_command_brings_it(project: Project, git: Git, tmp_path: Path) -> None:
    data = os.urandom(600_000)
    run_id, pointers = log(project, data)
    upload(project, "nowhere", pointers)
    object_path(project.repo, pointers[0].oid).unlink()
    done = subprocess.run(
        [sys.executable, "-m", "gtrack", "get", run_id[:8], "-o", str(tmp_path / "out")],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert (tmp_path / "out" / "0.bin").read_bytes() == data


@pytest.mark.slow
def test_a_network_that_drops_in_the_middle(project: Project, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of its own goes away while an object comes, and another one has it later."""
    data = os.urandom(BIG)
    run_id, [pointer] = log(project, data)
    wanted = [Wanted(run_id, "0.bin", pointer)]
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    def another(stack: ExitStack) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stack.enter_context(serve("s3")))
        s3fs.S3FileSystem.clear_instance_cache()
        file_system().mkdir(bucket.split("/")[2])

    with ExitStack() as stack:
        another(stack)
        upload(project, "nowhere", [pointer])
        object_path(project.repo, pointer.oid).unlink()
        with pytest.raises(
            ArtifactError, match=rf"sha256 {pointer.oid}\) is not to be had(?s:.*){bucket} \({bucket} cannot"
        ):
            download(project, None, wanted, lambda _, done, __: stack.close() if done else None)
    [part] = (project.repo.common_dir / "lfs" / "incomplete").iterdir()
    begun = part.stat().st_size
    assert 0 < begun < BIG
    with ExitStack() as stack:
        another(stack)
        key = f"{bucket[5:]}/{pointer.oid[:2]}/{pointer.oid[2:4]}/{pointer.oid}"
        file_system().pipe_file(key, data)
        told: list[int] = []
        download(project, None, wanted, lambda _, done, __: told.append(done))
        assert told[:2] == [0, begun]
    assert project.artifact_bytes(run_id, "0.bin") == data
