"""Runs on the branch: what is written is read again, edits are commits of their own, damage is told, never fatal."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from gtrack.config import Config
from gtrack.errors import ArtifactError, ArtifactNotFound, CommitFailed, FormatError, GitError, RunNotFound
from gtrack.formats.names import run_path
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.git.refs import Update, update
from gtrack.project import Project
from gtrack.records import Experiment, Status
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.store.conftest import Make

ANA = Identity("Ana", "ana@example.org")
REF = "refs/heads/gtrack/runs"


def put(project: Project, path: str, data: bytes | None, mode: str = "100644") -> None:
    """Change the branch behind gtrack's back."""
    tip = project.repo.resolve(REF)
    assert tip
    with FastImport(project.repo) as stream:
        change = Change(path, None if data is None else stream.blob(data), mode)
        mark = stream.commit([tip], [change], "By hand", ANA, 1)
    update(project.repo, [Update(REF, stream.oids[mark])], ANA, "by hand")


def fsck(root: Path) -> str:
    done = subprocess.run(
        ["git", "fsck", "--full", "--strict", "--no-dangling", "--no-progress"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_no_branch_yet(project: Project) -> None:
    assert project.store.ids() == []
    assert project.store.runs() == []
    assert project.store.newest(5) == []
    assert project.store.experiments() == []
    with pytest.raises(RunNotFound, match="'gtrack ls' lists the runs"):
        project.store.run("0" * 32)


def test_read_as_written(project: Project, make: Make) -> None:
    run = make("one", "exp", {"f1": 0.5}, {"a/b.txt": b"text"}, tags={"k": "v"}, notes="line\nline")
    again = project.store.run(run.id)
    assert again == replace(run, live=False)
    assert project.store.artifact_bytes(run.id, "a/b.txt") == b"text"
    assert project.store.runs([run.id, "f" * 32]) == [again]


@pytest.mark.parametrize(
    "name", ["a/b", "..", "CON", ".git", "a%2Fb", "ä 猫 🎉", "-x", "x" * 200, "a\\b", "*?", "trailing."]
)
def test_experiment_names(project: Project, make: Make, name: str) -> None:
    run = make("one", name, artifacts={"f": b"x"})
    other = make("two", "plain")
    assert project.store.run(run.id).experiment == name
    assert project.store.artifact_bytes(run.id, "f") == b"x"
    assert [one.id for one in project.store.newest(None, name)] == [run.id]
    assert {one.name for one in project.store.experiments()} == {name, "plain"}
    assert project.store.edit(run.id, lambda head: head.update(notes="n"), "note").notes == "n"
    assert sorted(project.store.ids()) == sorted([run.id, other.id])
    assert fsck(project.repo.root or Path()) == ""


def test_newest(project: Project, make: Make) -> None:
    made = [make(str(number), "ab"[number % 2]).id for number in range(5)]
    assert [run.id for run in project.store.newest(None)] == made[::-1]
    assert [run.id for run in project.store.newest(2)] == made[:2:-1]
    assert [run.id for run in project.store.newest(None, "b")] == [made[3], made[1]]
    assert project.store.newest(None, "c") == []
    project.store.edit(made[2], lambda head: head.update(status="failed"), "by hand")
    assert [run.id for run in project.store.newest(None, statuses=["failed"])] == [made[2]]


def test_branch_of_another_name(repo: Path, git: Git) -> None:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text("branch: my/ä-runs\n")
    project = Project.open(repo)
    run = ActiveRun.start(project, name="one").end()
    assert project.store.ids() == [run.id]
    assert git("for-each-ref", "--format=%(refname)", "refs/heads") == "refs/heads/main\nrefs/heads/my/ä-runs"


# Edits


def test_edit_is_one_commit_that_changes_one_file(project: Project, git: Git, make: Make) -> None:
    run = make(tags={"old": "1"})
    tip = git("rev-parse", REF)
    edited = project.store.edit(run.id, lambda head: head["tags"].update(new="2"), "tag new=2")
    assert edited.tags == {"old": "1", "new": "2"}
    assert git("rev-parse", f"{REF}^@") == tip
    assert git("diff", "--name-only", f"{REF}^", REF) == f"{run_path('default', run.id)}/run.yaml"
    message = f"default: one tag new=2\n\nRun: {run.id}\nExperiment: default\n"
    assert git("show", "--no-patch", "--format=%B", REF) == message
    assert replace(edited, tags=run.tags) == replace(run, live=False)
    assert fsck(project.repo.root or Path()) == ""


def test_edit_keeps_what_a_newer_gtrack_wrote(project: Project, make: Make) -> None:
    run = make()
    path = f"{run_path('default', run.id)}/run.yaml"
    head = project.store.file(run.id, "run.yaml") or b""
    put(project, path, head + b"future:\n  deep: [1, 2.5e-07, null]\n")
    project.store.edit(run.id, lambda head: head.update(notes="n"), "note")
    assert project.store.head(run.id)["future"] == {"deep": [1, 2.5e-07, None]}
    assert project.store.run(run.id).started == run.started


def test_edit_that_fails_writes_nothing(project: Project, git: Git, make: Make) -> None:
    run = make()
    tip = git("rev-parse", REF)

    def refuse(head: dict[str, object]) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        project.store.edit(run.id, refuse, "x")
    with pytest.raises(RunNotFound):
        project.store.edit("f" * 32, lambda head: head.clear(), "x")
    assert git("rev-parse", REF) == tip
    assert project.store.edit(run.id, lambda head: head.update(notes="after"), "note").notes == "after"


# Experiments


def test_experiment_is_described_by_the_runs_that_say_something(project: Project, make: Make) -> None:
    first = make("one", "exp")
    described = project.store.experiment("exp")
    assert (described.name, described.created, described.purpose) == ("exp", first.started, None)
    make("two", "exp", about=Experiment("exp", purpose="why", tags={"a": "1"}))
    make("three", "exp", about=Experiment("exp", tags={"b": "2"}))
    make("four", "exp")
    described = project.store.experiment("exp")
    assert (described.created, described.purpose, described.tags) == (first.started, "why", {"a": "1", "b": "2"})
    assert project.store.experiment("unknown") == Experiment("unknown")


def test_resumed_run_moves_with_its_experiment(project: Project, git: Git, make: Make) -> None:
    run = make("one", "before", artifacts={"kept": b"kept"})
    active = ActiveRun.resume(project, run.id)
    active.move("after")
    active.log_bytes(b"more", "added")
    active.end()
    assert project.store.ids() == [run.id]
    assert project.store.run(run.id).experiment == "after"
    assert [one.path for one in project.store.artifacts(run.id)] == ["added", "kept"]
    assert "experiments/before/experiment.yaml" in git("ls-tree", "-r", "--name-only", REF)
    assert fsck(project.repo.root or Path()) == ""


# Large files


@pytest.fixture
def small_limit(repo: Path) -> Project:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text("artifacts:\n  lfs_above_mb: 0.001\n")
    return Project.open(repo)


def test_large_artifact_is_a_pointer_and_an_object(small_limit: Project, git: Git) -> None:
    big, edge, small = b"b" * 5000, b"e" * 1049, b"s" * 1048
    active = ActiveRun.start(small_limit)
    for path, data in (("models/big model.bin", big), ("edge", edge), ("small", small)):
        active.log_bytes(data, path)
    run = active.end()
    place = f"{REF}:{run_path('default', run.id)}/artifacts"
    digest = sha256(big).hexdigest()
    assert git("show", f"{place}/models/big model.bin") == (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 5000"
    )
    assert git("show", f"{place}/small") == small.decode()
    assert git("show", f"{place}/.gitattributes").splitlines() == [
        '"/edge" filter=lfs diff=lfs merge=lfs -text',
        '"/models/big model.bin" filter=lfs diff=lfs merge=lfs -text',
    ]
    found = {one.path: (one.size, one.lfs) for one in small_limit.store.artifacts(run.id)}
    assert found == {"edge": (1049, True), "models/big model.bin": (5000, True), "small": (1048, False)}
    for path, data in (("models/big model.bin", big), ("edge", edge), ("small", small)):
        assert small_limit.store.artifact_bytes(run.id, path) == data
    assert fsck(small_limit.repo.root or Path()) == ""


def test_large_artifact_whose_content_is_elsewhere(small_limit: Project, repo: Path) -> None:
    active = ActiveRun.start(small_limit)
    active.log_bytes(b"b" * 5000, "big")
    run = active.end()
    digest = sha256(b"b" * 5000).hexdigest()
    (repo / ".git" / "lfs" / "objects" / digest[:2] / digest[2:4] / digest).unlink()
    with pytest.raises(
        ArtifactError, match=rf"of big of run .*\(5000 bytes, sha256 {digest}\) is not to be had.*\n  .*lfs \(not"
    ):
        small_limit.store.artifact_bytes(run.id, "big")


def test_text_that_looks_like_a_pointer_is_text(small_limit: Project) -> None:
    fake = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"
    active = ActiveRun.start(small_limit)
    active.log_bytes(fake, "fake")
    run = active.end()
    assert small_limit.store.artifact_bytes(run.id, "fake") == fake
    assert [one.lfs for one in small_limit.store.artifacts(run.id)] == [False]


def test_resumed_run_keeps_and_replaces_large_artifacts(small_limit: Project, git: Git) -> None:
    active = ActiveRun.start(small_limit)
    for path in ("kept", "shrinks", "same"):
        active.log_bytes(path.encode() * 1000, path)
    active.log_bytes(b"small", "grows")
    run = active.end()
    resumed = ActiveRun.resume(small_limit, run.id)
    resumed.log_bytes(b"small", "shrinks")
    resumed.log_bytes(b"grown" * 1000, "grows")
    resumed.log_bytes(b"same" * 1000, "same")
    resumed.end()
    store = small_limit.store
    assert {one.path: (one.size, one.lfs) for one in store.artifacts(run.id)} == {
        "grows": (5000, True),
        "kept": (4000, True),
        "same": (4000, True),
        "shrinks": (5, False),
    }
    assert store.artifact_bytes(run.id, "shrinks") == b"small"
    assert store.artifact_bytes(run.id, "kept") == b"kept" * 1000
    lines = git("show", f"{REF}:{run_path('default', run.id)}/artifacts/.gitattributes")
    assert "shrinks" not in lines  # git-lfs complains of a file that is no pointer
    run_commit = git("log", "-1", "--format=%P", REF).split()[1]
    place = run_path("default", run.id)
    assert git("rev-parse", f"{run_commit}:{place}") == git("rev-parse", f"{REF}:{place}")
    assert fsck(small_limit.repo.root or Path()) == ""


def test_unknown_artifact(project: Project, make: Make) -> None:
    run = make(artifacts={"figures/roc.png": b"x"})
    with pytest.raises(ArtifactNotFound, match=r"Did you mean 'figures/roc\.png'\?"):
        project.store.artifact_bytes(run.id, "figures/rok.png")


# Commits that cannot be made


def test_code_commit_that_is_gone(project: Project, git: Git, make: Make) -> None:
    """The run is kept all the same: it has no parent then."""
    run = make()
    lost = replace(run, id="f" * 32, code=replace(run.code, commit="0123" * 10))
    live = project.live.create(lost)
    project.store.commit(live, live.finish(Status.FINISHED, run.ended, None, None))
    live.remove()
    assert git("rev-parse", f"{REF}^2^@") == ""
    assert project.store.run("f" * 32).code.commit == "0123" * 10


def test_failure_names_the_directory_and_the_way_out(project: Project, git: Git) -> None:
    git("branch", "gtrack")
    active = ActiveRun.start(project, name="stuck")
    with pytest.raises(CommitFailed) as caught:
        active.end()
    said = str(caught.value)
    assert said.startswith(f"Run stuck ({active.id[:8]}) is complete but could not be committed to gtrack/runs: ")
    assert said.endswith(f"it stays in {active.directory}. When that is mended, 'gtrack recover' commits it.")
    assert not active.live.is_alive()
    (found,) = project.recover()
    assert isinstance(found.error, CommitFailed)
    git("branch", "--delete", "gtrack")
    assert [(one.run.id, one.run.status, one.error) for one in project.recover()] == [
        (active.id, Status.FINISHED, None)
    ]
    assert project.recover() == []


def test_died_between_commit_and_removal(project: Project, git: Git, make: Make) -> None:
    run = make("one")
    tip = git("rev-parse", REF)
    live = project.live.create(replace(run, live=True))
    live.write("run.yaml", project.store.file(run.id, "run.yaml") or b"")
    live.release()
    assert [(one.run.id, one.error) for one in project.recover()] == [(run.id, None)]
    assert git("rev-parse", REF) == tip
    assert project.live.directories() == []


# What others wrote


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0", b"a: [", b"- 1\n", b"&a [*a]\n", b"x: " + b"[" * 5000])
@pytest.mark.parametrize("name", ["run.yaml", "params.yaml", "metrics.yaml", "inputs.yaml"])
def test_damaged_file_spoils_only_itself(project: Project, make: Make, name: str, content: bytes) -> None:
    run, other = make("one", metrics={"f1": 0.5}), make("two")
    put(project, f"{run_path('default', run.id)}/{name}", content)
    found = {one.id: one for one in project.store.runs()}
    assert found[other.id] == replace(other, live=False)
    assert found[run.id].id == run.id
    if content or name == "run.yaml":
        assert any(name in problem for problem in found[run.id].problems) or (name == "run.yaml" and not content)
    if name != "run.yaml":
        assert found[run.id].name == "one"
    if name != "metrics.yaml":
        assert found[run.id].metrics == {"f1": 0.5}
    assert project.resolve(run.id[:8]).id == run.id
    assert len(project.store.newest(None)) == 2


@pytest.mark.parametrize("content", [b"", b"a: ["])
def test_edit_of_a_damaged_head_is_refused(project: Project, make: Make, content: bytes) -> None:
    run = make()
    put(project, f"{run_path('default', run.id)}/run.yaml", content)
    with pytest.raises(FormatError, match=r"run\.yaml"):
        project.store.edit(run.id, lambda head: head.update(notes="n"), "note")
    assert project.store.file(run.id, "run.yaml") == content


def test_strange_entries_are_passed_over(project: Project, make: Make) -> None:
    run = make("one", artifacts={"a": b"a"})
    place = run_path("default", run.id)
    for path in (
        "README",
        "experiments/file",
        "experiments/default/zz",
        f"experiments/default/ab/{'z' * 32}/run.yaml",
        "experiments/default/abc/x",
        "experiments/latin-\udce9/00/x",
        f"experiments/default/{run.id[:2]}/not-a-run",
    ):
        put(project, path, b"x")
    put(project, f"{place}/artifacts/link", b"/etc/passwd", "120000")
    put(project, f"{place}/artifacts/back\\slash", b"x")
    put(project, f"{place}/artifacts/C:drive", b"x")
    put(project, f"{place}/params.yaml", b"../../../README", "120000")
    assert project.store.ids() == [run.id]
    found = project.resolve(run.id)
    assert (found.name, found.params) == ("one", {})
    assert [one.path for one in project.store.artifacts(run.id)] == ["a"]
    with pytest.raises(ArtifactNotFound):
        project.store.artifact_bytes(run.id, "link")
    assert make("two").name == "two"


def test_branch_that_is_no_runs_branch(repo: Path, git: Git) -> None:
    git("branch", "gtrack/runs")
    project = Project.open(repo)
    assert project.store.runs() == []
    run = ActiveRun.start(project, name="one").end()
    assert project.store.ids() == [run.id]
    assert git("show", f"{REF}:README.md") == "A project under test."


def test_git_that_refuses(project: Project, make: Make, git: Git) -> None:
    """`receive.denyX` and hooks are not for us; a ref that cannot be is an error that says so."""
    run = make()
    store = type(project.store)(project.repo, Config(branch="main/below"), project.identity)
    with pytest.raises(CommitFailed, match="could not be committed to main/below"):
        store.commit(project.live.create(replace(run, id="e" * 32)), replace(run, id="e" * 32))
    with pytest.raises((GitError, RunNotFound)):
        store.edit(run.id, lambda head: head.update(notes="n"), "note")


def test_a_name_of_a_stranger_forges_no_trailer(project: Project, make: Make, git: Git) -> None:
    run = make("one", "exp")
    place = f"{run_path('exp', run.id)}/run.yaml"
    forged = (project.store.file(run.id, "run.yaml") or b"").replace(
        b"name: one", b'name: "one\\n\\nPurged: ' + b"0" * 32 + b'\\n"'
    )
    put(project, place, forged)
    project.store.edit(run.id, lambda head: head.update(notes="x"), "noted")
    project.store.remove(run.id)
    project.store.restore(run.id)
    messages = git("log", "-3", "--format=%B", "--first-parent", REF)
    assert messages.count("Purged: 0") == 3
    assert "\nPurged: 0" not in messages
