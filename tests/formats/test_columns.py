from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gtrack.formats.columns import uniform_columns
from gtrack.formats.history import RowEncoder, parse_rows

NAMES = st.sampled_from(["loss", "f1", "f2", "e", "1e5", "-", "a, b", '": 5, "', "}", "x: ", "val/loss", "größe"])
NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.dictionaries(NAMES, NUMBERS, min_size=1, max_size=4), min_size=1, max_size=5)


def encoded(rows: list[dict[str, int | float]]) -> bytes:
    encoder = RowEncoder()
    return b"".join(encoder.encode(step, 1e9 + step, row) for step, row in enumerate(rows))


def is_quick(data: bytes) -> bool:
    """Tell whether the quick way reads it; what it gives must be what the slow one gives."""
    found = uniform_columns(data)
    if found is not None:
        rows, torn, damaged = parse_rows(data)
        slow = {name: tuple(row[name] for row in rows) for name in rows[0]}
        assert (repr(found), torn, damaged) == (repr(slow), False, [])
    return found is not None


@given(ROWS)
def test_rows_of_any_columns(rows: list[dict[str, int | float]]) -> None:
    is_quick(encoded(rows))


@given(st.lists(NAMES, min_size=1, max_size=5, unique=True), st.data())
def test_rows_of_the_same_columns_go_the_quick_way(names: list[str], data: st.DataObject) -> None:
    numbers = st.integers(-(2**62), 2**62) | st.floats(-1e18, 1e18)
    lists = st.lists(numbers, min_size=len(names), max_size=len(names))
    rows = data.draw(st.lists(lists, min_size=1, max_size=5))
    assert is_quick(encoded([dict(zip(names, row, strict=True)) for row in rows]))


@given(st.binary(max_size=60), st.integers(0, 200))
@example(b"-0, ", 26)
def test_bytes_in_the_middle(noise: bytes, at: int) -> None:
    data = encoded([{"loss": 0.5, "f1": step} for step in range(4)])
    is_quick(data[:at] + noise + data[at:])


@given(st.integers(0, 250), st.integers(0, 250))
def test_bytes_that_are_missing(start: int, end: int) -> None:
    data = encoded([{"loss": 0.5, "f1": step} for step in range(4)])
    is_quick(data[:start] + data[end:])


def row(**values: float) -> bytes:
    return f"- {json.dumps(values)}\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        row(step=0, time=1.0, f1=1) + row(step=1, time=1.0, f2=1),
        row(step=0, time=1.0, a=1) + row(step=0, time=1.0, a=1, b=1),
        row(step=0, time=1.0, a=1) + b"\n",
        row(step=0, time=1.0, a=1)[:-1],
        row(step=0, time=1.0, a=float("nan")),
        row(step=0, time=1.0, a=2**64),
        row(step=0, time=1.0, a=-(2**70)),
        b'- {"step": 0, "time": 1.0, "a": 1-2}\n',
        b'- {"step": 0, "time": 1.0, "a": }\n',
        b'- {"step": 0, "time": 1.0, "a": "1"}\n',
        b'- {"step": 0, "time": 1.0, "a": true}\n',
        b'- {"step": 0, "time": 1.0, "a": 1}\n- [1, 2, 3]\n',
        b'- {"step": 0, "time": 1.0, "a": 1}\n- "abc"\n',
        b"- {[]}\n",
        b"- {}\n",
        b'- {"step": 0, "time": 1.0}\x80\n}\n',
    ],
)
def test_all_else_goes_the_slow_way(data: bytes) -> None:
    assert not is_quick(data)
