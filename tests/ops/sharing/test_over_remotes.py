"""What holds for every remote: a path, http with a password, ssh with a key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import ArtifactError, GitError
from gtrack.git import remotes
from gtrack.ops.server.init import initialise_server
from gtrack.ops.sharing.clone import clone
from gtrack.ops.sharing.pull import pull, take
from gtrack.ops.sharing.push import push
from gtrack.ops.sharing.remote_branch import look
from gtrack.project import Project
from gtrack.writer import ActiveRun
from tests.conftest import run_git
from tests.ops.sharing.conftest import Served, remember_password
from tests.ops.sharing.people import Person
from tests.remotes.lighttpd import PASSWORDS


@pytest.mark.slow
def test_two_who_both_ran_end_with_the_same_runs(repo: Path, remote_url: str, tmp_path: Path) -> None:
    run_git("remote", "add", "origin", remote_url, cwd=repo)
    ana = Person(repo)
    ana.runs("one", "two")
    ana.project.registry.register("churn", ana.project.resolve("one").id)
    pushed = push(ana.project)
    assert (pushed.runs.added, pushed.tags.versions) == (2, 1)

    ben = ana.colleague("Ben", remote_url, tmp_path / "ben")
    ben.runs("three")
    ana.runs("four")
    push(ana.project)
    pulled = push(ben.project).pulled
    assert pulled is not None
    assert pulled.taken is not None
    assert pulled.taken.merged
    pull(ana.project)
    assert ana.names() == ben.names() == {"one", "two", "three", "four"}
    assert ana.tree() == ben.tree()
    assert [model.name for model in ben.project.registry.models()] == ["churn"]


@pytest.mark.slow
def test_a_clone_has_the_runs_at_once_and_their_artifacts_when_they_are_asked_for(
    repo: Path, remote_url: str, tmp_path: Path
) -> None:
    run_git("remote", "add", "origin", remote_url, cwd=repo)
    ana = Person(repo)
    run = ActiveRun.start(ana.project)
    run.log_bytes(b"weights" * 5000, "model/weights.bin")
    run.end("finished")
    push(ana.project)
    made = clone(remote_url, "here", start=tmp_path)
    assert (made.runs, made.partial) == (1, True)
    ben = Person(tmp_path / "here")
    assert [one.size for one in ben.project.artifacts(run.id)] == [None]
    assert ben.project.artifact_bytes(run.id, "model/weights.bin") == b"weights" * 5000


@pytest.mark.slow
def test_a_server_that_gives_no_single_files_out_is_told_what_to_allow(
    served: Served, repo: Path, first_commit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An sshd as it is installed keeps git's newer protocol, which asks for no such leave, from git."""
    monkeypatch.setenv("GIT_SSH_COMMAND", served.ssh.command)
    place = served.root / f"{tmp_path.name}.git"
    run_git("clone", "--quiet", "--bare", str(first_commit), str(place), cwd=tmp_path)
    run_git("config", "uploadpack.allowFilter", "true", cwd=place)
    run_git("remote", "add", "origin", f"{served.ssh.url}{place}", cwd=repo)
    run = ActiveRun.start(Project.open(repo))
    run.log_bytes(b"weights" * 5000, "model/weights.bin")
    run.end("finished")
    push(Project.open(repo))
    clone(f"{served.ssh.url}{place}", "here", start=tmp_path)
    with pytest.raises(ArtifactError, match=r"model/weights\.bin .* git config uploadpack\.allowAnySHA1InWant true"):
        Project.open(tmp_path / "here").artifact_bytes(run.id, "model/weights.bin")


@pytest.mark.slow
def test_who_may_only_read_is_told_so(served: Served, repo: Path, first_commit: Path, tmp_path: Path) -> None:
    place = served.root / f"{tmp_path.name}.git"
    run_git("clone", "--quiet", "--bare", str(first_commit), str(place), cwd=tmp_path)
    url = f"{served.http.format(who='ben')}/{place.name}"
    remember_password(url, "ben", PASSWORDS["ben"])
    run_git("remote", "add", "origin", url, cwd=repo)
    ben = Person(repo)
    ben.runs("one")
    assert pull(ben.project).has_runs is False
    with pytest.raises(
        GitError, match=r"The remote origin cannot be pushed to: .* you are not one of those who may push there"
    ) as error:
        push(ben.project)
    assert PASSWORDS["ben"] not in str(error.value)
    assert run_git("for-each-ref", "refs/heads/gtrack", cwd=place) == ""


