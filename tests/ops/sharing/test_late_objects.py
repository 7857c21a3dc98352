"""Whoever has published the branch with git alone sends the large artifacts by the next push."""

from __future__ import annotations

from pathlib import Path

from gtrack.ops.sharing.push import push
from gtrack.project import Project
from tests.ops.sharing.people import Person
from tests.ops.sharing.test_push_pull import RUNS


def test_a_push_with_nothing_new_sends_what_the_store_lacks(repo: Path, bare: Path, tmp_path: Path) -> None:
    (repo / ".gtrack").mkdir()
    (tmp_path / "store").mkdir()
    settings = f"system: {{interval_seconds: 0}}\nartifacts: {{lfs: ['*.bin'], remote: 'file://{tmp_path}/store'}}\n"
    (repo / ".gtrack" / "config.yaml").write_text(settings)
    ana = Person(repo)
    ana.runs("one")
    ana.git("push", "--quiet", "origin", RUNS)
    pushed = push(ana.project)
    assert (pushed.commits, pushed.large) == (False, 1)
    [there] = (tmp_path / "store").glob("*/*/*")
    assert there.read_bytes() == b"one"
    there.unlink()
    assert push(Project.open(repo)).large == 0  # it is not asked each time
    ana.runs("two")
    assert push(ana.project).large == 1
    assert push(ana.project).large == 0
    assert bare.is_dir()
