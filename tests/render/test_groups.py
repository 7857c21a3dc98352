from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from rich.cells import cell_len

from gtrack.ops.compare import ABSENT
from gtrack.ops.experiments import ExperimentSummary
from gtrack.ops.group import Group, Grouping, Spread
from gtrack.ops.listing import ColumnSpec, list_runs
from gtrack.records import Experiment, Goal, Run
from gtrack.render.data import rows_csv, to_json
from gtrack.render.groups import (
    experiment_columns,
    experiment_data,
    experiment_rows,
    group_columns,
    group_data,
    group_rows,
    write_experiments,
    write_groups,
)
from gtrack.render.listing import listing_columns
from gtrack.render.markdown import columns_markdown
from tests.render.conftest import WIDTHS, CheckGolden, Draw, golden_name

SPREADS = (Spread(3, 0.951234, 0.0123456), Spread(2, 0.2, 1.5), Spread(1, 1e-9), Spread(0))


@pytest.fixture
def grouping() -> Grouping:
    by = (ColumnSpec("params", "max_depth"), ColumnSpec("tags", "team"), ColumnSpec("run", "commit"))
    groups = (
        Group((8, "red", "c" * 40), 3, SPREADS),
        Group((16, ABSENT, "d" * 40), 1_234, SPREADS),
        Group((None, "\x1b[31mblue\u202e", None), 1, (Spread(1, 0.5), Spread(0), Spread(1, 5.0), Spread(0))),
    )
    return Grouping(by, ("f1", "val/loss", "tiny", "never"), groups, more=True)


@pytest.fixture
def experiments(forests: list[Run], now: datetime) -> list[ExperimentSummary]:
    busy = Experiment("churn", now - timedelta(days=9), "Who leaves, and why?", {"team": "red"}, ("f1", Goal.MAXIMIZE))
    return [
        ExperimentSummary(busy, 1_204, {"finished": 1_200, "running": 2, "failed": 2}, now, forests[1]),
        ExperimentSummary(Experiment("default"), 1, {"killed": 1}, now - timedelta(days=400)),
        ExperimentSummary(Experiment("日本語の実験 🧪", purpose="\x1b]0;owned\x07" + "long " * 40), 0, {}),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_groups(grouping: Grouping, draw: Draw, golden: CheckGolden, width: int | None) -> None:
    golden(golden_name("groups", width), draw(lambda console: write_groups(console, grouping), width))


@pytest.mark.parametrize("width", WIDTHS)
def test_experiments(
    experiments: list[ExperimentSummary], draw: Draw, golden: CheckGolden, now: datetime, width: int | None
) -> None:
    text = draw(lambda console: write_experiments(console, experiments, now), width)
    golden(golden_name("experiments", width), text)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal(
    grouping: Grouping, experiments: list[ExperimentSummary], draw: Draw, now: datetime, width: int
) -> None:
    text = draw(lambda console: write_experiments(console, experiments, now), width)
    lines = text.splitlines()[:4] + draw(lambda console: write_groups(console, grouping), width).splitlines()[:4]
    assert all(cell_len(line) <= width for line in lines)


def test_groups_for_programs(grouping: Grouping, golden: CheckGolden) -> None:
    golden("groups.json", to_json(group_data(grouping)))
    golden("groups.csv", rows_csv(group_rows(grouping)))
    golden("groups.md", columns_markdown(group_columns(grouping, terminal=False)))


def test_experiments_for_programs(experiments: list[ExperimentSummary], golden: CheckGolden, now: datetime) -> None:
    golden("experiments.json", to_json([experiment_data(one) for one in experiments]))
    golden("experiments.csv", rows_csv(experiment_rows(experiments)))
    golden("experiments.md", columns_markdown(experiment_columns(experiments, now, terminal=False)))


def test_a_listing_as_markdown(forests: list[Run], golden: CheckGolden, now: datetime) -> None:
    golden("ls.md", columns_markdown(listing_columns(list_runs(forests), now)))
