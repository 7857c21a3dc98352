"""What purges left goes when its time is over, with the large files that nobody else needs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gtrack.git.lfs import Pointer, object_path
from gtrack.ops.remove import remove_all, removed, restore_removed
from gtrack.ops.retention.backups import expire_backups
from gtrack.ops.retention.purge import purge, push_purged
from gtrack.ops.sharing.push import push
from gtrack.project import Project
from gtrack.records import Run
from gtrack.store.live import LiveDir
from gtrack.store.purge import backups
from gtrack.writer import ActiveRun
from tests.conftest import Git, Once, run_git
from tests.ops.conftest import OpenProject
from tests.ops.retention.conftest import NOW, Runs, purge_failed

LATER = NOW + timedelta(days=31)
LARGE = 20_000


def large_runs(repo: Path) -> dict[str, Run]:
    """Make runs with large files: one that is also in a file of the code, one that two runs share, and one's own."""
    (repo / ".gtrack").mkdir(exist_ok=True)
    (repo / ".gtrack" / "config.yaml").write_text("artifacts: {lfs_above_mb: 0.01}\nsystem: {interval_seconds: 0}\n")
    project = Project.open(repo)
    made = {}
    for name, files in {"kept": b"s", "one": b"sc1", "two": b"sc2"}.items():
        run = ActiveRun.start(project, name=name, experiment="forest")
        for letter in files.decode():
            run.log_bytes(letter.encode() * LARGE, f"{letter}.bin")
        made[name] = run.end()
    pointer = project.repo.run("show", f"gtrack/runs:{place(made['one'])}/artifacts/c.bin")
    (repo / "weights.bin").write_bytes(pointer)
    project.repo.run("add", "weights.bin")
    project.close()
    return made


def place(run: Run) -> str:
    return f"experiments/{run.experiment}/{run.id[:2]}/{run.id}"


def contents(project: Project) -> set[str]:
    """Return the first letters of the large files that are in the local store."""
    store = project.repo.common_dir / "lfs" / "objects"
    return {path.read_bytes()[:1].decode() for path in store.glob("*/*/*")}


def test_a_backup_stays_for_its_days_and_then_goes_with_what_it_held(runs: Runs, project: Project, git: Git) -> None:
    blob = git("rev-parse", f"gtrack/runs:{place(runs['broken'])}/artifacts/weights.bin")
    made = purge_failed(project)
    assert expire_backups(project, NOW + timedelta(days=29)).dropped == ()
    assert [one.name for one in removed(project)[0]] == ["broken"]
    assert [one.ref for one in expire_backups(project, LATER).dropped] == [made.backup.ref]
    assert git("for-each-ref", "refs/gtrack") == ""
    assert removed(project) == ([], 0)
    git("reflog", "expire", "--expire-unreachable=now", "gtrack/runs")
    git("gc", "--quiet", "--prune=now")
    assert git("cat-file", "--batch-check", stdin=f"{blob}\n") == f"{blob} missing"
    git("fsck", "--strict")


def test_without_days_to_keep_it_nothing_is_kept(runs: Runs, repo: Path, git: Git, open_project: OpenProject) -> None:
    (repo / ".gtrack").mkdir(exist_ok=True)
    (repo / ".gtrack" / "config.yaml").write_text("retention: {backup_days: 0}\n")
    project = open_project()
    blob = git("rev-parse", f"gtrack/runs:{place(runs['broken'])}/artifacts/weights.bin")
    made = purge_failed(project)
    assert expire_backups(project, NOW).dropped == (made.backup,)
    git("gc", "--quiet", "--prune=now")
    assert git("cat-file", "--batch-check", stdin=f"{blob}\n") == f"{blob} missing"


def test_large_files_go_last_and_only_those_that_nothing_else_needs(once: Once, repo: Path) -> None:
    made = once(large_runs)
    project = Project.open(repo)
    remove_all(project, [made["one"], made["two"]])
    assert purge(project, NOW) is not None
    assert expire_backups(project, NOW).large == 0
    assert contents(project) == set("sc12")
    assert restore_removed(project, "two") == made["two"]
    assert project.store.artifact_bytes(made["two"].id, "2.bin") == b"2" * LARGE
    expired = expire_backups(project, LATER)
    assert (expired.large, expired.large_bytes) == (1, LARGE)
    assert contents(project) == set("sc2")  # c.bin is in the index of the working tree, too
    assert project.store.artifact_bytes(made["kept"].id, "s.bin") == b"s" * LARGE


