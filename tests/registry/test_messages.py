"""What tag messages say is read back, whatever metrics are called and whatever people write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.registry.messages import read_metrics, short_metrics, trailers_of, write

words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
metric_names = st.text(st.characters(codec="utf-8", exclude_characters="=,\n"), min_size=1, max_size=20).filter(
    lambda name: name == name.strip()
)


def test_trailers_stand_in_the_last_paragraph() -> None:
    message = write("Subject: x", [("Run", "1"), ("Reason", "two\n\nlines  of it"), ("None", None), ("Empty", " ")])
    assert message == "Subject: x\n\nRun: 1\nReason: two lines of it\n"
    assert trailers_of(message) == {"Run": ["1"], "Reason": ["two lines of it"]}
    assert write("Only", []) == "Only\n"


@pytest.mark.parametrize(
    ("message", "trailers"),
    [
        ("", {}),
        ("Run: 1", {}),
        ("Subject\nRun: 1", {}),
        ("Subject\n\nRun: 1\n\nMore: 2\n", {"More": ["2"]}),
        ("Subject\n\nSome text\nRun: 1\nnot: a trailer\nA b: 2", {"Run": ["1"], "not": ["a trailer"]}),
        ("S\n\nApproved-By: Ana\nApproved-By: Bo\n", {"Approved-By": ["Ana", "Bo"]}),
        ("S\n\nReason: a\n b\n\tc\n", {"Reason": ["a b c"]}),
        ("S\n\nReason:\n", {"Reason": [""]}),
    ],
)
def test_trailers_of_any_message(message: str, trailers: dict[str, list[str]]) -> None:
    assert trailers_of(message) == trailers


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Za-z-]{0,8}", fullmatch=True), words, min_size=1, max_size=5))
def test_what_is_written_is_read(trailers: dict[str, str]) -> None:
    assert trailers_of(write("Subject", list(trailers.items()))) == {name: [value] for name, value in trailers.items()}


def test_metrics_are_short_and_those_that_everybody_knows_come_first() -> None:
    metrics = {"step": 12, "a=b": 1, "a, b": 2, "odd": float("nan"), "f1": 0.123456789, "val/loss": 1e-12}
    assert short_metrics(metrics) == "f1=0.123457, val/loss=1e-12, step=12"
    assert read_metrics(short_metrics(metrics)) == {"f1": 0.123457, "val/loss": 1e-12, "step": 12}
    many = short_metrics({f"{'m' * 60}{number}": number for number in range(20)})
    assert len(many) <= 300
    assert len(read_metrics(short_metrics({str(number): number for number in range(20)}))) == 8


@pytest.mark.parametrize("text", ["", "x", "=1", "a=, b=1x", ", ,"])
def test_metrics_that_are_none(text: str) -> None:
    assert read_metrics(text) == {}


@given(st.dictionaries(metric_names, st.floats(allow_nan=False, allow_infinity=False), max_size=6))
def test_metrics_are_read_back_to_six_digits(metrics: dict[str, float]) -> None:
    found = read_metrics(short_metrics(metrics))
    assert found.items() <= {name: float(f"{value:.6g}") for name, value in metrics.items()}.items()
