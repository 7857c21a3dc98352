"""One value as one short text: numbers, sizes, durations, ages, sparklines.

Everything that comes out of a repository may have come from a stranger's push, so every text that reaches a terminal
goes through :func:`printable` first: an escape sequence in a run name is shown, not obeyed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import datetime, timezone, tzinfo

from rich.cells import cell_len

from gtrack.records import Number, Value

ELLIPSIS = "…"

# C0, C1, line separators, marks that reorder text (Trojan Source, CVE-2021-42574), byte order mark, lone surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_NUMBER = r"[-+]?(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|0[xo][0-9a-f]+|[-+]?\.?(?:inf|infinity|nan)"
_TAKEN_FOR_ANOTHER_TYPE = re.compile(
    rf"(?:true|false|null|none|~|{_NUMBER})?\Z|[\s\[{{\"']|.*\s\Z", re.IGNORECASE | re.DOTALL
)
_EXACT_DIGITS = 15
_CHARACTERS_IN_A_CELL = 12  # of a letter with its accents or a joined emoji; texts of megabytes are not measured whole
_TICKS = "▁▂▃▄▅▆▇█"
_GAP = "·"
_MINUTE, _HOUR, _DAY, _WEEK, _YEAR = 60, 3600, 86400, 604800, 31557600


def printable(text: str) -> str:
    r"""Return ``text`` on one line, with control characters spelled out (``\n``, ``\x1b``)."""
    return _UNPRINTABLE.sub(lambda match: match.group().encode("unicode_escape").decode(), text)


def value(what: Value) -> str:
    """Return a parameter's value exactly, strings in quotes only where they could be taken for another type."""
    if what is None:
        return "null"
    if isinstance(what, bool):
        return "true" if what else "false"
    if isinstance(what, str):
        return _string(what)
    if isinstance(what, int):
        return _integer(what)
    if isinstance(what, float):
        return repr(what)
    if isinstance(what, dict):
        return "{" + ", ".join(f"{printable(key)}: {_item(item)}" for key, item in what.items()) + "}"
    return "[" + ", ".join(_item(item) for item in what) + "]"


def _string(text: str) -> str:
    return printable(json.dumps(text, ensure_ascii=False) if _TAKEN_FOR_ANOTHER_TYPE.match(text) else text)


def _item(what: Value) -> str:
    if isinstance(what, str) and any(mark in what for mark in ",:]}"):
        return printable(json.dumps(what, ensure_ascii=False))
    return value(what)


