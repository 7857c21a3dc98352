"""The space of a store is freed: of what purged runs had, as soon as nothing anywhere needs it, and of nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from gtrack.errors import GTrackError, UsageError
from gtrack.ops.large.transfer import pointers_between, upload
from gtrack.ops.remove import remove_all, restore_removed
from gtrack.ops.retention.backups import expire_backups
from gtrack.ops.retention.purge import purge, push_purged
from gtrack.ops.retention.store import delete_leftovers, plan_store
from gtrack.ops.sharing.push import push
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.conftest import Git, Once, run_git
from tests.ops.retention.conftest import NOW

LARGE = 20_000
SOON, LATER = NOW + timedelta(days=20), NOW + timedelta(days=31)
Written = Callable[..., None]


def three_runs(repo: Path) -> dict[str, Run]:
    """Make runs with large files; ``s.bin`` is of two of them."""
    configure(repo)
    project = Project.open(repo)
    made = {name: log(project, name, files) for name, files in {"kept": "s", "one": "s1x", "two": "2"}.items()}
    project.close()
    return made


def configure(root: Path, store: Path | None = None) -> Project:
    (root / ".gtrack").mkdir(exist_ok=True)
    remote = f"remote: 'file://{store}'" if store is not None else ""
    settings = f"artifacts: {{lfs_above_mb: 0.01, {remote}}}\nsystem: {{interval_seconds: 0}}\n"
    (root / ".gtrack" / "config.yaml").write_text(settings)
    return Project.open(root)


def log(project: Project, name: str, files: str) -> Run:
    run = ActiveRun.start(project, name=name, experiment="forest")
    for letter in files:
        run.log_bytes(letter.encode() * LARGE, f"{letter}.bin")
    return run.end()


def digest(letter: str) -> str:
    return sha256(letter.encode() * LARGE).hexdigest()


class Place:
    """A project, its store, and what of it is found not to be needed."""

    def __init__(self, repo: Path, runs: dict[str, Run], base: Path) -> None:
        self.store = base / "store"
        self.store.mkdir()
        self.project = configure(repo, self.store)
        self.runs = runs
        self.remote = base / "origin.git"
        run_git("init", "--quiet", "--bare", str(self.remote), cwd=repo)
        run_git("remote", "add", "origin", str(self.remote), cwd=repo)
        push(self.project, "origin")

    def there(self) -> str:
        """Return the letters of the objects that the store has."""
        return "".join(sorted(path.read_bytes()[:1].decode() for path in self.store.glob("??/??/" + "?" * 64)))

    def path(self, letter: str) -> Path:
        oid = digest(letter)
        return self.store / oid[:2] / oid[2:4] / oid

    def purge(self, *names: str, publish: bool = True) -> None:
        remove_all(self.project, [self.runs[name] for name in names])
        assert purge(self.project, NOW) is not None
        if publish:
            push_purged(self.project, "origin")

    def free(self, *, unknown: bool = False, others: tuple[Project, ...] = ()) -> str:
        """Delete what is not needed, and return the letters of what is there then."""
        plan = plan_store(self.project, LATER, others)
        delete_leftovers(self.project, plan, LATER, others, unknown=unknown)
        return self.there()


@pytest.fixture
def place(repo: Path, once: Once, tmp_path: Path) -> Place:
    """Return a project whose runs with large files are on a remote and in a store."""
    return Place(repo, once(three_runs), tmp_path)


def test_what_purged_runs_had_goes_once_no_backup_needs_it(place: Place) -> None:
    assert place.free() == "12sx"
    place.purge("one", "two")
    expire_backups(place.project, SOON)
    assert place.free() == "12sx"  # by the backup they can be restored
    expire_backups(place.project, LATER)
    plan = plan_store(place.project, LATER)
    assert {one.stored.oid: one.run_id for one in plan.leftovers} == {
        digest("1"): place.runs["one"].id,
        digest("x"): place.runs["one"].id,
        digest("2"): place.runs["two"].id,
    }
    assert (plan.needed.objects, plan.needed.bytes, plan.young.objects) == (1, LARGE, 0)
    deleted = delete_leftovers(place.project, plan, LATER)
    assert {one.stored.oid for one in deleted.leftovers} == {digest(one) for one in "12x"}
    assert place.there() == "s"
    assert place.project.store.artifact_bytes(place.runs["kept"].id, "s.bin") == b"s" * LARGE
    assert plan_store(place.project, LATER).leftovers == ()


def test_another_clone_knows_what_the_purge_took(place: Place, tmp_path: Path, git: Git) -> None:
    place.purge("one")
    git("clone", "--quiet", "--no-checkout", str(place.remote), str(tmp_path / "clone"))
    plan = plan_store(configure(tmp_path / "clone", place.store), LATER)
    assert {one.stored.oid for one in plan.purged} == {digest("1"), digest("x")}
    assert plan.unknown == ()


def test_what_a_remote_still_has_stays_though_nobody_has_fetched_it(place: Place, git: Git) -> None:
    place.purge("one", publish=False)
    expire_backups(place.project, LATER)
    for ref in git("for-each-ref", "--format=%(refname)", "refs/remotes", "refs/gtrack").splitlines():
        git("update-ref", "-d", ref)
    assert place.free() == "12sx"
    git("tag", "held", git("ls-remote", str(place.remote), "refs/heads/gtrack/runs").split()[0])
    push_purged(place.project, "origin")
    assert place.free() == "12sx"  # a tag of one's own
    git("tag", "-d", "held")
    assert place.free() == "2s"


def test_what_is_on_the_remote_alone_is_fetched_to_see_what_it_needs(place: Place, tmp_path: Path, git: Git) -> None:
    """Somebody else logged the bytes of a purged run again, and pushed that; here nobody has pulled."""
    place.purge("one", "two")
    git("clone", "--quiet", str(place.remote), str(tmp_path / "clone"))
    git("-C", str(tmp_path / "clone"), "checkout", "--quiet", "--orphan", "main")
    git("-C", str(tmp_path / "clone"), "commit", "--quiet", "--allow-empty", "-m", "first")
    other = configure(tmp_path / "clone", place.store)
    run = log(other, "again", "1")
    other.registry.register("model", run.id, "1.bin")
    before = git("for-each-ref")
    expire_backups(place.project, LATER)
    push(other, "origin")
    assert place.free() == "1s"
    assert set(git("for-each-ref").splitlines()) < set(before.splitlines())  # less the backup, and nothing moved
    git("-C", str(place.remote), "update-ref", "-d", "refs/heads/gtrack/runs")
    assert place.free() == "1s"  # the registry tag alone leads to it now


def test_what_no_purge_named_goes_only_when_that_is_asked_for(place: Place) -> None:
    foreign = place.path("f")
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"f" * LARGE)
    [found] = plan_store(place.project, LATER).leftovers
    assert (found.stored.oid, found.run_id) == (digest("f"), None)
    assert place.free() == "12fsx"
    assert place.free(unknown=True) == "12sx"


def test_what_another_project_needs_stays(place: Place, tmp_path: Path) -> None:
    run_git("init", "--quiet", str(tmp_path / "other"), cwd=tmp_path)
    run_git("commit", "--quiet", "--allow-empty", "-m", "first", cwd=tmp_path / "other")
    other = configure(tmp_path / "other", place.store)
    log(other, "theirs", "1o")
    upload(other, "nowhere", pointers_between(other.repo, None, str(other.store.tip())))
    place.purge("one")
    expire_backups(place.project, LATER)
    assert place.free(unknown=True, others=(other,)) == "12os"
    assert place.free() == "2os"  # equal bytes, of which nobody said that another project has them


def test_what_is_young_stays_and_what_is_needed_anew_becomes_young(place: Place) -> None:
    place.purge("one")
    expire_backups(place.project, LATER)
    for letter, moment in {"1": LATER, "x": NOW}.items():
        os.utime(place.path(letter), (moment.timestamp(), moment.timestamp()))
    plan = plan_store(place.project, LATER)
    assert ([one.stored.oid for one in plan.leftovers], plan.young.objects, plan.days) == ([digest("x")], 1, 30)
    os.utime(place.path("x"), (0, 0))
    log(place.project, "again", "x")
    pointers = pointers_between(place.project.repo, plan_tip(place), str(place.project.store.tip()))
    sent = upload(place.project, "origin", pointers)
    assert (sent.objects, sent.lacking) == (0, ())
    assert place.path("x").stat().st_mtime > 10**9  # renewed, not sent


def plan_tip(place: Place) -> str:
    return place.project.repo.run("rev-parse", "origin/gtrack/runs").decode().strip()


def test_what_came_between_the_plan_and_the_deletion_is_heeded(place: Place) -> None:
    place.purge("one")
    expire_backups(place.project, LATER)
    plan = plan_store(place.project, LATER)
    assert {one.stored.oid for one in plan.leftovers} == {digest("1"), digest("x")}
    log(place.project, "again", "1")
    os.utime(place.path("x"), (LATER.timestamp(), LATER.timestamp()))
    deleted = delete_leftovers(place.project, plan, LATER)
    assert (deleted.leftovers, deleted.stayed) == ((), 2)
    assert place.there() == "12sx"


def test_a_backup_that_is_restored_needs_its_objects_again(place: Place) -> None:
    place.purge("one")
    restore_removed(place.project, "one")
    expire_backups(place.project, LATER)
    assert place.free() == "12sx"


def test_whoever_cannot_tell_is_refused(place: Place, tmp_path: Path, git: Git) -> None:
    place.purge("one")
    expire_backups(place.project, LATER)
    git("remote", "set-url", "origin", str(tmp_path / "gone.git"))
    with pytest.raises(GTrackError, match=r"Nothing was deleted, since origin may need .*git remote remove origin"):
        plan_store(place.project, LATER)
    git("-C", str(place.remote), "config", "uploadpack.allowFilter", "true")
    for name, option in {"partial": "--filter=blob:none", "shallow": "--depth=1"}.items():
        git(
            "clone",
            "--quiet",
            "--no-checkout",
            "--branch=gtrack/runs",
            option,
            f"file://{place.remote}",
            str(tmp_path / name),
        )
        with pytest.raises(GTrackError, match=rf"is a {name} clone(?s:.*)Nothing was deleted"):
            plan_store(configure(tmp_path / name, place.store), LATER)
    assert place.there() == "12sx"


def test_without_a_store_it_is_told_what_lfs_servers_do(repo: Path) -> None:
    with pytest.raises(UsageError, match=r"artifacts\.remote is not set.*LFS server.*delete nothing"):
        plan_store(Project.open(repo), NOW)
