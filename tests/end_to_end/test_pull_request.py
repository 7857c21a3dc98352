"""A promotion in a pull request, with what `gtrack init --ci` writes: from the branch to the tag on the remote.

The scripts of GitHub's and GitLab's files run as they are, but for installing gtrack and asking GitHub who approves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from gtrack.formats.yamlio import load_mapping
from gtrack.ops.ci_files import Host, write_ci_file
from gtrack.project import initialise
from tests.conftest import run_git
from tests.end_to_end.command import PROJECT

TRAIN = """
import gtrack
for number in (1, 2, 3):
    with gtrack.start_run() as run:
        gtrack.log_metric("f1", number / 10)
        gtrack.log_text("flavors: {}\\n", "model/MLmodel")
    gtrack.register_model(f"runs:/{run.id}/model", "churn")
"""
SETTINGS = """
system: {interval_seconds: 0}
registry:
  stages:
    production: {requires: metrics.f1 >= 0.15, reason: true, approvals: 1}
"""


@dataclass(frozen=True)
class Team:
    """A bare repository, Ana's clone of it, and a place for the clones of machines.

    Attributes:
        commands: a directory with the command `gtrack`.
    """

    place: Path
    commands: Path

    @property
    def hub(self) -> Path:
        return self.place / "hub.git"

    @property
    def ana(self) -> Path:
        return self.place / "ana"

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.commands}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT)}

    def gtrack(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self.script('set -- "$@"; gtrack "$@"', cwd or self.ana, words=words)

    def script(
        self, text: str, cwd: Path, env: Mapping[str, str] | None = None, words: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text, "script", *words]
        return subprocess.run(
            command, cwd=cwd, env={**self.env, **(env or {})}, capture_output=True, check=False, text=True, timeout=120
        )

    def git(self, *words: str, cwd: Path | None = None) -> str:
        return run_git(*words, cwd=cwd or self.ana)

    def clone(self, name: str, revision: str, *more: str) -> Path:
        """Return a clone as a machine has it: a commit is checked out, no branch; annotated tags are lightweight ones."""
        place = self.place / name
        self.git("clone", "--quiet", *more, self.hub.as_uri(), str(place), cwd=self.place)
        self.git("checkout", "--quiet", "--detach", revision, cwd=place)
        for tag in self.git("tag", "--list", cwd=place).split():
            self.git("update-ref", f"refs/tags/{tag}", f"refs/tags/{tag}^{{commit}}", cwd=place)
        return place

    def propose(self, branch: str, version: str, message: str) -> None:
        """Propose a version for production on a branch of its own, and push that."""
        self.git("switch", "--quiet", "--create", branch, "main")
        assert (
            self.gtrack("promote", f"churn@{version}", "production", "--propose", "--reason", "better").returncode == 0
        )
        self.git("add", ".gtrack/stages.yaml")
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "origin", branch)

    def merge(self, branch: str) -> str:
        """Merge a branch and return what the main one was before."""
        self.git("switch", "--quiet", "main")
        before = self.git("rev-parse", "HEAD")
        self.git("merge", "--quiet", "--no-ff", "--message", f"Merge {branch}", branch)
        self.git("push", "--quiet", "origin", "main")
        return before

    def tags(self) -> list[str]:
        return self.git("tag", "--list", "churn#*", cwd=self.hub).split()


@pytest.fixture
def team(tmp_path: Path) -> Team:
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "gtrack").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gtrack "$@"\n')
    (commands / "gtrack").chmod(0o755)
    found = Team(tmp_path / "team", commands)
    found.place.mkdir()
    run_git("init", "--quiet", "--bare", str(found.hub), cwd=tmp_path)
    run_git("clone", "--quiet", str(found.hub), str(found.ana), cwd=tmp_path)
    project = initialise(found.ana)
    for host in Host:
        assert write_ci_file(project.repo, host).written
    project.close()
    (found.ana / ".gtrack" / "config.yaml").write_text(SETTINGS)
    (found.ana / "train.py").write_text(TRAIN)
    found.git("add", ".")
    found.git("commit", "--quiet", "--message", "Begin")
    subprocess.run([sys.executable, "train.py"], cwd=found.ana, env=found.env, check=True, capture_output=True)
    found.git("push", "--quiet", "origin", "main", "gtrack/runs", "--tags")
    return found


def github(team: Team, job: str) -> str:
    """Return the scripts of a job of GitHub's workflow, without what needs GitHub."""
    found: Any = load_mapping((team.ana / ".github" / "workflows" / "gtrack.yml").read_bytes(), "gtrack.yml")
    left_out = ("Install gtrack", "Ask who", "Tell it")
    steps = [step for step in found["jobs"][job]["steps"] if "run" in step]
    return "\n".join(step["run"] for step in steps if not step["name"].startswith(left_out))


