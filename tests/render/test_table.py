from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gtrack.render.table import GAP, Cell, Column, fit, write_left_out, write_pairs, write_table
from tests.render.conftest import Draw

TEXTS = st.lists(st.text("ab日🚀", max_size=20), min_size=2, max_size=2)
COLUMNS = st.lists(
    st.builds(
        lambda title, texts, keep, least: Column(title, [Cell(text) for text in texts], keep=keep, least=least),
        st.text("tf名", max_size=15),
        TEXTS,
        st.integers(0, 5),
        st.none() | st.integers(0, 12),
    ),
    min_size=1,
    max_size=8,
)


def column(title: str, *texts: str, keep: int = 0, least: int | None = None, right: bool = False) -> Column:
    return Column(title, [Cell(text) for text in texts], right=right, keep=keep, least=least)


@given(COLUMNS, st.integers(1, 60))
def test_what_fits_is_never_wider_than_the_terminal(columns: list[Column], width: int) -> None:
    fitted = fit(columns, width)
    assert sum(taken for _, taken in fitted.columns) + GAP * (len(fitted.columns) - 1) <= width
    assert len(fitted.columns) + len(fitted.left_out) == len(columns)
    assert fitted.columns


@given(COLUMNS, st.integers(1, 60))
def test_a_number_is_shown_whole_or_not_at_all(columns: list[Column], width: int) -> None:
    fitted = fit(columns, width)
    for shown, taken in fitted.columns:
        assert shown.least is not None or taken >= shown.content or len(fitted.columns) == 1


@given(COLUMNS)
def test_a_pipe_gets_everything(columns: list[Column]) -> None:
    fitted = fit(columns, None)
    assert [shown for shown, _ in fitted.columns] == columns
    assert all(taken >= max(shown.content, cell_len(shown.title)) for shown, taken in fitted.columns)


def test_the_columns_that_matter_least_go_first() -> None:
    columns = [column("a", "x" * 10, keep=3), column("b", "y" * 10, keep=1), column("c", "z" * 10, keep=2)]
    assert [one.title for one in fit(columns, 22).left_out] == ["b"]
    assert [one.title for one in fit(columns, 21).left_out] == ["b", "c"]


def test_texts_are_shortened_before_columns_go() -> None:
    columns = [column("name", "x" * 30, keep=2, least=10), column("f1", "0.951235", right=True)]
    fitted = fit(columns, 25)
    assert [taken for _, taken in fitted.columns] == [15, 8]


def test_numbers_stand_below_each_other(draw: Draw) -> None:
    columns = [column("name", "🚀", "日本"), column("f1", "0.9", "10.25", right=True)]
    assert draw(lambda console: write_table(console, columns), 40) == "name     f1\n🚀      0.9\n日本  10.25\n"


def test_an_empty_cell_is_a_dash_in_a_pipe_only(draw: Draw) -> None:
    columns = [column("a", "", "x"), column("b", "1", "")]
    assert draw(lambda console: write_table(console, columns), None) == "a  b\n-  1\nx  -\n"
    assert draw(lambda console: write_table(console, columns), 40) == "a  b\n   1\nx\n"


def test_what_is_left_out_is_said_in_one_line(draw: Draw) -> None:
    columns = [column(f"parameter_{number}") for number in range(40)]
    line = draw(lambda console: write_left_out(console, columns, "choose with --columns"), 80)
    assert line.startswith("40 columns not shown: parameter_0, parameter_1, ")
    assert line.endswith("… (choose with --columns)\n")
    assert len(line) == 81
    assert draw(lambda console: write_left_out(console, [], "x"), 80) == ""


def test_many_pairs_stand_side_by_side_on_a_terminal_and_below_each_other_in_a_pipe(draw: Draw) -> None:
    pairs = [(f"p{number}", Cell(str(number))) for number in range(13)]
    wide = draw(lambda console: write_pairs(console, pairs), 80).splitlines()
    assert wide[0] == "p0  0    p5  5    p10  10"
    assert len(wide) == 5
    assert len(draw(lambda console: write_pairs(console, pairs), None).splitlines()) == 13


def test_a_few_pairs_stand_below_each_other(draw: Draw) -> None:
    pairs = [("lr", Cell("0.1")), ("depth", Cell("3"))]
    assert draw(lambda console: write_pairs(console, pairs, 2), 80) == "  lr     0.1\n  depth  3\n"
