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
from tests.conftest import Git
from tests.ops.test_report import rewrite


def test_ls_newest_first_with_the_params_that_differ(gtrack: RunCommand, runs: list[Run]) -> None:
    done = gtrack("ls")
    head, *rows = done.out.splitlines()
    assert head.split() == ["name", "id", "experiment", "status", "started", "duration", "n_estimators", "f1"]
    assert [row.split()[0] for row in rows] == ["third", "second", "first"]
    assert rows[0].split()[1] == runs[2].id
    assert [row.split()[-2:] for row in rows] == [["50", "0.25"], ["200", "0.4"], ["100", "0.3"]]
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["-n", "2"], ["third", "second"]),
        (["-n", "0"], ["third", "second", "first"]),
        (["--status", "failed"], ["third"]),
        (["-s", "finished", "-n", "1"], ["second"]),
        (["--experiment", "forest"], ["third", "second", "first"]),
    ],
)
@pytest.mark.usefixtures("runs")
def test_ls_chooses(gtrack: RunCommand, options: list[str], names: list[str]) -> None:
    assert [run["name"] for run in json.loads(gtrack("ls", "--json", *options).out)] == names
    assert [row.split()[0] for row in gtrack("ls", *options).out.splitlines()[1:]] == names


@pytest.mark.usefixtures("runs")
def test_ls_columns_and_csv(gtrack: RunCommand) -> None:
    assert gtrack("ls", "-c", "lr,name", "-n1").out == "optimizer.lr  name\n         0.1  third\n"
    rows = list(csv.DictReader(io.StringIO(gtrack("ls", "--csv").out)))
    assert [row["params.n_estimators"] for row in rows] == ["50", "200", "100"]
    assert [row["metrics.f1"] for row in rows] == ["0.25", "0.4", "0.30000000000000004"]
    assert gtrack("ls", "--csv", "-c", "name,f1", "-n1").out == "name,metrics.f1\nthird,0.25\n"


def test_ls_without_runs_says_what_to_do_and_writes_nothing(gtrack: RunCommand) -> None:
    done = gtrack("ls")
    assert (done.code, done.out) == (0, "")
    assert done.err == "No runs yet. 'gtrack run SCRIPT.py' makes one.\n"
    assert json.loads(gtrack("ls", "--json").out) == []


