"""The comparison with MLflow runs wherever MLflow is; GTRACK_INTEROP=1 makes its absence an error."""

from __future__ import annotations

import importlib.util
import os

import pytest

collect_ignore: list[str] = []
if importlib.util.find_spec("mlflow") is None:
    if os.environ.get("GTRACK_INTEROP"):
        raise pytest.UsageError("GTRACK_INTEROP is set but mlflow cannot be imported: install the extra 'interop'.")
    collect_ignore.append("test_mlflow.py")
