"""Push and pull as commands: many at once, killed at any point, interrupted, over a full disk, after each run."""

from __future__ import annotations

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from benchmarks.generate import add_committed_runs
from gtrack.store.auto_push import AutoPush
from tests.conftest import run_git
from tests.end_to_end.command import GTRACK, PROJECT, Workplace

RUNS = "refs/heads/gtrack/runs"


def clone_of(bare: Path, place: Path) -> Workplace:
    run_git("clone", "--quiet", str(bare), str(place), cwd=bare.parent)
    return Workplace(place)


def ids(place: Path) -> set[str]:
    """The ids of all runs on the branch."""
    listed = run_git("ls-tree", "-d", "-r", "--name-only", RUNS, cwd=place).splitlines()
    return {path.rpartition("/")[2] for path in listed if path.count("/") == 3}


@pytest.fixture
def bare(repo: Path, tmp_path: Path) -> Path:
    place = tmp_path / "bare.git"
    run_git("clone", "--quiet", "--bare", str(repo), str(place), cwd=tmp_path)
    run_git("remote", "add", "origin", str(place), cwd=repo)
    return place


def test_eight_clones_push_at_the_same_moment_and_lose_nothing(bare: Path, tmp_path: Path) -> None:
    clones = [clone_of(bare, tmp_path / f"clone{number}") for number in range(8)]
    for number, one in enumerate(clones):
        add_committed_runs(one.root, 25, seed=number)
    made = set().union(*(ids(one.root) for one in clones))
    assert len(made) == 200
    pushing = [one.start("push") for one in clones]
    said = [process.communicate(timeout=300) for process in pushing]
    assert [process.returncode for process in pushing] == [0] * 8, said
    assert ids(bare) == made
    for one in clones:
        assert one.gtrack("pull", "--quiet").returncode == 0
        assert run_git("rev-parse", f"{RUNS}^{{tree}}", cwd=one.root) == run_git(
            "rev-parse", f"{RUNS}^{{tree}}", cwd=bare
        )
    assert run_git("fsck", "--connectivity-only", cwd=bare) == ""


# Killed


_WRAPPER = """\
#!/bin/sh
# Counts the git processes that are started; the one that is told is the last thing that gtrack does.
count=$(cat {place}/count 2>/dev/null || echo 0)
count=$((count + 1))
echo $count > {place}/count
if [ $count -eq {at} ]; then
    [ {after} -eq 0 ] || {git} "$@"
    kill -KILL -$(cat {place}/group) $$
fi
exec {git} "$@"
"""


