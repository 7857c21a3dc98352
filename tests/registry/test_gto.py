"""gtrack beside GTO itself: each reads what the other wrote, and sees the same versions and stages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import pytest
from gto.constants import ACTION, COUNTER, NAME, STAGE, VERSION
from gto.tag import parse_name
from hypothesis import given
from hypothesis import strategies as st

from gtrack.git import tags
from gtrack.project import Project
from gtrack.registry.tag_names import Action, parse
from tests.conftest import Git
from tests.registry.conftest import HandMade, Train, a_tag

pytestmark = pytest.mark.slow  # starting GTO takes a second


class Gto(Protocol):
    """Runs ``gto`` in the repository and returns what it printed."""

    def __call__(self, *args: str) -> str: ...


@pytest.fixture
def gto(repo: Path) -> Gto:
    command = Path(sys.executable).with_name("gto")

    def run(*args: str) -> str:
        done = subprocess.run([command, *args], cwd=repo, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a minute pass between two writes: GTO orders by seconds."""
    seconds = iter(range(1_800_000_000, 1_900_000_000, 60))
    monkeypatch.setattr(tags, "time", SimpleNamespace(time=lambda: next(seconds)))


def shown(gto: Gto) -> dict[str, tuple[set[str], dict[str, str]]]:
    """Return model to its versions and, by stage, the version in it, as GTO shows them."""
    found = {}
    for name, row in json.loads(gto("show", "--json")).items():
        versions = {one["version"] for one in json.loads(gto("show", name, "--json"))}
        found[name] = (versions, {stage: version for stage, version in row["stage"].items() if version})
    return found


def known(project: Project) -> dict[str, tuple[set[str], dict[str, str]]]:
    """Return the same as gtrack knows it."""
    found = {}
    for model in project.registry.models():
        stages = {stage: one.semver for stage in model.stages if (one := model.in_stage(stage)) is not None}
        found[model.name] = ({one.semver for one in model.versions}, stages)
    return found


@given(
    st.one_of(
        st.text("am/1-_@#!v.0=+:", max_size=20),
        st.builds(
            "{}{}{}{}".format,
            st.sampled_from(["m", "a/b", "d=m", "x-", "a.b"]),
            st.sampled_from(["@v1.2.3", "@v0.0.1-rc.1+b", "#prod", "#a/b", "@deprecated", "@created", "@v01.0.0", "#"]),
            st.sampled_from(["", "!", "!!"]),
            st.sampled_from(["", "#1", "#0042", "#x", "#"]),
        ),
    )
)
def test_the_grammar_is_gtos(text: str) -> None:
    ours, theirs = parse(text), parse_name(text, raise_on_fail=False)
    assert (ours is None) == (not theirs)
    if ours is not None:
        action = theirs[ACTION].value if ACTION in theirs else "create"
        assert (ours.model, ours.action.value, ours.version, ours.stage, ours.counter) == (
            theirs[NAME],
            action,
            theirs.get(VERSION),
            theirs.get(STAGE),
            theirs.get(COUNTER),
        )


EVENTS = {
    Action.REGISTER: "registration",
    Action.DEREGISTER: "deregistration",
    Action.ASSIGN: "assignment",
    Action.UNASSIGN: "unassignment",
    Action.DEPRECATE: "deprecation",
}


@pytest.mark.usefixtures("clock")
def test_gto_reads_what_gtrack_wrote(project: Project, train: Train, gto: Gto) -> None:
    registry = project.registry
    for name, count in (("churn", 4), ("dir/x:model", 1)):
        for _ in range(count):
            registry.register(name, train().id)
    registry.assign("churn", 1, "staging")
    registry.assign("churn", 2, "production", reason="better\nthan: nothing")
    registry.assign("churn", 3, "production")
    registry.assign("dir/x:model", 1, "qa/eu")
    assert known(project) == shown(gto)
    assert known(project)["churn"][1] == {"staging": "v1.0.0", "production": "v3.0.0"}
    registry.assign("churn", 2, "production")  # back
    registry.deregister("churn", 4)
    assert known(project) == shown(gto)
    assert known(project)["churn"] == ({"v1.0.0", "v2.0.0", "v3.0.0"}, {"staging": "v1.0.0", "production": "v2.0.0"})
    registry.unassign("churn", 2, "production")
    registry.transition("churn", 3, "archived")
    assert known(project) == shown(gto)
    assert known(project)["churn"][1] == {"staging": "v1.0.0", "archived": "v3.0.0"}
    registry.deregister("churn", 1)
    registry.register("churn", str(registry.events("churn")[0].trailers["Run"][0]))
    assert known(project) == shown(gto)
    for name in ("churn", "dir/x:model"):
        history = [row for row in json.loads(gto("history", name, "--json")) if row["event"] != "commit"]
        told = {(row["event"], row["version"], row["stage"], row["commit"], row["ref"]) for row in history}
        assert told == {
            (EVENTS[one.action], one.semver, one.stage, one.commit, one.tag) for one in registry.events(name)
        }


