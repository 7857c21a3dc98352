"""Promotions are proposed in a file, judged by the settings of what it is merged into, and applied once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gtrack.errors import FormatError, GTrackError, InvalidName, ModelNotFound, UsageError
from gtrack.ops.proposals.apply import apply
from gtrack.ops.proposals.check import Check, check
from gtrack.ops.proposals.proposal import propose, propose_empty
from gtrack.ops.proposals.proposed import PATH
from gtrack.ops.proposals.standing import Standing
from gtrack.project import Project
from gtrack.records import Run
from tests.conftest import Git
from tests.git.signing_keys import ssh_key
from tests.ops.conftest import MakeRun, OpenProject

SETTINGS = """\
system: {interval_seconds: 0}
registry:
  stages:
    production: {requires: metrics.f1 >= 0.25, reason: true, approvals: 1, promoters: [ana@example.org]}
    staging: {}
"""
APPROVED = "Promote\n\nApproved-By: Bo <bo@example.org>\nReviewed-by: Ana <ana@example.org>"
LONG_AGO, FAR_OFF = "2026-01-03T00:00:00+00:00", "2099-01-01T00:00:00+00:00"

Commit = Callable[..., str]
Say = Callable[..., None]


@pytest.fixture
def commit(git: Git) -> Commit:
    """Return a function that commits all of `.gtrack`, at a time that is told, and returns the commit."""

    def make(message: str = "Propose", when: str = LONG_AGO, author: str = "Ana <ana@example.org>") -> str:
        git("add", ".gtrack")
        dates = {"GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
        git("commit", "--quiet", "--message", message, "--author", author, env=dates)
        return git("rev-parse", "HEAD")

    return make


@pytest.fixture
def versions(repo: Path, commit: Commit, make_run: MakeRun, project: Project, git: Git) -> list[Run]:
    """Return the runs of four versions of `churn`, with f1 from 0.1 to 0.4; a branch is checked out beside `main`."""
    (repo / ".gtrack").mkdir(exist_ok=True)
    (repo / ".gtrack" / "config.yaml").write_text(SETTINGS)
    commit("Settings")
    made = []
    for number in range(1, 5):
        metrics = {"f1": number / 10}
        made.append(make_run(f"forest-{number}", metrics=metrics, artifacts={"model/MLmodel": b"flavors: {}\n"}))
        project.registry.register("churn", made[-1].id)
    git("switch", "--quiet", "--create", "proposal")
    return made


@pytest.fixture
def say(repo: Path) -> Say:
    """Return a function that writes the file: model.stage=version or what it shall be."""

    def write(reason: str = "better", **stages: object) -> None:
        lines = [f"  {stage}: {{version: {version}, reason: {reason}}}\n" for stage, version in stages.items()]
        (repo / PATH).write_text("churn:\n" + "".join(lines))

    return write


def one(found: Check) -> tuple[int | None, bool, list[str]]:
    [finding] = found.findings
    version = finding.version.version if finding.version else None
    return version, finding.may, [verdict.condition for verdict in finding.verdicts if not verdict.met]


@pytest.mark.usefixtures("versions")
def test_a_proposal_is_written_and_judged_whatever_comes_of_that(open_project: OpenProject, repo: Path) -> None:
    project = open_project()
    found = propose(project, project.registry.find("churn", 1), "Production", reason=" first ")
    assert [str(verdict) for verdict in found.verdicts if not verdict.met] == [
        "✗ metrics.f1 >= 0.25: f1 = 0.1",
        "✗ 1 approval of somebody else: none",
    ]
    assert (found.changed, found.current, found.path) == (True, None, repo / PATH)
    text = (repo / PATH).read_text()
    assert text.endswith("churn:\n  production:\n    version: v1.0.0\n    reason: first\n")
    assert [path.name for path in (repo / ".gtrack").iterdir() if "part" in path.name] == []
    assert not propose(project, project.registry.find("churn", 1), "production", reason="first").changed
    assert propose(project, project.registry.find("churn", 2), "production", dry_run=True).changed
    assert (repo / PATH).read_text() == text
    assert project.registry.model("churn").stages == {}


@pytest.mark.usefixtures("versions")
def test_what_cannot_be_proposed_is_not_written(open_project: OpenProject, repo: Path, say: Say) -> None:
    project = open_project()
    version = project.registry.find("churn", 1)
    with pytest.raises(InvalidName):
        propose(project, version, "a b")
    with pytest.raises(UsageError, match="There is no stage 'prodution' yet"):
        propose(project, version, "prodution")
    with pytest.raises(ModelNotFound, match="No version of model churn is in the stage qa"):
        propose_empty(project, "churn", "qa")
    assert not (repo / PATH).exists()
    say(staging="latest")
    with pytest.raises(FormatError, match=r"stages\.yaml, line 2"):
        propose(project, version, "staging")


@pytest.mark.usefixtures("versions")
def test_a_stage_can_be_proposed_to_be_empty(open_project: OpenProject, repo: Path, commit: Commit) -> None:
    project = open_project()
    for number in (1, 2):
        project.registry.assign("churn", number, "staging")
    with pytest.raises(UsageError, match=r"v2 of churn is in staging, too"):
        propose_empty(project, "churn", "staging", version=project.registry.find("churn", 1))
    with pytest.raises(ModelNotFound, match="churn v3 is not in staging"):
        propose_empty(project, "churn", "staging", version=project.registry.find("churn", 3))
    assert propose_empty(project, "churn", "staging").entry.version is None
    assert (repo / PATH).read_text().endswith("churn:\n  staging:\n    version: null\n")
    commit(when=FAR_OFF)
    assert one(check(project, base="main")) == (None, True, [])
    assert apply(project, dry_run=True)[0].tags == ("churn#staging!",)
    assert apply(project)[0].tags == ("churn#staging!#3", "churn#staging!#4")
    assert project.registry.model("churn").in_stage("staging") is None
    assert apply(project)[0].standing is Standing.DONE


@pytest.mark.usefixtures("versions")
def test_what_differs_from_the_base_is_judged(open_project: OpenProject, say: Say, commit: Commit, git: Git) -> None:
    project = open_project()
    git("switch", "--quiet", "main")
    say(staging=1)
    commit()
    git("switch", "--quiet", "proposal")
    git("merge", "--quiet", "main")
    say(staging=1, production="v3.0.0")
    commit(APPROVED)
    found = check(project, base="main")
    assert one(found) == (3, True, [])
    assert (found.may, found.judged_by, found.base) == (True, git("rev-parse", "main"), "main")
    [finding] = found.findings
    assert (finding.author, finding.current) == ("Ana <ana@example.org>", None)
    assert str(finding.verdicts[-2]) == "✓ 1 approval of somebody else: Bo <bo@example.org>"
    assert finding.run is not None
    assert finding.run.metrics == {"f1": 0.3}
    assert [two.entry.stage for two in check(project).findings] == ["staging", "production"]


@pytest.mark.usefixtures("versions")
def test_the_candidate_is_compared_with_what_is_there(open_project: OpenProject, say: Say, commit: Commit) -> None:
    project = open_project()
    project.registry.assign("churn", 2, "staging")
    say(staging=4)
    commit()
    [finding] = check(project, base="main").findings
    assert finding.comparison is not None
    [row] = finding.comparison.comparison.metrics
    assert (row.name, row.values) == ("f1", (0.2, 0.4))
    assert finding.current is not None
    assert finding.current.version == 2


@pytest.mark.usefixtures("versions")
def test_a_branch_cannot_relax_what_judges_it(open_project: OpenProject, repo: Path, say: Say, commit: Commit) -> None:
    project = open_project()
    (repo / ".gtrack" / "config.yaml").write_text("system: {interval_seconds: 0}\n")
    commit("Relax")
    say(production=1)
    commit(APPROVED)
    found = check(project, base="main")
    assert one(found) == (1, False, ["metrics.f1 >= 0.25"])
    assert found.notes == (
        "This branch changes what stages demand. They demand here what they did before; the change counts once it is merged.",
    )
    [applied] = apply(project, base="main")
    assert "1 of 5 conditions are not met" in applied.problem
    assert project.registry.model("churn").stages == {}
    assert apply(project)[0].tags == ("churn#production#1",)


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize(
    ("message", "author", "unmet"),
    [
        ("x", "Ana <ana@example.org>", ["1 approval of somebody else"]),
        ("x\n\nApproved-By: Ana <ANA@example.org>", "Ana <ana@example.org>", ["1 approval of somebody else"]),
        ("x\n\napproved-by: Bo <bo@x>", "Bo <bo@x>", ["1 approval of somebody else", "promoted by ana@example.org"]),
        ("x\n\nreviewed-by: Ana <ana@example.org>", "Bo <bo@x>", ["promoted by ana@example.org"]),
    ],
    ids=["nobody", "herself", "himself", "another"],
)
def test_who_proposes_is_who_wrote_the_commit(
    open_project: OpenProject, say: Say, commit: Commit, message: str, author: str, unmet: list[str]
) -> None:
    project = open_project()
    say(production=3)
    commit(message, author=author)
    assert one(check(project, base="main"))[2] == unmet


@pytest.mark.usefixtures("versions")
def test_who_touched_the_file_does_not_approve(open_project: OpenProject, say: Say, commit: Commit) -> None:
    project = open_project()
    say(production=2)
    commit("x", author="Bo <bo@example.org>")
    say(production=3)
    commit(APPROVED)
    assert one(check(project, base="main"))[2] == ["1 approval of somebody else"]
    assert one(check(project, base="main", approvals=["cleo"]))[2] == []


@pytest.mark.usefixtures("versions")
@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ({"staging": 7}, "has no version 7"),
        ({"staging": "v4.0.1"}, "Did you mean 'v4.0.0'?"),
        ({"prodution": 3}, "There is no stage 'prodution' yet, but 'production'"),
    ],
)
def test_what_names_nothing_is_not_to_be_merged(
    open_project: OpenProject, say: Say, commit: Commit, stages: dict[str, object], said: str
) -> None:
    project = open_project()
    say(**stages)
    commit()
    found = check(project, base="main")
    assert not found.may
    assert said in found.findings[0].problem
    [applied] = apply(project)
    assert said in applied.problem


@pytest.mark.usefixtures("versions")
def test_lightweight_tags_are_told_of(open_project: OpenProject, say: Say, commit: Commit, git: Git) -> None:
    project = open_project()
    at = git("rev-parse", "churn@v4.0.0^{commit}")
    git("tag", "--delete", "churn@v4.0.0")
    git("tag", "churn@v4.0.0", at)
    say(staging=4)
    commit()
    [finding] = check(project, base="main").findings
    assert "The tag churn@v4.0.0 is passed over" in finding.problem
    assert "git fetch --force origin 'refs/tags/*:refs/tags/*'" in finding.problem


@pytest.mark.usefixtures("versions")
def test_what_stands_there_no_longer_is_told(
    open_project: OpenProject, repo: Path, say: Say, commit: Commit, git: Git
) -> None:
    project = open_project()
    git("switch", "--quiet", "main")
    say(staging=1, production=3)
    commit()
    git("switch", "--quiet", "proposal")
    git("merge", "--quiet", "main")
    say(staging=1)
    commit()
    say(staging=2)
    found = check(project, base="main")
    assert found.findings == ()
    assert [note.partition(";")[0] for note in found.notes] == [
        f"{PATH} in the working tree says something else than that of HEAD: what is not committed is not looked at.",
        "churn is no longer named for production",
    ]
    (repo / PATH).write_text("a: 1")
    assert (
        check(project, base="main").notes[0].startswith("What is not committed is not looked at, and cannot be read:")
    )


@pytest.mark.usefixtures("versions")
def test_each_entry_is_applied_on_its_own_and_once(
    open_project: OpenProject, repo: Path, say: Say, commit: Commit, git: Git
) -> None:
    project = open_project()
    say(staging=2, production=1)
    commit(APPROVED, author="Ana <ana@example.org>")
    say(staging=3, production=4)
    assert [two.tags for two in apply(project, dry_run=True)] == [("churn#staging#1",), ()]
    assert git("tag", "--list", "churn#*") == ""
    done, failed = apply(project)
    assert (done.tags, done.problem) == (("churn#staging#1",), "")
    assert [str(verdict) for verdict in failed.verdicts if not verdict.met] == ["✗ metrics.f1 >= 0.25: f1 = 0.1"]
    assert git("tag", "--list", "churn#*") == "churn#staging#1"
    shown = git("cat-file", "tag", "churn#staging#1")
    assert "tagger Ana <ana@example.org>" in shown
    assert "Reason: better\nApproved-By: Bo <bo@example.org>" in shown
    assert [two.standing for two in apply(project)] == [Standing.DONE, Standing.OPEN]
    assert git("tag", "--list", "churn#*") == "churn#staging#1"


@pytest.mark.usefixtures("versions")
def test_what_was_undone_by_hand_since_the_merge_stays_so(open_project: OpenProject, say: Say, commit: Commit) -> None:
    project = open_project()
    say(staging=3)
    commit(when=LONG_AGO)
    assert apply(project)[0].tags == ("churn#staging#1",)
    project.registry.assign("churn", 2, "staging", reason="rollback")
    [again] = apply(project)
    assert (again.standing, again.tags) == (Standing.OVERTAKEN, ())
    assert again.version is not None
    assert again.version.version == 2
    assert check(project).findings == ()
    say(staging=3, reason="mended")
    commit(when=FAR_OFF)
    assert apply(project)[0].tags == ("churn#staging#3",)


@pytest.mark.usefixtures("versions")
def test_approvals_from_outside_are_for_what_is_new(open_project: OpenProject, say: Say, commit: Commit) -> None:
    project = open_project()
    say(production=3)
    before = commit("Unapproved")
    assert "conditions are not met" in apply(project, base="main")[0].problem
    say(production=3, staging=2)
    commit("Another")
    old, new = apply(project, base=before, approvals=["bo"])
    assert (bool(old.problem), new.tags) == (True, ("churn#staging#1",))
    assert apply(project, base="main", approvals=["bo"])[0].tags == ("churn#production#2",)


@pytest.mark.usefixtures("versions")
def test_a_history_that_is_cut_off_says_what_to_fetch(
    open_project: OpenProject, say: Say, commit: Commit, git: Git, tmp_path: Path
) -> None:
    say(staging=3)
    commit()
    shallow = tmp_path / "shallow"
    git("clone", "--quiet", "--depth", "1", "--branch", "proposal", f"file://{Path.cwd()}", str(shallow))
    project = open_project(shallow)
    everything = (
        "git fetch --force --unshallow origin '+refs/heads/main:refs/remotes/origin/main' 'refs/tags/*:refs/tags/*'"
    )
    with pytest.raises(GTrackError, match="origin/main names no commit in this clone") as error:
        check(project, base="origin/main")
    assert everything in str(error.value)
    with pytest.raises(GTrackError, match="cannot be told who proposed churn for staging"):
        apply(project)
    git("fetch", "--quiet", "--depth", "1", "origin", "+refs/heads/main:refs/remotes/origin/main", cwd=shallow)
    with pytest.raises(GTrackError, match="from where HEAD and origin/main went apart: the history is cut off"):
        check(project, base="origin/main")
    git("fetch", "--force", "--unshallow", "origin", "refs/tags/*:refs/tags/*", cwd=shallow)
    assert one(check(open_project(shallow), base="origin/main")) == (3, True, [])


def test_nothing_is_proposed_where_there_is_nothing(open_project: OpenProject, repo: Path) -> None:
    project = open_project()
    assert check(project, base="main").findings == ()
    assert apply(project) == []
    with pytest.raises(GTrackError, match="nowhere names no commit in this clone"):
        check(project, base="nowhere")


def test_one_stage_is_not_asked_for_twice(open_project: OpenProject, repo: Path, commit: Commit) -> None:
    (repo / ".gtrack").mkdir()
    (repo / PATH).write_text("churn:\n  Production: {version: 1}\n  production: {version: 2}\n")
    commit()
    with pytest.raises(FormatError, match=r"line 3: churn.production is the stage of line 2 once more"):
        check(open_project())
    (repo / PATH).write_text("a b:\n  production: {version: 1}\n")
    commit()
    with pytest.raises(FormatError, match=r"line 2: 'a b' cannot name a model"):
        check(open_project())


@pytest.mark.usefixtures("versions")
def test_a_key_that_came_with_the_proposal_does_not_count(
    open_project: OpenProject, repo: Path, say: Say, commit: Commit, git: Git, tmp_path: Path
) -> None:
    public = ssh_key(tmp_path / "key", repo)
    (repo / ".gtrack" / "config.yaml").write_text(
        "registry: {allowed_signers: .gtrack/signers, stages: {production: {signed: true}}}\n"
    )
    (repo / ".gtrack" / "signers").write_text("")
    before = commit("Demand a signature")
    (repo / ".gtrack" / "signers").write_text(f"ana@example.org {public}\n")
    say(production=1)
    commit("Add a key, and use it")
    project = open_project()
    assert one(check(project, base=before)) == (1, True, [])  # whether the tag will be signed well cannot be told yet
    [refused] = apply(project, base=before)
    assert next(str(verdict) for verdict in refused.verdicts if not verdict.met).startswith("✗ the promotion is signed")
    assert git("tag", "--list", "churn#*") == ""
    [done] = apply(project)
    assert (done.problem, done.tags) == ("", ("churn#production#1",))
    assert "BEGIN SSH SIGNATURE" in git("cat-file", "tag", "churn#production#1")