def gitlab(team: Team, job: str, part: str = "script") -> str:
    found: Any = load_mapping((team.ana / ".gitlab-ci.yml").read_bytes(), ".gitlab-ci.yml")
    return "\n".join(line for line in found[job][part] if not line.startswith("pip "))


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    place = tmp_path / "temporary"
    place.mkdir()
    (place / "approvals").write_text("")
    return place


@pytest.mark.slow
def test_from_the_branch_to_the_tag_on_github(team: Team, temporary: Path) -> None:
    team.propose("better", "2", "Promote churn v2")
    env = {"BASE": "main", "RUNNER_TEMP": str(temporary)}
    place = team.clone("check", "origin/better")
    refused = team.script(github(team, "check"), place, env)
    assert refused.returncode == 1
    assert "✗ 1 approval of somebody else: none" in (temporary / "comment.md").read_text()
    (temporary / "approvals").write_text("bo\n")
    passed = team.script(github(team, "check"), place, env)
    assert (passed.returncode, passed.stderr) == (0, "")
    assert "### ✓ churn v2 to production" in (temporary / "comment.md").read_text()
    assert team.tags() == []

    env = {"BEFORE": team.merge("better"), "RUNNER_TEMP": str(temporary)}
    place = team.clone("apply", "origin/main")
    done = team.script(github(team, "apply"), place, env)
    assert done.returncode == 0, done.stderr
    assert "churn v2 to production: churn#production#1, pushed to origin" in done.stderr
    assert team.tags() == ["churn#production#1"]
    said = team.git("cat-file", "tag", "churn#production#1", cwd=team.hub)
    assert "tagger Ana <ana@example.org>" in said
    assert "Reason: better\nApproved-By: bo" in said
    again = team.script(github(team, "apply"), team.clone("again", "origin/main"), env)
    assert (again.returncode, team.tags()) == (0, ["churn#production#1"])
    assert "churn v2 to production: it is so already" in again.stderr


@pytest.mark.slow
def test_what_relaxes_the_settings_is_judged_by_those_before(team: Team, temporary: Path) -> None:
    team.git("switch", "--quiet", "--create", "sly")
    (team.ana / ".gtrack" / "config.yaml").write_text("system: {interval_seconds: 0}\n")
    team.git("commit", "--quiet", "--all", "--message", "Simplify the settings")
    team.git("branch", "--quiet", "--force", "main", "HEAD")
    team.propose("slyer", "1", "Promote churn v1")
    env = {"BASE": "main", "RUNNER_TEMP": str(temporary)}
    refused = team.script(github(team, "check"), team.clone("check", "origin/slyer"), env)
    assert refused.returncode == 1
    assert "✗ metrics.f1 >= 0.15: f1 = 0.1" in refused.stdout
    assert "This branch changes what stages demand." in refused.stdout

    env |= {"BEFORE": team.git("rev-parse", "origin/main")}
    team.merge("slyer")
    failed = team.script(github(team, "apply"), team.clone("apply", "origin/main"), env)
    assert failed.returncode == 1
    assert "2 of 4 conditions are not met" in failed.stderr
    assert team.tags() == []


@dataclass
class Notes:
    """The notes of a merge request, as GitLab's API keeps them."""

    url: str = ""
    bodies: dict[int, str] = field(default_factory=dict)


