"""Tags are published from several clones at once: each is there once, and nothing is here that the remote refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gtrack.errors import GitError, GTrackError
from gtrack.git.remotes import PushRejected, push_new
from gtrack.git.signing import SignatureState, verify
from gtrack.project import Project
from gtrack.registry import publish as module
from gtrack.registry.writing import Terms
from gtrack.writer import ActiveRun
from tests.conftest import run_git
from tests.git.signing_keys import ssh_key

PUSH = Terms(remote="origin")


@pytest.fixture
def bare(repo: Path, tmp_path: Path) -> Path:
    place = tmp_path / "bare.git"
    run_git("clone", "--quiet", "--bare", str(repo), str(place), cwd=tmp_path)
    return place


@pytest.fixture
def clone(bare: Path, tmp_path: Path) -> Iterator[Callable[[str], Project]]:
    """Return a function that clones the bare repository for somebody."""
    opened = []

    def make(who: str) -> Project:
        place = tmp_path / who
        run_git("clone", "--quiet", str(bare), str(place), cwd=tmp_path)
        run_git("config", "user.name", who, cwd=place)
        run_git("config", "user.email", f"{who}@example.org", cwd=place)
        opened.append(Project.open(place))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def ann(clone: Callable[[str], Project]) -> Project:
    return clone("ann")


@pytest.fixture
def bo(clone: Callable[[str], Project]) -> Project:
    return clone("bo")


def train(project: Project, f1: float = 0.9) -> str:
    active = ActiveRun.start(project)
    active.log_metrics({"f1": f1})
    active.log_bytes(b"flavors: {}\n", "model/MLmodel")
    return active.end().id


def tags(project: Project) -> dict[str, str]:
    lines = (
        project.repo.run("for-each-ref", "--format=%(refname:short) %(objectname)", "refs/tags").decode().splitlines()
    )
    return dict(line.split() for line in lines)


def on(bare: Path) -> dict[str, str]:
    return dict(
        line.split()
        for line in run_git(
            "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/tags", cwd=bare
        ).splitlines()
    )


def test_a_tag_is_on_the_remote_and_here(ann: Project, bo: Project, bare: Path) -> None:
    made = ann.registry.register("m", train(ann), terms=PUSH)
    ann.registry.assign("m", 1, "qa", terms=PUSH)
    assert (made.version, made.tag) == (1, "m@v1.0.0")
    assert on(bare) == tags(ann)
    assert list(tags(ann)) == ["m#qa#1", "m@v1.0.0"]
    bo.registry.register("m", train(bo), terms=PUSH)
    assert on(bare) == tags(bo)
    assert [one.version for one in bo.registry.versions("m")] == [1, 2]
    assert run_git("cat-file", "-t", "m@v2.0.0^{commit}", cwd=bare) == "commit"


def test_somebody_quicker_is_seen_and_the_next_number_taken(
    ann: Project, bo: Project, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.registry.register("m", train(ann), terms=PUSH)
    ours = train(bo)
    seen: list[str] = []

    def overtaken(*args: object) -> None:
        if not seen:
            seen.append("once")
            ann.registry.register("m", train(ann), terms=PUSH)
            ann.registry.assign("m", 1, "production", terms=PUSH)
        push_new(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "push_new", overtaken)
    made = bo.registry.register_and_assign("m", ours, "production", terms=PUSH)
    assert (made.version, made.semver) == (3, "v3.0.0")
    assert on(bare) == tags(bo)
    assert list(tags(bo)) == ["m#production#1", "m#production#2", "m@v1.0.0", "m@v2.0.0", "m@v3.0.0"]
    assert bo.registry.problems() == ()


def test_what_a_policy_demands_is_judged_anew_when_somebody_was_quicker(
    ann: Project, bo: Project, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(str(bo.repo.root)) / ".gtrack").mkdir(exist_ok=True)
    (Path(str(bo.repo.root)) / ".gtrack" / "config.yaml").write_text(
        "registry: {stages: {production: {improves: metrics.f1}}}\n"
    )
    judged = Project.open(bo.repo.root)
    ours = train(judged, 0.9)
    seen: list[str] = []

    def overtaken(*args: object) -> None:
        if not seen:
            seen.append("once")
            ann.registry.register_and_assign("m", train(ann, 0.95), "production", terms=PUSH)
        push_new(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "push_new", overtaken)
    with pytest.raises(GTrackError, match=r"✗ improves metrics\.f1: f1 = 0\.9 against 0\.95 of v1"):
        judged.registry.register_and_assign("m", ours, "production", terms=PUSH)
    assert on(bare) == tags(judged)
    assert list(tags(judged)) == ["m#production#1", "m@v1.0.0"]
    judged.close()


def test_what_was_made_here_before_goes_along_and_takes_other_numbers(ann: Project, bo: Project, bare: Path) -> None:
    mine = [train(bo), train(bo)]
    bo.registry.register("m", mine[0])
    bo.registry.assign("m", 1, "qa", reason="looks good")
    bo.registry.assign("m", 1, "staging")
    before = {tag.name: tag for tag in bo.registry.ledger("m").tags}
    theirs = train(ann)
    ann.registry.register_and_assign("m", theirs, "qa", terms=PUSH)
    bo.registry.register("m", mine[1], terms=PUSH)
    assert on(bare) == tags(bo)
    assert list(tags(bo)) == ["m#qa#1", "m#qa#2", "m#staging#3", "m@v1.0.0", "m@v2.0.0", "m@v3.0.0"]
    ledger = bo.registry.ledger("m")
    assert ledger.problems == ()
    versions = ledger.models["m"].versions
    assert [(one.version, one.run_id) for one in versions] == [(1, theirs), (2, mine[0]), (3, mine[1])]
    assert [one.stages for one in versions] == [("qa",), ("qa", "staging"), ()]
    after = {tag.name: tag for tag in ledger.tags}
    assert (after["m#qa#2"].tagger, after["m#qa#2"].time) == (before["m#qa#1"].tagger, before["m#qa#1"].time)
    assert after["m#qa#2"].message.startswith("Assigning stage qa to artifact m version v2.0.0\n")
    assert "Model-Version: 2\n" in after["m#qa#2"].message
    assert "Reason: looks good" in after["m#qa#2"].message


def test_the_same_run_registered_in_two_places_is_one_version(ann: Project, bo: Project, bare: Path) -> None:
    run = train(ann)
    run_git("push", "--quiet", "origin", "gtrack/runs", cwd=Path(str(ann.repo.root)))
    run_git("fetch", "--quiet", cwd=Path(str(bo.repo.root)))
    ann.registry.register("m", train(ann), terms=PUSH)
    ann.registry.register("m", run, terms=PUSH)
    bo.registry.register("m", run)
    bo.registry.assign("m", 1, "qa", terms=PUSH)
    assert on(bare) == tags(bo)
    assert list(tags(bo)) == ["m#qa#1", "m@v1.0.0", "m@v2.0.0"]
    assert [one.version for one in bo.registry.model("m").versions] == [1, 2]


def test_tags_of_a_model_that_is_called_alike_stay_where_they_are(ann: Project, bo: Project, bare: Path) -> None:
    ann.registry.register("m/x", train(ann), terms=PUSH)
    run_git("tag", "m@other", cwd=bare)
    run_git("tag", "unrelated", cwd=bare)
    bo.registry.register("m", train(bo), terms=PUSH)
    assert list(tags(bo)) == ["m@v1.0.0"]


@pytest.mark.parametrize("name", ["update", "pre-receive"])
def test_nothing_stays_here_of_what_a_hook_refuses(ann: Project, bare: Path, name: str) -> None:
    hook = bare / "hooks" / name
    hook.write_text("#!/bin/sh\necho 'ask Cy first' >&2\nexit 1\n")
    hook.chmod(0o755)
    run = train(ann)
    with pytest.raises(PushRejected, match="ask Cy first"):
        ann.registry.register_and_assign("m", run, "qa", terms=PUSH)
    assert (tags(ann), on(bare)) == ({}, {})
    ann.registry.register("m", run)
    with pytest.raises(PushRejected, match="ask Cy first"):
        ann.registry.assign("m", 1, "qa", terms=PUSH)
    assert list(tags(ann)) == ["m@v1.0.0"]


def test_a_remote_that_cannot_be_reached_changes_nothing(ann: Project, bare: Path) -> None:
    bare.rename(bare.with_name("elsewhere"))
    with pytest.raises(GitError, match="cannot be asked"):
        ann.registry.register("m", train(ann), terms=PUSH)
    assert tags(ann) == {}


def test_a_lightweight_tag_in_the_way_is_named(ann: Project, bo: Project) -> None:
    ann.registry.register("m", train(ann), terms=PUSH)
    run_git("tag", "m@v1.0.0", cwd=Path(str(bo.repo.root)))
    with pytest.raises(GTrackError, match=r"The lightweight tag m@v1\.0\.0 is in the way of one of origin\. Remove it"):
        bo.registry.register("m", train(bo), terms=PUSH)


def test_signed_tags_that_take_another_number_are_signed_anew(
    ann: Project, bo: Project, bare: Path, tmp_path: Path
) -> None:
    (tmp_path / "signers").write_text(f"bo@example.org {ssh_key(tmp_path / 'key', bo.repo.root)}\n")
    bo.registry.register("m", train(bo), terms=Terms(sign=True))
    ann.registry.register("m", train(ann), terms=PUSH)
    bo.registry.assign("m", 1, "qa", terms=Terms(sign=True, remote="origin"))
    assert list(tags(bo)) == ["m#qa#1", "m@v1.0.0", "m@v2.0.0"]
    states = {name: verify(bo.repo, oid, tmp_path / "signers").state for name, oid in tags(bo).items()}
    assert states == {
        "m#qa#1": SignatureState.GOOD,
        "m@v1.0.0": SignatureState.NONE,
        "m@v2.0.0": SignatureState.GOOD,
    }


KILLED = """
import os, signal, sys
from gtrack.project import Project
from gtrack.registry import publish
from gtrack.registry.writing import Terms

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[2] == "before":
    publish.push_new = die
