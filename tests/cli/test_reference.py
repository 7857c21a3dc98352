"""docs/cli.md is what the command line says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_the_reference_is_up_to_date() -> None:
    command = [sys.executable, "-m", "typer", "docs/reference.py", "utils", "docs", "--name", "gtrack"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    written = (PROJECT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written.strip() == done.stdout.strip(), "run `make docs`"
