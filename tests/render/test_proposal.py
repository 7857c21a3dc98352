from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from gtrack.formats.stages_file import Wanted
from gtrack.ops.proposals.apply import Applied
from gtrack.ops.proposals.check import Check, Finding
from gtrack.ops.proposals.standing import Standing
from gtrack.records import Run
from gtrack.registry.policy import Verdict
from gtrack.render.data import to_json
from gtrack.render.proposal import MARK, applied_data, applied_text, check_data, check_markdown, write_check
from tests.render.conftest import ANA, CheckGolden, Draw, golden_name
from tests.render.registered_models import BO, HOSTILE, churn, two_versions


@pytest.fixture
def found(forests: list[Run]) -> Check:
    """Return a check of all that there can be: better, the first of a stage, emptied, unknown, hostile, done already."""
    model, _ = churn()
    one, two = model.versions[2], model.versions[3]
    verdicts = (
        Verdict("the run finished", met=True, found="finished"),
        Verdict("improves metrics.f1 by 0.005", met=False, found="f1 = 0.951 against 0.949 of v3 (+0.002)"),
    )
    beside = two_versions([forests[5], forests[1]])
    findings = (
        Finding(Wanted("churn", "production", "v4.0.0", "f1 0.95"), two, one, verdicts, forests[1], beside, author=ANA),
        Finding(Wanted("churn", "qa", "3"), one, None, verdicts[:1], forests[5], author=BO),
        Finding(Wanted("churn", "staging", None), None, two, verdicts[:1], author=BO),
        Finding(
            Wanted("chrun", "qa", "v1.0.0"), problem="No model 'chrun' is registered. Did you mean 'churn'?", author=BO
        ),
        Finding(Wanted("churn", "champion", "3", HOSTILE), one, one, already=True, author=HOSTILE),
    )
    return Check(findings, "origin/main", "ab" * 20, ("This branch changes what stages demand.",))


@pytest.mark.parametrize("width", [60, 120, None])
def test_what_was_judged(found: Check, draw: Draw, golden: CheckGolden, width: int | None) -> None:
    golden(golden_name("promote-check", width), draw(lambda console: write_check(console, found), width))


def test_other_formats(found: Check, golden: CheckGolden, now: datetime) -> None:
    golden("promote-check.md", check_markdown(found, now))
    golden("promote-check.json", to_json(check_data(found)))


def test_a_comment_is_no_longer_than_a_host_takes(found: Check, now: datetime) -> None:
    many = Check(found.findings[:1] * 40, None, "ab" * 20)
    text = check_markdown(many, now)
    assert text.startswith(MARK)
    assert len(text) < 65_536
    assert text.count("### ✗ churn v4 to production") == 40
    assert 0 < text.count("<details>") < 40


def test_many_metrics_are_cut_short(found: Check, forests: list[Run], now: datetime) -> None:
    run = replace(forests[5], metrics={f"class_{number}/f1": number / 100 for number in range(80)})
    text = check_markdown(replace(found, findings=(replace(found.findings[1], run=run),)), now)
    assert text.count("/f1 |") == 50
    assert "… and 30 further metrics" in text


def test_nothing_proposed_is_no_comment(now: datetime) -> None:
    assert check_markdown(Check((), "main", "ab" * 20), now) == ""
    assert "No promotion is proposed." in check_markdown(Check((), "main", "ab" * 20, ("Mind this.",)), now)


def test_what_became_of_each_entry() -> None:
    model, _ = churn()
    one, entry = model.versions[2], Wanted("churn", "production", "v3.0.0")

    def told(applied: Applied, *, dry_run: bool = False, remote: str | None = None) -> str:
        return applied_text(applied, dry_run=dry_run, remote=remote)[0]

    made = Applied(entry, Standing.OPEN, ("churn#production#4",), one)
    assert told(made) == "✓ churn v3 to production: churn#production#4"
    assert told(made, remote="origin") == "✓ churn v3 to production: churn#production#4, pushed to origin"
    assert told(made, dry_run=True) == "  churn v3 to production: would make churn#production#4"
    assert told(Applied(entry, Standing.OPEN, problem="No.")) == "✗ churn v3.0.0 to production: No."
    assert told(Applied(entry, Standing.DONE, version=one)) == "  churn v3 to production: it is so already"
    later = Applied(entry, Standing.OVERTAKEN, version=model.versions[3])
    said = "  churn v3.0.0 was in production since this was merged; v4 is there now and stays"
    assert told(later) == said
    emptied = Applied(Wanted("churn", "qa", None), Standing.OPEN, ("churn#qa!#5",), one)
    assert told(emptied) == "✓ nothing of churn in qa: churn#qa!#5"
    data = applied_data([later, emptied], dry_run=False)
    assert [(item["version"], item["wanted"], item["standing"]) for item in data["proposals"]] == [
        (4, "v3.0.0", "overtaken"),
        (3, None, "open"),
    ]
