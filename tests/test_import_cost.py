"""`import gtrack` is cheap: it loads nothing that a script has not asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = ("numpy", "pandas", "scipy", "sklearn", "joblib", "matplotlib", "PIL", "git", "psutil", "typer", "rich")
HEAVY_STANDARD = ("asyncio", "email", "http", "importlib.metadata", "multiprocessing")

_PROGRAM = "import sys, gtrack; gtrack.start_run; print(gtrack.__file__, *sys.modules, sep='\\n')"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """Names of all modules in a fresh interpreter that imported gtrack and looked at a verb, which loads what all verbs need."""
    # What measures the coverage of child processes imports modules of its own.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", _PROGRAM], env=env, capture_output=True, text=True, check=True)
    where, *modules = done.stdout.splitlines()
    assert where.endswith("__init__.py")
    return set(modules)


@pytest.mark.parametrize("name", [*HEAVY, *HEAVY_STANDARD])
def test_import_gtrack_does_not_load(loaded: set[str], name: str) -> None:
    assert "gtrack" in loaded
    assert name not in loaded
