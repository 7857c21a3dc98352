"""What is made to stop or to deceive a verification is told by name, in good time, and the rest is verified."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from gtrack.ops.checks.verify_runs import verify_runs
from gtrack.ops.edit import edit_tags
from gtrack.ops.remove import remove_all
from gtrack.ops.retention.purge import purge
from gtrack.project import Project
from gtrack.store.merge.merge import merge
from tests.conftest import Git
from tests.ops.checks.conftest import BRANCH, Runs, Tamper, inside


def said(project: Project) -> list[str]:
    return [f"{one.about}: {one.text}" for one in verify_runs(project).errors]


def bomb(git: Git) -> str:
    """Write a tree that stands for ten thousand million files."""
    mode, kind, oid = "100644", "blob", git("hash-object", "-w", "--stdin", stdin="x")
    for _ in range(10):
        lines = "".join(f"{mode} {kind} {oid}\t{number}\n" for number in range(10))
        mode, kind, oid = "040000", "tree", git("mktree", stdin=lines)
    return oid


@pytest.mark.parametrize("where", ["experiments/forest/{run}/artifacts/deep", "elsewhere"])
def test_a_tree_that_stands_for_more_files_than_there_is_time_for_is_an_error(
    runs: Runs, project: Project, git: Git, where: str
) -> None:
    run = runs["plain"]
    parts = where.format(run=f"{run.id[:2]}/{run.id}").split("/")
    made = bomb(git)
    for depth in range(len(parts) - 1, -1, -1):
        there = git("ls-tree", f"{BRANCH}:{'/'.join(parts[:depth])}").splitlines()
        kept = [line for line in there if not line.endswith(f"\t{parts[depth]}")]
        made = git("mktree", stdin="\n".join([*kept, f"040000 tree {made}\t{parts[depth]}"]) + "\n")
    git("update-ref", f"refs/heads/{BRANCH}", git("commit-tree", made, "-p", BRANCH, "-m", "Boom"))
    found = verify_runs(project)
    told = [one.text for one in found.errors]
    assert any("more than" in one or "what is no run: elsewhere" in one for one in told), told
    assert found.runs == len(runs)


@pytest.mark.parametrize("kept", [5, 200])
def test_a_damaged_object_is_told_with_its_run_and_others_are_still_verified(
    runs: Runs, project: Project, git: Git, tamper: Tamper, kept: int
) -> None:
    tamper({inside(runs["large"], "params.yaml"): b"lr: [\n"})
    oid = git("rev-parse", f"{BRANCH}:{inside(runs['plain'], 'run.yaml')}")
    path = project.repo.common_dir / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:kept])
    found = said(project)
    assert any(one.startswith(f"forest/{runs['plain'].id}: run.yaml: its object {oid[:10]}") for one in found), found
    assert any("params.yaml is not valid YAML" in one for one in found), found


def test_a_directory_whose_tree_is_lost_is_an_error_and_not_passed_over(runs: Runs, project: Project, git: Git) -> None:
    oid = git("rev-parse", f"{BRANCH}:experiments/forest/{runs['plain'].id[:2]}")
    (project.repo.common_dir / "objects" / oid[:2] / oid[2:]).unlink()
    assert any(oid[:10] in one and "is not here" in one for one in said(project)), said(project)


def test_a_merge_that_writes_what_neither_side_had_is_found(
    runs: Runs, project: Project, git: Git, tamper: Tamper
) -> None:
    base = git("rev-parse", BRANCH)
    edit_tags(project, runs["plain"], {"ours": "1"})
    ours = git("rev-parse", BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", base)
    edit_tags(project, runs["plain"], {"theirs": "1"})
    merged = merge(project.repo, git("rev-parse", BRANCH), ours, project.identity(), source="box").commit
    git("update-ref", f"refs/heads/{BRANCH}", merged)
    assert said(project) == []
    head, history = (inside(runs["plain"], name) for name in ("run.yaml", "history.yaml"))
    code = git("show", f"{BRANCH}:{head}").replace(f"commit: {runs['plain'].code.commit}", f"commit: {'1' * 40}")
    rows = git("show", f"{BRANCH}:{history}").splitlines()
    evil = tamper({head: f"{code}\n".encode(), history: f"{rows[0]}\n".encode(), "stray": b"x"})
    message = git("show", "-s", "--format=%B", merged)
    made = git("commit-tree", f"{evil}^{{tree}}", "-p", f"{merged}^1", "-p", f"{merged}^2", "-m", message)
    git("update-ref", f"refs/heads/{BRANCH}", made)
    found = [one.text for one in verify_runs(project).errors if one.commit == made]
    assert any("2 rows of history.yaml" in one for one in found), found
    assert any("said of code (commit " in one for one in found), found
    assert any("touches what is no run: stray" in one for one in found), found


def test_a_branch_that_took_in_something_else_than_the_run_commit_holds_is_found(
    runs: Runs, project: Project, git: Git, tamper: Tamper
) -> None:
    tip = git("rev-parse", BRANCH)
    run_id = runs["broken"].id
    assert f"Run: {run_id}" in git("show", "-s", "--format=%B", tip)
    better = tamper({inside(runs["broken"], "metrics.yaml"): b"loss: 0.8\nf1: 1.0\n"})
    message = git("show", "-s", "--format=%B", tip)
    made = git("commit-tree", f"{better}^{{tree}}", "-p", f"{tip}^1", "-p", f"{tip}^2", "-m", message)
    git("update-ref", f"refs/heads/{BRANCH}", made)
    assert any("the branch took in something else" in one for one in said(project)), said(project)


def test_a_branch_that_was_purged_and_went_on_has_no_errors(runs: Runs, project: Project) -> None:
    edit_tags(project, runs["plain"], {"kept": "1"})
    remove_all(project, [runs["large"]])
    done = purge(project, datetime.now(timezone.utc))
    assert done is not None
    edit_tags(project, runs["plain"], {"kept": "2"})
    assert said(project) == []
    assert verify_runs(project).runs == 2
