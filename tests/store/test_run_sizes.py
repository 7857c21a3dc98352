"""How many bytes runs take, and how many of them they alone."""

from __future__ import annotations

from pathlib import Path

from gtrack.project import Project
from gtrack.records import Run
from gtrack.store.run_sizes import Bytes, RunSizes
from tests.clones import partial_clone, three_runs
from tests.conftest import Git, Once


def size_by_git(git: Git, run: Run) -> int:
    place = f"experiments/{run.experiment}/{run.id[:2]}/{run.id}"
    lines = git("ls-tree", "-r", "-l", "gtrack/runs", f"{place}/").splitlines()
    return sum(int(line.split()[3]) for line in lines)


def test_a_run_takes_what_git_says_its_files_have(once: Once, repo: Path, git: Git) -> None:
    runs = once(three_runs)
    project = Project.open(repo)
    sizes = RunSizes(project.repo, project.store.tip())
    assert [sizes.of(run.id).total for run in runs] == [size_by_git(git, run) for run in runs]
    assert [sizes.of(run.id).artifacts for run in runs] == [
        sum(artifact.size or 0 for artifact in project.artifacts(run.id)) for run in runs
    ]
    assert sizes.unknown == 0
    assert sizes.of("0" * 32) == Bytes()
    assert RunSizes(project.repo, None).alone([run.id for run in runs]) == Bytes()


def test_alone_is_what_goes_when_all_that_have_it_go(once: Once, repo: Path) -> None:
    runs = once(three_runs)
    project = Project.open(repo)
    sizes = RunSizes(project.repo, project.store.tip())
    ids = [run.id for run in runs]
    each = [sizes.alone([run_id]) for run_id in ids]
    together = sizes.alone(ids)
    shared = len(b"small") + len(project.store.artifact_bytes(ids[0], "model/MLmodel"))
    assert together.artifacts == sum(one.artifacts for one in each) + shared
    assert together.metadata > sum(one.metadata for one in each)  # the environment
    assert sizes.alone([*ids, *ids]) == together


def test_in_a_partial_clone_what_is_not_here_is_counted_as_unknown_and_not_fetched(
    once: Once, repo: Path, tmp_path: Path
) -> None:
    runs = once(three_runs)
    clone = partial_clone(repo, tmp_path / "clone")
    tip = clone.resolve("refs/remotes/origin/gtrack/runs")
    for _ in range(2):
        sizes = RunSizes(clone, tip)
        assert sizes.unknown >= 6  # three models and three figures
        assert 0 < sizes.of(runs[0].id).total < 30_000