def test_no_message_shows_the_password_of_a_url(served: Served, repo: Path) -> None:
    url = f"{served.http.format(who='ana:not-the-password')}/x.git"
    for remote in (url, "origin"):
        if remote == "origin":
            run_git("remote", "add", "origin", url, cwd=repo)
        with pytest.raises(GitError, match="cannot be asked") as error:
            pull(Person(repo).project, remote)
        assert "not-the-password" not in str(error.value)


def cut(place: Path, size: int, then: str) -> str:
    """Return an ssh that gives so many bytes of what the other side says."""
    script = place / "ssh"
    script.write_text(
        f'#!/bin/sh\nfor last; do :; done\nsh -c "$last" | {{ dd bs=1 count={size} 2>/dev/null; {then}; }}\n'
    )
    script.chmod(0o755)
    return str(script)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("then", "said"), [("exit 1", "cannot be fetched from"), ("sleep 600", "no answer within 1 s")]
)
def test_a_network_that_drops_or_falls_silent_in_the_middle(
    ana: Person, ben: Person, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str, said: str
) -> None:
    ana.runs("one")
    push(ana.project)
    ben.runs("two")
    mine = ben.git("rev-parse", "gtrack/runs")
    monkeypatch.setattr(remotes, "_MOVE_SECONDS", 1.0)
    branch = look(ben.project, "origin")
    ben.git("remote", "set-url", "origin", f"ssh://nowhere{bare}")
    monkeypatch.setenv("GIT_SSH_COMMAND", cut(tmp_path, 1500, then))
    with pytest.raises(GitError, match=said):
        take(ben.project, branch, lambda *_: None)
    assert ben.git("rev-parse", "gtrack/runs") == mine
    ben.git("remote", "set-url", "origin", str(bare))
    push(ben.project)
    assert ben.names() == {"one", "two"}
    assert run_git("rev-parse", "gtrack/runs", cwd=bare) == ben.git("rev-parse", "gtrack/runs")


@pytest.mark.slow
def test_a_server_with_the_hook_takes_merges(repo: Path, ana: Person, ben: Person, bare: Path) -> None:
    initialise_server(bare)
    [one] = ana.runs("one")
    ben.runs("two")
    ana.project.registry.register("churn", one.id)
    assert push(ana.project).tags.problems == ()
    pushed = push(ben.project)
    assert pushed.pulled is not None
    assert pushed.pulled.taken is not None
    assert pushed.pulled.taken.merged
    assert run_git("tag", cwd=bare) == "churn@v1.0.0"
    settings = run_git("config", "--list", cwd=bare).splitlines()
    assert {"uploadpack.allowfilter=true", "uploadpack.allowanysha1inwant=true"} <= set(settings)


def test_large_artifacts_go_before_the_branch_and_only_once(ana: Person, bare: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (ana.root / ".gtrack").mkdir(exist_ok=True)
    (ana.root / ".gtrack" / "config.yaml").write_text(f"artifacts: {{lfs: ['*.bin'], remote: 'file://{store}'}}\n")
    person = Person(ana.root)
    person.runs("one")
    hook = bare / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nfind {store} -type f | wc -l > {tmp_path}/there\n")
    hook.chmod(0o755)
    pushed = push(person.project)
    assert (pushed.large, pushed.large_bytes, pushed.lacking) == (1, 3, ())
    assert (tmp_path / "there").read_text().strip() == "1"
    other = person.colleague("Ben", bare, tmp_path / "ben")
    person.runs("two")
    assert push(person.project).large == 1
    pulled = pull(other.project)
    assert (pulled.large, pulled.large_bytes) == (1, 3)
