"""Push and pull between two people and a bare repository on this disk."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gtrack.errors import ExperimentNotFound, GitError, UsageError
from gtrack.git.remotes import PushRejected
from gtrack.ops.checks.verify_runs import verify_runs
from gtrack.ops.edit import edit_tags
from gtrack.ops.remove import restore_run
from gtrack.ops.retention.purge import purge, push_purged
from gtrack.ops.sharing.pull import pull
from gtrack.ops.sharing.push import Counted, push
from gtrack.ops.sharing.take_in import Rewritten, Unpublished, Unrelated
from gtrack.project import Project
from gtrack.store.live import SINCE
from gtrack.writer import ActiveRun
from tests.clones import Traced, partial_clone
from tests.conftest import run_git
from tests.ops.sharing.people import Person

RUNS = "refs/heads/gtrack/runs"


def test_what_was_pushed_is_counted_and_pushing_again_does_nothing(ana: Person, bare: Path) -> None:
    [one, _] = ana.runs("one", "two")
    pushed = push(ana.project)
    assert (pushed.remote, pushed.runs, pushed.commits, pushed.tries) == ("origin", Counted(2), True, 1)
    assert run_git("rev-parse", RUNS, cwd=bare) == ana.git("rev-parse", RUNS)
    assert ana.git("rev-parse", "refs/remotes/origin/gtrack/runs") == ana.git("rev-parse", RUNS)
    edit_tags(ana.project, one, {"seen": "yes"})
    ana.project.store.remove(ana.runs("three")[0].id)
    assert push(ana.project).runs == Counted(changed=1)
    again = push(ana.project)
    assert (again.runs, again.commits, again.pulled) == (Counted(), False, None)


def test_a_clone_without_the_branch_gets_it_and_counts_what_is_new(ana: Person, ben: Person) -> None:
    ana.runs("one")
    push(ana.project)
    assert ben.project.store.tip() is None
    pulled = pull(ben.project)
    assert pulled.taken is not None
    assert len(pulled.taken.runs) == 1
    assert not pulled.taken.merged
    assert ben.git("rev-parse", RUNS) == ana.git("rev-parse", RUNS)
    again = pull(ben.project)
    assert again.taken is not None
    assert again.taken.runs == ()


def test_a_clone_made_after_the_runs_counts_from_what_it_came_with(ana: Person, bare: Path, tmp_path: Path) -> None:
    ana.runs("one")
    push(ana.project)
    late = ana.colleague("Late", bare, tmp_path / "late")
    ana.runs("two")
    push(ana.project)
    pulled = pull(late.project)
    assert pulled.taken is not None
    assert len(pulled.taken.runs) == 1
    assert late.names() == {"one", "two"}


def test_a_push_merges_what_others_have_pushed(ana: Person, ben: Person) -> None:
    ana.runs("one")
    ben.runs("two")
    push(ana.project)
    pushed = push(ben.project)
    assert pushed.runs == Counted(1)
    assert pushed.pulled is not None
    assert pushed.pulled.taken is not None
    assert pushed.pulled.taken.merged
    pull(ana.project)
    assert ana.tree() == ben.tree()
    assert ana.names() == {"one", "two"}
    subject = ben.git("log", "-1", "--format=%s%n%b", RUNS)
    assert subject.startswith("Merge 1 run of origin\n")
    assert "Merged-From: origin" in subject


def test_somebody_who_was_quicker_is_merged_and_it_is_tried_again(ana: Person, ben: Person, bare: Path) -> None:
    ana.runs("one")
    ben.runs("two")
    # Ben's runs arrive while Ana's are being judged: after she has looked, before her push is taken.
    meanwhile = bare.parent / "meanwhile"
    ben.git("push", "--quiet", str(bare), f"{RUNS}:refs/heads/waiting")
    oid = ben.git("rev-parse", RUNS)
    hook = ana.root / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!/bin/sh\n[ -e {meanwhile} ] || git --git-dir={bare} update-ref {RUNS} {oid}\ntouch {meanwhile}\n"
    )
    hook.chmod(0o755)
    pushed = push(ana.project)
    assert pushed.tries == 2
    assert ana.names() == {"one", "two"}
    assert run_git("rev-parse", RUNS, cwd=bare) == ana.git("rev-parse", RUNS)


def test_a_remote_that_refuses_is_told_at_once(ana: Person, bare: Path) -> None:
    ana.runs("one")
    hook = bare / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho x >> tried\necho 'Runs come on Mondays.' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PushRejected, match="Runs come on Mondays"):
        push(ana.project)
    assert (bare / "tried").read_text() == "x\n"
    assert ana.names() == {"one"}


def test_one_experiment_alone_and_the_rest_by_the_next_push(ana: Person, ben: Person) -> None:
    ana.runs("one", experiment="forest")
    ana.runs("two", experiment="secret")
    ana.runs("three", experiment="forest")
    pushed = push(ana.project, experiments=["forest"])
    assert pushed.runs == Counted(2)
    pull(ben.project)
    assert ben.names() == {"one", "three"}
    assert ana.names() == {"one", "two", "three"}
    assert push(ana.project, experiments=["forest"]).runs == Counted()
    assert push(ana.project).runs == Counted(1)
    pull(ben.project)
    assert ben.tree() == ana.tree()
    with pytest.raises(ExperimentNotFound, match="Did you mean 'forest'"):
        push(ana.project, experiments=["forrest"])


def test_both_edited_one_run(ana: Person, ben: Person) -> None:
    [one] = ana.runs("one")
    push(ana.project)
    pull(ben.project)
    edit_tags(ana.project, one, {"from": "ana", "both": "a"})
    edit_tags(ben.project, one, {"by": "ben", "both": "b"})
    push(ana.project)
    pushed = push(ben.project)
    assert pushed.pulled is not None
    assert pushed.pulled.taken is not None
    assert [one.run_id for one in pushed.pulled.taken.conflicts] == [one.id]
    pull(ana.project)
    tags = ana.project.store.run(one.id).tags
    assert (tags["from"], tags["by"]) == ("ana", "ben")
    assert ana.tree() == ben.tree()


# Where to


def test_what_comes_to_a_run_while_it_goes_on_stays(ana: Person, ben: Person) -> None:
    [run] = ana.runs("one")
    push(ana.project)
    pull(ben.project)
    mine = ActiveRun.resume(ana.project, run.id)
    mine.log_metrics({"mine": 1.0}, step=1)
    theirs = ActiveRun.resume(ben.project, run.id)
    theirs.log_metrics({"theirs": 2.0}, step=2)
    theirs.log_params({"more": True})
    theirs.log_bytes(b"x", "theirs.txt")
    theirs.end()
    edit_tags(ben.project, ben.project.store.run(run.id), {"good": "yes"})
    push(ben.project)
    pull(ana.project)
    ana.project.store.edit(run.id, lambda head: head.update(notes="By somebody who saw no live run."), "noted")
    mine.log_metrics({"mine": 1.5}, step=3)
    mine.set_tags({"mine": "1"})
    mine.set_notes("By who goes on.")
    mine.end()
    found = ana.project.store.run(run.id)
    assert (found.metrics, found.params["more"]) == ({"f1": 0.9, "theirs": 2.0, "mine": 1.5}, True)
    assert found.tags == {"good": "yes", "mine": "1"}
    kept, lost = sorted(["By somebody who saw no live run.", "By who goes on."], key=lambda text: text != found.notes)
    assert f": run.yaml: notes: kept {kept}, lost {lost}\n\nRun: {run.id}\n" in ana.git(
        "log", "-1", "--format=%B", RUNS
    )
    assert ana.project.history(run.id).steps == [1, 2, 3]
    assert {one.path for one in ana.project.artifacts(run.id)} == {"model/weights.bin", "theirs.txt"}
    assert verify_runs(ana.project).faults == ()


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_run_that_was_removed_elsewhere_while_it_goes_on_is_whole_when_it_ends(
    ana: Person, ben: Person, is_lost: bool
) -> None:
    [run, _] = ana.runs("one", "two")
    push(ana.project)
    pull(ben.project)
    mine = ActiveRun.resume(ana.project, run.id)
    ben.project.store.remove(run.id)
    push(ben.project)
    pull(ana.project)
    if is_lost:  # a purge and git's own gc took what the run was taken from
        (mine.directory / SINCE).write_text("0123456789" * 4)
        restore_run(ana.project, run.id)
    mine.log_metrics({"more": 1.0})
    mine.end()
    assert ana.project.store.run(run.id).metrics == {"f1": 0.9, "more": 1.0}
    assert ana.project.artifact_bytes(run.id, "model/weights.bin") == b"one"
    assert verify_runs(ana.project).errors == []


@pytest.mark.parametrize(
    ("remote", "said"),
    [("orgin", "Did you mean 'origin'"), ("--all", "is no remote"), ("", "is no remote")],
)
def test_a_remote_that_is_none(ana: Person, remote: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        push(ana.project, remote)


def test_no_remote(repo: Path) -> None:
    with pytest.raises(UsageError, match="git remote add"):
        pull(Project.open(repo))


def test_a_path_is_a_remote_too_and_what_was_seen_of_it_is_kept(ana: Person, bare: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.git"
    run_git("clone", "--quiet", "--bare", str(bare), str(other), cwd=tmp_path)
    ana.runs("one")
    assert push(ana.project, str(other)).runs == Counted(1)
    assert run_git("rev-parse", RUNS, cwd=other) == ana.git("rev-parse", RUNS)
    assert "refs/gtrack/seen/" in ana.git("for-each-ref", "refs/gtrack")
    assert ana.git("for-each-ref", "refs/remotes") == ""
    assert push(ana.project, str(other)).commits is False


def test_a_remote_that_is_gone(ana: Person, bare: Path) -> None:
    ana.runs("one")
    shutil.rmtree(bare)
    for act in (push, pull):
        with pytest.raises(GitError, match="cannot be asked"):
            act(ana.project)


def test_pushes_that_go_elsewhere(ana: Person, bare: Path, tmp_path: Path) -> None:
    other = tmp_path / "fork.git"
    run_git("clone", "--quiet", "--bare", str(bare), str(other), cwd=tmp_path)
    ana.git("remote", "set-url", "--push", "origin", str(other))
    ana.runs("one")
    push(ana.project)
    assert run_git("for-each-ref", RUNS, cwd=other)
    assert run_git("for-each-ref", RUNS, cwd=bare) == ""


# Clones of all kinds


def test_a_branch_that_is_checked_out_is_left_alone(ana: Person, ben: Person) -> None:
    ana.runs("one")
    push(ana.project)
    pull(ben.project)
    ben.git("checkout", "--quiet", "gtrack/runs")
    ana.runs("two")
    push(ana.project)
    before = ben.git("rev-parse", RUNS)
    with pytest.raises(GitError, match="checked out in"):
        pull(ben.project)
    assert ben.git("rev-parse", RUNS) == before
    assert ben.git("status", "--porcelain") == ""


def test_a_linked_worktree_and_a_bare_clone(ana: Person, ben: Person, bare: Path, tmp_path: Path) -> None:
    ana.runs("one")
    ana.git("worktree", "add", "--quiet", str(tmp_path / "linked"))
    assert push(Project.open(tmp_path / "linked")).runs == Counted(1)
    mirror = tmp_path / "mirror.git"
    run_git("clone", "--quiet", "--bare", str(bare), str(mirror), cwd=tmp_path)
    ben.runs("two")
    push(ben.project)
    pulled = pull(Project.open(mirror))
    assert pulled.taken is not None
    assert len(pulled.taken.runs) == 1
    assert run_git("rev-parse", RUNS, cwd=mirror) == run_git("rev-parse", RUNS, cwd=bare)


def test_a_shallow_clone_pulls_runs_and_pushes(ana: Person, bare: Path, tmp_path: Path) -> None:
    ana.runs("one", "two", "three")
    push(ana.project)
    place = tmp_path / "shallow"
    run_git("clone", "--quiet", "--depth", "1", "--no-single-branch", f"file://{bare}", str(place), cwd=tmp_path)
    shallow = Person(place)
    shallow.runs("four")
    ana.runs("five")
    push(ana.project)
    push(shallow.project)
    pull(ana.project)
    assert ana.names() == {"one", "two", "three", "four", "five"}
    assert shallow.tree() == ana.tree()


# Histories that were rewritten


def test_a_branch_that_was_forced_back_is_told_and_nothing_is_changed(ana: Person, ben: Person, bare: Path) -> None:
    ana.runs("one", "two")
    push(ana.project)
    pull(ben.project)
    run_git("update-ref", RUNS, f"{ana.git('rev-parse', RUNS)}^1", cwd=bare)
    ana.runs("four")
    there, here = run_git("rev-parse", RUNS, cwd=bare), ben.git("rev-parse", RUNS)
    ben.runs("three")
    mine = ben.git("rev-parse", RUNS)
    for act in (push, pull):
        with pytest.raises(Rewritten, match=f"it was at {here[:10]} when it was last seen"):
            act(ben.project)
    assert run_git("rev-parse", RUNS, cwd=bare) == there
    assert ben.git("rev-parse", RUNS) == mine
    pull(ben.project, accept_rewrite=True)
    push(ben.project)
    pull(ana.project)
    assert ana.names() == {"one", "two", "three", "four"}


def test_a_rewritten_branch_is_told_also_after_git_fetch(ana: Person, ben: Person, bare: Path) -> None:
    ana.runs("one")
    push(ana.project)
    pull(ben.project)
    other = ana.git("commit-tree", "-m", "Another beginning", f"{RUNS}^{{tree}}")
    ana.git("push", "--quiet", "--force", "origin", f"{other}:{RUNS}")
    ben.git("fetch", "--quiet")
    with pytest.raises(Rewritten):
        pull(ben.project)


def test_another_project_s_runs_are_told_and_merged_only_when_that_is_wanted(
    ana: Person, bare: Path, tmp_path: Path
) -> None:
    ana.runs("one")
    push(ana.project)
    place = tmp_path / "other"
    run_git("init", "--quiet", str(place), cwd=tmp_path)
    run_git("commit", "--quiet", "--allow-empty", "--message", "Another beginning", cwd=place)
    run_git("remote", "add", "origin", str(bare), cwd=place)
    other = Person(place)
    other.runs("two")
    before = run_git("for-each-ref", cwd=bare), other.git("for-each-ref")
    for act in (push, pull):
        with pytest.raises(Unrelated, match=r"neither runs nor code.*git remote set-url origin URL.*--accept-rewrite"):
            act(other.project)
    assert (run_git("for-each-ref", cwd=bare), other.git("for-each-ref")) == before
    pull(other.project, accept_rewrite=True)
    push(other.project)
    pull(ana.project)
    assert ana.names() == other.names() == {"one", "two"}
    other.runs("three")
    push(other.project)
    other.project.close()


@pytest.mark.parametrize("ana_is_first", [False, True])
def test_a_branch_whose_runs_were_all_purged_is_of_the_same_project_as_others(
    ana: Person, ben: Person, ana_is_first: bool
) -> None:
    [gone] = ana.runs("gone")
    ana.project.store.remove(gone.id)
    assert purge(ana.project, datetime.now(timezone.utc)) is not None
    ben.runs("first")
    people = [ana, ben] if ana_is_first else [ben, ana]
    for person in (*people, people[0]):
        push(person.project, pulling=True)
    assert ana.names() == ben.names() == {"first"}


@pytest.mark.parametrize("fetched", [False, True])
def test_a_purge_of_somebody_else(ana: Person, ben: Person, fetched: bool) -> None:
    [gone, _] = ana.runs("gone", "kept")
    push(ana.project)
    pull(ben.project)
    [mine] = ben.runs("mine")
    ana.project.store.remove(gone.id)
    purge(ana.project, datetime.now(timezone.utc))
    with pytest.raises(Unpublished, match="gtrack push --purged origin"):
        push(ana.project)
    push_purged(ana.project, "origin")
    if fetched:
        ben.git("fetch", "--quiet")
    before = ben.git("rev-parse", RUNS)
    pulled = pull(ben.project)
    assert pulled.taken is not None
    assert [record.run_ids for record in pulled.taken.purges] == [(gone.id,)]
    assert pulled.taken.replayed == 1
    assert pulled.taken.backup is not None
    assert ben.git("rev-parse", pulled.taken.backup) == before
    assert ben.names() == {"kept", "mine"}
    push(ben.project)
    pull(ana.project)
    assert ana.ids() == ben.ids()
    assert mine.id in ana.ids()
    assert gone.id not in ana.git("log", "--format=", "--name-only", "-m", RUNS)


# What must not be taken


def hostile(person: Person, bare: Path, *entries: str) -> None:
    """Commit something on top of the remote's branch that gtrack never writes: lines of ``git mktree``."""
    git_dir = f"--git-dir={bare}"
    blob = run_git(git_dir, "hash-object", "-w", "--stdin", cwd=bare, stdin="/etc/passwd")
    tip = run_git("rev-parse", RUNS, cwd=bare)
    experiments = run_git(git_dir, "ls-tree", f"{tip}:experiments", cwd=bare)
    lines = [experiments, *(entry.replace("BLOB", blob) for entry in entries)]
    tree = run_git(git_dir, "mktree", cwd=bare, stdin="\n".join(lines) + "\n")
    root = run_git(git_dir, "mktree", cwd=bare, stdin=f"040000 tree {tree}\texperiments\n")
    commit = run_git(git_dir, "commit-tree", "-m", "Hostile", "-p", tip, root, cwd=person.root)
    run_git(git_dir, "update-ref", RUNS, commit, cwd=bare)


