"""A purge on one side, while the other edits, restores, purges too, or puts there what no run may hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gtrack.errors import GTrackError
from gtrack.ops.checks.verify_runs import verify_runs
from gtrack.ops.edit import edit_tags
from gtrack.ops.remove import restore_run
from gtrack.ops.retention.purge import purge, push_purged
from gtrack.ops.sharing.pull import Pulled, pull
from gtrack.ops.sharing.push import push
from gtrack.ops.sharing.take_in import Unpublished
from gtrack.records import Run
from gtrack.render.sharing import pulled_lines
from gtrack.store.merge.replay import replay
from tests.conftest import run_git
from tests.ops.sharing.people import Person
from tests.ops.sharing.test_push_pull import RUNS, hostile

ANA, BEN = "Ana <ana@example.org>", "Ben <ben@example.org>"


def purged(person: Person, *gone: Run) -> None:
    """Remove runs that are not gone yet, and purge the branch of all that are."""
    for run in gone:
        if run.id in person.ids():
            person.project.store.remove(run.id)
    assert purge(person.project, datetime.now(timezone.utc)) is not None


def told(pulled: Pulled) -> list[str]:
    return list(pulled_lines(pulled))


def edited(person: Person, run: Run) -> None:
    edit_tags(person.project, person.project.store.run(run.id), {"good": "yes"})


def restored(person: Person, run: Run) -> None:
    person.project.store.remove(run.id)
    restore_run(person.project, run.id)
    edited(person, run)


def test_what_no_run_may_hold_is_refused_on_a_purged_branch_too(ana: Person, ben: Person, bare: Path) -> None:
    [gone, _] = ana.runs("gone", "kept")
    push(ana.project)
    pull(ben.project)
    ben.runs("mine")
    purged(ana, gone)
    push_purged(ana.project, "origin")
    hostile(ana, bare, "120000 blob BLOB\tlink")
    pulled = pull(ben.project)
    assert pulled.taken is not None
    assert [one.path for one in pulled.taken.refused] == ["experiments/link"]
    assert ben.git("ls-tree", "--name-only", f"{RUNS}:experiments") == "churn"
    assert ben.names() == {"kept", "mine"}
    assert gone.id not in ben.git("log", "--format=", "--name-only", "-m", RUNS)


@pytest.mark.parametrize("act", [edited, restored])
@pytest.mark.parametrize("ben_is_first", [False, True])
def test_a_purged_run_that_was_worked_on_comes_back_whole_and_is_told(
    ana: Person, ben: Person, act: Callable[[Person, Run], None], ben_is_first: bool
) -> None:
    [back, _] = ana.runs("back", "kept")
    push(ana.project)
    pull(ben.project)
    own = ben.project.store.run_commit(back.id)
    act(ben, back)
    purged(ana, back)
    if ben_is_first:
        push(ben.project)
        pushed = push_purged(ana.project, "origin")
        assert pushed.came_back == (back.id,)
    else:
        push_purged(ana.project, "origin")
        pulled = pull(ben.project)
        assert pulled.taken is not None
        assert pulled.taken.came_back == (back.id,)
        push(ben.project)
    pull(ana.project)
    pull(ben.project)
    assert ana.tree() == ben.tree()
    for one in (ana, ben):
        assert one.project.store.run(back.id).tags["good"] == "yes"
        assert one.project.store.run_commit(back.id) == own
        assert one.project.store.artifact_bytes(back.id, "model/weights.bin") == b"back"
    ana.git("fsck", "--strict")


def test_two_purges_of_which_neither_knows_the_other_are_told_and_undo_nothing(ana: Person, ben: Person) -> None:
    [one, two, _] = ana.runs("one", "two", "three")
    push(ana.project)
    pull(ben.project)
    purged(ana, one)
    purged(ben, two)
    push_purged(ana.project, "origin")
    before = ben.git("rev-parse", RUNS)
    for act in (push, pull):
        with pytest.raises(Unpublished, match="--accept-rewrite"):
            act(ben.project)
    assert ben.git("rev-parse", RUNS) == before
    pull(ben.project, accept_rewrite=True)
    assert ben.names() == {"one", "two", "three"}
    purged(ben, one, two)
    push_purged(ben.project, "origin")
    pull(ana.project)
    assert ana.names() == ben.names() == {"three"}
    for person in (ana, ben):
        listed = person.git("log", "--format=", "--name-only", "-m", RUNS)
        assert one.id not in listed
        assert two.id not in listed


def test_a_third_clone_follows_purges_that_did_not_know_of_each_other_and_is_told_who_purged_what(
    ana: Person, ben: Person, bare: Path, tmp_path: Path
) -> None:
    cy, di = (ana.colleague(name, bare, tmp_path / name) for name in ("Cy", "Di"))
    [one, two, _] = ana.runs("one", "two", "three")
    push(ana.project)
    for person in (ben, cy, di):
        pull(person.project)
    cy.runs("of Cy")
    di.runs("of Di")
    known = ana.git("rev-parse", RUNS)
    purged(ana, one)
    purged(ben, two)
    # A commit that only says what it was made of, as those once did that were put on top of a purged branch.
    said = ana.git("log", "-1", "--format=%B", f"--grep=Rewritten-From: {known}", RUNS)
    ana.git("update-ref", RUNS, ana.git("commit-tree", f"{RUNS}^{{tree}}", "-p", RUNS, "-m", said))
    push_purged(ana.project, "origin")
    pull(ben.project, accept_rewrite=True)
    push(ben.project)
    pulled = pull(di.project)
    assert [line.partition(" purged ")[0] for line in told(pulled)[:2]] == [BEN, ANA]
    assert all(
        "purged 1 run of origin" in line and line.endswith("it is here all the same") for line in told(pulled)[:2]
    )
    assert di.names() == {"one", "two", "three", "of Di"}
    purged(ben, one, two)
    push_purged(ben.project, "origin")
    for person, count in ((cy, 3), (di, 1)):
        pulled = pull(person.project)
        assert pulled.taken is not None
        assert pulled.taken.replayed == 1
        purges = [(one.who, set(one.run_ids)) for one in pulled.taken.purges]
        assert purges == [(BEN, {one.id, two.id}), (BEN, {two.id}), (ANA, {one.id})][:count]
        assert told(pulled)[0].endswith("they are gone here, too")
        push(person.project)
    pull(cy.project)
    assert cy.names() == di.names() == {"three", "of Cy", "of Di"}
    assert one.id not in cy.git("log", "--format=", "--name-only", "-m", RUNS)
    for person in (cy, di):
        person.project.close()


def test_who_has_what_was_put_on_top_of_a_purge_anew_is_not_told_that_it_was_taken_away(
    ana: Person, ben: Person, bare: Path, tmp_path: Path
) -> None:
    di = ana.colleague("Di", bare, tmp_path / "di")
    [one, two, _] = ana.runs("one", "two", "three")
    push(ana.project)
    for person in (ben, di):
        pull(person.project)
    purged(di, one)
    purged(ben, two)
    push_purged(ben.project, "origin")
    pull(di.project, accept_rewrite=True)
    purged(ben, ben.runs("gone")[0])
    pull(ana.project)
    ana.runs("of Ana")
    push(ana.project)
    push_purged(ben.project, "origin")  # with Ana's run on top
    pull(di.project, accept_rewrite=True)
    push(di.project)
    pulled = pull(ana.project)
    assert any(line.endswith("it is here all the same") for line in told(pulled))
    assert ana.tree() == di.tree()
    assert "of Ana" in ana.names()
    di.project.close()


def test_what_is_put_on_top_of_another_state_does_not_say_that_it_was_made_of_one(ana: Person) -> None:
    [gone, _] = ana.runs("gone", "kept")
    purged(ana, gone)
    assert "Rewritten-From: " in ana.git("log", "--format=%B", RUNS)
    made = replay(ana.project.repo, None, None, ana.git("rev-parse", RUNS), ana.project.identity())
    assert made.commit is not None
    assert "Rewritten-From: " not in ana.git("log", "--format=%B", made.commit)


def test_purges_that_began_alike_and_went_apart_are_told_too_and_undo_nothing(ana: Person, ben: Person) -> None:
    [_, one, two, three] = ana.runs("zero", "one", "two", "three")
    push(ana.project)
    pull(ben.project)
    # Writing a branch anew twice gives the same commits up to where it differs: Ben's are known to Ana's third purge.
    for gone in (three, one, ana.runs("four")[0]):
        purged(ana, gone)
    push_purged(ana.project, "origin")
    for gone in (one, two):
        purged(ben, gone)
    with pytest.raises(Unpublished, match="neither purge knows of the other"):
        pull(ben.project)
    with pytest.raises(GTrackError, match="not what a purge here was made of"):
        push_purged(ben.project, "origin")
    assert ben.names() == {"zero", "three"}


def test_a_history_with_what_no_run_may_hold_can_be_purged(ana: Person, ben: Person, bare: Path) -> None:
    [gone, _] = ana.runs("gone", "kept")
    push(ana.project)
    pull(ben.project)
    ben.runs("mine")
    hostile(
        ana, bare, "120000 blob BLOB\tlink", "100644 blob BLOB\t..", "100644 blob BLOB\t.git", "100644 blob BLOB\ta\\b"
    )
    pulled = pull(ben.project)
    assert pulled.taken is not None
    assert len(pulled.taken.refused) == 4
    push(ben.project)
    purged(ben, gone)
    push_purged(ben.project, "origin")
    pulled = pull(ana.project)
    assert pulled.taken is not None
    assert pulled.taken.refused == ()
    assert ana.names() == {"kept", "mine"}
    held = ana.git("log", "--format=", "--name-only", "-m", RUNS).splitlines()
    assert "experiments/link" in held
    assert not [path for path in held if path.startswith("experiments/.")]  # which newer gits do not write


def test_a_purged_run_that_is_a_model_version_here_comes_back(ana: Person, ben: Person) -> None:
    [used, _] = ana.runs("used", "kept")
    push(ana.project)
    pull(ben.project)
    ben.project.registry.register("churn", used.id, "model/weights.bin")
    purged(ana, used)
    push_purged(ana.project, "origin")
    pulled = pull(ben.project)
    assert pulled.taken is not None
    assert pulled.taken.came_back == (used.id,)
    push(ben.project)
    pull(ana.project)
    assert ana.tree() == ben.tree()
    assert ana.project.store.run(used.id) == ben.project.store.run(used.id)
    assert ana.project.store.run_commit(used.id) == ana.git("rev-parse", "churn@v1.0.0^{commit}")


def test_a_model_version_that_was_removed_by_force_does_not_come_back_by_a_purge_of_others(
    ana: Person, ben: Person
) -> None:
    [forced, gone, _] = ana.runs("forced", "gone", "kept")
    ana.project.registry.register("churn", forced.id, "model/weights.bin")
    push(ana.project)
    pull(ben.project)
    ana.project.store.remove(forced.id)
    purged(ana, gone)
    push_purged(ana.project, "origin")
    pulled = pull(ben.project)
    assert pulled.taken is not None
    assert pulled.taken.came_back == ()
    assert ben.names() == {"kept"}


def test_what_came_between_a_purge_and_its_publishing_is_put_there_once(ana: Person, ben: Person, bare: Path) -> None:
    [gone, _] = ana.runs("gone", "kept")
    push(ana.project)
    pull(ben.project)
    purged(ana, gone)
    [back, mine] = ben.runs("back", "mine")
    edited(ben, back)
    push(ben.project)
    theirs = ben.git("rev-parse", RUNS)
    ben.project.store.remove(back.id)
    edited(ben, mine)
    push_purged(ana.project, "origin")
    run_git("update-ref", RUNS, theirs, cwd=bare)  # as if that push had been cut off
    push_purged(ana.project, "origin")
    assert ana.git("log", "--format=%s", "-2", RUNS).splitlines() == [
        "Take over 2 runs of origin",
        "churn: back tagged",
    ]
    pulled = pull(ben.project)
    assert pulled.taken is not None
    assert (pulled.taken.conflicts, pulled.taken.came_back, pulled.taken.replayed) == ((), (), 2)
    assert ben.names() == {"kept", "mine"}
    assert ben.project.store.run(mine.id).tags == {"good": "yes"}
    assert verify_runs(ben.project).faults == ()
