from __future__ import annotations

import csv
import io
import json
import math

import pytest

from gtrack.git.worktree import WorktreeState
from gtrack.ops.code import CodeChange
from gtrack.ops.compare import compare
from gtrack.ops.listing import list_runs
from gtrack.ops.report import RunReport
from gtrack.ops.status import StatusReport
from gtrack.records import Run
from gtrack.render.data import comparison_csv, comparison_data, report_data, run_data, status_data, to_csv, to_json
from tests.render.conftest import CheckGolden, environment, forest


def test_runs(forests: list[Run], golden: CheckGolden) -> None:
    golden("ls.json", to_json([run_data(run) for run in forests[:4]]))


def test_a_run_with_everything(report: RunReport, golden: CheckGolden) -> None:
    golden("show.json", to_json(report_data(report)))


def test_a_comparison(forests: list[Run], whole: Run, code: CodeChange, golden: CheckGolden) -> None:
    found = compare([forests[5], forests[1], whole], [environment(), environment(numpy="2.0.1"), {}])
    golden("diff.json", to_json(comparison_data(found, [code, CodeChange(None, None)], everything=False)))


def test_a_comparison_as_csv(forests: list[Run], whole: Run, golden: CheckGolden) -> None:
    found = compare([forests[5], forests[1], whole], [environment(), environment(numpy="2.0.1"), {}])
    text = comparison_csv(found, everything=False)
    golden("diff.csv", text)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {len(row) for row in rows} == {5}
    assert {row["section"] for row in rows} >= {"params", "metrics", "packages"}
    assert len(comparison_csv(found, everything=True)) > len(text)


def test_status(forests: list[Run], golden: CheckGolden) -> None:
    worktree = WorktreeState("a" * 40, "main", ("train.py",), ("new.py",), ())
    counts = {"finished": 3, "failed": 1}
    found = StatusReport("/home/ana/p", "gtrack/runs", True, "default", True, counts, (forests[0],), worktree)
    golden("status.json", to_json(status_data(found)))


def test_csv(forests: list[Run], golden: CheckGolden) -> None:
    golden("ls.csv", to_csv(list_runs(forests)))


def test_csv_with_chosen_columns(nasty: list[Run]) -> None:
    text = to_csv(list_runs(nasty, columns="name,params.list,params.flag,nothing,metrics.nan,metrics.huge,tags.team"))
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == [
        "name",
        "params.list",
        "params.flag",
        "params.nothing",
        "metrics.nan",
        "metrics.huge",
        "tags.team",
    ]
    assert rows[4] == ["bare", json.dumps(list(range(60))), "true", "", "nan", str(10**200), ""]
    assert rows[1][-1] == "vision"


@pytest.mark.parametrize(("number", "text"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")])
def test_json_is_strict(number: float, text: str) -> None:
    run = forest(1, 1, 1, metrics={"loss": number}, params={"nested": {"list": [number]}})
    read = json.loads(to_json(run_data(run)), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert read["metrics"] == {"loss": text}
    assert read["params"] == {"nested": {"list": [text]}}


def test_json_keeps_every_digit() -> None:
    run = forest(1, 1, 1, metrics={"a": 0.1 + 0.2, "b": 10**200})
    assert json.loads(to_json(run_data(run)))["metrics"] == {"a": 0.1 + 0.2, "b": 10**200}