def test_a_run_that_goes_on_keeps_large_files_and_their_backup(once: Once, repo: Path) -> None:
    made = once(large_runs)
    project = Project.open(repo)
    remove_all(project, [made["one"]])
    assert purge(project, NOW) is not None
    live = ActiveRun.start(Project.open(repo), name="live", experiment="forest")
    expired = expire_backups(project, LATER)
    assert [reason for _, reason in expired.kept] == ["it has large files, and a run goes on"]
    assert contents(project) == set("sc12")
    live.log_bytes(b"1" * LARGE, "again.bin")
    live.end()
    assert expire_backups(project, LATER).large == 0
    assert project.store.artifact_bytes(project.resolve("live").id, "again.bin") == b"1" * LARGE
    assert backups(project.repo) == []


def test_what_a_remote_still_has_keeps_its_backup(runs: Runs, project: Project, repo: Path, git: Git) -> None:
    assert len(runs) == 6
    git("init", "--quiet", "--bare", "../origin.git")
    git("remote", "add", "origin", str(repo.parent / "origin.git"))
    push(project, "origin")
    made = purge_failed(project)
    expired = expire_backups(project, LATER)
    assert (expired.dropped, len(expired.kept)) == ((), 1)
    assert expired.kept[0][1] == "origin still has what was purged: 'gtrack push --purged origin'"
    push_purged(project, "origin")
    assert expire_backups(project, LATER).dropped == (made.backup,)


def test_a_large_file_that_is_gone_already_is_no_error(once: Once, repo: Path) -> None:
    made = once(large_runs)
    project = Project.open(repo)
    remove_all(project, [made["one"]])
    assert purge(project, NOW) is not None
    pointer = project.store.branch()
    assert pointer.tip is not None
    for path in (project.repo.common_dir / "lfs" / "objects").glob("*/*/*"):
        if path.read_bytes()[:1] == b"1":
            assert object_path(project.repo, path.name) == path
            path.unlink()
    assert len(expire_backups(project, LATER).dropped) == 1
    assert contents(project) == set("sc2")


def test_a_forged_pointer_takes_no_large_file_of_another_run_away(once: Once, repo: Path) -> None:
    made = once(large_runs)
    project = Project.open(repo)
    [inside] = [
        path for path in (project.repo.common_dir / "lfs/objects").glob("*/*/*") if path.read_bytes()[:1] == b"2"
    ]
    forged = ActiveRun.start(project, name="forged", experiment="forest")
    forged.log_bytes(Pointer(inside.name, 5).encode(), "x.bin")
    remove_all(project, [forged.end()])
    assert purge(project, NOW) is not None
    assert expire_backups(project, LATER).large == 0
    assert project.store.artifact_bytes(made["two"].id, "2.bin") == b"2" * LARGE


def test_a_store_that_other_repositories_may_use_is_left_alone(once: Once, repo: Path, tmp_path: Path) -> None:
    made = once(large_runs)
    (repo / ".git" / "lfs").rename(tmp_path / "shared")
    (repo / ".git" / "lfs" / "objects").mkdir(parents=True)
    run_git("config", "lfs.storage", str(tmp_path / "shared"), cwd=repo)
    project = Project.open(repo)
    remove_all(project, [made["one"]])
    assert purge(project, NOW) is not None
    expired = expire_backups(project, LATER)
    assert (len(expired.dropped), expired.large) == (1, 0)
    assert len(list((tmp_path / "shared" / "objects").glob("*/*/*"))) == 4


def test_a_run_that_is_committed_while_a_backup_goes_keeps_its_large_files(once: Once, repo: Path) -> None:
    made = once(large_runs)
    remove_all(Project.open(repo), [made["one"]])
    assert purge(Project.open(repo), NOW) is not None
    project, other = Project.open(repo), Project.open(repo)
    again = ActiveRun.start(other, name="again", experiment="forest")
    again.log_bytes(b"1" * LARGE, "1.bin")
    look, looked = project.live.directories, []

    def none_at_first() -> list[LiveDir]:
        """Stand for a run that began just after it was looked for."""
        looked.append(1)
        return look() if len(looked) > 1 else []

    project.live.directories = none_at_first  # type: ignore[method-assign]
    expired = expire_backups(project, LATER)
    assert [reason for _, reason in expired.kept] == ["it has large files, and a run was committed just now"]
    again.end()
    assert project.store.artifact_bytes(project.resolve("again").id, "1.bin") == b"1" * LARGE
