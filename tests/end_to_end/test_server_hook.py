"""A bare repository that guards its registry: real pushes by two people, with gtrack and with git alone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gtrack.ops.server.init import initialise_server
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.conftest import run_git
from tests.end_to_end.command import GTRACK, Workplace

pytestmark = pytest.mark.slow

POLICY = """\
registry:
  stages:
    production: {requires: metrics.f1 >= 0.8, reason: true, approvals: %d}
"""


@dataclass(frozen=True)
class Said:
    """What became of a command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Clone:
    """Somebody's clone of the server."""

    root: Path

    def git(self, *args: str) -> str:
        return run_git(*args, cwd=self.root)

    def push(self, *args: str) -> Said:
        return _said(["git", "push", "origin", *args], self.root)

    def gtrack(self, *args: str) -> Said:
        return _said([*GTRACK, *args], self.root)

    def train(self, f1: float) -> Run:
        project = Project.open(self.root)
        run = ActiveRun.start(project)
        run.log_metrics({"f1": f1})
        run.log_bytes(b"flavors: {}\n", "model/MLmodel")
        done = run.end()
        project.close()
        return done

    def register(self, f1: float) -> None:
        run = self.train(f1)
        project = Project.open(self.root)
        project.registry.register("churn", run.id)
        project.close()

    def tags(self) -> list[str]:
        return self.git("tag").split()


def _said(command: Sequence[str], cwd: Path) -> Said:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Guarded:
    """A server with the hook, and the clones of two people."""

    path: Path
    ana: Clone
    bo: Clone

    def tags(self) -> list[str]:
        return run_git("tag", cwd=self.path).split()


@pytest.fixture
def guarded(work: Workplace, tmp_path: Path) -> Guarded:
    """Return a server that has Ana's settings and two versions, and Bo's clone of it."""
    server = tmp_path / "srv" / "churn.git"
    ana, bo = Clone(work.root), Clone(tmp_path / "bo")
    work.write(".gtrack/config.yaml", POLICY % 0)
    ana.git("add", ".gtrack")
    ana.git("commit", "--quiet", "--message", "Settings")
    ana.register(0.7)
    ana.register(0.9)
    run_git("clone", "--quiet", "--bare", str(ana.root), str(server), cwd=tmp_path)
    assert not initialise_server(server).created
    ana.git("remote", "add", "origin", server.as_uri())
    run_git("clone", "--quiet", server.as_uri(), str(bo.root), cwd=tmp_path)
    bo.git("config", "user.name", "Bo")
    bo.git("config", "user.email", "bo@example.org")
    return Guarded(server, ana, bo)


def test_history_stays_whoever_pushes(guarded: Guarded) -> None:
    bo = guarded.bo
    bo.git("branch", "--quiet", "gtrack/runs", "origin/gtrack/runs~1")
    run_git(
        "config", "receive.denyDeleteCurrent", "ignore", cwd=guarded.path
    )  # git's own answer comes before the hook's
    for what in (
        ["--force", "gtrack/runs"],
        ["--delete", "gtrack/runs"],
        ["--delete", "main"],
        ["--delete", "churn@v1.0.0"],
        ["--force", "churn@v2.0.0:refs/tags/churn@v1.0.0"],
        ["--force", "main:refs/tags/churn@v1.0.0"],
        ["main:refs/tags/churn#production#1"],
        [f"main:refs/replace/{bo.git('rev-parse', 'main')}"],
    ):
        before = run_git("for-each-ref", cwd=guarded.path)
        done = bo.push(*what)
        assert done.code == 1, what
        assert "remote: gtrack: " in done.err
        assert "hook declined" in done.err
        assert run_git("for-each-ref", cwd=guarded.path) == before
    for what in (["main:topic"], ["--force", "origin/gtrack/runs:topic"], ["--delete", "topic"], ["main:refs/tags/v1"]):
        assert bo.push(*what).code == 0, what


def test_a_promotion_that_the_default_branch_does_not_allow_leaves_no_tag_anywhere(guarded: Guarded) -> None:
    bo = guarded.bo
    (bo.root / ".gtrack" / "config.yaml").write_text("")  # what Bo would like the policy to be
    done = bo.gtrack("promote", "churn@1", "production", "--push")
    assert done.code == 1
    assert "remote: ✗ metrics.f1 >= 0.8: f1 = 0.7" in done.err.replace("remote:   ", "remote: ")
    assert "✗ there is a reason" in done.err
    assert bo.tags() == guarded.tags() == ["churn@v1.0.0", "churn@v2.0.0"]
    bo.git("checkout", "--quiet", ".gtrack")
    assert bo.gtrack("promote", "churn@2", "production", "--reason", "better", "--push").code == 0
    assert bo.tags() == guarded.tags() == ["churn#production#1", "churn@v1.0.0", "churn@v2.0.0"]


