"""What users hand in, as the plain values that are written."""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gtrack.errors import InvalidName, InvalidValue
from gtrack.formats.values import check_number, final_status, free_text, mapping_of, plain_value, text_tags
from gtrack.formats.yamlio import dumps, loads
from gtrack.records import Status


class Colour(str, enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Plain(enum.Enum):
    ONE = 1


class Tensor:
    """Like a torch tensor: ``size`` is a method, the shape a tuple, ``item`` raises for more than one element."""

    def __init__(self, *numbers: float, shape: tuple[int, ...] = ()) -> None:
        self._numbers, self.shape = numbers, shape

    def size(self) -> tuple[int, ...]:
        return self.shape

    def item(self) -> float:
        if len(self._numbers) != 1:
            raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")
        return self._numbers[0]

    def __repr__(self) -> str:
        return f"Tensor({self._numbers}, {self.shape})"

    def __float__(self) -> float:
        return float(self.item())


class Thing:
    def __repr__(self) -> str:
        return "Thing()"


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "other"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (True, True),
        (None, None),
        (5, 5),
        (-0.0, -0.0),
        ("é", "é"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Text("x"), "x"),
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("s"), "s"),
        (np.array(2.5), 2.5),
        (np.longdouble(0.25), 0.25),
        (Tensor(0.5), 0.5),
        ((1, (2, "x")), [1, [2, "x"]]),
        ([np.int64(1), None], [1, None]),
        ({"a": {"b": (1,)}}, {"a": {"b": [1]}}),
        ({1: "x", np.int64(2): "y", None: "z", 0.5: 0}, {"1": "x", "2": "y", "None": "z", "0.5": 0}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (10**999, 10**999),
        (pd.Series([7])[0], 7),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_plain_values(value: Any, plain: object) -> None:
    found = plain_value(value, "parameter 'x'")
    assert repr(found) == repr(plain)
    assert repr(loads(dumps({"x": found}), "it")) == repr({"x": found})


def loop() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (Plain.ONE, "Plain"),
        ({1, 2}, "set"),
        (b"x", "bytes"),
        (Thing(), "Thing"),
        (1j, "complex"),
        (range(3), "range"),
        (print, "builtin"),
        (int, "type"),
        (np.float64, "type"),
        (np.array([1, 2]), "ndarray"),
        (np.array([5]), "ndarray"),
        (pd.DataFrame({"a": [1]}), "DataFrame"),
        (pd.NaT, "NaT"),
        (Tensor(1.0, 2.0, shape=(2,)), "Tensor"),
        (10**1000, "1000 digits"),
        ("x" * ((1 << 20) + 1), "characters"),
        ("\ud800", "Unicode"),
        ([1, {"k": {3}}], r"\[1\]\['k'\]"),
        (loop(), "nested"),
        ({"": 1}, "one line of text"),
        ({"a\nb": 1}, "one line of text"),
        ({(1, 2): 1}, "one line of text"),
        ({"k" * 1025: 1}, "too long"),
        ({"\x01" * 200: 1}, "too long"),
        ({1: "a", "1": "b"}, "both written '1'"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_values_that_cannot_be_written(value: object, why: str) -> None:
    with pytest.raises(InvalidValue, match=why) as caught:
        plain_value(value, "parameter 'x'")
    assert "parameter 'x'" in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        (True, 1),
        (0.1, 0.1),
        (-math.inf, -math.inf),
        (Level.HIGH, 3),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float16(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(False), 0),
        (np.array(1.5), 1.5),
        (np.array([1.5]), 1.5),
        (np.array([[3]]), 3),
        (np.longdouble(1.5), 1.5),
        (pd.Series([2.5]), 2.5),
        (Tensor(0.5), 0.5),
        (Tensor(0.5, shape=(1,)), 0.5),
        (Decimal("0.5"), 0.5),
        (Fraction(1, 4), 0.25),
        (2**1000, 2**1000),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_numbers(value: object, number: float) -> None:
    found = check_number(value, "metric 'm'")
    assert type(found) is type(number)
    assert repr(found) == repr(number)


@pytest.mark.parametrize(
    "value",
    [
        *("0.5", "", None, [1.0], {"a": 1}, 1j, b"1", 2**1024, Fraction(10**400), Decimal("sNaN"), Thing()),
        *(
            np.array([1.0, 2.0]),
            np.array([]),
            np.datetime64("2026-01-01"),
            pd.NaT,
            pd.NA,
            np.array(["a"]),
            "x" * 10_000,
        ),
        *(Tensor(1.0, 2.0, shape=(2,)), print, float),
    ],
    ids=lambda value: f"{type(value).__name__} {str(value)[:12]!r}",
)
def test_no_numbers(value: object) -> None:
    with pytest.raises(InvalidValue, match="metric 'm'") as caught:
        check_number(value, "metric 'm'")
    assert len(str(caught.value)) < 300


def test_tags_become_text() -> None:
    assert text_tags({"a": 1, "b": None, "c": True, "d": "x\ny", "e": 0.5}, "set_tags") == {
        "a": "1",
        "b": "None",
        "c": "True",
        "d": "x\ny",
        "e": "0.5",
    }
    with pytest.raises(InvalidName, match="tag"):
        text_tags({"a\nb": 1}, "set_tags")
    with pytest.raises(InvalidValue, match="set_tags takes a mapping"):
        text_tags(["a"], "set_tags")


def test_free_text() -> None:
    assert free_text(None, "notes") is None
    assert free_text("a\n\nb", "notes") == "a\n\nb"
    for wrong in (5, ["a"], b"x"):
        with pytest.raises(InvalidValue, match="notes must be text"):
            free_text(wrong, "notes")
    with pytest.raises(InvalidValue, match="notes"):
        free_text("\udc80", "notes")


def test_mapping_of() -> None:
    assert mapping_of({"a": 1}, "log_params") == {"a": 1}
    with pytest.raises(InvalidValue, match=r"log_params takes a mapping .* not list"):
        mapping_of([("a", 1)], "log_params")


def test_how_a_run_ends() -> None:
    assert [final_status(text) for text in ("finished", "FAILED", Status.KILLED)] == [
        Status.FINISHED,
        Status.FAILED,
        Status.KILLED,
    ]
    for wrong in ("running", "", None, 1):
        with pytest.raises(InvalidValue, match="ends as"):
            final_status(wrong)
