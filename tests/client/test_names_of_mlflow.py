"""docs/mlflow.md names everything that MLflow has, and what it promises is there."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import gtrack
from gtrack.client import GtrackClient
from gtrack.client.client import ABSENT

_TEXT = (Path(__file__).parents[2] / "docs" / "mlflow.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| (`.+`) \| (same|differs|absent) \| (.*)\|$", re.MULTILINE)


@cache
def mlflows() -> dict[str, list[str]]:
    """The public names of MLflow, from a process of its own: it changes warnings and threads of the one that imports it."""
    program = (
        "import mlflow; names = [n for n in dir(mlflow.MlflowClient) if not n.startswith('_')];"
        "print(*mlflow.__all__); print(*names)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True)
    functions, methods = done.stdout.strip().splitlines()[-2:]
    return {"The functions": functions.split(), "The client": methods.split()}


def rows(section: str) -> dict[str, tuple[str, str]]:
    """Name to whether it is the same, and to what is said of it."""
    part = _TEXT.split(f"## {section}\n")[1].split("\n## ")[0]
    found = [
        (name, kind, said.strip())
        for names, kind, said in _ROW.findall(part)
        for name in re.findall(r"`([^`]+)`", names)
    ]
    assert len({name for name, _, _ in found}) == len(found)
    return {name: (kind, said) for name, kind, said in found}


@pytest.mark.slow
@pytest.mark.parametrize("section", ["The functions", "The client"])
def test_every_name_of_mlflow_is_in_the_table(section: str) -> None:
    assert set(mlflows()[section]) - set(rows(section)) == set()


def test_every_function_that_is_promised_is_there() -> None:
    for name, (kind, said) in rows("The functions").items():
        assert (name in dir(gtrack)) is (kind != "absent"), name
        assert kind == "same" or said, name


def test_every_method_that_is_promised_is_there() -> None:
    table = rows("The client")
    for name, (kind, said) in table.items():
        assert hasattr(GtrackClient, name) is (kind != "absent"), name
        assert kind == "same" or said, name
    public = {name for name in dir(GtrackClient) if not name.startswith("_")}
    assert public - set(table) == {"log_params", "log_metrics", "set_tags", "project"}
    assert {name for name in ABSENT if table[name][0] != "absent"} == set()
