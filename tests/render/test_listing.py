from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from rich.cells import cell_len

from gtrack.ops.listing import list_runs
from gtrack.records import Goal, MetricDefinition, Run
from gtrack.render.listing import write_listing
from tests.render.conftest import WIDTHS, CheckGolden, Draw, forest, golden_name


@pytest.mark.parametrize("width", WIDTHS)
def test_runs_of_one_experiment(
    forests: list[Run], draw: Draw, golden: CheckGolden, now: datetime, width: int | None
) -> None:
    text = draw(lambda console: write_listing(console, list_runs(forests, limit=5), now), width)
    golden(golden_name("ls", width), text)


@pytest.mark.parametrize("width", WIDTHS)
def test_strange_runs(nasty: list[Run], draw: Draw, golden: CheckGolden, now: datetime, width: int | None) -> None:
    golden(golden_name("ls-strange", width), draw(lambda console: write_listing(console, list_runs(nasty), now), width))


def test_forty_parameters_that_differ(draw: Draw, golden: CheckGolden, now: datetime) -> None:
    runs = [forest(n, n, 1, params={f"parameter_{i}": i * n for i in range(40)}) for n in (1, 2)]
    golden("ls-forty.80.txt", draw(lambda console: write_listing(console, list_runs(runs), now), 80))


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120, 200])
def test_no_line_of_the_table_is_wider_than_the_terminal(
    forests: list[Run], nasty: list[Run], draw: Draw, now: datetime, width: int
) -> None:
    runs = [*forests, *nasty]
    lines = draw(lambda console: write_listing(console, list_runs(runs), now), width).splitlines()
    assert all(cell_len(line) <= width for line in lines[: len(runs) + 1])


def test_a_pipe_gets_one_line_per_run_and_nothing_else(nasty: list[Run], draw: Draw, now: datetime) -> None:
    lines = draw(lambda console: write_listing(console, list_runs(nasty), now), None).splitlines()
    assert len(lines) == len(nasty) + 1
    assert not any("\x1b" in line or line.endswith(" ") for line in lines)


def test_columns_that_were_asked_for_stay_in_order_and_go_from_the_right(
    forests: list[Run], draw: Draw, now: datetime
) -> None:
    listing = list_runs(forests, columns="metrics.f1,seed,name,command,experiment,commit,branch,exit_code,notes")
    lines = draw(lambda console: write_listing(console, listing, now), 80).splitlines()
    assert lines[0].split()[:4] == ["f1", "seed", "name", "command"]
    assert any("not shown: " in line for line in lines)


def test_a_name_that_is_a_param_and_a_metric_says_which_it_is(draw: Draw, now: datetime) -> None:
    runs = [forest(n, n, 1, params={"loss": str(n)}, metrics={"loss": n}) for n in (1, 2)]
    head = draw(lambda console: write_listing(console, list_runs(runs), now), 120).splitlines()[0]
    assert head.split()[-2:] == ["params.loss", "metrics.loss"]


def test_what_many_runs_have_is_shown_before_what_few_have(draw: Draw, now: datetime) -> None:
    rare = [
        forest(n, n, 1, params={f"rare_parameter_{n}_{k}": n for k in range(3)}, metrics={"f1": 0.5}) for n in (1, 2)
    ]
    often = [forest(n, n, 1, params={"depth": n}, metrics={"f1": 0.5}) for n in range(3, 9)]
    text = draw(lambda console: write_listing(console, list_runs([*rare, *often]), now), 80)
    assert "depth" in text.splitlines()[0]


def test_metrics_of_the_training_data_come_last(draw: Draw, now: datetime) -> None:
    metrics = {**{f"training_{name}_score": 1.0 for name in ("f1", "recall", "precision")}, "f1_score_X_test": 0.9}
    runs = [forest(n, n, 1, params={}, metrics=metrics) for n in range(3)]
    head = draw(lambda console: write_listing(console, list_runs(runs), now), 80).splitlines()[0]
    assert "f1_score_X_test" in head


def test_a_metric_with_a_goal_is_shown_before_those_that_more_runs_have(draw: Draw, now: datetime) -> None:
    """So is the objective of a study that is listed among other runs."""
    metrics = {f"a_metric_of_the_tests_{n}": 0.5 for n in range(9)}
    runs = [forest(n, n, 1, params={}, metrics=metrics) for n in range(3)]
    study = replace(
        forest(4, 4, 1, params={}, metrics={"objective": 0.7}),
        metric_definitions={"objective": MetricDefinition(goal=Goal.MINIMIZE)},
    )
    head = draw(lambda console: write_listing(console, list_runs([*runs, study]), now), 80).splitlines()[0]
    assert "objective" in head


def test_the_metric_that_decides_is_shown_whatever_it_is_called(draw: Draw, now: datetime) -> None:
    metrics = {"training_score": 1.0, **{f"a_metric_of_the_tests_{n}": 0.5 for n in range(9)}}
    listing = list_runs([forest(n, n, 1, params={}, metrics=metrics) for n in range(3)], which="best")
    assert "training_score" in draw(lambda console: write_listing(console, listing, now), 80).splitlines()[0]
