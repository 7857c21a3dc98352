"""Who did what is told from the branch's log and the registry, the newest first, and filters narrow it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from gtrack.errors import ExperimentNotFound, ModelNotFound, RunNotFound, UsageError
from gtrack.ops.checks.audit import Deed, Wanted, audit, check_named, run_named, since_of, until_of
from gtrack.ops.edit import edit_notes, edit_tags
from gtrack.ops.remove import remove_all, restore_run
from gtrack.ops.retention.purge import purge
from gtrack.project import Project
from gtrack.store.merge.merge import merge
from tests.conftest import IDENTITY, Git
from tests.ops.checks.conftest import BRANCH, Runs, Tamper, inside

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=timezone.utc)


def told(deeds: list[Deed]) -> list[tuple[str, list[str], str]]:
    return [(one.action, [run.name for run in one.runs], one.what) for one in deeds]


def test_every_deed_is_told_with_runs_names_and_what_was_edited(
    runs: Runs, project: Project, git: Git, tamper: Tamper
) -> None:
    edit_tags(project, runs["plain"], {"reviewed": "yes"})
    edit_notes(project, runs["plain"], "The best so far.")
    tamper({inside(runs["plain"], "artifacts/late.txt"): b"late\n"}, "forest: plain logged late\n")
    remove_all(project, [runs["large"], runs["broken"]])
    restore_run(project, runs["large"].id)
    found = audit(project, Wanted())
    assert sorted(told(found)) == sorted(
        [
            ("created", ["broken"], ""),
            ("created", ["large"], ""),
            ("created", ["plain"], ""),
            ("edited", ["plain"], "tag reviewed=yes"),
            ("edited", ["plain"], "notes: The best so far."),
            ("edited", ["plain"], "added late.txt"),
            ("removed", ["large", "broken"], "gtrack rm"),
            ("restored", ["large"], ""),
        ]
    )
    assert found[0].action == "restored"
    assert found[-1].action == "created"
    assert [one.who for one in found if one.what != "added late.txt"] == [IDENTITY] * 7
    assert found[0].source == git("rev-parse", BRANCH)


def test_it_is_narrowed_by_run_user_experiment_time_and_number(runs: Runs, project: Project, tamper: Tamper) -> None:
    tamper({inside(runs["plain"], "artifacts/late.txt"): b"late\n"})
    plain, broken = runs["plain"], runs["broken"]
    assert [one.action for one in audit(project, Wanted(run=plain.id))] == ["edited", "created"]
    assert [one.action for one in audit(project, Wanted(user="MALLORY"))] == ["edited"]
    assert [one.runs[0].id for one in audit(project, Wanted(experiment="swe*"))] == [broken.id]
    assert len(audit(project, Wanted(), 2)) == 2
    later = datetime.now(timezone.utc) + timedelta(days=2)
    assert audit(project, Wanted(since=later)) == []
    assert len(audit(project, Wanted(until=later))) == 4
    assert audit(project, Wanted(model="churn")) == []


def test_a_merge_is_one_deed_and_what_the_other_side_did_is_told_too(runs: Runs, project: Project, git: Git) -> None:
    base = git("rev-parse", BRANCH)
    edit_tags(project, runs["plain"], {"ours": "1"})
    ours = git("rev-parse", BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", base)
    edit_tags(project, runs["large"], {"theirs": "2"})
    merged = merge(project.repo, git("rev-parse", BRANCH), ours, project.identity(), source="box")
    git("update-ref", f"refs/heads/{BRANCH}", merged.commit)
    found = audit(project, Wanted())
    assert told(found)[0] == ("merged", ["plain"], "Merge 1 run of box")
    assert {one.what for one in found if one.action == "edited"} == {"tag ours=1", "tag theirs=2"}


def test_what_a_merge_lost_is_told_also_of_the_one_run_that_lost_it(runs: Runs, project: Project, git: Git) -> None:
    base = git("rev-parse", BRANCH)
    edit_notes(project, runs["plain"], "Ours.")
    ours = git("rev-parse", BRANCH)
    git("update-ref", f"refs/heads/{BRANCH}", base)
    edit_notes(project, runs["plain"], "Theirs.")
    merged = merge(project.repo, git("rev-parse", BRANCH), ours, project.identity(), source="box")
    git("update-ref", f"refs/heads/{BRANCH}", merged.commit)
    for wanted in (Wanted(), Wanted(run=runs["plain"].id), Wanted(experiment="forest")):
        [deed] = [one for one in audit(project, wanted) if one.action == "merged"]
        [lost] = deed.lost
        assert lost.startswith(f"forest {runs['plain'].id[:8]}: run.yaml: notes: kept ")
        assert {"Ours." in lost, "Theirs." in lost} == {True}
        assert lost in deed.what
    assert [one for one in audit(project, Wanted(run=runs["large"].id)) if one.action == "merged"] == []


def test_a_merge_that_took_nothing_counts_no_runs(runs: Runs, project: Project, git: Git) -> None:
    assert len(runs) == 3
    message = "Merge 0 runs of origin\n\nMerged-From: origin"
    made = git("commit-tree", f"{BRANCH}^{{tree}}", "-p", BRANCH, "-p", f"{BRANCH}^1", "-m", message)
    git("update-ref", f"refs/heads/{BRANCH}", made)
    [deed] = audit(project, Wanted(), 1)
    assert (deed.action, deed.what) == ("merged", "Merge with origin")


def test_a_value_that_was_changed_is_told_with_what_it_was(runs: Runs, project: Project, tamper: Tamper) -> None:
    tamper({inside(runs["plain"], "metrics.yaml"): b"loss: 0.01\nf1: 0.9\n"})
    tamper({inside(runs["plain"], "params.yaml"): b"{}\n"})
    assert [one.what for one in audit(project, Wanted(user="mallory"))] == [
        "parameters lr 0.1 → nothing",
        "metrics loss 0.8 → 0.01, f1 nothing → 0.9",
    ]


def test_purged_runs_are_named_by_their_ids_and_removed_ones_are_found_by_name(runs: Runs, project: Project) -> None:
    remove_all(project, [runs["large"], runs["broken"]])
    assert run_named(project, "broken") == runs["broken"].id
    with pytest.raises(RunNotFound, match="Nor was one of that name removed here"):
        run_named(project, "nobody")
    purge(project, datetime.now(timezone.utc))
    [purged] = [one for one in audit(project, Wanted()) if one.action == "purged"]
    assert set(purged.what.split(", ")) == {runs["large"].id[:8], runs["broken"].id[:8]}


def test_what_is_called_so_nowhere_is_an_error(runs: Runs, project: Project) -> None:
    check_named(project, Wanted(experiment="for*"))
    with pytest.raises(ExperimentNotFound, match="Did you mean 'forest'"):
        check_named(project, Wanted(experiment="forst"))
    with pytest.raises(ModelNotFound):
        check_named(project, Wanted(model="nosuch"))
    assert len(runs) == 3


def test_the_registry_is_told_among_it(runs: Runs, project: Project) -> None:
    project.registry.register("churn", runs["plain"].id, artifact="report.txt")
    project.registry.assign("churn", 1, "production")
    found = audit(project, Wanted(model="churn"))
    assert [(one.action, one.what, one.source) for one in found] == [
        ("promoted", "churn v1 production", "churn#production#1"),
        ("registered", "churn v1", "churn@v1.0.0"),
    ]
    assert {run.id for one in found for run in one.runs} == {runs["plain"].id}
    assert len(audit(project, Wanted(run=runs["plain"].id))) == 3


def test_a_commit_with_hostile_yaml_is_told_all_the_same(runs: Runs, project: Project, tamper: Tamper) -> None:
    tamper({inside(runs["plain"], "run.yaml"): b"a: &a [1]\n" + b"b: *a\n" * 30})
    first = audit(project, Wanted(), 1)[0]
    assert replace(first, when=NOW, source="").what == "run.yaml, which cannot be read"


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=timezone.utc), datetime(2026, 11, 2, tzinfo=timezone.utc)),
        ("2w", NOW - timedelta(weeks=2), NOW - timedelta(weeks=2)),
        ("yesterday", datetime(2026, 11, 21, tzinfo=timezone.utc), datetime(2026, 11, 22, tzinfo=timezone.utc)),
        ("3 days ago", NOW - timedelta(days=3), NOW - timedelta(days=3)),
    ],
)
def test_moments_are_read_as_people_write_them(text: str, since: datetime, until: datetime) -> None:
    assert (since_of(text, NOW), until_of(text, NOW)) == (since, until)


@pytest.mark.parametrize("text", ["soon", "", "2026-13-01", "999999999999w"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no moment"):
        since_of(text, NOW)


def test_a_removed_run_is_named_by_the_beginning_of_its_id(runs: Runs, project: Project) -> None:
    remove_all(project, [runs["broken"]])
    assert run_named(project, runs["broken"].id[:8]) == runs["broken"].id[:8]
    with pytest.raises(RunNotFound):
        run_named(project, "no-such-run")
