"""The real command, in a real repository: what the tests of this directory run and look at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from gtrack.formats.yamlio import load_mapping
from gtrack.project import Project
from gtrack.records import Run

PROJECT = Path(__file__).parents[2]
GTRACK = [sys.executable, "-m", "gtrack"]


@dataclass(frozen=True)
class Workplace:
    """A repository in which gtrack is run."""

    root: Path

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        return {**kept, "PYTHONPATH": str(PROJECT)}

    def write(self, name: str, source: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), encoding="utf-8")
        return path

    def gtrack(
        self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*GTRACK, *args],
            cwd=cwd or self.root,
            env={**self.env, **(env or {})},
            input=stdin,
            capture_output=True,
            check=False,
            encoding="utf-8",
            timeout=60,
        )

    def start(self, *args: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start gtrack and leave it running, in a process group of its own."""
        return subprocess.Popen(
            [*GTRACK, *args],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **more,
        )

    @contextmanager
    def project(self) -> Iterator[Project]:
        project = Project.open(self.root)
        try:
            yield project
        finally:
            project.repo.objects.close()

    def runs(self) -> list[Run]:
        """All committed runs, the oldest first."""
        with self.project() as project:
            return sorted(project.store.runs(), key=lambda run: str(run.started))

    def run(self) -> Run:
        """The only run."""
        [run] = self.runs()
        return run

    def head(self, run: Run) -> dict[str, Any]:
        with self.project() as project:
            return load_mapping(project.store.file(run.id, "run.yaml") or b"", "run.yaml")

    def warnings(self, run: Run) -> list[str]:
        return list(self.head(run).get("warnings") or [])

    def output(self, run: Run) -> bytes:
        with self.project() as project:
            return project.store.file(run.id, "output.log") or b""

    def artifacts(self, run: Run) -> dict[str, bytes]:
        with self.project() as project:
            paths = [one.path for one in project.store.artifacts(run.id)]
            return {path: project.store.artifact_bytes(run.id, path) for path in paths}

    def series(self, run: Run, metric: str) -> list[tuple[Any, Any]]:
        with self.project() as project:
            return list(project.store.history(run.id).series(metric))

    def live(self) -> list[str]:
        """Names of the live directories that are there."""
        place = self.root / ".gtrack" / "live"
        return sorted(path.name for path in place.iterdir() if path.is_dir()) if place.exists() else []
