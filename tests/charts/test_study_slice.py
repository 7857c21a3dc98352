"""The value over each parameter."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gtrack.charts.column import Column
from gtrack.charts.study_slice import MOST_PANELS, Slice, draw_slice
from gtrack.errors import InvalidValue
from tests.charts.conftest import CheckPicture

VALUE = Column("$loss", (3.0, 1.0, 2.0, math.inf))
NUMBERS = [0, 1, 2, 3]


def column(name: str) -> Column:
    return Column(name, (1.0, 2.0, 100.0, 3.0))


@pytest.mark.parametrize("count", [1, 2, 4, 5, 11])
def test_any_number_of_parameters(check: CheckPicture, count: int) -> None:
    figure = check(lambda: draw_slice(Slice([column(f"p{n}") for n in range(count)], VALUE, NUMBERS, note="A note.")))
    assert [axes.get_xlabel() for axes in figure.axes[:-1]] == [f"p{n}" for n in range(count)]


def test_of_many_parameters_the_first_are_shown_and_the_others_counted(check: CheckPicture) -> None:
    figure = check(lambda: draw_slice(Slice([column(f"p{n}") for n in range(MOST_PANELS + 3)], VALUE, NUMBERS)))
    assert len(figure.axes) == MOST_PANELS + 1
    assert figure.get_supxlabel() == "3 more parameters not shown."


@pytest.mark.quick
def test_choices_numbers_and_logarithms_have_axes_of_their_own(check: CheckPicture) -> None:
    kinds = [Column("kind", ("a", "b", "a", "b")), column("depth"), column("rate")]
    kind, depth, rate, _ = check(lambda: draw_slice(Slice(kinds, VALUE, NUMBERS, frozenset({"rate"})))).axes
    assert [label.get_text() for label in kind.get_xticklabels()] == ["a", "b"]
    assert (depth.get_xscale(), rate.get_xscale()) == ("linear", "log")


def test_a_trial_is_only_where_it_has_the_parameter_and_a_finite_value() -> None:
    some = Column("only_some", (None, 1.0, 2.0, 3.0))
    axes = draw_slice(Slice([some, Column("none", (None,) * 4)], VALUE, NUMBERS)).axes
    assert len(axes) == 2
    assert np.asarray(axes[0].collections[0].get_offsets()).tolist() == [[1.0, 1.0], [2.0, 2.0]]


def test_nothing_to_draw() -> None:
    with pytest.raises(InvalidValue, match="no trial has a parameter"):
        draw_slice(Slice([], VALUE, NUMBERS))


def test_the_same_chart_is_the_same_bytes(check_same: CheckPicture) -> None:
    check_same(lambda: draw_slice(Slice([column("a"), column("b")], VALUE, NUMBERS)))
