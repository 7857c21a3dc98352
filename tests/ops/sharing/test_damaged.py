"""Runs that came from somebody else and cannot be read are told by name, with what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import FormatError
from gtrack.formats.names import run_path
from gtrack.ops.edit import edit_tags
from gtrack.ops.sharing.pull import pull
from gtrack.ops.sharing.push import push
from gtrack.render.sharing import problems_of, pulled_data
from tests.ops.sharing.people import Person


@pytest.mark.usefixtures("bare")
def test_a_damaged_run_that_is_pulled_is_named_and_is_not_edited(ana: Person, ben: Person, tmp_path: Path) -> None:
    [good, bad] = ana.runs("good", "bad")
    place = tmp_path / "by-hand"
    ana.git("worktree", "add", "--quiet", str(place), "gtrack/runs")
    (place / run_path(bad.experiment, bad.id) / "run.yaml").write_text("name: [\n")
    ana.git("-C", str(place), "commit", "--quiet", "--all", "--message", "Tidy up")
    ana.git("worktree", "remove", str(place))
    push(ana.project)
    pulled = pull(ben.project)
    assert [one.run_id for one in pulled.damaged] == [bad.id]
    [said] = problems_of(pulled)
    assert said.startswith(f"Run churn/{bad.id[:8]} ({bad.id[:8]}) came and cannot be read: run.yaml is not valid YAML")
    assert said.endswith(f"See gtrack verify {bad.id[:8]}.")
    assert pulled_data(pulled)["damaged"][0]["run_id"] == bad.id
    with pytest.raises(FormatError, match=rf"Run {bad.id[:8]} .* is damaged and cannot be tagged: run.yaml .*verify"):
        edit_tags(ben.project, ben.project.store.run(bad.id), {"seen": "yes"})
    edit_tags(ben.project, ben.project.store.run(good.id), {"seen": "yes"})
