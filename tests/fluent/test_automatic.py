"""Artifacts that nobody asked for by their name give way to what the script logs there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from gtrack.errors import CommitFailed, InvalidName, InvalidPath, InvalidValue
from gtrack.fluent.active import project_here, start_run
from gtrack.fluent.automatic import is_automatic, mark_automatic, taken_over
from gtrack.fluent.models import load_model, log_model
from gtrack.project import Project
from gtrack.registry.pending import promised
from gtrack.store.live import PROMISES


def automatic(_: Any) -> str:
    return "automatic"


def mine(_: Any) -> str:
    return "mine"


def test_an_automatic_model_gives_way_once(quiet: Path) -> None:
    with start_run() as run:
        log_model(automatic)
        mark_automatic(run, "model")
        with pytest.raises(InvalidValue):
            log_model(object())
        assert load_model(f"runs:/{run.id}/model")(None) == "automatic"
        log_model(mine)
        with pytest.raises(InvalidPath, match="already"):
            log_model(automatic)
    assert load_model(f"runs:/{run.id}/model")(None) == "mine"
    assert {one.path.split("/")[0] for one in project_here().artifacts(run.id)} == {"model"}


def test_a_registration_that_is_refused_leaves_the_automatic_model_as_it_was(quiet: Path) -> None:
    with start_run() as run:
        log_model(automatic, "other", registered_model_name="m")
        log_model(automatic)
        mark_automatic(run, "model")
        before = sorted(run.directory.rglob("*"))
        with pytest.raises(InvalidName, match=r"no such\.name"):
            log_model(mine, registered_model_name="no such.name")
        with pytest.raises(UserWarning, match="was to be registered as m by its artifact 'other'"):
            log_model(mine, registered_model_name="m")  # warnings are errors here
        assert [one.artifact for one in promised(run.live)] == ["other"]
        kept = (run.directory / PROMISES).read_bytes()
        (run.directory / PROMISES).unlink()
        (run.directory / PROMISES).symlink_to("no/such/directory")  # which cannot be written
        with pytest.raises(CommitFailed):
            log_model(mine, registered_model_name="n")
        (run.directory / PROMISES).unlink()
        (run.directory / PROMISES).write_bytes(kept)
        assert sorted(run.directory.rglob("*")) == before
        assert load_model(f"runs:/{run.id}/model")(None) == "automatic"
        assert is_automatic(run, "model")
        log_model(mine, registered_model_name="n")
    assert load_model(f"runs:/{run.id}/model")(None) == "mine"
    assert [one.artifact for one in project_here().registry.versions("n")] == ["model"]


def test_only_the_path_that_was_marked_is_automatic(quiet: Path) -> None:
    with start_run() as run:
        run.log_bytes(b"x", "kept/a")
        assert not is_automatic(run, "model")
        mark_automatic(run, "model")
        mark_automatic(run, "other")
        assert [is_automatic(run, path) for path in ("model", "other", "", "kept")] == [True, True, False, False]
        taken_over(run, "model")
        assert [is_automatic(run, path) for path in ("model", "other", "")] == [False, True, False]
        with pytest.raises(InvalidPath):
            log_model(mine, "")


def test_a_kill_while_the_own_model_is_written_leaves_the_automatic_one(quiet: Path) -> None:
    script = textwrap.dedent("""
        import os, signal
        import gtrack
        from gtrack.fluent.automatic import mark_automatic

        class Dies:
            def predict(self, data):
                return data

            def __reduce__(self):
                os.kill(os.getpid(), signal.SIGKILL)

        run = gtrack.start_run()
        print(run.id, flush=True)
        gtrack.log_model(lambda data: data)
        mark_automatic(run, "model")
        gtrack.log_model(Dies())
    """)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == -signal.SIGKILL
    project = Project.open(quiet)
    project.recover()
    assert "model/MLmodel" in {one.path for one in project.artifacts(done.stdout.strip())}
    project.close()
