"""Dates and durations as people write them in a filter."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?)?"
    r"\s*(?:(Z)|([+-])([0-9]{2}):?([0-9]{2}))?",
    re.IGNORECASE,
)
_AGO = re.compile(
    r"([0-9]+(?:\.[0-9]+)?|an?)\s*(s|m|h|d|w|secs?|mins?|seconds?|minutes?|hours?|days?|weeks?)\s+ago", re.IGNORECASE
)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)([smhd])", re.IGNORECASE)
_YEARS = (1900, 9998)  # outside, a time zone may lead to a year that Python does not have


@dataclass(frozen=True)
class Moment:
    """A date as it was written; which time it is depends on when it is asked."""

    text: str


@dataclass(frozen=True)
class Period:
    """A stretch of time, in seconds since the epoch: from ``start`` to just before ``end``, or ``start`` alone."""

    start: float
    end: float | None = None


def seconds(text: str) -> float | None:
    """Return the seconds of a duration such as ``2h`` or ``1h30m``, or None when it is none."""
    whole = re.fullmatch(rf"(?:{_DURATION.pattern})+", text, re.IGNORECASE)
    if whole is None:
        return None
    return math.fsum(float(number) * SECONDS[unit.lower()] for number, unit in _DURATION.findall(text))


def of_milliseconds(value: float) -> Period:
    """Return the millisecond that ``value`` is; times are compared as MLflow keeps them, in whole milliseconds.

    A fraction is no whole millisecond: nothing equals it, and everything is before or after it.
    """
    if abs(value) > 1e15:
        return Period(value, value)
    whole = math.floor(value)
    after = (whole + 1) / 1000
    return Period(whole / 1000 if whole == value else after, after)


def period(text: str, now: datetime) -> Period | None:
    """Return what ``text`` means at the moment ``now``, or None when it is no date.

    A date is the whole day, a time without seconds the whole minute. One that names no time zone is in that of ``now``; a
    ``now`` without one is local time.
    """
    words = text.strip().lower()
    if words == "now":
        return Period(now.timestamp())
    if words in ("today", "yesterday"):
        return _stretch(datetime.combine(now.date(), time()), timedelta(days=1), now, back=int(words == "yesterday"))
    ago = _AGO.fullmatch(words)
    if ago:
        number = 1.0 if ago[1].startswith("a") else float(ago[1])
        return Period(now.timestamp() - number * SECONDS[ago[2][0]])
    found = _DATE.fullmatch(words.upper())
    return _of_date(found, now) if found else None


def _of_date(found: re.Match[str], now: datetime) -> Period | None:
    day, hour, minute, second, fraction, utc, sign, zone_hours, zone_minutes = found.groups()
    try:
        start = datetime.combine(
            date.fromisoformat(day),
            time(int(hour or 0), int(minute or 0), int(second or 0), int(f"{fraction or 0:0<6}"[:6])),
        )
        if sign:
            offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
            start = start.replace(tzinfo=timezone(-offset if sign == "-" else offset))
        elif utc:
            start = start.replace(tzinfo=timezone.utc)
    except ValueError:  # such as the 30th of February
        return None
    if not _YEARS[0] <= start.year <= _YEARS[1]:
        return None
    if fraction:
        return Period(_zoned(start, now).timestamp())
    width = timedelta(seconds=1) if second else timedelta(minutes=1) if hour else timedelta(days=1)
    return _stretch(start, width, now)


def _stretch(start: datetime, width: timedelta, now: datetime, back: int = 0) -> Period:
    start -= back * width
    return Period(_zoned(start, now).timestamp(), _zoned(start + width, now).timestamp())


def _zoned(moment: datetime, now: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=now.tzinfo)
