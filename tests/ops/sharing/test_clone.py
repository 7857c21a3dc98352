from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psutil
import pytest

from gtrack.errors import ArtifactError, ConfigError, GitError
from gtrack.git.promisor import is_partial
from gtrack.git.remotes import fetch_refs
from gtrack.ops.checks.verify_registry import verify_registry
from gtrack.ops.compare import compare
from gtrack.ops.get import choose, write_out
from gtrack.ops.load_model import model_at
from gtrack.ops.report import report
from gtrack.ops.sharing.clone import Cloned, clone
from gtrack.project import Project
from gtrack.records import Run
from gtrack.store.merge.merge import merge
from gtrack.writer import ActiveRun
from tests.clones import FIGURES, LARGE, Traced, three_runs
from tests.conftest import Git, Once
from tests.http_remote import over_http


@pytest.fixture
def runs(once: Once) -> list[Run]:
    return once(three_runs)


def opened(made: Cloned) -> Project:
    return Project.open(made.path)


def test_all_runs_are_there_and_what_is_large_is_not(repo: Path, runs: list[Run], tmp_path: Path, git: Git) -> None:
    made = clone("repo", start=tmp_path, directory="here")
    assert (made.path, made.url) == (tmp_path / "here", f"{repo}")
    assert (made.experiments, made.runs, made.models, made.partial, made.notes) == (2, 3, 1, True, ())
    project = opened(made)
    assert sorted(project.store.ids()) == sorted(run.id for run in runs)
    assert git("for-each-ref", "--format=%(upstream)", "refs/heads/gtrack/runs", cwd=made.path) == (
        "refs/remotes/origin/gtrack/runs"
    )
    assert git("status", "--porcelain", cwd=made.path) == ""
    assert (made.path / "train.py").stat().st_size > 10_000
    assert "gtrack.cloning" not in project.repo.config()
    assert project.registry.version("churn@1").run_id == runs[-1].id
    sizes = {one.path: one.size for one in project.artifacts(runs[-1].id)}
    assert sizes["notes.txt"] == len(b"small")
    assert [path for path, size in sizes.items() if size is None] == [*FIGURES, "model/data/model.bin"]


