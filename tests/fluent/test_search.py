"""search_runs and its like, as scripts that were written for MLflow call them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gtrack
from gtrack.errors import InvalidValue, QueryError, RunNotFound, UsageError
from gtrack.records import Run
from tests.conftest import Git
from tests.ops.test_report import rewrite

pytestmark = pytest.mark.filterwarnings("ignore:gtrack. metric:UserWarning")  # nan and inf are logged on purpose

FIRST = ["run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time", "run_name"]


@pytest.fixture
def three(quiet: Path) -> list[str]:
    ids = []
    for number, experiment in enumerate(["a", "a", "b"]):
        with gtrack.start_run(f"run-{number}", experiment=experiment, tags={"team": "red"} if number else None) as run:
            gtrack.log_params(
                {
                    "n": number,
                    "lr": number / 2,
                    "on": number > 0,
                    "opt": {"name": "adam"},
                    "mix": [number, "1"][number % 2],
                }
            )
            gtrack.log_params({"list": [1, 2]} if number else {})
            for step in range(3):
                gtrack.log_metrics({"loss": step + number / 10, "count": step}, step=step)
            if number == 1:
                gtrack.log_metric("only", math.nan, step=0)
        ids.append(run.id)
    return ids


def test_the_columns_of_mlflow(three: list[str]) -> None:
    frame = gtrack.search_runs()
    assert list(frame.columns[:7]) == FIRST
    rest = list(frame.columns[7:])
    assert rest == [
        *("metrics.count", "metrics.loss", "metrics.only"),
        *("params.list", "params.lr", "params.mix", "params.n", "params.on", "params.opt.name", "tags.team"),
    ]
    assert list(frame.run_id) == three[::-1]
    assert list(frame.experiment_id) == ["b", "a", "a"]
    assert set(frame.status) == {"FINISHED"}
    assert frame.artifact_uri[0] == f"runs:/{three[2]}"
    assert str(frame.start_time.dtype) == str(frame.end_time.dtype) == "datetime64[ns, UTC]"
    assert (frame.start_time <= frame.end_time).all()


def test_types_and_what_is_missing(three: list[str]) -> None:
    frame = gtrack.search_runs()
    kinds = {name: frame[f"params.{name}"].dtype.kind for name in ("n", "lr", "on", "mix", "list")}
    assert kinds == {"n": "i", "lr": "f", "on": "b", "mix": "O", "list": "O"}
    assert list(frame["params.mix"]) == [2, "1", 0]
    assert list(frame["params.list"]) == [[1, 2], [1, 2], None]
    assert frame["tags.team"][2] is None
    assert np.isnan(frame["metrics.only"]).all()
    assert frame["metrics.loss"].dtype == "float64"


def test_filter_order_and_limit(three: list[str]) -> None:
    def names(**arguments: object) -> list[str]:
        return list(gtrack.search_runs(**arguments).run_name)  # type: ignore[call-overload]

    assert names(filter_string="metrics.loss > 2.05", order_by=["metrics.loss ASC"]) == ["run-1", "run-2"]
    assert names(order_by="params.n", max_results=2) == ["run-0", "run-1"]
    assert names(experiment_names=["a"]) == ["run-1", "run-0"]
    assert names(experiment_ids=["b"]) == names(experiment_names="b") == ["run-2"]
    assert names(experiment_names=["a"], experiment_ids=["b"]) == ["run-2", "run-1", "run-0"]
    assert names(experiment_names=[]) == []
    assert names(filter_string="attributes.status = 'FINISHED' and params.n = '1'") == ["run-1"]
    found = gtrack.search_runs(output_format="list", filter_string="params.on = true")
    assert [run.name for run in found] == ["run-2", "run-1"]
    assert isinstance(found[0], Run)


def test_nothing_found_is_a_frame_with_columns(quiet: Path) -> None:
    frame = gtrack.search_runs()
    assert list(frame.columns) == FIRST
    assert len(frame) == 0
    assert str(frame.start_time.dtype) == "datetime64[ns, UTC]"


def test_an_experiment_that_no_run_has_is_warned_of(three: list[str]) -> None:
    with pytest.warns(UserWarning, match="No run is of the experiment 'c'"):
        assert len(gtrack.search_runs(["c"])) == 0


def test_what_is_wrong(three: list[str]) -> None:
    with pytest.raises(QueryError, match="Did you mean"):
        gtrack.search_runs(filter_string="metrics.los > 1")
    with pytest.raises(InvalidValue, match="'pandas' or 'list'"):
        gtrack.search_runs(output_format="polars")  # type: ignore[call-overload]


def test_a_live_run_and_a_run_without_an_end(quiet: Path) -> None:
    with gtrack.start_run("now"):
        gtrack.log_metric("loss", 1, step=0)
        frame = gtrack.search_runs()
        assert list(frame.status) == ["RUNNING"]
        assert frame.end_time.isna().all()
        assert list(gtrack.get_metric_history("now", "loss").value) == [1.0]


def test_a_damaged_run_is_in_the_frame(three: list[str], quiet: Path, git: Git) -> None:
    run = gtrack.get_run(three[0])
    rewrite(git, quiet, run, "params.yaml", "n: {\n")
    assert set(gtrack.search_runs().run_id) == set(three)


def test_the_best_run(three: list[str]) -> None:
    assert gtrack.best("loss").id == three[0]
    assert gtrack.best("loss", experiment="b").id == three[2]
    with pytest.raises(RunNotFound, match="Did you mean 'loss'"):
        gtrack.best("los")


def test_histories(three: list[str]) -> None:
    frame = gtrack.histories(["run-0", gtrack.get_run("run-2")], "loss")
    assert list(frame.columns) == ["run_id", "name", "metric", "step", "time", "value"]
    assert list(frame.run_id) == [three[0]] * 3 + [three[2]] * 3
    assert list(frame.value) == [0, 1, 2, 0.2, 1.2, 2.2]
    assert list(frame.step) == [0, 1, 2] * 2
    assert frame.step.dtype == "int64"
    assert str(frame.time.dtype) == "datetime64[ns, UTC]"
    assert abs((frame.time.iloc[0] - pd.Timestamp.now("UTC")).total_seconds()) < 600
    everything = gtrack.histories(gtrack.search_runs(order_by="params.n"))
    assert list(dict.fromkeys(everything.metric)) == ["loss", "count", "only"]
    assert list(dict.fromkeys(everything.run_id)) == three
    assert list(gtrack.histories("run-1", ["count", "loss"]).metric.unique()) == ["count", "loss"]


def test_one_metric_of_one_run(three: list[str]) -> None:
    frame = gtrack.get_metric_history("run-1", "only")
    assert len(frame) == 1
    assert math.isnan(frame.value[0])
    assert list(gtrack.get_metric_history(gtrack.get_run("run-1"), "loss").value) == [0.1, 1.1, 2.1]


def test_histories_of_nothing(three: list[str]) -> None:
    with gtrack.start_run("empty"):
        gtrack.log_metric("summary", 5)
    assert len(gtrack.histories("empty")) == 0
    assert len(gtrack.histories("empty", "summary")) == 0
    assert list(gtrack.histories([]).columns) == ["run_id", "name", "metric", "step", "time", "value"]
    with pytest.raises(UsageError, match="Did you mean 'loss'"):
        gtrack.histories("run-0", "los")
    with pytest.raises(RunNotFound):
        gtrack.histories("nope")
    with pytest.raises(InvalidValue, match="not int"):
        gtrack.histories(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="run_id"):
        gtrack.histories(pd.DataFrame({"a": [1]}))


def test_histories_of_odd_numbers(three: list[str], quiet: Path, git: Git) -> None:
    run = gtrack.get_run("run-0")
    huge = "1" + "0" * 400
    rows = f'- {{"step": 0.5, "loss": {huge}}}\n- {{"step": {huge}, "time": 1e300, "loss": NaN}}\n- {{"loss": -{huge}}}\nno row\n'
    rewrite(git, quiet, run, "history.yaml", rows)
    frame = gtrack.get_metric_history(run, "loss")
    assert list(frame.step) == [0.5, math.inf, 2.0]
    assert frame.time.isna().all()
    assert list(frame.value[[0, 2]]) == [math.inf, -math.inf]


def test_a_run_shows_itself_in_a_notebook() -> None:
    run = Run(
        "a" * 32,
        "<b>",
        "e&f",
        gtrack.Status.FINISHED,
        params={"p": {"lr": 0.1}},
        metrics={"f1": 0.123456789},
        tags={"t": "'\""},
    )
    html = run._repr_html_()
    assert "<b>&lt;b&gt;</b> <code>aaaaaaaa</code> of e&amp;f: finished</div>" in html
    assert "p.lr</td><td>0.1</td>" in html
    assert "f1</td><td>0.123457</td>" in html
    assert "&#x27;&quot;" in html
    assert "Tags" in html
    assert html.count("<table>") == html.count("</table>") == 4