@pytest.mark.usefixtures("clock")
def test_gto_knows_a_ref_that_gtrack_wrote(project: Project, train: Train, gto: Gto) -> None:
    project.registry.register("churn", train().id)
    project.registry.assign("churn", 1, "production")
    for ref, event in (("churn@v1.0.0", "registration"), ("refs/tags/churn#production#1", "assignment")):
        found = json.loads(gto("check-ref", ref, "--json"))
        assert (found["event"], found["artifact"], found["version"]) == (event, "churn", "v1.0.0")
        assert found["commit_hexsha"] == project.registry.version("churn@1").commit


@pytest.mark.usefixtures("clock")
def test_a_model_that_gtrack_deprecated_is_deprecated_for_gto(project: Project, train: Train, gto: Gto) -> None:
    project.registry.register("churn", train().id)
    project.registry.deprecate("churn")
    assert json.loads(gto("show", "--json")) == {}
    assert project.registry.model("churn").deprecated


def test_gtrack_reads_what_gto_wrote(project: Project, train: Train, gto: Gto, git: Git) -> None:
    run = train()
    commits = [str(project.store.run_commit(run.id)), git("rev-parse", "main")]
    gto("register", "churn", commits[0])
    gto("register", "churn", commits[1], "--bump-minor")
    gto("assign", "churn", "--version", "v0.0.1", "--stage", "production")
    gto("assign", "churn", "--version", "v0.1.0", "--stage", "dev")
    gto("assign", "churn", "--version", "v0.0.1", "--stage", "dev/eu")
    gto("deprecate", "churn", "v0.0.1", "dev/eu")
    assert project.registry.problems() == ()
    assert known(project) == shown(gto) == {"churn": ({"v0.0.1", "v0.1.0"}, {"production": "v0.0.1", "dev": "v0.1.0"})}
    assert [(one.version, one.semver, one.run_id) for one in project.registry.versions("churn")] == [
        (1, "v0.0.1", run.id),
        (2, "v0.1.0", None),
    ]
    assert project.resolve("churn#production").id == run.id
    gto("deprecate", "churn", "v0.1.0")
    assert [one.version for one in project.registry.versions("churn")] == [1]
    assert dict(project.registry.model("churn").stages) == {"production": (1,)}
    gto("deprecate", "churn")
    assert project.registry.model("churn").deprecated


def test_they_take_turns(project: Project, train: Train, gto: Gto) -> None:
    commits = [str(project.store.run_commit(train().id)) for _ in range(3)]
    gto("register", "m", commits[0])
    run_id = str(project.registry.versions("m")[0].run_id)
    assert project.registry.register("m", run_id).semver == "v0.0.1"
    project.registry.assign("m", 1, "dev")
    gto("register", "m", commits[1], "--version", "v0.5.0")
    gto("assign", "m", "--version", "v0.5.0", "--stage", "qa")
    third = project.registry.register("m", str(project.registry._runs_of([a_tag("x", commits[2])])[commits[2]]))
    assert (third.version, third.semver) == (3, "v1.0.0")
    assert project.registry.ledger("m").counters == {"m": 2}
    assert known(project) == shown(gto) == {"m": ({"v0.0.1", "v0.5.0", "v1.0.0"}, {"dev": "v0.0.1", "qa": "v0.5.0"})}


@pytest.mark.parametrize(
    ("seconds", "theirs"),
    [((10, 20), "v2.0.0"), ((20, 10), "v1.0.0")],
    ids=["clocks that agree", "the second promotion by a clock that is slow"],
)
def test_where_gto_believes_the_clock_gtrack_believes_the_counter(
    project: Project, train: Train, gto: Gto, hand_made: HandMade, seconds: tuple[int, int], theirs: str
) -> None:
    for number in (1, 2):
        hand_made(f"m@v{number}.0.0", str(project.store.run_commit(train().id)), number)
    for number in (1, 2):
        hand_made(f"m#prod#{number}", f"m@v{number}.0.0^{{}}", seconds[number - 1])
    assert shown(gto)["m"][1] == {"prod": theirs}
    assert known(project)["m"][1] == {"prod": "v2.0.0"}


def test_what_ends_gto_is_read_by_gtrack(project: Project, train: Train, repo: Path, hand_made: HandMade) -> None:
    """Two versions on one commit, with a stage there."""
    commit = str(project.store.run_commit(train().id))
    hand_made("m@v1.0.0", commit, 1)
    hand_made("m@v1.1.0", commit, 2)
    hand_made("m#prod#1", commit, 3)
    gto = Path(sys.executable).with_name("gto")
    assert subprocess.run([gto, "show"], cwd=repo, capture_output=True, check=False).returncode != 0
    assert known(project) == {"m": ({"v1.0.0", "v1.1.0"}, {"prod": "v1.1.0"})}
