"""Which large artifacts a branch names; and that whoever reads one has it fetched."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import gtrack
from gtrack.errors import ArtifactError
from gtrack.git.lfs import Pointer, object_path
from gtrack.ops.get import choose, write_out
from gtrack.ops.large.transfer import download, named_between, pointers_between, upload
from gtrack.project import Project
from gtrack.store.large.moving import Wanted
from gtrack.writer import ActiveRun
from tests.clones import partial_clone
from tests.conftest import Git


@pytest.fixture
def project(repo: Path, tmp_path: Path) -> Project:
    (repo / ".gtrack").mkdir()
    (tmp_path / "store").mkdir()
    settings = (
        f"system: {{interval_seconds: 0}}\nartifacts: {{lfs: ['*.ckpt', '*.pkl'], remote: 'file://{tmp_path}/store'}}\n"
    )
    (repo / ".gtrack" / "config.yaml").write_text(settings)
    return Project.open(repo)


def one(data: Any) -> list[int]:
    """Stand for a model."""
    return [1 for _ in data]


def log(project: Project, **files: bytes) -> str:
    run = ActiveRun.start(project)
    for name, data in files.items():
        run.log_bytes(data, f"{name}.ckpt")
    return run.end().id


def pointer(data: bytes) -> Pointer:
    return Pointer(sha256(data).hexdigest(), len(data))


def lose(project: Project, *pointers: Pointer) -> None:
    """Send objects to the store, and take them away here."""
    assert upload(project, "nowhere", pointers).lacking == ()
    for one in pointers:
        object_path(project.repo, one.oid).unlink()


def test_pointers_between_are_those_of_the_history(project: Project) -> None:
    first = log(project, a=b"first", b=b"same")
    before = project.store.tip() or ""
    second = log(project, a=b"second", b=b"same")
    third = log(project, a=b"third")
    project.store.remove(third)
    resumed = ActiveRun.resume(project, first)
    resumed.log_bytes(b"later", "a.ckpt")
    resumed.end()
    tip = project.store.tip() or ""
    assert set(pointers_between(project.repo, None, before)) == {pointer(b"first"), pointer(b"same")}
    new = {pointer(data) for data in (b"second", b"third", b"later")}
    assert set(pointers_between(project.repo, before, tip)) == new
    assert set(pointers_between(project.repo, None, tip)) == {*new, pointer(b"first"), pointer(b"same")}
    assert pointers_between(project.repo, tip, tip) == []
    [named] = named_between(project.repo, None, tip, [pointer(b"first")])
    assert named.pointer == pointer(b"first")
    assert named.run_id in project.store.ids()
    assert project.store.ids() == [first, second] or project.store.ids() == [second, first]


def test_text_elsewhere_is_no_pointer_of_an_artifact(project: Project, git: Git) -> None:
    Path("weights.bin").write_bytes(pointer(b"the code's own").encode())
    git("add", "weights.bin")
    git("commit", "--quiet", "--message", "Weights")
    log(project, a=b"a")
    assert pointers_between(project.repo, None, project.store.tip() or "") == [pointer(b"a")]


def test_get_fetches_all_that_is_missing(project: Project, tmp_path: Path) -> None:
    files = {name: name.encode() * 1000 for name in "abc"}
    run = project.resolve(log(project, **files))
    lose(project, *map(pointer, files.values()))
    told: list[tuple[str, int, int]] = []
    write_out(project, run, choose(project, run, None), tmp_path / "out", progress=lambda *said: told.append(said))
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        f"{name}.ckpt": data for name, data in files.items()
    }
    assert told[-1] == ("Large files", 3000, 3000)
    assert all(path.stat().st_mode & 0o200 for path in (tmp_path / "out").iterdir())  # people edit what they get


def test_what_was_damaged_here_is_put_aside_and_fetched(project: Project, tmp_path: Path) -> None:
    data = os.urandom(5000)
    run = project.resolve(log(project, a=data))
    upload(project, "nowhere", [pointer(data)])
    place = object_path(project.repo, pointer(data).oid)
    place.chmod(0o644)
    place.write_bytes(data[::-1])
    write_out(project, run, choose(project, run, None), tmp_path / "out")
    assert (tmp_path / "out" / "a.ckpt").read_bytes() == place.read_bytes() == data
    assert (project.repo.common_dir / "lfs" / "bad" / place.name).read_bytes() == data[::-1]


def test_an_object_that_is_mended_while_it_is_read_stays(project: Project) -> None:
    data = os.urandom(5000)
    run = project.resolve(log(project, a=data))
    place = object_path(project.repo, pointer(data).oid)
    place.chmod(0o644)
    place.write_bytes(data[::-1])
    reading = project.artifact(run.id, "a.ckpt").chunks()
    assert next(reading) == data[::-1]
    log(project, b=data)
    with pytest.raises(ArtifactError, match="other bytes than it has now"):
        list(reading)
    assert place.read_bytes() == data == project.artifact_bytes(run.id, "a.ckpt")


def test_what_is_damaged_everywhere_is_named_and_nothing_is_written(project: Project, tmp_path: Path) -> None:
    data = os.urandom(5000)
    run = project.resolve(log(project, a=data))
    place = object_path(project.repo, pointer(data).oid)
    place.chmod(0o644)
    place.write_bytes(data[::-1])
    said = rf"a\.ckpt of run {run.id[:8]} \(5000 bytes\) is damaged.*put aside.*sha256 {place.name}\) is not to be had"
    with pytest.raises(ArtifactError, match=said):
        project.artifact_bytes(run.id, "a.ckpt")
    with pytest.raises(
        ArtifactError, match=rf"a\.ckpt of run {run.id[:8]} \(5000 bytes, sha256 {place.name}\) is not to be"
    ):
        write_out(project, run, choose(project, run, None), tmp_path / "out")
    assert [path for path in tmp_path.glob("out/**/*") if path.is_file()] == []


def test_a_pointer_with_another_size_than_its_object_is_refused(project: Project) -> None:
    log(project, a=b"content")
    upload(project, "nowhere", [pointer(b"content")])
    wrong = Pointer(pointer(b"content").oid, 8)
    with pytest.raises(ArtifactError, match=r"8 bytes, sha256(?s:.*)there are 7 bytes there instead of 8"):
        download(project, None, [Wanted("0" * 32, "a.ckpt", wrong)])
    assert object_path(project.repo, wrong.oid).read_bytes() == b"content"


def test_a_model_and_a_version_are_fetched_to_be_loaded(project: Project) -> None:
    with gtrack.start_run() as run:
        gtrack.log_model(one, registered_model_name="m")
    pointers = pointers_between(project.repo, None, project.store.tip() or "")
    assert pointers
    for uri in (f"runs:/{run.id}/model", "models:/m/1"):
        lose(project, *pointers)
        assert gtrack.load_model(uri, trust=True)([0]) == [1]
    project.store.remove(run.id)
    lose(project, *pointers)
    assert gtrack.load_model("models:/m/1", trust=True)([0]) == [1]


def test_a_live_run_that_was_resumed_fetches_what_it_had(project: Project, tmp_path: Path) -> None:
    run_id = log(project, a=b"a" * 100)
    lose(project, pointer(b"a" * 100))
    resumed = ActiveRun.resume(project, run_id)
    resumed.log_bytes(b"b" * 100, "b.ckpt")
    run = project.resolve(run_id)
    write_out(project, run, choose(project, run, None), tmp_path / "out")
    assert {path.name: path.read_bytes()[:1] for path in (tmp_path / "out").iterdir()} == {
        "a.ckpt": b"a",
        "b.ckpt": b"b",
    }
    resumed.end()
    assert {one.path for one in project.store.artifacts(run_id) if one.lfs} == {"a.ckpt", "b.ckpt"}


def test_a_large_blob_of_git_is_streamed(project: Project, tmp_path: Path) -> None:
    data = os.urandom(9 << 20)
    project.repo.run("config", "core.bigFileThreshold", "1m")
    active = ActiveRun.start(project)
    active.log_bytes(data[: 9 << 20], "plain.bin")
    run = active.end()
    assert [found.lfs for found in project.store.artifacts(run.id)] == [False]
    write_out(project, run, choose(project, run, None), tmp_path / "out")
    assert (tmp_path / "out" / "plain.bin").read_bytes() == data
    assert sum(1 for _ in project.artifact(run.id, "plain.bin").chunks()) > 1
    pieces = project.artifact(run.id, "plain.bin").chunks()
    assert data.startswith(next(pieces))
    pieces.close()  # type: ignore[attr-defined] # whoever stops reading leaves no process behind
    assert list(pieces) == []


def test_a_partial_clone_knows_the_pointers_and_fetches_no_more_to_see(
    project: Project, tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("config", "uploadpack.allowFilter", "true")
    git("config", "uploadpack.allowAnySHA1InWant", "true")
    git("add", ".gtrack/config.yaml")
    git("commit", "--quiet", "--message", "Settings")
    active = ActiveRun.start(project)
    active.log_bytes(b"x" * 20_000, "plain.bin")
    active.log_bytes(b"y" * 20_000, "large.ckpt")
    run = active.end()
    lose(project, pointer(b"y" * 20_000))
    made = Project(partial_clone(project.repo.root or tmp_path, tmp_path / "clone"), project.config)
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(trace))
    assert pointers_between(made.repo, None, made.store.tip() or "") == [pointer(b"y" * 20_000)]
    assert " fetch" not in trace.read_text()
    write_out(made, run, choose(made, run, None), tmp_path / "out")
    assert (tmp_path / "out" / "plain.bin").read_bytes() == b"x" * 20_000
    assert (tmp_path / "out" / "large.ckpt").read_bytes() == b"y" * 20_000
    made.close()
