"""docs/search.md tells of everything that can be asked for, and its examples are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gtrack.errors import QueryError
from gtrack.store.query.fields import ALIASES, ATTRIBUTES, PARTS, PREFIXES, Place
from gtrack.store.query.meaning import OPERATORS
from gtrack.store.query.parser import parse_filter

PAGE = (Path(__file__).parents[3] / "docs" / "search.md").read_text(encoding="utf-8")
CODE = re.findall(r"`+ ?([^`]+)", PAGE)


@pytest.mark.parametrize("name", [*ATTRIBUTES, "created", *(f"{prefix}." for prefix in PREFIXES if prefix[-1] == "s")])
def test_everything_that_can_be_asked_for_is_told(name: str) -> None:
    assert any(re.match(rf"{re.escape(name)}", code) for code in CODE)


@pytest.mark.parametrize("name", sorted({*PARTS[Place.METRIC], *PARTS[Place.INPUT], *PARTS[Place.DATASET]}))
def test_every_part_is_told(name: str) -> None:
    assert f".{name}`" in PAGE


def test_every_operator_is_told() -> None:
    operators = {operator.value for taken in OPERATORS.values() for operator in taken}
    assert [operator for operator in operators if f"`{operator}" not in PAGE] == []
    assert set(ALIASES.values()) <= set(ATTRIBUTES)


def test_the_examples_are_read() -> None:
    examples = PAGE.split("```")[1].strip().splitlines()
    assert len(examples) == 3
    assert all(parse_filter(example) is not None for example in examples)


def test_the_errors_are_the_real_ones() -> None:
    shown = PAGE.partition("## Errors")[2].split("```")[1].strip()
    said = []
    for text in ("metrics.f1 > 0.9 and metrics.loss < 'high'", "metrics.acuracy > 0.9"):
        with pytest.raises(QueryError) as caught:
            parse_filter(text, lambda _: ["accuracy", "f1", "loss"])
        said.append(str(caught.value))
    assert "\n".join(said) == shown
