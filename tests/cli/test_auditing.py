"""``gtrack audit`` and ``gtrack doctor``."""

from __future__ import annotations

import json
from pathlib import Path

from gtrack.records import Run
from tests.cli.conftest import RunCommand
from tests.conftest import IDENTITY, Git


def test_audit_tells_who_did_what_the_newest_first(gtrack: RunCommand, runs: list[Run], git: Git) -> None:
    gtrack("tag", "first", "reviewed=yes")
    gtrack("rm", "second")
    lines = gtrack("audit").out.splitlines()
    assert lines[0].split() == ["when", "who", "did", "run", "what", "experiment", "commit/tag"]
    assert [line.split(IDENTITY)[1].split()[:2] for line in lines[1:3]] == [["removed", "second"], ["edited", "first"]]
    assert lines[1].endswith(git("rev-parse", "gtrack/runs"))
    found = json.loads(gtrack("audit", "--run", "first", "--json").out)
    assert [(one["action"], one["what"]) for one in found] == [("edited", "tag reviewed=yes"), ("created", "")]
    assert {run["id"] for one in found for run in one["runs"]} == {runs[0].id}
    assert len(gtrack("audit", "-n", "2").out.splitlines()) == 3
    assert gtrack("audit", "--until", "2001-01-01").out == "Nothing was done, as far as that is known here.\n"
    assert gtrack("audit", "--since", "soon").code == 2
    assert gtrack("audit", "--since", "2026-11-02", "--until", "2026-11-01").code == 2
    done = gtrack("audit", "--experiment", "nosuch")
    assert (done.code, "No experiment 'nosuch'" in done.err) == (1, True)
    assert gtrack("audit", "--model", "nosuch").code == 1


def test_doctor_ends_with_1_when_something_is_broken(gtrack: RunCommand, repo: Path, runs: list[Run]) -> None:
    assert runs
    done = gtrack("doctor")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "1 thing worth knowing"
    (repo / ".gtrack").mkdir(exist_ok=True)
    (repo / ".gtrack" / "config.yaml").write_text("nonsense: 1\n")
    done = gtrack("doctor")
    assert (done.code, done.err) == (1, "Error: 1 thing to mend.\n")
    assert any(line.startswith("✗ settings") for line in done.out.splitlines())
    found = json.loads(gtrack("doctor", "--json").out)
    assert (found["broken"], found["noted"]) == (1, 1)
    assert {one["state"] for one in found["symptoms"]} == {"well", "noted", "broken"}
