"""SIGKILL at any point of ``gtrack gc``: whoever runs it again finishes it, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gtrack.ops.remove import restore_run
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.conftest import Git, Once
from tests.end_to_end.command import GTRACK, PROJECT

_RULES = "system: {interval_seconds: 0}\nretention: {rules: [{status: failed}]}\n"
_WRAPPER = """#!/bin/sh
# Ends whoever called git, before the call of this number or after it.
count=$(($(cat "$COUNT") + 1))
echo $count > "$COUNT"
[ "$AFTER" ] || [ $count -lt "$LAST" ] || kill -9 $PPID
"$GIT" "$@"
code=$?
[ ! "$AFTER" ] || [ $count -lt "$LAST" ] || kill -9 $PPID
exit $code
"""


def four_runs(repo: Path) -> dict[str, Run]:
    """Make two runs that are to go, the first among them, and two that are to stay, one of them edited."""
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text(_RULES)
    project = Project.open(repo)
    made = {}
    for name, status in {"bad": "failed", "good": "finished", "worse": "failed", "final": "finished"}.items():
        run = ActiveRun.start(project, name=name, experiment="forest")
        run.log_bytes(name.encode() * 1000, "weights.bin")
        made[name] = run.end(status)
    made["good"] = project.store.edit(made["good"].id, lambda head: head.update(notes="Good."), "noted")
    project.close()
    return made


@pytest.fixture
def runs(once: Once) -> dict[str, Run]:
    return once(four_runs)


class Killer:
    """Runs gtrack with a git that ends it at a call."""

    def __init__(self, repo: Path, place: Path) -> None:
        self._repo = repo
        self._count = place / "count"
        real = shutil.which("git")
        assert real is not None
        (place / "bin").mkdir()
        wrapper = place / "bin" / "git"
        wrapper.write_text(_WRAPPER)
        wrapper.chmod(0o755)
        self._env = {
            **os.environ,
            "PATH": f"{wrapper.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            "COUNT": str(self._count),
            "GIT": real,
        }

    def calls(self, *args: str) -> int:
        """Return how many times a command calls git."""
        assert self._run(args, 10**6, after=False) == 0
        return int(self._count.read_text())

    def kill(self, at: int, *args: str, after: bool) -> None:
        """Run a command that is ended at a call, and does not reach its end."""
        code = self._run(args, at, after=after)
        assert code in {-signal.SIGKILL, 0}
        assert code != 0 or after  # the last call may be the end of it

    def _run(self, args: tuple[str, ...], last: int, *, after: bool) -> int:
        self._count.write_text("0")
        env = {**self._env, "LAST": str(last), "AFTER": "1" if after else ""}
        done = subprocess.run([*GTRACK, *args], cwd=self._repo, env=env, capture_output=True, check=False)
        return done.returncode


def test_purge_is_finished_by_whoever_runs_it_again(runs: dict[str, Run], repo: Path, tmp_path: Path, git: Git) -> None:
    command = ("gc", "--purge", "--yes")
    original = tmp_path / "original"
    shutil.copytree(repo, original, symlinks=True)
    killer = Killer(repo, tmp_path)
    calls = killer.calls(*command)
    assert calls > 15
    for at in range(2, calls + 1, 1 if os.environ.get("THOROUGH") else 5):
        subprocess.run(["rm", "-rf", *(str(path) for path in repo.iterdir())], check=True)
        subprocess.run(["cp", "-pRf", f"{original}/.", str(repo)], check=True)
        killer.kill(at, *command, after=at % 2 == 0)
        project = Project.open(repo)
        found = {run.name: run for run in project.store.runs()}
        assert {"good", "final"} <= found.keys(), at
        done = subprocess.run([*GTRACK, *command], cwd=repo, capture_output=True, check=False)
        assert done.returncode == 0, (at, done.stderr)
        assert {run.name: run for run in project.store.runs()} == {name: runs[name] for name in ("good", "final")}
        text = git("rev-list", "--objects", "gtrack/runs")
        assert not any(runs[name].id in text for name in ("bad", "worse")), at
        git("fsck", "--strict")
        assert restore_run(project, runs["bad"].id) == runs["bad"], at
        project.close()


def test_two_terminals_and_a_third_that_commits_runs(runs: dict[str, Run], repo: Path, git: Git) -> None:
    script = (
        "from gtrack.project import Project\n"
        "from gtrack.writer import ActiveRun\n"
        "for number in range(5):\n"
        "    ActiveRun.start(Project.open(), name=f'new {number}', experiment='new').end()\n"
    )
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    commands = [[*GTRACK, "gc", "--purge", "--yes"]] * 2 + [[sys.executable, "-c", script]]
    started = [subprocess.Popen(command, cwd=repo, env=env, stderr=subprocess.PIPE) for command in commands]
    ended = [(process.communicate()[1], process.returncode) for process in started]
    assert ended[2][1] == 0
    codes = sorted(code for _, code in ended[:2])
    assert codes in ([0, 0], [0, 1])
    assert codes == [0, 0] or any(b"Another purge goes on here" in said for said, code in ended[:2] if code)
    project = Project.open(repo)
    assert {run.name for run in project.store.runs()} == {"good", "final", *(f"new {number}" for number in range(5))}
    assert all(project.store.run_commit(run.id) for run in project.store.runs())
    text = git("rev-list", "--objects", "gtrack/runs")
    assert not any(runs[name].id in text for name in ("bad", "worse"))
    git("fsck", "--strict")