def test_what_lists_shows_and_compares_needs_no_remote(
    repo: Path, runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = opened(clone("repo", "here", start=tmp_path))
    repo.rename(tmp_path / "gone")
    traced = Traced(monkeypatch, tmp_path / "trace")
    found = project.index.select()
    assert len(found) == len(runs)
    for run in found:
        report(project, run)
    compare(found, [project.environment(run.id) for run in found])
    assert not verify_registry(project).errors
    project.index.refresh(rebuild=True)
    assert traced.fetches() == 0


def test_artifacts_come_together_when_they_are_asked_for(
    repo: Path, runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = opened(clone("repo", "here", start=tmp_path))
    traced = Traced(monkeypatch, tmp_path / "trace")
    write_out(project, runs[-1], choose(project, runs[-1], "figures"), tmp_path / "out")
    assert traced.fetches() == 1
    assert {path: (tmp_path / "out" / path).read_bytes() for path in FIGURES} == FIGURES
    assert project.artifact_bytes(runs[0].id, "model/data/model.bin") == b"first" * LARGE
    assert traced.fetches() == 2


def test_a_model_comes_in_one_request(
    repo: Path, runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = opened(clone("repo", "here", start=tmp_path))
    traced = Traced(monkeypatch, tmp_path / "trace")
    with model_at("models:/churn/1", lambda: project) as (directory, _):
        assert (directory / "data" / "model.bin").read_bytes() == b"third" * LARGE
    assert traced.fetches() == 1


def test_an_artifact_that_cannot_be_fetched_is_named(repo: Path, runs: list[Run], tmp_path: Path) -> None:
    project = opened(clone("repo", "here", start=tmp_path))
    repo.rename(tmp_path / "gone")
    short = runs[-1].id[:8]
    with pytest.raises(
        ArtifactError, match=rf"^figures/fold_0.png of run {short} is not in this partial clone. The remote"
    ):
        project.artifact_bytes(runs[-1].id, "figures/fold_0.png")
    with pytest.raises(
        ArtifactError, match=rf"fold_2.png of run {short} and 1 more are not in this partial clone. The rem"
    ):
        write_out(project, runs[-1], choose(project, runs[-1], None), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_long_history_that_comes_later_is_fetched_by_its_name(
    repo: Path, runs: list[Run], tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("branch", "later", "gtrack/runs")
    git("update-ref", "-d", "refs/heads/gtrack/runs")
    git("tag", "-d", "churn@v1.0.0")
    made = clone("repo", "here", start=tmp_path)
    assert made.runs == 0
    git("branch", "gtrack/runs", "later")
    git("fetch", "--quiet", cwd=made.path)
    project = opened(made)
    traced = Traced(monkeypatch, tmp_path / "trace")
    assert project.index.count() == len(runs)
    assert len(project.history(runs[-1].id).steps) > 100
    assert traced.fetches() == 1


@pytest.mark.parametrize("kind", ["filtering", "plain"])
def test_over_http(repo: Path, runs: list[Run], tmp_path: Path, git: Git, kind: str) -> None:
    git("clone", "--quiet", "--bare", str(repo), str(tmp_path / "srv" / "churn.git"))
    if kind == "filtering":
        git("config", "uploadpack.allowFilter", "true", cwd=tmp_path / "srv" / "churn.git")
    with over_http(tmp_path / "srv") as url:
        made = clone(f"{url}/churn.git", start=tmp_path)
        project = opened(made)
        assert (made.path, made.runs, made.partial) == (tmp_path / "churn", len(runs), kind == "filtering")
        assert bool(made.notes) == (kind == "plain")
        assert is_partial(project.repo) == (kind == "filtering")
        sizes = {one.size for one in project.artifacts(runs[-1].id)}
        assert (None in sizes) == (kind == "filtering")
        write_out(project, runs[-1], choose(project, runs[-1], None), tmp_path / "out")
    assert (tmp_path / "out" / "figures" / "fold_1.png").read_bytes() == FIGURES["figures/fold_1.png"]


def test_all_of_it(repo: Path, runs: list[Run], tmp_path: Path) -> None:
    made = clone(str(repo), "here", start=tmp_path, limit=None)
    repo.rename(tmp_path / "gone")
    assert not made.partial
    assert opened(made).artifact_bytes(runs[-1].id, "figures/fold_0.png") == FIGURES["figures/fold_0.png"]


def test_a_bundle(repo: Path, runs: list[Run], tmp_path: Path, git: Git) -> None:
    git("bundle", "create", str(tmp_path / "churn.bundle"), "--all")
    made = clone("churn.bundle", start=tmp_path)
    assert (made.path, made.runs, made.partial) == (tmp_path / "churn", len(runs), False)


def test_code_without_runs(repo: Path, tmp_path: Path) -> None:
    made = clone("repo", "here", start=tmp_path)
    assert (made.experiments, made.runs, made.models) == (0, 0, 0)
    assert made.notes == ("It has no branch gtrack/runs, so no runs yet.",)
    assert (made.path / "README.md").exists()


def test_nothing_at_all(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "--bare", str(tmp_path / "empty.git")], check=True)
    made = clone("empty.git", start=tmp_path)
    assert (made.path.name, made.runs) == ("empty", 0)


def test_a_head_on_the_runs_is_left_for_the_code(repo: Path, runs: list[Run], tmp_path: Path, git: Git) -> None:
    git("symbolic-ref", "HEAD", "refs/heads/gtrack/runs")
    made = clone("repo", "here", start=tmp_path)
    assert made.notes == ("Its HEAD is on the runs; main is checked out instead.",)
    assert git("symbolic-ref", "HEAD", cwd=made.path) == "refs/heads/main"
    assert git("status", "--porcelain", cwd=made.path) == ""
    assert made.runs == len(runs)
    git("branch", "--move", "main", "one")
    git("branch", "other", "one")
    made = clone("repo", "there", start=tmp_path)
    assert made.notes == ("Its HEAD is on no code: check out one of one, other.",)
    assert sorted(path.name for path in made.path.iterdir()) == [".git"]


def test_the_branch_that_the_settings_name(repo: Path, tmp_path: Path, git: Git) -> None:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text("branch: results\n")
    git("add", ".gtrack")
    git("commit", "--quiet", "--message", "Settings")
    runs = three_runs(repo)
    made = clone("repo", "here", start=tmp_path)
    assert made.runs == len(runs)
    assert git("branch", "--list", "results", cwd=made.path) == "  results"


def test_settings_that_cannot_be_read_are_told(repo: Path, runs: list[Run], tmp_path: Path, git: Git) -> None:
    (repo / ".gtrack").mkdir(exist_ok=True)
    (repo / ".gtrack" / "config.yaml").write_text("branch: [\n")
    git("add", "--force", ".gtrack/config.yaml")
    git("commit", "--quiet", "--message", "Settings")
    made = clone("repo", "here", start=tmp_path)
    assert made.runs == len(runs)
    assert made.notes[0].startswith("Its settings cannot be read, so the runs were looked for on gtrack/runs: ")
    with pytest.raises(ConfigError):
        opened(made)


def test_a_second_clone_to_the_same_place_is_refused(repo: Path, tmp_path: Path) -> None:
    clone("repo", "here", start=tmp_path)
    with pytest.raises(
        GitError, match=r"is a clone of file://.*repo already. 'gtrack -C .*here pull' brings what is new"
    ):
        clone("repo", "here", start=tmp_path)


KILLED = """
import os, signal, sys
from gtrack.ops.sharing.clone import clone
def tell(what, done, total):
    if what == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
clone(sys.argv[1], "here", tell=tell)
"""


@pytest.mark.parametrize("stage", ["Counting objects", "Receiving objects", "Reading runs into the index"])
def test_after_a_kill_the_next_clone_says_what_is_there_or_makes_it(
    repo: Path, runs: list[Run], tmp_path: Path, stage: str
) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(repo), stage], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    if stage == "Reading runs into the index":
        with pytest.raises(GitError, match=r"is a clone of .* already"):
            clone("repo", "here", start=tmp_path)
        assert Project.open(tmp_path / "here").index.count() == len(runs)
        return
    # git, whose listener is gone, may end and take away what it has made, or be done already, or be about to.
    told = runs_or_refusal(tmp_path)
    assert told == f"{len(runs)} runs" or re.search("was cut short, or still goes on|cannot be cloned", told)


def runs_or_refusal(place: Path) -> str:
    try:
        return f"{clone('repo', 'here', start=place).runs} runs"
    except GitError as error:
        return str(error)


def test_files_that_cannot_be_checked_out_leave_a_clone_with_all_of_its_history(
    repo: Path, runs: list[Run], tmp_path: Path, isolation: Path, git: Git
) -> None:
    (repo / ".gitattributes").write_text("train.py filter=broken\n")
    git("add", ".gitattributes")
    git("commit", "--quiet", "--message", "Filter")
    git("config", "--global", "filter.broken.smudge", "false")
    git("config", "--global", "filter.broken.required", "true")
    with pytest.raises(
        GitError, match=r"(?s)here has all of the history, but its files could not be checked out: .*train.py"
    ):
        clone("repo", "here", start=tmp_path)
    git("config", "--global", "--remove-section", "filter.broken")
    git("checkout", "--force", "HEAD", cwd=tmp_path / "here")
    project = Project.open(tmp_path / "here")
    assert project.index.count() == len(runs)
    assert "gtrack.cloning" not in project.repo.config()


@pytest.mark.parametrize("existed", [True, False])
def test_an_interrupt_at_the_checkout_leaves_nothing(
    repo: Path, tmp_path: Path, existed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_PROGRESS_DELAY", "0")

    def interrupt(what: str, done: int, total: int) -> None:
        if what == "Updating files":
            raise KeyboardInterrupt

    if existed:
        (tmp_path / "here").mkdir()
    with pytest.raises(KeyboardInterrupt):
        clone("repo", "here", start=tmp_path, tell=interrupt)
    assert (list((tmp_path / "here").iterdir()) == []) if existed else not (tmp_path / "here").exists()


def test_a_remote_that_lets_nobody_in_is_told_at_once(tmp_path: Path) -> None:
    class Closed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="team"')
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
            """Say nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        with pytest.raises(GitError, match=r"cannot be cloned: .*Let git keep the credentials"):
            clone(f"http://127.0.0.1:{server.server_address[1]}/churn.git", start=tmp_path)
        server.shutdown()
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_git_and_leaves_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/churn.git"
        with subprocess.Popen(
            [sys.executable, "-m", "gtrack", "clone", url], cwd=tmp_path, stderr=subprocess.PIPE
        ) as one:
            asked, _ = silent.accept()  # git has begun, and waits
            git = psutil.Process(one.pid).children(recursive=True)
            one.send_signal(signal.SIGINT)
            assert one.wait(30) == 130
        asked.close()
    assert git
    assert not [process for process in git if process.is_running()]
    assert list(tmp_path.iterdir()) == []


def test_runs_are_made_and_edited_without_the_remote(
    repo: Path, runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = clone("repo", "here", start=tmp_path)
    repo.rename(tmp_path / "gone")
    traced = Traced(monkeypatch, tmp_path / "trace")
    project = opened(made)
    new = ActiveRun.start(project, name="new")
    new.log_bytes(b"x" * LARGE, "figure.png")
    new.end("finished")
    project.store.edit(runs[-1].id, lambda head: head.update(notes="good"), "noted")
    project.store.remove(runs[0].id)
    project.store.restore(runs[0].id)
    assert project.store.run(runs[-1].id).notes == "good"
    assert project.index.count() == len(runs) + 1
    assert project.artifact_bytes(new.id, "figure.png") == b"x" * LARGE
    assert traced.fetches() == 0


def test_what_was_made_in_a_partial_clone_is_pushed(
    repo: Path, runs: list[Run], tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = opened(clone("repo", "here", start=tmp_path))
    new = ActiveRun.start(project, name="new")
    new.log_bytes(b"x" * LARGE, "figure.png")
    new.end("finished")
    project.store.edit(runs[-1].id, lambda head: head.update(notes="good"), "noted")
    traced = Traced(monkeypatch, tmp_path / "trace")
    git("push", "--quiet", "origin", "gtrack/runs", cwd=tmp_path / "here")
    assert traced.fetches() == 0
    there = Project.open(repo)
    assert there.artifact_bytes(new.id, "figure.png") == b"x" * LARGE
    assert there.artifact_bytes(runs[-1].id, "figures/fold_0.png") == FIGURES["figures/fold_0.png"]


def test_a_merge_fetches_no_artifact(
    repo: Path, runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = opened(clone("repo", "here", start=tmp_path)), Project.open(repo)
    for project, name in ((here, "ours"), (there, "theirs")):
        new = ActiveRun.start(project, name=name)
        new.log_bytes(b"x" * LARGE, "figure.png")
        new.end("finished")
    here.store.edit(runs[-1].id, lambda head: head.update(tags={"team": "red"}), "tagged")
    there.store.edit(runs[-1].id, lambda head: head.update(notes="good"), "noted")
    fetch_refs(here.repo, "origin", [f"+{here.config.ref}:refs/remotes/origin/{here.config.branch}"])
    theirs = str(here.repo.resolve(f"refs/remotes/origin/{here.config.branch}"))
    traced = Traced(monkeypatch, tmp_path / "trace")
    here.store.integrate(lambda tip: merge(here.repo, tip, theirs, here.identity(), source="origin"), "merge")
    found = here.store.run(runs[-1].id)
    assert (found.tags, found.notes) == ({"team": "red"}, "good")
    assert [one.path for one in here.artifacts(found.id)] == [one.path for one in there.artifacts(found.id)]
    assert here.index.count() == len(runs) + 2
    assert traced.fetches() == 0
