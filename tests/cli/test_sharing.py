from __future__ import annotations

import json
from pathlib import Path

import pytest

from gtrack.ops.sharing.auto_push import last_failure
from gtrack.project import Project
from gtrack.records import Run
from tests.cli.conftest import RunCommand, make
from tests.cli.test_app import on_a_terminal
from tests.conftest import run_git

RUNS = "refs/heads/gtrack/runs"


@pytest.fixture
def bare(runs: list[Run], repo: Path, tmp_path: Path) -> Path:
    """Return a bare repository that has the code alone, and is the remote of one that has three runs."""
    assert len(runs) == 3
    place = tmp_path / "bare.git"
    run_git("clone", "--quiet", "--bare", "--single-branch", "--branch", "main", str(repo), str(place), cwd=tmp_path)
    run_git("remote", "add", "origin", str(place), cwd=repo)
    return place


def test_push_pull_and_sync_say_what_they_did(gtrack: RunCommand, bare: Path, repo: Path, tmp_path: Path) -> None:
    assert gtrack("pull").out == "origin has no runs yet\n"
    assert gtrack("push").out == "Pushed 3 runs to origin\n"
    assert gtrack("push").out == "origin has everything that is here\n"
    run_git("clone", "--quiet", str(bare), str(tmp_path / "ben"), cwd=tmp_path)
    make(tmp_path / "ben", "of Ben", 5)
    make(repo, "of Ana", 6)
    gtrack("register", "of Ana", "--model", "churn", "--artifact", "model.bin")
    ben = ("-C", str(tmp_path / "ben"))
    assert gtrack("push", "-q").out == ""
    assert gtrack(*ben, "sync").out == "Merged 1 run, 1 model version from origin\nPushed 1 run to origin\n"
    assert gtrack("pull").out == "Pulled 1 run from origin\n"
    assert gtrack("pull").out == "origin has nothing new\n"
    told = json.loads(gtrack("sync", "--json").out)
    assert (told["remote"], told["moved"], told["tries"], told["pulled"]["runs"]) == ("origin", False, 1, [])
    assert json.loads(gtrack("pull", "--json").out)["refused"] == []


def test_a_tag_that_gets_another_number_is_told_by_whatever_publishes_it(
    gtrack: RunCommand, bare: Path, repo: Path, tmp_path: Path
) -> None:
    run_git("clone", "--quiet", str(bare), str(tmp_path / "ben"), cwd=tmp_path)
    ben = ("-C", str(tmp_path / "ben"))
    make(tmp_path / "ben", "of Ben", 5)
    for name in ("of Ana", "newer"):
        make(repo, name, 6)
    model = ("--model", "churn", "--artifact", "model.bin")
    gtrack("register", "of Ana", *model)
    gtrack(*ben, "register", "of Ben", *model, "--push")
    done = gtrack("promote", "churn@1", "staging", "--push", "--json")
    [told] = json.loads(done.out)["renumbered"]
    assert (told["was"], told["now"], told["run"], told["who"]) == ("churn@v1.0.0", "churn@v2.0.0", "of Ana", "Ana")
    assert done.err == "churn v1 of run of Ana was published as v2: v1 is Ana's. (v1.0.0 here became v2.0.0.)\n"
    assert gtrack("show", "churn#staging", "--json").out == gtrack("show", "of Ana", "--json").out
    gtrack("promote", "churn@2", "qa")
    gtrack(*ben, "promote", "churn@1", "production", "--push")
    done = gtrack("register", "newer", *model, "--push")
    assert done.err.splitlines() == [
        "newer is version 3 of churn (tag churn@v3.0.0), pushed to origin",
        "churn#qa#2 of run of Ana was published as churn#qa#3, as Ana was quicker with that number.",
    ]


def test_what_is_wrong_is_said_in_one_message(gtrack: RunCommand, bare: Path, repo: Path) -> None:
    for words, code, said in (
        (("push", "orgin"), 2, "There is no remote 'orgin'. Did you mean 'origin'? Here are: origin."),
        (("push", "--experiment", "tree"), 1, "No experiment 'tree' on the runs branch of this repository."),
        (("push", "--purged", "--experiment", "forest"), 2, "--purged publishes the whole branch"),
        (
            ("pull", "https://ana:secret@127.0.0.1:1/x.git"),
            1,
            "The remote https://***@127.0.0.1:1/x.git cannot be asked",
        ),
    ):
        done = gtrack(*words)
        assert (done.code, done.out) == (code, "")
        assert done.err.startswith(f"Error: {said}")
        assert "secret" not in done.err