def test_hostile_entries_are_refused_by_name_and_the_rest_is_taken(ana: Person, ben: Person, bare: Path) -> None:
    ana.runs("one")
    push(ana.project)
    pull(ben.project)
    ana.runs("two")
    push(ana.project)
    hostile(ana, bare, "120000 blob BLOB\tlink", "100644 blob BLOB\tfile")
    pulled = pull(ben.project)
    assert pulled.taken is not None
    assert {one.path for one in pulled.taken.refused} == {"experiments/link", "experiments/file"}
    assert len(pulled.taken.runs) == 1
    assert ben.names() == {"one", "two"}
    assert ben.git("ls-tree", "--name-only", f"{RUNS}:experiments") == "churn"
    again = pull(ben.project)
    assert again.taken is not None
    assert again.taken.refused == ()


# The registry


def test_tags_travel_and_lost_names_are_dealt_anew(ana: Person, ben: Person) -> None:
    [one] = ana.runs("one")
    [two] = ben.runs("two")
    ana.project.registry.register("churn", one.id)
    ana.project.registry.assign("churn", 1, "production")
    ben.project.registry.register("churn", two.id)
    pushed = push(ana.project)
    assert (pushed.tags.versions, pushed.tags.tags) == (1, 2)
    pulled = pull(ben.project)
    assert len(pulled.tags.problems) == 1
    assert "churn@v1.0.0 is Ana's on origin, and another one here" in pulled.tags.problems[0]
    assert ben.project.registry.run_of("churn@1") == two.id
    pushed = push(ben.project)
    assert (pushed.tags.versions, pushed.tags.problems) == (1, ())
    assert ben.project.registry.run_of("churn@1") == one.id
    pulled = pull(ana.project)
    assert pulled.tags.versions == 1
    for person in (ana, ben):
        assert person.project.registry.run_of("churn@2") == two.id
        assert person.project.registry.run_of("churn#production") == one.id


