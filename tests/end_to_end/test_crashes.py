"""Whatever ends a process, a disk or a directory in the middle: what was logged is kept, and is in git once it can be."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gtrack.errors import FormatError
from gtrack.project import Project
from gtrack.records import Run
from tests.conftest import Git, copy_repository
from tests.end_to_end.engine import (
    SCRIPTS,
    check_branch,
    check_fsck,
    committed_files,
    fail,
    files_on_disk,
    head_of,
    live_directories,
    one_run,
    start,
    succeed,
)


def recovered(root: Path, run_id: str, status: str = "killed") -> Run:
    """Recover, and return the run, which must be the only one, whole, with nothing left of its live directory."""
    assert succeed("recover.py", cwd=root) == f"{run_id} {status}"
    return committed(root, run_id)


def committed(root: Path, run_id: str) -> Run:
    assert check_branch(root, [run_id]) == [run_id]
    check_fsck(root)
    live = root / ".gtrack" / "live"
    assert [path.name for path in live.iterdir()] == []
    return Project.open(root).store.run(run_id)


# SIGKILL


@pytest.mark.parametrize("count", [0, 1, 2000])
def test_killed_in_a_logging_loop_keeps_every_row(repo: Path, count: int) -> None:
    process = start("logging_loop.py", "rows", cwd=repo)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    for _ in range(count):
        process.stdout.readline()
    process.kill()
    said = process.communicate()[0].splitlines()
    reported = count + len(said) if said and said[-1] else count
    run = recovered(repo, run_id)
    history = Project.open(repo).history(run_id)
    assert len(history) >= reported - 1
    assert len(history) >= count
    assert list(history.steps) == list(range(len(history)))
    assert list(history.columns.get("val", [])) == [float(step) for step in range(len(history))]
    assert run.params == {"lr": 0.1, "layers": [1, 2]}
    assert run.ended is not None
    assert run.started is not None
    assert run.ended > run.started


def test_killed_while_it_logs_flat_values(repo: Path) -> None:
    process = start("logging_loop.py", "flat", cwd=repo)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    for _ in range(300):
        process.stdout.readline()
    process.kill()
    process.communicate()
    run = recovered(repo, run_id)
    assert {f"p{step}": step for step in range(300)}.items() <= run.params.items()
    assert {f"m{step}": step for step in range(300)}.items() <= run.metrics.items()
    assert run.problems == ()


@pytest.mark.quick
def test_next_run_commits_the_dead_one(repo: Path) -> None:
    process = start("hold.py", cwd=repo, stdin=True)
    assert process.stdout is not None
    dead = process.stdout.readline().strip()
    process.kill()
    process.communicate()
    run_id = one_run(repo)
    assert check_branch(repo, [dead, run_id]) == [dead, run_id]
    assert head_of(dead, repo)["status"] == "killed"


def test_dead_run_keeps_the_code_that_it_ran(repo: Path) -> None:
    """The working tree has moved on when the run is recovered: its snapshot has not."""
    (repo / "code.py").write_text("as it ran\n")
    then = files_on_disk(repo)
    process = start("hold.py", cwd=repo, stdin=True)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    process.kill()
    process.communicate()
    (repo / "code.py").write_text("moved on\n")
    recovered(repo, run_id)
    assert committed_files(head_of(run_id, repo)["code"]["commit"], repo) == then


def test_killed_while_it_was_resumed(repo: Path) -> None:
    run_id = one_run(repo)
    process = start("resume.py", run_id, cwd=repo, stdin=True)
    assert process.stdout is not None
    assert process.stdout.readline() == f"{run_id}\n"
    process.kill()
    process.communicate()
    assert succeed("recover.py", cwd=repo) == f"{run_id} killed"
    project = Project.open(repo)
    assert project.store.ids() == [run_id]
    assert list(project.history(run_id).steps) == [0, 1, 2, 10]
    assert [artifact.path for artifact in project.artifacts(run_id)] == ["notes/hello.txt"]
    check_fsck(repo)


def check_after_a_kill(root: Path, run_id: str) -> None:
    """Whatever was done when the process died, there is one run in the end, the same one, with everything."""
    assert succeed("recover_twice.py", cwd=root) in [
        f"{once}then" for once in ("", f"{run_id} finished\n", f"{run_id} killed\n")
    ]
    assert check_branch(root, [run_id]) == [run_id]
    run = Project.open(root).store.run(run_id)
    assert (run.name, run.params, run.metrics, run.problems) == ("ends", {"lr": 0.1}, {"loss": 0.01}, ())
    assert len(Project.open(root).history(run_id)) == 100
    assert Project.open(root).artifact_bytes(run_id, "notes/hello.txt") == b"hello\n" * 1000
    assert [path.name for path in (root / ".gtrack" / "live").iterdir() if path.suffix != ".lock"] == []
    check_fsck(root)


@pytest.fixture
def killing_git(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a git that counts its calls and kills its caller at the n-th: before it works, or after."""
    real = shutil.which("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        "#!/bin/sh\n"
        # A `cat-file --batch` has no end to kill at.
        f'case "$KILL_AT $* " in " "*|*" cat-file "*) exec "{real}" "$@";; esac\n'
        'n=$(cat "$CALLS" 2>/dev/null || echo 0); n=$((n + 1)); echo $n >"$CALLS"\n'
        f'test "$n" = "$KILL_AT" || exec "{real}" "$@"\n'
        'case "$KILL" in before) kill -9 $PPID; exit 1;; esac\n'
        f'"{real}" "$@" >"$CALLS.out"; kill -9 $PPID\n'
    )
    wrapper.chmod(0o755)
    return {"PATH": f"{wrapper.parent}:{os.environ['PATH']}"}


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_call_of_git(repo: Path, tmp_path: Path, killing_git: dict[str, str], when: str) -> None:
    (repo / "dirty.py").write_text("dirty\n")
    after_start = 0
    for number in range(1, 40):
        root = tmp_path / f"copy-{number}"
        shutil.copytree(repo, root, symlinks=True)
        env = {**killing_git, "KILL_AT": str(number), "KILL": when, "CALLS": str(tmp_path / f"calls-{number}")}
        process = start("end_slowly.py", cwd=root, env=env)
        out, _ = process.communicate()
        run_id, *done = out.split() or [""]
        if process.returncode == 0:
            assert done == ["done"]
            break
        assert process.returncode == -signal.SIGKILL
        if run_id:
            after_start += 1
            check_after_a_kill(root, run_id)
        else:
            # Killed before the run could be named to anybody: there may be one or none, but nothing half-made.
            succeed("recover.py", cwd=root)
            assert len(Project.open(root).store.ids()) <= 1
            assert live_directories(root) == []
            check_fsck(root)
    else:
        pytest.fail("it never came to its end")
    assert after_start >= 2  # fast-import and update-ref at the least


