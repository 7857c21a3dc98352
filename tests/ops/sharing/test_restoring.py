"""What others have removed or purged is listed with their names, and comes back whole, in a way that verify agrees with."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from gtrack.ops.checks.verify_runs import verify_runs
from gtrack.ops.edit import edit_notes
from gtrack.ops.remove import remove_all, removed, restore_at, restore_last, restore_run
from gtrack.ops.retention.purge import purge, push_purged
from gtrack.ops.sharing.pull import pull
from gtrack.ops.sharing.push import push
from tests.ops.sharing.people import Person


def test_what_another_one_has_purged(ana: Person, ben: Person) -> None:
    [kept, *gone] = ana.runs("kept", "one", "two")
    push(ana.project)
    pull(ben.project)
    own = {run.id: ben.project.store.run_commit(run.id) for run in gone}
    remove_all(ana.project, gone)
    assert purge(ana.project, datetime.now(timezone.utc)) is not None
    push_purged(ana.project, "origin")
    pull(ben.project)
    found, _ = removed(ben.project)
    when = datetime.fromtimestamp(int(ana.git("log", "-1", "--format=%at", "gtrack/runs")), timezone.utc)
    assert {(one.name, one.removed.who, one.removed.when) for one in found} == {
        (name, "Ana <ana@example.org>", when) for name in ("one", "two")
    }
    assert {run.name for run in restore_last(ben.project)} == {"one", "two"}
    assert {run.id: ben.project.store.run_commit(run.id) for run in gone} == own
    assert ben.ids() == {kept.id, *own}
    assert verify_runs(ben.project).faults == ()


def test_verify_agrees_with_what_was_restored(ana: Person) -> None:
    runs = ana.runs("one", "two", "three")
    before = ana.git("rev-parse", "gtrack/runs")
    edit_notes(ana.project, runs[0], "Edited.")
    remove_all(ana.project, runs[:2])
    restore_last(ana.project)
    restored = restore_at(ana.project, runs[0].id[:8], before)
    assert restored == runs[0]
    restore_at(ana.project, "two", before)
    assert [fault.text for fault in verify_runs(ana.project).faults] == []


def test_verify_agrees_with_what_was_edited_purged_and_restored(ana: Person) -> None:
    [run, _] = ana.runs("one", "two")
    edit_notes(ana.project, run, "Edited.")
    remove_all(ana.project, [run])
    assert purge(ana.project, datetime.now(timezone.utc)) is not None
    assert restore_last(ana.project)[0].notes == "Edited."
    assert verify_runs(ana.project).faults == ()


def test_verify_agrees_with_what_was_restored_here_and_purged_elsewhere(ana: Person, ben: Person) -> None:
    runs = ana.runs("one", "two", "three")
    remove_all(ana.project, runs[:2])
    push(ana.project)
    pull(ben.project)
    restore_last(ben.project)
    assert purge(ana.project, datetime.now(timezone.utc)) is not None
    push_purged(ana.project, "origin")
    pull(ben.project)
    assert ben.ids() == {run.id for run in runs}
    assert verify_runs(ben.project).faults == ()


def test_a_run_that_was_edited_and_removed_elsewhere_comes_back_as_it_was_last(ana: Person, ben: Person) -> None:
    [run] = ana.runs("one")
    push(ana.project)
    pull(ben.project)
    edit_notes(ben.project, run, "Edited.")
    remove_all(ben.project, [run])
    push(ben.project)
    ana.runs("two")
    pull(ana.project)
    assert restore_run(ana.project, run.id).notes == "Edited."


@pytest.mark.parametrize("ana_edits", [False, True])
def test_a_run_that_both_removed_comes_back_with_what_one_of_them_had_edited(
    ana: Person, ben: Person, ana_edits: bool
) -> None:
    [run] = ana.runs("one")
    push(ana.project)
    pull(ben.project)
    edit_notes((ana if ana_edits else ben).project, run, "Edited.")
    for person in (ana, ben):
        person.project.store.remove(run.id)
        push(person.project, pulling=True)
    pull(ana.project)
    assert restore_run(ana.project, run.id).notes == "Edited."
    assert [one.notes for one in restore_last(ben.project)] == ["Edited."]
