"""A large artifact is copied once, when it is logged; the commit makes an object of it by a link."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from gtrack.git.lfs import Pointer, object_path
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun

BIG = os.urandom(2_500_000)


@pytest.fixture
def project(repo: Path) -> Project:
    (repo / ".gtrack").mkdir()
    settings = 'system: {interval_seconds: 0}\nartifacts: {lfs_above_mb: 2, lfs: ["*.ckpt", "weights/*"]}\n'
    (repo / ".gtrack" / "config.yaml").write_text(settings)
    return Project.open(repo)


def objects(project: Project) -> list[str]:
    """Return the names of all objects, and of whatever else lies among them."""
    return sorted(path.name for path in (project.repo.common_dir / "lfs" / "objects").rglob("*") if path.is_file())


def is_lfs(project: Project, run: Run) -> dict[str, bool]:
    return {one.path: one.lfs for one in project.store.artifacts(run.id)}


def test_the_object_is_the_file_that_was_copied_when_it_was_logged(project: Project, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(BIG)
    active = ActiveRun.start(project)
    active.log_artifact(source, "deep/model.bin")
    live = active.directory / "artifacts" / "deep" / "model.bin"
    inode, mode = live.stat().st_ino, live.stat().st_mode
    with source.open("r+b") as file:  # the user's file is another one, and goes on
        file.write(b"overwritten")
    run = active.end()
    place = object_path(project.repo, sha256(BIG).hexdigest())
    assert place.stat().st_ino == inode != source.stat().st_ino
    assert (mode & 0o777, place.stat().st_mode & 0o777, place.stat().st_nlink) == (0o444, 0o444, 1)
    assert project.artifact_bytes(run.id, "deep/model.bin") == BIG


def test_what_the_commit_knows_it_does_not_read(project: Project, tmp_path: Path) -> None:
    """Only what has the facts of the file that was hashed is believed, so this is what happens when they are forged."""
    active = ActiveRun.start(project)
    active.log_bytes(BIG, "model.bin")
    live = active.directory / "artifacts" / "model.bin"
    before = live.stat()
    live.chmod(0o644)
    with live.open("r+b") as file:
        file.write(b"forged")
    os.utime(live, ns=(before.st_atime_ns, before.st_mtime_ns))
    active.end()
    assert objects(project) == [sha256(BIG).hexdigest()]


def test_a_live_file_that_was_changed_in_place_is_hashed_anew(project: Project) -> None:
    active = ActiveRun.start(project)
    active.log_bytes(BIG, "model.bin")
    live = active.directory / "artifacts" / "model.bin"
    live.chmod(0o644)
    with live.open("r+b") as file:
        file.write(b"changed")
    os.utime(live, ns=(1, 1))
    run = active.end()
    changed = b"changed" + BIG[7:]
    assert objects(project) == [sha256(changed).hexdigest()]
    assert project.artifact_bytes(run.id, "model.bin") == changed


def test_a_checkpoint_that_is_replaced_leaves_one_object(project: Project) -> None:
    active = ActiveRun.start(project)
    for step in range(4):
        active.log_bytes(bytes([step]) * 2_100_000, "last.ckpt")
        assert [(one.path, one.size) for one in project.artifacts(active.id)] == [("last.ckpt", 2_100_000)]
        assert project.artifact_bytes(active.id, "last.ckpt")[:1] == bytes([step])
    active.end()
    assert objects(project) == [sha256(b"\3" * 2_100_000).hexdigest()]


def test_the_same_bytes_are_stored_once(project: Project, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(BIG)
    runs = []
    for _ in range(3):
        active = ActiveRun.start(project)
        active.log_artifact(source, "model.bin")
        active.log_bytes(BIG, "again.bin")
        runs.append(active.end())
    assert objects(project) == [sha256(BIG).hexdigest()]
    assert all(project.artifact_bytes(run.id, "again.bin") == BIG for run in runs)


def test_by_pattern_whatever_the_size_but_never_an_empty_file(project: Project) -> None:
    active = ActiveRun.start(project)
    for path in ("a.ckpt", "deep/b.ckpt", "weights/c", "weights/deep/d", "other/weights/e", "a.ckpt.txt", "A.CKPT"):
        active.log_bytes(path.encode(), path)
    active.log_bytes(b"", "empty.ckpt")
    assert {path for path, large in is_lfs(project, active.end()).items() if large} == {
        *("a.ckpt", "deep/b.ckpt", "weights/c", "weights/deep/d"),
    }


def test_a_directory_with_large_files_and_a_model(project: Project, tmp_path: Path) -> None:
    source = tmp_path / "results"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "big.bin").write_bytes(BIG)
    (source / "small.txt").write_bytes(b"small")
    active = ActiveRun.start(project)
    for path in source.rglob("*.*"):
        active.log_artifact(path, path.relative_to(tmp_path).as_posix())
    run = active.end()
    assert is_lfs(project, run) == {"results/deep/big.bin": True, "results/small.txt": False}
    resumed = ActiveRun.resume(project, run.id)
    resumed.log_bytes(BIG[::-1], "results/more.bin")
    assert {one.path: one.size for one in project.artifacts(run.id)} == {
        "results/deep/big.bin": len(BIG),
        "results/more.bin": len(BIG),
        "results/small.txt": 5,
    }
    assert project.artifact_bytes(run.id, "results/deep/big.bin") == BIG
    resumed.end()
    assert project.artifact_bytes(run.id, "results/more.bin") == BIG[::-1]


def test_a_store_on_another_disk(project: Project, tmp_path: Path) -> None:
    """git-lfs keeps its objects where lfs.storage says."""
    elsewhere = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path
    place = elsewhere / f"gtrack-{os.getpid()}"
    project.repo.run("config", "lfs.storage", str(place))
    try:
        active = ActiveRun.start(project)
        active.log_bytes(BIG, "model.bin")
        run = active.end()
        digest = sha256(BIG).hexdigest()
        assert (place / "objects" / digest[:2] / digest[2:4] / digest).read_bytes() == BIG
        assert project.artifact_bytes(run.id, "model.bin") == BIG
    finally:
        shutil.rmtree(place)
    assert not (project.repo.common_dir / "lfs").exists()


_SCRIPT = """
import os, signal, sys
from pathlib import Path
from gtrack.project import Project
from gtrack.writer import ActiveRun