def killed_at(workplace: Workplace, place: Path, at: int, *, after: bool, words: list[str]) -> bool:
    """Run gtrack, killed with all it has started at its ``at``-th git process; tell whether it got so far."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    wrapper = place / "git"
    wrapper.write_text(_WRAPPER.format(place=place, at=at, git=shutil.which("git"), after=int(after)))
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    env = {**workplace.env, "PATH": f"{place}:{os.environ['PATH']}"}
    command = ["sh", "-c", f'echo $$ > {place}/group; exec "$@"', "sh", *GTRACK, *words]
    done = subprocess.run(
        command, cwd=workplace.root, env=env, capture_output=True, check=False, start_new_session=True
    )
    return done.returncode == -signal.SIGKILL


def ready_to_push(place: Path, repo: Path) -> tuple[Path, Workplace, Workplace, set[str]]:
    """A bare repository, two clones with runs of their own and a registered model each, one of them pushed."""
    place.mkdir()
    bare = place / "bare.git"
    run_git("clone", "--quiet", "--bare", str(repo), str(bare), cwd=place)
    ana, ben = clone_of(bare, place / "ana"), clone_of(bare, place / "ben")
    for seed, one in enumerate((ana, ben)):
        add_committed_runs(one.root, 3, seed=seed)
    made = ids(ana.root) | ids(ben.root)
    run_git("push", "--quiet", "origin", RUNS, cwd=ben.root)
    target = run_git("rev-parse", f"{RUNS}^2", cwd=ana.root)
    run_git("tag", "-a", "-m", "Registering artifact churn version v1.0.0", "churn@v1.0.0", target, cwd=ana.root)
    return bare, ana, ben, made


# Where gtrack is killed: at which part of all its git processes, and whether that one has done its work.
_POINTS = [(0.2, False), (0.5, True), (0.7, False), (0.8, True), (0.9, False), (0.95, True), (1.0, True)]


@pytest.mark.parametrize("words", [["push"], ["pull"]])
def test_killed_at_a_git_process_and_again(repo: Path, tmp_path: Path, words: list[str]) -> None:
    first, kept, wrapper = tmp_path / "first", tmp_path / "kept", tmp_path / "wrapper"
    bare, ana, _, made = ready_to_push(first, repo)
    shutil.copytree(first, kept, symlinks=True)
    assert not killed_at(ana, wrapper, 0, after=False, words=words)
    processes = int((wrapper / "count").read_text())
    for part, after in _POINTS:
        shutil.rmtree(first)
        shutil.copytree(kept, first, symlinks=True)
        before = ids(ana.root)
        at = max(1, round(part * processes))
        assert killed_at(ana, wrapper, at, after=after, words=words)
        assert ids(ana.root) >= before
        finish(ana, bare, words, made)


def finish(ana: Workplace, bare: Path, words: list[str], made: set[str]) -> None:
    """Do it again, and see that nothing is lost."""
    done = ana.gtrack(*words)
    assert done.returncode == 0, done.stderr
    assert ids(ana.root) == made
    if words == ["push"]:
        assert ids(bare) == made
        assert run_git("tag", cwd=bare) == "churn@v1.0.0"
    for place in (ana.root, bare):
        run_git("rev-list", "--objects", "--quiet", "--all", cwd=place)


@pytest.mark.parametrize("words", [["push"], ["pull"]])
def test_killed_at_any_moment_and_again(repo: Path, tmp_path: Path, words: list[str]) -> None:
    bare, ana, _, made = ready_to_push(tmp_path / "first", repo)
    chance = random.Random(6)
    begun = time.monotonic()
    assert ana.gtrack("status").returncode == 0
    usual = time.monotonic() - begun
    for _ in range(5):
        process = ana.start(*words)
        try:
            process.wait(timeout=usual * chance.uniform(0.8, 2))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finish(ana, bare, words, made)


def test_ctrl_c_ends_git_too(bare: Path, repo: Path, tmp_path: Path) -> None:
    add_committed_runs(repo, 2)
    place = Workplace(repo)
    hook = bare / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    started = tmp_path / "started"
    hook.write_text(f"#!/bin/sh\ntouch {started}\nexec sleep 600\n")
    hook.chmod(0o755)
    process = place.start("push")
    wait_for(started.exists)
    children = psutil.Process(process.pid).children(recursive=True)
    assert "sleep" in {child.name() for child in children}
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in {130, -signal.SIGINT}, err  # the same to a shell; see tests/cli/test_app.py
    assert err.endswith(b"Interrupted: nothing was lost; run it again.\n")
    assert not [child for child in psutil.wait_procs(children, 10)[1] if child.status() != psutil.STATUS_ZOMBIE]
    hook.unlink()
    assert place.gtrack("push").returncode == 0
    assert len(ids(bare)) == 2


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


# After each run

_AUTO = "auto_push: run\nsystem: {interval_seconds: 0}\n"


def pushing_by_itself(repo: Path) -> Workplace:
    place = Workplace(repo)
    place.write(".gtrack/config.yaml", _AUTO)
    place.write("train.py", 'X = 1\nprint("f1: 0.5")\n')
    run_git("add", ".", cwd=repo)
    run_git("commit", "--quiet", "--message", "Train", cwd=repo)
    return place


def log(place: Workplace) -> list[str]:
    """What became of each round."""
    path = place.root / ".git" / "gtrack" / "auto-push.log"
    return [line.split("\t")[1] for line in path.read_text().splitlines()] if path.exists() else []


def test_each_run_is_pushed_and_a_remote_that_is_gone_fails_no_run(bare: Path, repo: Path) -> None:
    place = pushing_by_itself(repo)
    assert place.gtrack("run", "train.py").returncode == 0
    wait_for(lambda: log(place) == ["done"])
    assert ids(bare) == ids(repo)
    bare.rename(bare.with_name("away"))
    assert place.gtrack("run", "train.py").returncode == 0
    wait_for(lambda: log(place)[-1] == "failed")
    with place.project() as project:
        failure = AutoPush(project.repo).last_failure()
    assert failure is not None
    assert "cannot be asked" in failure.message
    bare.with_name("away").rename(bare)
    assert place.gtrack("run", "train.py").returncode == 0
    wait_for(lambda: log(place)[-1] == "done")
    assert len(ids(bare)) == 3
    with place.project() as project:
        assert AutoPush(project.repo).last_failure() is None


def test_many_runs_at_once_are_all_pushed_by_one_at_a_time(bare: Path, repo: Path) -> None:
    place = pushing_by_itself(repo)
    source = "import gtrack\nfor _ in range(5):\n    with gtrack.start_run():\n        gtrack.log_metric('f1', 1)\n"
    place.write("many.py", source)
    running = [
        subprocess.Popen([sys.executable, "many.py"], cwd=repo, env={**place.env, "PYTHONPATH": str(PROJECT)})
        for _ in range(3)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(ids(repo)) == 15
    wait_for(lambda: bool(run_git("for-each-ref", RUNS, cwd=bare)) and ids(bare) == ids(repo))


# Full disks


def test_a_full_disk_is_told_and_nothing_is_half_done(bare: Path, repo: Path, tmp_path: Path) -> None:
    ben = clone_of(bare, tmp_path / "ben")
    add_committed_runs(repo, 2, artifact=200_000)
    assert Workplace(repo).gtrack("push").returncode == 0
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    small = f"import os, resource, sys; {limit}; os.execvp(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", small, *GTRACK, "pull"],
        cwd=ben.root,
        env=ben.env,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 1, done
    assert "The remote origin cannot be fetched from" in done.stderr
    assert run_git("for-each-ref", RUNS, "refs/remotes/origin/gtrack", cwd=ben.root) == ""
    assert ben.gtrack("pull").returncode == 0
    assert ids(ben.root) == ids(repo)
