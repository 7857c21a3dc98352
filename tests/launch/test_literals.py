from __future__ import annotations

import ast
import math
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.launch.constants import find_constants
from gtrack.launch.literals import NotLiteralError, Unwritable, literal, node_of, plain
from gtrack.launch.rewrite import REPORT, put_values, watch

scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=5)
hashable = st.integers(-9, 9) | st.text(max_size=3)
literals = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.sets(hashable, max_size=3)
    ),
    max_leaves=8,
)


def parsed(source: str) -> ast.expr:
    return ast.parse(source, mode="eval").body


@given(literals)
def test_a_value_becomes_code_that_makes_it(value: object) -> None:
    expression = ast.fix_missing_locations(ast.Expression(node_of(value)))
    made = eval(compile(expression, "<test>", "eval"))
    assert (made, type(made)) == (value, type(value))


@given(literals.filter(lambda value: "set()" not in repr(value) and "inf" not in repr(value)))
def test_the_source_of_a_literal_is_its_value(value: object) -> None:
    made = literal(parsed(repr(value)))
    assert (made, type(made)) == (value, type(value))


@pytest.mark.parametrize(
    ("source", "value"), [("2 ** 10", 1024), ("-3", -3), ("+1.5", 1.5), ("60 * 60 // 7", 514), ("1e400", math.inf)]
)
def test_arithmetic_of_numbers_is_a_literal(source: str, value: object) -> None:
    assert literal(parsed(source)) == value


@pytest.mark.parametrize(
    "source",
    [
        "f()",
        "x",
        "b'x'",
        "1j",
        "...",
        "f'{1}'",
        "[*x]",
        "{**x}",
        "{[]: 1}",
        "1 / 0",
        "9 ** 9 ** 9 ** 9",
        "'a' * 3",
        "not 1",
        "-True",
        "(-2) ** 0.5",
    ],
)
def test_what_is_no_literal(source: str) -> None:
    with pytest.raises(NotLiteralError):
        literal(parsed(source))


class Colour(Enum):
    RED = "red"


class Device:
    def __str__(self) -> str:
        return "cuda:0"


class Broken:
    def __str__(self) -> str:
        raise OSError


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array(2), 2),
        (np.array([[1, 2]]), [[1, 2]]),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        (Device(), "cuda:0"),
        (date(2026, 1, 2), "2026-01-02"),
        ((1, {2, 1}), [1, [1, 2]]),
        ({1: {"a": None}}, {"1": {"a": None}}),
    ],
)
def test_what_is_written_of_a_value(value: object, written: object) -> None:
    assert plain(value) == written
    assert type(plain(value)) is type(written)


@pytest.mark.parametrize("value", [print, Colour, object(), lambda: 1, Broken(), np.zeros(3000), [object()]])
def test_what_cannot_be_written(value: object) -> None:
    with pytest.raises(Unwritable):
        plain(value)


names = st.sampled_from(["a", "b", "c"])
assignments = st.lists(st.tuples(names, st.integers(0, 9)), min_size=1, max_size=6)


@given(assignments, st.dictionaries(names, st.integers(10, 19)))
def test_given_values_take_the_place_of_the_first_literals(
    bindings: list[tuple[str, int]], values: dict[str, Any]
) -> None:
    source = "\n".join(f"{name} = {value}" for name, value in bindings)
    tree = ast.parse(source)
    constants = find_constants(tree)
    put_values(constants, values)
    watch(constants.values())
    seen: list[tuple[str, int]] = []
    namespace: dict[str, Any] = {REPORT: lambda name, line: seen.append((name, line))}
    exec(compile(tree, "<test>", "exec"), namespace)
    for name in {name for name, _ in bindings}:
        own = [value for bound, value in bindings if bound == name]
        assert namespace[name] == (values[name] if name in values and len(own) == 1 else own[-1])
    first: set[str] = set()
    later = [(n, line) for line, (n, _) in enumerate(bindings, 1) if n in first or first.add(n)]  # type: ignore[func-returns-value]  # adds
    assert seen == later