def _integer(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # Python refuses to spell out an int of more than 4300 digits
        return _magnitude(number)


def _magnitude(number: int) -> str:
    """Return the order of an int that is too large for a float: ``≈-1e400``."""
    return f"≈{'-' if number < 0 else ''}1e{math.floor(math.log10(abs(number)))}"


def metric(number: Number) -> str:
    """Return a measured number with 6 significant digits; an int of up to 15 digits as it is."""
    if isinstance(number, int):
        if abs(number) < 10**_EXACT_DIGITS:
            return str(number)
        if abs(number) >= 10**308:
            return _magnitude(number)
    return f"{number:.6g}"


def signed(number: Number) -> str:
    """Return a difference with its sign: ``+0.0123``, ``-3``; zero has none."""
    text = metric(number)
    return f"+{text}" if number > 0 else text


def relative(ratio: float) -> str:
    """Return a relative change in percent: ``+1.3%``, ``-0.02%``, from tenfold up as a factor: ``12.5x``."""
    if ratio >= 9:
        return f"{ratio + 1:.3g}x"
    percent = ratio * 100
    digits = 1 if abs(percent) >= 1 else 2
    text = f"{percent:+.{digits}f}"
    return f"{percent:+.1g}%" if percent and float(text) == 0 else f"{text}%"


def duration(seconds: float | None) -> str:
    """Return a time span: ``120ms``, ``1.9s``, ``42s``, ``3m05s``, ``2h03m``, ``3d04h``; empty when not known."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02}h"


def age(moment: datetime | None, now: datetime) -> str:
    """Return how long ago ``moment`` was, in its largest unit: ``12s ago``, ``3h ago``; empty when not known."""
    if moment is None:
        return ""
    seconds = round((now - moment).total_seconds())
    if -_MINUTE < seconds < 2:  # clocks of two machines differ a little
        return "now"
    text = _largest_unit(abs(seconds))
    return f"{text} ago" if seconds > 0 else f"in {text}"


def _largest_unit(seconds: int) -> str:
    for unit, name, until in (
        (1, "s", 2 * _MINUTE),
        (_MINUTE, "m", 2 * _HOUR),
        (_HOUR, "h", 2 * _DAY),
        (_DAY, "d", 3 * _WEEK),
        (_WEEK, "w", _YEAR),
    ):
        if seconds < until:
            return f"{seconds // unit}{name}"
    return f"{seconds // _YEAR}y"


def moment(when: datetime | None, zone: tzinfo | None = None) -> str:
    """Return a moment for a person, in ``zone`` (None: the zone of this machine): ``2026-11-22 19:40:01 UTC``."""
    if when is None:
        return ""
    return when.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def iso(when: datetime | None) -> str:
    """Return a moment for a program: ``2026-11-22T19:40:01.123456Z``; empty when not known."""
    return "" if when is None else when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def sparkline(numbers: Sequence[Number], width: int) -> str:
    """Return the course of ``numbers`` in at most ``width`` characters, lowest to highest; ``·`` where none is finite.

    More numbers than characters are averaged in buckets of equal length.
    """
    count = len(numbers)
    columns = min(width, count)
    means = [_mean(numbers[i * count // columns : (i + 1) * count // columns]) for i in range(columns)]
    finite = [mean for mean in means if mean is not None]
    if not finite:
        return _GAP * columns
    low, high = min(finite), max(finite)
    return "".join(_GAP if mean is None else _tick(mean, low, high) for mean in means)


def _mean(numbers: Sequence[Number]) -> float | None:
    finite = [float(n) for n in numbers if abs(n) < 1e300]  # NaN compares false, and a sum of these stays finite
    return math.fsum(finite) / len(finite) if finite else None


def _tick(number: float, low: float, high: float) -> str:
    if low == high:
        return _TICKS[3]
    # Halved, so that the span of two numbers near the ends of float64 stays finite.
    part = (number / 2 - low / 2) / (high / 2 - low / 2)
    return _TICKS[min(int(part * len(_TICKS)), len(_TICKS) - 1)]


def cut(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` cells, its end cut off with an ellipsis."""
    if cell_len(text) <= width:
        return text
    return _start(text, width - 1) + ELLIPSIS if width > 0 else ""


def cut_middle(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` cells, its middle cut out: names differ at their ends."""
    if cell_len(text) <= width:
        return text
    if width < 5:
        return cut(text, width)
    tail = (width - 1) // 2
    return _start(text, width - 1 - tail) + ELLIPSIS + _end(text, tail)


def _start(text: str, width: int) -> str:
    text = text[: width * _CHARACTERS_IN_A_CELL]
    while cell_len(text) > width:
        text = text[:-1]
    return text


def _end(text: str, width: int) -> str:
    text = text[max(len(text) - width * _CHARACTERS_IN_A_CELL, 0) :]
    while cell_len(text) > width:
        text = text[1:]
    return text


# What changes only the look of the text after it: select graphic rendition (ECMA-48, 8.3.117).
_LOOKS = re.compile(r"(\x1b\[[0-9;:]*m)")
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    r"""Return many lines for a terminal: colours, ``\n`` and ``\t`` work, all other control characters are spelled out."""
    parts = _LOOKS.split(text.replace("\r\n", "\n"))
    return "".join(part if at % 2 else _HARMFUL.sub(_spelled, part) for at, part in enumerate(parts))


def _spelled(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()
