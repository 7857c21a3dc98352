from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from gtrack.git.progress import run_telling

TALKS = r"""
import sys
data = sys.stdin.buffer.read()
sys.stderr.write("Cloning into 'x'...\nremote: Enumerating objects: 5, done.\n")
for n in (1, 2):
    sys.stderr.write(f"Receiving objects:  {n * 50}% ({n}/2)\r")
sys.stderr.write("Receiving objects: 100% (2/2), 1.20 MiB | 3.00 MiB/s, done.\n")
sys.stderr.write(f"fatal: {len(data)} bytes\n")
sys.exit(3)
"""
WAITS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
sys.stderr.write(f"Receiving objects:  50% ({child.pid}/2)\\r")
sys.stderr.flush()
time.sleep(600)
"""


def test_progress_is_told_and_the_rest_is_returned(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    data = b"x" * 300_000  # more than a pipe holds
    code, said = run_telling(
        [sys.executable, "-c", TALKS], os.environ, lambda what, done, total: told.append((what, done, total)), data
    )
    assert (code, said) == (3, "fatal: 300000 bytes")
    assert told == [("Receiving objects", 1, 2), ("Receiving objects", 2, 2), ("Receiving objects", 2, 2)]


def test_an_interrupt_ends_the_process_and_what_it_has_started() -> None:
    children: list[int] = []

    def interrupt(what: str, done: int, total: int) -> None:
        children.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_telling([sys.executable, "-c", WAITS], os.environ, interrupt)
    assert not psutil.pid_exists(children[0]) or psutil.Process(children[0]).status() == psutil.STATUS_ZOMBIE


def test_a_process_that_does_not_read_is_no_error() -> None:
    code, said = run_telling([sys.executable, "-c", "pass"], os.environ, lambda *_: None, b"x" * 300_000)
    assert (code, said) == (0, "")