def test_a_tag_that_is_refused_is_told_after_what_was_pushed(gtrack: RunCommand, bare: Path) -> None:
    gtrack("register", "first", "--model", "churn", "--artifact", "model.bin")
    hook = bare / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/tags/*) echo "Not today." >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    done = gtrack("push")
    assert (done.code, done.out) == (1, "Pushed 3 runs to origin\n")
    assert "remote: Not today." in done.err
    assert done.err.endswith("Error: Not everything of the registry could be pushed to origin.\n")


def test_when_nothing_can_be_taken_the_exit_code_says_so(gtrack: RunCommand, bare: Path, repo: Path) -> None:
    gtrack("push")
    experiments = run_git("rev-parse", f"{RUNS}:experiments", cwd=repo)
    blob = run_git("rev-parse", "main:README.md", cwd=bare)
    lines = f"040000 tree {experiments}\texperiments\n100644 blob {blob}\tREADME.md\n"
    tree = run_git("mktree", cwd=bare, stdin=lines)
    commit = run_git(f"--git-dir={bare}", "commit-tree", "-m", "A file", "-p", RUNS, tree, cwd=repo)
    run_git("update-ref", RUNS, commit, cwd=bare)
    done = gtrack("pull")
    assert done.code == 1
    assert "  README.md: a file, where only the directory 'experiments' belongs\n" in done.err
    assert done.err.endswith("Error: Nothing of origin could be taken.\n")
    assert run_git("ls-tree", "--name-only", RUNS, cwd=repo) == "experiments"


def test_what_auto_push_asks_for_is_carried_out_quietly(gtrack: RunCommand, bare: Path, repo: Path) -> None:
    mark = repo / ".git" / "gtrack" / "auto-push.wanted"
    assert gtrack("push", "--auto", "--quiet").out == ""
    assert run_git("for-each-ref", RUNS, cwd=bare) == ""  # nobody has asked
    mark.touch()
    done = gtrack("push", "--auto", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert run_git("rev-parse", RUNS, cwd=bare) == run_git("rev-parse", RUNS, cwd=repo)
    bare.rename(bare.with_name("away"))
    mark.touch()
    assert gtrack("push", "--auto", "--quiet").code == 0
    failure = last_failure(Project.open(repo))
    assert failure is not None
    assert "The remote origin cannot be asked" in failure.message


def test_it_fits_a_terminal_of_80_columns(bare: Path, repo: Path) -> None:
    assert on_a_terminal("push", cwd=repo, columns=80).splitlines()[-1] == "Pushed 3 runs to origin"


def test_what_was_changed_on_both_sides_is_told_also_with_quiet(gtrack: RunCommand, bare: Path, tmp_path: Path) -> None:
    gtrack("push")
    run_git("clone", "--quiet", str(bare), str(tmp_path / "ben"), cwd=tmp_path)
    ben = ("-C", str(tmp_path / "ben"))
    gtrack(*ben, "pull")
    gtrack("tag", "first", "seen=ana")
    gtrack("rm", "second")
    gtrack(*ben, "tag", "first", "seen=ben")
    gtrack(*ben, "tag", "second", "kept=yes")
    gtrack("push")
    done = gtrack(*ben, "sync", "-q")
    assert done.out == ""
    lines = done.err.splitlines()
    assert lines[0] == "1 value had been changed on both sides; the newest was kept:"
    assert ": run.yaml: tags.seen: kept " in lines[1]
    assert lines[2] == "Removed on one side and changed on the other, so kept (1):"
    assert lines[3].endswith(": the run")


def test_a_branch_that_was_deleted_there_is_told_until_it_is_accepted(gtrack: RunCommand, bare: Path) -> None:
    gtrack("push")
    run_git("update-ref", "-d", RUNS, cwd=bare)
    for command in ("pull", "push", "sync"):
        done = gtrack(command)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("Error: origin has no branch gtrack/runs any more: it was at ")
    assert run_git("for-each-ref", RUNS, cwd=bare) == ""
    assert gtrack("pull", "--accept-rewrite").out == "origin has no runs yet\n"
    assert gtrack("push").out == "Pushed 3 runs to origin\n"
