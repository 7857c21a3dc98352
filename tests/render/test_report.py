from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from gtrack.ops.report import RunReport
from gtrack.records import Artifact, CodeState, Run
from gtrack.render.report import write_report
from tests.render.conftest import WIDTHS, CheckGolden, Draw, forest, golden_name

if TYPE_CHECKING:
    from rich.console import Console


@pytest.mark.parametrize("width", WIDTHS)
def test_a_run_with_everything(
    report: RunReport, draw: Draw, golden: CheckGolden, now: datetime, width: int | None
) -> None:
    text = draw(lambda console: write_report(console, report, now, timezone.utc), width)
    golden(golden_name("show", width), text)


@pytest.mark.parametrize("width", WIDTHS)
def test_strange_runs(nasty: list[Run], draw: Draw, golden: CheckGolden, now: datetime, width: int | None) -> None:
    def write_all(console: Console) -> None:
        for run in nasty:
            write_report(console, RunReport(run), now, timezone.utc)
            console.print()

    golden(golden_name("show-strange", width), draw(write_all, width))


def test_one_screen(report: RunReport, draw: Draw, now: datetime) -> None:
    alone = replace(report, children=())
    text = draw(lambda console: write_report(console, alone, now, timezone.utc), 100)
    assert len(text.splitlines()) <= 45


def test_many_nested_runs_are_cut_on_a_terminal_and_whole_in_a_pipe(draw: Draw, now: datetime) -> None:
    found = RunReport(forest(1, 1, 1), children=tuple(forest(n, n, 1) for n in range(2, 52)))
    assert "… and 30 more" in draw(lambda console: write_report(console, found, now, timezone.utc), 80)
    assert draw(lambda console: write_report(console, found, now, timezone.utc), None).count("calm-otter") == 51


def test_damage_is_said(forests: list[Run], draw: Draw, now: datetime) -> None:
    text = draw(lambda console: write_report(console, RunReport(forests[4]), now, timezone.utc), 80)
    assert "finished!" in text
    assert "  damage    metrics.yaml is not valid YAML: …\n" in text


def test_a_large_artifact_that_is_not_here_says_so(draw: Draw, now: datetime) -> None:
    away = Artifact("model.ckpt", 3_000_000, lfs=True, here=False)
    found = RunReport(forest(1, 1, 1), artifacts=(away, Artifact("near.ckpt", 3_000_000, lfs=True)))
    lines = draw(lambda console: write_report(console, found, now, timezone.utc), 80).splitlines()
    told = {line.split()[0]: line.split("MB")[1].strip() for line in lines if ".ckpt" in line}
    assert told == {"model.ckpt": "LFS, not here", "near.ckpt": "LFS"}


def test_many_artifacts_are_cut_on_a_terminal_and_whole_in_a_pipe(draw: Draw, now: datetime) -> None:
    found = RunReport(forest(1, 1, 1), artifacts=tuple(Artifact(f"fold_{n}.png", n) for n in range(200)))
    on_a_screen = draw(lambda console: write_report(console, found, now, timezone.utc), 80)
    assert "… and 180 more; --json, or a pipe, shows all" in on_a_screen
    assert "fold_199.png" in draw(lambda console: write_report(console, found, now, timezone.utc), None)


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (CodeState("a" * 40, "a" * 40, "main"), "aaaaaaaaaa on main"),
        (CodeState("a" * 40, "a" * 40, None), "aaaaaaaaaa"),
        (
            CodeState("b" * 40, "a" * 40, "main", dirty=True),
            "bbbbbbbbbb, a snapshot of uncommitted changes to aaaaaaaaaa on main",
        ),
        (CodeState("b" * 40, None, "main", dirty=True), "bbbbbbbbbb on main, a snapshot before the first commit"),
        (CodeState("a" * 40, "a" * 40, "main", dirty=True), "aaaaaaaaaa on main, without the uncommitted changes"),
    ],
)
def test_the_code_says_what_really_ran(code: CodeState, line: str, draw: Draw, now: datetime) -> None:
    found = RunReport(forest(1, 1, 1, code=code))
    text = draw(lambda console: write_report(console, found, now, timezone.utc), 120)
    assert f"  code      {line}\n" in text


def test_without_code_there_is_no_line_about_it(draw: Draw, now: datetime) -> None:
    found = RunReport(forest(1, 1, 1, code=CodeState()))
    assert "  code " not in draw(lambda console: write_report(console, found, now, timezone.utc), 120)


def test_what_a_run_says_of_its_code_is_not_obeyed(draw: Draw, now: datetime) -> None:
    steering = CodeState("\x1b[2J", "\x1bc", "\x1b[1A", dirty=True)
    text = draw(lambda console: write_report(console, RunReport(forest(1, 1, 1, code=steering)), now, timezone.utc), 80)
    assert "\x1b" not in text
