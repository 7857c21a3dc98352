from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.cli.conftest import RunCommand, make
from tests.cli.test_app import on_a_terminal


def named(out: str) -> list[str]:
    return [run["name"] for run in json.loads(out)]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--where", "metrics.f1 > 0.28"], ["second", "first"]),
        (["-w", "params.n_estimators >= 100 and status = 'finished'", "--sort", "n_estimators"], ["first", "second"]),
        (["--sort", "-metrics.f1"], ["second", "first", "third"]),
        (["--sort", "metrics.f1 DESC", "-n", "1"], ["second"]),
        (["--sort", "status", "--sort", "-params.n_estimators"], ["third", "second", "first"]),
        (["--where", "metrics.f1 > 0.2", "-s", "failed", "-e", "forest"], ["third"]),
    ],
)
@pytest.mark.usefixtures("runs")
def test_ls_filters_and_sorts(gtrack: RunCommand, options: list[str], names: list[str]) -> None:
    assert named(gtrack("ls", "--json", *options).out) == names
    assert [row.split()[0] for row in gtrack("ls", *options).out.splitlines()[1:]] == names


@pytest.mark.usefixtures("runs")
def test_ls_that_finds_nothing(gtrack: RunCommand) -> None:
    done = gtrack("ls", "--where", "metrics.f1 > 5")
    assert (done.code, done.out, done.err) == (0, "", "No run fulfils that filter.\n")


@pytest.mark.usefixtures("runs")
def test_ls_groups(gtrack: RunCommand) -> None:
    out = gtrack("ls", "--group-by", "status", "--sort", "-f1").out.splitlines()
    assert out[0].split() == ["status", "runs", "f1"]
    assert [line.split()[:2] for line in out[1:]] == [["finished", "2"], ["failed", "1"]]
    assert out[1].split()[2:] == ["0.35", "±", "0.071"]
    found = json.loads(gtrack("ls", "--group-by", "params.criterion,status", "--json").out)
    assert found[0]["by"] == {"params.criterion": "gini", "status": "failed"}
    assert found[1]["metrics"]["f1"]["count"] == 2
    rows = list(csv.DictReader(io.StringIO(gtrack("ls", "--group-by", "optimizer.lr", "--csv").out)))
    assert [(row["params.optimizer.lr"], row["runs"], row["metrics.f1.count"]) for row in rows] == [("0.1", "3", "3")]
    assert gtrack("ls", "--group-by", "status", "--markdown", "-n", "1").out.splitlines()[1] == "| --- | --: | --: |"
    assert "No run is in any group." in gtrack("ls", "--group-by", "status", "-w", "metrics.f1 > 5").err


@pytest.mark.usefixtures("runs")
def test_ls_markdown(gtrack: RunCommand) -> None:
    lines = gtrack("ls", "--markdown", "-c", "name,f1", "--sort", "f1").out.splitlines()
    assert lines == ["| name | f1 |", "| --- | --: |", "| third | 0.25 |", "| first | 0.3 |", "| second | 0.4 |"]


def test_best(gtrack: RunCommand, runs: list[Run], repo: Path) -> None:
    whatever = ("-w", "status in ('finished', 'failed')")
    assert named(gtrack("best", "f1", "--json").out) == ["second", "first"]  # the third one failed
    assert named(gtrack("best", "f1", *whatever, "--json").out) == ["second", "first", "third"]
    assert named(gtrack("best", "f1", *whatever, "--min", "-n", "1", "--json").out) == ["third"]
    assert named(gtrack("best", "f1", "-w", "params.n_estimators < 150", "--json").out) == ["first"]
    assert named(gtrack("best", "f1", "--max", "-e", "forest", "-n", "0", "--json").out) == ["second", "first"]
    out = gtrack("best", "f1", "-n", "2").out.splitlines()
    assert [line.split()[0] for line in out] == ["name", "second", "first"]
    assert gtrack("best", "f1", "-c", "name,f1", "--csv", "-n1").out == "name,metrics.f1\nsecond,0.4\n"
    assert gtrack("best", "f1", "-c", "name", "--markdown", "-n1").out == "| name |\n| --- |\n| second |\n"
    assert "the best 1 run; -n 0 shows all" in on_a_terminal("best", "f1", "-n", "1", cwd=repo, columns=80)


