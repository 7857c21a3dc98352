"""Many runs at once, in threads, processes and worktrees: each whole, none mixed, none lost, the branch in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from gtrack.project import Project
from tests.conftest import Git
from tests.end_to_end.engine import (
    BRANCH,
    check_branch,
    check_fsck,
    fail,
    live_directories,
    one_run,
    start,
    succeed,
)


def many_runs(
    places: Mapping[str, Path], threads: int, runs: int, env: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Make ``runs`` runs in each of ``threads`` threads of one process for each mark; return id to mark of all runs."""
    processes = [
        start("many_runs.py", mark, str(threads), str(runs), cwd=place, env=env) for mark, place in places.items()
    ]
    made: dict[str, str] = {}
    for process in processes:
        out, err = process.communicate()
        assert (process.returncode, err) == (0, "")
        lines = [line.split(" ", 1) for line in out.splitlines()]
        made.update((run_id, mark) for run_id, mark in lines)
    assert len(made) == len(places) * threads * runs
    return made


def check_all(root: Path, made: Mapping[str, str]) -> None:
    """Hold every run against what its own thread logged."""
    project = Project.open(root)
    for run in project.store.runs():
        mark = made[run.id]
        process, thread, number = mark.rsplit("-", 2)
        assert (run.name, run.experiment, run.status) == (mark, f"engine {process}", "finished")
        assert (run.params, run.tags, run.problems) == ({"mark": mark}, {"mark": mark}, ())
        assert run.metrics == {"thread": float(thread), "number": float(number)}
        history = project.history(run.id)
        assert (list(history.steps), history.torn, history.damaged) == (list(range(50)), False, ())
        assert set(history.columns["thread"]) == {float(thread)}
        assert set(history.columns["number"]) == {float(number)}
        assert [artifact.path for artifact in project.artifacts(run.id)] == [f"marks/{mark}.txt"]
        assert project.artifact_bytes(run.id, f"marks/{mark}.txt") == mark.encode()
    assert sorted(project.store.ids()) == sorted(made)
    assert project.live.directories() == []


def test_eight_threads(repo: Path) -> None:
    made = many_runs({"p": repo}, threads=8, runs=2)
    check_all(repo, made)
    check_branch(repo, made)
    check_fsck(repo)


@pytest.mark.slow
def test_six_processes(repo: Path) -> None:
    (repo / "dirty.py").write_text("dirty\n")
    made = many_runs({f"p{number}": repo for number in range(6)}, threads=1, runs=3)
    check_all(repo, made)
    check_branch(repo, made)
    check_fsck(repo)


@pytest.mark.slow
def test_three_worktrees(repo: Path, git: Git, tmp_path: Path) -> None:
    places = {"main": repo}
    for name in ("one", "two"):
        places[name] = tmp_path / name
        git("worktree", "add", "--quiet", "-b", name, str(places[name]))
    for name, place in places.items():
        (place / f"{name}.py").write_text(f"{name}\n")
    made = many_runs(places, threads=2, runs=2)
    check_all(repo, made)
    check_branch(repo, made)
    project = Project.open(repo)
    for name, place in places.items():
        assert live_directories(place) == []
        codes = {run.code.commit for run in project.store.runs() if run.experiment == f"engine {name}"}
        assert len(codes) == 1
        assert git("ls-tree", "--name-only", f"{codes.pop()}").splitlines() == ["README.md", f"{name}.py"]
    check_fsck(repo)


@pytest.mark.slow
def test_without_the_lock(repo: Path) -> None:
    """Where no lock can be had, compare-and-swap alone decides: writers collide, and try again."""
    (repo / ".git" / "gtrack" / "commit.lock").mkdir(parents=True)
    made = many_runs({f"p{number}": repo for number in range(4)}, threads=2, runs=2)
    check_all(repo, made)
    check_branch(repo, made)
    check_fsck(repo)


