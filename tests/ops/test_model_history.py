"""The audit trail: what tags say, and whether those who signed them really did."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gtrack.git.signing import SignatureState
from gtrack.ops.model_history import UNSIGNED, model_history
from gtrack.project import Project
from gtrack.records import Run
from gtrack.registry.tag_names import Action
from tests.conftest import Git
from tests.ops.conftest import MakeRun, OpenProject


@pytest.fixture
def run(project: Project, make_run: MakeRun) -> Run:
    """Return the run of the only version of `churn`."""
    made = make_run("it", artifacts={"model/MLmodel": b"flavors: {}\n"})
    project.registry.register("churn", made.id, reason="the first")
    return made


@pytest.fixture
def key(git: Git, tmp_path: Path) -> Path:
    """Make git sign with a key of SSH, and return the file that says whose it is."""
    private = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(private)], check=True)
    git("config", "gpg.format", "ssh")
    git("config", "user.signingkey", str(private))
    allowed = tmp_path / "signers"
    allowed.write_text(f"ana@example.org {private.with_suffix('.pub').read_text()}")
    return allowed


@pytest.mark.usefixtures("run")
def test_the_newest_comes_first_with_what_the_tags_say(project: Project, git: Git) -> None:
    project.registry.assign("churn", 1, "production", reason="it is good")
    message = "By hand\n\nApproved-By: Bo <bo@x>\nApproved-By: Cy <cy@x>\nForced: metrics.f1 > 1\n"
    git("tag", "-a", "-m", message, "churn#staging#2", "churn@v1.0.0^{commit}")
    found = model_history(project, "churn")
    assert [one.event.action for one in found] == [Action.ASSIGN, Action.ASSIGN, Action.REGISTER]
    assert [one.event.reason for one in found] == [None, "it is good", "the first"]
    assert (found[0].approved, found[0].forced) == (("Bo <bo@x>", "Cy <cy@x>"), "metrics.f1 > 1")
    assert [one.signature for one in found] == [UNSIGNED] * 3
    assert model_history(project, "churn", 1) == found[:1]


@pytest.mark.usefixtures("run")
def test_signatures_are_verified(project: Project, key: Path, git: Git) -> None:
    git("tag", "-s", "-m", "by hand", "churn#staging#1", "churn@v1.0.0^{commit}")
    assert model_history(project, "churn")[0].signature.state is SignatureState.UNKNOWN
    git("config", "gpg.ssh.allowedSignersFile", str(key))
    signature = model_history(project, "churn")[0].signature
    assert (signature.state, signature.signer) == (SignatureState.GOOD, "ana@example.org")


@pytest.mark.usefixtures("run")
def test_the_settings_say_whose_signatures_count(
    project: Project, key: Path, git: Git, repo: Path, open_project: OpenProject
) -> None:
    git("tag", "-s", "-m", "by hand", "churn#staging#1", "churn@v1.0.0^{commit}")
    assert model_history(project, "churn")[0].signature.state is SignatureState.UNKNOWN
    (repo / "signers").write_text(key.read_text())
    (repo / ".gtrack").mkdir(exist_ok=True)
    (repo / ".gtrack" / "config.yaml").write_text("registry: {allowed_signers: signers}\n")
    assert model_history(open_project(), "churn")[0].signature.state is SignatureState.GOOD


@pytest.mark.usefixtures("run")
def test_a_signed_tag_under_another_name_is_a_bad_one(project: Project, key: Path, git: Git) -> None:
    git("config", "gpg.ssh.allowedSignersFile", str(key))
    git("tag", "-s", "-m", "by hand", "churn#staging#1", "churn@v1.0.0^{commit}")
    git("update-ref", "refs/tags/churn#production#2", git("rev-parse", "refs/tags/churn#staging#1"))
    replayed, signed, _ = model_history(project, "churn")
    assert (signed.event.stage, signed.signature.state) == ("staging", SignatureState.GOOD)
    assert (replayed.event.stage, replayed.signature.state) == ("production", SignatureState.BAD)
    assert replayed.signature.text == "what was signed is the tag churn#staging#1, not churn#production#2"
