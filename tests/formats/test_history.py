"""Row files: written row by row, read by JSON, by YAML and when damaged."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import InvalidValue
from gtrack.formats.history import (
    HIGHEST_STEP,
    LOWEST_STEP,
    RowEncoder,
    check_step,
    check_time,
    fold,
    parse_history,
    parse_rows,
)
from gtrack.records import Summary

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda n: n not in {"step", "time"}
)
any_number = st.one_of(st.integers(-(10**300), 10**300), st.floats())
finite = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(-(2.0**63), 2.0**62))
times = st.floats(-1e10, 1e10).map(lambda t: round(t, 6))
rows = st.lists(st.tuples(finite, times, st.dictionaries(names, any_number, min_size=1, max_size=4)), max_size=8)

ODD_NAMES = [
    "val/loss",
    'a"b',
    "a\\b",
    'a": .nan, b',
    'x\\": .inf',
    "é😀",
    "a: b",
    "- c",
    "#",
    "step ",
    "{",
    "1e5",
    "null",
    "\u2028",
]


def encoded(wanted: list[tuple[Any, Any, dict[str, Any]]]) -> bytes:
    encoder = RowEncoder()
    return b"".join(encoder.encode(*row) for row in wanted)


def same_rows(found: list[dict[str, Any]], wanted: list[tuple[Any, Any, dict[str, Any]]]) -> bool:
    expected = [{"step": step, "time": time, **values} for step, time, values in wanted]
    return len(found) == len(expected) and all(
        list(one) == list(other)
        and all(
            repr(one[key]) == repr(other[key]) or float(one[key]) == float(other[key]) == one["time"] for key in one
        )
        for one, other in zip(found, expected, strict=True)
    )


@given(rows)
def test_rows_are_read_again(wanted: list[tuple[Any, Any, dict[str, Any]]]) -> None:
    found, torn, damaged = parse_rows(encoded(wanted))
    assert (torn, damaged) == (False, [])
    assert same_rows(found, wanted)


@given(rows)
def test_yaml_reads_the_whole_file_as_the_same_rows(wanted: list[tuple[Any, Any, dict[str, Any]]]) -> None:
    text = encoded(wanted).decode()
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        assert same_rows(yaml.load(text, Loader=loader) or [], wanted)


@given(rows)
def test_a_row_is_one_line_and_json_after_its_dash(wanted: list[tuple[Any, Any, dict[str, Any]]]) -> None:
    lines = encoded(wanted).decode().split("\n")
    assert len(lines) == len(wanted) + 1
    for line, (_, _, values) in zip(lines, wanted, strict=False):
        assert line.startswith("- {")
        if all(math.isfinite(value) for value in values.values()):
            assert json.loads(line[2:])["step"] is not None


def test_a_row_looks_as_the_format_says() -> None:
    row = RowEncoder().encode(0, 1795376401.123456, {"loss": 0.6931, "val/loss": 1e-05, "n": 3})
    assert row == b'- {"step": 0, "time": 1795376401.123456, "loss": 0.6931, "val/loss": 1.0e-05, "n": 3}\n'
    row = RowEncoder().encode(1e-7, 2, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": -0.0})
    assert row == b'- {"step": 1.0e-07, "time": 2.000000, "a": .nan, "b": .inf, "c": -.inf, "d": -0.0}\n'


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_survive_beside_nan(name: str) -> None:
    wanted = [(1, 2.0, {name: math.nan, "b": 1.5}), (2, 3.0, {name: -math.inf, f"{name}2": 1e-9})]
    assert same_rows(parse_rows(encoded(wanted))[0], wanted)


def test_history_has_columns_of_one_length() -> None:
    data = encoded([(0, 1.0, {"a": 1.0}), (1, 2.0, {"b": 2}), (5, 3.0, {"a": math.nan, "b": 3})])
    history = parse_history(data)
    assert history.steps == [0, 1, 5]
    assert history.times == [1.0, 2.0, 3.0]
    assert [repr(value) for value in history.columns["a"]] == ["1.0", "None", "nan"]
    assert history.columns["b"] == [None, 2, 3]
    assert history.series("b") == [(1, 2), (5, 3)]
    assert history.series("c") == []
    assert len(history) == 3
    assert len(parse_history(b"")) == 0


def test_torn_at_every_byte() -> None:
    wanted = [(0, 1.0, {"a": 1.25, "é": 2.0}), (1, 2.0, {"a": 0.125, "é": math.nan}), (2, 3.0, {"a": 5.0e-10})]
    data = encoded(wanted)
    ends = [at + 1 for at, byte in enumerate(data) if byte == ord("\n")]
    for cut in range(len(data) + 1):
        found, torn, damaged = parse_rows(data[:cut])
        # A row without its line break is whole when its bracket is there.
        whole = sum(cut >= end - 1 for end in ends)
        assert same_rows(found, wanted[:whole]), cut
        assert damaged == []
        assert torn == (cut not in (0, *ends) and cut + 1 not in ends), cut


def test_damaged_lines_are_named_and_the_others_read() -> None:
    good = encoded([(7, 1.0, {"a": 1.0})])
    damage = [
        b"rubbish\n",
        b"\n",
        b"- [1]\n",
        b'- {"a": "text"}\n',
        b'- {"a": true}\n',
        b'- {"a": null}\n',
        b'- {"step": 5, "a": 0.\xff}\n',
        b'- {"step": 5, "a": {"b": 1}}\n',
        b'- {"step": 5, "lo- {"step": 6, "loss": 1.0}\n',
        b"- {a: 1: 2}\n",
        b"- " + b"[" * 100_000 + b"\n",
        b'- {"a": ' + b"[" * 100_000 + b"\n",
        b'- {"a": ' + b"9" * 5000 + b"}\n",
        b"\x00" * 10 + b"\n",
    ]
    for line in damage:
        found, torn, damaged = parse_rows(good + line + good)
        assert [row["step"] for row in found] == [7, 7]
        assert (torn, damaged) == (False, [2]), line[:40]
    history = parse_history(good + b"".join(damage) + good + b"- {")
    assert (list(history.steps), history.torn) == ([7, 7], True)
    assert history.damaged == tuple(range(2, len(damage) + 2))


def test_rows_that_a_person_or_a_windows_checkout_changed() -> None:
    assert parse_history(b'- {"step": 1, "time": 2.0, "a": 3}\r\n- {step: 2, a: 4}\r\n').columns == {"a": [3, 4]}
    assert parse_history(b'- {"a": 1}\n- {"a": 2}\n').steps == [0, 1]


def test_many_rows_with_nan_are_read_quickly_enough_to_be_of_use() -> None:
    data = encoded([(step, 1.0, {"loss": math.nan, "acc": 0.5}) for step in range(100_000)])
    assert len(parse_history(data)) == 100_000  # by the YAML loader alone this took half a minute


def test_a_very_wide_row_beside_nan() -> None:
    wide = {f"a_rather_long_name_of_a_metric_{n}": float(n) for n in range(40_000)}
    data = encoded([(0, 1.0, wide), (1, 2.0, {"x": math.nan})])
    assert len(data) > 1 << 20
    history = parse_history(data)
    assert (len(history), len(history.columns), history.damaged) == (2, 40_001, ())


@pytest.mark.parametrize("step", [0, -5, 2.5, True, np.int64(3), np.float32(0.5), LOWEST_STEP, HIGHEST_STEP])
def test_steps(step: Any) -> None:
    assert check_step(step) == step
    assert type(check_step(step)) in {int, float}


@pytest.mark.parametrize(
    "step", [math.nan, math.inf, -math.inf, 2**63, 10**400, "1", None, [1], 1e300], ids=lambda s: str(s)[:9]
)
def test_steps_that_nothing_can_plot(step: Any) -> None:
    with pytest.raises(InvalidValue, match="step"):
        check_step(step)


MOMENT = datetime(2026, 11, 22, 19, 40, 1, 123456, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "moment",
    [
        MOMENT.timestamp(),
        MOMENT.timestamp() * 1000,
        int(MOMENT.timestamp() * 1000),
        MOMENT,
        MOMENT.astimezone(timezone(timedelta(hours=5))),
        MOMENT.astimezone().replace(tzinfo=None),
        pd.Timestamp(MOMENT),
        np.datetime64(MOMENT.replace(tzinfo=None)),
        np.datetime64(MOMENT.replace(tzinfo=None)).astype("datetime64[ns]"),
        np.float64(MOMENT.timestamp()),
    ],
    ids=repr,
)
def test_time_stamps(moment: Any) -> None:
    assert check_time(moment) == pytest.approx(MOMENT.timestamp(), abs=0.001)


@pytest.mark.parametrize("moment", [math.nan, math.inf, "now", 10**400, [5]], ids=lambda m: str(m)[:9])
def test_no_time_stamps(moment: Any) -> None:
    with pytest.raises(InvalidValue, match="timestamp"):
        check_time(moment)


def test_fold() -> None:
    kinds = {"low": Summary.MIN, "high": Summary.MAX}
    summary: dict[str, float] = {}
    for value in (2.0, math.nan, 1, 3.0, math.nan):
        fold(summary, {"low": value, "high": value, "any": value}, kinds)
    assert (summary["low"], summary["high"]) == (1, 3.0)
    assert math.isnan(summary["any"])
    summary = {}
    fold(summary, {"low": math.nan}, kinds)
    fold(summary, {"low": 5}, kinds)
    assert summary == {"low": 5}
