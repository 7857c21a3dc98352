"""Runs go from the history, and all else stays: other runs, tags, what others write meanwhile, and a way back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gtrack.errors import GitError, GTrackError
from gtrack.git.clone import clone, finish
from gtrack.git.refs import Update, update
from gtrack.ops.edit import edit_tags
from gtrack.ops.remove import remove_all, removed, restore_removed
from gtrack.ops.retention.backups import expire_backups
from gtrack.ops.retention.purge import check_remotes, purge, push_purged
from gtrack.ops.sharing.pull import pull
from gtrack.ops.sharing.push import push
from gtrack.project import Project
from gtrack.registry.writing import Terms
from gtrack.store.locks import file_lock
from gtrack.store.purge import backups, newest_twin, purges_since, twin_of
from gtrack.writer import ActiveRun
from tests.conftest import Git, run_git
from tests.git.signing_keys import ssh_key
from tests.ops.conftest import MakeRun, OpenProject
from tests.ops.retention.conftest import NOW, Runs, purge_failed

BRANCH = "gtrack/runs"


def objects(git: Git, commit: str) -> str:
    return git("rev-list", "--objects", commit)


def test_the_history_has_the_run_no_more_and_all_else_as_it_was(runs: Runs, project: Project, git: Git) -> None:
    gone = runs["broken"]
    own = {name: project.store.run_commit(run.id) for name, run in runs.items()}
    trees = {run.id: project.store.tree(run.id) for run in runs.values() if run != gone}
    blob = git("rev-parse", f"{BRANCH}:experiments/forest/{gone.id[:2]}/{gone.id}/artifacts/weights.bin")
    made = purge_failed(project)
    assert made.run_ids == (gone.id,)
    text = objects(git, BRANCH)
    assert gone.id not in text
    assert blob not in text
    assert str(own["broken"]) not in text
    assert {run_id: project.store.tree(run_id) for run_id in trees} == trees
    for name, run in runs.items():
        assert project.store.run_commit(run.id) == (None if run == gone else own[name])
    assert git("log", "-1", "--format=%B", BRANCH).splitlines() == ["Purge 1 run", "", f"Purged: {gone.id}"]
    subjects = git("log", "--format=%s|%an|%at", "--first-parent", BRANCH).splitlines()[1:]
    assert subjects[:-1] == git("log", "--format=%s|%an|%at", "--first-parent", made.backup.commit).splitlines()[:-1]
    git("fsck", "--strict")
    assert git("status", "--porcelain") == ""
    assert project.resolve("best:f1").name == "trial"  # the index has followed


def test_each_commit_of_the_old_history_has_its_twin_in_the_new_one(runs: Runs, project: Project, git: Git) -> None:
    old = git("log", "--format=%H", "--first-parent", BRANCH).splitlines()[
        :-2
    ]  # but the first run's own commit, and its code
    made = purge_failed(project)
    twins = [twin_of(project.repo, commit, made.commit) for commit in old]
    assert [git("log", "-1", "--format=%s", str(twin)) for twin in twins] == [
        git("log", "-1", "--format=%s", commit) for commit in old
    ]
    assert purges_since(project.repo, str(twins[0]), made.commit)[0].run_ids == (runs["broken"].id,)
    assert purges_since(project.repo, str(twins[0]), made.commit)[0].who == "Ana <ana@example.org>"
    remove_all(project, [project.resolve("only")])
    again = purge(project, NOW)
    assert again is not None
    found = newest_twin(project.repo, made.backup.commit, again.commit)
    assert found is not None
    assert found.known == made.backup.commit
    assert len(purges_since(project.repo, found.twin, again.commit)) == 2
    assert twin_of(project.repo, "0" * 40, again.commit) is None
    assert newest_twin(project.repo, git("rev-parse", "main"), again.commit) is None


def test_a_history_that_only_says_it_was_purged_is_not_believed(runs: Runs, project: Project, git: Git) -> None:
    assert len(runs) == 6
    known = git("rev-parse", BRANCH)
    empty = git("rev-parse", f"{BRANCH}~3^{{tree}}")
    said = f"Rewritten\n\nExperiment: forest\nRewritten-From: {known}\n"
    forged = git("commit-tree", "-m", said, empty)
    assert twin_of(project.repo, known, forged) == forged
    assert newest_twin(project.repo, known, forged) is None
    made = purge_failed(project)
    assert newest_twin(project.repo, known, made.commit) is not None


def test_registry_tags_stay_as_they_are_and_signed(
    runs: Runs, project: Project, git: Git, repo: Path, tmp_path: Path
) -> None:
    public = ssh_key(tmp_path / "key", repo)
    (tmp_path / "signers").write_text(f"ana@example.org {public}\n")
    git("config", "gpg.ssh.allowedSignersFile", str(tmp_path / "signers"))
    signed = Terms(sign=True)
    project.registry.register("churn", runs["trial"].id, "weights.bin", terms=signed)
    project.registry.register("risk", runs["broken"].id, "weights.bin", terms=signed)
    remove_all(project, [runs["broken"], runs["low"]], force=True)
    tags = git("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "refs/tags")
    made = purge(project, NOW)
    assert made is not None
    assert made.run_ids == (runs["low"].id,)  # what a version is of stays in the history, though it was removed
    assert git("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "refs/tags") == tags
    git("tag", "--verify", "churn@v1.0.0", "risk@v1.0.0")
    assert project.registry.run_of("churn@1") == runs["trial"].id
    assert project.store.run_commit(runs["trial"].id) == git("rev-parse", "churn@v1.0.0^{commit}")
    assert restore_removed(project, "broken") == runs["broken"]


def test_what_a_purge_took_comes_back_from_its_backup_with_its_own_commit(
    runs: Runs, project: Project, git: Git
) -> None:
    own = project.store.run_commit(runs["broken"].id)
    purge_failed(project)
    [one] = removed(project)[0]
    assert (one.name, one.removed.run_id, one.removed.backup) == (
        "broken",
        runs["broken"].id,
        backups(project.repo)[0].ref,
    )
    assert restore_removed(project, runs["broken"].id[:6]) == runs["broken"]
    assert project.store.run_commit(runs["broken"].id) == own
    assert git("log", "-1", "--format=%s", BRANCH) == "forest: broken restored"
    assert purge(project, NOW) is None
    assert purge_failed(project).run_ids == (runs["broken"].id,)
    assert runs["broken"].id not in objects(git, BRANCH)


def test_runs_that_others_commit_meanwhile_are_on_the_new_branch(
    runs: Runs, project: Project, repo: Path, git: Git
) -> None:
    remove_all(project, [runs["broken"]])
    names: list[str] = []

    def interrupt(done: int, _: int) -> None:
        if done in (1, 3):
            names.append(f"late {done}")
            ActiveRun.start(Project.open(repo), name=names[-1], experiment="late").end()

    made = purge(project, NOW, interrupt)
    assert made is not None
    assert {run.name for run in project.store.runs()} == {*runs, *names} - {"broken"}
    assert all(project.store.run_commit(project.resolve(name).id) for name in names)
    assert runs["broken"].id not in objects(git, BRANCH)
    assert made.backup.commit == backups(project.repo)[0].commit
    assert "late 3" in git("log", "-1", "--format=%s", made.backup.commit)
    assert len(backups(project.repo)) == 1


def test_a_run_that_is_restored_meanwhile_is_not_purged(runs: Runs, project: Project, repo: Path) -> None:
    remove_all(project, [runs["broken"], runs["low"]])

    def interrupt(done: int, _: int) -> None:
        if done == 1 and Project.open(repo).store.branch().locate(runs["low"].id) is None:
            restore_removed(Project.open(repo), "low")

    made = purge(project, NOW, interrupt)
    assert made is not None
    assert made.run_ids == (runs["broken"].id,)
    assert project.store.run(runs["low"].id) == runs["low"]


def test_one_purge_at_a_time(runs: Runs, project: Project, repo: Path) -> None:
    remove_all(project, [runs["low"]])
    lock = file_lock(repo / ".git" / "gtrack" / "purge.lock", 1)
    assert lock is not None
    with pytest.raises(GTrackError, match="Another purge goes on here"):
        purge(project, NOW)
    lock.release()
    assert purge(project, NOW) is not None
    assert purge(project, NOW) is None


def test_the_first_run_may_go_and_all_runs_may(runs: Runs, project: Project, git: Git, make_run: MakeRun) -> None:
    remove_all(project, [runs["search"]], with_children=True)
    assert purge(project, NOW) is not None
    assert runs["search"].id not in objects(git, BRANCH)
    remove_all(project, project.store.runs())
    made = purge(project, NOW)
    assert made is not None
    assert len(made.run_ids) == 4
    assert git("ls-tree", "-r", "--name-only", BRANCH).splitlines() == [
        "experiments/forest/experiment.yaml",
        "experiments/sweep/experiment.yaml",
    ]
    assert [run.name for run in [make_run("new")]] == [run.name for run in project.store.runs()]
    git("fsck", "--strict")


def test_a_merged_history_is_rewritten_with_its_merges(runs: Runs, project: Project, repo: Path, git: Git) -> None:
    git("branch", "aside", BRANCH)
    ActiveRun.start(Project.open(repo), name="here", experiment="forest").end("failed")
    ours = git("rev-parse", BRANCH)
    update(project.repo, [Update(f"refs/heads/{BRANCH}", git("rev-parse", "aside"))], project.identity(), "aside")
    ActiveRun.start(Project.open(repo), name="there", experiment="other").end()
    remote = repo.parent / "remote.git"
    git("init", "--quiet", "--bare", str(remote))
    git("push", "--quiet", str(remote), f"{ours}:refs/heads/{BRANCH}")
    pull(project, str(remote))
    assert len(git("log", "-1", "--format=%P", BRANCH).split()) == 2
    made = purge_failed(project)
    assert len(made.run_ids) == 2
    assert {run.name for run in project.store.runs()} == {*runs, "there"} - {"broken"}
    text = objects(git, BRANCH)
    assert not any(run_id in text for run_id in made.run_ids)
    merge = git("log", "--format=%H", "--grep=^Merged-From:", BRANCH).splitlines()
    assert len(merge) == 1
    assert len(git("log", "-1", "--format=%P", merge[0]).split()) == 2
    git("fsck", "--strict")


@pytest.fixture
def remote(repo: Path, git: Git) -> Path:
    """Return a bare repository that is the remote ``origin``."""
    path = repo.parent / "origin.git"
    git("init", "--quiet", "--bare", str(path))
    git("remote", "add", "origin", str(path))
    git("push", "--quiet", "origin", "main")
    return path


def other_clone(remote: Path) -> Project:
    place = remote.with_name("other")
    run_git("clone", "--quiet", str(remote), str(place), cwd=remote.parent)
    return Project.open(place)


def test_a_purge_is_published_and_other_clones_follow_with_what_they_have_of_their_own(
    runs: Runs, project: Project, remote: Path, git: Git
) -> None:
    push(project, "origin")
    other = other_clone(remote)
    pull(other, "origin")
    before = git("rev-parse", BRANCH)
    purge_failed(project)
    ActiveRun.start(other, name="theirs", experiment="forest").end()
    pushed = push_purged(project, "origin")
    assert (pushed.before, pushed.commit, pushed.replayed) == (before, git("rev-parse", BRANCH), 0)
    assert runs["broken"].id not in objects(git, "refs/remotes/origin/gtrack/runs")
    push(other, "origin")
    assert {run.name for run in other.store.runs()} == {*runs, "theirs"} - {"broken"}
    pull(project, "origin")
    assert runs["broken"].id not in objects(git, BRANCH)
    assert restore_removed(other, "broken") == runs["broken"]  # from the backup that its pull has made


def test_what_others_pushed_since_the_purge_comes_on_top(runs: Runs, project: Project, remote: Path, git: Git) -> None:
    push(project, "origin")
    other = other_clone(remote)
    pull(other, "origin")
    purge_failed(project)
    ActiveRun.start(other, name="theirs", experiment="forest").end()
    push(other, "origin")
    pushed = push_purged(project, "origin")
    assert pushed.replayed == 1
    assert {run.name for run in project.store.runs()} == {*runs, "theirs"} - {"broken"}
    assert runs["broken"].id not in objects(git, BRANCH)
    assert run_git("rev-parse", BRANCH, cwd=remote) == git("rev-parse", BRANCH)
    pull(other, "origin")
    assert run_git("rev-parse", BRANCH, cwd=other.repo.git_dir) == git("rev-parse", BRANCH)


def test_a_remote_that_is_ahead_or_unreachable_forbids_a_purge(
    runs: Runs, project: Project, remote: Path, git: Git
) -> None:
    assert len(runs) == 6
    check_remotes(project)  # it has no such branch
    push(project, "origin")
    check_remotes(project)
    other = other_clone(remote)
    theirs = ActiveRun.start(other, name="theirs", experiment="forest")
    theirs.log_bytes(b"x", "weights.bin")
    theirs.end()
    push(other, "origin")
    with pytest.raises(GTrackError, match=r"origin has commits on gtrack/runs that are not here.*gtrack pull origin"):
        check_remotes(project)
    pull(project, "origin")
    check_remotes(project)
    other.registry.register("churn", other.resolve("theirs").id, "weights.bin")
    push(other, "origin")
    with pytest.raises(GTrackError, match="origin has registry tags that are not here"):
        check_remotes(project)
    pull(project, "origin")
    check_remotes(project)
    remote.rename(remote.with_name("moved.git"))
    with pytest.raises(GTrackError, match="--no-remote purges all the same"):
        check_remotes(project)
    assert git("for-each-ref", "refs/gtrack/backup") == ""


def test_what_no_purge_was_made_of_is_never_replaced(
    runs: Runs, project: Project, remote: Path, git: Git, open_project: OpenProject
) -> None:
    assert len(runs) == 6
    foreign = git("commit-tree", "-m", "Something else", "main^{tree}")
    git("push", "--quiet", "origin", f"{foreign}:refs/heads/{BRANCH}")
    with pytest.raises(GTrackError, match="not what a purge here was made of"):
        push_purged(open_project(), "origin")
    assert run_git("rev-parse", BRANCH, cwd=remote) == foreign


def test_a_server_that_lets_the_branch_only_grow_says_so(runs: Runs, project: Project, remote: Path, git: Git) -> None:
    assert len(runs) == 6
    push(project, "origin")
    before = git("rev-parse", BRANCH)
    run_git("config", "receive.denyNonFastForwards", "true", cwd=remote)
    purge_failed(project)
    with pytest.raises(GTrackError, match="has to allow this one push"):
        push_purged(project, "origin")
    assert run_git("rev-parse", BRANCH, cwd=remote) == before
    git("push", "--quiet", "origin", f"{BRANCH}:refs/heads/purged")
    run_git("update-ref", f"refs/heads/{BRANCH}", "purged", cwd=remote)
    assert push_purged(project, "origin").commit == git("rev-parse", f"origin/{BRANCH}")


def test_a_shallow_clone_is_refused(runs: Runs, project: Project, repo: Path) -> None:
    assert len(runs) == 6
    (repo / ".git" / "shallow").write_text("")
    with pytest.raises(GTrackError, match="git fetch --unshallow"):
        purge(project, NOW)


def test_a_partial_clone_has_what_its_backup_needs_before_the_remote_loses_it(
    runs: Runs, project: Project, remote: Path, git: Git
) -> None:
    push(project, "origin")
    place = remote.with_name("partial")
    partial, _ = clone(str(remote), place, "10k", lambda *_: None)
    finish(partial)
    other = Project.open(place)
    pull(other, "origin")
    mine = ActiveRun.start(other, name="mine", experiment="forest")
    mine.log_bytes(b"mine" * 10_000, "weights.bin")
    made = mine.end("failed")
    push(other, "origin")
    pull(project, "origin")
    edit_tags(project, runs["only"], {"theirs": "1"})
    push(project, "origin")
    pull(other, "origin")
    git(
        "gc", "--quiet", "--prune=now", cwd=place
    )  # before 2.48 git takes what the clone made itself: the remote has it
    assert set(purge_failed(other).run_ids) == {made.id, runs["broken"].id}
    git("config", "remote.origin.pushurl", f"file://{remote}", cwd=place)
    git("config", "remote.origin.url", f"file://{remote}-gone", cwd=place)
    with pytest.raises(GitError, match=r"would be lost\. Nothing was pushed"):
        push_purged(other, "origin")
    git("config", "remote.origin.url", f"file://{remote}", cwd=place)
    git("config", "--unset", "remote.origin.pushurl", cwd=place)
    push_purged(other, "origin")
    for one in (remote, place):
        git("gc", "--quiet", "--prune=now", cwd=one)
    for run, data in ((made, b"mine" * 10_000), (runs["broken"], b"broken" * 20_000)):
        assert restore_removed(other, run.id) == run
        assert other.store.file(run.id, "artifacts/weights.bin") == data
    assert list(place.glob(".git/objects/pack/pack-*.keep"))
    assert len(expire_backups(other, NOW + timedelta(days=31)).dropped) == 1
    assert not list(place.glob(".git/objects/pack/pack-*.keep"))
