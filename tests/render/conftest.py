"""Runs made by hand, consoles of a known width, and golden files."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from rich.console import Console

from gtrack.ops.code import CodeChange, FileChange
from gtrack.ops.report import RunReport
from gtrack.records import (
    Artifact,
    CodeState,
    Goal,
    History,
    Input,
    LeftOut,
    MetricDefinition,
    Run,
    Status,
    Value,
)

GOLDEN = Path(__file__).parent.parent / "golden"
UPDATE = "UPDATE_GOLDEN" in os.environ  # rewrite the files, then look at what git says has changed

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=timezone.utc)
ANA = "Ana <ana@example.org>"

CheckGolden = Callable[[str, str], None]
Draw = Callable[[Callable[[Console], object], "int | None"], str]

WIDTHS: tuple[int | None, ...] = (80, 100, 160, None)
"""Terminals of these widths, and a pipe."""


def golden_name(what: str, width: int | None) -> str:
    return f"{what}.{width or 'pipe'}.txt"


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def golden() -> CheckGolden:
    """Return a check that a text is what the golden file of that name holds."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if UPDATE:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return check


@pytest.fixture
def draw() -> Draw:
    """Return a function that gives what is written to a terminal of some width without colours, or to a pipe (None)."""

    def run(write: Callable[[Console], object], width: int | None) -> str:
        file = io.StringIO()
        if width is None:
            console = Console(file=file)
        else:
            console = Console(file=file, force_terminal=True, width=width, color_system=None, legacy_windows=False)
        write(console)
        return file.getvalue()

    return run


def forest(number: int, minutes_ago: float, seconds: float | None, **fields: object) -> Run:
    started = NOW - timedelta(minutes=minutes_ago)
    known: dict[str, object] = {
        "id": f"{number:x}".rjust(2, "0") * 16,
        "name": f"calm-otter-{number}",
        "experiment": "RandomForest_Classification",
        "status": Status.FINISHED,
        "started": started,
        "ended": None if seconds is None else started + timedelta(seconds=seconds),
        "user": ANA,
        "host": "box",
        "command": ("python", "experiments/random_forest/train.py"),
        "exit_code": 0,
        "code": CodeState(commit="a" * 40, head="a" * 40, branch="main"),
        "params": {"n_estimators": 100, "max_depth": None, "criterion": "gini", "seed": 0},
        "metrics": {"accuracy": 0.9512345678, "f1": 0.94, "loss": 0.21},
    }
    return Run(**{**known, **fields})  # type: ignore[arg-type]


@pytest.fixture
def forests() -> list[Run]:
    """Return the runs of one experiment, one of every status, newest first."""
    changed = {"n_estimators": 200, "max_depth": None, "criterion": "gini", "seed": 0}
    return [
        forest(9, 0.5, None, status=Status.RUNNING, live=True, exit_code=None, metrics={"loss": 0.4}),
        forest(8, 12, 2.4, params=changed, metrics={"accuracy": 0.9623, "f1": 0.951, "loss": 0.18}),
        forest(7, 90, 61, status=Status.FAILED, exit_code=1, metrics={}),
        forest(6, 60 * 30, 4000, status=Status.KILLED, exit_code=None, metrics={"loss": float("nan")}),
        forest(5, 60 * 24 * 9, 1.881, problems=("metrics.yaml is not valid YAML: …",)),
        forest(4, 60 * 24 * 400, 0.0123),
    ]


