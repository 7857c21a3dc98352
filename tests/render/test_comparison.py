from __future__ import annotations

import io
from datetime import datetime

import pytest
from rich.console import Console

from gtrack.ops.code import CodeChange
from gtrack.ops.compare import Comparison, compare
from gtrack.records import Run
from gtrack.render.comparison import write_comparison
from gtrack.render.comparison_markdown import comparison_markdown
from tests.render.conftest import WIDTHS, CheckGolden, Draw, environment, forest, golden_name

NO_CHANGE = CodeChange("a" * 40, "a" * 40)


@pytest.fixture
def two(forests: list[Run]) -> Comparison:
    return compare([forests[5], forests[1]], [environment(), environment(pandas="2.2.0", numpy="2.0.1")])


@pytest.fixture
def four(forests: list[Run], whole: Run) -> Comparison:
    return compare(
        [forests[5], forests[1], whole, forests[3]], [environment(), environment(numpy="2"), {}, environment()]
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_two_runs(
    two: Comparison, code: CodeChange, draw: Draw, golden: CheckGolden, now: datetime, width: int | None
) -> None:
    golden(golden_name("diff", width), draw(lambda console: write_comparison(console, two, [code], now), width))


@pytest.mark.parametrize("width", WIDTHS)
def test_four_runs(
    four: Comparison, code: CodeChange, draw: Draw, golden: CheckGolden, now: datetime, width: int | None
) -> None:
    unknown = CodeChange("a" * 40, None, problem="calm-otter-6 has no recorded code")
    codes = [NO_CHANGE, code, unknown]
    golden(golden_name("diff-four", width), draw(lambda console: write_comparison(console, four, codes, now), width))


@pytest.mark.parametrize("width", [80, None])
def test_all(two: Comparison, draw: Draw, golden: CheckGolden, now: datetime, width: int | None) -> None:
    text = draw(lambda console: write_comparison(console, two, [NO_CHANGE], now, everything=True), width)
    golden(golden_name("diff-all", width), text)


@pytest.mark.parametrize("width", [80, None])
def test_strange_runs(nasty: list[Run], draw: Draw, golden: CheckGolden, now: datetime, width: int | None) -> None:
    found = compare(nasty)
    codes = [NO_CHANGE] * (len(nasty) - 1)
    golden(
        golden_name("diff-strange", width), draw(lambda console: write_comparison(console, found, codes, now), width)
    )


def test_colours_say_better_and_worse(two: Comparison, golden: CheckGolden, now: datetime) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system="standard", legacy_windows=False)
    write_comparison(console, two, [NO_CHANGE], now)
    golden("diff-colour.80.txt", file.getvalue())


def test_runs_that_are_alike_say_so(forests: list[Run], draw: Draw, now: datetime) -> None:
    found = compare([forests[4], forests[5]])
    text = draw(lambda console: write_comparison(console, found, [NO_CHANGE], now), 80)
    assert text.splitlines()[-1] == "the same: 4 parameters, 3 metrics, code (--all shows them)"


def test_two_runs_of_one_name_go_by_their_ids(draw: Draw, now: datetime) -> None:
    runs = [forest(n, n, 1, name="same", params={"n": n}) for n in (1, 2)]
    text = draw(lambda console: write_comparison(console, compare(runs), [NO_CHANGE], now), 80)
    assert "Parameters  01010101  02020202\n  n         1         2\n" in text


def test_what_runs_say_of_their_code_is_not_obeyed(two: Comparison, draw: Draw, now: datetime) -> None:
    steering = CodeChange("\x1b[2J", "`<b>`", problem="other")
    text = draw(lambda console: write_comparison(console, two, [steering], now), 80)
    assert "\x1b" not in text
    assert "\x1b" not in comparison_markdown(two, [steering])


def test_markdown_of_two(two: Comparison, code: CodeChange, golden: CheckGolden) -> None:
    golden("diff.md", comparison_markdown(two, [code]))


def test_markdown_of_four(four: Comparison, code: CodeChange, golden: CheckGolden) -> None:
    unknown = CodeChange("a" * 40, None, problem="calm-otter-6 has no recorded code")
    golden("diff-four.md", comparison_markdown(four, [NO_CHANGE, code, unknown]))


def test_markdown_of_strange_runs(nasty: list[Run], golden: CheckGolden) -> None:
    golden("diff-strange.md", comparison_markdown(compare(nasty), [NO_CHANGE] * 3, everything=True))
