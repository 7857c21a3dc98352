"""Run scripts in repositories, and hold what git has of their runs against FORMAT.md, with git alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import run_git

SCRIPTS = Path(__file__).parent / "scripts"
BRANCH = "refs/heads/gtrack/runs"

Tree = dict[str, tuple[str, bytes]]
"""Path to mode and content, for every file."""


class Process(subprocess.Popen[str]):
    """A process that a failed test does not leave to the tests after it."""

    def __del__(self, *args: object) -> None:
        if self.returncode is None:
            self.kill()
            self.wait()
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def start(
    script: str | Path, *args: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: bool = False
) -> Process:
    """Start a script of ``scripts/``, or one by its path, in ``cwd``, with pipes."""
    return Process(
        [sys.executable, str(SCRIPTS / script), *args],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fail(script: str | Path, *args: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a script that must fail, and return what it said."""
    process = start(script, *args, cwd=cwd, env=env)
    out, err = process.communicate()
    assert process.returncode not in (None, 0), f"{script} should have failed: {out}{err}"
    return err


def succeed(script: str | Path, *args: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run a script that must succeed without a word on stderr, and return what it printed, without the last newline."""
    process = start(script, *args, cwd=cwd, env=env)
    out, err = process.communicate()
    assert process.returncode == 0, f"{script} said {process.returncode}: {out}{err}"
    assert err == ""
    return out.removesuffix("\n")


def one_run(cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Make one run in ``cwd`` and return its id."""
    return succeed("one_run.py", cwd=cwd, env=env)


def live_directories(root: Path) -> list[Path]:
    """Return the live directories of a working tree."""
    return sorted(path for path in (root / ".gtrack" / "live").glob("*") if len(path.name) == 32)


def git_bytes(*args: str, cwd: Path) -> bytes:
    """Run git and return its stdout as it is."""
    return subprocess.run(["git", *args], cwd=cwd, check=True, capture_output=True).stdout


def committed_files(commit: str, cwd: Path) -> Tree:
    """Return every file of a commit; a submodule's content is its commit's id."""
    found: Tree = {}
    for entry in filter(None, git_bytes("ls-tree", "-r", "-z", "--full-tree", commit, cwd=cwd).split(b"\0")):
        facts, path = entry.split(b"\t", 1)
        mode, kind, oid = facts.decode().split()
        content = git_bytes("cat-file", "blob", oid, cwd=cwd) if kind == "blob" else oid.encode()
        found[os.fsdecode(path)] = (mode, content)
    return found


def files_on_disk(root: Path, ignored: Iterable[str] = ()) -> Tree:
    """Return every file below ``root`` as git would name it, but git's own, gtrack's own and the ``ignored`` paths."""
    found: Tree = {}
    left_out = {".git", ".gtrack", *ignored}
    for directory, folders, names in os.walk(root):
        for name in [*folders, *names]:
            path = Path(directory, name)
            inside = path.relative_to(root).as_posix()
            if inside in left_out:
                folders[:] = [folder for folder in folders if folder != name]
            elif path.is_symlink():
                found[inside] = ("120000", os.fsencode(path.readlink()))
            elif path.is_file():
                found[inside] = ("100755" if os.access(path, os.X_OK) else "100644", path.read_bytes())
    return found


def check_fsck(cwd: Path) -> None:
    """Hold the repository against ``git fsck``: nothing missing, nothing malformed, not a warning."""
    done = subprocess.run(
        ["git", "fsck", "--full", "--strict", "--no-dangling", "--no-progress"],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("notice: ")]
    assert (done.returncode, said) == (0, [])


def check_branch(cwd: Path, runs: Iterable[str]) -> list[str]:
    """Hold the whole runs branch against the format: these runs, each once; return their ids, the oldest commit first.

    Every commit of the branch must be that of a run that ended: edits are for other tests.
    """
    seen: list[str] = []
    commit = BRANCH
    while commit:
        *earlier, run_commit = run_git("show", "--no-patch", "--format=%P", commit, cwd=cwd).split()
        assert len(earlier) <= 1
        seen.append(check_run_commit(run_commit, commit, cwd))
        commit = earlier[0] if earlier else ""
    assert sorted(seen) == sorted(runs)
    folders = run_git("ls-tree", "-r", "-d", "--name-only", "--full-tree", BRANCH, cwd=cwd).splitlines()
    assert sorted(path.split("/")[3] for path in folders if path.count("/") == 3) == sorted(runs)
    return seen[::-1]


def check_run_commit(run_commit: str, branch_commit: str, cwd: Path) -> str:
    """Hold the two commits of one run against the format and return the run's id."""

    def git(*args: str) -> str:
        return run_git(*args, cwd=cwd)

    subject, _, body = git("show", "--no-patch", "--format=%B", run_commit).partition("\n\n")
    trailers = dict(line.split(": ", 1) for line in body.splitlines())
    run_id, experiment = trailers["Run"], trailers["Experiment"]
    place = f"experiments/{experiment}/{run_id[:2]}/{run_id}"
    head = yaml.safe_load(git("show", f"{run_commit}:{place}/run.yaml"))
    code = head["code"]["commit"]
    assert git("show", "--no-patch", "--format=%P", run_commit).split() == ([code] if code else [])
    assert subject == f"{experiment}: {head['name']} {head['status']}"
    assert trailers == {"Run": run_id, "Experiment": experiment, **({"Code-Commit": code} if code else {})}
    assert git("show", "--no-patch", "--format=%B", branch_commit) == f"{subject}\n\n{body}"

    against = code or git("hash-object", "-t", "tree", "--stdin")
    added = git(
        "-c", "core.quotePath=false", "diff-tree", "-r", "--no-renames", "--name-status", against, run_commit
    ).splitlines()
    assert added
    assert all(line.startswith(f"A\t{place}/") for line in added), added
    assert git("ls-tree", "--name-only", "--full-tree", branch_commit) == "experiments"
    assert git("rev-parse", f"{run_commit}:{place}") == git("rev-parse", f"{branch_commit}:{place}")
    assert (head["id"], head["experiment"]) == (run_id, experiment)
    return run_id


def head_of(run_id: str, cwd: Path) -> dict[str, Any]:
    """Return what ``run.yaml`` of a committed run holds, read without gtrack."""
    paths = run_git("ls-tree", "-r", "--name-only", "--full-tree", BRANCH, cwd=cwd).splitlines()
    path = next(path for path in paths if path.endswith(f"/{run_id}/run.yaml"))
    head = yaml.safe_load(run_git("show", f"{BRANCH}:{path}", cwd=cwd))
    assert isinstance(head, dict)
    return head


def check_one_run(cwd: Path, run_id: str, worktree: Path, ignored: Iterable[str] = ()) -> dict[str, Any]:
    """Hold the only run of a repository against the format and its code against the working tree; return its head."""
    assert check_branch(cwd, [run_id]) == [run_id]
    head = head_of(run_id, cwd)
    code = head["code"]["commit"]
    assert (committed_files(code, cwd) if code else {}) == files_on_disk(worktree, ignored)
    assert live_directories(worktree) == []
    assert run_git("for-each-ref", "refs/gtrack", cwd=cwd) == ""
    check_fsck(cwd)
    return head
