"""What stands on the branch goes on working when two clones' branches become one: the index, run commits, restoring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gtrack.errors import FormatError, GitError, RunNotFound
from gtrack.git.objects import Change, FastImport
from gtrack.git.refs import Update, update
from gtrack.project import Project
from gtrack.records import Run
from gtrack.store.merge.merge import merge
from gtrack.store.merge.outcome import Merged
from gtrack.writer import ActiveRun
from tests.conftest import Git, Once, run_git
from tests.store.merge.conftest import ANA


def two_clones(repo: Path) -> list[Run]:
    """Make two clones beside each other below ``repo``, each with a run of its own and one that both know."""
    project = Project.open(repo)
    runs = [_run(project, "known")]
    (repo / "clone").mkdir()
    run_git("clone", "--quiet", "--branch", "main", f"file://{repo}", str(repo / "clone"), cwd=repo)
    run_git("branch", "gtrack/runs", "origin/gtrack/runs", cwd=repo / "clone")
    other = Project.open(repo / "clone")
    runs += [_run(other, "theirs"), _run(project, "ours")]
    project.close()
    other.close()
    return runs


def _run(project: Project, name: str, experiment: str = "default") -> Run:
    active = ActiveRun.start(project, name=name, experiment=experiment)
    active.log_metrics({"f1": 0.5})
    return active.end()


@pytest.fixture
def runs(once: Once) -> list[Run]:
    return once(two_clones)


@pytest.fixture
def ours(repo: Path, runs: list[Run]) -> Iterator[Project]:
    project = Project.open(repo)
    yield project
    project.close()


@pytest.fixture
def theirs(repo: Path, runs: list[Run]) -> Iterator[Project]:
    run_git("remote", "set-url", "origin", f"file://{repo}", cwd=repo / "clone")
    project = Project.open(repo / "clone")
    yield project
    project.close()


Pull = Callable[[], Merged]


@pytest.fixture
def pull(ours: Project, theirs: Project, git: Git) -> Pull:
    """Return a function that merges what the clone has."""

    def take() -> Merged:
        git("fetch", "--quiet", str(theirs.repo.root), "+refs/heads/gtrack/runs:refs/remotes/there/gtrack/runs")
        tip = str(ours.repo.resolve("refs/remotes/there/gtrack/runs"))
        return ours.store.integrate(lambda mine: merge(ours.repo, mine, tip, ANA, source="there"), "pull")

    return take


def test_the_branch_has_the_runs_of_both_and_one_code_commit(ours: Project, pull: Pull, runs: list[Run]) -> None:
    found = pull()
    assert found.taken == (runs[1].id,)
    assert {run.name for run in ours.store.runs()} == {"known", "theirs", "ours"}
    assert ours.store.tip() == found.commit
    assert pull().commit == found.commit


def test_every_run_has_its_run_commit(ours: Project, theirs: Project, pull: Pull, runs: list[Run], git: Git) -> None:
    wanted = [project.store.run_commit(run.id) for project, run in zip((ours, theirs, ours), runs, strict=True)]
    pull()
    assert [ours.store.run_commit(run.id) for run in runs] == wanted
    for run in runs:
        ours.store.edit(run.id, lambda head: head.update(notes="more"), "is noted")
    assert [ours.store.run_commit(run.id) for run in runs] == wanted
    git("commit", "--quiet", "--allow-empty", "--message", f"Code that quotes\n\nRun: {runs[0].id}\nExperiment: x")
    _run(ours, "newest")
    assert [ours.store.run_commit(run.id) for run in runs] == wanted


def test_a_run_that_was_made_and_removed_in_the_other_clone_can_be_restored(
    ours: Project, theirs: Project, pull: Pull, runs: list[Run]
) -> None:
    theirs.store.edit(runs[1].id, lambda head: head.update(notes="kept"), "is noted")
    theirs.store.remove(runs[1].id)
    theirs.store.remove(runs[0].id)
    found = pull()
    assert found.taken == (runs[0].id,)
    assert {run.name for run in ours.store.runs()} == {"ours"}
    assert ours.store.run_commit(runs[1].id) is not None
    assert ours.store.restore(runs[1].id).notes == "kept"
    assert ours.store.restore(runs[0].id).name == "known"
    with pytest.raises(RunNotFound):
        ours.store.restore("0" * 32)


def test_an_experiment_that_was_made_and_removed_in_the_other_clone_can_be_restored(
    ours: Project, theirs: Project, pull: Pull
) -> None:
    made = _run(theirs, "one", "elsewhere")
    theirs.store.remove_experiment("elsewhere")
    pull()
    assert ours.store.restore_experiment("elsewhere").name == "elsewhere"
    assert ours.store.run(made.id).name == "one"


def test_what_no_run_may_hold_is_not_restored(ours: Project, runs: list[Run], git: Git) -> None:
    link = git("hash-object", "-w", "--stdin", stdin="/etc/passwd")
    place = f"experiments/default/{runs[0].id[:2]}/{runs[0].id}"
    with FastImport(ours.repo) as stream:
        bad = stream.commit([str(ours.store.tip())], [Change(f"{place}/artifacts/x", link, "120000")], "x\n", ANA, 0)
        gone = stream.commit([bad], [Change(place, None)], "x\n", ANA, 0)
    update(ours.repo, [Update("refs/heads/gtrack/runs", stream.oids[gone])], ANA, "test")
    with pytest.raises(FormatError, match="it is not restored"):
        ours.store.restore(runs[0].id)


def test_the_index_follows_a_merge_and_a_branch_that_was_moved_elsewhere(
    ours: Project, theirs: Project, pull: Pull, runs: list[Run]
) -> None:
    def indexed() -> set[tuple[str, str | None]]:
        return {(run.name, run.notes) for run in ours.index.by_ids(ours.index.ids())}

    assert indexed() == {("known", None), ("ours", None)}
    before = str(ours.store.tip())
    theirs.store.edit(runs[0].id, lambda head: head.update(notes="theirs"), "is noted")
    pull()
    assert indexed() == {("known", "theirs"), ("ours", None), ("theirs", None)}
    elsewhere = str(ours.repo.resolve("refs/remotes/there/gtrack/runs"))
    update(ours.repo, [Update("refs/heads/gtrack/runs", elsewhere)], ANA, "test")
    assert indexed() == {("known", "theirs"), ("theirs", None)}
    update(ours.repo, [Update("refs/heads/gtrack/runs", before)], ANA, "test")
    assert indexed() == {("known", None), ("ours", None)}


def test_a_branch_that_moves_meanwhile_is_merged_again(ours: Project, theirs: Project, git: Git) -> None:
    git("fetch", "--quiet", str(theirs.repo.root), "refs/heads/gtrack/runs:refs/remotes/there/gtrack/runs")
    tip = str(ours.repo.resolve("refs/remotes/there/gtrack/runs"))
    tried: list[str | None] = []

    def build(mine: str | None) -> Merged:
        merged = merge(ours.repo, mine, tip, ANA, source="there")
        if not tried:
            with FastImport(ours.repo) as stream:
                mark = stream.commit([str(mine)], [], "another writer\n", ANA, 0)
            update(ours.repo, [Update("refs/heads/gtrack/runs", stream.oids[mark])], ANA, "test")
        tried.append(mine)
        return merged

    found = ours.store.integrate(build, "pull")
    assert len(tried) == 2
    assert git("log", "-1", "--format=%s", f"{found.commit}^1") == "another writer"
    assert ours.store.tip() == found.commit


def test_what_fails_leaves_the_branch_where_it_was(ours: Project) -> None:
    before = ours.store.tip()

    def build(_: str | None) -> Merged:
        return merge(ours.repo, str(before), "0" * 40, ANA, source="there")

    with pytest.raises(GitError):
        ours.store.integrate(build, "pull")
    assert ours.store.tip() == before


@pytest.mark.parametrize("depth", [1, 2])
def test_a_shallow_clone_loses_nothing(
    ours: Project, theirs: Project, runs: list[Run], tmp_path: Path, depth: int
) -> None:
    url = f"file://{ours.repo.root}"
    place = tmp_path / "shallow"
    run_git("clone", "--quiet", f"--depth={depth}", "--branch", "gtrack/runs", url, str(place), cwd=tmp_path)
    run_git("checkout", "--quiet", "--detach", cwd=place)
    shallow = Project.open(place)
    _run(shallow, "shallow")
    run_git("fetch", "--quiet", str(theirs.repo.root), "refs/heads/gtrack/runs:refs/heads/there", cwd=place)
    tip = str(shallow.repo.resolve("refs/heads/there"))
    found = shallow.store.integrate(lambda mine: merge(shallow.repo, mine, tip, ANA, source="there"), "pull")
    assert {run.name for run in shallow.store.runs()} == {"known", "theirs", "ours", "shallow"}
    assert found.conflicts == ()
    shallow.close()
