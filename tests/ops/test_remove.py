"""Runs that are removed by hand, brought back, and pinned."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pytest

from gtrack.errors import AmbiguousRun, GTrackError, RunIsActive, RunNotFound, UsageError
from gtrack.formats.names import run_path
from gtrack.git.objects import Change, FastImport, Identity
from gtrack.ops.edit import edit_name, edit_notes
from gtrack.ops.remove import (
    pin,
    remove_all,
    remove_experiment,
    removed,
    restore_at,
    restore_last,
    restore_of,
    restore_removed,
    restore_run,
)
from gtrack.ops.retention.purge import purge
from gtrack.project import Project
from gtrack.records import Run
from gtrack.store.merge.merge import merge
from gtrack.store.removal import Made
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.ops.conftest import MakeRun


@pytest.fixture
def family(make_run: MakeRun) -> dict[str, Run]:
    """Return a run, one nested in it, one nested in that, and one that stands alone."""
    top = make_run("top")
    middle = make_run("middle", parent=top.id)
    return {run.name: run for run in (top, middle, make_run("leaf", parent=middle.id), make_run("alone"))}


def test_a_run_with_nested_ones_is_refused_without_them(family: dict[str, Run], project: Project, git: Git) -> None:
    before = git("rev-parse", "gtrack/runs")
    with pytest.raises(GTrackError, match=r"2 runs are nested in top, and would lose .* --with-children"):
        remove_all(project, [family["top"]])
    assert git("rev-parse", "gtrack/runs") == before
    gone = remove_all(project, [family["top"]], with_children=True)
    assert {one.name for one in gone} == {"top", "middle", "leaf"}
    assert git("rev-parse", "gtrack/runs~") == before
    lines = git("log", "-1", "--format=%B", "gtrack/runs").splitlines()
    assert lines[0] == "Remove 3 runs by hand"
    assert f"{family['leaf'].id} forest leaf: gtrack rm" in lines
    assert [run.name for run in project.store.runs()] == ["alone"]


def test_those_that_are_named_together_are_no_nested_ones(family: dict[str, Run], project: Project) -> None:
    gone = remove_all(project, [family["leaf"], family["middle"], family["top"]])
    assert len(gone) == 3


def test_what_is_registered_pinned_or_running_is_refused(make_run: MakeRun, project: Project) -> None:
    registered, pinned = make_run("registered", artifacts={"model/x": b"x"}), make_run("pinned")
    project.registry.register("churn", registered.id)
    project.registry.deregister("churn", 1)
    pinned = pin(project, pinned)
    live = ActiveRun.start(project, name="live", experiment="forest")
    for run, said in ((registered, "in the model registry"), (pinned, "is pinned")):
        with pytest.raises(GTrackError, match=said):
            remove_all(project, [run])
    with pytest.raises(RunIsActive):
        remove_all(project, [registered, live.record()], force=True)
    live.end()
    assert len(project.store.runs()) == 3
    assert len(remove_all(project, [registered, pinned], force=True)) == 2


def test_a_pin_is_a_tag(make_run: MakeRun, project: Project) -> None:
    run = pin(project, make_run("one"))
    assert run.tags == {"pinned": "true"}
    assert pin(project, run) == run
    run = pin(project, run, pinned=False)
    assert run.tags == {}
    assert pin(project, run, pinned=False) == run


def test_removed_runs_are_listed_the_last_first_with_who_and_why(
    family: dict[str, Run], make_run: MakeRun, project: Project
) -> None:
    assert removed(project) == ([], 0)
    remove_all(project, [family["top"]], with_children=True)
    make_run("other", experiment="other")
    remove_experiment(project, "other")
    remove_all(project, [family["alone"]])
    found, count = removed(project)
    assert count == 5
    assert {(one.name, one.removed.why) for one in found} == {
        ("alone", "forest: alone removed"),
        ("other", "other: removed"),
        *((name, "Remove 3 runs by hand") for name in ("top", "middle", "leaf")),
    }
    assert all(one.removed.who == "Ana <ana@example.org>" for one in found)
    assert [one.removed.when for one in found] == sorted((one.removed.when for one in found), reverse=True)
    shown, count = removed(project, 2)
    assert (len(shown), count) == (2, 5)


def test_a_run_comes_back_by_its_name_or_a_prefix_as_it_was_last(family: dict[str, Run], project: Project) -> None:
    edited = edit_notes(project, family["alone"], "Kept for the paper.")
    remove_all(project, [edited])
    assert restore_removed(project, "alone") == edited
    remove_all(project, [edited])
    assert restore_removed(project, edited.id[:4]) == edited
    with pytest.raises(UsageError, match="is there"):
        restore_removed(project, edited.id)
    with pytest.raises(RunNotFound, match="'gtrack restore' lists"):
        restore_removed(project, "alone")
    assert removed(project) == ([], 0)


def test_of_one_name_the_last_removed_comes_back_and_a_prefix_must_be_ones_own(
    make_run: MakeRun, project: Project
) -> None:
    names = {make_run("same").id for _ in range(2)}
    for run_id in names:
        remove_all(project, [project.store.run(run_id)])
    restored = [restore_removed(project, "same").id for _ in names]
    assert set(restored) == names


def put(project: Project, run: Run, run_id: str) -> None:
    """Put the directory of a run on the branch once more, under another id."""
    tree = project.store.tree(run.id)

    def build(tip: str | None) -> Made:
        assert tip is not None
        with FastImport(project.repo) as stream:
            change = Change(run_path("forest", run_id), tree, "040000")
            mark = stream.commit([tip], [change], "More\n", project.identity(), 0)
        return Made(stream.oids[mark])

    project.store.integrate(build, "more")


@pytest.mark.parametrize("digits", [4, 12])
def test_a_prefix_that_two_removed_runs_share_is_refused_with_both(
    make_run: MakeRun, project: Project, digits: int
) -> None:
    ids = ["abcd" * 8, "abcdabcdabcd" + "0" * 20]
    run = make_run("twin")
    for run_id in ids:
        put(project, run, run_id)
    remove_all(project, project.store.runs(ids), force=True)
    with pytest.raises(AmbiguousRun, match=f"{ids[0]}  twin"):
        restore_removed(project, ids[0][:digits])
    assert restore_removed(project, ids[0][:13]).id == ids[0]


def test_a_removal_whose_message_does_not_say_so_is_found_too(make_run: MakeRun, project: Project, git: Git) -> None:
    run = make_run("one")
    renamed = edit_name(project, run, "two")
    git("worktree", "add", "--quiet", "../aside", "gtrack/runs")
    git("-C", "../aside", "rm", "-r", "--quiet", f"experiments/forest/{run.id[:2]}")
    git("-C", "../aside", "commit", "--quiet", "--message", "Tidy up")
    git("-C", "../aside", "checkout", "--quiet", "--detach")
    assert project.store.runs() == []
    assert removed(project) == ([], 0)
    assert restore_removed(project, "two") == renamed


def test_a_commit_that_says_an_impossible_time_is_told_all_the_same(
    make_run: MakeRun, project: Project, git: Git
) -> None:
    run = make_run("one")
    remove_all(project, [run])
    text = re.sub(r"> \d+ ", "> 99999999999999999 ", git("cat-file", "commit", "gtrack/runs"))
    odd = git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=f"{text}\n")
    git("update-ref", "refs/heads/gtrack/runs", odd)
    [one] = removed(project)[0]
    assert (one.name, one.removed.when.year) == ("one", 1970)
    assert restore_removed(project, "one") == run


def test_an_id_that_was_never_there(make_run: MakeRun, project: Project) -> None:
    make_run("one")
    with pytest.raises(RunNotFound):
        restore_run(project, "0" * 32)


def test_all_that_a_purge_took_comes_back_with_its_own_commits(family: dict[str, Run], project: Project) -> None:
    own = {one.id: project.store.run_commit(one.id) for one in family.values()}
    remove_all(project, [family["alone"]])
    remove_all(project, [family["top"]], with_children=True)
    purge(project, datetime.now(timezone.utc), lambda *_: None)
    assert {one.name for one in restore_last(project)} == {"top", "middle", "leaf"}
    assert [one.name for one in restore_last(project)] == ["alone"]
    assert {one.id: project.store.run_commit(one.id) for one in project.store.runs()} == own
    with pytest.raises(RunNotFound, match="No run was removed here"):
        restore_last(project)


def test_an_experiment_that_was_removed_comes_back_whole(family: dict[str, Run], project: Project, git: Git) -> None:
    tree = git("rev-parse", "gtrack/runs^{tree}")
    remove_experiment(project, "forest")
    assert len(restore_last(project)) == len(family)
    assert git("rev-parse", "gtrack/runs^{tree}") == tree
    assert git("log", "-1", "--format=%s", "gtrack/runs") == "Restore 4 runs"


def test_who_removed_is_told_also_after_a_merge(family: dict[str, Run], project: Project, git: Git) -> None:
    start = git("rev-parse", "gtrack/runs")
    remove_all(project, [family["alone"]])
    theirs = git("rev-parse", "gtrack/runs")
    git("update-ref", "refs/heads/gtrack/runs", start)
    edit_notes(project, family["top"], "Mine.")
    ben = Identity("Ben", "ben@example.org")
    project.store.integrate(lambda tip: merge(project.repo, tip, theirs, ben, source="origin"), "merged")
    [one] = removed(project)[0]
    assert (one.removed.who, one.removed.why) == ("Ana <ana@example.org>", "forest: alone removed")
    assert [run.name for run in restore_of(project, theirs)] == ["alone"]


@pytest.mark.parametrize("name", ["nosuch", "HEAD; rm", "--all", ""])
def test_a_commit_that_is_none_is_refused(family: dict[str, Run], project: Project, name: str) -> None:
    for restore in (restore_of, lambda project, name: restore_at(project, family["top"].id, name)):
        with pytest.raises(UsageError, match="There is no commit"):
            restore(project, name)
