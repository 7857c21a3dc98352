"""``gtrack models``, ``models show``, ``history`` and ``diff`` on real tags."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import typer

from gtrack.cli.model_views import complete_version
from gtrack.project import Project
from gtrack.writer import ActiveRun
from tests.cli.conftest import RunCommand
from tests.conftest import Git, Once


@pytest.fixture
def churn(once: Once) -> None:
    """Register three versions of `churn`, of which the second replaced the first in production."""
    once(three_versions)


def three_versions(repo: Path) -> None:
    project = Project.open(repo)
    for number in (1, 2, 3):
        run = ActiveRun.start(project, name=f"forest-{number}", experiment="forest")
        run.log_params({"depth": number})
        run.log_metrics({"f1": number / 10})
        run.log_bytes(b"flavors: {sklearn: {sklearn_version: 1.4.2}}\n", "model/MLmodel")
        project.registry.register("churn", run.end().id, reason=f"try {number}")
    project.registry.assign("churn", 1, "production")
    project.registry.assign("churn", 2, "production", reason="f1 0.2, was 0.1")
    project.close()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.usefixtures("churn")
def test_what_is_in_each_stage(gtrack: RunCommand) -> None:
    lines = [line.split() for line in gtrack("models").out.splitlines()]
    assert lines[0] == ["model", "versions", "stage", "version", "metric", "value", "since", "by", "run"]
    assert lines[1][:6] == ["churn", "3", "production", "v2", "f1", "0.2"]
    assert lines[2][:6] == ["churn", "3", "-", "v3", "f1", "0.3"]
    first, second = rows(gtrack("models", "--csv").out)
    assert (first["stage"], first["version"], first["value"], first["by"]) == (
        "production",
        "2",
        "0.2",
        "Ana <ana@example.org>",
    )
    assert (second["stage"], second["version"]) == ("", "3")
    [model] = json.loads(gtrack("models", "--json").out)
    assert [(one["stage"], one["version"], one["reason"]) for one in model["assignments"]] == [
        ("production", 2, "f1 0.2, was 0.1")
    ]
    assert "| churn | 3 | production | v2 | f1 | 0.2 |" in gtrack("models", "--markdown").out


def test_no_models_are_nothing_in_every_format(gtrack: RunCommand) -> None:
    assert gtrack("models").out == gtrack("models", "--csv").out == gtrack("models", "--markdown").out == ""
    assert gtrack("models", "--json").out == "[]\n"
    assert "No models yet" in gtrack("models").err


@pytest.mark.usefixtures("churn")
def test_a_model_with_its_versions(gtrack: RunCommand) -> None:
    lines = [line.split() for line in gtrack("models", "show", "churn").out.splitlines()]
    assert lines[0] == ["churn", "3", "versions"]
    assert [line[:5] for line in lines[3:]] == [
        ["v3", "v3.0.0", "-", "0.3", "forest-3"],
        ["v2", "v2.0.0", "production", "0.2", "forest-2"],
        ["v1", "v1.0.0", "-", "0.1", "forest-1"],
    ]
    assert len(gtrack("models", "show", "churn", "-n", "1").out.splitlines()) == 4
    data = json.loads(gtrack("models", "show", "churn", "--json").out)
    assert [one["run_name"] for one in data["versions"]] == ["forest-3", "forest-2", "forest-1"]
    assert [one["metrics.f1"] for one in rows(gtrack("models", "show", "churn", "--csv").out)] == ["0.3", "0.2", "0.1"]
    assert gtrack("models", "show", "churn", "--markdown").out.startswith("| version | semver | stages | f1 | run |")


@pytest.mark.usefixtures("churn")
@pytest.mark.parametrize("ref", ["churn@2", "churn@v2.0.0", "churn#production", "churn#Production"])
def test_where_a_version_comes_from(gtrack: RunCommand, ref: str) -> None:
    text = gtrack("models", "show", ref).out
    assert text.startswith("churn v2  production\n")
    for said in ("why       try 2\n", "Begin\n", "depth  2\n", "flavours  sklearn 1.4.2\n", "models:/churn/2"):
        assert said in text
    assert "git clone --depth 1 --branch churn@v2.0.0 URL" in text
    data = json.loads(gtrack("models", "show", ref, "--json").out)
    assert data["lineage"]["run"]["params"] == {"depth": 2}
    assert data["lineage"]["flavours"] == {"sklearn": "1.4.2"}
    assert [one["stage"] for one in data["history"]] == ["production"]


@pytest.mark.usefixtures("churn")
def test_the_audit_trail(gtrack: RunCommand) -> None:
    said = [one["action"] for one in json.loads(gtrack("models", "history", "churn", "--json").out)]
    assert said == ["assign", "assign", "register", "register", "register"]
    lines = gtrack("models", "history", "churn").out.splitlines()
    assert "production: v1 → v2" in lines[1]
    assert "f1 0.2, was 0.1" in lines[1]
    reverse = gtrack("models", "history", "churn", "--reverse").out.splitlines()
    assert reverse[0] == lines[0]
    assert reverse[1:] == lines[:0:-1]
    assert len(gtrack("models", "history", "churn", "-n", "2").out.splitlines()) == 3
    assert rows(gtrack("models", "history", "churn", "--csv").out)[0]["signature"] == "none"
    assert gtrack("models", "history", "churn", "--markdown").out.startswith("| when | who | what | why | tag |")


@pytest.mark.usefixtures("churn")
def test_versions_side_by_side(gtrack: RunCommand) -> None:
    text = gtrack("models", "diff", "churn#production", "churn").out
    assert [line.split()[0] for line in text.splitlines()[:2]] == ["churn@2", "churn@3"]
    assert "  f1         0.2      0.3    +0.1    +50.0%  ▲\n" in text
    assert gtrack("models", "diff", "churn@1", "churn@2", "--markdown").out.startswith("## churn\\@1 / churn\\@2\n\n| ")
    data = json.loads(gtrack("models", "diff", "churn@1", "churn@2", "--json", "--all").out)
    assert [one["name"] for one in data["runs"]] == ["forest-1", "forest-2"]
    [metric] = rows(gtrack("models", "diff", "churn@1", "churn@2", "--csv").out)[1:]
    assert list(metric.values()) == ["metrics", "f1", "0.1", "0.2"]
    assert gtrack("models", "diff", "churn@1", "churn@2", "churn@3").code == 0
    assert "ran the same code" in gtrack("models", "diff", "churn@1", "churn@2", "--code").err


@pytest.mark.usefixtures("churn")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "chrun"], 1, "Did you mean 'churn'?"),
        (["show", "a b"], 2, "'a b' cannot name a model"),
        (["show", "churn@9"], 1, "has no version 9. It has: 1 (v1.0.0), 2 (v2.0.0), 3 (v3.0.0)."),
        (["show", "churn@v2.0.1"], 1, "Did you mean 'v2.0.0'?"),
        (["show", "churn#staging"], 1, "Its stages are: production."),
        (["show", "churn#produktion"], 1, "Did you mean 'production'?"),
        (["show", "churn@@"], 2, "names no model version"),
        (["show", "churn@1", "--csv"], 2, "give the model alone"),
        (["show", "churn", "--json", "--csv"], 2, "exclude each other"),
        (["history", "churn@1"], 2, "gtrack models history churn"),
        (["history", "chrun"], 1, "Did you mean 'churn'?"),
        (["diff", "churn@1"], 2, "two versions or more"),
        (["diff", "churn@2", "churn#production"], 2, "are the same version"),
        (["diff", "churn@1", "churn@2", "--code", "--json"], 2, "--code writes a patch"),
    ],
)
def test_what_is_wrong_is_told(gtrack: RunCommand, words: list[str], code: int, said: str) -> None:
    done = gtrack("models", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.usefixtures("churn")
def test_what_a_stranger_wrote_into_a_tag_is_shown_and_not_obeyed(gtrack: RunCommand, git: Git) -> None:
    evil = "Reason: \x1b]0;owned\x07\x1b[2J | [bold]<b>"
    git("tag", "-a", "-m", f"Subject\n\n{evil}\n", "churn#staging#3", "churn@v3.0.0^{commit}")
    for words in (["models"], ["models", "history", "churn"], ["models", "show", "churn#staging"]):
        done = gtrack(*words)
        assert done.code == 0
        assert "\x1b" not in done.out
        assert "\x07" not in done.out
    assert r"\x1b]0;owned\x07\x1b[2J | [bold]<b>" in gtrack("models", "history", "churn").out
    assert r"\\x1b\[2J \| \[bold\]\<b\>" in gtrack("models", "history", "churn", "--markdown").out


@pytest.mark.usefixtures("churn")
def test_a_clone_that_has_one_tag_tells_all_of_it(gtrack: RunCommand, git: Git, repo: Path, tmp_path: Path) -> None:
    place = tmp_path / "one"
    git("clone", "--quiet", "--depth", "1", "--branch", "churn@v2.0.0", repo.as_uri(), str(place))
    text = gtrack("-C", str(place), "models", "show", "churn@2").out
    assert "depth  2\n" in text
    assert "(what its author wrote of it is not in this clone)" in text
    assert f"git clone --depth 1 --branch churn@v2.0.0 {repo.as_uri()}\n" in text
    assert "forest-2" in gtrack("-C", str(place), "models", "show", "churn").out
    assert "no version 1" in gtrack("-C", str(place), "models", "diff", "churn@1", "churn@2").err


@pytest.mark.usefixtures("churn")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["churn"]),
        ("ch", ["churn"]),
        ("churn", ["churn", "churn#production", "churn@3", "churn@2", "churn@1"]),
        ("churn#", ["churn#production"]),
        ("churn@2", ["churn@2"]),
        ("other", []),
    ],
)
def test_the_shell_is_offered_models_stages_and_versions(typed: str, offered: list[str]) -> None:
    ctx = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    with ctx:
        assert complete_version(ctx, typed) == offered
