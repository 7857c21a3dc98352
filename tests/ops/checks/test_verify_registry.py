"""What verifying the registry finds in real repositories, and what it remembers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtrack.errors import FormatError
from gtrack.ops.checks.findings import Finding
from gtrack.ops.checks.known_state import KnownState, read_state, write_state
from gtrack.ops.checks.verify_registry import Verification, verify_registry
from gtrack.project import Project
from gtrack.records import ModelVersion, Run
from gtrack.registry.renaming import Renamed
from gtrack.registry.writing import Terms
from gtrack.writer import ActiveRun
from tests.conftest import IDENTITY, Git, run_git


@pytest.fixture
def project(repo: Path) -> Iterator[Project]:
    opened = Project.open(repo)
    yield opened
    opened.close()


def train(project: Project, f1: float = 0.9, status: str = "finished") -> Run:
    run = ActiveRun.start(project, experiment="churn study")
    run.log_metrics({"f1": f1})
    run.log_bytes(b"flavors: {}\n", "model/MLmodel")
    return run.end(status)


@pytest.fixture
def churn(project: Project) -> list[ModelVersion]:
    """Three versions of the model `churn`, of which the second is in production and the third in staging."""
    made = [project.registry.register("churn", train(project, f1).id) for f1 in (0.7, 0.8, 0.9)]
    project.registry.assign("churn", 1, "production", reason="the first")
    project.registry.assign("churn", 2, "production")
    project.registry.assign("churn", 3, "staging")
    return made


def told(findings: list[Finding]) -> list[str]:
    return [f"{one.tag}: {one.text}" for one in findings]


def verified(project: Project) -> Verification:
    return verify_registry(project)


def remade(git: Git, name: str, *, old: str, new: str, ref: str | None = None) -> None:
    """Put a tag object with another text in the place of a tag, or beside it under another name."""
    text = git("cat-file", "tag", name)
    assert old in text
    oid = git("mktag", stdin=text.replace(old, new))
    git("update-ref", f"refs/tags/{ref or name}", oid)


@pytest.mark.usefixtures("churn")
def test_a_registry_that_gtrack_wrote_is_as_it_should_be(project: Project) -> None:
    found = verified(project)
    assert found.findings == ()
    assert (found.tags, found.models, found.signatures, found.compared) == (6, 1, 0, None)
    assert verified(project).compared == 6


def test_no_registry_is_no_error(project: Project) -> None:
    assert verified(project) == Verification((), 0, 0, 0, None)


@pytest.mark.usefixtures("churn")
def test_a_lightweight_tag_is_an_error_and_one_of_another_tool_a_note(project: Project, git: Git) -> None:
    git("tag", "churn#production#4", "churn@v1.0.0^{commit}")
    git("tag", "-a", "-m", "x", "package@1.0.0", "main")
    found = verified(project)
    assert told(found.errors) == [
        "churn#production#4: it is a lightweight tag, which says neither who made it nor when; annotated ones count (git tag -a)"
    ]
    assert told(found.notes) == [
        "package@1.0.0: its name is not in the grammar of registry tags; it counts for nothing"
    ]


@pytest.mark.usefixtures("churn")
def test_a_tag_object_under_another_name_is_a_forged_promotion(project: Project, git: Git) -> None:
    git("update-ref", "refs/tags/churn#production#4", git("rev-parse", "churn#staging#3"))
    [error] = told(verified(project).errors)
    assert error == ("churn#production#4: its tag object says that it is 'churn#staging#3': a tag under another name")


@pytest.mark.usefixtures("churn")
def test_a_number_that_no_tag_has_is_an_error(project: Project, git: Git) -> None:
    git("tag", "-d", "churn#production#2")
    assert told(verified(project).errors) == ["churn: a tag is missing: number 2"]
    remade(git, "churn#staging#3", old="churn#staging#3", new="churn#staging#99", ref="churn#staging#99")
    assert "churn: tags are missing: none has the counters 4-98" in told(verified(project).errors)
    assert verify_registry(project, accept=True).errors == []
    assert verified(project).errors == []


@pytest.mark.usefixtures("churn")
def test_a_counter_of_any_size_is_read_at_once(project: Project, git: Git) -> None:
    name = f"churn#staging#{10**150}"
    remade(git, "churn#staging#3", old="churn#staging#3", new=name, ref=name)
    assert any("tags are missing: none has the counters 4-99" in text for text in told(verified(project).errors))


@pytest.mark.usefixtures("churn")
def test_one_number_of_two_stages_is_a_note(project: Project, git: Git) -> None:
    remade(git, "churn#staging#3", old="churn#staging#3", new="churn#shadow#3", ref="churn#shadow#3")
    found = verified(project)
    assert found.errors == []
    assert "counter 3 of churn is also that of churn#staging#3" in found.notes[0].text


@pytest.mark.usefixtures("churn")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Artifact: model", "Artifact: modle", "has no artifact 'modle' in its commit"),
        ("Artifact: model", "Artifact: ../../run.yaml", "has no artifact '../../run.yaml' in its commit"),
        (
            "Model-Version: 3",
            "Model-Version: 2",
            "it says that it is about version 2, and it is on the commit of version 3",
        ),
        ("Run: ", f"Run: {'a' * 32}\nWas: ", "it says that it is of run aaaaaaaa, and its commit"),
    ],
)
def test_a_tag_that_does_not_agree_with_its_commit_is_an_error(
    project: Project, git: Git, old: str, new: str, said: str
) -> None:
    remade(git, "churn#staging#3", old=old, new=new)
    assert any(said in text for text in told(verified(project).errors))


@pytest.mark.usefixtures("churn")
def test_metrics_that_the_run_does_not_have_are_a_note(project: Project, git: Git) -> None:
    remade(git, "churn#staging#3", old="Metrics: f1=0.9", new="Metrics: f1=0.99, auc=1")
    found = verified(project)
    assert found.errors == []
    assert told(found.notes) == [
        "churn#staging#3: it says f1=0.99, and its run has 0.9 in that commit",
        "churn#staging#3: it says auc=1, and its run has none in that commit",
    ]


@pytest.mark.usefixtures("churn")
def test_a_clone_of_the_tags_alone_is_told_what_to_fetch(git: Git, repo: Path, tmp_path: Path) -> None:
    where = tmp_path / "few"
    git("init", "--quiet", str(where))
    git("fetch", "--quiet", "--depth", "1", repo.as_uri(), "refs/tags/*:refs/tags/*", cwd=where)
    project = Project.open(where)
    assert verified(project).errors == []  # the tags bring their commits along
    objects = where / ".git" / "objects"
    oids = git("for-each-ref", "--format=%(objectname)", "refs/tags", cwd=where).split()
    texts = [git("cat-file", "tag", oid, cwd=where) + "\n" for oid in oids]
    project.close()
    shutil.rmtree(objects)
    objects.mkdir()
    assert [git("hash-object", "-w", "-t", "tag", "--stdin", cwd=where, stdin=text) for text in texts] == oids
    again = Project.open(where)
    errors = verified(again).errors
    again.close()
    assert {one.tag for one in errors} >= {"churn@v1.0.0", "churn#staging#3"}
    assert all("is not here" in one.text and "git fetch" in one.remedy for one in errors)


def test_a_version_of_a_code_commit_is_a_note(project: Project, git: Git) -> None:
    git("tag", "-a", "-m", "Registering artifact m version v1.0.0", "m@v1.0.0", "main")
    found = verified(project)
    assert found.errors == []
    assert "is that of no run" in found.notes[0].text


@pytest.mark.usefixtures("churn")
def test_a_run_that_never_was_on_the_runs_branch_is_a_note(project: Project, git: Git) -> None:
    message = git("log", "-1", "--format=%B", "churn@v3.0.0")
    forged = git(
        "commit-tree",
        "churn@v3.0.0^{tree}",
        "-p",
        "main",
        "-m",
        message,
        env={"GIT_COMMITTER_DATE": "1700000000 +0000"},
    )
    git("tag", "-a", "-m", "Registering", "other@v1.0.0", forged)
    found = verified(project)
    assert found.errors == []
    assert told(found.notes) == ["other@v1.0.0: its run never was on gtrack/runs, as far as that is here"]


@pytest.mark.usefixtures("churn")
def test_what_was_changed_or_removed_is_told_until_it_is_accepted(project: Project, git: Git) -> None:
    assert verified(project).errors == []
    git("tag", "-d", "churn#staging#3")
    remade(git, "churn#production#2", old=IDENTITY, new="Eve <eve@example.org>")
    git("tag", "-a", "-m", "Assigning", "churn#staging#4", "churn@v3.0.0^{commit}")
    for _ in range(2):
        found = told(verified(project).errors)
        assert len(found) == 2
        assert found[0].startswith("churn#production#2: it was changed since the last look: ")
        assert found[1].startswith("churn#staging#3: it was removed since the last look (it was ")
    accepted = verify_registry(project, accept=True)
    assert (len(accepted.errors), len(accepted.notes)) == (0, 2)
    assert verified(project).errors == []


@pytest.mark.usefixtures("churn")
def test_what_comes_back_is_no_error_any_more(project: Project, git: Git) -> None:
    verified(project)
    oid = git("rev-parse", "churn#staging#3")
    git("tag", "-d", "churn#staging#3")
    assert len(verified(project).errors) == 1
    git("update-ref", "refs/tags/churn#staging#3", oid)
    assert verified(project).findings == ()


@pytest.mark.usefixtures("churn")
def test_a_tag_that_was_renumbered_when_it_was_published_is_a_note(
    project: Project, repo: Path, git: Git, tmp_path: Path
) -> None:
    git("clone", "--quiet", "--mirror", str(repo), str(tmp_path / "hub.git"))
    git("clone", "--quiet", str(tmp_path / "hub.git"), str(tmp_path / "other"))
    git("remote", "add", "origin", str(tmp_path / "hub.git"))
    other = Project.open(tmp_path / "other")
    other.registry.assign("churn", 1, "staging", terms=Terms(remote="origin"))
    other.close()
    project.registry.assign("churn", 2, "staging")
    verified(project)  # while churn#staging#4 is only here, and another one is on the remote
    renumbered: list[Renamed] = []
    project.registry.assign("churn", 3, "production", terms=Terms(remote="origin", tell=renumbered.append))
    assert len(renumbered) == 1
    found = verified(project)
    assert found.errors == []
    assert told(found.notes) == [
        "churn#staging#4: what it was is churn#staging#5 now, as somebody else had published this name first"
    ]
    assert verified(project).findings == ()


@pytest.mark.usefixtures("churn")
def test_a_damaged_state_is_an_error_until_it_is_accepted(project: Project, repo: Path) -> None:
    verified(project)
    path = repo / ".git" / "gtrack" / "registry-state"
    path.write_text(path.read_text() + "who knows\n")
    for _ in range(2):
        [error] = verified(project).errors
        assert "registry-state, line 7, is not what 'gtrack verify' writes" in error.text
    assert verify_registry(project, accept=True).errors == []
    assert verified(project).findings == ()


def test_the_state_is_replaced_whole(project: Project, repo: Path) -> None:
    known = KnownState({"a@v1.0.0": "0" * 40, "a/b#c/d#1": "f" * 64}, frozenset({"a#2-7"}))
    write_state(project.repo, known)
    assert read_state(project.repo) == known
    assert [path.name for path in (repo / ".git" / "gtrack").glob("*registry-state*")] == ["registry-state"]
    (repo / ".git" / "gtrack" / "registry-state").write_text("0" * 40 + " a@v1")
    with pytest.raises(FormatError, match="is cut off"):
        read_state(project.repo)


@given(text=st.text(max_size=200))
def test_any_text_is_a_state_or_damaged(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    where = tmp_path_factory.getbasetemp() / "states"
    if not where.exists():
        where.mkdir()
        run_git("init", "--quiet", cwd=where)
    project = Project.open(where)
    (where / ".git" / "gtrack").mkdir(exist_ok=True)
    (where / ".git" / "gtrack" / "registry-state").write_text(text, encoding="utf-8", newline="")
    try:
        state = read_state(project.repo)
    except FormatError:
        return
    finally:
        project.close()
    assert state is not None
    assert len(state.tags) + len(state.missing) <= text.count("\n")


POLICY = """
registry:
  allowed_signers: signers
  stages:
    production: {requires: metrics.f1 >= 0.75, reason: true, signed: %s}
