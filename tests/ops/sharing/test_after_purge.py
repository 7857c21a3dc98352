"""A purge on one side, while the other edits, restores, purges too, or puts there what no run may hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gtrack.ops.edit import edit_tags
from gtrack.ops.remove import restore_run
from gtrack.ops.retention.purge import purge, push_purged
from gtrack.ops.sharing.pull import pull
from gtrack.ops.sharing.push import push
from gtrack.ops.sharing.take_in import Unpublished
from gtrack.records import Run
from tests.ops.sharing.people import Person
from tests.ops.sharing.test_push_pull import RUNS, hostile


def purged(person: Person, *gone: Run) -> None:
    """Remove runs that are not gone yet, and purge the branch of all that are."""
    for run in gone:
        if run.id in person.ids():
            person.project.store.remove(run.id)
    assert purge(person.project, datetime.now(timezone.utc)) is not None


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
