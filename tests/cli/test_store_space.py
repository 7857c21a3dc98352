"""``gtrack gc --store``: from large files that were logged to a store that has their space free again."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from gtrack.project import Project
from gtrack.writer import ActiveRun
from tests.cli.conftest import COMMAND, RunCommand
from tests.conftest import Git


@pytest.fixture
def store(repo: Path, tmp_path: Path, gtrack: RunCommand, git: Git) -> Path:
    """Return a store that has the large files of two runs, of which one is purged, and one of nobody knows whom."""
    store = tmp_path / "store"
    store.mkdir()
    (repo / ".gtrack").mkdir()
    (repo / ".gtrack" / "config.yaml").write_text(
        f"artifacts: {{lfs_above_mb: 0.01, remote: 'file://{store}'}}\n"
        "system: {interval_seconds: 0}\nretention: {backup_days: 0}\n"
    )
    git("init", "--quiet", "--bare", "../origin.git")
    git("remote", "add", "origin", str(repo.parent / "origin.git"))
    project = Project.open(repo)
    for name in ("kept", "gone"):
        run = ActiveRun.start(project, name=name, experiment="forest")
        run.log_bytes(name.encode() * 10_000, "model.bin")
        run.end()
    project.close()
    assert gtrack("push").code == 0
    (store / "ab" / "cd").mkdir(parents=True)
    (store / "ab" / "cd" / f"abcd{'0' * 60}").write_bytes(b"foreign")
    for command in ("rm gone", "gc --purge --yes", "push --purged"):
        assert gtrack(*command.split()).code == 0, command
    assert "'gtrack gc --store' shows" in gtrack("gc", "--apply").err
    (store / ".incoming" / "cut-off").write_bytes(b"cut")
    for path in (*store.glob("*/*/*"), *store.glob(".incoming/*")):
        os.utime(path, (0, 0))
    return store


def contents(store: Path) -> set[str]:
    return {path.read_bytes()[:4].decode() for path in store.glob("??/??/*")}


def test_shown_then_deleted(gtrack: RunCommand, store: Path) -> None:
    shown = gtrack("gc", "--store")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[0].split() == ["object", "size", "age", "run"]
    assert [line.split()[1] for line in lines[1:3]] == ["40000", "7"]
    assert lines[-5:] == [
        f"file://{store}",
        "  1 object (40 kB) needed",
        "  1 object (40 kB) of purged runs that nothing needs",
        "  1 upload (3 B) that nobody has finished, begun more than 1 day ago",
        "  1 object (7 B) that nothing here needs or has named",
    ]
    assert "'gtrack gc --store --apply' does it, for good." in shown.err
    assert "--unknown deletes it as well" in shown.err
    assert gtrack("gc", "--store", "--apply").code == 2
    assert contents(store) == {"kept", "gone", "fore"}
    done = gtrack("gc", "--store", "--apply", "--yes")
    assert done.out.splitlines()[-1] == f"Deleted 1 object (40 kB), and 1 unfinished upload from file://{store}."
    assert contents(store) == {"kept", "fore"}
    again = gtrack("gc", "--store", "--apply")
    assert "  nothing of purged runs that could go\n" in again.out
    assert (again.code, again.out.splitlines()[-1]) == (0, f"Deleted nothing from file://{store}.")
    assert gtrack("get", "kept", "-o", "out").code == 0
    assert gtrack("verify", "--all").code == 0
    assert contents(store) == {"kept", "fore"}


def test_json_says_all_of_it(gtrack: RunCommand, store: Path) -> None:
    done = json.loads(gtrack("gc", "--store", "--apply", "--unknown", "--yes", "--json").out)
    runs = [one["run"] for one in done["unneeded"]]
    assert (len(str(runs[0])), runs[1]) == (32, None)
    assert done == {
        "store": f"file://{store}",
        "needed": {"objects": 1, "bytes": 40_000},
        "young": {"objects": 0, "bytes": 0},
        "days": 1,
        "unfinished": {"objects": 1, "bytes": 3},
        "unneeded": [
            {"sha256": sha256, "bytes": size, "written": "1970-01-01T00:00:00.000000Z", "run": run}
            for sha256, size, run in zip(done["deleted"], (40_000, 7), runs, strict=True)
        ],
        "deleted": done["deleted"],
    }
    assert list((store / ".incoming").iterdir()) == []
    assert contents(store) == {"kept"}


def test_on_a_terminal_it_asks(repo: Path, store: Path) -> None:
    leader, follower = pty.openpty()
    os.write(leader, b"n\n")
    words = [*COMMAND, "gc", "--store", "--apply", "--unknown"]
    done = subprocess.run(words, cwd=repo, stdin=follower, stderr=follower, stdout=subprocess.PIPE, check=False)
    asked = os.read(leader, 65536)
    os.close(leader)
    os.close(follower)
    assert b"Delete 2 objects (40 kB) (1 of them may be another project's) from file://" in asked
    assert done.returncode == 1
    assert contents(store) == {"kept", "gone", "fore"}


def test_a_backup_is_told_of(gtrack: RunCommand, store: Path, repo: Path) -> None:
    settings = repo / ".gtrack" / "config.yaml"
    settings.write_text(settings.read_text().replace("backup_days: 0", "backup_days: 30"))
    assert [gtrack(*command.split()).code for command in ("rm kept", "gc --purge --yes", "push --purged")] == [0, 0, 0]
    shown = gtrack("gc", "--store")
    assert "  1 object (40 kB) needed\n" in shown.out
    assert "In this clone a backup still needs what was purged." in shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--unknown", "--unknown and --with belong to --store."),
        ("--store --purge", "First: gtrack gc --purge, gtrack push --purged."),
        ("--store", "There is no store: artifacts.remote is not set."),
    ],
)
def test_what_does_not_go_together_is_told(gtrack: RunCommand, words: str, said: str) -> None:
    done = gtrack("gc", *words.split())
    assert (done.code, said in done.err) == (2, True), done.err
