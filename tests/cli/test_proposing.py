"""``gtrack promote --propose``, ``--check`` and ``--apply``, and ``gtrack init --ci``."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from gtrack.cli.commands import application
from gtrack.formats.yamlio import load_mapping
from gtrack.project import Project
from gtrack.writer import ActiveRun
from tests.cli.conftest import RunCommand
from tests.conftest import Git

FILE = Path(".gtrack/stages.yaml")


@pytest.fixture
def trained(repo: Path, git: Git) -> None:
    """Two versions of `churn`, and a stage that demands more than the first one has."""
    project = Project.open(repo)
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text(
        "system: {interval_seconds: 0}\nregistry: {stages: {production: {requires: metrics.f1 >= 0.2}}}\n"
    )
    git("add", ".gtrack")
    git("commit", "--quiet", "--message", "Settings")
    for number in (1, 2):
        run = ActiveRun.start(project, name=f"forest-{number}")
        run.log_metrics({"f1": number / 10})
        run.log_bytes(b"flavors: {}\n", "model/MLmodel")
        project.registry.register("churn", run.end().id)
    git("switch", "--quiet", "--create", "proposal")
    project.close()


def commit(git: Git, message: str = "Propose") -> None:
    git("add", ".gtrack")
    git("commit", "--quiet", "--message", message)


@pytest.mark.usefixtures("trained")
def test_from_the_proposal_to_the_tag(gtrack: RunCommand, git: Git, tmp_path: Path) -> None:
    said = gtrack("promote", "churn@1", "production", "--propose", "--dry-run")
    assert (said.code, FILE.exists()) == (0, False)
    assert "Would write into .gtrack/stages.yaml: churn v1 to production." in said.err
    said = gtrack("promote", "churn@1", "production", "--propose", "--reason", "f1 0.1")
    assert said.code == 0
    assert said.err.splitlines() == [
        "✓ the run finished: finished",
        "✗ metrics.f1 >= 0.2: f1 = 0.1",
        "1 of 2 conditions is not met here and now. The check of the pull request decides.",
        ".gtrack/stages.yaml says: churn v1 to production. Nothing is promoted yet. Commit it on a branch, for a pull request:",
        "  git switch -c promote/production-churn-v1",
        "  git add .gtrack/stages.yaml",
        "  git commit -m 'Promote churn v1 to production'",
        "  git push -u origin HEAD refs/tags/churn@v1.0.0",
    ]
    commit(git)
    comment = tmp_path / "comment.md"
    failed = gtrack("promote", "--check", "--base", "main", "--markdown", str(comment))
    assert failed.code == 1
    assert "✗ metrics.f1 >= 0.2: f1 = 0.1" in failed.out
    assert "1 of 1 proposed promotion is not to be merged." in failed.out
    assert "### ✗ churn v1 to production" in comment.read_text()
    assert gtrack("promote", "--apply").code == 1

    told = json.loads(gtrack("promote", "churn", "production", "--propose", "--json").out)
    assert (told["version"], told["changed"], told["path"]) == (2, True, str(FILE))
    commit(git)
    passed = gtrack("promote", "--check", "--base", "main", "--json")
    assert passed.code == 0
    [found] = json.loads(passed.out)["proposals"]
    assert (found["may"], found["version"], found["current"]) == (True, 2, None)
    assert found["metrics"] == {"f1": {"candidate": 0.2, "current": None}}
    assert "would make churn#production#1" in gtrack("promote", "--apply", "--dry-run").err
    assert "✓ churn v2 to production: churn#production#1" in gtrack("promote", "--apply", "--base", "0" * 40).err
    [done] = json.loads(gtrack("promote", "--apply", "--json").out)["proposals"]
    assert (done["standing"], done["tags"]) == ("done", [])
    assert "says so already" in gtrack("promote", "churn", "production", "--propose").err

    assert "nothing of churn in production" in gtrack("demote", "churn", "production", "--propose").err
    commit(git)
    assert gtrack("promote", "--check", "--base", "main", "--markdown", "-").out.startswith("<!-- gtrack promote")
    assert "churn#production!#2" in gtrack("promote", "--apply").err
    assert "No promotion is proposed." in gtrack("promote", "--check").out


@pytest.mark.usefixtures("trained")
def test_the_candidate_stands_beside_what_is_there(gtrack: RunCommand, git: Git) -> None:
    gtrack("promote", "churn@1", "staging")
    gtrack("promote", "churn@2", "staging", "--propose", "--reason", "<b>@all</b>")
    commit(git)
    lines = gtrack("promote", "--check", "--base", "main").out.splitlines()
    assert lines[0] == "✓ churn v2 to staging  v1 is there now"
    assert [line.split() for line in lines if "f1" in line] == [["f1", "0.1", "0.2", "+0.1", "+100.0%", "▲"]]
    text = gtrack("promote", "--check", "--base", "main", "--markdown", "-").out
    assert "|   f1 | 0.1 | 0.2 | +0.1 | +100.0% | ▲ |" in text
    assert "<details><summary>All that differs between churn@1 and churn@2</summary>" in text
    assert r"> \<b\>\@all\</b\>" in text
    assert "Judged by the settings of main" in text


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["promote"], "gtrack promote MODEL STAGE"),
        (["promote", "churn"], "gtrack promote MODEL STAGE"),
        (["promote", "--propose"], "gtrack promote MODEL STAGE"),
        (["promote", "--check", "--apply"], "--check and --apply exclude each other"),
        (["promote", "churn", "staging", "--check"], "--check looks at all of .gtrack/stages.yaml"),
        (["promote", "churn", "staging", "--base", "main"], "--base and --markdown are for --check and --apply"),
        (["promote", "churn", "staging", "--propose", "--push"], "--push cannot go with --propose. Commit the file"),
        (["promote", "churn", "staging", "--propose", "--run", "last"], "Register it first"),
        (["promote", "churn", "staging", "--propose", "--approved-by", "Bo"], "Approved-By: Name <address>"),
        (["promote", "--check", "--push"], "--push cannot go with --check"),
        (["promote", "--apply", "--force"], "--force cannot go with --apply"),
        (["promote", "--apply", "--remote", "origin"], "--remote says where --push goes"),
        (["promote", "--check", "--json", "--markdown", "-"], "both write to stdout"),
        (["demote", "churn", "staging", "--propose", "--no-sign"], "--sign cannot go with --propose"),
    ],
    ids=range(14),
)
def test_what_does_not_go_together_is_refused(gtrack: RunCommand, words: list[str], said: str) -> None:
    done = gtrack(*words)
    assert said in done.err
    assert done.code == 2


def test_nothing_proposed_makes_no_comment(gtrack: RunCommand, tmp_path: Path) -> None:
    done = gtrack("promote", "--check", "--base", "main", "--markdown", str(tmp_path / "comment.md"))
    assert (done.code, done.out) == (0, "No promotion is proposed.\n")
    assert (tmp_path / "comment.md").read_bytes() == b""
    assert ".gtrack/stages.yaml of HEAD asks for nothing." in gtrack("promote", "--apply").err


HOSTS = {"github": ".github/workflows/gtrack.yml", "gitlab": ".gitlab-ci.yml"}


@pytest.mark.parametrize("host", HOSTS)
def test_the_file_of_a_host_is_written_once(gtrack: RunCommand, repo: Path, host: str) -> None:
    done = gtrack("init", "--ci", host)
    assert f"{HOSTS[host]} checks what pull requests propose" in done.out
    text = (repo / HOSTS[host]).read_text()
    assert 'GTRACK: ""\n' in text
    assert "Say in it first, as GTRACK, what pip installs gtrack from." in done.err
    again = gtrack("init", "--ci", host)
    assert (again.code, f"{HOSTS[host]} is there already and stays as it is" in again.err) == (0, True)
    assert (repo / HOSTS[host]).read_text() == text


def test_what_is_installed_is_the_commit_that_writes_the_file(
    gtrack: RunCommand, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed" / "gtrack-9.9.9.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: gtrack\nVersion: 9.9.9\n")
    told = {"url": "https://ana:secret@git.example.org/gtrack", "vcs_info": {"vcs": "git", "commit_id": "c" * 40}}
    (installed / "direct_url.json").write_text(json.dumps(told))
    monkeypatch.syspath_prepend(str(installed.parent))
    assert "Say in it first" not in gtrack("init", "--ci", "github").err
    found = load_mapping((repo / HOSTS["github"]).read_bytes(), "")
    assert found["env"] == {"GTRACK": f"gtrack @ git+https://git.example.org/gtrack@{'c' * 40}"}


def test_pipelines_that_are_there_include_ours(gtrack: RunCommand, repo: Path) -> None:
    (repo / ".gitlab-ci.yml").write_text("test: {script: make}\n")
    done = gtrack("init", "--ci", "gitlab")
    assert ".gitlab/gtrack.yml checks what pull requests propose" in done.out
    assert "For it to count, .gitlab-ci.yml must say:\ninclude:\n  - local: .gitlab/gtrack.yml" in done.err
    assert (repo / ".gitlab-ci.yml").read_text() == "test: {script: make}\n"
    assert "gtrack-check" in load_mapping((repo / ".gitlab" / "gtrack.yml").read_bytes(), "")


def test_github_is_told_the_branch_that_is_merged_into(
    gtrack: RunCommand, repo: Path, git: Git, tmp_path: Path
) -> None:
    git("branch", "--move", "trunk/1")
    git("clone", "--quiet", str(repo), str(tmp_path / "clone"))
    git("switch", "--quiet", "--create", "other", cwd=tmp_path / "clone")
    assert gtrack("-C", str(tmp_path / "clone"), "init", "--ci", "github").code == 0
    found = load_mapping((tmp_path / "clone" / HOSTS["github"]).read_bytes(), "")
    assert found["on"]["push"] == {"branches": ["trunk/1"]}  # type: ignore[index,call-overload]


@pytest.mark.parametrize("host", HOSTS)
def test_every_command_of_the_files_is_one(gtrack: RunCommand, repo: Path, host: str) -> None:
    gtrack("init", "--ci", host)
    text = (repo / HOSTS[host]).read_text()
    commands = [line.strip().removeprefix("- ") for line in text.splitlines()]
    commands = [line for line in commands if line.startswith("gtrack ")]
    assert [line.split()[2] for line in commands] == ["--check", "--apply"]
    for line in commands:
        words = [word for word in shlex.split(line)[1:] if "approved" not in word]
        parsed = application("promote")
        parsed(args=[*words, "--help"], prog_name="gtrack", standalone_mode=False)
        given = {word for word in words if word.startswith("--")}
        assert given <= {"--check", "--apply", "--push", "--base", "--markdown"}


def test_nothing_that_a_pull_request_says_reaches_a_shell(gtrack: RunCommand, repo: Path) -> None:
    gtrack("init", "--ci", "github")
    found = load_mapping((repo / HOSTS["github"]).read_bytes(), "")
    jobs = found["jobs"]
    assert isinstance(jobs, dict)
    scripts = [step.get("run", "") for job in jobs.values() for step in job["steps"]]  # type: ignore[index,call-overload,union-attr]
    assert len([script for script in scripts if script]) == 9
    assert not any("${{" in str(script) for script in scripts)
    assert "pull_request_target" not in (repo / HOSTS["github"]).read_text()
    assert found["permissions"] == {"contents": "read"}
    assert not re.search(r"python3? -m", (repo / HOSTS["github"]).read_text()), "would run a module of the pull request"
