"""``gtrack gc`` and ``restore`` at several widths."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gtrack.ops.remove import RemovedRun
from gtrack.ops.retention.apply import Applied
from gtrack.ops.retention.backups import Expired
from gtrack.ops.retention.plan import Judged, RetentionPlan
from gtrack.ops.retention.purge import Purge
from gtrack.ops.retention.rules import Rule
from gtrack.records import Run, Status
from gtrack.render.data import to_json
from gtrack.render.retention import (
    done_data,
    plan_data,
    removed_data,
    when_bytes_go,
    write_done,
    write_expired,
    write_plan,
    write_purge,
    write_removed,
)
from gtrack.store.purge import Backup
from gtrack.store.removal import Going, Removed
from gtrack.store.run_sizes import Bytes
from tests.render.conftest import ANA, NOW, WIDTHS, CheckGolden, Draw, golden_name

FAILED, BEST, PAPERS = Rule("failures"), Rule("all but the ten best sweeps"), Rule("papers", keep=True)
BACKUP = Backup("refs/gtrack/backup/20261122T200000Z", "b" * 40, NOW)


def judged(number: int, rule: Rule, name: str = "", experiment: str = "churn") -> Judged:
    ended = NOW - timedelta(days=number)
    run = Run(f"{number:x}" * 32, name or f"calm-otter-{number}", experiment, Status.FAILED, ended, ended)
    return Judged(run, rule, Bytes(4000 + number, number * 10**6, number * 10**8))


def some_plan() -> RetentionPlan:
    going = (
        judged(1, FAILED),
        judged(2, FAILED, "a-run-of-a-rather-long-name-that-says-what-it-was-about"),
        judged(3, BEST, experiment="RandomForest_Classification_of_customers"),
        judged(9, BEST, "odd\x1b[31m\n"),
    )
    spared = {"in the registry": 2, "pinned": 1}
    freed = Bytes(16_000, 15_000_000, 1_200_000_000)
    notes = ("all but the ten best sweeps takes nothing of toy: no run there has metrics.f1.",)
    return RetentionPlan("t" * 40, (PAPERS, FAILED, BEST), 250, going, spared, freed, notes)


@pytest.mark.parametrize("width", WIDTHS)
def test_plan(golden: CheckGolden, draw: Draw, now: datetime, width: int | None) -> None:
    text = draw(lambda console: write_plan(console, some_plan(), now, None), width)
    golden(golden_name("gc", width), text)
    assert width is None or all(len(line) <= width for line in text.splitlines()[:6])


def test_a_plan_of_many_runs_is_cut(draw: Draw, now: datetime) -> None:
    text = draw(lambda console: write_plan(console, some_plan(), now, 1), 80)
    assert "3 more runs; -n 0 shows all" in text
    nothing = draw(lambda console: write_plan(console, RetentionPlan(None, ()), now, None), 80)
    assert nothing == "None of 0 runs is to be removed.\n"


def test_done(golden: CheckGolden, draw: Draw) -> None:
    gone = Going("a" * 32, "churn", "one", "failures")
    purge = Purge(("a" * 32,), 12, "c" * 40, BACKUP)
    expired = Expired(
        (BACKUP,), ((replace(BACKUP, ref=f"{BACKUP.ref[:-1]}"), "it has large files, and a run goes on"),), 2, 5 * 10**8
    )
    text = (
        draw(lambda console: write_done(console, Applied((gone,), "d" * 40, 2), "gtrack/runs"), 80)
        + draw(lambda console: write_done(console, Applied((), None), "gtrack/runs"), 80)
        + draw(lambda console: write_purge(console, purge, "gtrack/runs", 30, 1.234), 80)
        + draw(lambda console: write_purge(console, purge, "gtrack/runs", 0, 0.1, before=1), 80)
        + draw(lambda console: write_purge(console, None, "gtrack/runs", 30, 0), 80)
        + draw(lambda console: write_expired(console, expired), 80)
        + draw(lambda console: write_expired(console, Expired()), 80)
    )
    golden("gc-done.80.txt", text)
    golden("gc.json", to_json({**plan_data(some_plan()), **done_data(Applied((gone,), "d" * 40), purge, expired)}))
    assert json.loads(to_json(done_data(None, None, None)))["commit"] is None


@pytest.mark.parametrize(
    ("kept", "days", "text"),
    [
        ([], 30, ""),
        ([BACKUP], 30, "first 'gtrack gc --apply' after 2026-12-22"),
        ([BACKUP], 0, "In this clone a backup has the bytes still. They go by the next 'gtrack gc --apply'"),
        ([BACKUP, replace(BACKUP, when=NOW - timedelta(days=9))], 9, "2 backups have .* after 2026-12-01"),
        ([BACKUP], float("1e300"), "after 2126-"),
    ],
)
def test_how_bytes_go(kept: list[Backup], days: float, text: str) -> None:
    assert re.search(text, when_bytes_go(kept, days, NOW))


def some_removed() -> list[RemovedRun]:
    one = Removed("1" * 32, "churn", "a" * 40, "b" * 40, NOW - timedelta(hours=3), ANA, "churn: calm-otter-1 removed")
    two = replace(one, run_id="2" * 32, when=NOW - timedelta(days=40), backup=BACKUP.ref, who="")
    return [RemovedRun(one, "calm-otter-1"), RemovedRun(two, "odd\x1b[31m")]


@pytest.mark.parametrize("width", WIDTHS)
def test_removed(golden: CheckGolden, draw: Draw, now: datetime, width: int | None) -> None:
    golden(golden_name("restore", width), draw(lambda console: write_removed(console, some_removed(), now), width))


def test_removed_as_json(golden: CheckGolden) -> None:
    golden("restore.json", to_json(removed_data(some_removed())))
