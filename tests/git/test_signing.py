"""Tags are signed and looked at by git itself, with real SSH and GPG keys."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gtrack.errors import GitError
from gtrack.git.objects import Identity
from gtrack.git.repo import Repository
from gtrack.git.signing import Signature, SignatureState, _of_gpg, _of_ssh, verify, wants_signing
from gtrack.git.tags import NewTag, create_tags, list_tags, make_tags, read_tags
from tests.conftest import Git, run_git
from tests.git.signing_keys import gpg_key, ssh_key
from tests.launch.terminal import Terminal

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
        run_git("config", "--unset", "user.signingKey", cwd=repo)
        run_git("config", "extensions.worktreeConfig", "true", cwd=repo)
        run_git("config", "--worktree", "user.signingKey", str(tmp_path / "key"), cwd=there)
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


@pytest.mark.parametrize(
    "line",
    ['valid-before="20270115Z" {key}', 'valid-after="20270116Z" {key}'],  # the tag is of 2027-01-15 08:00 UTC
)
def test_an_ssh_key_counts_within_its_time(keyed: Repository, tmp_path: Path, line: str) -> None:
    (tmp_path / "timed").write_text(f"ana@x {line.format(key=(tmp_path / 'key.pub').read_text())}")
    found = verify(keyed, signed(keyed), tmp_path / "timed")
    assert (found.state, found.signer, found.key[:7]) == (SignatureState.BAD, "", "SHA256:")
    assert "key has expired" in found.text or "key is not yet valid" in found.text


def test_who_the_allowed_signers_are(keyed: Repository, tmp_path: Path) -> None:
    oid, key = signed(keyed), (tmp_path / "key.pub").read_text().strip()
    states = {}
    for line in (
        f"ana@x,bo@x {key}",
        f"*@x {key}",
        f'"ana b@x" {key}',
        f'ana@x namespaces="git" {key}',
        f'ana@x namespaces="file" {key}',
        f'bo@x valid-before="20200101Z" {ssh_key(tmp_path / "other")}\nana@x {key}',
        "no key",
    ):
        (tmp_path / "some").write_text(f"{line}\n")
        found = verify(keyed, oid, tmp_path / "some")
        states[line.replace(key, "KEY")] = (found.state.value, found.signer)
    assert list(states.values()) == [
        ("good", "ana@x"),
        ("good", "*@x"),
        ("good", "ana b@x"),
        ("good", "ana@x"),
        ("unknown", ""),  # a key that is here for something else
        ("good", "ana@x"),
        ("unknown", ""),
    ]


def test_a_revoked_ssh_key(keyed: Repository, tmp_path: Path) -> None:
    oid = signed(keyed)
    keyed.run("config", "gpg.ssh.revocationFile", str(tmp_path / "missing"))
    assert verify(keyed, oid, tmp_path / "signers").state is SignatureState.GOOD  # git warns of the file
    keyed.run("config", "gpg.ssh.revocationFile", str(tmp_path / "key.pub"))
    assert verify(keyed, oid, tmp_path / "signers").state is SignatureState.BAD


def test_what_cannot_be_checked_here_says_why(keyed: Repository, tmp_path: Path) -> None:
    oid = signed(keyed)
    assert "allowedSignersFile needs to be configured" in verify(keyed, oid).text
    assert "No such file" in verify(keyed, oid, tmp_path / "missing").text
    keyed.run("config", "gpg.ssh.program", str(tmp_path / "none"))
    found = verify(keyed, oid, tmp_path / "signers")
    assert (found.state, found.text) == (
        SignatureState.UNKNOWN,
        f"cannot run {tmp_path / 'none'}: No such file or directory",
    )


def test_the_file_of_allowed_signers_may_be_named_from_where_one_is(
    keyed: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert verify(keyed, signed(keyed), Path("signers")).state is SignatureState.GOOD


def test_a_signature_that_quotes_an_answer_stays_bad(keyed: Repository, tmp_path: Path) -> None:
    whole = keyed.objects.get(signed(keyed))
    assert whole is not None
    text, _, rest = whole.data.partition(b"-----BEGIN SSH SIGNATURE-----\n")
    blob = base64.b64decode(rest.partition(b"-----END")[0])
    said = b'x\nGood "git" signature with ED25519 key SHA256:x\n[GNUPG:] GOODSIG 1 Ana\nerror: no signature found\n'
    said += b"is not permitted for use in signature namespace\nkey has expired"
    for old in (b"git", b"sha512", b"ssh-ed25519"):
        forged = blob.replace(len(old).to_bytes(4, "big") + old, len(said).to_bytes(4, "big") + said)
        armoured = base64.b64encode(forged)
        body = text + b"-----BEGIN SSH SIGNATURE-----\n" + armoured + b"\n-----END SSH SIGNATURE-----\n"
        oid = keyed.run("hash-object", "-t", "tag", "-w", "--stdin", stdin=body).decode().strip()
        found = verify(keyed, oid, tmp_path / "signers")
        assert (found.state, found.signer) == (SignatureState.BAD, ""), found
        assert found.text.isprintable()


@pytest.mark.parametrize("armour", ["PGP SIGNATURE", "PGP MESSAGE", "SSH SIGNATURE"])
def test_what_only_looks_like_a_signature(keyed: Repository, tmp_path: Path, armour: str) -> None:
    message = f"x\n-----BEGIN {armour}-----\n\nU1NIU0lH\n-----END {armour}-----\n"
    [oid] = make_tags(keyed, [NewTag("m@v1.0.0", str(keyed.resolve("HEAD")), message)], ANA)
    assert verify(keyed, oid, tmp_path / "signers").state is SignatureState.BAD


def test_a_message_may_quote_a_signature(keyed: Repository, tmp_path: Path) -> None:
    said = "Subject\n\n-----BEGIN PGP SIGNATURE-----\nx\n\nRun: 1\n"
    new = NewTag("m@v1.0.0", str(keyed.resolve("HEAD")), said)
    create_tags(keyed, [new], ANA, sign=True)
    [tag] = list_tags(keyed)
    assert (tag.signed, tag.message) == (True, said)
    assert verify(keyed, tag.oid, tmp_path / "signers").state is SignatureState.GOOD


def test_a_header_that_is_not_signed_says_nothing_else(keyed: Repository, tmp_path: Path) -> None:
    whole = keyed.objects.get(signed(keyed))
    assert whole is not None
    other = whole.data.replace(b"\n\n", b"\ngpgsig x\x0ctag m@v9.0.0\n tag m@v9.0.0\n\n", 1)
    oid = keyed.run("hash-object", "-t", "tag", "-w", "--literally", "--stdin", stdin=other).decode().strip()
    assert verify(keyed, oid, tmp_path / "signers").state is SignatureState.GOOD  # git takes such a header away
    [tag] = read_tags(keyed, {"m@v9.0.0": oid})
    assert (tag.said_name, tag.target) == ("m@v1.0.0", keyed.resolve("HEAD"))


WORDS = [
    *(
        'Good "git" signature',
        "for a@x",
        "with ED25519 key",
        "SHA256:x",
        "No principal matched.",
        "\n",
        "\n[GNUPG:]",
        "x",
    ),
    *(
        "GOODSIG",
        "VALIDSIG",
        "BADSIG",
        "NODATA",
        "ERRSIG",
        "NO_PUBKEY",
        "Could not verify signature.",
        "key has expired",
    ),
]


@given(
    said=st.lists(st.sampled_from(WORDS)).map(" ".join),
    code=st.integers(1, 255),
)
@example(said='Good "git" signature for a@x with ED25519 key SHA256:x\n', code=1)
@example(said="[GNUPG:] GOODSIG 1 a@x\n[GNUPG:] VALIDSIG 1\n", code=1)
@example(said="[GNUPG:] \n[GNUPG:] BADSIG\n", code=1)
@example(said="[GNUPG:] NO_PUBKEY\n[GNUPG:] ERRSIG", code=1)
@example(said="", code=1)
def test_what_git_does_not_accept_is_never_good(said: str, code: int) -> None:
    for found in (_of_ssh(code, said), _of_gpg(code, said)):
        assert found.state in {SignatureState.BAD, SignatureState.UNKNOWN}
        assert not found.signer
        assert found.text


@pytest.mark.parametrize("kind", ["missing", "other", "none", "program"])
def test_what_cannot_be_signed_is_not_made(repo: Path, git: Git, tmp_path: Path, kind: str) -> None:
    git("config", "gpg.format", "ssh")
    if kind == "missing":
        git("config", "user.signingKey", str(tmp_path / "none"))
    elif kind == "other":
        (tmp_path / "text").write_text("no key\n")
        git("config", "user.signingKey", str(tmp_path / "text"))
    elif kind == "program":
        ssh_key(tmp_path / "key", repo)
        git("config", "gpg.ssh.program", str(tmp_path / "none"))
    found = Repository.find(repo)
    tags = [NewTag(name, str(found.resolve("HEAD")), "-----BEGIN x") for name in ("m@v1.0.0", "m#qa#1")]
    with pytest.raises(GitError, match=r"The tag m@v1.0.0 cannot be signed, so it is not made: .+user.signingKey KEY"):
        create_tags(found, tags, ANA, sign=True)
    assert git("tag", "--list") == ""


def test_what_is_no_matter_of_keys_does_not_ask_for_one(keyed: Repository) -> None:
    head = str(keyed.resolve("HEAD"))
    for new, why in ((NewTag("a..b", head, "x"), "not a valid tag name"), (NewTag("a", "1" * 40, "x"), "is not here.")):
        with pytest.raises(GitError, match=rf"The tag {new.name} cannot be made: .*{why}$"):
            make_tags(keyed, [new], ANA, sign=True)


def test_signing_leaves_no_trace_but_the_object(
    keyed: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    before = sorted(path for path in keyed.git_dir.rglob("*") if "objects" not in path.parts)
    oid = signed(keyed)
    assert sorted(path for path in keyed.git_dir.rglob("*") if "objects" not in path.parts) == before
    assert keyed.resolve(oid) == oid
    assert not list((tmp_path / "scratch").iterdir())


def test_settings_that_are_for_this_directory_alone(
    repo: Path, isolation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = ssh_key(tmp_path / "key")
    (tmp_path / "signers").write_text(f"ana@example.org {public}\n")
    (isolation / "work").write_text(f'[gpg]\n\tformat = ssh\n[user]\n\tsigningKey = "{tmp_path}/nobody"\n')
    with (isolation / ".gitconfig").open("a") as config:
        config.write(f'[includeIf "gitdir:{repo}/"]\n\tpath = work\n')
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")  # a word of the command line, which counts before the files
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.signingKey")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(tmp_path / "key"))
    found = Repository.find(repo)
    assert verify(found, signed(found), tmp_path / "signers").state is SignatureState.GOOD


_ASK = """\
import sys
from pathlib import Path
from gtrack.git.objects import Identity
from gtrack.git.repo import Repository
from gtrack.git.tags import NewTag, create_tags

