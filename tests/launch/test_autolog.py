"""``gtrack run --autolog``: a script without a line of gtrack."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gtrack.errors import UsageError
from gtrack.launch.launch import LaunchRequest, LaunchResult, launch
from gtrack.launch.process import Console
from gtrack.launch.target import Target
from gtrack.project import Project
from gtrack.records import Status

SCRIPT = """\
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.tree import DecisionTreeClassifier

MAX_DEPTH = 2
X, y = load_iris(return_X_y=True)
model = DecisionTreeClassifier(max_depth=MAX_DEPTH).fit(X, y)
print(f"accuracy: {accuracy_score(y, model.predict(X)):.3f}")
"""


def run_it(repo: Path, source: str, *, autolog: bool = True) -> LaunchResult:
    (repo / "train.py").write_text(source)
    project = Project.open(repo)
    try:
        request = LaunchRequest(target=Target(script="train.py"), cwd=repo, autolog=autolog)
        return launch(project, request, Console(None, None))
    finally:
        project.close()


@pytest.mark.slow
def test_what_it_fits_and_measures_is_recorded_beside_what_it_prints(repo: Path) -> None:
    result = run_it(repo, SCRIPT)
    run = result.run
    assert (run.status, result.notices) == (Status.FINISHED, ())
    assert run.params["MAX_DEPTH"] == run.params["max_depth"] == 2
    assert run.metrics["accuracy_score_X"] == pytest.approx(run.metrics["accuracy"], abs=1e-3)
    assert run.metrics["training_score"] == run.metrics["accuracy_score_X"]
    project = Project.open(repo)
    paths = {one.path for one in project.artifacts(run.id)}
    project.close()
    assert {"model/MLmodel", "training_confusion_matrix.png", "metric_info.json"} < paths
    assert len(project.store.ids()) == 1


@pytest.mark.slow
def test_a_run_for_every_fit_is_a_child_of_the_launched_one(repo: Path) -> None:
    result = run_it(repo, f"import gtrack.sklearn\ngtrack.sklearn.autolog(exclusive=True)\n{SCRIPT}")
    project = Project.open(repo)
    (child,) = [run for run in project.store.runs() if run.id != result.run.id]
    project.close()
    assert child.parent == result.run.id
    assert {"training_score", "accuracy_score_X"} < set(child.metrics)
    assert (result.run.status, child.status) == (Status.FINISHED, Status.FINISHED)
    assert "training_score" not in result.run.metrics


@pytest.mark.slow
def test_without_it_nothing_is(repo: Path) -> None:
    run = run_it(repo, SCRIPT, autolog=False).run
    assert list(run.metrics) == ["accuracy"]


def test_a_script_without_a_library_that_it_knows_imports_nothing_for_it(repo: Path) -> None:
    run = run_it(
        repo, "import sys\nfound = {'wrapt', 'sklearn', 'gtrack.sklearn'} & set(sys.modules)\nprint('n:', len(found))\n"
    ).run
    assert run.metrics == {"n": 0}


@pytest.mark.slow
def test_a_script_in_whose_directory_something_has_the_name_of_a_library(repo: Path) -> None:
    (repo / "wrapt.py").write_text("raise RuntimeError('not this one')\n")
    result = run_it(repo, SCRIPT)
    assert (result.exit_code, result.notices) == (0, ())
    assert "training_score" in result.run.metrics


def test_a_command_has_none(repo: Path) -> None:
    project = Project.open(repo)
    request = LaunchRequest(target=Target(command=[sys.executable, "-c", ""]), cwd=repo, autolog=True)
    with pytest.raises(UsageError, match="--autolog needs a Python script"):
        launch(project, request, Console(None, None))
    project.close()