def test_a_tag_that_was_made_by_hand_is_judged_the_same_way(guarded: Guarded) -> None:
    bo = guarded.bo
    bo.git(
        "tag",
        "-a",
        "-m",
        "Assigning stage production to artifact churn version v1.0.0",
        "churn#production#1",
        "churn@v1.0.0^{}",
    )
    done = bo.push("churn#production#1")
    assert done.code == 1
    assert "remote:   ✗ metrics.f1 >= 0.8: f1 = 0.7" in done.err
    assert "remote:   ✓ the run finished: finished" in done.err
    bo.git("tag", "-d", "churn#production#1")
    bo.git(
        "tag", "-a", "-m", "By hand\n\nReason: better", "churn#production#1", "churn@v2.0.0"
    )  # of a tag, as git allows
    assert bo.push("churn#production#1").code == 0
    guarded.ana.git("fetch", "--quiet", "--tags")
    assert "v2" in guarded.ana.gtrack("models").out


def test_a_version_and_its_promotion_come_in_one_push(guarded: Guarded) -> None:
    ana = guarded.ana
    run = ana.train(0.95)
    ana.push("gtrack/runs")
    done = ana.gtrack("promote", "churn", "production", "--run", run.id, "--reason", "best", "--push")
    assert done.code == 0, done.err
    assert guarded.tags() == ["churn#production#1", "churn@v1.0.0", "churn@v2.0.0", "churn@v3.0.0"]
    worse = ana.train(0.1)
    ana.git("config", "user.name", "Ana")
    (ana.root / ".gtrack" / "config.yaml").write_text("")
    done = ana.gtrack("promote", "churn", "production", "--run", worse.id, "--push")
    assert done.code == 1
    assert "✗ metrics.f1 >= 0.8: f1 = 0.1" in done.err
    assert ana.tags() == guarded.tags()


def test_a_whole_registry_comes_by_a_plain_push_to_a_new_server(guarded: Guarded, tmp_path: Path) -> None:
    ana, server = guarded.ana, tmp_path / "new.git"
    project = Project.open(ana.root)
    for version, stage in ((2, "staging"), (2, "production"), (1, "staging")):
        project.registry.assign("churn", version, stage, reason="x")
    project.close()
    made = ["churn#production#2", "churn#staging#1", "churn#staging#3", "churn@v1.0.0", "churn@v2.0.0"]
    assert ana.tags() == made
    assert ana.gtrack("init", "--server", str(server)).code == 0
    ana.git("remote", "set-url", "origin", server.as_uri())
    done = ana.push("--tags")
    assert done.code == 1
    assert "is not on the server: its HEAD names refs/heads/main. Push that branch first" in done.err
    done = ana.push("main", "gtrack/runs", "--tags")  # stages come before the versions that they are about
    assert done.code == 0, done.err
    assert run_git("tag", cwd=server).split() == made
    assert "5 tags of 1 model: all is as it should be" in _said([*GTRACK, "verify"], server).out


def test_who_approves_is_read_from_the_tag(guarded: Guarded) -> None:
    ana, bo = guarded.ana, guarded.bo
    (ana.root / ".gtrack" / "config.yaml").write_text(POLICY % 1)
    ana.git("commit", "--quiet", "--all", "--message", "Two people")
    ana.push("main")
    bo.git("pull", "--quiet")
    promote = ("promote", "churn@2", "production", "--reason", "x", "--push")
    bo.git(
        "tag", "-a", "-m", "x\n\nReason: x\nApproved-By: Bo <BO@example.org>", "churn#production#1", "churn@v2.0.0^{}"
    )
    assert "✗ 1 approval of somebody else: none" in bo.push("churn#production#1").err
    bo.git("tag", "-d", "churn#production#1")
    assert bo.gtrack(*promote, "--approved-by", "Ana <ana@example.org>").code == 0
    assert bo.gtrack("demote", "churn@2", "production", "--push").code != 0
    assert bo.gtrack("demote", "churn@2", "production", "--push", "--reason", "broken").code == 0


def test_signatures_count_by_the_file_on_the_default_branch(guarded: Guarded, tmp_path: Path) -> None:
    ana, bo = guarded.ana, guarded.bo
    for name, clone in (("ana-key", ana), ("bo-key", bo)):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
        clone.git("config", "gpg.format", "ssh")
        clone.git("config", "user.signingKey", str(tmp_path / name))
    key = " ".join((tmp_path / "ana-key.pub").read_text().split()[:2])
    (ana.root / ".gtrack" / "signers").write_text(f"ana@example.org {key}\n")
    signed = "registry: {allowed_signers: .gtrack/signers, stages: {production: {signed: true}}}\n"
    (ana.root / ".gtrack" / "config.yaml").write_text(signed)
    ana.git("add", ".gtrack")
    ana.git("commit", "--quiet", "--message", "Signed")
    ana.push("main")
    bo.git("tag", "-s", "-m", "Assigning", "churn#production#1", "churn@v2.0.0^{}")
    done = bo.push("churn#production#1")
    assert done.code == 1
    assert "✗ the promotion is signed: nobody known signed it" in done.err
    assert ana.gtrack("promote", "churn@2", "production", "--push").code == 0
    assert "churn#production#1" in guarded.tags()


