"""Talk to remotes as ``git fetch`` and ``git push`` do: with the user's own settings, credential helpers, ssh and hooks.

git never asks for a password here (``GIT_TERMINAL_PROMPT=0``), so that nothing waits where nobody sits. A remote that goes
silent ends in an error: http transfers that stall and ssh connections that answer no more (unless the user has set how long git
waits for these), and whatever takes longer than the time-out of a call.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired
from typing import TYPE_CHECKING

from gtrack.errors import GitError, UsageError, nearest
from gtrack.git.progress import Tell, run_answering

if TYPE_CHECKING:
    from gtrack.git.repo import Repository

_ASK_SECONDS = 120.0
_MOVE_SECONDS = 1800.0
# A byte a second: while a hook judges a push, a server sends no more than that as a sign of life (receive.keepAlive).
_STALLED = {"http.lowSpeedLimit": "1", "http.lowSpeedTime": "120"}
# What is fetched is on the disk before refs name it, as whatever gtrack writes: see gtrack.git.repo.
_DURABLE = ("-c", "core.fsync=committed,loose-object,reference", "-c", "core.fsyncMethod=batch")
_SSH = "ssh -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"
# How git tells of a ref that somebody else has made since we looked: by its own look at the remote, or the remote's lock.
_QUICKER = re.compile(
    r"already exists|fetch first|cannot lock ref|failed to update ref|stale info|incorrect old value|but expected"
)
_PLACE = re.compile(r"[:/\\]")
_PUSHED = "pushed to"
_NO_ATOMIC = "does not support --atomic"
_SECRET = re.compile(r"(?P<start>https?://|://[^/@\s:]*:)[^/@\s]+@")
_WORDS_OF_REMOTE = re.compile(r"^(?:remote: ?|error: remote (?=unpack failed: ))(.*)$", re.MULTILINE)
_ADVICE = re.compile(r"Please make sure you have the correct access rights|and the repository exists\.")
_LEVEL = re.compile(r"\A(?:fatal|error): ")
_HOOK = "pre-push"
_NOT_PUSHED = "error: failed to push some refs to "
_DENIED = re.compile(
    r"Authentication failed|could not read (?:Username|Password)|Permission denied|terminal prompts disabled"
    r"|Host key verification failed"
    r"|HTTP (?:401|403)|error: 403"
)
_NOT_THERE = re.compile(
    r"does not appear to be a git repository|[Rr]epository .*not found|does not exist|No such file or directory"
    r"|Could not resolve host|HTTP 404|error: 404"
)
_NO_WAY = re.compile(
    r"Failed to connect|Connection (?:refused|reset|timed out)|Network is unreachable|no answer within"
)


class PushRejected(GitError):
    """The remote did not take a push, or not all of it where it cannot take several refs at once; the message says which.

    Attributes:
        quicker: whether it is only that somebody else pushed such refs since.
    """

    def __init__(self, message: str, *, quicker: bool) -> None:
        super().__init__(message)
        self.quicker = quicker


@dataclass(frozen=True)
class PushedRef:
    """A ref that is to be made on a remote, where none of its name is yet: its full name, and the object's id."""

    ref: str
    oid: str


def default_remote(repo: Repository) -> str:
    """Return the remote that is meant where none is named: ``origin``, or the only one.

    Raises:
        UsageError: there is none, or several and no ``origin``.
    """
    names = repo.run("remote").decode(errors="replace").split()
    if "origin" in names:
        return "origin"
    if len(names) == 1:
        return names[0]
    if names:
        raise UsageError(f"There are several remotes and none is called origin: say which, of {', '.join(names)}.")
    raise UsageError("This repository has no remote. Name one: git remote add origin URL.")


def known_remote(repo: Repository, remote: str) -> str:
    """Return a remote that somebody named: one of this repository, or a URL, or a path that is there.

    Raises:
        UsageError: it is none; the message names the nearest.
    """
    names = repo.run("remote").decode(errors="replace").split()
    if check_remote(remote) in names or _PLACE.search(remote) or Path(remote).is_dir():
        return remote
    has = f"Here are: {', '.join(names)}." if names else "This repository has none: git remote add origin URL."
    raise UsageError(f"There is no remote {remote!r}.{nearest(remote, names)} {has}")


def check_remote(remote: str) -> str:
    """Return the name or URL of a remote.

    Raises:
        UsageError: git would take it for an option.
    """
    if not remote or remote.startswith("-"):
        raise UsageError(f"{remote!r} is no remote.")
    return remote


def push_url(repo: Repository, remote: str) -> str:
    """Return where a push to ``remote`` goes: the remote itself, or its URL where pushes go elsewhere than fetches come from."""
    config = repo.config()
    if f"remote.{check_remote(remote)}.url".lower() not in config:
        return remote
    if f"remote.{remote}.pushurl".lower() not in config and not any(key.endswith(".pushinsteadof") for key in config):
        return remote
    return repo.run("remote", "get-url", "--push", remote).decode(errors="replace").splitlines()[0]


