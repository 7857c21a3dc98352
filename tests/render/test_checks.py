"""``gtrack verify``, ``audit`` and ``doctor`` at several widths."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from gtrack.ops.checks.audit import Deed, Subject
from gtrack.ops.checks.faults import DAMAGED, STRANGE, Fault, remark, wrong
from gtrack.ops.checks.findings import Severity
from gtrack.ops.checks.symptoms import Diagnosis, broken, noted, well
from gtrack.ops.checks.verify_runs import RunVerification
from gtrack.render.audit import audit_data, write_audit
from gtrack.render.data import to_json
from gtrack.render.doctor import diagnosis_data, write_diagnosis
from gtrack.render.verification import run_verification_data, write_run_verification
from tests.render.conftest import ANA, NOW, WIDTHS, CheckGolden, Draw, golden_name

MALLORY = "Mallory <mallory@example.org>"
RUN = f"churn/{'a' * 32}"


def some_faults() -> RunVerification:
    by = f"0123456789 by {MALLORY}, 2026-11-22 20:00:00 UTC"
    rewrote = Fault(Severity.ERROR, by, "it removes parts of runs", STRANGE, "0" * 40, MALLORY, "2026-11-22T20:00:00Z")
    damaged = [wrong(f"churn/{number:032x}", "run.yaml lacks id", DAMAGED) for number in range(25)]
    odd = wrong("experiments/\x1b]0;owned\x07", "a symbolic link", DAMAGED)
    return RunVerification((*damaged, odd, rewrote, remark(RUN, "it has not ended")), 1200, 1300, 2, "gtrack/runs")


def some_deeds() -> list[Deed]:
    run = Subject("a" * 32, "RandomForest_Classification", "calm-otter-12")
    odd = Subject("b" * 32, "churn", "odd\x1b[31m\n")
    more = tuple(Subject(f"{number:032x}", "churn") for number in range(12))
    minutes = [NOW - timedelta(minutes=number) for number in range(6)]
    forest = "RandomForest_Classification"
    return [
        Deed(minutes[0], ANA, "promoted", "churn v3 production: best f1", (run,), "", "churn", "churn#production#4"),
        Deed(
            minutes[1],
            ANA,
            "edited",
            "tag reviewed=yes, data=2026-10; added plots/roc.png",
            (run,),
            forest,
            None,
            "c" * 40,
        ),
        Deed(minutes[2], MALLORY, "removed", "failures", more, "churn", None, "d" * 40),
        Deed(minutes[3], MALLORY, "created", "", (odd,), "churn", None, "e" * 40),
        Deed(minutes[4], ANA, "merged", "Merge 12 runs of origin", more, "", None, "f" * 40),
        Deed(minutes[5], ANA, "purged", "", more[:1], "", None, "1" * 40),
    ]


def some_symptoms() -> Diagnosis:
    return Diagnosis(
        (
            well("git", "git version 2.39.5"),
            broken("settings", "unknown key 'branc'.", "edit .gtrack/config.yaml"),
            noted("remote origin", "reachable; gtrack/runs is 3 commits ahead of it", "gtrack push origin"),
            well("size", "1 loose object"),
            noted("size", "left over: \x1b[31m", "git prune"),
        )
    )


def test_verification(golden: CheckGolden, draw: Draw) -> None:
    golden("verify-runs.80.txt", draw(lambda console: write_run_verification(console, some_faults()), 80))
    golden("verify-runs.json", to_json(run_verification_data(some_faults())))


@pytest.mark.parametrize("width", WIDTHS)
def test_audit(golden: CheckGolden, draw: Draw, width: int | None) -> None:
    text = draw(lambda console: write_audit(console, some_deeds(), timezone.utc, more=True), width)
    golden(golden_name("audit", width), text)
    assert width is None or all(len(line) <= width for line in text.splitlines())


def test_audit_data(golden: CheckGolden) -> None:
    golden("audit.json", to_json(audit_data(some_deeds()[:3])))


def test_doctor(golden: CheckGolden, draw: Draw) -> None:
    golden("doctor.80.txt", draw(lambda console: write_diagnosis(console, some_symptoms()), 80))
    golden("doctor.json", to_json(diagnosis_data(some_symptoms())))
    assert draw(lambda console: write_diagnosis(console, Diagnosis((well("git", "2.39"),))), None).endswith(
        "\nAll is as it should be\n"
    )