run = ActiveRun.start(Project.open())
run.log_bytes(b"x" * 3_000_000, "whole.bin")
print(run.id, flush=True)
run.log_artifact(Path(sys.argv[1]), "second.bin")
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(source: Path, when: str) -> str:
    """Run the script until it is killed, in the middle of the second file or after it, and return the run's id."""
    with subprocess.Popen([sys.executable, "-c", _SCRIPT, str(source)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        while when == "meanwhile" and process.poll() is None:
            if any(path.stat().st_size for path in Path.cwd().glob(".gtrack/live/*/.*.part")):
                process.kill()
        assert process.wait() == -signal.SIGKILL
    return run_id


@pytest.mark.slow
@pytest.mark.parametrize("when", ["meanwhile", "afterwards"])
def test_killed(project: Project, tmp_path: Path, when: str) -> None:
    source = tmp_path / "second"
    with source.open("wb") as file:
        file.truncate(400_000_000 if when == "meanwhile" else 4_000_000)
    run_id = killed(source, when)
    [recovered] = project.recover()
    assert (recovered.run.id, recovered.error) == (run_id, None)
    kept = {one.path: one.lfs for one in project.store.artifacts(run_id)}
    assert kept == ({"whole.bin": True} if when == "meanwhile" else {"second.bin": True, "whole.bin": True})
    assert project.artifact_bytes(run_id, "whole.bin") == b"x" * 3_000_000
    pointer = Pointer(sha256(b"x" * 3_000_000).hexdigest(), 3_000_000)
    assert pointer.oid in objects(project)
    assert not list(Path.cwd().rglob("*.part"))