@pytest.fixture
def nasty() -> list[Run]:
    """Return runs with 40 parameters, no metrics, long names, emoji, wide letters and what should not reach a terminal."""
    many = {f"layer{i}": {"width": i * 8, "activation": "relu"} for i in range(20)}
    return [
        forest(1, 1, 1, name="x" * 250, experiment="日本語の実験 🧪", params=many, metrics={}, tags={"team": "vision"}),
        forest(2, 2, 1, name="🚀 to the moon 🚀", experiment="e" * 240, params={"text": "a, b\n\x1b[31mred", "n": "1"}),
        forest(3, 3, 1, name="\x1b]0;owned\x07\u202egnp", experiment="[bold]no markup[/bold]", params={}, metrics={}),
        forest(
            4,
            4,
            None,
            started=None,
            name="bare",
            experiment="default",
            params={"list": list(range(60)), "empty": "", "yes": "true", "flag": True, "nothing": None},
            metrics={
                "a/very/deeply/nested/metric/name": 1e-9,
                "huge": 10**200,
                "nan": float("nan"),
                "inf": -float("inf"),
            },
        ),
    ]


@pytest.fixture
def whole(forests: list[Run]) -> Run:
    """Return a run that has everything a run can have."""
    columns = {"pixel_0": "float64", "target": "int64"}
    return Run(
        **{
            **vars(forests[2]),
            "parent": "05" * 16,
            "code": CodeState(
                "c" * 40, "a" * 40, "main", dirty=True, left_out=(LeftOut("data/big.bin", 12_345_678, "d" * 64),)
            ),
            "tags": {"team": "vision", "stage": "trial run"},
            "notes": "First try with balanced classes.\nSee the figure.",
            "metrics": {"loss": 0.21, "val/accuracy": 0.93, "epochs": 12},
            "metric_definitions": {"val/accuracy": MetricDefinition(goal=Goal.MAXIMIZE)},
            "inputs": (
                Input("train", f"sha256:{'1' * 64}", "dataframe", "sklearn:digits", 920_064, 1797, 64, columns),
                Input("labels", f"sha256:{'2' * 64}", "file", "data/labels.csv", 4_211),
            ),
            "warnings": ("lr was given as 0.1 but line 12 set it to 0.5: the run ran with 0.5",),
        }
    )


@pytest.fixture
def report(forests: list[Run], whole: Run) -> RunReport:
    """Return everything about a run that failed."""
    steps = 12
    history = History(
        steps=range(steps),
        times=[1_795_376_401.0 + step for step in range(steps)],
        columns={
            "loss": [1 / (step + 1) for step in range(steps)],
            "val/accuracy": [None, 0.5, None, 0.6, None, 0.7, None, math.nan, 0.8, 0.85, 0.9, 0.93],
        },
    )
    artifacts = [Artifact(f"figures/fold_{fold}/roc.png", 12_345 * fold + 1) for fold in range(4)]
    trace = [
        "Traceback (most recent call last):",
        "\tmodel.fit(X, y)",
        "\x1b[31mValueError\x1b[0m: Input X contains NaN.",
    ]
    return RunReport(
        run=whole,
        parent=forests[4],
        children=(forests[1], forests[2]),
        history=history,
        artifacts=(*artifacts, Artifact("model.joblib", 45_000_000, lfs=True)),
        environment=environment(),
        tail=tuple(trace),
    )


def environment(**packages: str) -> dict[str, Value]:
    return {
        "python": {"version": "3.11.4", "implementation": "CPython"},
        "platform": {"system": "Linux", "release": "6.1.0", "machine": "x86_64"},
        "cpu": {"model": "EPYC 7763", "logical": 4, "usable": 2},
        "memory_bytes": 8_123_456_789,
        "gpu": [{"name": "NVIDIA A100", "memory_bytes": 42_949_672_960}],
        "packages": {"numpy": "1.26.4", "scikit-learn": "1.4.2", **packages},
        "variables": {"OMP_NUM_THREADS": "2"},
    }


@pytest.fixture
def code() -> CodeChange:
    """Return how the code of two runs differs: a change, a binary file and a renamed one."""
    files = (
        FileChange("experiments/random_forest/train.py", 4, 1),
        FileChange("data/x.bin", None, None),
        FileChange("new.py", 10, 0, "old.py"),
    )
    return CodeChange("a" * 40, "b" * 40, files)
