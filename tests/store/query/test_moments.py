"""Dates and durations."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.store.query.moments import Period, of_milliseconds, period, seconds

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=timezone.utc)
NOON = NOW.timestamp()
MIDNIGHT = NOON - 43200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22", Period(MIDNIGHT, MIDNIGHT + 86400)),
        ("2026-11-22T12:00", Period(NOON, NOON + 60)),
        ("2026-11-22 12:00:00", Period(NOON, NOON + 1)),
        ("2026-11-22T12:00:00.5", Period(NOON + 0.5)),
        ("2026-11-22T12:00:00.123456789", Period(NOON + 0.123456)),
        ("2026-11-22T12:00Z", Period(NOON, NOON + 60)),
        ("2026-11-22t12:00:00+01:00", Period(NOON - 3600, NOON - 3599)),
        ("2026-11-22 12:00 -0530", Period(NOON + 19800, NOON + 19860)),
        ("now", Period(NOON)),
        ("Today", Period(MIDNIGHT, MIDNIGHT + 86400)),
        ("yesterday", Period(MIDNIGHT - 86400, MIDNIGHT)),
        ("3 days ago", Period(NOON - 3 * 86400)),
        ("1.5 hours ago", Period(NOON - 5400)),
        ("an hour ago", Period(NOON - 3600)),
        ("a week ago", Period(NOON - 604800)),
        ("90s ago", Period(NOON - 90)),
        ("5 mins ago", Period(NOON - 300)),
    ],
)
def test_dates(text: str, expected: Period) -> None:
    assert period(text, NOW) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-13-01",
        "2026-02-30",
        "2026-11-22T25:00",
        "2026-11-22T12:00+25:00",
        "3 days",
        "ago",
        "3 years ago",
        "0001-01-01",
        "9999-12-31",
        "2026-11-22x",
        "\u0662\u0660\u0662\u0666-11-22",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert period(text, NOW) is None


def test_a_date_without_a_zone_is_in_that_of_now() -> None:
    zone = timezone(timedelta(hours=2))
    assert period("2026-11-22", NOW.astimezone(zone)) == Period(MIDNIGHT - 7200, MIDNIGHT + 79200)


def test_local_time_has_its_summer_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        now = datetime(2026, 11, 22, 12, 0)  # noqa: DTZ001  # local time is what this is about
        summer, winter = period("2026-07-01", now), period("2026-11-22", now)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert summer == Period(1782856800.0, 1782943200.0)
    assert winter == Period(MIDNIGHT - 3600, MIDNIGHT + 82800)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90),
        ("2h", 7200),
        ("1h30m", 5400),
        ("0.5d", 43200),
        (".5m", 30),
        ("1D2H3M4S", 93784),
        ("2", None),
        ("2w", None),
        ("h", None),
        ("", None),
        ("1h 30m", None),
        ("1" * 400 + "s", float("inf")),
    ],
)
def test_durations(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


@given(st.integers(0, 4_102_444_800_000_000), st.integers(-3, 3))
def test_a_millisecond_holds_the_microseconds_that_are_cut_to_it(microseconds: int, offset: int) -> None:
    whole = microseconds // 1000
    asked = of_milliseconds(whole + offset)
    assert asked.end is not None
    assert (asked.start <= microseconds / 1e6 < asked.end) == (offset == 0)


@given(st.text(), st.floats())
def test_nothing_raises(text: str, value: float) -> None:
    assert period(text, NOW) is None or seconds(text) is None
    assert value != value or of_milliseconds(value).start is not None  # noqa: PLR0124  # nan alone differs from itself