def test_one_model_that_is_refused_does_not_hold_up_the_others(ana: Person, bare: Path) -> None:
    [one] = ana.runs("one")
    for model in ("churn", "fraud", "spam"):
        ana.project.registry.register(model, one.id)
    hook = bare / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in *fraud*) echo "No fraud here." >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    pushed = push(ana.project)
    assert pushed.tags.versions == 2
    assert len(pushed.tags.problems) == 1
    assert "No fraud here." in pushed.tags.problems[0]
    assert run_git("tag", cwd=bare).split() == ["churn@v1.0.0", "spam@v1.0.0"]


def test_a_published_tag_that_was_rewritten_is_kept_here_and_told(ana: Person, bare: Path) -> None:
    [one] = ana.runs("one")
    ana.project.registry.register("churn", one.id)
    push(ana.project)
    mine = ana.git("rev-parse", "refs/tags/churn@v1.0.0")
    run_git("tag", "-f", "-a", "-m", "forged", "churn@v1.0.0", "main", cwd=bare)
    pulled = pull(ana.project)
    assert "it was rewritten there" in pulled.tags.problems[0]
    pushed = push(ana.project)
    assert "it was rewritten there" in pushed.tags.problems[0]
    assert ana.git("rev-parse", "refs/tags/churn@v1.0.0") == mine