def list_remote_refs(repo: Repository, remote: str, *patterns: str, seconds: float | None = None) -> dict[str, str]:
    """Return full ref name to object id of the refs of a remote that match any of ``patterns`` (as ``git ls-remote`` does).

    Args:
        repo: the repository.
        remote: name or URL.
        patterns: which refs.
        seconds: for how long it may take; two minutes, when None.

    Raises:
        GitError: the remote cannot be reached, or does not answer.
    """
    command = ("ls-remote", "--refs", "--", check_remote(remote), *patterns)
    code, out, err = _transfer(repo, command, _ASK_SECONDS if seconds is None else seconds)
    if code != 0:
        raise unreachable(remote, "asked", err)
    lines = [line.split("\t", 1) for line in out.decode(errors="replace").splitlines() if "\t" in line]
    return {ref: oid for oid, ref in lines}


def fetch_refs(repo: Repository, remote: str, refspecs: Sequence[str], tell: Tell | None = None) -> None:
    """Fetch refs by their refspecs; one without a destination brings the objects alone.

    Args:
        repo: the repository.
        remote: name or URL.
        refspecs: what is fetched.
        tell: is told how far it is.

    Raises:
        GitError: the remote cannot be reached, a ref is gone, or a local one is in the way.
    """
    plain = (
        "--progress" if tell else "--quiet",
        "--no-tags",
        "--refmap=",  # else git moves its remote-tracking refs along, whatever they were at
        "--no-prune",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
    )
    command = (*_DURABLE, "fetch", *plain, "--stdin", "--", check_remote(remote))
    stdin = "".join(f"{refspec}\n" for refspec in refspecs).encode()
    code, _, err = _transfer(repo, command, _MOVE_SECONDS, stdin, tell)
    if code != 0:
        raise unreachable(remote, "fetched from", err)


def push_new(repo: Repository, remote: str, refs: Sequence[PushedRef]) -> None:
    """Make refs on a remote, all of them or none; none of these names may be there.

    A remote that cannot take several refs at once gets them one after the other, in their order, until it refuses one.

    Raises:
        PushRejected: the remote refused; the message has its words.
        GitError: it cannot be reached, or does not answer.
    """
    told, taken = _push(repo, remote, refs, "--atomic"), []
    if told is not None:
        _check_own_hook(repo, remote, *told)
    if told is not None and _NO_ATOMIC in told[1]:
        for ref in refs:
            told = _push(repo, remote, [ref])
            if told is not None:
                break
            taken.append(ref.ref)
    if told is not None:
        raise _rejected(remote, taken, *told)


def push_move(
    repo: Repository,
    remote: str,
    one: PushedRef,
    expected: str | None,
    tell: Tell = lambda *_: None,
    *,
    env: Mapping[str, str] | None = None,
) -> None:
    """Move one ref of a remote, which must be where it was seen.

    Args:
        repo: the repository.
        remote: name or URL.
        one: the ref, and where it shall be.
        expected: the id of the commit that it is at; None where it is not there yet.
        tell: is told how far it is.
        env: further environment variables of git and its hooks.

    Raises:
        PushRejected: the remote refused; the message has its words.
        GitError: it cannot be reached, or does not answer.
    """
    options = ("--porcelain", "--progress", "--no-follow-tags", f"--force-with-lease={one.ref}:{expected or ''}")
    command = ("push", *options, "--", check_remote(remote), f"{one.oid}:{one.ref}")
    code, out, err = _transfer(repo, command, _MOVE_SECONDS, None, tell, env or {})
    if code != 0:
        texts = out.decode(errors="replace"), err.decode(errors="replace")
        _check_own_hook(repo, remote, *texts)
        raise _rejected(remote, (), *texts, nothing="so nothing was changed there")


def _push(repo: Repository, remote: str, refs: Sequence[PushedRef], *options: str) -> tuple[str, str] | None:
    """Push, and return what git said of the refs and beside that when it failed; None when all is there."""
    refspecs = [f"{one.oid}:{one.ref}" for one in refs]
    command = ("push", "--porcelain", "--no-follow-tags", *options, "--", check_remote(remote), *refspecs)
    code, out, err = _transfer(repo, command, _MOVE_SECONDS)
    return None if code == 0 else (out.decode(errors="replace"), err.decode(errors="replace"))


def _check_own_hook(repo: Repository, remote: str, out: str, err: str) -> None:
    """Raise what the user's own hook said, where it is the one that ended a push: git then tells of no ref."""
    lines = err.splitlines()
    if out.startswith("To ") or any(line.startswith("!") for line in out.splitlines()):
        return
    if not lines or not lines[-1].startswith(_NOT_PUSHED) or any(line.startswith("fatal: ") for line in lines):
        return
    question = ("rev-parse", "--path-format=absolute", "--git-path", f"hooks/{_HOOK}")
    path = Path(os.fsdecode(_transfer(repo, question, _ASK_SECONDS)[1].rstrip(b"\n")))
    if not os.access(path, os.X_OK):
        return
    said = [line.strip() for line in (*out.splitlines(), *lines[:-1]) if line.strip()]
    told = "".join(f"\n  {_HOOK}: {without_secrets(line)}" for line in said) or " It said nothing."
    name = without_secrets(remote)
    raise PushRejected(
        f"Your own {_HOOK} hook ({path}) refused the push to {name}, so nothing was changed there.{told}", quicker=False
    )


