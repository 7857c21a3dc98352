"""Which runs go by which rule, and which stay against one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import ConfigError
from gtrack.ops.edit import edit_tags
from gtrack.ops.remove import pin
from gtrack.project import Project
from gtrack.records import Value
from gtrack.store.run_sizes import Bytes
from gtrack.writer import ActiveRun
from tests.ops.conftest import MakeRun
from tests.ops.retention.conftest import Plan, Runs, going


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ({"experiment": "sweep"}, {"search", "trial", "low", "high"}),
        ({"experiment": ["for*", "none"]}, {"broken", "only"}),
        ({"status": ["failed", "killed"]}, {"broken"}),
        ({"experiment": "sweep", "status": "failed"}, set()),
        ({"older_than": "10y"}, {"search", "trial", "low", "high", "broken", "only"}),
        ({"older_than": "90y"}, set()),
        ({"where": "metrics.f1 < 0.25"}, {"low", "broken"}),
        ({"larger_than": "100kB", "where": "name = 'broken' or name = 'low'"}, {"broken"}),
        ({"keep_best": "1 by metrics.f1 DESC"}, {"low", "high", "broken"}),
        ({"keep_best": "1 by metrics.f1 ASC", "experiment": "sweep"}, {"search", "trial", "high"}),
        ({"keep_best": "0 by metrics.f1", "experiment": "forest"}, {"broken", "only"}),
    ],
)
def test_a_run_goes_when_all_conditions_hold(runs: Runs, plan: Plan, rule: Value, names: set[str]) -> None:
    assert len(runs) == 6
    assert going(plan(rule)).keys() == names


def test_the_first_rule_that_takes_a_run_decides(runs: Runs, project: Project, plan: Plan) -> None:
    edit_tags(project, runs["low"], {"paper": "icml"})
    keep: Value = {"name": "papers", "tag": "paper=icml", "do": "keep"}
    failed: Value = {"name": "failed", "status": "failed"}
    rest: Value = {"name": "rest", "experiment": ["sweep", "forest"]}
    others = dict.fromkeys(("search", "trial", "high", "only"), "rest")
    assert going(plan(keep, failed, rest)) == {"broken": "failed", **others}
    assert going(plan(rest, keep, failed)) == dict.fromkeys(runs, "rest")


def test_what_an_earlier_rule_removes_is_none_of_the_best(runs: Runs, plan: Plan) -> None:
    best: Value = {"name": "best", "keep_best": "1 by metrics.f1", "experiment": "forest"}
    assert len(runs) == 6
    assert going(plan({"name": "odd", "where": "name = 'only'"}, best)) == {"only": "odd"}


def test_a_run_is_kept_by_the_registry_a_pin_and_its_children(runs: Runs, project: Project, plan: Plan) -> None:
    project.registry.register("churn", runs["high"].id, "weights.bin")
    project.registry.register("gone", runs["low"].id, "weights.bin")
    project.registry.deregister("gone", 1)
    pin(project, runs["trial"])
    found = plan({"name": "all", "experiment": "*"})
    assert going(found) == {"broken": "all", "only": "all"}
    assert found.spared == {"in the registry": 2, "pinned": 1, "parent of a kept run": 1}
    pin(project, project.resolve("trial"), pinned=False)
    assert going(plan({"name": "all", "experiment": "*"})).keys() == {"broken", "only", "search", "trial"}


def test_a_live_run_keeps_its_parents_and_theirs(make_run: MakeRun, project: Project, plan: Plan) -> None:
    top = make_run("top")
    middle = make_run("middle", parent=top.id)
    live = ActiveRun.start(project, name="live", experiment="forest", parent=middle.id)
    found = plan({"experiment": "*"})
    assert going(found) == {}
    assert found.spared == {"parent of a kept run": 2, "running": 1}
    live.end()


def test_runs_that_are_each_others_parents_end_nothing(make_run: MakeRun, project: Project, plan: Plan) -> None:
    first = make_run("first")
    second = make_run("second", parent=first.id)
    project.store.edit(first.id, lambda head: head.update(parent=second.id), "given a parent")
    assert going(plan({"experiment": "*"})).keys() == {"first", "second"}
    pin(project, project.resolve("first"))
    assert going(plan({"experiment": "*"})) == {}


def test_what_is_damaged_stays(make_run: MakeRun, project: Project, plan: Plan) -> None:
    run = make_run("one")
    project.store.edit(run.id, lambda head: head.update(status="exploded"), "damaged")
    found = plan({"experiment": "*"})
    assert (going(found), found.spared) == ({}, {"damaged": 1})


def test_a_metric_that_nobody_has_takes_nothing_and_is_told(runs: Runs, plan: Plan) -> None:
    assert len(runs) == 6
    for rule in ({"keep_best": "1 by metrics.f2"}, {"where": "not metrics.f2 > 1"}):
        found = plan({"name": "odd", **rule})
        assert going(found) == {}
        [note] = found.notes
        assert note.startswith("odd is passed over: ")
        assert "f2" in note
    assert going(plan({"where": "tags.none = 'x'", "do": "keep"}, {"status": "failed"})) == {"broken": "rule 2"}
    with pytest.raises(ConfigError, match=r"rule 1: .*Did you mean"):
        plan({"where": "metrics.f12 > 0.1", "do": "keep"})


def test_where_no_run_of_an_experiment_has_the_metric_none_is_worse(runs: Runs, make_run: MakeRun, plan: Plan) -> None:
    assert len(runs) == 6
    make_run("plain", experiment="other")
    found = plan({"name": "best", "keep_best": "1 by metrics.f1"})
    assert "plain" not in going(found)
    assert found.notes == ("best takes nothing of other: no run there has metrics.f1.",)


def test_without_a_direction_the_best_are_those_that_the_metric_says(make_run: MakeRun, plan: Plan) -> None:
    for value in (0.3, 0.1, 0.2):
        make_run(f"{value}", metrics={"loss": value, "f1": value})
    assert going(plan({"keep_best": "1 by metrics.loss"})).keys() == {"0.3", "0.2"}
    assert going(plan({"keep_best": "1 by metrics.f1"})).keys() == {"0.1", "0.2"}
    assert going(plan({"keep_best": "2 by -metrics.loss"})).keys() == {"0.1"}


def test_only_what_nobody_else_has_counts_as_freed(repo: Path, make_run: MakeRun, project: Project, plan: Plan) -> None:
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text("artifacts: {lfs_above_mb: 0.01}\n")
    shared, large = b"s" * 5000, b"l" * 20_000
    make_run("kept", artifacts={"shared.bin": shared, "large.bin": large}, experiment="kept")
    for name in ("a", "b"):
        make_run(name, artifacts={"shared.bin": shared, "own.bin": b"o" * 300, f"{name}.bin": large + b"!"})
    found = plan({"experiment": "forest"})
    assert [one.size.artifacts // 1000 for one in found.going] == [5, 5]
    assert [one.size.large for one in found.going] == [20_001, 20_001]
    assert found.freed.large == 20_001
    assert 300 < found.freed.artifacts < 300 + 1000  # own.bin once, a pointer and the attributes of each
    assert plan().freed == Bytes()
    assert project.store.tip() == found.tip
