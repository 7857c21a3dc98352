"""``gtrack gc --store`` at several widths."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from gtrack.ops.retention.store import Deleted, Leftover, StorePlan, Sum
from gtrack.render.store import write_deleted, write_store
from gtrack.store.large.stored import Stored
from tests.render.conftest import NOW, WIDTHS, CheckGolden, Draw, golden_name


def leftover(number: int, run_id: str | None) -> Leftover:
    return Leftover(Stored(f"{number:x}" * 64, number * 7 * 10**8, NOW - timedelta(days=30 * number)), run_id)


def some_plan() -> StorePlan:
    leftovers = (leftover(9, "a" * 32), leftover(2, "b" * 32), leftover(1, None))
    return StorePlan("s3://bucket/te\x1bam", Sum(120, 40 * 10**9), Sum(1, 5000), 30, leftovers, Sum(2, 10**9), ())


@pytest.mark.parametrize("width", WIDTHS)
def test_store(golden: CheckGolden, draw: Draw, now: datetime, width: int | None) -> None:
    golden(golden_name("gc_store", width), draw(lambda console: write_store(console, some_plan(), now, 2), width))


def test_deleted(draw: Draw) -> None:
    plan = some_plan()
    done = Deleted(plan.purged, 1, Sum(2, 10**9))
    assert draw(lambda console: write_deleted(console, done, plan.store), None) == (
        "Deleted 2 objects (7.7 GB), and 2 unfinished uploads from s3://bucket/te\\x1bam; "
        "1 object needed or renewed meanwhile stayed.\n"
    )