@pytest.mark.usefixtures("runs")
def test_ls_that_finds_nothing_says_why(gtrack: RunCommand) -> None:
    assert "no run of the experiment 'nope'. Experiments: forest." in gtrack("ls", "-e", "nope").err
    assert gtrack("ls", "-s", "killed").err == "No run is killed.\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["ls", "--json", "--csv"], "--json and --csv exclude each other."),
        (["ls", "-c", "bogus"], "None of these runs has a column 'bogus'."),
        (["ls", "-n", "-1"], "greater than or equal to 0"),
        (["ls", "-s", "fine"], "'fine' is not one of"),
        (["diff", "first"], "diff compares two runs or more"),
        (["diff", "first", "last~2"], "'first' and 'last~2' are the same run, first ("),
        (["diff", "first", "last", "--json", "--code"], "--code writes a patch"),
        (["diff", "first", "last", "--json", "--csv"], "--json and --csv exclude each other."),
        (["get", "first", "-o", "-"], "Only one artifact can be written to stdout, and there are 2"),
        (["tag", "first", "novalue"], "'novalue' is no tag; write KEY=VALUE"),
        (["show", "-x"], "No such option"),
        (["nonsense"], "No such command 'nonsense'"),
        (["show", "-1"], "No such option"),
        (["log"], "Missing argument"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_wrong_usage_is_exit_2(gtrack: RunCommand, args: list[str], message: str) -> None:
    done = gtrack(*args)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["show", "thrid"], "No run 'thrid' in this repository. Did you mean 'third'?"),
        (["show", "last~7"], "No run 'last~7'"),
        (["show", "best:auc"], "No run has the metric 'auc'"),
        (["get", "first", "model.bim"], "has no artifact 'model.bim'. Did you mean 'model.bin'?"),
        (["log", "0000"], "No run '0000'"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_what_is_not_there_is_exit_1_with_one_message(gtrack: RunCommand, args: list[str], message: str) -> None:
    done = gtrack(*args)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: ")
    assert message in done.err
    assert "Traceback" not in done.err


def test_show(gtrack: RunCommand, runs: list[Run]) -> None:
    out = gtrack("show", "third").out
    assert out.startswith("third  failed  forest\n")
    for text in (runs[2].id, "n_estimators  50", "f1   0.25", "▁", "notes/trees.txt", "fitting 50", "a snapshot of"):
        assert text in out
    assert "\x1b" not in out
    assert gtrack("show").out.startswith("third")


def test_show_json(gtrack: RunCommand, runs: list[Run]) -> None:
    found = json.loads(gtrack("show", runs[0].short_id, "--json").out)
    assert found["id"] == runs[0].id
    assert found["params"]["optimizer"] == {"lr": 0.1}
    assert found["history"]["metrics"]["f1"] == [0.1, 0.2, 0.1 + 0.2]
    assert found["artifacts"][0] == {"path": "model.bin", "size": 2, "lfs": False, "here": True}
    assert found["code"]["commit"] == found["code"]["head"]


def test_a_name_that_two_runs_have_is_said_aloud(gtrack: RunCommand, runs: list[Run], repo: Path) -> None:
    again = make(repo, "first", 1)
    done = gtrack("show", "first", "--json")
    assert json.loads(done.out)["id"] == again.id != runs[0].id
    assert done.err == f"2 runs are called first; this is the newest, {again.short_id}.\n"


def test_diff(gtrack: RunCommand, runs: list[Run]) -> None:
    out = gtrack("diff", "first", "third").out
    assert "Parameters      first  third\n  n_estimators  100    50\n" in out
    assert "  f1       0.3   0.25   -0.05    -16.7%  ▼\n" in out
    assert "  train.py  +1  -0\n" in out
    assert "criterion" not in out
    assert "criterion" in gtrack("diff", "first", "third", "--all").out
    found = json.loads(gtrack("diff", "first", "second", "third", "--json").out)
    assert [run["id"] for run in found["runs"]] == [run.id for run in runs]
    assert found["params"]["n_estimators"] == {run.id: n for run, n in zip(runs, (100, 200, 50), strict=True)}
    assert found["code"][runs[1].id]["files"] == []
    assert found["code"][runs[2].id]["files"] == [{"path": "train.py", "added": 1, "removed": 0, "old_path": None}]


@pytest.mark.usefixtures("runs")
def test_diff_code_is_a_patch(gtrack: RunCommand) -> None:
    done = gtrack("diff", "first", "third", "--code")
    assert done.out.startswith("diff --git a/train.py b/train.py\n")
    assert done.out.endswith("+x = 1\n")
    assert done.err == ""
    same = gtrack("diff", "first", "second", "--code")
    assert (same.out, same.err) == ("", "first and second ran the same code.\n")


@pytest.mark.usefixtures("runs")
def test_diff_markdown(gtrack: RunCommand) -> None:
    out = gtrack("diff", "first", "second", "--markdown").out
    assert out.startswith("## first / second\n")
    assert "| n\\_estimators | 100 | 200 |" in out


@pytest.mark.usefixtures("runs")
def test_log_is_byte_for_byte_in_a_pipe(gtrack: RunCommand) -> None:
    whole = "fitting 50\n10%\r100%\n\x1b[32mdone\x1b[0m\x1b]0;owned\x07\n"
    assert gtrack("log", "third").out.replace("\r\n", "\n") == whole
    assert gtrack("log", "third", "-n", "2").out == "100%\n\x1b[32mdone\x1b[0m\x1b]0;owned\x07\n"


def test_log_of_a_run_without_output(gtrack: RunCommand, repo: Path) -> None:
    project = Project.open(repo)
    ActiveRun.start(project, name="silent").end()
    project.repo.objects.close()
    done = gtrack("log", "silent")
    assert (done.code, done.out) == (0, "")
    assert "Nothing is kept of the output of silent" in done.err


@pytest.mark.usefixtures("runs")
def test_get(gtrack: RunCommand, tmp_path: Path) -> None:
    done = gtrack("get", "first", "notes", "-o", str(tmp_path / "out"))
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "out" / "notes" / "trees.txt").read_text() == "100 trees\n"
    assert not (tmp_path / "out" / "model.bin").exists()
    assert "already there" in gtrack("get", "first", "notes", "-o", str(tmp_path / "out")).err
    clash = gtrack("get", "second", "-o", str(tmp_path / "out"))
    assert clash.code == 1
    assert "is there already and differs" in clash.err
    assert gtrack("get", "second", "-f", "-o", str(tmp_path / "out")).code == 0
    assert (tmp_path / "out" / "notes" / "trees.txt").read_text() == "200 trees\n"


