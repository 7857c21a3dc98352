"""What the hook of a server takes for a purge of the runs branch: that branch without runs, whole else, by who may do so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gtrack.errors import GTrackError
from gtrack.ops.edit import edit_tags
from gtrack.ops.retention.purge import purge, push_purged
from gtrack.ops.server.hook import check_update
from gtrack.ops.server.init import initialise_server
from gtrack.ops.server.pushed_tag import Refused
from gtrack.ops.sharing.pull import pull
from gtrack.ops.sharing.push import push
from gtrack.project import Project
from gtrack.store.purge import BACKUPS
from tests.conftest import run_git
from tests.ops.server.test_hook import settle
from tests.ops.sharing.people import Person

RUNS = "refs/heads/gtrack/runs"
SETTINGS = "system: {interval_seconds: 0}\nretention: {purgers: [Ana <ana@example.org>]}\n"


@pytest.fixture
def server(tmp_path: Path) -> Path:
    """Return where the server is, once Ana has pushed to it."""
    return tmp_path / "server.git"


@pytest.fixture
def ana(repo: Path, server: Path) -> Iterator[Person]:
    """Return Ana, who may purge, and has pushed three runs to the server, one of which is a model version."""
    settle(repo, SETTINGS)
    run_git("clone", "--quiet", "--bare", str(repo), str(server), cwd=repo)
    run_git("remote", "add", "origin", str(server), cwd=repo)
    person = Person(repo)
    used = person.runs("one", "two", "used")[-1]
    person.project.registry.register("churn", used.id)
    push(person.project)
    initialise_server(server)
    yield person
    person.project.close()


def rule(server: Path, person: Person, settings: str) -> None:
    """Give the server other settings."""
    settle(person.root, settings)
    run_git("fetch", "--quiet", str(person.root), "main:main", cwd=server)


def gone(person: Person, *names: str) -> None:
    """Remove runs, and purge the branch of them."""
    ids = {run.name: run.id for run in person.project.store.runs()}
    for name in names:
        person.project.store.remove(ids[name])
    assert purge(person.project, datetime.now(timezone.utc)) is not None


def judged(server: Path, person: Person, pushed: str = RUNS) -> list[str]:
    """Bring a branch to the server and let the hook judge it there, as if it were pushed."""
    run_git("fetch", "--quiet", str(person.root), pushed, cwd=server)
    project = Project.open(server)
    old = run_git("rev-parse", RUNS, cwd=server)
    try:
        return check_update(project.repo, RUNS, old, run_git("rev-parse", "FETCH_HEAD", cwd=server))
    finally:
        project.close()


def judged_well(server: Path, person: Person, pushed: str) -> bool:
    try:
        return bool(judged(server, person, pushed))
    except Refused:
        return False


def kept(server: Path) -> list[str]:
    return run_git("for-each-ref", "--format=%(objectname)", BACKUPS, cwd=server).split()


def test_a_purge_is_published_and_kept_where_nobody_sees_it_and_others_follow(
    ana: Person, server: Path, tmp_path: Path
) -> None:
    ben = ana.colleague("Ben", server, tmp_path / "ben")
    pull(ben.project)
    ben.runs("of Ben")
    before = run_git("rev-parse", RUNS, cwd=server)
    gone(ana, "one")
    ana.runs("three")
    gone(ana, "two")  # the second purge writes anew what the first has made
    push_purged(ana.project, "origin")
    assert run_git("rev-parse", RUNS, cwd=server) == ana.git("rev-parse", RUNS)
    assert kept(server) == [before]
    assert BACKUPS not in run_git("ls-remote", str(server), cwd=tmp_path)
    pull(ben.project)
    push(ben.project)
    assert ben.names() == {"used", "three", "of Ben"}
    pull(ana.project)
    gone(ana, "three")
    push_purged(ana.project, "origin")  # one more, of a branch that has been purged
    assert len(kept(server)) == 2
    ben.project.close()


def test_what_else_a_push_takes_away_is_refused(ana: Person, server: Path) -> None:
    tip = ana.git("rev-parse", RUNS)
    edit_tags(ana.project, ana.project.store.runs()[0], {"good": "yes"})
    run_git("fetch", "--quiet", str(ana.root), f"{RUNS}:{RUNS}", cwd=server)
    gone(ana, "one", "two")
    said = ana.git("log", "-1", "--format=%B", RUNS)
    one_less = "\n".join(said.splitlines()[:-1])
    one_more = f"{said}\nPurged: {'0' * 32}"  # of a run that never was nothing is left out
    for message, refused in ((one_less, True), (f"{said}\nRewritten-From: {tip}", True), (one_more, False)):
        made = ana.git("commit-tree", f"{RUNS}^{{tree}}", "-p", f"{RUNS}^", "-m", message)
        ana.git("update-ref", "refs/heads/said", made)
        assert (not judged_well(server, ana, "refs/heads/said")) is refused, message
    ana.git("update-ref", RUNS, tip)  # without the edit
    gone(ana, "one")
    with pytest.raises(Refused, match="was not made of it by a purge"):
        judged(server, ana)


def test_a_purge_that_others_have_overtaken_is_refused_until_it_is_made_of_what_is_there(
    ana: Person, server: Path, tmp_path: Path
) -> None:
    ben = ana.colleague("Ben", server, tmp_path / "ben")
    pull(ben.project)
    gone(ana, "one")
    ben.runs("of Ben")
    push(ben.project)
    with pytest.raises(GTrackError, match="'gtrack pull --accept-rewrite' merges that with yours"):
        push_purged(ana.project, "origin")
    pull(ana.project, accept_rewrite=True)
    assert ana.names() == {"one", "two", "used", "of Ben"}
    gone(ana, "one")
    push_purged(ana.project, "origin")
    pull(ben.project)
    assert ana.names() == ben.names() == {"two", "used", "of Ben"}
    assert ana.tree() == ben.tree()
    ben.project.close()


def test_a_model_version_is_not_purged_whoever_says_so(ana: Person, server: Path) -> None:
    ana.git("tag", "-d", "churn@v1.0.0")
    gone(ana, "used")
    with pytest.raises(Refused, match=r"model versions: churn v1\.0\.0 \(run [0-9a-f]{8}\)"):
        judged(server, ana)
    assert kept(server) == []


def test_who_is_not_named_does_not_purge(ana: Person, server: Path) -> None:
    rule(server, ana, SETTINGS.replace("Ana <ana@example.org>", "Ben"))
    gone(ana, "one")
    with pytest.raises(GTrackError, match=r"Ana <ana@example\.org> is not one of those who may purge it"):
        push_purged(ana.project, "origin")
    rule(server, ana, "system: {interval_seconds: 0}\n")
    with pytest.raises(Refused, match=r"is only added to.*retention\.purgers"):
        judged(server, ana)


def test_a_server_that_would_show_what_it_keeps_is_made_ready_first(ana: Person, server: Path) -> None:
    run_git("config", "--unset-all", "transfer.hideRefs", cwd=server)
    gone(ana, "one")
    with pytest.raises(Refused, match="gtrack init --server"):
        judged(server, ana)
    for _ in range(2):
        initialise_server(server)
    assert run_git("config", "--get-all", "transfer.hideRefs", cwd=server) == "refs/gtrack/backup"
    assert judged(server, ana)[0] == "1 run purged."


def test_a_server_that_keeps_nothing_drops_what_it_had_kept(ana: Person, server: Path) -> None:
    gone(ana, "one")
    assert len(judged(server, ana)) == 2
    assert len(kept(server)) == 1
    rule(server, ana, SETTINGS.replace("retention: {", "retention: {backup_days: 0, "))
    assert judged(server, ana) == ["1 run purged."]
    assert kept(server) == []
