"""Tags are published from several clones at once: each is there once, and nothing is here that the remote refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gtrack.errors import GitError, GTrackError, ModelNotFound
from gtrack.fluent.registry import promote
from gtrack.git.remotes import PushRejected, push_new
from gtrack.git.signing import SignatureState, verify
from gtrack.git.tags import NewTag, create_tags
from gtrack.project import Project
from gtrack.registry import publish as module
from gtrack.registry.renaming import Renamed
from gtrack.registry.writing import Terms
from gtrack.writer import ActiveRun
from tests.conftest import run_git
from tests.git.signing_keys import ssh_key
from tests.http_remote import over_http

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
    again: list[Renamed] = []
    bo.registry.register("m", mine[1], terms=Terms(remote="origin", tell=again.append))
    assert on(bare) == tags(bo)
    assert list(tags(bo)) == ["m#qa#1", "m#qa#2", "m#staging#3", "m@v1.0.0", "m@v2.0.0", "m@v3.0.0"]
    moved = {"m@v1.0.0": "m@v2.0.0", "m#qa#1": "m#qa#2", "m#staging#2": "m#staging#3"}
    assert {one.was: one.now for one in again} == moved
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
    with pytest.warns(
        UserWarning, match=r"m@v1\.0\.0 of .*, which was only here, gave way to m@v2\.0\.0 of origin, by ann"
    ):
        made = bo.registry.assign("m", 1, "qa", terms=PUSH)
    assert made.run_id == run
    assert on(bare) == tags(bo)
    assert list(tags(bo)) == ["m#qa#1", "m@v1.0.0", "m@v2.0.0"]
    assert [one.version for one in bo.registry.model("m").versions] == [1, 2]


def test_what_is_promoted_is_the_version_that_was_meant_whatever_number_it_gets_on_the_way(
    ann: Project, bo: Project, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = train(bo), train(ann)
    bo.registry.register("m", mine)
    ann.registry.register("m", theirs, terms=PUSH)
    monkeypatch.chdir(Path(str(bo.repo.root)))
    with pytest.warns(UserWarning, match=r"m v1 of run .* was published as v2: v1 is ann's") as told:
        made = promote("m@v1.0.0", "production", push=True)
    assert told[0].filename == __file__
    assert (made.version, made.run_id, made.stages) == (2, mine, ("production",))
    assert bo.registry.model("m").stages == {"production": (2,)}
    assert on(bare) == tags(bo)
    ann.registry.deregister("m", 2, reason="it was ann's own", terms=PUSH)
    assert ann.registry.model("m").stages == {}
    with pytest.raises(ModelNotFound, match="was taken back"):
        bo.registry.assign("m", 2, "qa", terms=PUSH)


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
    with pytest.warns(UserWarning, match="was published as v2"):
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
Project.open(".").registry.register_and_assign("m", sys.argv[1], sys.argv[3], terms=Terms(remote="origin"))
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_before_or_after_the_push(ann: Project, bare: Path, moment: str) -> None:
    run = train(ann)
    command = [sys.executable, "-c", KILLED, run, moment, "qa"]
    assert subprocess.run(command, cwd=ann.repo.root, check=False).returncode == -signal.SIGKILL
    assert tags(ann) == {}
    assert len(on(bare)) == (0 if moment == "before" else 2)
    made = ann.registry.register_and_assign("m", run, "qa", terms=PUSH)
    assert (made.version, made.stages) == (1, ("qa",))
    assert tags(ann) == on(bare)
    assert list(tags(ann)) == ["m#qa#1", "m@v1.0.0"]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_tags_that_were_made_here_took_other_numbers(
    ann: Project, bo: Project, bare: Path, moment: str
) -> None:
    bo.registry.register("m", train(bo))
    for stage in ("qa", "staging"):
        bo.registry.assign("m", 1, stage)
    ann.registry.register_and_assign("m", train(ann), "qa", terms=PUSH)
    before, run = tags(bo), train(bo)
    command = [sys.executable, "-c", KILLED, run, moment, "team/a"]
    assert subprocess.run(command, cwd=bo.repo.root, check=False).returncode == -signal.SIGKILL
    assert before.items() <= tags(bo).items()  # names that were only here are still what they were
    again: list[Renamed] = []
    bo.registry.register_and_assign("m", run, "team/a", terms=Terms(remote="origin", tell=again.append))
    moved = {"m@v1.0.0": "m@v2.0.0", "m#qa#1": "m#qa#2", "m#staging#2": "m#staging#3"}
    assert {one.was: one.now for one in again} == moved
    assert {one.published for one in again} == {moment == "before"}
    assert tags(bo) == on(bare)
    assert sorted(tags(bo)) == sorted(
        ["m#qa#1", "m#qa#2", "m#staging#3", "m#team/a#4", "m@v1.0.0", "m@v2.0.0", "m@v3.0.0"]
    )
    ledger = bo.registry.ledger("m")
    assert ledger.problems == ()
    assert ledger.models["m"].stages == {"qa": (1, 2), "staging": (2,), "team/a": (3,)}


def test_a_published_tag_that_was_rewritten_on_the_remote_is_no_race(ann: Project, bo: Project, bare: Path) -> None:
    ann.registry.register("m", train(ann), terms=PUSH)
    bo.registry.register("m", train(bo), terms=PUSH)
    run_git("tag", "-a", "-f", "-m", "mine now", "m@v1.0.0", "m@v2.0.0^{commit}", cwd=bare)
    before = tags(bo)
    with pytest.raises(
        GTrackError, match=r"m@v1\.0\.0 was published as it is here, and origin has another tag of this"
    ):
        bo.registry.assign("m", 2, "qa", terms=PUSH)
    assert tags(bo) == before
    assert "m#qa#1" not in on(bare)


def test_a_promotion_that_was_overtaken_stops_what_would_undo_it(ann: Project, bo: Project, bare: Path) -> None:
    bo.registry.register("m", train(bo), terms=PUSH)
    moment = int(time.time()) - 100
    version = bo.registry.find("m", 1)
    create_tags(bo.repo, [NewTag("m#production#1", version.commit, "earlier")], bo.identity(), moment)
    ann.registry.register_and_assign("m", train(ann), "production", terms=PUSH)
    there = on(bare)
    with pytest.raises(GTrackError, match=r"m#production#1, which was made here and not published, was overtaken: ann"):
        bo.registry.assign("m", 1, "qa", terms=PUSH)
    assert on(bare) == there
    run_git("tag", "-d", "m#production#1", cwd=Path(str(bo.repo.root)))
    bo.registry.assign("m", 1, "qa", terms=PUSH)
    assert tags(bo) == on(bare)


def test_a_hook_that_refuses_what_comes_too_late_is_heard_and_the_next_number_taken(
    ann: Project, bo: Project, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.registry.register("m", train(ann), terms=PUSH)
    hook = bare / "hooks" / "update"
    taken = "git for-each-ref --format='%(refname)' | grep -q \"#${1##*#}$\""
    hook.write_text(f'#!/bin/sh\ncase "$1" in *#*) {taken} && echo "promote again" >&2 && exit 1;; esac\nexit 0\n')
    hook.chmod(0o755)
    seen: list[str] = []

    def overtaken(*args: object) -> None:
        if not seen:
            seen.append("once")
            ann.registry.assign("m", 1, "production", terms=PUSH)
        push_new(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "push_new", overtaken)
    bo.registry.register_and_assign("m", train(bo), "qa", terms=PUSH)
    assert list(on(bare)) == ["m#production#1", "m#qa#2", "m@v1.0.0", "m@v2.0.0"]
    assert tags(bo) == on(bare)


def test_a_lightweight_tag_on_the_remote_is_in_nobodys_way_but_its_name_is_taken(
    ann: Project, bo: Project, bare: Path
) -> None:
    ann.registry.register("m", train(ann), terms=PUSH)
    run_git("tag", "m@v9.0.0", "HEAD", cwd=bare)
    run_git("tag", "m@v2.0.0", "HEAD", cwd=bare)
    ann.registry.assign("m", 1, "qa", terms=PUSH)
    with pytest.raises(
        GTrackError, match=r"m@v2\.0\.0 cannot be made: there is a tag of this name on origin, and it is a l"
    ):
        bo.registry.register("m", train(bo), terms=PUSH)
    bo.registry.register("m", train(bo), version="v3.0.0", terms=PUSH)
    assert tags(bo) == on(bare)


def test_lightweight_tags_that_ci_makes_of_annotated_ones_are_what_they_were_again(
    ann: Project, bo: Project, bare: Path
) -> None:
    ann.registry.register("m", train(ann), terms=PUSH)
    root = Path(str(bo.repo.root))
    run_git("fetch", "--quiet", "--no-tags", "origin", "refs/tags/m@v1.0.0", cwd=root)
    run_git("tag", "m@v1.0.0", "FETCH_HEAD^{commit}", cwd=root)
    bo.registry.register("m", train(bo), terms=PUSH)
    assert tags(bo) == on(bare)


def test_a_lightweight_tag_here_is_never_overwritten(ann: Project, bare: Path) -> None:
    ann.registry.register("m", train(ann), terms=PUSH)
    run_git("tag", "m@v2.0.0", cwd=Path(str(ann.repo.root)))
    before = tags(ann)
    with pytest.raises(
        GTrackError, match=r"m@v2\.0\.0 cannot be made: there is a tag of this name here, and it is a light"
    ):
        ann.registry.register("m", train(ann), terms=PUSH)
    assert tags(ann) == before
    assert list(on(bare)) == ["m@v1.0.0"]


def test_a_signed_tag_of_somebody_else_is_not_signed_in_their_name(
    ann: Project, bo: Project, bare: Path, tmp_path: Path
) -> None:
    ssh_key(tmp_path / "key", bo.repo.root)
    bo.registry.register("m", train(bo), terms=Terms(sign=True))
    ann.registry.register("m", train(ann), terms=PUSH)
    run_git("config", "user.email", "cy@example.org", cwd=Path(str(bo.repo.root)))
    cy = Project.open(bo.repo.root)
    with pytest.raises(GTrackError, match=r"it is signed by bo <bo@example\.org>, who alone can sign it anew"):
        cy.registry.register("m", train(cy), terms=PUSH)
    assert list(on(bare)) == ["m@v1.0.0"]
    cy.close()


def test_a_tag_that_was_renamed_is_not_published_as_what_it_never_was(ann: Project, bare: Path) -> None:
    ann.registry.register("m", train(ann), terms=PUSH)
    ann.registry.assign("m", 1, "qa")
    oid = tags(ann)["m#qa#1"]
    run_git("update-ref", "refs/tags/m#production#7", oid, cwd=Path(str(ann.repo.root)))
    with pytest.raises(GTrackError, match=r"m#production#7, which is only here, was made as m#qa#1 and renamed since"):
        ann.registry.assign("m", 1, "staging", terms=PUSH)
    assert list(on(bare)) == ["m@v1.0.0"]


def test_what_a_remote_without_atomic_pushes_took_before_it_refused_is_told_and_comes_here(
    ann: Project, bare: Path
) -> None:
    run_git("config", "receive.advertiseAtomic", "false", cwd=bare)
    hook = bare / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in *#*) echo "no stages" >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    run = train(ann)
    with pytest.raises(PushRejected, match=r"refused, after it had taken m@v1\.0\.0 .*\n  remote: no stages"):
        ann.registry.register_and_assign("m", run, "qa", terms=PUSH)
    hook.unlink()
    assert ann.registry.register_and_assign("m", run, "qa", terms=PUSH).version == 1
    assert tags(ann) == on(bare)
    assert list(tags(ann)) == ["m#qa#1", "m@v1.0.0"]


def test_only_this_model_is_published_whatever_git_is_told_to_push(ann: Project, bare: Path) -> None:
    root = Path(str(ann.repo.root))
    for key, value in (("push.followTags", "true"), ("fetch.prune", "true"), ("fetch.pruneTags", "true")):
        run_git("config", key, value, cwd=root)
    ann.registry.register("other", train(ann))
    ann.registry.register("m", train(ann), terms=PUSH)
    assert list(on(bare)) == ["m@v1.0.0"]
    assert list(tags(ann)) == ["m@v1.0.0", "other@v1.0.0"]


def test_over_http(ann: Project, bare: Path) -> None:
    run_git("config", "http.receivepack", "true", cwd=bare)
    with over_http(bare.parent) as url:
        terms = Terms(remote=f"{url}/{bare.name}")
        ann.registry.register("m", train(ann), terms=terms)
        ann.registry.assign("m", 1, "qa", terms=terms)
    assert list(on(bare)) == ["m#qa#1", "m@v1.0.0"]
    assert tags(ann) == on(bare)


PROMOTER = """
import sys
from gtrack.project import Project
from gtrack.registry.writing import Terms
project = Project.open(".")
for number in sys.argv[1:]:
    project.registry.assign("m", int(number), "qa", terms=Terms(remote="origin"))
"""


@pytest.mark.slow
def test_twenty_promotions_of_four_people_into_one_stage_are_there_once_each(
    ann: Project, clone: Callable[[str], Project], bare: Path
) -> None:
    for _ in range(20):
        ann.registry.register("m", train(ann))
    ann.registry.assign("m", 1, "first", terms=PUSH)
    projects = [clone(f"p{number}") for number in range(4)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", PROMOTER, *(str(5 * at + number) for number in range(1, 6))], cwd=project.repo.root
        )
        for at, project in enumerate(projects)
    ]
    assert [worker.wait() for worker in workers] == [0, 0, 0, 0]
    run_git("fetch", "--quiet", "--tags", cwd=Path(str(ann.repo.root)))
    assert tags(ann) == on(bare)
    for project in projects:
        assert tags(project).items() <= on(bare).items()
    ledger = ann.registry.ledger("m")
    assert ledger.problems == ()
    into = [event for event in ledger.events["m"] if event.stage == "qa"]
    assert [event.counter for event in into] == list(range(2, 22))
    assert sorted(int(event.version or 0) for event in into) == list(range(1, 21))


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
