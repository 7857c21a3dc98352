"""Commits of the branch are put on top of another state of it, one by one, as they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gtrack.git.objects import Change, Identity
from gtrack.store.merge.merge import merge
from gtrack.store.merge.replay import replay
from gtrack.store.run_commits import find_run_commit
from tests.conftest import Git
from tests.store.merge.conftest import ANA, NEWS, States, place, run_id

BEN = Identity("Ben", "ben@example.org")


def head(number: int, experiment: str = "default") -> str:
    return f"{place(number, experiment)}/run.yaml"


@pytest.fixture
def add(states: States, git: Git) -> Callable[..., str]:
    """Return a function that adds a run with a commit of its own, as gtrack does."""

    def run(number: int, tip: str | None, experiment: str = "default", seconds: int = 100) -> str:
        message = f"{experiment}: one finished\n\nRun: {run_id(number)}\nExperiment: {experiment}\n"
        files: dict[str, bytes | None] = {head(number, experiment): b"x: %d\n" % number}
        own = states.commit(files, git("rev-parse", "HEAD"), message=message, seconds=seconds)
        if tip is None:
            return states.commit({"README.md": None, **files}, own, message=message, seconds=seconds)
        return states.commit(files, tip, own, message=message, seconds=seconds)

    return run


def test_each_keeps_message_author_time_and_run_commit(states: States, add: Callable[..., str], git: Git) -> None:
    base = add(0, None)
    onto = add(5, base)
    first = add(1, base, seconds=200)
    ours = states.commit(
        {head(0): b"notes: x\n"}, first, seconds=300, message=f"noted\n\nRun: {run_id(0)}\nExperiment: d\n"
    )
    found = replay(states.repo, onto, base, ours, BEN)
    assert states.paths(str(found.commit)) == [head(0), head(1), head(5)]
    assert states.file(str(found.commit), head(0)) == b"notes: x\n"
    assert found.runs == (run_id(0), run_id(1))
    log = git("log", "--first-parent", "-2", "--format=%s %an %at %cn %ct", str(found.commit)).split("\n")
    assert log == ["noted Ana 300 Ben 300", "default: one finished Ana 200 Ben 200"]
    assert git("rev-parse", f"{found.commit}~1^2") == git("rev-parse", f"{first}^2")
    assert git("rev-parse", f"{found.commit}~2") == onto


def test_only_some_experiments(states: States, add: Callable[..., str]) -> None:
    base = add(0, None)
    onto = add(5, base)
    ours = add(3, add(2, add(1, base, "mine"), "other"), "mine")
    found = replay(states.repo, onto, base, ours, ANA, experiments={"mine"})
    assert states.paths(str(found.commit)) == [head(0), head(5), head(1, "mine"), head(3, "mine")]
    assert found.runs == (run_id(1), run_id(3))
    assert replay(states.repo, onto, base, ours, ANA, experiments={"no such"}).commit == onto
    first = replay(states.repo, None, None, ours, ANA, experiments={"other"})
    assert states.paths(str(first.commit)) == [head(2, "other")]
    assert replay(states.repo, None, None, ours, ANA, experiments={"no such"}).commit is None


def test_on_a_history_that_was_rewritten_what_is_gone_there_stays_gone(states: States, add: Callable[..., str]) -> None:
    known = add(2, add(1, add(0, None)))
    onto = states.commit({head(0): b"x: 0\n"})
    ours = add(3, known)
    assert states.paths(str(replay(states.repo, onto, known, ours, ANA).commit)) == [head(0), head(3)]


def test_a_merge_brings_nothing_back_but_what_it_decided(states: States, add: Callable[..., str]) -> None:
    start = add(0, None)
    known = add(1, start)  # what the remote had: run 1 is purged there
    mine = states.commit({head(0): b"x: 0\na: 1\n"}, add(2, start), seconds=500)
    other = states.commit({head(0): b"x: 0\nb: 1\n"}, known, seconds=600)
    ours = add(3, merge(states.repo, mine, other, ANA, source="origin").commit)
    onto = states.commit({head(0): b"x: 0\nb: 1\n"})
    found = replay(states.repo, onto, other, ours, ANA)
    assert states.paths(str(found.commit)) == [head(0), head(2), head(3)]
    assert states.file(str(found.commit), head(0)) == b"x: 0\na: 1\nb: 1\n"
    assert set(found.runs) == {run_id(0), run_id(2), run_id(3)}


def test_what_both_changed_is_merged_and_an_edit_beats_a_removal(states: States, add: Callable[..., str]) -> None:
    base = add(1, add(0, None))
    onto = states.commit({head(0): b"x: 0\nb: 2\n", place(1): None}, base, seconds=9)
    ours = states.commit({head(0): b"x: 0\na: 1\n", head(1): b"x: 9\n"}, base, seconds=8)
    found = replay(states.repo, onto, base, ours, ANA)
    assert states.file(str(found.commit), head(0)) == b"x: 0\na: 1\nb: 2\n"
    assert states.file(str(found.commit), head(1)) == b"x: 9\n"
    assert [one.what for one in found.conflicts] == ["the run"]
    again = replay(states.repo, found.commit, base, ours, ANA)
    assert (again.commit, again.runs) == (found.commit, ())


def test_a_run_that_moves_or_goes_and_an_experiment_of_its_own(states: States, add: Callable[..., str]) -> None:
    said = "experiments/default/experiment.yaml"
    base = states.commit({said: b"purpose: a\n"}, add(1, add(0, None)))
    ours = states.commit({place(0): None, place(1): None, head(1, "b"): b"x: 1\n", said: b"purpose: b\n"}, base)
    onto = add(5, base)
    found = replay(states.repo, onto, base, ours, ANA)
    assert states.paths(str(found.commit)) == [head(1, "b"), head(5), said]
    assert states.file(str(found.commit), said) == b"purpose: b\n"


def test_what_must_not_be_in_a_run_is_left_out(states: States, add: Callable[..., str], git: Git) -> None:
    base = add(0, None)
    link = git("hash-object", "-w", "--stdin", stdin="/etc")
    ours = states.entries([Change(f"{place(1)}/artifacts/a", link, "120000")], add(1, base))
    found = replay(states.repo, add(5, base), base, ours, ANA)
    assert states.paths(str(found.commit)) == [head(0), head(1), head(5)]


def test_what_was_merged_with_what_is_known_there_is_not_done_once_more(
    states: States, add: Callable[..., str]
) -> None:
    """Some experiments are pushed, changed by somebody else, pulled, changed again and pushed: ours is an edit of theirs."""
    base = add(0, None)
    local = add(2, add(1, base, "mine", 100), "other", 110)
    first = str(replay(states.repo, base, base, local, ANA, experiments={"mine"}).commit)
    local = merge(states.repo, local, first, ANA, source="origin").commit
    path = head(1, "mine")
    theirs = states.commit({path: b"x: 1\nb: 1\n", f"{place(1, 'mine')}/output.log": b"b\n"}, first, seconds=300)
    local = merge(states.repo, local, theirs, ANA, source="origin").commit
    assert replay(states.repo, theirs, theirs, local, ANA, experiments={"mine"}).commit == theirs
    local = add(3, states.commit({path: b"b: 2\n"}, local, seconds=400), "mine")
    found = replay(states.repo, theirs, theirs, local, ANA, experiments={"mine"})
    assert (found.runs, found.conflicts) == ((run_id(1), run_id(3)), ())
    assert states.file(str(found.commit), path) == b"b: 2\n"
    assert states.paths(str(found.commit)) == [head(0), f"{place(1, 'mine')}/output.log", path, head(3, "mine")]


def test_a_run_that_moved_to_an_experiment_brings_its_own_commit_there(states: States, add: Callable[..., str]) -> None:
    base = add(0, None)
    made = add(1, base, "other")
    moved = states.commit({place(1, "other"): None, head(1, "mine"): b"x: 1\n"}, made)
    found = replay(states.repo, base, base, moved, ANA, experiments={"mine"})
    assert states.paths(str(found.commit)) == [head(0), head(1, "mine")]
    own = find_run_commit(states.repo, made, run_id(1))
    assert own is not None
    assert find_run_commit(states.repo, str(found.commit), run_id(1)) == own
    assert found.came_back == ()


def test_a_merge_that_stands_for_a_removal_says_so(states: States, add: Callable[..., str], git: Git) -> None:
    start = add(1, add(0, None))
    known = add(2, start)
    gone = states.commit(
        {place(1): None}, start, seconds=120, message=f"default: one removed\n\nRun: {run_id(1)}\n{NEWS}"
    )
    ours = merge(states.repo, gone, known, ANA, source="origin").commit
    onto = states.commit({head(0): b"x: 0\n", head(1): b"x: 1\n"})  # run 2 is purged there
    found = replay(states.repo, onto, known, ours, ANA)
    assert states.paths(str(found.commit)) == [head(0)]
    said = git("log", "-1", "--format=%B", str(found.commit)).splitlines()
    assert (said[0], said[-1]) == ("Remove 1 run by a merge", "Merged-From: origin")


def test_a_merge_that_stands_for_a_run_that_went_on_brings_its_new_run_commits(
    states: States, add: Callable[..., str], git: Git
) -> None:
    base = add(1, None)
    theirs = states.commit({head(1): b"x: 1\nb: 1\n"}, base, seconds=150)
    message = f"default: one finished\n\nRun: {run_id(1)}\nExperiment: default\n"
    own, tip = [], base
    for value in (b"x: 2\n", b"x: 3\n"):
        own.append(states.commit({head(1): value}, git("rev-parse", "HEAD"), message=message, seconds=200))
        tip = states.commit({head(1): value}, tip, own[-1], message=message, seconds=200)
    ours = merge(states.repo, tip, theirs, ANA, source="origin").commit
    found = str(replay(states.repo, theirs, theirs, ours, ANA, experiments={"default"}).commit)
    assert states.file(found, head(1)) == b"x: 3\nb: 1\n"
    names = [f"{found}^2", f"{found}^1^2", f"{found}^1^1"]
    assert [git("rev-parse", name) for name in names] == [own[1], own[0], theirs]
    again = states.commit({head(1): b"x: 4\nb: 1\n"}, found, seconds=300)
    ours = merge(states.repo, ours, again, ANA, source="origin").commit
    assert replay(states.repo, again, again, ours, ANA, experiments={"default"}).commit == again


def test_what_was_removed_and_restored_undoes_no_edit_that_is_there(states: States, add: Callable[..., str]) -> None:
    run, base = head(1), add(1, add(0, None))
    there = states.commit(
        {run: b"notes: theirs\nx: 1\n"}, states.commit({run: b"x: 1\nnotes: both\n"}, base), seconds=150
    )
    before = states.commit({run: b"x: 1\nnotes: both\n"}, base)
    gone = states.commit({place(1): None}, before, seconds=200)
    for back, then in (
        (b"x: 1\nnotes: both\n", b"notes: theirs\nx: 1\n"),
        (b"x: 2\nnotes: both\n", b"x: 2\nnotes: theirs\n"),
    ):
        found = replay(states.repo, there, before, states.commit({run: back}, gone, seconds=210), ANA)
        assert states.file(str(found.commit), run) == then
        assert [one.what for one in found.conflicts] == ["the run"]


def test_a_run_that_both_restored_and_one_edited_since_is_the_edited_one(
    states: States, add: Callable[..., str]
) -> None:
    base = add(0, None)
    edited = states.commit({head(1): b"x: 1\nb: 1\nstatus: edited\n"}, add(1, base), seconds=150)
    restored = states.commit({head(1): b"x: 1\n"}, base, seconds=200)
    assert replay(states.repo, edited, base, restored, ANA).commit == edited
