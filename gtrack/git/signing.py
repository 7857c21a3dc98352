"""Signatures of tags: made and looked at by git itself, with whatever its settings say (SSH, GPG, X.509).

git can only sign a tag that it names at once. So that a tag is whole before anybody sees it, git names it in a scratch git
directory, which shares the objects and the settings of the repository and has refs of its own.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from gtrack.errors import GitError

if TYPE_CHECKING:
    from gtrack.git.objects import Identity
    from gtrack.git.repo import Repository

_GPG_STATUS = "[GNUPG:] "
_GPG_BAD = frozenset({"BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"})
# What `ssh-keygen -Y verify` says: https://man.openbsd.org/ssh-keygen, and gpg-interface.c of git.
_SSH_GOOD = re.compile(r'^Good "git" signature for (?P<signer>.+) with \S+ key (?P<key>SHA256:\S+)$', re.MULTILINE)
_SSH_OF_NOBODY = re.compile(r'^Good "git" signature with \S+ key (?P<key>SHA256:\S+)$', re.MULTILINE)
_SSH_BAD = re.compile(r"^Signature verification failed|incorrect signature|^Could not verify signature", re.MULTILINE)
_LONGEST = 200


class SignatureState(str, Enum):
    """What is known of a signature."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    NONE = "none"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Signature:
    """What git says of the signature of a tag.

    Attributes:
        state: ``GOOD`` of somebody who is known here; ``BAD``: it is not of this tag, or by a key that is expired or revoked;
            ``UNKNOWN``: nobody known here made it, or it cannot be checked here; ``NONE``: there is none.
        signer: the principal of the allowed signers file, or GPG's user id; of a good signature alone.
        key: ``SHA256:…``, or the fingerprint of a GPG key.
        text: why it is not good, in the words of who checked it.
    """

    state: SignatureState
    signer: str = ""
    key: str = ""
    text: str = ""


def wants_signing(repo: Repository) -> bool:
    """Tell whether git's settings ask for every tag to be signed (``tag.gpgSign``)."""
    said = repo.run("config", "--type=bool", "--get", "tag.gpgSign", ok=(0, 1)).strip()
    return said == b"true"


def signed_tag(repo: Repository, name: str, target: str, message: str, identity: Identity, seconds: int) -> str:
    """Make a signed tag object, which has no name yet, and return its id.

    Args:
        repo: the repository.
        name: what it is to be called.
        target: the commit that it is about.
        message: likewise.
        identity: the tagger; without ``user.signingKey`` GPG looks for a key of that address.
        seconds: when, since the epoch.

    Raises:
        GitError: it cannot be signed; the message says why, and what to set.
    """
    with tempfile.TemporaryDirectory(prefix="gtrack-sign-") as directory:
        scratch = Path(directory)
        for folder in ("objects", "refs"):
            (scratch / folder).mkdir()
        (scratch / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
        (scratch / "config").write_text(_settings(repo), encoding="utf-8", errors="surrogateescape")
        env = {
            **identity.environment(),
            "GIT_COMMITTER_DATE": f"{seconds} +0000",
            "GIT_DIR": str(scratch),
            "GIT_OBJECT_DIRECTORY": str(repo.common_dir / "objects"),
        }
        command = ("tag", "--sign", "--cleanup=verbatim", "--file=-", "--", name, target)
        code, _, err = repo.answer(*command, stdin=message.encode(errors="replace"), env=env)
        made, oid, _ = repo.answer("rev-parse", "--verify", "--quiet", f"refs/tags/{name}", env=env)
        found = repo.objects.get(oid.decode().strip()) if code == made == 0 else None
        # git 2.39 makes the tag without a signature, and says that all is well, where ssh-keygen finds no key.
        if found is None or b"\n-----BEGIN " not in found.data:
            said = " ".join(err.decode(errors="replace").split()) or "git says nothing"
            raise GitError(
                f"The tag {name} cannot be signed, so it is not made: {said} Signing needs a key: git config user.signingKey "
                "KEY, and with an SSH key git config gpg.format ssh. --no-sign makes a tag without."
            )
        return found.oid


def _settings(repo: Repository) -> str:
    """Return the settings of the scratch directory: those of the repository, and what git must know of its objects."""
    sha256 = len(repo.null_oid) > 40
    format_version = "1\n[extensions]\n\tobjectFormat = sha256" if sha256 else "0"
    own = [repo.common_dir / "config", repo.git_dir / "config.worktree"]
    included = "".join(f'[include]\n\tpath = "{_quoted(path)}"\n' for path in own if path.exists())
    # The last word counts: the settings that are included say that there is a working tree.
    return f"{included}[core]\n\tbare = true\n\trepositoryformatversion = {format_version}\n"


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')


def verify(repo: Repository, oid: str, allowed_signers: Path | None = None) -> Signature:
    """Return what git says of the signature of a tag object.

    Args:
        repo: the repository.
        oid: id of the tag object.
        allowed_signers: whose SSH signatures count; as git's ``gpg.ssh.allowedSignersFile`` says, when None.

    Raises:
        GitError: there is no such tag object.
    """
    found = repo.objects.get(oid)
    if found is None or found.kind != "tag":
        raise GitError(f"{oid[:12]} is no tag that is here, so there is no signature to be looked at.")
    signers = [] if allowed_signers is None else ["-c", f"gpg.ssh.allowedSignersFile={os.fspath(allowed_signers)}"]
    code, _, said = repo.answer(*signers, "verify-tag", "--raw", "--", oid)
    return _read(code, said.decode(errors="replace"))


def _read(code: int, said: str) -> Signature:
    lines = [line.removeprefix(_GPG_STATUS) for line in said.splitlines() if line.startswith(_GPG_STATUS)]
    if lines:
        return _of_gpg(code, [line.split(" ") for line in lines])
    good = _SSH_GOOD.search(said)
    if good and code == 0:
        return Signature(SignatureState.GOOD, good["signer"], good["key"])
    text = " ".join(said.removeprefix("error: ").split())[:_LONGEST]
    if "no signature found" in said:
        return Signature(SignatureState.NONE)
    nobody = _SSH_OF_NOBODY.search(said)
    if nobody:
        return Signature(SignatureState.UNKNOWN, key=nobody["key"], text="the key is not among the allowed signers")
    if _SSH_BAD.search(said):
        return Signature(SignatureState.BAD, text=text)
    return Signature(SignatureState.UNKNOWN, text=text)


def _of_gpg(code: int, lines: list[list[str]]) -> Signature:
    """Read GPG's status lines: https://git.gnupg.org/cgi-bin/gitweb.cgi?p=gnupg.git;a=blob_plain;f=doc/DETAILS."""
    by_word = {words[0]: words[1:] for words in lines}
    key = next(iter(by_word.get("VALIDSIG", ())), "")
    bad = next((word for word in by_word if word in _GPG_BAD), None)
    if bad is not None:
        told = {"BADSIG": "it is not of this tag", "REVKEYSIG": "the key was revoked"}.get(
            bad, "it, or its key, has expired"
        )
        return Signature(SignatureState.BAD, key=key or by_word[bad][0], text=told)
    if "GOODSIG" in by_word and code == 0:
        return Signature(SignatureState.GOOD, " ".join(by_word["GOODSIG"][1:]), key or by_word["GOODSIG"][0])
    missing = by_word.get("NO_PUBKEY") or by_word.get("ERRSIG") or [""]
    return Signature(SignatureState.UNKNOWN, key=missing[0], text="the public key is not here")