def test_one_question_is_asked_of_the_remote_for_all_models(
    ana: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [one] = ana.runs("one")
    for model in ("churn", "fraud", "spam"):
        ana.project.registry.register(model, one.id)
    log = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(log))
    push(ana.project)
    asked = [line for line in log.read_text().splitlines() if "built-in: git ls-remote" in line]
    pushes = [line for line in log.read_text().splitlines() if "built-in: git push" in line]
    assert (len(asked), len(pushes)) == (1, 2)


def test_a_partial_clone_pushes_and_pulls_and_fetches_nothing_else(
    ana: Person, bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [one] = ana.runs("one")
    push(ana.project)
    partial_clone(bare, tmp_path / "partial")
    carl = Person(tmp_path / "partial")
    pull(carl.project)
    carl.runs("two")
    ana.project.registry.register("churn", ana.runs("three")[0].id)
    push(ana.project)
    traced = Traced(monkeypatch, tmp_path / "trace")
    pushed = push(carl.project)
    assert traced.fetches() == 1
    assert pushed.pulled is not None
    assert pushed.pulled.tags.versions == 1
    carl.project.registry.register("fraud", one.id)
    assert push(carl.project).tags.versions == 1
    pull(ana.project)
    assert ana.names() == carl.names() == {"one", "two", "three"}
    assert ana.tree() == carl.tree()


def test_a_sync_pulls_from_where_fetches_come_from(ana: Person, ben: Person, bare: Path, tmp_path: Path) -> None:
    fork = tmp_path / "fork.git"
    run_git("clone", "--quiet", "--bare", str(bare), str(fork), cwd=tmp_path)
    ana.git("remote", "set-url", "--push", "origin", str(fork))
    ben.runs("two")
    push(ben.project)
    ana.runs("one")
    pushed = push(ana.project, pulling=True)
    assert pushed.runs == Counted(2)
    assert pushed.pulled is not None
    assert pushed.pulled.taken is not None
    assert len(pushed.pulled.taken.runs) == 1
    assert run_git("rev-parse", RUNS, cwd=fork) == ana.git("rev-parse", RUNS)


def test_a_tag_that_is_in_the_way_holds_up_no_other(ana: Person, ben: Person) -> None:
    [one] = ana.runs("one")
    for model in ("churn", "team/churn"):
        ana.project.registry.register(model, one.id)
    push(ana.project)
    ben.git("tag", "team")
    pulled = pull(ben.project)
    assert pulled.tags.versions == 1
    assert len(pulled.tags.problems) == 1
    assert "team/churn@v1.0.0 of origin cannot be named here" in pulled.tags.problems[0]
    assert [model.name for model in ben.project.registry.models()] == ["churn"]
