"""A branch with honest runs, and commits that somebody else makes on it by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gtrack.formats.names import run_path
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.conftest import Git, Once, run_git

BRANCH = "gtrack/runs"
Tamper = Callable[..., str]
Runs = dict[str, Run]


def three_runs(repo: Path) -> Runs:
    """Make three runs: one with a history and artifacts, one with a large artifact, one that failed."""
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text('artifacts: {lfs: ["*.ckpt"]}\nsystem: {interval_seconds: 0}\n')
    run_git("add", ".gtrack", cwd=repo)
    run_git("commit", "--quiet", "--message", "Settings", cwd=repo)
    project = Project.open(repo)
    made = []
    for name, experiment in (("plain", "forest"), ("large", "forest"), ("broken", "sweep")):
        run = ActiveRun.start(project, name=name, experiment=experiment)
        run.log_params({"lr": 0.1})
        for step in range(3):
            run.log_metrics({"loss": 1.0 - step / 10}, step=step)
        run.log_bytes(b"a report\n", "report.txt")
        if name == "large":
            run.log_bytes(b"weights" * 1000, "model.ckpt")
        made.append(run.end("failed" if name == "broken" else "finished"))
    project.close()
    return {run.name: run for run in made}


@pytest.fixture
def runs(once: Once) -> Runs:
    return once(three_runs)


@pytest.fixture
def tamper(git: Git, tmp_path: Path) -> Tamper:
    """Return a function that commits changes to the branch as somebody else does, path to content (None: remove it).

    A path without a slash at its beginning is as it is; ``mode`` is that of all files that are put.
    """

    def commit(changes: dict[str, bytes | None], message: str = "Tidy up\n", mode: str = "100644") -> str:
        index = {"GIT_INDEX_FILE": str(tmp_path / "tampering")}
        git("read-tree", BRANCH, env=index)
        for path, data in changes.items():
            if data is None:
                listed = git("ls-files", "--", path, env=index).splitlines()
                git("update-index", "--force-remove", "--stdin", env=index, stdin="\n".join(listed) + "\n")
            else:
                (tmp_path / "content").write_bytes(data)
                blob = git("hash-object", "-w", str(tmp_path / "content"))
                git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", env=index)
        tree = git("write-tree", env=index)
        who = {"GIT_AUTHOR_NAME": "Mallory", "GIT_AUTHOR_EMAIL": "mallory@example.org"}
        made = git("commit-tree", tree, "-p", BRANCH, "-m", message, env=who)
        git("update-ref", f"refs/heads/{BRANCH}", made)
        return made

    return commit


def inside(run: Run, name: str) -> str:
    """Return the path of a file of a run on the branch."""
    return f"{run_path(run.experiment, run.id)}/{name}"