@contextmanager
def gitlab_notes() -> Iterator[Notes]:
    """Answer as GitLab does, which cannot be had here, to those who ask for notes, make, change and remove one."""
    notes = Notes()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, what: object, code: int = 200) -> None:
            self.send_response(code if self.headers["PRIVATE-TOKEN"] == "secret" else 401)
            self.end_headers()
            self.wfile.write(json.dumps(what).encode())

        def said(self) -> str:
            return parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["body"][0]

        def do_GET(self) -> None:
            assert self.path == "/projects/7/merge_requests/1/notes?per_page=100"
            self.answer([{"id": number, "body": body} for number, body in notes.bodies.items()])

        def do_POST(self) -> None:
            assert self.path == "/projects/7/merge_requests/1/notes"
            notes.bodies[len(notes.bodies) + 1] = self.said()
            self.answer({}, 201)

        def do_PUT(self) -> None:
            notes.bodies[int(self.path.rpartition("/")[2])] = self.said()
            self.answer({})

        def do_DELETE(self) -> None:
            del notes.bodies[int(self.path.rpartition("/")[2])]
            self.answer({}, 204)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        notes.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield notes
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_from_the_branch_to_the_tag_on_gitlab(team: Team) -> None:
    message = "Promote churn v3\n\nApproved-By: Bo <bo@example.org>"
    team.propose("better", "3", message)
    place = team.clone("check", "origin/better", "--single-branch", "--branch", "better")
    with gitlab_notes() as notes:
        notes.bodies[1] = "Nice!"
        env = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "GTRACK_TOKEN": "secret", "CI_API_V4_URL": notes.url}
        env |= {"CI_PROJECT_ID": "7", "CI_MERGE_REQUEST_IID": "1", "NO_PROXY": "127.0.0.1"}
        for _ in range(2):
            done = team.script(gitlab(team, "gtrack-check"), place, env)
            assert done.returncode == 0, done.stderr
            told = team.script(gitlab(team, "gtrack-check", "after_script"), place, env)
            assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
            assert notes.bodies == {1: "Nice!", 2: (place / "comment.md").read_text()}
        (place / "comment.md").write_text("")
        assert team.script(gitlab(team, "gtrack-check", "after_script"), place, env).returncode == 0
        assert notes.bodies == {1: "Nice!"}
    assert team.script(gitlab(team, "gtrack-check", "after_script"), place, {"GTRACK_TOKEN": ""}).returncode == 0

    before = team.merge("better")
    text = gitlab(team, "gtrack-apply")
    place = team.clone("apply", "origin/main")
    env = {
        "CI_COMMIT_BEFORE_SHA": before,
        "CI_JOB_TOKEN": "job",
        "CI_PROJECT_URL": "https://git.example.org/team/churn",
    }
    # Where it pushes to is GitLab's; here it is a directory.
    instead = f"url.{team.hub.as_uri()}.insteadOf"
    team.git("config", "--global", instead, "https://gitlab-ci-token:job@git.example.org/team/churn.git", cwd=place)
    done = team.script(text, place, {**env, "GTRACK_PUSH_TOKEN": ""})
    assert done.returncode == 0, done.stderr
    assert team.tags() == ["churn#production#1"]


@pytest.mark.slow
def test_a_shallow_clone_of_the_tags_alone_checks_once_the_base_is_there(team: Team) -> None:
    team.propose("better", "3", "Promote churn v3\n\nApproved-By: Bo <bo@example.org>")
    place = team.clone("shallow", "better", "--depth", "1", "--branch", "better")
    refused = team.gtrack("promote", "--check", "--base", "origin/main", cwd=place)
    assert refused.returncode == 1
    fetch = refused.stderr.partition("Fetch it: ")[2].strip().removesuffix(".").replace("\n", " ")
    assert team.script(fetch, place).returncode == 0
    assert team.git("branch", "--all", "--list", "*gtrack/runs", cwd=place) == ""
    passed = team.gtrack("promote", "--check", "--base", "origin/main", cwd=place)
    assert passed.returncode == 0, passed.stdout
    assert "✓ churn v3 to production" in passed.stdout
