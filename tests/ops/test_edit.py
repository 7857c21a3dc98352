from __future__ import annotations

import pytest

from gtrack.errors import InvalidName, UsageError
from gtrack.ops.edit import edit_notes, edit_tags
from gtrack.project import Project
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.ops.conftest import MakeRun, OpenProject

BRANCH = "gtrack/runs"


def test_tags_of_a_committed_run_are_a_commit_of_their_own(project: Project, git: Git, make_run: MakeRun) -> None:
    run = make_run("one")
    before = git("rev-parse", BRANCH)
    edited = edit_tags(project, run, {"team": "vision", "stage": "a=b"})
    assert edited.tags == project.resolve(run.id).tags == {"team": "vision", "stage": "a=b"}
    assert git("rev-parse", f"{BRANCH}^") == before
    assert git("diff", "--name-only", f"{BRANCH}^", BRANCH).endswith(f"{run.id}/run.yaml")


def test_removing_a_tag(project: Project, make_run: MakeRun) -> None:
    run = edit_tags(project, make_run("one"), {"a": "1", "b": "2"})
    assert edit_tags(project, run, {"c": "3"}, ["a"]).tags == {"b": "2", "c": "3"}


def test_what_changes_nothing_makes_no_commit(project: Project, git: Git, make_run: MakeRun) -> None:
    run = edit_tags(project, make_run("one"), {"a": "1"})
    before = git("rev-parse", BRANCH)
    assert edit_tags(project, run, {"a": "1"}) == run
    assert git("rev-parse", BRANCH) == before


def test_wrong_tags(project: Project, make_run: MakeRun) -> None:
    run = edit_tags(project, make_run("one"), {"stage": "1"})
    with pytest.raises(UsageError, match=r"no tag 'stag'.*Did you mean 'stage'"):
        edit_tags(project, run, {}, ["stag"])
    with pytest.raises(UsageError, match="set and removed at once"):
        edit_tags(project, run, {"stage": "2"}, ["stage"])
    with pytest.raises(InvalidName):
        edit_tags(project, run, {"a\nb": "1"})


def test_notes(project: Project, make_run: MakeRun) -> None:
    run = make_run("one")
    assert edit_notes(project, run, "First.\n").notes == "First."
    assert edit_notes(project, run, "Second: 'ü' 🚀", append=True).notes == "First.\n\nSecond: 'ü' 🚀"
    assert edit_notes(project, run, "").notes is None
    assert edit_notes(project, run, "Again", append=True).notes == "Again"


def test_a_live_run_is_edited_where_it_lives(open_project: OpenProject, project: Project) -> None:
    live = ActiveRun.start(open_project(), name="live")
    assert edit_tags(project, live.record(), {"a": "1"}).tags == {"a": "1"}
    assert edit_notes(project, live.record(), "said meanwhile").notes == "said meanwhile"
    done = live.end()
    assert done.tags == {"a": "1"}
    assert done.notes == "said meanwhile"


def test_a_run_that_ends_meanwhile_is_edited_on_the_branch(open_project: OpenProject, project: Project) -> None:
    live = ActiveRun.start(open_project(), name="live")
    seen = live.record()
    live.end()
    assert edit_tags(project, seen, {"a": "1"}).tags == {"a": "1"}
    assert not project.resolve(seen.id).live
