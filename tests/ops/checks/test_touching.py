"""The commits that have to do with one run: git finds all that reading every commit finds, in the same order."""

from __future__ import annotations

import pytest

from gtrack.formats.names import run_path
from gtrack.git.objects import Change, FastImport
from gtrack.ops.checks import touching as module
from gtrack.ops.checks.audit import Deed, Wanted, audit
from gtrack.ops.checks.touching import touching
from gtrack.ops.checks.walk import walk, with_changes
from gtrack.ops.edit import edit_notes, edit_tags
from gtrack.ops.remove import remove_all, restore_run
from gtrack.project import Project
from gtrack.store.merge.merge import merge
from tests.conftest import Git, run_git
from tests.ops.checks.conftest import BRANCH, Runs, Tamper, inside

OTHERS = [f"{number:02x}{number:030x}" for number in range(160, 200)]


@pytest.fixture
def history(runs: Runs, project: Project, git: Git, tamper: Tamper) -> str:
    """Return the tip of a branch with all that can be in its way.

    Lines that were merged both ways, a copy of a run in an experiment that came and went, and runs of other shards.
    """
    plain, large, broken = (runs[name] for name in ("plain", "large", "broken"))
    copy = f"experiments/ghost/{plain.id[:2]}/{plain.id}/notes.txt"
    tamper({copy: b"boo\n"})
    tamper({copy: None, inside(plain, "artifacts/late.txt"): b"late\n"})
    base = git("rev-parse", BRANCH)
    edit_notes(project, plain, "Ours.")
    ours = git("rev-parse", BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", base)
    edit_notes(project, plain, "Theirs.")
    edit_tags(project, large, {"theirs": "1"})
    for one in range(2):  # one line takes in the other, goes on, and is taken in
        merged = merge(project.repo, git("rev-parse", BRANCH), ours, project.identity(), source=f"box {one}").commit
        git("update-ref", f"refs/heads/{BRANCH}", merged)
        edit_tags(project, broken, {"round": str(one)})
        theirs = merge(project.repo, ours, merged, project.identity(), source="here").commit
        with FastImport(project.repo) as stream:
            blob = stream.blob(b"more\n")
            mark = stream.commit(
                [theirs], [Change(inside(plain, f"artifacts/{one}"), blob)], "forest: more\n", project.identity(), 7
            )
        ours = stream.oids[mark]
    merged = merge(project.repo, git("rev-parse", BRANCH), ours, project.identity(), source="last").commit
    git("update-ref", f"refs/heads/{BRANCH}", merged)
    with FastImport(project.repo) as stream:
        for other in OTHERS:
            change = Change(f"{run_path('sweep', other)}/run.yaml", stream.blob(b"schema: 1\n"))
            merged = stream.commit([merged], [change], "sweep: one more\n", project.identity(), 8)
    git("update-ref", f"refs/heads/{BRANCH}", stream.oids[merged])
    remove_all(project, [large, broken])
    restore_run(project, large.id)
    return git("rev-parse", BRANCH)


def told(deeds: list[Deed], run: str) -> list[tuple[str, str]]:
    """Return which commits did what to a run."""
    return [
        (one.source, one.action)
        for one in deeds
        if any(run == each.id for each in one.runs) or any(run[:8] in line for line in one.lost)
    ]


def test_nothing_is_left_out_the_order_is_that_of_the_walk_and_other_shards_are_not_read(
    runs: Runs, project: Project, history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = list(with_changes(project.repo, walk(project.repo, history)))
    whole = audit(project, Wanted())
    for many in (64, 1):  # the names of experiments, and a pattern for them
        monkeypatch.setattr(module, "_MANY", many)
        for run in runs.values():
            found = list(touching(project.repo, history, run.id))
            changed = {commit.id for commit, changes in every if any(f"/{run.id}/" in one.path for one in changes)}
            assert changed <= {commit.id for commit in found}
            kept = {commit.id for commit in found}
            assert found == [commit for commit, _ in every if commit.id in kept]
            assert told(audit(project, Wanted(run=run.id)), run.id) == told(whole, run.id)
    assert [one.action for one in audit(project, Wanted(run=runs["plain"].id[:6]))].count("created") == 1
    used = {run.id[:2] for run in runs.values()}
    quiet = [one for one in OTHERS if one[:2] not in used]
    for other in quiet[:3]:
        assert [one.action for one in audit(project, Wanted(run=other))] == ["created"]
        [_, first] = touching(project.repo, history, other)
        assert first.parents == ()


def test_a_branch_of_one_commit_a_shallow_clone_and_a_branch_that_was_emptied(
    runs: Runs, project: Project, git: Git, tamper: Tamper, tmp_path_factory: pytest.TempPathFactory
) -> None:
    deepest = git("rev-list", "--first-parent", "--min-parents=1", "--grep", f"Run: {runs['plain'].id}", BRANCH)
    first = deepest.splitlines()[0]
    assert [commit.id for commit in touching(project.repo, first, runs["plain"].id)] == [first]
    place = tmp_path_factory.mktemp("shallow")
    run_git("clone", "--quiet", "--depth=1", f"--branch={BRANCH}", f"file://{project.repo.root}", ".", cwd=place)
    cut = Project.open(place)
    for run in runs.values():
        assert told(audit(cut, Wanted(run=run.id)), run.id) == told(audit(cut, Wanted()), run.id)
    cut.close()
    everything: dict[str, None] = dict.fromkeys(git("ls-tree", "-r", "--name-only", BRANCH).splitlines())
    tamper(dict(everything))
    [newest, *_] = audit(project, Wanted(run=runs["large"].id))
    assert (newest.action, newest.who.partition(" ")[0]) == ("removed", "Mallory")
