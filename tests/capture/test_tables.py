"""Tables are written so that they read back as they were."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from datetime import date, datetime, timezone
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.capture.tables import table_to_bytes
from gtrack.errors import InvalidValue

COLUMNS: dict[str, list[Any]] = {
    "n": [1, -2, 10**20],
    "x": [0.1, math.nan, 1e-300],
    "b": [True, False, None],
    "s": ["a,b", 'say "hi"\nü', ""],
}
CSV = 'n,x,b,s\n1,0.1,True,"a,b"\n-2,,False,"say ""hi""\nü"\n100000000000000000000,1e-300,,\n'
JSON = [
    {"n": 1, "x": 0.1, "b": True, "s": "a,b"},
    {"n": -2, "x": None, "b": False, "s": 'say "hi"\nü'},
    {"n": 10**20, "x": 1e-300, "b": None, "s": ""},
]
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]

FORMS = {
    "columns": COLUMNS,
    "tuples": {name: tuple(values) for name, values in COLUMNS.items()},
    "rows": ROWS,
    "frame": pd.DataFrame(COLUMNS),
    "arrays": {name: np.array(values, dtype=object) for name, values in COLUMNS.items()},
    "series": {name: pd.Series(values, dtype=object) for name, values in COLUMNS.items()},
}


@pytest.mark.parametrize("form", FORMS)
def test_csv(form: str) -> None:
    assert table_to_bytes(FORMS[form], "a/b.csv").decode() == CSV


@pytest.mark.parametrize("form", FORMS)
def test_json(form: str) -> None:
    assert json.loads(table_to_bytes(FORMS[form], "a/b.JSON")) == JSON


def test_json_is_one_row_a_line() -> None:
    assert table_to_bytes({"a": [1, 2]}, "t.json") == b'[\n{"a": 1},\n{"a": 2}\n]\n'


def test_tsv() -> None:
    assert table_to_bytes({"a": ["x,y", "u\tv"], "b": [1, 2]}, "t.tsv") == b'a\tb\nx,y\t1\n"u\tv"\t2\n'


def test_values_of_pandas_and_numpy() -> None:
    frame = pd.DataFrame(
        {
            "t": pd.to_datetime(pd.Series(["2026-01-02T03:04:05.5", None]), format="ISO8601"),
            "i": pd.array([1, None], dtype="Int64"),
            "c": pd.Categorical(["u", None]),
            "f": np.array([0.1, 2], dtype="f4"),
            "o": [Decimal("1.50"), [1, np.float64(0.5)]],
        }
    )
    assert json.loads(table_to_bytes(frame, "t.json")) == [
        {"t": "2026-01-02T03:04:05.500000", "i": 1, "c": "u", "f": float(np.float32(0.1)), "o": "1.50"},
        {"t": None, "i": None, "c": None, "f": 2.0, "o": [1, 0.5]},
    ]
    assert table_to_bytes(frame[["o"]], "t.csv") == b'o\n1.50\n"[1, 0.5]"\n'


def test_dates_and_infinities() -> None:
    columns = {"d": [date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=timezone.utc)], "x": [math.inf, -math.inf]}
    text = table_to_bytes(columns, "t.json").decode()
    assert json.loads(text, parse_constant=pytest.fail) == [
        {"d": "2026-01-02", "x": "Infinity"},
        {"d": "2026-01-02T00:00:00+00:00", "x": "-Infinity"},
    ]
    assert table_to_bytes({"x": [math.inf]}, "t.csv") == b"x\ninf\n"


def test_an_index_that_is_data_is_kept() -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    assert table_to_bytes(frame[::-1], "t.csv") == b"x\n2\n1\n"
    assert table_to_bytes(frame.set_axis(["a", "b"]), "t.csv") == b"index,x\na,1\nb,2\n"
    assert table_to_bytes(frame.rename_axis("id"), "t.csv") == b"id,x\n0,1\n1,2\n"
    grouped = frame.assign(g=["u", "v"]).groupby(["g", "x"]).x.agg(["sum"])
    assert table_to_bytes(grouped, "t.csv") == b"g,x,sum\nu,1,1\nv,2,2\n"
    assert table_to_bytes(pd.Series([1.5], name="y"), "t.csv") == b"y\n1.5\n"
    wide = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
    assert table_to_bytes(wide, "t.csv") == b"a_1,a_2\n1,2\n"


def test_rows_that_differ_in_their_keys() -> None:
    assert table_to_bytes([{"a": 1}, {"b": 2}], "t.csv") == b"a,b\n1,\n,2\n"


@pytest.mark.parametrize(("data", "expected"), [([], b"\n"), ({}, b"\n"), ({"a": []}, b"a\n"), (pd.DataFrame(), b"\n")])
def test_empty_tables(data: object, expected: bytes) -> None:
    assert table_to_bytes(data, "t.csv") == expected
    assert table_to_bytes(data, "t.json") == b"[]\n"


cells = st.floats() | st.integers() | st.booleans() | st.text(st.characters(codec="utf-8", exclude_characters="\0\r"))


@given(st.lists(st.tuples(cells, cells), max_size=6))
def test_what_is_written_reads_back(rows: list[tuple[Any, Any]]) -> None:
    columns = {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}
    read = list(csv.reader(io.StringIO(table_to_bytes(columns, "t.csv").decode(), newline="")))
    assert read[0] == ["a", "b"]
    for row, texts in zip(rows, read[1:], strict=True):
        for value, text in zip(row, texts, strict=True):
            if isinstance(value, float):
                assert (text == "") if math.isnan(value) else (float(text) == value)
            else:
                assert text == str(value)
    finite = {"a": [value for value in columns["a"] if not isinstance(value, float) or math.isfinite(value)]}
    again = json.loads(table_to_bytes(finite, "t.json"))
    assert [(type(row["a"]), row["a"]) for row in again] == [(type(value), value) for value in finite["a"]]


def test_parquet_where_pyarrow_is_installed() -> None:
    frame = pd.DataFrame({"x": [0.1, None], "s": ["a", "b"]})
    if find_spec("pyarrow") is None:
        with pytest.raises(InvalidValue, match=r"'t\.parquet' needs pyarrow.*pip install pyarrow"):
            table_to_bytes(frame, "t.parquet")
    else:
        pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(table_to_bytes(frame, "t.parquet"))), frame)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": [1], "b": [1, 2]}, r"one length, and these have {'a': 1, 'b': 2}"),
        ({"a": 1}, "Column 'a' is one int"),
        ({"a": "text"}, "Column 'a' is one str"),
        ([[1, 2]], "list is no table"),
        ("text", "str is no table"),
        (None, "NoneType is no table"),
        ({"a": [object()]}, r"Column 'a' of 't\.csv' holds a builtins\.object"),
        ({1: [1], "1": [2]}, "two columns that are both called '1'"),
    ],
)
def test_what_is_no_table_is_refused(data: object, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        table_to_bytes(data, "t.csv")


@pytest.mark.parametrize("path", ["table", "table.xlsx", "a.csv/table"])
def test_other_suffixes_are_refused(path: str) -> None:
    with pytest.raises(InvalidValue, match=r"must end in \.csv, \.tsv, \.json, \.parquet"):
        table_to_bytes({"a": [1]}, path)


def test_bytes_are_no_text() -> None:
    with pytest.raises(InvalidValue, match=r"builtins\.bytes"):
        table_to_bytes({"a": [base64.b64decode("AAEC")]}, "t.json")
