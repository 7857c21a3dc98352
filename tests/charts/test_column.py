"""Values of many runs as positions and colours."""

from __future__ import annotations

import math

from gtrack.charts.column import Column, axis_positions, colouring, groups, shaded


def test_numbers_and_categories() -> None:
    numbers = Column("lr", (0.1, None, 2.0))
    assert not numbers.is_category
    assert numbers.known == (True, False, True)
    assert math.isnan(numbers.positions[1])
    names = Column("depth", ("10", "null", "2", None, "auto", "2"))
    assert names.is_category
    assert names.categories == ("2", "10", "auto", "null")
    assert [position for position in names.positions if not math.isnan(position)] == [1, 3, 0, 2, 0]


def test_runs_of_one_category_are_moved_apart_always_the_same_way() -> None:
    column = Column("optimizer", ("adam",) * 30)
    moved = axis_positions(column, spread=0.4)
    assert moved == axis_positions(column, spread=0.4)
    assert len(set(moved)) == 30
    assert max(map(abs, moved)) <= 0.2
    assert axis_positions(column) == [0.0] * 30


def test_the_most_frequent_categories_have_a_look_of_their_own() -> None:
    column = Column("host", (*"aaabbbcccddeeffgghhz", None))
    found = groups(column)
    assert [name for name, _ in found] == ["a", "b", "c", "d", "e", "4 other values"]
    assert sum(len(which) for _, which in found) == 20
    assert len(groups(Column("host", tuple("abcdefg")))) == 7


def test_colours_grow_darker_in_one_direction() -> None:
    column = Column("loss", (0.0, 1.0, 2.0, 3.0))
    for dark_is_high in (True, False):
        shades = [
            0.299 * r + 0.587 * g + 0.114 * b
            for r, g, b, _ in shaded(colouring(column, dark_is_high=dark_is_high), [0, 1, 2, 3])
        ]
        assert shades == sorted(shades, reverse=dark_is_high)
        assert max(shades) - min(shades) > 0.5
        assert max(shades) < 0.85


def test_numbers_of_many_magnitudes_are_coloured_by_them() -> None:
    wide = colouring(Column("lr", (1e-5, 1e-3, 1e-1)), dark_is_high=True)
    zero = colouring(Column("decay", (0.0, 1e-6, 1e-2)), dark_is_high=True)
    assert shaded(wide, [1e-4]) != shaded(wide, [1e-5])
    assert shaded(zero, [1e-6]) != shaded(zero, [0.0])
