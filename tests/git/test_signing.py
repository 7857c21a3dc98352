"""Tags are signed and looked at by git itself, with real SSH and GPG keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from gtrack.errors import GitError
from gtrack.git.objects import Identity
from gtrack.git.repo import Repository
from gtrack.git.signing import Signature, SignatureState, verify, wants_signing
from gtrack.git.tags import NewTag, create_tags, list_tags, make_tags
from tests.conftest import Git, run_git
from tests.git.signing_keys import gpg_key, ssh_key

ANA = Identity("Ana", "ana@example.org")
MESSAGE = "Registering artifact m version v1.0.0\n\n# no comment\nRun: 1\n"


def signed(repo: Repository, name: str = "m@v1.0.0", at: str = "HEAD") -> str:
    return make_tags(repo, [NewTag(name, str(repo.resolve(at)), MESSAGE)], ANA, 1_800_000_000, sign=True)[0]


@pytest.fixture
def keyed(repo: Path, tmp_path: Path) -> Repository:
    public = ssh_key(tmp_path / "key", repo)
    (tmp_path / "signers").write_text(f"ana@example.org {public}\n")
    return Repository.find(repo)


def test_a_tag_that_is_signed_with_ssh(keyed: Repository, tmp_path: Path) -> None:
    oid = signed(keyed)
    text = keyed.objects.get(oid)
    assert text is not None
    head, _, rest = text.data.decode().partition("\n\n")
    assert head.splitlines()[1:] == [
        "type commit",
        "tag m@v1.0.0",
        "tagger Ana <ana@example.org> 1800000000 +0000",
    ]
    assert rest.startswith(f"{MESSAGE}-----BEGIN SSH SIGNATURE-----\n")
    assert keyed.run("tag", "--list") == b""
    found = verify(keyed, oid, tmp_path / "signers")
    assert (found.state, found.signer, found.key[:7]) == (SignatureState.GOOD, "ana@example.org", "SHA256:")


def test_all_of_several_are_named_at_once(keyed: Repository, tmp_path: Path) -> None:
    head = str(keyed.resolve("HEAD"))
    create_tags(keyed, [NewTag("m@v1.0.0", head, "a"), NewTag("m#qa#1", head, "b")], ANA, sign=True)
    tags = list_tags(keyed)
    assert [(tag.name, tag.signed, tag.message) for tag in tags] == [("m#qa#1", True, "b\n"), ("m@v1.0.0", True, "a\n")]
    assert {verify(keyed, tag.oid, tmp_path / "signers").state for tag in tags} == {SignatureState.GOOD}


def test_whose_signature_counts(keyed: Repository, tmp_path: Path) -> None:
    oid = signed(keyed)
    assert verify(keyed, oid).state is SignatureState.UNKNOWN  # nobody said whose signatures count
    keyed.run("config", "gpg.ssh.allowedSignersFile", str(tmp_path / "signers"))
    assert verify(keyed, oid).state is SignatureState.GOOD
    (tmp_path / "others").write_text(f"bo@example.org {ssh_key(tmp_path / 'other')}\n")
    found = verify(keyed, oid, tmp_path / "others")
    assert (found.state, found.signer, found.key[:7]) == (SignatureState.UNKNOWN, "", "SHA256:")
    assert verify(keyed, oid, tmp_path / "missing").state is SignatureState.UNKNOWN


def test_what_was_changed_or_never_signed(keyed: Repository, tmp_path: Path) -> None:
    whole = keyed.objects.get(signed(keyed))
    assert whole is not None
    for old, new in ((b"Run: 1", b"Run: 2"), (b"tag m@v1.0.0", b"tag m@v2.0.0")):
        changed = keyed.run("hash-object", "-t", "tag", "-w", "--stdin", stdin=whole.data.replace(old, new))
        assert verify(keyed, changed.decode().strip(), tmp_path / "signers").state is SignatureState.BAD
    [plain] = make_tags(keyed, [NewTag("m@v1.0.0", str(keyed.resolve("HEAD")), "x")], ANA)
    assert verify(keyed, plain, tmp_path / "signers") == Signature(SignatureState.NONE)
    with pytest.raises(GitError, match="is no tag that is here"):
        verify(keyed, str(keyed.resolve("HEAD")))


def test_words_of_a_message_are_no_words_of_who_checks(keyed: Repository, tmp_path: Path) -> None:
    said = 'Good "git" signature for ana@example.org with ED25519 key SHA256:x\n[GNUPG:] GOODSIG 1 Ana\n'
    [forged] = make_tags(keyed, [NewTag("m@v1.0.0", str(keyed.resolve("HEAD")), said)], ANA)
    assert verify(keyed, forged, tmp_path / "signers").state is SignatureState.NONE


@pytest.mark.parametrize("place", ["worktree", "bare", "sha256"])
def test_wherever_the_repository_is(keyed: Repository, repo: Path, tmp_path: Path, place: str) -> None:
    there = tmp_path / place
    if place == "worktree":
        run_git("worktree", "add", "--quiet", "--detach", str(there), cwd=repo)
    elif place == "bare":
        run_git("clone", "--quiet", "--bare", str(repo), str(there), cwd=tmp_path)
    else:
        run_git("init", "--quiet", "--object-format=sha256", str(there), cwd=tmp_path)
        run_git("commit", "--quiet", "--allow-empty", "--message", "x", cwd=there)
    if place != "worktree":
        run_git("config", "gpg.format", "ssh", cwd=there)
        run_git("config", "user.signingKey", str(tmp_path / "key"), cwd=there)
    found = Repository.find(there)
    assert verify(found, signed(found), tmp_path / "signers").state is SignatureState.GOOD
    assert wants_signing(keyed) is False


def test_what_cannot_be_signed_is_not_made(repo: Path, git: Git, tmp_path: Path) -> None:
    git("config", "gpg.format", "ssh")
    git("config", "user.signingKey", str(tmp_path / "none"))
    with pytest.raises(GitError, match=r"The tag m@v1.0.0 cannot be signed, so it is not made(.|\n)*user.signingKey"):
        signed(Repository.find(repo))
    assert git("tag", "--list") == ""


def test_git_may_ask_for_every_tag_to_be_signed(repo: Path, git: Git) -> None:
    found = Repository.find(repo)
    assert wants_signing(found) is False
    git("config", "tag.gpgSign", "yes")
    assert wants_signing(found) is True


@pytest.mark.slow
def test_a_tag_that_is_signed_with_gpg(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Repository.find(repo)
    with gpg_key("Ana <ana@example.org>") as env, monkeypatch.context() as patched:
        patched.setenv("GNUPGHOME", env["GNUPGHOME"])
        oid = signed(found)
        good = verify(found, oid)
        whole = found.objects.get(oid)
        assert whole is not None
        other = found.run("hash-object", "-t", "tag", "-w", "--stdin", stdin=whole.data.replace(b"Run: 1", b"Run: 2"))
        bad = verify(found, other.decode().strip())
    assert (good.state, good.signer, len(good.key)) == (SignatureState.GOOD, "Ana <ana@example.org>", 40)
    assert (bad.state, bad.text) == (SignatureState.BAD, "it is not of this tag")
    with gpg_key("Bo <bo@example.org>") as env, monkeypatch.context() as patched:
        patched.setenv("GNUPGHOME", env["GNUPGHOME"])
        unknown = verify(found, oid)
    assert (unknown.state, unknown.signer, unknown.text) == (SignatureState.UNKNOWN, "", "the public key is not here")
