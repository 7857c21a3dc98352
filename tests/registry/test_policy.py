"""What a stage demands is judged by the run as the tag's commit holds it; what fails promotes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gtrack.errors import ConfigError, RunNotFound
from gtrack.project import Project
from gtrack.records import Input, ModelVersion, Run
from gtrack.registry.policy import PolicyFailed
from gtrack.registry.writing import Terms
from gtrack.writer import ActiveRun
from tests.conftest import Git
from tests.registry.conftest import HandMade, Train

Stage = Callable[[str], Project]


@pytest.fixture
def staged(repo: Path, git: Git) -> Stage:
    """Return a function that makes settings of the stage ``production`` and opens the project with them."""

    def make(said: str) -> Project:
        (repo / ".gtrack").mkdir(exist_ok=True)
        text = f"system: {{interval_seconds: 0}}\nregistry:\n  stages:\n    production: {{{said}}}\n"
        (repo / ".gtrack" / "config.yaml").write_text(text)
        git("add", ".gtrack")
        git("commit", "--quiet", "--message", "Settings")
        return Project.open(repo)

    return make


def version(project: Project, f1: float = 0.9, status: str = "finished", **more: Any) -> ModelVersion:
    active = ActiveRun.start(project, **more)
    active.log_params({"depth": 5})
    active.log_metrics({"f1": f1, "loss": 1 - f1, "odd": f1})
    active.log_bytes(b"flavors: {}\n", "model/MLmodel")
    return project.registry.register("m", active.end(status).id)


def judged(project: Project, one: ModelVersion, **more: Any) -> list[tuple[str, bool, str]]:
    found = project.registry.outlook("m", one.version, "production", **more).verdicts
    return [
        (verdict.condition, verdict.met, verdict.found) for verdict in found if verdict.condition != "the run finished"
    ]


def in_production(project: Project) -> int | None:
    found = project.registry.model("m").in_stage("production")
    return found.version if found else None


@pytest.mark.parametrize(
    ("condition", "met", "found"),
    [
        ("metrics.f1 >= 0.85", True, "f1 = 0.9"),
        ("metrics.f1 >= 0.95", False, "f1 = 0.9"),
        ("metrics.f1 > 0.5 and params.depth < 10", True, "f1 = 0.9, depth = 5"),
        ("metrics.auc > 0.5", False, "no auc"),
        ("not metrics.auc > 0.5", True, "no auc"),
        ("tags.team = 'a'", False, "no team"),
        ("status = 'finished' and dirty = false", True, ""),
        ("metrics.f1.count = 1", True, "f1 = 0.9"),
    ],
    ids=range(8),
)
def test_conditions_in_the_query_language(staged: Stage, condition: str, met: bool, found: str) -> None:
    project = staged(f'requires: "{condition}"')
    assert judged(project, version(project)) == [(condition, met, found)]


@pytest.mark.parametrize("condition", ["metrics.f1 >", "f1 >= 0.5", "stage = 'staging'"], ids=range(3))
def test_a_condition_that_cannot_be_read_is_an_error_of_the_settings(staged: Stage, condition: str) -> None:
    project = staged(f'requires: "{condition}"')
    one = version(project)
    with pytest.raises(ConfigError, match=r"registry\.stages\.production\.requires"):
        project.registry.assign("m", one.version, "production")


@pytest.mark.parametrize(
    ("said", "before", "now", "met", "found"),
    [
        ("f1 by 0.005", 0.9, 0.905, True, "f1 = 0.905 against 0.9 of v1 (+0.005)"),
        ("f1 by 0.005", 0.9, 0.904, False, "f1 = 0.904 against 0.9 of v1 (+0.004)"),
        ("f1", 0.9, 0.9, False, "f1 = 0.9 against 0.9 of v1 (+0)"),
        ("loss", 0.9, 0.95, True, "loss = 0.05 against 0.1 of v1 (-0.05)"),
        ("loss by 60 %", 0.9, 0.95, False, "loss = 0.05 against 0.1 of v1 (-0.05)"),
        ("odd", 0.9, 0.8, False, "odd = 0.8 against 0.9 of v1 (-0.1)"),
        ("auc", 0.9, 0.9, False, "no auc"),
    ],
    ids=range(7),
)
def test_better_than_what_is_there(staged: Stage, said: str, before: float, now: float, met: bool, found: str) -> None:
    project = staged(f'improves: "{said}", force: true')
    first = version(project, before)
    [(_, alone, told)] = judged(project, first)
    assert (alone, "nothing else is in production" in told) == ((True, True) if said != "auc" else (False, False))
    project.registry.assign("m", 1, "production", terms=Terms(force=True))
    [(_, is_met, told)] = judged(project, version(project, now))
    assert (is_met, told) == (met, found)
    assert judged(project, first) == []  # it is there already


def test_a_stage_that_must_come_before(staged: Stage) -> None:
    project = staged("after: [staging, qa]")
    one = version(project)
    assert judged(project, one) == [("it was in staging or qa", False, "it never was")]
    project.registry.assign("m", 1, "qa")
    assert judged(project, one) == [("it was in staging or qa", True, "it is in qa")]
    project.registry.unassign("m", 1, "qa")
    [(_, met, found)] = judged(project, one)
    assert met
    assert found.startswith("qa, 20")
    other = version(project)
    assert judged(project, other) == [("it was in staging or qa", False, "it never was")]


def test_clean_code_on_a_branch(staged: Stage, repo: Path, git: Git) -> None:
    git("branch", "-M", "main")
    project = staged("clean: true, branch: main")
    head = git("rev-parse", "HEAD").strip()[:8]
    assert judged(project, version(project)) == [
        ("the code was committed", True, f"{head} of main"),
        ("the code is on main", True, f"{head} of main is on main"),
    ]
    git("switch", "--quiet", "--create", "idea")
    (repo / "new.py").write_text("x = 1\n")
    project = Project.open(repo)
    [clean, branch] = judged(project, version(project))
    assert (clean[1], branch[1]) == (False, False)
    assert "of idea, a snapshot of uncommitted changes" in clean[2]
    git("add", "new.py")
    git("commit", "--quiet", "--message", "Idea")
    project = Project.open(repo)
    [clean, branch] = judged(project, version(project))
    assert (clean[1], branch[1]) == (True, False)
    git("branch", "--force", "main", "idea")
    assert judged(project, project.registry.find("m", "latest"))[1][1]


def test_data_that_was_recorded(staged: Stage) -> None:
    project = staged("data: true")
    assert judged(project, version(project)) == [("a version of the data is recorded", False, "none")]
    active = ActiveRun.start(project)
    active.log_input(Input("train", f"sha256:{'a' * 64}", "file"))
    active.log_bytes(b"flavors: {}\n", "model/MLmodel")
    one = project.registry.register("m", active.end().id)
    assert judged(project, one) == [("a version of the data is recorded", True, "train sha256:aaaaaaaaaaaa")]


def test_another_run_that_reproduced_it(staged: Stage) -> None:
    project = staged("reproduced: true")
    one = version(project)
    ActiveRun.start(project, tags={"reproduces": str(one.run_id)}).end("failed")
    assert judged(project, one) == [
        ("another run reproduced it", False, "no finished run has the tag 'reproduces' with its id")
    ]
    ActiveRun.start(project, name="again", tags={"reproduces": str(one.run_id)}).end()
    assert judged(project, one) == [("another run reproduced it", True, "again")]


def test_a_reason_and_approvals_of_others(staged: Stage) -> None:
    project = staged("reason: true, approvals: 2")
    one, me = version(project), str(project.identity())
    assert [met for _, met, _ in judged(project, one)] == [False, False]
    twice = Terms(approvals=("Bo <b@x>", "Bo again <B@X>", me))
    assert judged(project, one, reason="better", terms=twice) == [
        ("there is a reason", True, "better"),
        ("2 approvals of somebody else", False, "Bo again <B@X>"),
    ]
    with pytest.raises(PolicyFailed, match="m v1 is not promoted to production: 1 of 3 conditions are not met"):
        project.registry.assign("m", 1, "production", reason="better", terms=twice)
    assert in_production(project) is None
    project.registry.assign("m", 1, "production", reason="better", terms=Terms(approvals=("Bo <b@x>", "Cy <c@x>")))
    assert project.registry.events("m")[-1].trailers["Approved-By"] == ["Bo <b@x>", "Cy <c@x>"]


@pytest.mark.parametrize(
    ("names", "met"),
    [("[nobody@x]", False), ("[nobody@x, {email}]", True), ("['{name}']", True), ("['SHA256:{key}']", False)],
    ids=range(4),
)
def test_who_may_promote(staged: Stage, repo: Path, names: str, met: bool) -> None:
    me = Project.open(repo).identity()
    project = staged(f"promoters: {names.format(email=me.email.upper(), name=me.name, key='a' * 43)}")
    [(_, is_met, _)] = judged(project, version(project))
    assert is_met is met


def test_what_fails_promotes_nothing_and_says_every_condition(staged: Stage) -> None:
    project = staged("requires: [metrics.f1 >= 0.95, metrics.loss < 1], reason: true")
    version(project)
    with pytest.raises(PolicyFailed) as error:
        project.registry.assign("m", 1, "production")
    assert str(error.value).splitlines() == [
        "m v1 is not promoted to production: 2 of 4 conditions are not met.",
        "  ✓ the run finished: finished",
        "  ✗ metrics.f1 >= 0.95: f1 = 0.9",
        "  ✓ metrics.loss < 1: loss = 0.1",
        "  ✗ there is a reason: none: --reason TEXT",
    ]
    assert project.repo.run("tag", "--list", "m#*") == b""
    with pytest.raises(PolicyFailed, match="do not allow --force"):
        project.registry.assign("m", 1, "production", terms=Terms(force=True))
    with pytest.raises(PolicyFailed, match="not promoted"):
        project.registry.transition("m", 1, "Production")
    assert project.repo.run("tag", "--list", "m#*") == b""


def test_force_is_written_into_the_tag_where_the_stage_allows_it(staged: Stage) -> None:
    project = staged("requires: metrics.f1 >= 0.95, reason: true, force: true")
    version(project)
    with pytest.raises(PolicyFailed, match="--force would do it"):
        project.registry.assign("m", 1, "production")
    project.registry.assign("m", 1, "production", terms=Terms(force=True))
    assert project.registry.events("m")[-1].trailers["Forced"] == ["metrics.f1 >= 0.95; there is a reason"]


def test_a_run_that_failed_is_promoted_only_by_force(project: Project) -> None:
    version(project, status="failed")
    with pytest.raises(PolicyFailed, match="✗ the run finished: failed"):
        project.registry.assign("m", 1, "staging")
    project.registry.assign("m", 1, "archived")
    project.registry.assign("m", 1, "staging", terms=Terms(force=True))
    assert project.registry.find("m", 1).stages == ("archived", "staging")


def test_leaving_a_stage_takes_who_may_and_a_reason_but_no_metrics(staged: Stage) -> None:
    project = staged("requires: metrics.f1 > 0.5, reason: true, approvals: 1")
    version(project)
    project.registry.assign("m", 1, "production", reason="good", terms=Terms(approvals=("Bo <b@x>",)))
    for leave in (
        lambda: project.registry.unassign("m", 1, "production"),
        lambda: project.registry.deregister("m", 1),
        lambda: project.registry.transition("m", 1, None),
    ):
        with pytest.raises(PolicyFailed, match="m v1 stays in production: its condition is not met"):
            leave()
    assert in_production(project) == 1
    project.registry.unassign("m", 1, "production", reason="it drifts")
    assert in_production(project) is None


def test_registered_and_promoted_at_once_or_neither(staged: Stage) -> None:
    project = staged("requires: metrics.f1 > 0.85")
    runs = [end(project, 0.8), end(project, 0.9)]
    with pytest.raises(PolicyFailed):
        project.registry.register_and_assign("m", runs[0].id, "production")
    assert project.registry.models() == []
    outlook = project.registry.outlook_of_run("m", runs[1].id, "production", bump="minor")
    assert (outlook.tags, outlook.version.version) == (("m@v1.0.0", "m#production#1"), 1)
    assert project.registry.models() == []
    done = project.registry.register_and_assign("m", runs[1].id, "production")
    assert (done.version, done.stages) == (1, ("production",))
    again = project.registry.register_and_assign("m", runs[1].id, "production")
    assert again == done
    assert project.registry.ledger("m").counters == {"m": 1}


def end(project: Project, f1: float) -> Run:
    active = ActiveRun.start(project)
    active.log_metrics({"f1": f1})
    active.log_bytes(b"flavors: {}\n", "model/MLmodel")
    return active.end()


def test_the_run_counts_as_its_version_has_it(staged: Stage) -> None:
    project = staged("requires: metrics.f1 > 0.85")
    active = ActiveRun.start(project)
    active.log_metrics({"f1": 0.8})
    active.log_bytes(b"flavors: {}\n", "model/MLmodel")
    run = active.end()
    project.registry.register("m", run.id)
    again = ActiveRun.resume(project, run.id)
    again.log_metrics({"f1": 0.99})
    again.end()
    with pytest.raises(PolicyFailed, match=r"f1 = 0\.8"):
        project.registry.assign("m", 1, "production")


def test_a_version_of_no_run_fulfils_nothing_that_asks_for_one(staged: Stage, git: Git, hand_made: HandMade) -> None:
    project = staged("requires: metrics.f1 > 0.85, reason: true")
    hand_made("m@v1.0.0", git("rev-parse", "HEAD").strip())
    with pytest.raises(PolicyFailed, match="✗ the run is known: commit"):
        project.registry.assign("m", 1, "production", reason="x")
    project.registry.assign("m", 1, "staging")
    assert project.registry.find("m", 1).stages == ("staging",)


def test_a_version_whose_commit_is_not_here_says_what_to_fetch(train: Train, project: Project, git: Git) -> None:
    run = train()
    one = project.registry.register("m", run.id)
    other = project.registry.ledger("m").tags[0]
    assert (other.target, one.commit) == (one.commit, one.commit)
    text = f"object {'1' * 40}\ntype commit\ntag m@v2.0.0\ntagger A <a@x> 1800000000 +0000\n\nx\n"
    (project.repo.git_dir / "tag").write_text(text)
    oid = git("hash-object", "-t", "tag", "-w", "--literally", str(project.repo.git_dir / "tag")).strip()
    git("update-ref", "refs/tags/m@v2.0.0", oid)
    with pytest.raises(RunNotFound, match=r"is not in this clone\. Fetch it"):
        project.registry.assign("m", "v2.0.0", "staging")
