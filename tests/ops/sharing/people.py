"""Somebody with a clone, who makes runs in it."""

from __future__ import annotations

from pathlib import Path

from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.conftest import run_git


class Person:
    """A clone and its project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = Project.open(root)

    def colleague(self, name: str, remote: Path | str, place: Path) -> Person:
        """Return somebody who clones a remote with git alone."""
        run_git("clone", "--quiet", str(remote), str(place), cwd=place.parent)
        run_git("config", "user.name", name, cwd=place)
        run_git("config", "user.email", f"{name.lower()}@example.org", cwd=place)
        return Person(place)

    def runs(self, *names: str, experiment: str = "churn") -> list[Run]:
        """Make runs, one for each name."""
        return [self._run(name, experiment) for name in names]

    def _run(self, name: str, experiment: str) -> Run:
        run = ActiveRun.start(self.project, name=name, experiment=experiment)
        run.log_params({"name": name})
        run.log_metrics({"f1": 0.9})
        run.log_bytes(name.encode(), "model/weights.bin")
        return run.end("finished")

    def ids(self) -> set[str]:
        """Return the ids of the runs on the branch."""
        return set(self.project.store.ids())

    def names(self) -> set[str]:
        """Return the names of the runs on the branch."""
        return {run.name for run in self.project.store.runs()}

    def tree(self) -> str:
        """Return the id of the tree of the branch."""
        return run_git("rev-parse", "gtrack/runs^{tree}", cwd=self.root)

    def git(self, *args: str) -> str:
        """Run git in the clone."""
        return run_git(*args, cwd=self.root)
