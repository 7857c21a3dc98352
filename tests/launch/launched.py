"""Runs a script in the real launched child, inside a real live run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

from gtrack.formats.yamlio import load_mapping, parse_value
from gtrack.launch.parameters import ScriptParameters, discover, discover_module
from gtrack.launch.plan import PLAN_VARIABLE, LaunchPlan
from gtrack.project import Project
from gtrack.records import Status
from gtrack.variables import GIVEN_VARIABLE, RUN_DIR_VARIABLE
from gtrack.writer import ActiveRun


@dataclass(frozen=True)
class Outcome:
    """What a launched script did, and what its run then holds."""

    exit_code: int
    stdout: str
    stderr: str
    params: Mapping[str, Any]
    warnings: Sequence[str]
    artifacts: Mapping[str, bytes]

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()


@dataclass
class Launcher:
    """Writes scripts into a repository and launches them there."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    opened: list[Project] = field(default_factory=list)

    def close(self) -> None:
        for project in self.opened:
            project.repo.objects.close()

    def write(self, name: str, source: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), encoding="utf-8")
        return path

    def found(self, script: str = "", module: str = "") -> ScriptParameters:
        return (
            discover_module(module, [self.root], [self.root]) if module else discover(self.root / script, [self.root])
        )

    def plan(self, script: str, module: str, args: Sequence[str], texts: Mapping[str, str], **more: Any) -> LaunchPlan:
        found = self.found(script, module)
        given = found.check({name: parse_value(text) for name, text in texts.items()}, script or module, texts)
        return LaunchPlan(script or None, module or None, list(args), given, found.mechanism, texts, **more)

    def start(self, plan: LaunchPlan, **more: Any) -> tuple[ActiveRun, subprocess.Popen[str]]:
        project = Project.open(self.root)
        self.opened.append(project)
        run = ActiveRun.start(project, command=["python", plan.script or "-m"])
        env = {
            **os.environ,
            **self.env,
            PLAN_VARIABLE: plan.to_json(),
            GIVEN_VARIABLE: json.dumps(dict(plan.given)),
            RUN_DIR_VARIABLE: str(run.directory),
        }
        child = subprocess.Popen(
            plan.command(sys.executable),
            cwd=self.root,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            **more,
        )
        return run, child

    def outcome(self, run: ActiveRun, child: subprocess.Popen[str]) -> Outcome:
        stdout, stderr = child.communicate(timeout=60)
        head = load_mapping((run.directory / "run.yaml").read_bytes(), "run.yaml")
        warnings: Any = head.get("warnings") or []
        artifacts = run.directory / "artifacts"
        kept = {str(path.relative_to(artifacts)): path.read_bytes() for path in artifacts.rglob("*") if path.is_file()}
        params = run.record().params
        run.end(Status.FINISHED if child.returncode == 0 else Status.FAILED, exit_code=child.returncode)
        return Outcome(child.returncode, stdout, stderr, params, warnings, kept)

    def run(
        self,
        script: str,
        texts: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        *,
        module: bool = False,
        **more: Any,
    ) -> Outcome:
        plan = self.plan("" if module else script, script if module else "", args, texts or {}, **more)
        return self.outcome(*self.start(plan))

    def python(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run plain Python, to compare with."""
        return subprocess.run(
            [sys.executable, *args],
            cwd=self.root,
            capture_output=True,
            check=False,
            encoding="utf-8",
            env={**os.environ, **self.env},
        )
