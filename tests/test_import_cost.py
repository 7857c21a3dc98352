"""A command, and `import gtrack`, load nothing that was not asked for: that is what most of their time goes to.

Modules are named and counted, never a clock read. What a limit below says is a little more than was needed when it was written.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gtrack.project import Project, initialise
from tests.cli.conftest import make
from tests.conftest import Once, run_git

HEAVY = (
    *("numpy", "pandas", "scipy", "sklearn", "joblib", "matplotlib", "PIL", "git", "psutil", "typer", "rich", "yaml"),
    *("asyncio", "email", "http", "importlib.metadata", "multiprocessing", "sqlite3", "difflib", "gtrack.store.runs"),
)
# typer converts values by the first, which takes as long as all else; ``gtrack.cli.values`` spares it.
NEVER = ("pydantic", "git", "numpy", "pandas", "asyncio", "multiprocessing")

_REPORT = "import sys; print(*sys.modules, sep='\\n', file=sys.stderr)"
_COMMAND = f"""
from gtrack.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
{_REPORT}
"""


def loaded(program: str, *args: str, cwd: Path | None = None, **variables: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has loaded when a program ends."""
    # What measures the coverage of child processes imports modules of its own.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", program, *args]
    done = subprocess.run(command, env={**env, **variables}, cwd=cwd, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


@pytest.fixture(scope="module")
def bare() -> set[str]:
    return loaded(_REPORT)


@pytest.fixture(scope="module")
def verbs() -> set[str]:
    """Names of the modules that are there when a verb was looked at, which loads what all verbs need."""
    return loaded(f"import gtrack; gtrack.start_run; {_REPORT}")


@pytest.fixture
def runs(once: Once, repo: Path) -> Path:
    once(prepare)
    return repo


def prepare(repo: Path) -> None:
    """Make settings, two runs, a registered model, an index that knows them, and a remote that does not."""
    initialise(repo)
    run, _ = make(repo, "first", 100), make(repo, "second", 200)
    project = Project.open(repo)
    project.registry.register("churn", run.id, "model.bin")
    project.index.refresh()
    project.close()
    run_git("init", "--quiet", "--bare", ".git/remote", cwd=repo)
    run_git("remote", "add", "origin", "./.git/remote", cwd=repo)


def test_import_gtrack_loads_itself_alone(bare: set[str]) -> None:
    assert loaded(f"import gtrack; {_REPORT}") - bare <= {"gtrack", "__future__"}


def test_a_verb_loads_nothing_heavy(verbs: set[str], bare: set[str]) -> None:
    assert "gtrack.fluent.active" in verbs
    assert verbs & set(HEAVY) == set()
    assert len(verbs - bare) < 180


def test_the_version_is_told_by_the_command_alone(bare: set[str], repo: Path) -> None:
    told = loaded(_COMMAND, "--version", cwd=repo) - bare - {"__future__", "gc"}
    assert told == {"gtrack", "gtrack.cli", "gtrack.cli.app", "gtrack.version"}


# Beside each command what others need, and the most modules that it may load.
COMMANDS = {
    "ls": ("gtrack.store.runs gtrack.store.query.parser gtrack.ops.group gtrack.registry hashlib logging yaml", 245),
    "ls --where metrics.f1>0.1 --sort -f1 -n 1": ("gtrack.store.runs gtrack.ops.group gtrack.registry hashlib", 280),
    "show last": ("gtrack.ops.status gtrack.ops.get gtrack.registry gtrack.store.large.moving logging yaml", 265),
    "models": ("gtrack.registry.registry gtrack.ops.predict gtrack.ops.lineage gtrack.store.index sqlite3 yaml", 260),
    "push": ("gtrack.registry.registry gtrack.ops.retention.purge gtrack.store.index sqlite3", 345),
    "run -- true": ("gtrack.store.index sqlite3 gtrack.registry gtrack.ops", 320),
    "tag last team=red": ("gtrack.ops.server gtrack.registry importlib.metadata", 290),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_loads_what_it_needs(runs: Path, bare: set[str], command: str) -> None:
    others, most = COMMANDS[command]
    found = loaded(_COMMAND, *command.split(), cwd=runs) - bare
    assert "gtrack.project" in found
    assert found & {*NEVER, *others.split()} == set()
    assert len(found) <= most


def test_a_shell_that_completes_asks_one_command_alone(runs: Path, bare: set[str]) -> None:
    asked = {"_GTRACK_COMPLETE": "complete_bash", "COMP_WORDS": "gtrack show ", "COMP_CWORD": "2"}
    found = loaded(_COMMAND, cwd=runs, **asked) - bare
    assert "gtrack.cli.reading" in found
    assert found & {*NEVER, "gtrack.cli.run", "gtrack.cli.sharing", "gtrack.registry"} == set()
