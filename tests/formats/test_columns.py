from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.formats.columns import uniform_history
from gtrack.formats.history import STEP, TIME, RowEncoder, parse_history
from gtrack.records import History

NAMES = st.sampled_from(["loss", "f1", "f2", "e", "1e5", "-", "a, b", '": 5, "', "}", "x: ", "val/loss", "größe"])
NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.dictionaries(NAMES, NUMBERS, min_size=1, max_size=4), min_size=1, max_size=5)


def encoded(rows: list[dict[str, int | float]]) -> bytes:
    encoder = RowEncoder()
    return b"".join(encoder.encode(step, 1e9 + step, row) for step, row in enumerate(rows))


def both(data: bytes) -> History | None:
    """Return what the quick way gives, which must be what the slow one gives, or nothing."""
    found = uniform_history(data, STEP, TIME)
    if found is not None:
        slow = parse_history(data)
        assert repr(found) == repr(slow)
        assert list(found.columns) == list(slow.columns)
    return found


@given(ROWS)
def test_rows_of_any_columns(rows: list[dict[str, int | float]]) -> None:
    both(encoded(rows))


@given(st.lists(NAMES.filter(str.isascii), min_size=1, max_size=5, unique=True), st.data())
def test_rows_of_the_same_columns_go_the_quick_way(names: list[str], data: st.DataObject) -> None:
    numbers = st.lists(NUMBERS, min_size=len(names), max_size=len(names))
    rows = data.draw(st.lists(numbers, min_size=1, max_size=5))
    assert both(encoded([dict(zip(names, row, strict=True)) for row in rows])) is not None


@given(st.binary(max_size=60), st.integers(0, 200))
def test_bytes_in_the_middle(noise: bytes, at: int) -> None:
    data = encoded([{"loss": 0.5, "f1": step} for step in range(4)])
    both(data[:at] + noise + data[at:])


@given(st.integers(0, 250), st.integers(0, 250))
def test_bytes_that_are_missing(start: int, end: int) -> None:
    data = encoded([{"loss": 0.5, "f1": step} for step in range(4)])
    both(data[:start] + data[end:])


def row(**values: float) -> bytes:
    return f"- {json.dumps(values)}\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        row(step=0, time=1.0, f1=1) + row(step=1, time=1.0, f2=1),
        row(step=0, time=1.0, f1=1, f2=2) + row(step=1, time=1.0, f2=1, f1=2),
        row(step=0, time=1.0, a=1) + row(time=1.0, step=0, a=1),
        row(time=1.0, step=0, a=1),
        row(step=0, time=1.0, a=1) + b"\n",
        row(step=0, time=1.0, a=1)[:-1],
        row(step=0, time=1.0, a=float("nan")),
        b'- {"step": 0, "time": 1.0, "a": 1-2}\n',
        b'- {"step": 0, "time": 1.0, "a": }\n',
        b'- {"step": 0, "time": 1.0, "a": "1"}\n',
        b'- {"step": 0, "time": 1.0, "a": 1}\n- {"step": 0, "time": 1.0, "a": 1, "a": 2}\n',
        b'- {"step": 0, "time": 1.0, "a": 1, "a": 2}\n',
        b"- {[]}\n",
        b'- {"step": 0, "time": 1.0}\x80\n}\n',
    ],
)
def test_all_else_goes_the_slow_way(data: bytes) -> None:
    assert both(data) is None
