"""``gtrack gc``, ``rm``, ``restore``, ``pin``."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from gtrack.project import Project
from gtrack.records import Run
from tests.cli.conftest import COMMAND, RunCommand, make
from tests.conftest import Git

RULES = """
system: {interval_seconds: 0}
retention:
  rules:
    - {name: failures, status: failed}
    - {name: best, keep_best: 1 by metrics.f1, experiment: forest}
"""


@pytest.fixture
def rules(repo: Path, runs: list[Run]) -> list[Run]:
    (repo / ".gtrack").mkdir(exist_ok=True)
    (repo / ".gtrack" / "config.yaml").write_text(RULES)
    return runs


def names(repo: Path) -> set[str]:
    return {run.name for run in Project.open(repo).store.runs()}


def test_gc_shows_what_it_would_do_and_why_and_does_nothing(gtrack: RunCommand, rules: list[Run], git: Git) -> None:
    before = git("rev-parse", "gtrack/runs")
    done = gtrack("gc")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].split() == ["run", "id", "experiment", "age", "size", "rule"]
    assert [line.split()[i] for line in lines[1:3] for i in (0, 1, -1)] == [
        *("third", rules[2].id, "failures"),
        *("first", rules[0].id, "best"),
    ]
    assert lines[-1].startswith("2 of 3 runs, with ")
    assert "'gtrack gc --apply' does it" in done.err
    assert git("rev-parse", "gtrack/runs") == before


def test_apply_then_restore(gtrack: RunCommand, rules: list[Run], repo: Path, git: Git) -> None:
    assert len(rules) == 3
    done = gtrack("gc", "--apply")
    assert done.code == 0
    assert f"Removed 2 runs from gtrack/runs by commit {git('rev-parse', 'gtrack/runs')[:10]}." in done.out
    assert names(repo) == {"second"}
    assert "None of 1 run is to be removed.\nNothing was removed." in gtrack("gc", "--apply").out
    listed = gtrack("restore").out.splitlines()
    assert listed[0].split() == ["run", "id", "experiment", "removed", "by", "as"]
    assert {line.split()[0] for line in listed[1:]} == {"first", "third"}
    assert gtrack("restore", "first", rules[2].id[:8]).out.count("restored") == 2
    assert names(repo) == {"first", "second", "third"}
    assert "No run was removed here" in gtrack("restore").err
    assert gtrack("restore", "none").code == 1


def test_purge_wants_a_yes_and_then_says_how_to_undo_it(
    gtrack: RunCommand, rules: list[Run], repo: Path, git: Git
) -> None:
    assert len(rules) == 3
    refused = gtrack("gc", "--purge")
    assert refused.code == 2
    assert "it takes --yes as well" in refused.err
    assert names(repo) == {"first", "second", "third"}
    done = gtrack("gc", "--purge", "--yes")
    assert done.code == 0
    assert "Purged 2 runs from the history of gtrack/runs: 4 commits written anew in " in done.out
    assert "'gtrack restore --last' brings back the last removal" in done.out
    assert rules[2].id not in git("rev-list", "--objects", "gtrack/runs")
    again = gtrack("gc", "--purge", "--yes").out.splitlines()
    assert again[-2:] == [
        "Of 1 run no further one is to be removed.",
        "The history of gtrack/runs has no removed run: nothing was purged.",
    ]
    assert gtrack("restore", "third").code == 0
    assert gtrack("show", "third").code == 0


def test_on_a_terminal_purge_asks(rules: list[Run], repo: Path, git: Git) -> None:
    assert len(rules) == 3
    before = git("rev-parse", "gtrack/runs")
    for answer, code in (("n\n", 1), ("y\n", 0)):
        assert git("rev-parse", "gtrack/runs") == before
        leader, follower = pty.openpty()
        os.write(leader, answer.encode())
        done = subprocess.run(
            [*COMMAND, "gc", "--purge"], cwd=repo, stdin=follower, stderr=follower, stdout=subprocess.PIPE, check=False
        )
        assert b"Take 2 runs out of the history of gtrack/runs?" in os.read(leader, 65536)
        os.close(leader)
        os.close(follower)
        assert done.returncode == code
    assert names(repo) == {"second"}


def test_json_says_all_of_it(gtrack: RunCommand, rules: list[Run]) -> None:
    shown = json.loads(gtrack("gc", "--json").out)
    assert [(one["id"], one["rule"]) for one in shown["runs"]] == [(rules[2].id, "failures"), (rules[0].id, "best")]
    assert shown["rules"][0] == {"name": "failures", "do": "remove", "runs": 1}
    assert (shown["of"], shown["removed"], shown["purged"]) == (3, [], [])
    assert shown["freed"]["metadata"] > 0
    done = json.loads(gtrack("gc", "--purge", "--yes", "--json").out)
    assert set(done["purged"]) == {rules[0].id, rules[2].id}
    assert done["backup"].startswith("refs/gtrack/backup/")
    [first, second] = json.loads(gtrack("restore", "--json").out)
    assert {first["name"], second["name"]} == {"first", "third"}
    assert first["backup"] == done["backup"]


def test_without_rules_it_says_where_they_go(gtrack: RunCommand, runs: list[Run]) -> None:
    assert len(runs) == 3
    done = gtrack("gc")
    assert done.code == 0
    assert "There are no rules. They go to .gtrack/config.yaml" in done.err


def test_a_wrong_rule_is_told_by_name(gtrack: RunCommand, rules: list[Run], repo: Path) -> None:
    assert len(rules) == 3
    (repo / ".gtrack" / "config.yaml").write_text("retention: {rules: [{name: old, older_then: 3d}]}\n")
    done = gtrack("gc", "--apply")
    assert done.code == 2
    assert "rule 1 (old) has an unknown key 'older_then'. Did you mean 'older_than'?" in done.err


def test_rm_and_pin(gtrack: RunCommand, runs: list[Run], repo: Path) -> None:
    assert gtrack("pin", "first").out == f"first ({runs[0].short_id})  pinned\n"
    assert "pinned=true" in gtrack("show", "first").out
    refused = gtrack("rm", "first", "second")
    assert refused.code == 1
    assert "is pinned" in refused.err
    assert gtrack("pin", "first", "--unpin").code == 0
    assert gtrack("pin", "first", "--unpin").code == 0
    done = gtrack("rm", "first", "second")
    assert done.out.splitlines() == [f"{run.name} ({run.short_id})  removed" for run in runs[:2]]
    assert names(repo) == {"third"}
    assert gtrack("rm", "third").code == 0
    assert gtrack("restore", "third").code == 0


def test_what_is_nested_goes_when_it_is_asked_for(gtrack: RunCommand, repo: Path) -> None:
    parent = make(repo, "parent", 10)
    make(repo, "child", 20)
    Project.open(repo).store.edit(
        Project.open(repo).resolve("child").id, lambda head: head.update(parent=parent.id), "nested"
    )
    assert gtrack("rm", "parent").code == 1
    done = gtrack("rm", "parent", "--with-children")
    assert done.code == 0
    assert "'gtrack restore --last' brings back" in done.err
    assert names(repo) == set()
    assert gtrack("restore", "--last").out.count("restored") == 2
    assert names(repo) == {"parent", "child"}
    assert "No run was removed here" in gtrack("restore", "--last").err


def test_what_retention_took_comes_back_by_the_command_that_it_names(
    gtrack: RunCommand, rules: list[Run], repo: Path, git: Git
) -> None:
    assert len(rules) == 3
    named = re.search(r"'gtrack (restore) (--commit) ([0-9a-f]{10})' undoes that", gtrack("gc", "--apply").err)
    assert named is not None
    gtrack("rm", "second")
    before = git("rev-parse", "gtrack/runs")
    assert gtrack(*named.groups()).out.count("restored") == 2
    assert git("rev-parse", "gtrack/runs^") == before
    assert names(repo) == {"first", "third"}
    assert gtrack(*named.groups()).code == 1


@pytest.mark.parametrize(
    "words", [("--last", "first"), ("--last", "--commit", "HEAD"), ("--at", "HEAD"), ("--last", "--json")]
)
def test_ways_to_restore_that_exclude_each_other_are_refused(gtrack: RunCommand, words: tuple[str, ...]) -> None:
    assert gtrack("restore", *words).code == 2


def test_a_run_that_somebody_forged_is_put_back_as_it_was(
    gtrack: RunCommand, runs: list[Run], repo: Path, git: Git
) -> None:
    before = git("rev-parse", "gtrack/runs^{tree}")
    git("worktree", "add", "--quiet", "../aside", "gtrack/runs")
    place = f"experiments/forest/{runs[0].id[:2]}/{runs[0].id}/metrics.yaml"
    (repo.parent / "aside" / place).write_text("f1: 1.0\n")
    git("-C", "../aside", "commit", "--quiet", "--all", "--message", "Tidy")
    git("-C", "../aside", "checkout", "--quiet", "--detach")
    assert "There is no commit 'nosuch'" in gtrack("restore", "first", "--at", "nosuch").err
    assert gtrack("restore", "first", "--at", "gtrack/runs^").code == 0
    assert git("rev-parse", "gtrack/runs^{tree}") == before
    assert Project.open(repo).store.run(runs[0].id) == runs[0]
    git("merge-base", "--is-ancestor", str(Project.open(repo).store.run_commit(runs[0].id)), "gtrack/runs^2")
    tip = git("rev-parse", "gtrack/runs")
    assert gtrack("restore", "first", "--at", "gtrack/runs").code == 0
    assert git("rev-parse", "gtrack/runs") == tip


def test_a_purge_that_follows_removals_says_so_and_how_the_bytes_go(
    gtrack: RunCommand, rules: list[Run], git: Git, tmp_path: Path
) -> None:
    assert len(rules) == 3
    git("init", "--quiet", "--bare", str(tmp_path / "host.git"))
    git("remote", "add", "origin", str(tmp_path / "host.git"))
    gtrack("gc", "--apply")
    assert gtrack("push").code == 0
    done = gtrack("gc", "--purge", "--yes")
    assert "Of 1 run no further one is to be removed." in done.out
    assert "Purged 2 runs from the history of gtrack/runs (2 removed before): " in done.out
    pushed = gtrack("push", "--purged", "origin")
    assert pushed.code == 0
    assert "In this clone a backup has the bytes still. They go by the first 'gtrack gc --apply' after " in pushed.err
    told = json.loads(gtrack("push", "--purged", "--json").out)
    assert (told["remote"], told["commit"], told["came_back"]) == ("origin", git("rev-parse", "gtrack/runs"), [])
    assert gtrack("restore", "--last").out.count("restored") == 2
