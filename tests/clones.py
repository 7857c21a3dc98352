"""What is cloned in tests: runs with small and large files, and what git fetched for it since."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.git.clone import clone, finish
from gtrack.git.repo import Repository
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun

LARGE = 30_000  # bytes; 10 kB is the limit
FIGURES = {f"figures/fold_{number}.png": bytes([number]) * LARGE for number in range(3)}
ML_MODEL = b"flavors:\n  python_function:\n    loader_module: x\n"


def three_runs(repo: Path) -> list[Run]:
    """Make three runs, the last with a long history, figures and a registered model. For ``once``."""
    (repo / "train.py").write_text("x = 1\n" * 3000)  # larger than what is left out, as code may be
    project = Project.open(repo)
    project.repo.run("add", "train.py")
    project.repo.run("commit", "--quiet", "--message", "Train")
    made = []
    for name in ("first", "second", "third"):
        run = ActiveRun.start(project, name=name, experiment="forest" if name != "first" else "trees")
        run.log_params({"name": name})
        run.log_metrics({"f1": 0.9})
        if name == "third":
            for step in range(120):
                run.log_metrics({"loss": 1 / (step + 3), "val/loss": 1 / (step + 7)}, step=step)
        for path, data in (FIGURES if name == "third" else {}).items():
            run.log_bytes(data, path)
        run.log_bytes(b"small", "notes.txt")
        run.log_bytes(ML_MODEL, "model/MLmodel")
        run.log_bytes(name.encode() * LARGE, "model/data/model.bin")
        made.append(run.end("finished"))
    project.registry.register("churn", made[-1].id, artifact="model")
    assert len(project.store.file(made[-1].id, "history.yaml") or b"") > 11_000
    project.close()
    return made


def partial_clone(repo: Path, place: Path) -> Repository:
    """Clone a repository without the files above 10 kB, as git and nothing of gtrack has made it."""
    made, partial = clone(str(repo), place, "10k", lambda *_: None)
    assert partial
    finish(made)
    return made


class Traced:
    """Counts what git fetches from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
        self._log = log
        monkeypatch.setenv("GIT_TRACE", str(log))

    def fetches(self) -> int:
        text = self._log.read_text() if self._log.exists() else ""
        return text.count("built-in: git fetch ")