@pytest.mark.slow
def test_killed_at_many_moments_of_the_end(repo: Path, tmp_path: Path) -> None:
    (repo / "dirty.py").write_text("dirty\n")
    killed = 0
    for number in range(12):
        root = tmp_path / f"copy-{number}"
        shutil.copytree(repo, root, symlinks=True)
        process = start("end_slowly.py", cwd=root, stdin=True)
        assert process.stdin is not None
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(number * 0.004)
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        check_after_a_kill(root, run_id)
    assert killed >= 1


# What is damaged


def dead_run(repo: Path) -> Path:
    process = start("hold.py", "torn", cwd=repo, stdin=True)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    process.kill()
    process.communicate()
    return repo / ".gtrack" / "live" / run_id


@pytest.fixture(scope="module")
def dead_once(first_commit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with a dead run, to be copied."""
    root = tmp_path_factory.mktemp("dead")
    copy_repository(first_commit, root)
    dead_run(root)
    return root


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff\xfe", b"schema: 1\nid: [", b"- a\n- b\n"])
@pytest.mark.parametrize(
    "name",
    ["run.yaml", "params.yaml", "metrics.yaml", "inputs.yaml", "history.yaml", "environment.yaml", ".experiment.yaml"],
)
def test_damaged_file_is_recovered_and_the_damage_said(
    dead_once: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    repo = tmp_path / "damaged"
    repo.mkdir()
    copy_repository(dead_once, repo)
    (live,) = live_directories(repo)
    (live / name).write_bytes(content)
    project = Project.open(repo)
    assert [(one.run.id, one.run.status, one.error) for one in project.recover()] == [(live.name, "killed", None)]
    assert capfd.readouterr() == ("", "")
    run = committed(repo, live.name)
    history = project.history(live.name)
    said = " ".join((*run.warnings, *run.problems))
    if name == "history.yaml":
        assert bool(history.damaged or name in said) == bool(content)
    else:
        assert list(history.columns["loss"]) == [0.5]
    if name == "environment.yaml" and content:
        with pytest.raises(FormatError, match=r"environment\.yaml"):
            project.environment(live.name)
    elif name != "history.yaml" and (content or name == "run.yaml"):
        assert name.removeprefix(".") in said
    if name != "run.yaml":
        assert run.name == "torn"
        assert head_of(live.name, repo)["id"] == live.name


def test_missing_run_yaml(repo: Path) -> None:
    live = dead_run(repo)
    (live / "run.yaml").unlink()
    run = recovered(repo, live.name)
    assert list(Project.open(repo).history(live.name).columns["loss"]) == [0.5]
    assert "run.yaml is missing" in " ".join(run.warnings)


def test_torn_last_lines_are_not_believed(repo: Path) -> None:
    """`epochs: 1` may have been to become `epochs: 100`."""
    live = dead_run(repo)
    (live / "params.yaml").write_bytes(b"lr: 0.1\nepochs: 1")
    (live / "metrics.yaml").write_bytes(b"acc: 0.9\nf1: 0")
    with (live / "history.yaml").open("ab") as file:
        file.write(b'- {"step": 1, "time": 1795376401.1, "loss": 0.')
    run = recovered(repo, live.name)
    assert (run.params, run.metrics) == ({"lr": 0.1}, {"acc": 0.9, "loss": 0.5})
    assert any("params.yaml" in warning for warning in run.warnings)
    assert any("metrics.yaml" in warning for warning in run.warnings)
    assert any("history.yaml" in warning for warning in run.warnings)
    assert list(Project.open(repo).history(live.name).columns["loss"]) == [0.5]
    assert run.problems == ()


def test_only_a_torn_line(repo: Path) -> None:
    live = dead_run(repo)
    (live / "params.yaml").write_bytes(b"epochs: 1")
    assert recovered(repo, live.name).params == {}
    assert Project.open(repo).store.run(live.name).problems == ()


def test_strange_things_in_a_live_directory(repo: Path) -> None:
    live = dead_run(repo)
    (live / "artifacts" / "deep").mkdir(parents=True)
    os.mkfifo(live / "artifacts" / "pipe")
    (live / "artifacts" / "link").symlink_to("/etc/passwd")
    (live / "artifacts" / "deep" / "kept.txt").write_text("kept\n")
    (live / "artifacts" / os.fsdecode(b"latin-\xe9.txt")).write_text("kept too\n")
    (live / ".part").write_text("half\n")
    recovered(repo, live.name)
    folder = f"experiments/engine/{live.name[:2]}/{live.name}"
    kept = [path for path in committed_files("gtrack/runs", repo) if path.startswith(f"{folder}/artifacts/")]
    assert sorted(kept) == [
        f"{folder}/artifacts/deep/kept.txt",
        f"{folder}/artifacts/" + os.fsdecode(b"latin-\xe9.txt"),
    ]
    assert Project.open(repo).artifact_bytes(live.name, "deep/kept.txt") == b"kept\n"


def test_litter_of_killed_processes_is_swept(repo: Path) -> None:
    one_run(repo)
    live = repo / ".gtrack" / "live"
    for name in (".new-", ".done-"):
        (live / f"{name}{'a' * 32}-0123abcd" / "artifacts").mkdir(parents=True)
    old, young = live / f"{'b' * 32}.lock", live / f"{'c' * 32}.lock"
    old.touch()
    young.touch()
    os.utime(old, (1, 1))
    assert succeed("recover.py", cwd=repo) == ""
    assert sorted(path.name for path in live.iterdir()) == [young.name]


# Full disks


@pytest.mark.parametrize("what", ["rows", "params", "artifacts"])
def test_full_disk_while_it_logs(repo: Path, what: str) -> None:
    """One clear error, nothing half-written, and what was logged before is committed at the end."""
    limit = 60_000
    out = succeed("small_files_only.py", str(limit), str(SCRIPTS / "full_while_logging.py"), what, cwd=repo)
    run_id, logged, said = out.splitlines()
    count = int(logged)
    assert count > 20
    assert said.startswith("ArtifactError: " if what == "artifacts" else "CommitFailed: ")
    assert "No space left on device" in said or "File too large" in said
    assert run_id[:8] in said or what == "artifacts"
    project = Project.open(repo)
    run = project.store.run(run_id)
    assert (run.status, run.problems) == ("failed", ())
    if what == "rows":
        assert list(project.history(run_id).steps) == list(range(count))
    elif what == "params":
        assert run.params == {f"parameter {number:08}": "x" * 90 for number in range(count)}
    else:
        assert len(project.artifacts(run_id)) == count
    assert check_branch(repo, [run_id]) == [run_id]
    check_fsck(repo)


@pytest.mark.parametrize("limit", ["100", "3000", "100000"])
def test_full_disk_while_it_commits(repo: Path, limit: str) -> None:
    process = start("big_artifact.py", limit, cwd=repo)
    out, err = process.communicate()
    run_id = out.strip()
    assert process.returncode == 1
    assert err.count("CommitFailed: Run ") == 1
    (live,) = live_directories(repo)
    assert str(live) in err
    assert "'gtrack recover' commits it" in err
    assert Project.open(repo).store.ids() == []
    status = yaml.safe_load((live / "run.yaml").read_text())["status"]
    run = recovered(repo, run_id, "killed" if status == "running" else status)
    assert len(Project.open(repo).history(run_id)) == 200
    assert len(Project.open(repo).artifact_bytes(run_id, "model.bin")) == 300_000
    assert run.problems == ()


def test_full_device(repo: Path) -> None:
    """A device that is full takes not a byte: the first call says so, by its name."""
    run_id = succeed("full_device.py", cwd=repo).splitlines()
    assert [line.split(":")[0] for line in run_id[1:]] == ["CommitFailed"] * 3
    assert all("No space left on device" in line for line in run_id[1:])


# Read-only places


@pytest.fixture
def writable_again(repo: Path) -> Iterator[Path]:
    """Give the repository back its permissions, whatever the test took away."""
    yield repo
    subprocess.run(["chmod", "-R", "u+rwX", str(repo)], check=True)


def read_only(place: Path) -> None:
    subprocess.run(["chmod", "-R", "a-w", str(place)], check=True)


def refused(script: str, *args: str, cwd: Path) -> str:
    """Return the last line of what a script says that must fail where it has no right to write."""
    said = fail("without_override.py", str(SCRIPTS / script), *args, cwd=cwd)
    assert said.count("Traceback (most recent call last)") <= 3
    return said[said.rindex("\ngtrack.errors.") :].strip()


def test_read_only_working_tree(writable_again: Path) -> None:
    repo = writable_again
    read_only(repo)
    said = refused("one_run.py", cwd=repo)
    assert said.startswith(
        f"gtrack.errors.CommitFailed: No run can be written to {repo}/.gtrack/live: Permission denied."
    )


def test_read_only_working_tree_that_is_dirty(writable_again: Path) -> None:
    repo = writable_again
    (repo / "dirty.py").write_text("dirty\n")
    read_only(repo)
    said = refused("one_run.py", cwd=repo)
    assert said.startswith("gtrack.errors.GitError: The working tree could not be recorded: Permission denied: ")


def test_git_directory_that_becomes_read_only(writable_again: Path) -> None:
    repo = writable_again
    first = one_run(repo)
    read_only(repo / ".git")
    said = refused("one_run.py", cwd=repo)
    (live,) = live_directories(repo)
    assert said.startswith("gtrack.errors.CommitFailed: Run ")
    assert "could not be committed to gtrack/runs" in said
    assert str(live) in said
    assert "permission" in said.lower()
    listed = succeed("without_override.py", str(SCRIPTS / "list_runs.py"), cwd=repo)
    assert sorted(listed.splitlines()) == sorted([f"{live.name} finished live", f"{first} finished"])
    said = refused("edit_run.py", first, cwd=repo)
    assert said.startswith("gtrack.errors.GitError: ")
    subprocess.run(["chmod", "-R", "u+rwX", str(repo)], check=True)
    assert succeed("recover.py", cwd=repo) == f"{live.name} finished"
    assert check_branch(repo, [first, live.name]) == [first, live.name]
    check_fsck(repo)


def test_reading_from_a_read_only_place(writable_again: Path, git: Git) -> None:
    repo = writable_again
    run_id = one_run(repo)
    read_only(repo)
    assert succeed("without_override.py", str(SCRIPTS / "list_runs.py"), cwd=repo) == f"{run_id} finished"
    assert (
        succeed("without_override.py", str(SCRIPTS / "read_artifact.py"), run_id, "notes/hello.txt", cwd=repo)
        == "b'hello\\n'"
    )
