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

ARMOUR = re.compile(rb"^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE|SSH SIGNATURE)-----", re.MULTILINE)
"""The line that a signature begins with: https://git-scm.com/docs/gitformat-signature. The last one in a tag counts."""

_SSH = b"-----BEGIN SSH SIGNATURE-----"
_SETTINGS = ("user.", "gpg.", "tag.")
_GPG_STATUS = "[GNUPG:] "
_GPG_BAD = {
    "BADSIG": "it is not of this tag",
    "EXPSIG": "it has expired",
    "EXPKEYSIG": "its key has expired",
    "REVKEYSIG": "its key was revoked",
    "NODATA": "it cannot be read",
}
# What `ssh-keygen -Y verify` says: https://man.openbsd.org/ssh-keygen, and gpg-interface.c of git.
_SSH_GOOD = re.compile(r'Good "git" signature for (?P<signer>.+) with \S+ key (?P<key>SHA256:\S+)')
_SSH_OF_NOBODY = re.compile(r'Good "git" signature with \S+ key (?P<key>SHA256:\S+)')
_SSH_WRONG = re.compile(r"incorrect signature|Couldn't verify signature")
_SSH_UNTIMELY = re.compile(r"key (?:has expired|is not yet valid)")
_SSH_NOT_FOR_TAGS = "is not permitted for use in signature namespace"
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
        state: ``GOOD``: of this tag, by a key that is known here. ``BAD``: not of this tag, or by a key that was revoked or
            has expired (an SSH key: at the time of the tag). ``UNKNOWN``: by a key that is not known here or not trusted
            enough, or it cannot be checked here. ``NONE``: there is none.
        signer: the principal of the allowed signers file, or GPG's user id; of a good signature alone.
        key: ``SHA256:…``, or the fingerprint of a GPG key (of the primary one where a subkey signed); of a GPG signature
            that is not good it is only what the signature says of itself.
        text: why it is not good.
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

    What signs may ask for a passphrase at the terminal, as it does for ``git tag``.

    Args:
        repo: the repository.
        name: what it is to be called.
        target: id of the commit that it is about.
        message: as it is to be, ending with a line feed.
        identity: the tagger; without ``user.signingKey`` GPG looks for a key of this name and address.
        seconds: when, since the epoch.

    Raises:
        GitError: it cannot be signed; the message says why, and what to set.
    """
    if repo.objects.get(target) is None:
        raise GitError(f"The tag {name} cannot be made: its commit {target[:12]} is not here.")
    text = message.encode(errors="replace")
    with tempfile.TemporaryDirectory(prefix="gtrack-sign-") as directory:
        _lay_out(Path(directory), sha256=len(repo.null_oid) > 40)
        env = {
            **identity.environment(),
            **_settings(repo),
            "GIT_COMMITTER_DATE": f"{max(seconds, 0)} +0000",
            "GIT_DIR": directory,
            "GIT_OBJECT_DIRECTORY": str(repo.common_dir / "objects"),
        }
        command = ("tag", "--sign", "--cleanup=verbatim", "--file=-", "--", name, target)
        code, _, err = repo.answer(*command, stdin=text, env=env, asks=True)
        made, oid, _ = repo.answer("rev-parse", "--verify", "--quiet", f"refs/tags/{name}", env=env)
    found = repo.objects.get(oid.decode().strip()) if code == made == 0 else None
    # git 2.39 makes the tag without a signature, and says that all is well, where ssh-keygen finds no key.
    if found is None or ARMOUR.match(found.data.partition(b"\n\n")[2].removeprefix(text)) is None:
        raise GitError(_not_signed(name, err.decode(errors="replace")))
    return found.oid


def _lay_out(scratch: Path, *, sha256: bool) -> None:
    """Make ``scratch`` a git directory without refs."""
    (scratch / "refs").mkdir()
    (scratch / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
    version = "1\n[extensions]\n\tobjectFormat = sha256" if sha256 else "0"
    config = f"[core]\n\tbare = true\n\trepositoryFormatVersion = {version}\n"
    (scratch / "config").write_text(config, encoding="ascii")


def _settings(repo: Repository) -> dict[str, str]:
    """Return the variables that carry what the repository's settings say of signing into another git directory.

    The settings as they come out, not their files: those may be included for this directory alone (``includeIf.gitdir``).
    """
    entries = os.fsdecode(repo.run("config", "--list", "-z")).split("\0")
    pairs = [entry.partition("\n") for entry in entries if entry.startswith(_SETTINGS)]
    env = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for at, (key, given, value) in enumerate(pairs):
        env[f"GIT_CONFIG_KEY_{at}"] = key
        env[f"GIT_CONFIG_VALUE_{at}"] = value if given else "true"  # a key alone is true
    return env


def _not_signed(name: str, err: str) -> str:
    said = _one_line(err) or "git says nothing"
    if "is not a valid tag name" in err:
        return f"The tag {name} cannot be made: {said}"
    return (
        f"The tag {name} cannot be signed, so it is not made: {said}. Signing needs a key: git config "
        "user.signingKey KEY, and with an SSH key git config gpg.format ssh. --no-sign makes a tag without."
    )


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
    armour = [*ARMOUR.finditer(found.data)][-1:]
    if not armour:
        return Signature(SignatureState.NONE)
    signers = [] if allowed_signers is None else ["-c", f"gpg.ssh.allowedSignersFile={allowed_signers.absolute()}"]
    code, _, err = repo.answer(*signers, "verify-tag", "--raw", "--", oid)
    said = err.decode(errors="replace")
    return _of_ssh(code, said) if armour[0][0] == _SSH else _of_gpg(code, said)


def _of_ssh(code: int, said: str) -> Signature:
    """Read what ssh-keygen says.

    The first line is its answer. What follows are messages that may quote the signature, which anybody may have written.
    """
    lines = [line for line in said.split("\n") if not line.startswith("warning: ")]
    answer, text = lines[0], _one_line("\n".join(line for line in lines if not _SSH_OF_NOBODY.fullmatch(line)))
    good = _SSH_GOOD.fullmatch(answer)
    if good and code == 0:
        return Signature(SignatureState.GOOD, good["signer"], good["key"])
    nobody = _SSH_OF_NOBODY.fullmatch(answer)
    if nobody:  # it is of this tag
        state = SignatureState.BAD if _SSH_UNTIMELY.search(said) else SignatureState.UNKNOWN
        told = text.removesuffix("No principal matched").rstrip("; ")
        return Signature(state, key=nobody["key"], text=told or "the key is not among the allowed signers")
    refused = answer.startswith("Could not verify signature") and _SSH_NOT_FOR_TAGS not in said
    wrong = refused or _SSH_WRONG.search(said)
    return Signature(SignatureState.BAD if wrong else SignatureState.UNKNOWN, text=text or "git says nothing")


def _of_gpg(code: int, said: str) -> Signature:
    """Read GPG's status lines: https://git.gnupg.org/cgi-bin/gitweb.cgi?p=gnupg.git;a=blob_plain;f=doc/DETAILS."""
    lines = [line.removeprefix(_GPG_STATUS) for line in said.split("\n") if line.startswith(_GPG_STATUS)]
    status = {words[0]: words[1:] for words in (line.split(" ") for line in lines)}
    valid = status.get("VALIDSIG", [])
    key = "".join(valid[9:10] or valid[:1])  # the primary key, where there are such
    bad = next((word for word in _GPG_BAD if word in status), None)
    if bad is not None:
        claimed = "".join(status[bad][:1]) if bad != "NODATA" else ""
        return Signature(SignatureState.BAD, key=key or claimed, text=_GPG_BAD[bad])
    if "GOODSIG" in status and key:
        if code == 0 and "TRUST_NEVER" not in status:
            return Signature(SignatureState.GOOD, " ".join(status["GOODSIG"][1:]), key)
        text = "git does not accept it: its key is not trusted enough, or it is several signatures"
        return Signature(SignatureState.UNKNOWN, key=key, text=text)
    if "NO_PUBKEY" in status:
        claimed = "".join((status.get("ERRSIG") or status["NO_PUBKEY"])[-1:])
        return Signature(SignatureState.UNKNOWN, key=claimed, text="the public key is not here")
    return Signature(SignatureState.UNKNOWN, text=_one_line(said) or "it cannot be checked here")


def _one_line(said: str) -> str:
    """Return what a program said as one line without control characters."""
    lines = (line.strip().removeprefix("fatal: ").removeprefix("error: ").rstrip(".:") for line in said.splitlines())
    text = "; ".join(" ".join(line.split()) for line in dict.fromkeys(lines) if line)
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_LONGEST]