@pytest.mark.usefixtures("runs")
def test_get_to_stdout_and_into_the_current_directory(gtrack: RunCommand, repo: Path) -> None:
    assert gtrack("get", "first", "notes/trees.txt", "-o", "-").out == "100 trees\n"
    assert gtrack("get", "first", "model.bin").code == 0
    assert (repo / "model.bin").read_bytes() == b"\x00\x01"


@pytest.mark.usefixtures("runs")
def test_status(gtrack: RunCommand, repo: Path) -> None:
    out = gtrack("status").out
    assert f"repository  {repo}\n" in out
    assert "3 on gtrack/runs: 2 finished, 1 failed" in out
    assert "  ?  train.py\n" in out
    found = json.loads(gtrack("status", "--json").out)
    assert found["runs"] == {"finished": 2, "failed": 1}
    assert found["worktree"]["untracked"] == ["train.py"]


def test_a_live_run_is_seen_everywhere(gtrack: RunCommand, repo: Path) -> None:
    project = Project.open(repo)
    live = ActiveRun.start(project, name="live", experiment="forest")
    live.log_metrics({"f1": 0.5}, step=0)
    live.log_bytes(b"x", "a.txt")
    assert gtrack("ls").out.splitlines()[1].split()[3] == "running"
    assert gtrack("show", "live").out.startswith("live  running  forest\n")
    assert "Live runs\n  live" in gtrack("status").out
    assert gtrack("get", "live", "a.txt", "-o", "-").out == "x"
    live.end()
    project.repo.objects.close()


def test_a_damaged_environment_is_said_and_the_rest_compared(
    gtrack: RunCommand, runs: list[Run], repo: Path, git: Git
) -> None:
    rewrite(git, repo, runs[0], "environment.yaml", "{ torn")
    done = gtrack("diff", "first", "third")
    assert done.code == 0
    assert "n_estimators  100    50\n" in done.out
    assert "first: environment.yaml is not valid YAML" in done.err
    assert "  damage    environment.yaml is not valid YAML" in gtrack("show", "first").out


def test_damaged_params_are_said_and_the_run_is_listed(
    gtrack: RunCommand, runs: list[Run], repo: Path, git: Git
) -> None:
    rewrite(git, repo, runs[2], "params.yaml", "n_estimators: 50\noptimizer: {\n")
    listed = gtrack("ls", "-n1")
    assert listed.out.splitlines()[1].split()[3] == "failed!"
    assert listed.err == "1 damaged (!): 'gtrack show RUN' says how\n"
    assert "damage    params.yaml" in gtrack("show", "third").out
    assert json.loads(gtrack("ls", "-n1", "--json").out)[0]["problems"]
