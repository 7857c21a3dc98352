"""Small models, fitted once, on data with names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@pytest.fixture(scope="session")
def data() -> tuple[Any, Any]:
    """Return a frame of 569×4 and its classes."""
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return X.iloc[:, :4], y


@pytest.fixture(scope="session")
def linear(data: tuple[Any, Any]) -> Any:
    """Return a pipeline that skops can express."""
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(*data)


@pytest.fixture(scope="session")
def forest(data: tuple[Any, Any]) -> Any:
    """Return a forest, which skops cannot express with its safe types."""
    return RandomForestClassifier(5, random_state=0).fit(*data)


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that makes an empty directory."""

    def make(name: str = "model") -> Path:
        directory = tmp_path / name
        directory.mkdir()
        return directory

    return make