def foreign_writer(tmp_path: Path, times: int) -> dict[str, str]:
    """Return the PATH of a git that, whenever a ref is to be moved, first moves the runs branch itself, ``times`` times."""
    real = shutil.which("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        "#!/bin/sh\n"
        f'case " $* " in *" update-ref "*) n=$(ls "{tmp_path}/moved" | wc -l); if [ "$n" -lt {times} ]; then\n'
        f'  new=$("{real}" commit-tree -p {BRANCH} -m foreign "{BRANCH}^{{tree}}") &&\n'
        f'  "{real}" update-ref {BRANCH} "$new" && : >"{tmp_path}/moved/$n"\n'
        "fi;; esac\n"
        f'exec "{real}" "$@"\n'
    )
    wrapper.chmod(0o755)
    (tmp_path / "moved").mkdir()
    return {"PATH": f"{wrapper.parent}:{os.environ['PATH']}"}


def test_branch_that_somebody_else_moves(repo: Path, git: Git, tmp_path: Path) -> None:
    """A fetch, or any git command, is no party to gtrack's lock: neither its commits nor the run are lost."""
    first = one_run(repo)
    second = one_run(repo, env=foreign_writer(tmp_path, 3))
    assert len(list((tmp_path / "moved").iterdir())) == 3
    subjects = git("log", "--first-parent", "--format=%s", BRANCH).splitlines()
    assert subjects[1:4] == ["foreign"] * 3
    assert git("log", "-1", "--format=%b", BRANCH).splitlines()[0] == f"Run: {second}"
    assert git("log", "-1", "--format=%b", f"{BRANCH}~4").splitlines()[0] == f"Run: {first}"
    assert sorted(Project.open(repo).store.ids()) == sorted([first, second])
    assert git("rev-parse", f"{BRANCH}^2^{{}}") != git("rev-parse", f"{BRANCH}~1")
    check_fsck(repo)


@pytest.mark.slow
def test_branch_that_never_stays(repo: Path, git: Git, tmp_path: Path) -> None:
    one_run(repo)
    said = fail("one_run.py", cwd=repo, env=foreign_writer(tmp_path, 1000))
    assert "could not be committed to gtrack/runs" in said
    (live,) = live_directories(repo)
    assert succeed("recover.py", cwd=repo) == f"{live.name} finished"
    assert len(Project.open(repo).store.ids()) == 2


@pytest.mark.slow
def test_branch_that_stays_locked(repo: Path, git: Git) -> None:
    """What a killed git leaves: `gtrack/runs.lock`. One clear message; all is kept, and finished later."""
    first = one_run(repo)
    lock = repo / ".git" / "refs" / "heads" / "gtrack" / "runs.lock"
    lock.touch()
    said = fail("one_run.py", cwd=repo)
    (live,) = live_directories(repo)
    message = said[said.rindex("gtrack.errors.CommitFailed: ") :].strip()
    assert "could not be committed to gtrack/runs" in message
    assert str(lock) in message
    assert f"it stays in {live}. When that is mended, 'gtrack recover' commits it." in message
    assert succeed("recover.py", cwd=repo).startswith(f"{live.name} finished (Run ")
    assert live_directories(repo) == [live]
    lock.unlink()
    assert succeed("recover.py", cwd=repo) == f"{live.name} finished"
    assert check_branch(repo, [first, live.name]) == [first, live.name]
    assert live_directories(repo) == []
    check_fsck(repo)


@pytest.mark.slow
def test_many_recover_at_once(repo: Path) -> None:
    """Dead runs that several commands find at the same time are committed once each."""
    dead = []
    running = [start("hold.py", cwd=repo, stdin=True) for _ in range(3)]
    for process in running:
        assert process.stdout is not None
        dead.append(process.stdout.readline().strip())
    for process in running:
        process.kill()
        process.communicate()
    commands = [start("recover.py", cwd=repo) for _ in range(4)]
    said = [command.communicate() for command in commands]
    assert [err for _, err in said] == [""] * 4
    lines = [line for out, _ in said for line in out.splitlines()]
    # One that was looked at by another command just then is left for the next.
    lines += succeed("recover.py", cwd=repo).splitlines()
    assert sorted(lines) == sorted(f"{run_id} killed" for run_id in dead)
    assert sorted(check_branch(repo, dead)) == sorted(dead)


