from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from gtrack.records import Number, Value
from gtrack.render import values

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (100, "100"),
        (1.0, "1.0"),
        (1e-05, "1e-05"),
        (True, "true"),
        (None, "null"),
        ("gini", "gini"),
        ("", '""'),
        ("true", '"true"'),
        ("None", '"None"'),
        ("1.0", '"1.0"'),
        ("1e-5", '"1e-5"'),
        ("0x1f", '"0x1f"'),
        ("1.2.3", "1.2.3"),
        (" padded", '" padded"'),
        ("trailing ", '"trailing "'),
        ("[1, 2]", '"[1, 2]"'),
        ("a, b", "a, b"),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("abc\u202edef", r"abc\u202edef"),
        ([1, "a, b", "c", [True]], '[1, "a, b", c, [true]]'),
        ({"lr": 0.1, "name": "x"}, "{lr: 0.1, name: x}"),
        ({}, "{}"),
        (math.nan, "nan"),
    ],
)
def test_value_is_exact_and_of_one_line(what: Value, text: str) -> None:
    assert values.value(what) == text


def test_an_int_that_python_will_not_spell_out_is_told_by_its_order() -> None:
    assert values.value(10**5000) == values.metric(10**5000) == "≈1e5000"


@given(st.text())
def test_no_text_steers_a_terminal(text: str) -> None:
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in values.value(text))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.9512345678, "0.951235"),
        (0.1 + 0.2, "0.3"),
        (12, "12"),
        (123456789, "123456789"),
        (10**200, "1e+200"),
        (10**400, "≈1e400"),
        (-(10**400), "≈-1e400"),
        (1e-9, "1e-09"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_metric_has_six_digits(number: Number, text: str) -> None:
    assert values.metric(number) == text


@pytest.mark.parametrize(("delta", "text"), [(0.0123, "+0.0123"), (-3, "-3"), (0, "0"), (math.nan, "nan")])
def test_signed(delta: Number, text: str) -> None:
    assert values.signed(delta) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.013, "+1.3%"),
        (-0.143, "-14.3%"),
        (0.0002, "+0.02%"),
        (0.0000003, "+3e-05%"),
        (8.5, "+850.0%"),
        (11.5, "12.5x"),
        (-1.0, "-100.0%"),
        (0.0, "+0.00%"),
    ],
)
def test_relative(ratio: float, text: str) -> None:
    assert values.relative(ratio) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-1, "0ms"),
        (0.1204, "120ms"),
        (0.9999, "1.0s"),
        (1.88, "1.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (185, "3m05s"),
        (7380, "2h03m"),
        (273_600, "3d04h"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert values.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (-30, "now"),
        (-7300, "in 2h"),
        (12, "12s ago"),
        (150, "2m ago"),
        (3 * 3600, "3h ago"),
        (9 * 86400, "9d ago"),
        (40 * 86400, "5w ago"),
        (800 * 86400, "2y ago"),
    ],
)
def test_age(seconds: int, text: str) -> None:
    assert values.age(NOW - timedelta(seconds=seconds), NOW) == text


def test_what_is_not_known_is_empty() -> None:
    assert [values.age(None, NOW), values.moment(None), values.iso(None)] == ["", "", ""]


def test_moments_are_told_in_the_zone_that_is_asked_for() -> None:
    zone = timezone(timedelta(hours=2), "CEST")
    assert values.moment(NOW, zone) == "2026-11-22 22:00:00 CEST"
    assert values.iso(NOW.astimezone(zone)) == "2026-11-22T20:00:00.000000Z"


@pytest.mark.parametrize(
    ("numbers", "width", "line"),
    [
        ([], 10, ""),
        ([5], 10, "▄"),
        ([1, 1, 1], 10, "▄▄▄"),
        ([0, 1, 2, 3, 4, 5, 6, 7], 10, "▁▂▃▄▅▆▇█"),
        ([0, 1, 2, 3, 4, 5, 6, 7], 4, "▁▃▆█"),
        ([0, math.nan, 7], 10, "▁·█"),
        ([math.inf, math.nan], 10, "··"),
        ([-1.7e308, 1.7e308], 10, "··"),
        ([-1e299, 1e299], 10, "▁█"),
    ],
)
def test_sparkline(numbers: list[Number], width: int, line: str) -> None:
    assert values.sparkline(numbers, width) == line


@given(st.lists(st.floats() | st.integers()), st.integers(1, 30))
def test_a_sparkline_is_never_wider_than_asked(numbers: list[Number], width: int) -> None:
    assert len(values.sparkline(numbers, width)) == min(width, len(numbers))


@pytest.mark.parametrize(
    ("text", "width", "end", "middle"),
    [
        ("calm-otter-12", 13, "calm-otter-12", "calm-otter-12"),
        ("calm-otter-12", 9, "calm-ott…", "calm…r-12"),
        ("min_samples_leaf", 8, "min_sam…", "min_…eaf"),
        ("日本語の実験", 7, "日本語…", "日…験"),
        ("abc", 1, "…", "…"),
        ("abc", 0, "", ""),
        ("x" * 10_000_000, 6, "xxxxx…", "xxx…xx"),
    ],
)
def test_cut(text: str, width: int, end: str, middle: str) -> None:
    assert values.cut(text, width) == end
    assert values.cut_middle(text, width) == middle
    assert cell_len(values.cut_middle(text, width)) <= width


def test_output_keeps_its_colours_and_loses_what_steers() -> None:
    text = "a\tb\r\n\x1b[1;31mred\x1b[0m \x1b]0;title\x07 \x1b[2J 10%\r20%"
    assert values.harmless(text) == "a\tb\n\x1b[1;31mred\x1b[0m \\x1b]0;title\\x07 \\x1b[2J 10%\\r20%"
