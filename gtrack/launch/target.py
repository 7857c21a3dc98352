"""What `gtrack run` is asked to run: a Python script, a module, or any command."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from gtrack.errors import GitError, UsageError
from gtrack.project import Project

_PYTHON_ENDINGS = frozenset({".py", ".pyw"})
_LARGEST_SOURCE = 4 * 1024 * 1024


@dataclass(frozen=True)
class Target:
    """A script, a module or a command: one of the three.

    Attributes:
        script: path of a Python file, relative to the working directory or absolute.
        module: dotted name, run as ``python -m`` runs it.
        command: a program and its arguments.
        args: of a script or a module.
    """

    script: str | None = None
    module: str | None = None
    command: Sequence[str] = ()
    args: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.script or self.module or self.command[0]

    def spelled(self) -> list[str]:
        """Return the command line that it would be run with, were there no gtrack."""
        if self.command:
            return list(self.command)
        words = ["-m", self.module] if self.module is not None else [self.script or ""]
        return ["python", *words, *self.args]

    def check(self, cwd: Path, project: Project) -> None:
        """Check that it can be run.

        Raises:
            UsageError: there is no such script or program, or it is no Python script.
        """
        if self.script is not None:
            self._check_script(cwd / self.script, cwd, project)
        elif self.command:
            self._check_command(cwd)
        else:
            self._check_module(cwd)

    def _check_script(self, path: Path, cwd: Path, project: Project) -> None:
        if path.is_dir():
            raise UsageError(f"{self.script} is a directory. Name a script in it, or run a package with -m package.")
        if not path.exists():
            raise UsageError(f"There is no script {self.script}.{self._instead(cwd, project)}")
        if path.suffix == ".ipynb":
            raise UsageError(
                f"{self.script} is a notebook. Export it as a script: jupyter nbconvert --to script {self.script}"
            )
        if path.suffix not in _PYTHON_ENDINGS and not _looks_like_python(path):
            raise UsageError(
                f"{self.script} is no Python script. To run it as a command: gtrack run -- {_as_command(path, cwd)}"
            )

    def _instead(self, cwd: Path, project: Project) -> str:
        script = str(self.script)
        if shutil.which(script) is not None:
            return f" To run it as a command: gtrack run -- {' '.join(map(shlex.quote, [script, *self.args]))}"
        return _nearest_file(script, cwd, project)

    def _check_module(self, cwd: Path) -> None:
        name = str(self.module)
        is_file = (cwd / name).is_file()
        if is_file or not all(part.isidentifier() for part in name.split(".")):
            hint = f" To run the file: gtrack run {name}" if is_file else ""
            raise UsageError(f"-m takes the dotted name of a module, such as package.train, not {name!r}.{hint}")

    def _check_command(self, cwd: Path) -> None:
        program = self.command[0]
        if os.sep in program:
            path = cwd / program
            if not path.is_file():
                raise UsageError(f"There is no program {program}.")
            if not os.access(path, os.X_OK):
                hint = f" If it is a Python script: gtrack run {program}" if path.suffix in _PYTHON_ENDINGS else ""
                raise UsageError(f"{program} is not executable.{hint}")
        elif shutil.which(program) is None:
            hint = f" To run the script: gtrack run {program}" if (cwd / program).suffix in _PYTHON_ENDINGS else ""
            raise UsageError(f"There is no program {program!r} on the PATH.{hint}")

    def experiment(self, project: Project, cwd: Path) -> str | None:
        """Return the experiment whose directory, ``experiments/<name>/``, the script or module is in; None outside one."""
        if project.repo.root is None:
            return None
        if self.script is not None:
            path = (cwd / self.script).resolve()
        elif self.module is not None:
            path = cwd.resolve().joinpath(*self.module.split("."))
        else:
            return None
        root = project.repo.root.resolve()
        parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
        return parts[1] if len(parts) >= 3 and parts[0] == "experiments" else None

    def sources(self, cwd: Path) -> Iterator[bytes]:
        """Yield the source of the Python files that it is known to run."""
        if self.module is not None:
            path = cwd.joinpath(*self.module.split("."))
            candidates = [path.with_name(f"{path.name}.py"), path / "__main__.py"]
        else:
            words = [self.script] if self.script is not None else self.command
            candidates = [cwd / word for word in words if word.endswith(".py")]
        for candidate in candidates:
            try:
                with candidate.open("rb") as file:
                    yield file.read(_LARGEST_SOURCE)
            except OSError:  # one that cannot be read mentions nothing
                continue


def _looks_like_python(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(200)
    return first.startswith(b"#!") and b"python" in first


def _as_command(path: Path, cwd: Path) -> str:
    relative = os.path.relpath(path, cwd)
    return relative if os.sep in relative else f".{os.sep}{relative}"


def _nearest_file(script: str, cwd: Path, project: Project) -> str:
    """Return ``" Did you mean x?"`` for the Python file that was most likely meant."""
    beside = (cwd / script).parent
    known = [str(Path(script).with_name(path.name)) for path in beside.glob("*.py")] if beside.is_dir() else []
    root = project.repo.root
    if root is not None:
        try:
            listed = os.fsdecode(project.repo.run("ls-files", "-z", "--", "*.py")).split("\0")
        except GitError:
            listed = []
        known += [os.path.relpath(root / path, cwd) for path in listed if path and (root / path).exists()]
    same_name = [path for path in known if Path(path).name == Path(script).name]
    close = get_close_matches(os.path.normpath(script), known, n=1, cutoff=0.5) or same_name
    return f" Did you mean {close[0]}?" if close else ""