@pytest.mark.usefixtures("runs")
def test_best_shows_the_metric_that_decides_first(gtrack: RunCommand, repo: Path) -> None:
    project = Project.open(repo)
    active = ActiveRun.start(project, name="two", experiment="forest")
    active.log_metrics({"another": 5, "f1": 0.9})
    active.end()
    project.close()
    head = gtrack("best", "f1").out.splitlines()[0].split()
    assert head.index("f1") < head.index("another")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["best", "los"], 1, "No run has the metric 'los'."),
        (["best", "f1", "--min", "--max"], 2, "--min and --max exclude each other."),
        (["best", "f1", "--csv", "--markdown"], 2, "--csv and --markdown exclude each other."),
        (["experiments", "--json", "--csv"], 2, "--json and --csv exclude each other."),
        (["ls", "--where", "metrics.f1 >"], 2, "Expected a number"),
        (["ls", "--where", "metrics.f3 > 1"], 2, "No run has a metric 'f3'"),
        (["ls", "--sort", "nonsense"], 2, "nonsense"),
        (["ls", "--group-by", "nonsense"], 2, "cannot be grouped by 'nonsense'"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_what_is_wrong_is_one_message(gtrack: RunCommand, args: list[str], code: int, message: str) -> None:
    done = gtrack(*args)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert "Traceback" not in done.err


def test_experiments(gtrack: RunCommand, runs: list[Run], repo: Path) -> None:
    make(repo, "apart", 7, experiment="other")
    lines = gtrack("experiments").out.splitlines()
    assert [line.split()[0] for line in lines] == ["experiment", "other", "forest"]
    assert "2 finished, 1 failed" in lines[2]
    found = json.loads(gtrack("experiments", "--json").out)
    assert [(one["name"], one["runs"], one["best"]) for one in found] == [("other", 1, None), ("forest", 3, None)]
    assert found[1]["statuses"] == {"failed": 1, "finished": 2}
    assert [row["name"] for row in csv.DictReader(io.StringIO(gtrack("experiments", "--csv").out))] == [
        "other",
        "forest",
    ]
    assert gtrack("experiments", "--markdown", "-n1").out.count("\n") == 3
    assert "1 more experiment; -n 0 shows all" in gtrack("experiments", "-n", "1").err


def test_no_experiments(gtrack: RunCommand) -> None:
    done = gtrack("experiments")
    assert (done.code, done.out) == (0, "")
    assert "No experiments yet." in done.err
    assert json.loads(gtrack("experiments", "--json").out) == []
    assert gtrack("experiments", "--csv").out == ""


def test_index(gtrack: RunCommand, runs: list[Run], repo: Path) -> None:
    done = gtrack("index")
    path = repo / ".git" / "gtrack" / "index.db"
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("3 runs, ")
    assert str(path) in done.err.replace("\n", "")
    before = path.stat().st_ino
    found = json.loads(gtrack("index", "--rebuild", "--json").out)
    assert path.stat().st_ino != before
    assert found["path"] == str(path)
    assert found["runs"] == 3
    assert found["bytes"] == path.stat().st_size


def test_an_index_that_cannot_be_written_is_no_reason_to_fail(gtrack: RunCommand, runs: list[Run], repo: Path) -> None:
    directory = repo / ".git" / "gtrack"
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    directory.write_text("in the way")
    assert named(gtrack("ls", "--json").out) == ["third", "second", "first"]
    assert "in memory, since it cannot be written" in gtrack("index").err
    assert json.loads(gtrack("index", "--json").out)["path"] is None


@pytest.mark.usefixtures("runs")
def test_a_terminal_that_waits_for_less_than_a_second_sees_no_bar(repo: Path) -> None:
    assert "Reading runs" not in on_a_terminal("index", "--rebuild", cwd=repo, columns=80)
