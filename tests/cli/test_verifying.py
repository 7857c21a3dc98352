"""``gtrack verify``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gtrack.formats.names import run_path
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.cli.conftest import RunCommand
from tests.conftest import Git


@pytest.fixture
def project(repo: Path) -> Project:
    """Return a project with one version, which is in production."""
    opened = Project.open(repo)
    run = ActiveRun.start(opened)
    run.log_bytes(b"flavors: {}\n", "model/MLmodel")
    opened.registry.register("churn", run.end().id)
    opened.registry.assign("churn", 1, "production")
    opened.close()
    return opened


@pytest.mark.usefixtures("project")
def test_it_says_in_one_line_that_all_is_well(gtrack: RunCommand) -> None:
    done = gtrack("verify", "--registry")
    assert (done.code, done.err) == (0, "")
    assert done.out == "2 tags of 1 model: all is as it should be\n"
    assert gtrack("verify").out.splitlines() == [
        "1 run, 1 commit of gtrack/runs: all is as it should be",
        "2 tags of 1 model, compared with the 2 known before: all is as it should be",
    ]


@pytest.mark.usefixtures("project")
def test_errors_come_first_with_what_to_do_and_exit_code_1(gtrack: RunCommand, git: Git) -> None:
    gtrack("verify")
    git("tag", "-d", "churn#production#1")
    git("tag", "-a", "-m", "x", "package@1.0.0", "main")
    done = gtrack("verify", "--registry")
    assert done.code == 1
    assert done.err == "Error: The registry has 1 error.\n"
    lines = done.out.splitlines()
    assert lines[0] == "Errors (1)"
    assert lines[1].startswith("  churn#production#1: it was removed since the last look (it was ")
    assert lines[2].startswith("    → Find out who took it away, and bring it back")
    assert lines[4] == "Notes (1)"
    assert lines[-1] == "1 tag of 1 model, compared with the 2 known before: 1 error, 1 note"
    found = json.loads(gtrack("verify", "--registry", "--json").out)
    assert json.loads(gtrack("verify", "--json").out)["registry"] == found
    assert [one["tag"] for one in found["errors"]] == ["churn#production#1"]
    assert [one["tag"] for one in found["notes"]] == ["package@1.0.0"]
    accepted = gtrack("verify", "--accept")
    assert accepted.code == 0
    assert gtrack("verify").code == 0


@pytest.mark.usefixtures("project")
def test_what_a_stranger_wrote_is_shown_and_not_obeyed(gtrack: RunCommand, git: Git) -> None:
    text = git("cat-file", "tag", "churn@v1.0.0").replace("Artifact: model", "Artifact: \x1b]0;owned\x07")
    git("update-ref", "refs/tags/churn@v1.0.0", git("mktag", stdin=text))
    done = gtrack("verify")
    assert done.code == 1
    assert "\x1b" not in done.out + done.err
    assert "\\x1b]0;owned\\x07" in done.out


@pytest.mark.usefixtures("project")
def test_many_findings_of_one_kind_are_cut_short(gtrack: RunCommand, git: Git) -> None:
    for number in range(2, 30):
        git("tag", f"churn#staging#{number}", "main")
    done = gtrack("verify")
    assert "  … and 8 more like these (--json has all)" in done.out.splitlines()
    assert len(json.loads(gtrack("verify", "--json").out)["registry"]["errors"]) == 28


def test_a_run_that_is_damaged_is_an_error_of_the_runs(gtrack: RunCommand, runs: list[Run], git: Git) -> None:
    index = {"GIT_INDEX_FILE": ".git/other"}
    git("read-tree", "gtrack/runs", env=index)
    path = f"{run_path(runs[0].experiment, runs[0].id)}/params.yaml"
    git("update-index", "--cacheinfo", f"100644,{git('hash-object', '-w', '--stdin', stdin='a: [')},{path}", env=index)
    made = git("commit-tree", git("write-tree", env=index), "-p", "gtrack/runs", "-m", "Tidy up")
    git("update-ref", "refs/heads/gtrack/runs", made)
    done = gtrack("verify")
    assert (done.code, done.err) == (1, "Error: The runs have 1 error.\n")
    assert done.out.splitlines()[1].startswith(f"  forest/{runs[0].id}: params.yaml is not valid YAML")
    assert gtrack("verify", "second", "third").out == "2 runs: all is as it should be\n"
    found = json.loads(gtrack("verify", "first", "--json").out)
    assert [one["about"] for one in found["errors"]] == [f"forest/{runs[0].id}"]
    assert "registry" not in found


@pytest.mark.parametrize("words", [("last", "--all"), ("last", "--registry"), ("--registry", "--large")])
def test_what_contradicts_itself_is_refused(gtrack: RunCommand, runs: list[Run], words: tuple[str, ...]) -> None:
    assert runs
    assert gtrack("verify", *words).code == 2
