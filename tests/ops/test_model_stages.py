"""When a version was in which stage: told from the tags, and the same as what the ledger says of the end."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.git.tags import Tag
from gtrack.ops.model_stages import placings, stays
from gtrack.records import RegisteredModel
from gtrack.registry.ledger import EXCLUSIVE, Event, fold
from tests.registry.conftest import a_tag

VERSIONS = [a_tag(f"m@v{number}.0.0", f"c{number}", number) for number in range(1, 5)]


def moved(*moves: str) -> tuple[RegisteredModel, tuple[Event, ...]]:
    """Return the model ``m`` after moves such as ``production 2`` and ``production! 2``, a second and a counter each."""
    tags: list[Tag] = []
    for at, move in enumerate(moves, start=1):
        stage, number = move.split()
        name = f"m@v{number}.0.0!" if stage == "back" else f"m#{stage}#{at}"
        tags.append(a_tag(name, f"c{number}", 10 + at))
    ledger = fold([*VERSIONS, *tags])
    return ledger.models["m"], ledger.events["m"]


def second(event: Event | None) -> int | None:
    begin = datetime.fromtimestamp(1_800_000_000, timezone.utc)
    return None if event is None or event.time is None else (event.time - begin) // timedelta(seconds=1) - 10


def told(number: int, *moves: str) -> list[tuple[str, int | None, int | None]]:
    model, events = moved(*moves)
    version = next(one for one in (*model.versions, *model.withdrawn) if one.version == number)
    return [(stay.stage, second(stay.entered), second(stay.left)) for stay in stays(version, events, EXCLUSIVE)]


@pytest.mark.parametrize(
    ("number", "moves", "expected"),
    [
        (1, (), []),
        (1, ("production 1",), [("production", 1, None)]),
        (1, ("production 1", "production 2"), [("production", 1, 2)]),
        (1, ("staging 1", "staging 2"), [("staging", 1, None)]),
        (1, ("staging 1", "staging! 1"), [("staging", 1, 2)]),
        (1, ("production 1", "production 1"), [("production", 1, None)]),
        (1, ("production 1", "production 2", "production 1"), [("production", 1, 2), ("production", 3, None)]),
        # What an exclusive stage hides comes to light again when a tag made by hand takes out the last alone.
        (1, ("production 1", "production 2", "production! 2"), [("production", 1, 2), ("production", 3, None)]),
        (2, ("staging 2", "production 2", "back 2"), [("staging", 1, 3), ("production", 2, 3)]),
        (1, ("production 1", "production 2", "back 2"), [("production", 1, 2), ("production", 3, None)]),
    ],
)
def test_the_times_that_a_version_was_in_stages(
    number: int, moves: tuple[str, ...], expected: list[tuple[str, int | None, int | None]]
) -> None:
    assert told(number, *moves) == expected


@given(
    st.lists(
        st.builds(
            "{} {}".format,
            st.sampled_from(["production", "production!", "staging", "staging!", "shadow", "back"]),
            st.integers(1, 4),
        ),
        max_size=12,
    )
)
def test_the_stays_that_last_are_the_stages_that_the_ledger_tells(moves: list[str]) -> None:
    model, events = moved(*(move for at, move in enumerate(moves) if "back" not in move or move not in moves[:at]))
    for version in (*model.versions, *model.withdrawn):
        found = stays(version, events, EXCLUSIVE)
        assert {stay.stage for stay in found if stay.left is None} == set(version.stages)
        assert all(second(stay.entered) <= (second(stay.left) or 99) for stay in found)  # type: ignore[operator]


def test_tags_without_a_counter_are_as_the_ledger_takes_them() -> None:
    tags = [a_tag("m#production", "c1", 50), a_tag("m#production#1", "c2", 20)]
    ledger = fold([*VERSIONS, *tags])
    version = ledger.models["m"].versions[1]
    assert version.stages == ("production",)
    assert [(stay.stage, stay.left) for stay in stays(version, ledger.events["m"], EXCLUSIVE)][-1] == (
        "production",
        None,
    )


def test_production_comes_first_and_archived_last() -> None:
    model, events = moved("archived 1", "shadow 2", "staging 2", "champion 3", "production 3", "staging 1")
    found = placings(model, events)
    assert [one.stage for one in found] == ["production", "staging", "champion", "shadow", "archived", None]
    assert [version.version for version in found[1].versions] == [1, 2]
    assert [second(one.event) for one in found[:2]] == [5, 6]
    assert found[-1].version == model.latest
    assert found[-1].user == "Bo <b@x>"


def test_a_latest_version_in_a_stage_has_no_line_of_its_own() -> None:
    assert [one.stage for one in placings(*moved("production 4"))] == ["production"]


def test_a_model_without_versions_is_one_line() -> None:
    [one] = placings(*moved("back 1", "back 2", "back 3", "back 4"))
    assert (one.stage, one.version, one.since, one.user) == (None, None, None, None)