def _rejected(
    remote: str,
    taken: Sequence[str],
    out: str,
    err: str,
    nothing: str = "so nothing was changed, there or here",
) -> GitError:
    refused = [line.split("\t") for line in out.splitlines() if line.startswith("!")]
    if not refused:
        return unreachable(remote, _PUSHED, err.encode())
    # With --atomic the others are refused because one was; when two pushes meet in the remote's transaction, all are, and only
    # what it wrote on the way says why.
    reasons = {
        fields[1].partition(":")[2].removeprefix("refs/tags/").removeprefix("refs/heads/"): fields[2]
        for fields in refused
        if len(fields) > 2 and "atomic" not in fields[2]
    }
    words = [line.strip() for line in _WORDS_OF_REMOTE.findall(err) if line.strip()]
    quicker = (
        all(_QUICKER.search(reason) for reason in reasons.values()) if reasons else _QUICKER.search(" ".join(words))
    )
    each = "; ".join(f"{ref} {reason}" for ref, reason in reasons.items()) or "all of it"
    told = "".join(f"\n  remote: {line}" for line in words)
    if taken:
        there = ", ".join(ref.removeprefix("refs/tags/") for ref in taken)
        nothing = f"after it had taken {there} (which the next push, or git fetch --tags, brings here)"
    return PushRejected(f"{without_secrets(remote)} refused, {nothing}: {each}{told}", quicker=bool(quicker))


def unreachable(remote: str, done: str, err: bytes) -> GitError:
    """Return the error that a remote cannot be ``done`` (``fetched from``, say) with, of what git wrote to stderr."""
    said = without_secrets(_sentence(err.decode(errors="replace"))) or "it says nothing"
    remote = without_secrets(remote)
    hint = _hint(remote, done, said)
    stop = "." if hint and not said.endswith((".", "!", "?")) else ""
    return GitError(f"The remote {remote} cannot be {done}: {said}{stop}{hint}")


def _hint(remote: str, done: str, said: str) -> str:
    """Return what to do about a remote that cannot be used."""
    if _DENIED.search(said):
        mine = " Or you are not one of those who may push there." if done == _PUSHED else ""
        return f" Let git keep the credentials (git help credentials), or do it once by hand.{mine}"
    if _NOT_THERE.search(said):
        if _PLACE.search(remote):
            return " Is the address right?"
        where = f"git remote get-url {shlex.quote(remote)}"
        return (
            f" Is the address right? '{where}' shows it, and 'git remote set-url {shlex.quote(remote)} URL' changes it."
        )
    return " When it can be reached, do this again." if _NO_WAY.search(said) else ""


def _sentence(err: str) -> str:
    """Return the lines that git wrote as one, without what it advises always."""
    lines = [" ".join(_LEVEL.sub("", line).split()) for line in err.splitlines() if not _ADVICE.search(line)]
    lines = [line for line in lines if line]
    return "; ".join([*(line.rstrip(".") for line in lines[:-1]), *lines[-1:]])


def _transfer(
    repo: Repository,
    command: Sequence[str],
    seconds: float,
    stdin: bytes | None = None,
    tell: Tell | None = None,
    more: Mapping[str, str] | None = None,
) -> tuple[int, bytes, bytes]:
    """Run git and return its exit code, stdout and stderr; with ``tell`` the time-out counts from its last sign of life."""
    config = repo.config()
    words = repo.own_command(*stall_options(config), *command)
    if tell is not None:
        env = {**transfer_environment(config), **(more or {})}
        code, out, said = run_answering(words, env, tell, stdin, silence=seconds)
        return code, out, said.encode()
    source = DEVNULL if stdin is None else PIPE
    with Popen(words, stdin=source, stdout=PIPE, stderr=PIPE, env=transfer_environment(config)) as process:
        try:
            out, err = process.communicate(stdin, timeout=seconds)
        except TimeoutExpired:
            end_with_children(process)
            return -1, b"", f"no answer within {seconds:.0f} s".encode()
        except BaseException:
            end_with_children(process)
            raise
    return process.returncode, out, err


def end_with_children(process: Popen[bytes]) -> None:
    """End git and what it has started: ssh, or a helper for http, would hold the pipes open, and go on."""
    import psutil  # takes 20 ms

    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()


def without_secrets(text: str) -> str:
    """Return what git said without the passwords and tokens of URLs in it."""
    return _SECRET.sub(r"\g<start>***@", text)


def stall_options(config: Mapping[str, str]) -> list[str]:
    """Return the options of git that end a transfer which stands still, where the user's settings do not say when."""
    return [part for key, value in _STALLED.items() if key.lower() not in config for part in ("-c", f"{key}={value}")]


def transfer_environment(config: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment of git that talks to a remote: it asks nothing, and speaks English."""
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "LANGUAGE": "C"}
    if not {"GIT_SSH_COMMAND", "GIT_SSH"} & env.keys() and "core.sshcommand" not in config:
        env["GIT_SSH_COMMAND"] = _SSH
    return env
