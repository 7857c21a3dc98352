"""What push and pull say."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from gtrack.git.lfs import Pointer
from gtrack.ops.sharing.pull import Pulled
from gtrack.ops.sharing.push import Counted, Pushed
from gtrack.ops.sharing.take_in import TakenIn
from gtrack.registry.travel import Travelled
from gtrack.render.sharing import conflicts, problems_of, pulled_data, pushed_data, write_pulled, write_pushed
from gtrack.store.large.moving import Wanted
from gtrack.store.merge.outcome import REMOVAL, Conflict, Refused
from gtrack.store.purge import PurgeRecord
from tests.render.conftest import CheckGolden, Draw, golden_name

WHEN = datetime(2026, 11, 20, 9, 30, tzinfo=timezone.utc)
RUNS = tuple(f"{number:032x}" for number in range(3))
PULLED = Pulled("origin", True, TakenIn("c" * 40, RUNS), Travelled(1, 2), 2, 1_200_000_000)
MERGED = TakenIn(
    "c" * 40,
    RUNS,
    merged=True,
    conflicts=tuple(Conflict("churn", RUNS[0], f"tags.tag{number}", "'a'", "'b'") for number in range(12)),
    refused=(Refused("experiments/link\x1b[31m", "a symbolic link"),),
)
PURGED = TakenIn(
    "c" * 40,
    RUNS,
    purges=(PurgeRecord(RUNS[:2], "Ana <ana@example.org>", WHEN),),
    backup="refs/gtrack/backup/20261120T093000Z",
    replayed=1,
)


@pytest.mark.parametrize("width", [80, None])
@pytest.mark.parametrize(
    ("name", "pulled"),
    [
        ("pull", PULLED),
        ("pull-merged", Pulled("origin", has_runs=True, taken=MERGED, tags=Travelled())),
        ("pull-purged", Pulled("origin", has_runs=True, taken=PURGED, tags=Travelled())),
        ("pull-nothing", Pulled("origin", has_runs=True, taken=TakenIn("c" * 40), tags=Travelled())),
        ("pull-empty", Pulled("origin", has_runs=False, taken=None, tags=Travelled())),
    ],
)
def test_what_a_pull_says(name: str, pulled: Pulled, width: int | None, draw: Draw, golden: CheckGolden) -> None:
    golden(golden_name(name, width), draw(lambda console: write_pulled(console, pulled), width))


@pytest.mark.parametrize("width", [80, None])
@pytest.mark.parametrize(
    ("name", "pushed"),
    [
        (
            "push",
            Pushed("origin", Counted(25, 2, 1), commits=True, tags=Travelled(3, 4), large=2, large_bytes=1_200_000_000),
        ),
        ("push-nothing", Pushed("origin", Counted(), commits=False, tags=Travelled())),
        ("push-merge", Pushed("origin", Counted(), commits=True, tags=Travelled())),
        ("push-pulled", Pushed("origin", Counted(1), commits=True, tags=Travelled(), pulled=PULLED)),
    ],
)
def test_what_a_push_says(name: str, pushed: Pushed, width: int | None, draw: Draw, golden: CheckGolden) -> None:
    golden(golden_name(name, width), draw(lambda console: write_pushed(console, pushed), width))


def test_a_purge_that_did_not_hold_is_told() -> None:
    again = TakenIn("c" * 40, came_back=tuple(f"{number:032x}" for number in range(12)))
    [said] = problems_of(Pulled("origin", has_runs=True, taken=again, tags=Travelled()))
    assert said.startswith("Purged, and back with all that it had")
    assert "00000000 and 2 more. " in said
    assert problems_of(Pulled("origin", has_runs=True, taken=PURGED, tags=Travelled())) == []


def lacking(count: int) -> tuple[Wanted, ...]:
    """Return large artifacts that are nowhere."""
    return tuple(Wanted(RUNS[0], f"model/{number}.bin", Pointer("a" * 64, 3_000_000)) for number in range(count))


def test_removals_that_were_undone_are_no_values() -> None:
    taken = TakenIn(
        "c" * 40, merged=True, conflicts=(Conflict("churn", RUNS[0], "the run", "the changed one", REMOVAL),)
    )
    assert list(conflicts(taken)) == [
        "Removed on one side and changed on the other, so kept (1):",
        "  churn 00000000: the run",
    ]


def test_what_is_wrong_is_told_apart() -> None:
    pulled = Pulled("origin", has_runs=True, taken=MERGED, tags=Travelled(problems=("churn@v1.0.0 differs",)))
    assert problems_of(None) == []
    refused, differs = problems_of(pulled)
    assert refused.endswith("a symbolic link")
    assert differs == "churn@v1.0.0 differs"
    pushed = Pushed("origin", Counted(), commits=False, tags=Travelled(), lacking=lacking(1), pulled=pulled)
    assert problems_of(pulled, pushed)[1] == (
        "1 large artifact is neither here nor with origin, so nobody can have it from there. 'gtrack push' in the clone that "
        "logged it sends the content:\n  model/0.bin of run 00000000 (3.0 MB)"
    )
    several = problems_of(None, Pushed("origin", Counted(), commits=False, tags=Travelled(), lacking=lacking(12)))[0]
    assert several.startswith("12 large artifacts are neither here")
    assert several.endswith("\n  … and 2 more")
    assert pushed_data(pushed)["large"]["lacking"] == [
        {"run": RUNS[0], "path": "model/0.bin", "sha256": "a" * 64, "bytes": 3_000_000}
    ]


def test_what_programs_are_told() -> None:
    data = pushed_data(Pushed("origin", Counted(1, 2, 3), commits=True, tags=Travelled(1, 2), pulled=PULLED))
    assert data["runs"] == {"added": 1, "changed": 2, "removed": 3}
    assert data["pulled"] == pulled_data(PULLED)
    told = pulled_data(Pulled("origin", has_runs=True, taken=PURGED, tags=Travelled()))
    assert told["purges"] == [
        {"runs": list(RUNS[:2]), "who": "Ana <ana@example.org>", "when": "2026-11-20T09:30:00.000000Z"}
    ]
    assert pulled_data(Pulled("origin", has_runs=True, taken=MERGED, tags=Travelled()))["conflicts"][0]["kept"] == "'a'"