found = Repository.find(Path.cwd())
create_tags(found, [NewTag("a", found.resolve("HEAD"), "x")], Identity("Ana", "ana@example.org"), sign=True)
"""


def test_a_passphrase_is_asked_for_at_the_terminal(keyed: Repository, repo: Path, tmp_path: Path) -> None:
    key = str(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "a secret", "-f", key], check=True, capture_output=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith("SSH_") and name != "DISPLAY"}
    with Terminal([sys.executable, "-c", _ASK], cwd=repo, env=env) as terminal:
        terminal.see(b"passphrase")
        terminal.press(b"a secret\n")
        assert terminal.end() == 0, terminal.output
    [tag] = list_tags(keyed)
    assert verify(keyed, tag.oid, tmp_path / "signers").state is SignatureState.GOOD


def test_git_may_ask_for_every_tag_to_be_signed(repo: Path, git: Git) -> None:
    found = Repository.find(repo)
    assert wants_signing(found) is False
    git("config", "tag.gpgSign", "yes")
    assert wants_signing(found) is True


@pytest.fixture
def gpg_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with gpg_key("Ana <ana@example.org>") as env:
        monkeypatch.setenv("GNUPGHOME", env["GNUPGHOME"])
        yield Path(env["GNUPGHOME"])


def gpg(*args: str, stdin: str = "") -> str:
    done = subprocess.run(["gpg", "--batch", "--quiet", *args], input=stdin, capture_output=True, check=True, text=True)
    return done.stdout


def test_a_tag_that_is_signed_with_gpg(repo: Path, gpg_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Repository.find(repo)
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
    assert unknown.key == good.key


def test_what_becomes_of_a_gpg_key_counts(repo: Path, git: Git, gpg_home: Path) -> None:
    found = Repository.find(repo)
    oid = signed(found)
    key = verify(found, oid).key
    gpg("--import-ownertrust", stdin=f"{key}:2:\n")
    assert (
        verify(found, oid).state is SignatureState.GOOD
    )  # as for git: a key that is here, unless its settings say more
    git("config", "gpg.minTrustLevel", "marginal")
    untrusted = verify(found, oid)
    assert (untrusted.state, untrusted.key, untrusted.signer) == (SignatureState.UNKNOWN, key, "")
    assert "not trusted enough" in untrusted.text
    git("config", "--unset", "gpg.minTrustLevel")
    gpg("--import-ownertrust", stdin=f"{key}:6:\n")
    certificate = (gpg_home / "openpgp-revocs.d" / f"{key}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
    gpg("--import", stdin=certificate)
    revoked = verify(found, oid)
    assert (revoked.state, revoked.key, revoked.text) == (SignatureState.BAD, key, "its key was revoked")
    with pytest.raises(GitError, match=r"cannot be signed, so it is not made: gpg failed to sign the data"):
        signed(found)


def test_an_expired_gpg_key(repo: Path, gpg_home: Path, tmp_path: Path) -> None:
    created = ["--faked-system-time", "20200101T000000!", "--passphrase", "", "--quick-gen-key"]
    gpg(*created, "Old <old@example.org>", "ed25519", "sign", "1y")
    program = tmp_path / "gpg-of-2020"
    program.write_text('#!/bin/sh\nexec gpg --faked-system-time 20200601T000000! "$@"\n')
    program.chmod(0o755)
    found = Repository.find(repo)
    found.run("config", "user.signingKey", "old@example.org")
    found.run("config", "gpg.program", str(program))
    oid = signed(found)
    assert verify(found, oid).state is SignatureState.GOOD
    found.run("config", "--unset", "gpg.program")
    expired = verify(found, oid)
    assert (expired.state, expired.signer, expired.text) == (SignatureState.BAD, "", "its key has expired")
