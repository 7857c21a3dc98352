"""The course of a study."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gtrack.charts.study_history import Objective, StudyHistory, best_so_far, draw_study_history
from gtrack.errors import InvalidValue
from gtrack.records import Goal
from tests.charts.conftest import CheckPicture


def course(count: int, title: str = "$loss", goal: Goal = Goal.MINIMIZE) -> Objective:
    return Objective(
        title,
        goal,
        [(n, (n * 7) % 11 - 3.0) for n in range(count)],
        [(n, 4.0) for n in range(count, count + count // 4)],
    )


@pytest.mark.parametrize("count", [1, 20, 300])
@pytest.mark.parametrize("objectives", [1, 3])
def test_any_number_of_trials_and_objectives(check: CheckPicture, count: int, objectives: int) -> None:
    figure = check(lambda: draw_study_history(StudyHistory([course(count)] * objectives, note="A note.")))
    assert len(figure.axes) == objectives


def test_the_best_so_far_is_in_the_order_of_the_trials_and_knows_no_infinity() -> None:
    points = [(3, 1.0), (0, 5.0), (1, math.inf), (2, 7.0), (4, -math.inf)]
    assert best_so_far(points, Goal.MINIMIZE) == [(0, 5.0), (2, 5.0), (3, 1.0)]
    assert best_so_far(points, Goal.MAXIMIZE) == [(0, 5.0), (2, 7.0), (3, 7.0)]


def test_pruned_trials_stand_apart_and_do_not_count_as_best() -> None:
    figure = draw_study_history(StudyHistory([Objective("f1", Goal.MAXIMIZE, [(0, 0.5)], [(1, 0.9)])]))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["pruned", "complete", "best so far"]
    assert np.asarray(figure.axes[0].lines[0].get_ydata()).tolist() == [0.5]


@pytest.mark.quick
def test_only_pruned_trials(check: CheckPicture) -> None:
    check(lambda: draw_study_history(StudyHistory([Objective("f1", Goal.MAXIMIZE, [], [(1, 0.9)])])))


def test_values_over_many_orders_of_magnitude_are_on_a_logarithmic_axis() -> None:
    wide = Objective("loss", Goal.MINIMIZE, [(0, 1e6), (1, 1.0)])
    assert draw_study_history(StudyHistory([wide])).axes[0].get_yscale() == "log"
    assert draw_study_history(StudyHistory([course(5)])).axes[0].get_yscale() == "linear"


def test_nothing_to_draw() -> None:
    with pytest.raises(InvalidValue, match="no trial has a finite value"):
        draw_study_history(StudyHistory([Objective("loss", Goal.MINIMIZE, [(0, math.inf)])]))


def test_the_same_chart_is_the_same_bytes(check_same: CheckPicture) -> None:
    check_same(lambda: draw_study_history(StudyHistory([course(20)])))
