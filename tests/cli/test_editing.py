from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import RunCommand, die
from tests.conftest import Git


@pytest.mark.usefixtures("runs")
def test_tag(gtrack: RunCommand) -> None:
    assert gtrack("tag", "first", "team=vision", "formula=a=b", "empty=").out == "team=vision\nformula=a=b\nempty=\n"
    assert gtrack("tag", "first", "-d", "empty", "-d", "formula").out == "team=vision\n"
    assert gtrack("tag", "first").out == "team=vision\n"
    done = gtrack("tag", "first", "-d", "tema")
    assert done.code == 2
    assert "Did you mean 'team'?" in done.err


@pytest.mark.usefixtures("runs")
def test_note(gtrack: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "written" in gtrack("note", "first", "Balanced.").err
    monkeypatch.setattr(sys, "stdin", io.StringIO("From a file.\n"))
    assert gtrack("note", "first", "--append", "-").code == 0
    assert "  notes     Balanced.\n" in gtrack("show", "first").out
    assert "From a file.\n" in gtrack("show", "first").out
    assert "removed" in gtrack("note", "first", "").err
    assert "notes  " not in gtrack("show", "first").out.split("Parameters")[0]


def test_init_makes_a_repository_and_says_what_is_next(gtrack: RunCommand, tmp_path: Path) -> None:
    place = tmp_path / "new project é"
    done = gtrack("init", str(place))
    assert done.code == 0
    assert done.out == f"{place} is a gtrack project. Runs will be on the branch gtrack/runs.\n"
    assert (place / ".git").is_dir()
    assert (place / ".gtrack" / "config.yaml").is_file()
    (place / ".gtrack" / "config.yaml").write_text("experiment: mine\n")
    assert gtrack("init", str(place)).code == 0
    assert (place / ".gtrack" / "config.yaml").read_text() == "experiment: mine\n"


def test_init_in_the_directory_that_c_names(gtrack: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert gtrack("-C", str(tmp_path / "here"), "init").code == 0
    assert (tmp_path / "here" / ".gtrack" / "config.yaml").is_file()
    assert gtrack("-C", "../here", "init", "below/it").code == 0
    assert (tmp_path / "here" / ".gtrack" / "config.yaml").is_file()


def test_recover_commits_the_dead_and_says_so(gtrack: RunCommand, repo: Path, git: Git) -> None:
    die(repo)
    done = gtrack("recover")
    assert done.code == 0
    assert done.out.startswith("doomed (")
    assert done.out.endswith(")  killed\n")
    assert "doomed killed" in git("log", "--format=%s", "gtrack/runs")
    assert gtrack("recover").err == "No run is to be recovered.\n"


def test_every_command_recovers_the_dead(gtrack: RunCommand, repo: Path) -> None:
    die(repo)
    done = gtrack("ls")
    assert done.out.splitlines()[1].split()[3] == "killed"
    assert "had died; what it had written is kept, as killed." in done.err


@pytest.mark.skipif(os.name == "nt", reason="permissions work in another way there")
def test_recover_that_fails_is_exit_1_and_the_run_stays(gtrack: RunCommand, repo: Path) -> None:
    die(repo)
    lock = repo / ".git" / "refs" / "heads" / "gtrack" / "runs.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    done = gtrack("recover")
    assert done.code == 1
    assert "1 run could not be committed; nothing of them is lost." in done.err
    assert len([path for path in (repo / ".gtrack" / "live").iterdir() if path.is_dir()]) == 1
    assert done.err.count("doomed (") == 1
    said = gtrack("ls").err
    assert said.startswith("Run doomed (")
    assert "is complete but could not be committed" in said
    assert said.count("doomed (") == 1
    lock.unlink()
    assert "was complete but not committed; now it is, as killed." in gtrack("ls").err
    assert gtrack("recover").err == "No run is to be recovered.\n"