def test_two_processes_resume_the_same_run(repo: Path) -> None:
    run_id = one_run(repo)
    first = start("resume.py", run_id, cwd=repo, stdin=True)
    assert first.stdout is not None
    assert first.stdout.readline() == f"{run_id}\n"
    said = fail("resume.py", run_id, cwd=repo)
    assert f"RunIsActive: Run {run_id[:8]} is being written" in said
    assert first.communicate("\n") == ("", "")
    project = Project.open(repo)
    assert list(project.history(run_id).steps) == [0, 1, 2, 10, 11]
    assert project.store.ids() == [run_id]
    check_fsck(repo)


@pytest.mark.slow
def test_many_processes_resume_the_same_run_at_once(repo: Path) -> None:
    """Whoever is not refused appends: no row is lost, whatever the order."""
    run_id = one_run(repo)
    processes = [start("resume.py", run_id, cwd=repo) for _ in range(6)]
    done = [(process.communicate(), process.returncode) for process in processes]
    resumed = sum(code == 0 for _, code in done)
    assert resumed >= 1
    assert all("RunIsActive" in err for (_, err), code in done if code)
    history = Project.open(repo).history(run_id)
    assert list(history.steps) == [0, 1, 2, *([10, 11] * resumed)]
    assert live_directories(repo) == []
    check_fsck(repo)


def test_forked_child_that_exits_does_not_end_the_run(repo: Path) -> None:
    """The lock of a run is its process's: a child that leaves by `sys.exit` must not let go of it."""
    running = start("forking.py", cwd=repo, stdin=True)
    assert running.stdout is not None
    run_id = running.stdout.readline().strip()
    assert running.stdout.readline() == "child gone\n"
    assert succeed("recover.py", cwd=repo) == ""
    assert running.communicate("\n") == ("", "")
    run = Project.open(repo).store.run(run_id)
    assert (run.status, dict(run.metrics)) == ("finished", {"parent": 2.0, "child": 1.0})
    assert check_branch(repo, [run_id]) == [run_id]


def test_git_that_is_missing(repo: Path, tmp_path: Path) -> None:
    said = fail("one_run.py", cwd=repo, env={"PATH": str(tmp_path)})
    assert said.splitlines()[-1].startswith("gtrack.errors.GitError: There is no git on the PATH.")


@pytest.mark.slow
def test_readers_while_runs_end(repo: Path) -> None:
    """A run that is committed while somebody reads is seen once, and whole: live or committed."""
    writer = start("many_runs.py", "p", "2", "12", cwd=repo)
    project = Project.open(repo)
    seen: set[str] = set()
    while writer.poll() is None:
        for run in (*project.live.runs(), *project.store.runs()):
            assert run.name.startswith("p-"), run
            assert run.problems == ()
            seen.add(run.id)
            found = project.resolve(run.id[:16])
            assert (found.id, found.name, found.problems) == (run.id, run.name, ())
            assert project.file(run.id, "run.yaml")
    out, err = writer.communicate()
    assert err == ""
    assert len(out.splitlines()) == 24
    assert seen <= set(project.store.ids())


def test_crowd_of_gits_is_waited_for(repo: Path, git: Git) -> None:
    """Somebody packs the refs again and again: the lock of `packed-refs` is taken and given back meanwhile."""
    loop = subprocess.Popen(
        ["sh", "-c", "while :; do git pack-refs --all; done"],
        cwd=repo,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        (repo / "dirty.py").write_text("dirty\n")
        made = many_runs({"p": repo}, threads=2, runs=3)
    finally:
        loop.kill()
        loop.wait()
    check_all(repo, made)
    check_branch(repo, made)
