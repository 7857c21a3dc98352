"""One call switches autologging of all libraries on, and off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

import gtrack
from gtrack.errors import InvalidValue
from gtrack.integrations.autolog import FLAVOURS, autolog
from tests.fluent.conftest import fresh_process, quiet

__all__ = ["fresh_process", "quiet"]

X, Y = [[0.0], [1.0], [2.0], [3.0]] * 5, [0, 0, 1, 1] * 5


@pytest.fixture(autouse=True)
def switched_off_afterwards() -> Iterator[None]:
    yield
    autolog(disable=True)


@pytest.mark.quick
def test_a_fit_is_recorded_until_it_is_switched_off(quiet: Path) -> None:
    autolog(log_models=False, extra_tags={"by": "autolog"})
    with gtrack.start_run() as run:
        LogisticRegression(C=0.5).fit(X, Y)
    autolog(disable=True)
    with gtrack.start_run() as after:
        LogisticRegression().fit(X, Y)
    done = gtrack.get_run(run.id)
    assert (done.params["C"], done.tags["by"]) == (0.5, "autolog")
    assert "training_accuracy_score" in done.metrics
    assert gtrack.get_run(after.id).params == {}


def test_a_library_that_is_left_out(quiet: Path) -> None:
    autolog(exclude_flavors=["sklearn", "pytorch"])
    with gtrack.start_run() as run:
        LogisticRegression().fit(X, Y)
    assert gtrack.get_run(run.id).params == {}


def test_a_misspelt_library() -> None:
    with pytest.raises(InvalidValue, match=r"'sklaern'. Did you mean 'sklearn'"):
        autolog(exclude_flavors=["sklaern"])
    assert list(FLAVOURS) == ["sklearn", "xgboost", "lightgbm", "keras"]
