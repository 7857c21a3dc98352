from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gtrack.ops.code import FileChange, files_between
from gtrack.project import Project
from gtrack.records import Run
from gtrack.writer import ActiveRun
from tests.cli.conftest import RunCommand, three_runs
from tests.cli.test_app import on_a_terminal
from tests.clones import Traced, partial_clone
from tests.clones import three_runs as runs_with_large_files
from tests.conftest import Git, Once


def test_it_says_what_is_here(gtrack: RunCommand, runs: list[Run], repo: Path, tmp_path: Path) -> None:
    done = gtrack("clone", ".", str(tmp_path / "here"))
    assert done.out == (
        f"Cloned {repo} into {tmp_path / 'here'}\n1 experiment, 3 runs, 0 models; artifacts come when they are asked for\n"
    )
    assert (done.code, done.err) == (0, "")
    done = gtrack("-C", str(tmp_path), "clone", "repo", "there", "--full")
    assert done.out.endswith(f"into {tmp_path / 'there'}\n1 experiment, 3 runs, 0 models\n")


def test_what_is_wrong_is_said_in_one_message(gtrack: RunCommand, repo: Path, tmp_path: Path) -> None:
    done = gtrack("clone", "repo", "..")
    assert (done.code, done.out) == (1, "")
    assert "is there and is not empty" in done.err
    done = gtrack("clone", "https://ana:secret@localhost:1/churn.git", str(tmp_path / "x"))
    assert done.code == 1
    assert "secret" not in done.err
    assert done.err.startswith("Error: The remote https://***@localhost:1/churn.git cannot be cloned: ")
    assert gtrack("clone", ".", "--limit", "big").code == 2
    done = gtrack("clone", ".", str(tmp_path / "x"), "--full", "--limit", "1m")
    assert (done.code, done.err) == (2, "Error: --full leaves nothing out, so it does not go with --limit.\n")
    assert not (tmp_path / "x").exists()


def test_it_fits_a_terminal_of_80_columns(once: Once, repo: Path, tmp_path: Path) -> None:
    once(three_runs)
    shown = on_a_terminal("clone", "repo", "here", cwd=tmp_path, columns=80)
    assert shown.splitlines()[-1] == "1 experiment, 3 runs, 0 models; artifacts come when they are asked for"


def test_the_commands_that_read_need_no_remote(
    gtrack: RunCommand, once: Once, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once(runs_with_large_files)
    gtrack("clone", "../repo", str(tmp_path / "here"))
    monkeypatch.chdir(tmp_path / "here")
    shutil.move(repo, tmp_path / "gone")
    traced = Traced(monkeypatch, tmp_path / "trace")
    assert gtrack("ls", "--json").code == 0
    shown = gtrack("show", "third").out
    assert "Artifacts (6, 54 B, 4 not here)\n" in shown
    assert "figures/fold_0.png    not here\n" in shown
    sizes = {one["path"]: one["size"] for one in json.loads(gtrack("show", "third", "--json").out)["artifacts"]}
    assert sizes["figures/fold_0.png"] is None
    assert gtrack("diff", "first", "third").code == 0
    assert "not all here in 2 files" in gtrack("models", "show", "churn@1").out
    assert gtrack("verify", "--registry").code == 0
    assert traced.fetches() == 0
    done = gtrack("get", "third", "figures/fold_0.png", "-o", str(tmp_path / "out"))
    assert done.code == 1
    assert done.err.startswith("Error: figures/fold_0.png of run ")
    shutil.move(tmp_path / "gone", repo)
    done = gtrack("get", "third", "figures/fold_0.png", "-o", str(tmp_path / "out"))
    assert (done.code, done.err) == (0, f"{tmp_path / 'out' / 'figures' / 'fold_0.png'} (30 kB)\n")


def test_code_that_is_not_here_is_compared_without_its_lines(repo: Path, git: Git, tmp_path: Path) -> None:
    for size in (3000, 3001):
        (repo / "train.py").write_text("x = 1\n" * size)
        (repo / "small.py").write_text(f"x = {size}\n")
        git("add", ".")
        git("commit", "--quiet", "--message", f"{size} lines")
    one, two = git("rev-parse", "HEAD~1"), git("rev-parse", "HEAD")
    partial = partial_clone(repo, tmp_path / "here")
    shutil.move(repo, tmp_path / "gone")
    assert files_between(partial, one, two) == (FileChange("small.py", 1, 1), FileChange("train.py", None, None))


def test_the_output_of_a_failed_run_is_not_fetched_to_show_the_run(
    gtrack: RunCommand, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ActiveRun.start(Project.open(repo), name="broken")
    run.append_output(b"line\n" * 5000)
    run.end("failed")
    gtrack("clone", "../repo", str(tmp_path / "here"))
    monkeypatch.chdir(tmp_path / "here")
    traced = Traced(monkeypatch, tmp_path / "trace")
    assert "Output (not here; 'gtrack log broken' fetches it)\n" in gtrack("show", "broken").out
    assert traced.fetches() == 0
    assert gtrack("log", "broken").out == "line\n" * 5000
