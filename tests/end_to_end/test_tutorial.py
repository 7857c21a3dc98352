"""The tutorial of the field, as its scripts lie in ``experiments/tutorial``: with ``python``, and under ``gtrack run``."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from gtrack.records import Run, Status
from tests.end_to_end.command import PROJECT, Workplace

pytestmark = pytest.mark.slow


@pytest.fixture
def tutorial(work: Workplace) -> Workplace:
    shutil.copytree(PROJECT / "experiments" / "tutorial", work.root / "experiments" / "tutorial")
    return work


def python(work: Workplace, script: str, *changes: tuple[str, str]) -> str:
    """Run a script of the tutorial, with some of its text changed to make it shorter, and return what it printed."""
    path = work.root / "experiments" / "tutorial" / script
    source = path.read_text()
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    path.write_text(source)
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=work.root,
        env={**work.env, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "gtrack:" not in done.stderr
    return done.stdout


def by_name(work: Workplace) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in work.runs():
        found.setdefault(run.name, []).append(run)
    return found


def test_the_grid_and_the_registry(tutorial: Workplace) -> None:
    shown = python(tutorial, "grid.py", ("[50, 100, 200], [None, 5, 10], [2, 5, 10]", "[10, 20], [None, 3], [2]"))
    runs = tutorial.runs()
    assert [run.name for run in runs] == ["RandomForest_Experiment"] * 4
    assert {run.status for run in runs} == {Status.FINISHED}
    assert sorted((run.params["n_estimators"], str(run.params["max_depth"])) for run in runs) == [
        (10, "3"),
        (10, "None"),
        (20, "3"),
        (20, "None"),
    ]
    best = max(run.metrics["f1"] for run in runs)
    assert f"{best:.6f}" in shown.splitlines()[1]
    first = runs[0]
    assert {"accuracy", "precision", "recall", "f1", "training_f1_score", "f1_score_X_test"} <= set(first.metrics)
    assert {one.name: one.rows for one in first.inputs} == {"train": 426, "train_target": 426, "X_test": 143}
    files = tutorial.artifacts(first)
    assert {"feature_importances.png", "training_confusion_matrix.png", "random_forest_model/MLmodel"} <= set(files)
    assert files["feature_importances.png"].startswith(b"\x89PNG")

    said = python(tutorial, "registry.py")
    assert f"in production: f1 {best:.4f}" in said
    with tutorial.project() as project:
        version = project.registry.version("RandomForestClassifier#production")
        assert f"version {version.version} in" in said
        assert version.run_id in {run.id for run in runs if run.metrics["f1"] == best}
        assert (
            len(project.registry.versions("RandomForestClassifier")) == 4
        )  # the best was registered when it was logged


def test_nested_runs(tutorial: Workplace) -> None:
    python(tutorial, "nested.py", ("n_estimators=50, random", "n_estimators=5, random"))
    found = by_name(tutorial)
    for name in ("cross_validation", "cross_validation_in_threads"):
        [parent] = found[name]
        children = [run for fold in range(5) for run in found[f"fold_{fold}"] if run.parent == parent.id]
        assert [run.params["fold"] for run in children] == [0, 1, 2, 3, 4]
        assert parent.metrics["f1"] == pytest.approx(sum(run.metrics["f1"] for run in children) / 5)
    shown = tutorial.gtrack("show", "cross_validation")
    assert "Nested runs (5)" in shown.stdout


def test_the_study_under_gtrack_run(tutorial: Workplace) -> None:
    path = tutorial.root / "experiments" / "tutorial" / "study.py"
    path.write_text(path.read_text().replace("10, 100)", "2, 5)"))
    done = tutorial.gtrack("run", str(path))
    assert done.returncode == 0, done.stderr
    [study] = [run for run in tutorial.runs() if run.parent is None]
    trials = [run for run in tutorial.runs() if run.parent == study.id]
    assert study.name == "study"
    assert len(trials) == 20
    assert {run.status for run in trials} == {Status.FINISHED}
    best = max(run.metrics["f1"] for run in trials)
    assert f"best of 20: f1 {best:.4f}" in done.stdout
    assert any(path.endswith(".png") for path in tutorial.artifacts(study))