else:
    publish.update = die
Project.open(".").registry.register_and_assign("m", sys.argv[1], "qa", terms=Terms(remote="origin"))
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_before_or_after_the_push(ann: Project, bare: Path, moment: str) -> None:
    run = train(ann)
    command = [sys.executable, "-c", KILLED, run, moment]
    assert subprocess.run(command, cwd=ann.repo.root, check=False).returncode == -signal.SIGKILL
    assert tags(ann) == {}
    assert len(on(bare)) == (0 if moment == "before" else 2)
    made = ann.registry.register_and_assign("m", run, "qa", terms=PUSH)
    assert (made.version, made.stages) == (1, ("qa",))
    assert tags(ann) == on(bare)
    assert list(tags(ann)) == ["m#qa#1", "m@v1.0.0"]


WORKER = """
import sys
from gtrack.project import Project
from gtrack.registry.writing import Terms
project = Project.open(".")
for run in sys.argv[1:]:
    project.registry.register_and_assign("m", run, "production", terms=Terms(remote="origin"))
"""


@pytest.mark.slow
def test_four_clones_at_the_same_moment_lose_nothing(clone: Callable[[str], Project], bare: Path) -> None:
    projects = [clone(f"p{number}") for number in range(4)]
    runs = [[train(project) for _ in range(3)] for project in projects]
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, *mine], cwd=project.repo.root, env=dict(os.environ))
        for project, mine in zip(projects, runs, strict=True)
    ]
    assert [worker.wait() for worker in workers] == [0, 0, 0, 0]
    everything = on(bare)
    assert len(everything) == 24
    for project in projects:
        assert tags(project).items() <= everything.items()
    run_git("fetch", "--quiet", "--tags", cwd=Path(str(projects[0].repo.root)))
    ledger = projects[0].registry.ledger("m")
    assert ledger.problems == ()
    assert {one.run_id for one in ledger.models["m"].versions} == {run for mine in runs for run in mine}
    assert [one.version for one in ledger.models["m"].versions] == list(range(1, 13))
    assert sorted(event.counter for event in ledger.events["m"] if event.counter) == list(range(1, 13))