def test_a_push_of_many_runs_costs_one_look(guarded: Guarded, tmp_path: Path) -> None:
    ana = guarded.ana
    for _ in range(5):
        ana.train(0.5)
    trace = tmp_path / "trace"
    env = {**os.environ, "GIT_TRACE": str(trace)}
    subprocess.run(["git", "push", "--quiet", "origin", "gtrack/runs"], cwd=ana.root, env=env, check=True)
    started = [line for line in trace.read_text().splitlines() if "trace: built-in: git" in line]
    assert sum("merge-base" in line for line in started) == 1
    asked = started[next(at for at, line in enumerate(started) if "symbolic-ref" in line) :]
    assert len(asked) < 12


@pytest.mark.parametrize("word", ["#!/bin/sh\nexit 7\n", None])
def test_without_gtrack_nothing_is_accepted(guarded: Guarded, tmp_path: Path, word: str | None) -> None:
    hook = guarded.path / "hooks" / "update"
    gone = tmp_path / "python of 'old'"
    if word is not None:
        gone.write_text(word)
        gone.chmod(0o755)
    lines = hook.read_text().splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("python="))
    lines[at] = "python=" + "'" + str(gone).replace("'", "'\"'\"'") + "'"
    hook.write_text("\n".join(lines) + "\n")
    guarded.ana.train(0.5)
    done = guarded.ana.push("gtrack/runs")
    assert done.code == 1
    assert "gtrack could not be asked, so refs/heads/gtrack/runs is refused" in done.err
    assert guarded.ana.push("main:refs/notes/free").code == 0
    assert guarded.ana.gtrack("init", "--server", str(guarded.path)).code == 0  # mends it
    assert guarded.ana.push("gtrack/runs").code == 0


# Setting up


@pytest.fixture
def ana(work: Workplace) -> Clone:
    return Clone(work.root)


def test_a_bare_repository_that_is_there_is_equipped(ana: Clone, tmp_path: Path) -> None:
    server = tmp_path / "it's.git"
    run_git("init", "--quiet", "--bare", "--initial-branch=trunk", str(server), cwd=tmp_path)
    done = ana.gtrack("init", "--server", "../it's.git")
    assert (done.code, done.out) == (
        0,
        f"{server} has the hook now. It guards the runs and the model registry by the settings on trunk.\n",
    )
    hook = server / "hooks" / "update"
    assert stat.S_IMODE(hook.stat().st_mode) == 0o755
    text = hook.read_text()
    assert f"python={sys.executable}\n" in text
    assert ana.gtrack("init", "--server", str(server)).code == 0
    assert hook.read_text() == text
    assert [path.name for path in hook.parent.iterdir() if not path.name.endswith(".sample")] == ["update"]


def test_a_hook_of_somebody_else_stays_and_may_ask_gtrack(ana: Clone, tmp_path: Path) -> None:
    server = tmp_path / "s.git"
    ana.gtrack("init", "--server", str(server))
    hook = server / "hooks" / "update"
    hook.write_text("#!/bin/sh\necho mine >&2\n")
    done = ana.gtrack("init", "--server", str(server))
    assert done.code == 1
    assert "is there and not gtrack's, so it stays as it is" in done.err
    line = next(line for line in done.err.splitlines() if "gtrack.cli.hook" in line).strip()
    hook.write_text(hook.read_text() + line + "\n")
    ana.git("remote", "add", "origin", str(server))
    ana.git("tag", "m#prod#1")
    done = ana.push("m#prod#1")
    assert "remote: mine" in done.err
    assert "it is a lightweight tag" in done.err
    assert done.code == 1


def test_what_is_no_place_for_a_server_is_left_alone(ana: Clone, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "file").write_text("x")
    for place, said in ((full, "is not empty and no bare repository"), (full / "file", "is a file")):
        done = ana.gtrack("init", "--server", str(place))
        assert done.code == 1
        assert said in done.err
    assert "belongs to a working tree" in ana.gtrack("init", "--server", ".git").err
    server = tmp_path / "hooked.git"
    run_git("init", "--quiet", "--bare", str(server), cwd=tmp_path)
    run_git("config", "core.hooksPath", "/etc/hooks", cwd=server)
    done = ana.gtrack("init", "--server", str(server))
    assert "git looks for the hooks of" in done.err
    assert not (server / "hooks" / "update").exists()
    assert ana.gtrack("init", "somewhere", "--server", str(server)).code == 2
