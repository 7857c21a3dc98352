"""`git gc --prune=now` takes nothing that a run needs, and gtrack has git tidy up when it is time."""

from __future__ import annotations

import os
import shutil
import time
from hashlib import sha1
from pathlib import Path

from tests.conftest import Git, run_git
from tests.end_to_end.engine import (
    BRANCH,
    check_branch,
    check_fsck,
    check_one_run,
    committed_files,
    files_on_disk,
    head_of,
    live_directories,
    one_run,
    start,
    succeed,
)

SNAPSHOTS = "refs/gtrack/snapshots"


def collect_garbage(root: Path) -> None:
    run_git("reflog", "expire", "--expire=now", "--all", cwd=root)
    run_git("gc", "--quiet", "--prune=now", cwd=root)


def test_gc_during_a_dirty_run_keeps_its_code(repo: Path, git: Git) -> None:
    (repo / "new.py").write_text("new\n")
    running = start("hold.py", cwd=repo, stdin=True)
    assert running.stdout is not None
    run_id = running.stdout.readline().strip()
    snapshot = git("for-each-ref", "--format=%(objectname)", SNAPSHOTS)
    collect_garbage(repo)
    assert git("cat-file", "-t", snapshot) == "commit"
    assert running.communicate("\n") == ("", "")
    head = check_one_run(repo, run_id, repo)
    assert head["code"]["commit"] == snapshot


def test_gc_after_runs_loses_nothing(repo: Path, git: Git) -> None:
    """Also the code of a run whose branch was rebased away and deleted."""
    trees, runs = {}, []
    for name in ("one.py", "two.py"):
        git("checkout", "--quiet", "-b", f"work-{name[:3]}", "main")
        (repo / name).write_text(f"{name}\n")
        git("add", "--all")
        git("commit", "--quiet", "--message", name)
        (repo / "dirty.py").write_text(f"dirty with {name}\n")
        runs.append(one_run(repo))
        trees[runs[-1]] = files_on_disk(repo)
        (repo / "dirty.py").unlink()
        git("checkout", "--quiet", "main")
        git("branch", "--quiet", "-D", f"work-{name[:3]}")
    assert git("for-each-ref", SNAPSHOTS) == ""
    tip = git("rev-parse", BRANCH)
    collect_garbage(repo)
    assert git("rev-parse", BRANCH) == tip
    assert check_branch(repo, runs) == runs
    assert {run: committed_files(head_of(run, repo)["code"]["commit"], repo) for run in runs} == trees
    check_fsck(repo)
    assert succeed("read_artifact.py", runs[0], "notes/hello.txt", cwd=repo) == "b'hello\\n'"


def test_gc_of_a_clone_has_everything(repo: Path, git: Git, tmp_path: Path) -> None:
    (repo / "dirty.py").write_text("dirty\n")
    run_id = one_run(repo)
    clone = tmp_path / "clone"
    git("clone", "--quiet", "--branch=gtrack/runs", "--no-checkout", f"file://{repo}", str(clone))
    collect_garbage(clone)
    assert check_branch(clone, [run_id]) == [run_id]
    assert committed_files(head_of(run_id, clone)["code"]["commit"], clone) == files_on_disk(repo)
    check_fsck(clone)


def test_snapshot_of_two_runs_at_once_is_kept_for_the_second(repo: Path, git: Git) -> None:
    (repo / "new.py").write_text("new\n")
    running = start("hold.py", cwd=repo, stdin=True)
    assert running.stdout is not None
    run_id = running.stdout.readline().strip()
    other = one_run(repo)
    assert git("for-each-ref", SNAPSHOTS) == ""
    collect_garbage(repo)
    assert running.communicate("\n") == ("", "")
    assert check_branch(repo, [run_id, other]) == [other, run_id]
    assert head_of(run_id, repo)["code"] == head_of(other, repo)["code"]
    assert committed_files(head_of(run_id, repo)["code"]["commit"], repo) == files_on_disk(repo)


def fill_with_loose_objects(root: Path) -> None:
    """Commit so many files that git, which counts those in one of 256 folders, finds its garbage collection due."""
    wanted = 0
    for number in range(100_000):
        text = f"{number}\n".encode()
        if sha1(b"blob %d\0" % len(text) + text).hexdigest().startswith("17"):
            (root / f"{number}.txt").write_bytes(text)
            wanted += 1
            if wanted == 40:
                break
    run_git("add", "--all", cwd=root)
    run_git("-c", "gc.auto=0", "commit", "--quiet", "--message", "Many", cwd=root)


def packs(root: Path) -> list[Path]:
    return list((root / ".git" / "objects" / "pack").glob("*.pack"))


def wait_for(condition: object, seconds: float = 60) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def test_maintenance_starts_when_many_objects_are_loose(repo: Path) -> None:
    fill_with_loose_objects(repo)
    assert packs(repo) == []
    run_id = one_run(repo)
    wait_for(lambda: packs(repo) and not (repo / ".git" / "gc.pid").exists())
    assert check_branch(repo, [run_id]) == [run_id]
    check_fsck(repo)


def test_maintenance_starts_when_there_are_many_packs(repo: Path) -> None:
    """A run of a hundred files and more is a pack of its own."""
    for number in range(51):
        oid = run_git("hash-object", "-w", "--stdin", cwd=repo, stdin=f"{number}")
        run_git("pack-objects", "--quiet", ".git/objects/pack/pack", cwd=repo, stdin=oid)
    run_id = one_run(repo)
    wait_for(lambda: len(packs(repo)) < 10 and not (repo / ".git" / "gc.pid").exists())
    assert check_branch(repo, [run_id]) == [run_id]
    check_fsck(repo)


def test_maintenance_does_not_start_when_few_are(repo: Path, tmp_path: Path) -> None:
    said = git_that_notes_maintenance(tmp_path, "exit 0")
    one_run(repo, env=said)
    assert not (tmp_path / "maintained").exists()


def test_nobody_waits_for_maintenance(repo: Path, tmp_path: Path) -> None:
    """A `git maintenance` that never ends: the run ends all the same."""
    fill_with_loose_objects(repo)
    os.mkfifo(tmp_path / "gate")
    env = git_that_notes_maintenance(tmp_path, f'cat "{tmp_path}/gate" >/dev/null')
    run_id = one_run(repo, env=env)
    assert live_directories(repo) == []
    wait_for((tmp_path / "maintained").exists)
    with (tmp_path / "gate").open("w"):  # lets it end; opening waits until it is there
        assert check_branch(repo, [run_id]) == [run_id]
    assert (tmp_path / "maintained").read_text() == "maintenance run --auto --quiet\n"


def git_that_notes_maintenance(tmp_path: Path, then: str) -> dict[str, str]:
    """Return the PATH of a git that notes when maintenance is asked of it and does ``then`` instead."""
    real = shutil.which("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        "#!/bin/sh\n"
        'case " $* " in *" maintenance "*)\n'
        f'  while [ "$1" != maintenance ]; do shift; done; echo "$*" >"{tmp_path}/maintained"\n'
        f"  {then}; exit 0;;\n"
        "esac\n"
        f'exec "{real}" "$@"\n'
    )
    wrapper.chmod(0o755)
    return {"PATH": f"{wrapper.parent}:{os.environ['PATH']}"}