"""


def test_promotions_that_the_policy_would_not_have_are_notes(
    project: Project, churn: list[ModelVersion], repo: Path
) -> None:
    project.registry.assign("churn", train_failed(project), "shadow", terms=Terms(force=True))
    (repo / ".gtrack").mkdir(exist_ok=True)
    (repo / ".gtrack" / "config.yaml").write_text(POLICY % "false")
    again = Project.open(repo)
    found = verified(again)
    again.close()
    assert found.errors == []
    assert told(found.notes) == [
        "churn#production#1: production would not have it today: ✗ metrics.f1 >= 0.75: f1 = 0.7",
        "churn#production#2: production would not have it today: ✗ there is a reason: none: --reason TEXT",
    ]


def train_failed(project: Project) -> int:
    return project.registry.register("churn", train(project, 0.1, "failed").id).version


@pytest.mark.slow
@pytest.mark.usefixtures("churn")
def test_signatures_are_verified(project: Project, repo: Path, git: Git, tmp_path: Path) -> None:
    for name in ("key", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    git("config", "gpg.format", "ssh")
    git("config", "user.signingKey", str(tmp_path / "key"))
    public = " ".join((tmp_path / "key.pub").read_text().split()[:2])
    (repo / "signers").write_text(f"ana@example.org {public}\n")
    project.registry.assign("churn", 1, "production", reason="signed", terms=Terms(sign=True))
    git("config", "user.signingKey", str(tmp_path / "other"))
    project.registry.assign("churn", 3, "production", reason="signed", terms=Terms(sign=True))
    project.registry.assign("churn", 2, "staging", terms=Terms(sign=True))
    remade(git, "churn#staging#6", old="Model-Version: 2", new="Model-Version: 2\nReason: forged")
    (repo / ".gtrack").mkdir(exist_ok=True)
    (repo / ".gtrack" / "config.yaml").write_text(POLICY % "true")
    again = Project.open(repo)
    found = verified(again)
    again.close()
    errors = {one.tag: one.text for one in found.errors}
    assert set(errors) == {"churn#production#5", "churn#staging#6"}
    assert "the key is not among the allowed signers; production demands signatures" in errors["churn#production#5"]
    assert "its signature is bad" in errors["churn#staging#6"]
    assert found.signatures == 1
    notes = [text for text in told(found.notes) if text.startswith("churn#production#4")]
    assert notes == ["churn#production#4: production would not have it today: ✗ metrics.f1 >= 0.75: f1 = 0.7"]
