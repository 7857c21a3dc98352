from __future__ import annotations

import math

import pytest

from gtrack.errors import UsageError
from gtrack.ops.compare import ABSENT
from gtrack.ops.group import Grouping, Spread, group_runs
from gtrack.ops.listing import ColumnSpec
from gtrack.ops.search import Choice
from gtrack.project import Project
from tests.ops.conftest import MakeRun

pytestmark = pytest.mark.filterwarnings("ignore:gtrack. metric:UserWarning")  # nan and inf are logged on purpose

RUNS: tuple[tuple[dict[str, object], dict[str, float]], ...] = (
    ({"depth": 16, "on": True}, {"f1": 0.1, "loss": 1}),
    ({"depth": 4, "on": False}, {"f1": 0.2}),
    ({"depth": 4, "on": True}, {"f1": 0.4}),
    ({"depth": None}, {"f1": math.nan}),
    ({"depth": "deep"}, {"f1": math.inf}),
    ({"other": [1, 2]}, {}),
)


@pytest.fixture
def six(make_run: MakeRun) -> None:
    for number, (params, metrics) in enumerate(RUNS):
        make_run(f"run-{number}", params=params, metrics=metrics)


def keys(grouping: Grouping) -> list[object]:
    return [group.values[0] for group in grouping.groups]


@pytest.mark.usefixtures("six")
def test_groups_by_a_parameter(project: Project) -> None:
    found = group_runs(project, "params.depth", Choice())
    assert found.by == (ColumnSpec("params", "depth"),)
    assert found.metrics == ("f1", "loss")
    assert keys(found) == [4, 16, None, "deep", ABSENT]
    assert [group.count for group in found.groups] == [2, 1, 1, 1, 1]
    spread = found.groups[0].metrics[0]
    assert spread.count == 2
    assert spread.mean == pytest.approx(0.3)
    assert spread.std == pytest.approx(math.sqrt(0.02))
    assert found.groups[1].metrics == (Spread(1, 0.1), Spread(1, 1.0))
    assert found.groups[2].metrics == (Spread(0), Spread(0))
    assert found.groups[3].metrics == (Spread(0), Spread(0))


@pytest.mark.usefixtures("six")
def test_several_columns_metrics_order_limit_and_a_filter(project: Project) -> None:
    both = group_runs(project, "depth, experiment", Choice("params.depth = 4"))
    assert [group.values for group in both.groups] == [(4, "forest")]
    assert both.metrics == ("f1",)
    assert keys(group_runs(project, "params.on", Choice())) == [False, True, ABSENT]
    ordered = group_runs(project, "params.depth", Choice(), metrics="f*", order="-f1", limit=2)
    assert keys(ordered) == [4, 16]
    assert ordered.more
    assert keys(group_runs(project, "params.depth", Choice(), order="-count"))[0] == 4
    assert keys(group_runs(project, "depth", Choice(), order="-params.depth")) == ["deep", None, 16, 4, ABSENT]
    assert keys(group_runs(project, "status", Choice())) == ["finished"]
    assert group_runs(project, "dirty", Choice("metrics.f1 > 9e999")).groups == ()


@pytest.mark.usefixtures("six")
@pytest.mark.parametrize(
    ("by", "metrics", "order", "message"),
    [
        (" , ", None, None, "at least one column"),
        ("params.dept", None, None, "Did you mean 'params.depth'"),
        ("tags.team", None, None, "cannot be grouped by 'tags.team'"),
        ("params.depth", "los", None, "Did you mean 'loss'"),
        ("params.depth", None, "-lss", "cannot be sorted by 'lss'"),
    ],
)
def test_wrong_groups(project: Project, by: str, metrics: str | None, order: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        group_runs(project, by, Choice(), metrics=metrics, order=order)
